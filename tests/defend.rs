//! `defend`, `sweep`, `check`, `demo`: whole runs, as they are typed.

mod program;

use program::{fixtures, line, program, rows, run, valid, words, Run};
use serde_json::Value;

/// A run that takes a second or two: two defenses, of a labelled evening.
const EVENING: &str = "defend evening-lan.pcapng --labels evening-labels.csv --trials 3";

/// A line a defense and adversary, all devices together; parameters are read elsewhere.
#[test]
fn an_evening_defended() {
    let typed = format!("{EVENING} --mode none,firewall,vpn,stp --format json");
    let verdict = line(&typed).ends(0).json();
    let number = |value: &Value| match value.as_f64() {
        Some(number) => format!("{number:.3}"),
        None => "-".into(),
    };
    let rows = rows(&verdict)
        .into_iter()
        .filter(|row| row["device"] == "all");
    let rows: Vec<String> = rows
        .map(|row| {
            format!(
                "{:9} {:20} claims {:>4} correct {:>3} c {:5} recall {:5} b {:6} {}",
                row["defense"].as_str().unwrap(),
                row["adversary"].as_str().unwrap(),
                row["claims"],
                row["correct"],
                number(&row["confidence"]["value"]),
                number(&row["recall"]),
                number(&row["overhead"]["ratio"]),
                if row["headline"] == true { "worst" } else { "" },
            )
        })
        .collect();
    insta::assert_snapshot!("evening_defended", rows.join("\n"));
}

#[test]
fn the_json_is_of_its_schema_and_the_same_for_any_number_of_threads() {
    let one = line(&format!("{EVENING} --mode all --format json --jobs 1")).ends(0);
    let two = line(&format!("{EVENING} --mode all --format json --jobs 2")).ends(0);
    assert!(one.out == two.out);
    let verdict = one.json();
    valid(&verdict, "verdict.schema.json");
    assert_eq!(verdict["home"]["truth"], "labels");
    assert_eq!(verdict["home"]["activities"], 41);
    let defenses = stp_audit::defense::DEFENSES;
    for row in defenses {
        assert!(
            rows(&verdict).iter().any(|of| of["defense"] == row.name),
            "{}",
            row.name
        );
    }
    let headlines = rows(&verdict)
        .into_iter()
        .filter(|row| row["headline"] == true);
    let worst = |name: &str| {
        let mut of = headlines.clone().filter(|row| row["defense"] == name);
        of.next()
            .map(|row| row["confidence"]["value"].as_f64().unwrap())
    };
    assert!(worst("none").unwrap() > 0.8);
    // Nobody outside a firewall sees anything.
    assert_eq!(worst("firewall"), None);
    assert!(worst("stp").unwrap() < worst("none").unwrap());
}

#[test]
fn another_defense_moves_no_number_of_one() {
    let alone = line(&format!("{EVENING} --mode stp --format json"))
        .ends(0)
        .json();
    let among = line(&format!("{EVENING} --mode none,ilp,stp --format json"))
        .ends(0)
        .json();
    let of_stp = |verdict: &Value| -> Vec<Value> {
        rows(verdict)
            .into_iter()
            .filter(|row| row["defense"] == "stp")
            .cloned()
            .collect()
    };
    assert!(of_stp(&alone).len() > 10);
    assert_eq!(of_stp(&alone), of_stp(&among));
}

#[test]
fn gates_say_by_the_exit_code_whatever_the_format() {
    let stp = "--mode stp --q 0.05 --trials 3";
    for (limits, code, verdict) in [
        ("", 0, "no limits set"),
        (
            "--max-confidence 1 --max-overhead 1000 --max-added-latency 1h",
            0,
            "within limits",
        ),
        ("--max-confidence 0.001", 1, "limit broken"),
        ("--max-overhead 1.001", 1, "limit broken"),
        (
            "--max-confidence 1 --min-activities 1000",
            5,
            "inconclusive",
        ),
        ("--max-confidence 0.001 --exit-zero", 0, "limit broken"),
    ] {
        for format in ["table", "json", "md", "csv", "jsonl", "junit", "sarif"] {
            let line = format!("{EVENING} {stp} {limits} --format {format}");
            // The last of two stands.
            let line = line.replacen(" --trials 3", "", 1);
            let ran = words(&line, &[]).ends(code);
            assert_eq!(
                ran.err.is_empty(),
                format == "table" || !limits.contains("001") && code != 5,
                "{line}: {}",
                ran.err
            );
            if format == "json" {
                assert_eq!(ran.json()["verdict"], verdict, "{line}");
                assert_eq!(ran.json()["exit_code"], code, "{line}");
            }
        }
    }
}

#[test]
fn a_capture_that_was_cut_passes_no_gate() {
    let whole = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcapng");
    std::fs::write(&cut, &whole[..whole.len() - 7]).unwrap();
    let typed = |more: &[&str]| {
        let line =
            "defend --labels evening-labels.csv --mode vpn --max-overhead 1000 --format json";
        run(line
            .split_whitespace()
            .chain(more.iter().copied())
            .chain([cut.to_str().unwrap()]))
    };
    let partial = typed(&[]).ends(5).json();
    assert_eq!(partial["verdict"], "inconclusive");
    assert_eq!(
        typed(&["--allow-truncated"]).ends(0).json()["verdict"],
        "within limits"
    );
}

#[test]
fn a_baseline_knows_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baseline.json");
    let file = file.to_str().unwrap();
    let typed = |mode: &str, flag: &str| {
        let line = "defend evening-lan.pcapng --labels evening-labels.csv --trials 3 --format json";
        words(line, &["--mode", mode, flag, file])
    };
    typed("vpn", "--save-baseline").ends(0);
    assert_eq!(
        typed("vpn", "--baseline").ends(0).json()["verdict"],
        "within limits"
    );
    let worse = typed("none,vpn", "--baseline").json();
    assert!(
        !worse["baseline"]["new"].as_array().unwrap().is_empty(),
        "{worse}"
    );
}

#[test]
fn without_input_the_built_in_home_is_defended() {
    let verdict = line("defend --duration 6h --mode none,vpn --trials 2 --format json")
        .ends(0)
        .json();
    valid(&verdict, "verdict.schema.json");
    assert_eq!(verdict["home"]["truth"], "generated");
    assert_eq!(verdict["inputs"], Value::Array(vec![]));
    let caveats = verdict["caveats"].to_string();
    assert!(caveats.contains("synthetic"), "{caveats}");
}

#[test]
fn a_home_is_learned_from_a_capture() {
    let line = "defend --model-from evening-lan.pcapng --labels evening-labels.csv --duration 6h --mode none --format json";
    let verdict = words(line, &[]).ends(0).json();
    assert_eq!(verdict["home"]["truth"], "generated");
    let devices = verdict["home"]["devices"].to_string();
    assert!(devices.contains("belkin-wemo-switch"), "{devices}");
}

#[test]
fn a_page_holds_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let output = format!("html={}", page.display());
    words(EVENING, &["--mode", "stp", "-o", &output]).ends(0);
    let text = std::fs::read_to_string(page).unwrap();
    assert!(
        text.matches("<svg").count() > 5,
        "{}",
        text.matches("<svg").count()
    );
    for foreign in ["http-equiv", "<script src", "<link ", "<img "] {
        assert!(!text.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_sweep_is_a_curve() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("curve.svg");
    let output = format!("svg={}", svg.display());
    let line =
        "sweep --device wemo --p 0.01 --q 0,0.01,1 --trials 5 --duration 2000s --format json";
    let one = words(line, &["--jobs", "1", "-o", &output]).ends(0);
    let two = words(line, &["--jobs", "2"]).ends(0);
    assert!(one.out == two.out);
    valid(&one.json(), "sweep.schema.json");
    assert_eq!(one.json()["points"].as_array().unwrap().len(), 3);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn checks_are_one_verdict_with_the_worst_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["evening-lan.pcapng", "evening-labels.csv"] {
        std::fs::copy(fixtures().join(file), folder.path().join(file)).unwrap();
    }
    let good = "[[check]]\nname = \"cheap\"\ninput = \"evening-lan.pcapng\"\nlabels = \"evening-labels.csv\"\nmode = \"vpn\"\nmax-overhead = 1000.0\n";
    let bad = good
        .replace("cheap", "hidden")
        .replace("max-overhead = 1000.0", "max-confidence = 0.01");
    let lost = good
        .replace("cheap", "lost")
        .replace("evening-lan", "nowhere");
    let check = |text: &str| {
        let path = folder.path().join("stp-audit.toml");
        std::fs::write(&path, text).unwrap();
        // From elsewhere: paths are the file's.
        words("check --format json", &["--config", path.to_str().unwrap()])
    };
    let one = check(good).ends(0).json();
    assert_eq!(
        (&one["verdict"], &one["command"]),
        (&"within limits".into(), &"check".into())
    );
    valid(&one, "verdict.schema.json");
    let both = check(&format!("{good}\n{bad}")).ends(1).json();
    valid(&both, "verdict.schema.json");
    let gates: Vec<String> = both["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| {
            format!(
                "{} {}",
                gate["defense"].as_str().unwrap(),
                gate["status"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(gates, ["cheap: vpn pass", "hidden: vpn fail"]);
    let three = check(&format!("{good}\n{bad}\n{lost}")).ends(3);
    assert!(three.json()["caveats"]
        .to_string()
        .contains("lost could not be run"));
    assert!(three.err.contains("hidden: vpn"), "{}", three.err);
}

#[test]
fn the_demo_shows_the_whole_loop() {
    let folder = tempfile::tempdir().unwrap();
    let output = program()
        .arg("demo")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let ran = Run::of(output).ends(0);
    assert!(ran.out.lines().next().unwrap().contains("synthetic"));
    let typed: Vec<&str> = ran
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    assert_eq!(typed.len(), 3, "{typed:?}");
    assert!(ran.out.contains("Belkin WeMo Switch"));
    assert!(folder.path().join("report.html").exists());
    // Of the three only the gate breaks.
    let codes = ran.out.lines().filter(|line| line.starts_with("(exit"));
    let expected = [0, 0, 1].map(|code| format!("(exit code {code})"));
    assert!(codes.eq(expected.iter()), "{}", ran.out);
    // What is echoed can be pasted.
    let pasted = program()
        .args(typed[0].split_whitespace().skip(1))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let pasted = Run::of(pasted).ends(0);
    assert!(ran.out.contains(&pasted.out));
}

/// A pipe cannot be read twice: it is read once, and gives what the file gives.
#[test]
fn a_pipe_is_read_once() {
    let typed = "--labels evening-labels.csv --mode none --format json";
    let of_file = words(
        "defend evening-lan.pcapng",
        &typed.split(' ').collect::<Vec<_>>(),
    );
    let bytes = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
    let of_pipe = program()
        .args(["defend", "-"])
        .args(typed.split(' '))
        .write_stdin(bytes)
        .output();
    let of_pipe = Run::of(of_pipe.unwrap()).ends(0).json();
    assert_eq!(of_pipe["results"], of_file.ends(0).json()["results"]);
    assert_eq!(of_pipe["inputs"], serde_json::json!(["-"]));
}

/// Rates far below what the home sends: that its traffic only queues is said, and only then.
#[test]
fn rates_that_are_too_low_are_told() {
    let lag = "the shaped rates are too low";
    let home = "defend --duration 6h --trials 1 --format json";
    for (defense, told) in [
        ("--mode stp --rate-up 100", true),
        ("--mode ilp --ilp-rate 300", true),
        ("--mode stp,vpn,ilp,firewall-inside", false),
    ] {
        let found = line(&format!("{home} {defense}")).ends(0).json();
        let caveats = found["caveats"].to_string();
        assert_eq!(caveats.contains(lag), told, "{defense}: {caveats}");
    }
}

/// Findings of `check` are at the line of their check, and are the same ones when the file is shifted.
#[test]
fn findings_are_at_their_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stp-audit.toml");
    let text = "[[check]]\nname = \"a\"\nmode = \"none\"\nduration = \"6h\"\nmax-confidence = 0.1\n\n\
                [[check]]\nname = \"b\"\nmode = \"none\"\nduration = \"6h\"\nmax-confidence = 0.1\neach-device = true\n";
    let found = |text: &str| -> Vec<(u64, String)> {
        std::fs::write(&path, text).unwrap();
        let config = path.to_str().unwrap();
        let log = words("check --format sarif", &["--config", config])
            .ends(1)
            .json();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let place = "/locations/0/physicalLocation/region/startLine";
        let one = |result: &Value| {
            let line = result.pointer(place).unwrap().as_u64().unwrap();
            (line, result["partialFingerprints"].to_string())
        };
        results.iter().map(one).collect()
    };
    let plain = found(text);
    let lines: Vec<u64> = plain.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines[..2], [1, 7]);
    assert!(
        lines.len() > 2 && lines[2..].iter().all(|line| *line == 7),
        "{lines:?}"
    );
    let distinct: std::collections::BTreeSet<&String> = plain.iter().map(|(_, id)| id).collect();
    assert_eq!(distinct.len(), plain.len());
    let shifted = found(&format!("# One.\n# Two.\n\n{text}"));
    let moved: Vec<(u64, String)> = plain.into_iter().map(|(line, id)| (line + 3, id)).collect();
    assert_eq!(shifted, moved);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_hint() {
    for (typed, says) in [
        (
            "defend - -",
            "standard input can be read once, and - is named 2 times",
        ),
        (
            "infer - -",
            "standard input can be read once, and - is named 2 times",
        ),
        (
            "score --before - --after -",
            "standard input can be read once",
        ),
        ("defend --mode vnp", "did you mean vpn"),
        ("defend --adversary run-lenght", "did you mean run-length?"),
        ("defend --rule phantm", "did you mean phantom?"),
        (
            "defend --example singel-device",
            "did you mean single-device?",
        ),
        ("sweep --device nset", "did you mean nest"),
        ("defend --each-device", "--max-confidence"),
    ] {
        let run = line(typed).ends(2);
        assert!(run.err.contains(says), "{typed}: {}", run.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stp-audit.toml");
    std::fs::write(&path, "[[check]]\nname = \"idle\"\n").unwrap();
    let run = words("check", &["--config", path.to_str().unwrap()]).ends(2);
    assert!(
        run.err.contains("line 1: the check `idle` has no limit"),
        "{}",
        run.err
    );
}
