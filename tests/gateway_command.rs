//! `keygen` and `defend --loopback` as they are typed.

mod program;

use program::{program, run, stp_audit, Run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

#[test]
fn keygen_writes_a_key_for_its_owner_alone_and_prints_the_public_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("near.key");
    let run = || {
        program()
            .arg("keygen")
            .arg("--out")
            .arg(&path)
            .output()
            .unwrap()
    };
    let made = run();
    assert_eq!(made.status.code(), Some(0));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let of = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    let printed = String::from_utf8(made.stdout).unwrap();
    assert_eq!(printed.trim(), of("public "));
    assert!(made.stderr.is_empty() && !printed.contains(&of("private ")));
    // Nothing that exists is written over.
    let again = run();
    assert_eq!(again.status.code(), Some(4));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_loopback_delivers_everything_and_its_wire_agrees_with_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("v.json");
    let output = program()
        .args(["defend", "--mode", "stp", "--loopback", "--minutes", "4"])
        .args(["--time-scale", "20", "--trials", "4", "--seed", "7"])
        .args(["--duration", "4h", "--format", "md", "-o"])
        .arg(format!("json={}", json.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let verdict: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(stp_audit::report::audit::json::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&verdict)
        .map(|e| e.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let run = &verdict["loopback"];
    assert!(run["offered"].as_u64() > Some(100), "{run}");
    assert_eq!(run["delivered"], run["offered"], "{run}");
    for none in ["dropped", "altered", "repeated", "disordered"] {
        assert_eq!(run[none], 0, "{none}: {run}");
    }
    // A tunnel has one size; there are no more sizes than tunnels.
    let sizes = run["datagram_sizes"].as_array().unwrap().len() as u64;
    assert!(sizes >= 1 && Some(sizes) <= run["tunnels"].as_u64());
    assert_eq!(run["agrees"], true, "{run}");
    assert_eq!(run["unfinished"], 0, "{run}");
    // Where libpcap may listen it saw the very same; else the report says why not.
    match run["no_capture"].as_str() {
        Some(why) => assert!(run["capture"].is_null() && !why.is_empty(), "{run}"),
        None => {
            let seen = &run["capture"];
            assert_eq!(seen["agrees"], true, "{run}");
            assert_eq!(seen["datagrams"], run["datagrams"], "{run}");
            assert_eq!(seen["datagram_sizes"], run["datagram_sizes"], "{run}");
            // Both have the system's time of when a datagram came in.
            assert!(seen["apart_us"]["p50"].as_f64() < Some(1_000.0), "{run}");
        }
    }
    let rows = verdict["results"].as_array().unwrap();
    for defense in ["stp", "stp-loopback"] {
        assert!(
            rows.iter().any(|row| row["defense"] == defense),
            "{defense}"
        );
    }
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("## Loopback") && page.contains("What such a wire shows"));
}

/// Who learned of the simulator at other times is asked about it and about the wire that was really there.
#[test]
fn adversaries_that_learn_are_asked_about_both_wires() {
    let words = "defend --mode stp --loopback --minutes 4 --time-scale 40 --trials 4 --seed 7 --duration 6h --format json \
                 --adversary every-padded-period,learned --ladder";
    let verdict = program::line(words).ends(0).json();
    let schema: Value = serde_json::from_str(stp_audit::report::audit::json::SCHEMA).unwrap();
    assert!(jsonschema::is_valid(&schema, &verdict), "{verdict}");
    let rungs = verdict["ladder"].as_array().unwrap();
    let rows = verdict["results"].as_array().unwrap();
    for defense in ["stp", "stp-loopback"] {
        let of = |one: &&Value| one["defense"] == defense && one["adversary"] == "learned";
        let row = rows.iter().filter(of).find(|row| row["device"] == "all");
        assert!(row.unwrap()["activities"].as_u64() > Some(3), "{defense}");
        let rung = rungs.iter().find(of);
        let rung = rung.unwrap_or_else(|| panic!("{defense}: {}", verdict["caveats"]));
        let auc = rung["auc"]["value"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&auc), "{rung}");
        // One school for both: what it learned, of as many examples.
        assert_eq!(rung["learned_by"], rungs[1]["learned_by"]);
        assert!(rung["shuffled_labels"].is_object(), "{rung}");
    }
    let learned = |one: &&Value| one["adversary"] == "learned";
    let agreement = verdict["loopback"]["agreement"].as_array().unwrap();
    assert!(agreement.iter().any(|one| learned(&one)), "{agreement:?}");
    let from = verdict["parameters"]["learned_from"].as_str().unwrap();
    assert!(from.contains("other times of 240 s at home"), "{from}");
}

/// Of a capture there are no other homes: its other hours teach, cut as what is lived.
#[test]
fn the_rest_of_a_capture_teaches_who_is_asked_about_a_part() {
    let words = "defend evening-lan.pcapng --labels evening-labels.csv --mode stp --loopback --minutes 3 --time-scale 60 \
                 --trials 2 --format json --adversary learned";
    let verdict = program::line(words).ends(0).json();
    let from = verdict["parameters"]["learned_from"].as_str().unwrap();
    let pieces: u32 = from.split(' ').next().unwrap().parse().unwrap();
    // Two hours hold forty times three minutes, and one of them is lived.
    assert!((20..=40).contains(&pieces), "{from}");
    assert!(from.contains("other times of 180 s at home, 4 times each"));
    let rungs = verdict["ladder"].as_array().unwrap();
    let of = rungs.iter().map(|rung| rung["defense"].as_str().unwrap());
    let of: Vec<&str> = of.collect();
    assert_eq!(of, ["stp", "stp-loopback"], "{}", verdict["caveats"]);
}

#[test]
fn what_no_tunnel_has_is_refused() {
    for (arguments, says) in [
        (&["--mode", "vpn", "--loopback"][..], "--mode stp alone"),
        (
            &["--mode", "stp", "--loopback", "--start-rates", "4"],
            "rates that stay",
        ),
        (
            &["--mode", "stp", "--loopback", "--cell", "64"],
            "128 to 1500",
        ),
        (&["--mode", "stp", "--minutes", "3"], "--loopback"),
        (&["--mode", "stp", "--loopback", "--time-scale", "0"], "0.1"),
    ] {
        let output = program()
            .args(["defend", "--duration", "1h"])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
}

/// A loopback of a short time, told as JSON.
const SHORT: [&str; 14] = [
    "defend",
    "--mode",
    "stp",
    "--loopback",
    "--minutes",
    "1",
    "--time-scale",
    "20",
    "--duration",
    "1h",
    "--trials",
    "1",
    "--format",
    "json",
];

/// A key file of that name.
fn key(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let path_text = path.to_str().unwrap();
    run(["keygen", "--out", path_text]).ends(0);
    path
}

/// The private key in a key file.
fn private(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix("private "))
        .unwrap()
        .to_owned()
}

#[test]
fn both_ends_may_have_their_keys_from_files_that_nobody_else_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let [near, far] = ["near.key", "far.key"].map(|name| key(folder.path(), name));
    let words = |key: &Path, peer: &Path| -> Vec<String> {
        let [key, peer] = [key, peer].map(|path| path.to_str().unwrap().to_owned());
        let keys = ["--key".to_owned(), key, "--peer".to_owned(), peer];
        SHORT.map(str::to_owned).into_iter().chain(keys).collect()
    };
    let done = run(words(&near, &far)).ends(0);
    let ran = &done.json()["loopback"];
    assert!(ran["offered"].as_u64() > Some(10), "{ran}");
    assert_eq!(ran["delivered"], ran["offered"], "{ran}");
    for secret in [private(&near), private(&far)] {
        assert!(!done.out.contains(&secret) && !done.err.contains(&secret));
    }

    let refused = |run: Run, code, says: &str| {
        assert!(run.err.contains(says), "{}", run.err);
        assert!(!run.err.contains(&private(&near)), "{}", run.err);
        run.ends(code);
    };
    refused(run(words(&near, &near)), 2, "one key");
    refused(run(words(&near, &folder.path().join("none"))), 4, "none");
    let text = folder.path().join("text");
    std::fs::write(&text, "no key").unwrap();
    std::fs::set_permissions(&text, PermissionsExt::from_mode(0o600)).unwrap();
    refused(run(words(&text, &far)), 2, "keygen");
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&far, PermissionsExt::from_mode(mode)).unwrap();
        let says = format!("{mode:04o}");
        refused(run(words(&near, &far)), 2, &says);
    }
    let alone = SHORT.iter().copied().chain(["--key", "near.key"]);
    refused(run(alone), 2, "--peer");
}

#[test]
fn without_the_right_to_listen_the_report_says_so() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can give up the right to listen");
        return;
    }
    let mut command = stp_audit(&SHORT);
    // Whom no file belongs to must be able to reach the program.
    let done = Run::of(match command.uid(65_534).gid(65_534).output() {
        Ok(output) => output,
        Err(why) => return println!("skipped: the program cannot be started by others: {why}"),
    });
    let ran = done.ends(0).json()["loopback"].clone();
    assert_eq!(ran["delivered"], ran["offered"], "{ran}");
    assert!(ran["capture"].is_null(), "{ran}");
    let why = ran["no_capture"].as_str().unwrap();
    assert!(why.contains("CAP_NET_RAW"), "{why}");
}

#[test]
fn the_wire_that_was_there_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wire.pcapng");
    let path = path.to_str().unwrap();
    let words = SHORT.iter().copied().chain(["-w", path]);
    let told = run(words).ends(0).json();
    let read = run(["infer", path, "--format", "json"]).json();
    let flows = read["flows"].as_array().unwrap();
    let of = |flow: &Value, name: &str| flow[name].as_u64().unwrap();
    // A tunnel's datagrams are all of its size; what passes beside the tunnels, of devices that are never used, is not.
    let sizes = told["loopback"]["datagram_sizes"].as_array().unwrap();
    let of_a_tunnel = |flow: &&Value| {
        let (packets, bytes) = (
            of(flow, "packets"),
            of(flow, "up_bytes") + of(flow, "down_bytes"),
        );
        bytes % packets == 0 && sizes.contains(&Value::from(bytes / packets))
    };
    let tunnels = flows.iter().filter(of_a_tunnel);
    let datagrams: u64 = tunnels.map(|flow| of(flow, "packets")).sum();
    assert_eq!(datagrams, of(&told["loopback"], "datagrams"), "{flows:?}");
}

#[test]
fn a_signal_ends_it_early_with_what_was_lived_and_no_gate_passes() {
    use rustix::process::Signal;
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15)] {
        let mut child = stp_audit(&["defend", "--mode", "stp", "--loopback", "--minutes", "5"])
            .args(["--duration", "2h", "--format", "json"])
            .args(["--max-overhead", "1000", "--max-confidence", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("tunnels over 127.0.0.1 for 300 s"), "{line}");
        std::thread::sleep(Duration::from_secs(8));
        let process = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(process, signal).unwrap();
        let mut out = String::new();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_to_string(&mut out).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + number));
        let verdict: Value = serde_json::from_str(&out).unwrap();
        let schema: Value = serde_json::from_str(stp_audit::report::audit::json::SCHEMA).unwrap();
        assert!(jsonschema::is_valid(&schema, &verdict), "{out}");
        let ran = &verdict["loopback"];
        let seconds = ran["seconds"].as_f64().unwrap();
        assert!((7.0..60.0).contains(&seconds), "{seconds}");
        let of = |name: &str| ran[name].as_u64().unwrap();
        assert!(of("offered") > 0 && of("datagrams") > 0, "{ran}");
        let [delivered, dropped, unfinished] = ["delivered", "dropped", "unfinished"].map(of);
        assert_eq!(delivered + dropped + unfinished, of("offered"), "{ran}");
        assert_eq!((dropped, of("altered"), of("repeated")), (0, 0, 0), "{ran}");
        let says = format!("stopped by signal {number} after {seconds:.1} s of 300.0 s");
        let caveats = verdict["caveats"].as_array().unwrap();
        let told = |caveat: &Value| caveat.as_str().is_some_and(|text| text.contains(&says));
        assert!(caveats.iter().any(told), "{caveats:?}");
        let gates = verdict["gates"].as_array().unwrap();
        assert!(gates.len() >= 2);
        assert!(
            gates.iter().all(|gate| gate["status"] != "pass"),
            "{gates:?}"
        );
        let rows = verdict["results"].as_array().unwrap();
        let wire = |row: &Value| row["defense"] == "stp-loopback";
        assert!(rows.iter().any(wire), "what was measured is told");
    }
}
