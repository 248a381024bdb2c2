//! SIGINT and SIGTERM end a read and trials, not the report: what came before is told, and the exit code says which signal it was.

mod program;

use program::{fixtures, send, start, Run};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How soon is promptly: a person's patience, and some for a busy machine.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Until the program waits for bytes: it sleeps, and what was written was taken.
fn settle(child: &Child) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    for _ in 0..500 {
        std::thread::sleep(Duration::from_millis(10));
        let asleep = |_| state() == Some('S');
        if (0..5).all(asleep) && caught(child) {
            // A few more looks: it may have slept between two reads.
            std::thread::sleep(Duration::from_millis(200));
            return;
        }
    }
    panic!("the program does not come to rest: {:?}", state());
}

/// Whether the program minds SIGINT and SIGTERM already.
fn caught(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    let mask = u64::from_str_radix(line.trim(), 16).unwrap();
    mask & (1 << 1) != 0 && mask & (1 << 14) != 0
}

fn ends(child: Child) -> Run {
    let begun = Instant::now();
    let run = Run::of(child.wait_with_output().unwrap());
    assert!(begun.elapsed() < PROMPTLY, "it took {:?}", begun.elapsed());
    run
}

/// Sends a signal once these bytes were read and more are waited for; the pipe stays open until the program has ended.
fn interrupted(arguments: &[&str], bytes: &[u8], signal: &str) -> Run {
    let mut child = start(arguments);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(bytes).unwrap();
    settle(&child);
    send(&child, signal);
    let run = ends(child);
    drop(pipe);
    run
}

fn has_proc() -> bool {
    let there = Path::new("/proc/self/status").exists();
    if !there {
        println!("skipped: no /proc to see when the program waits");
    }
    there
}

/// The first packets of the evening, cut within a record.
fn begun() -> Vec<u8> {
    let mut bytes = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
    bytes.truncate(500_001);
    bytes
}

#[test]
fn a_pipe_that_stays_open_is_left_with_what_came() {
    if !has_proc() {
        return;
    }
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("v.json");
        let output = format!("json={}", json.display());
        let run = interrupted(&["infer", "-", "-o", &output], &begun(), signal);
        let run = run.ends(128 + number);
        assert!(run.out.contains("Nest Cam"), "{}", run.out);
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(json["census"]["read"], 4_868);
        // It was us who stopped: the input is not said to be damaged.
        assert_eq!(json["inputs"][0]["truncated"], false);
        let caveat = json["caveats"][0].as_str().unwrap();
        assert!(
            caveat.contains(&format!("stopped by signal {number}")),
            "{caveat}"
        );
    }
}

#[test]
fn a_packed_pipe_is_left_as_well() {
    if !has_proc() {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&begun()).unwrap();
    gzip.flush().unwrap();
    let run = interrupted(&["infer", "-"], gzip.get_ref(), "-INT").ends(130);
    assert!(run.out.contains("Nest Cam"), "{}", run.out);
}

#[test]
fn a_fifo_without_a_writer_is_left() {
    if !has_proc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap()
        .success());
    let child = start(&["infer", fifo.to_str().unwrap()]);
    settle(&child);
    send(&child, "-TERM");
    let run = ends(child).ends(143);
    assert!(
        run.err.contains("stopped by signal 15 before any packet"),
        "{}",
        run.err
    );
    assert!(run.out.is_empty());
}

#[test]
fn a_header_alone_is_a_result_of_nothing() {
    if !has_proc() {
        return;
    }
    let header = std::fs::read(fixtures().join("malformed/header-only.pcap")).unwrap();
    let run = interrupted(&["infer", "-"], &header, "-INT").ends(130);
    assert!(run.out.contains("0 packets"), "{}", run.out);
}

#[test]
fn a_second_signal_ends_at_once() {
    use std::os::unix::process::ExitStatusExt;
    if !has_proc() {
        return;
    }
    let child = start(&["infer", "-"]);
    settle(&child);
    // Held still, so that both come before it can do anything about the first.
    send(&child, "-STOP");
    send(&child, "-INT");
    send(&child, "-TERM");
    send(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    assert!(
        matches!(output.status.signal(), Some(2 | 15)),
        "{}",
        output.status
    );
    assert!(output.stdout.is_empty());
}

/// What takes minutes: the built-in home for two weeks, so many trials of every defense.
const LONG: [&str; 5] = ["defend", "--duration", "336h", "--trials", "500"];
/// How soon is promptly where a trial of two weeks is ended first.
const AFTER_A_TRIAL: Duration = Duration::from_secs(60);

/// Starts the program, waits until it minds signals and so long, sends the signal, and gives what came.
fn stopped(arguments: &[&str], signal: &str, after: Duration) -> Run {
    let child = start(arguments);
    let begun = Instant::now();
    while !caught(&child) {
        assert!(begun.elapsed() < AFTER_A_TRIAL, "no signal is minded");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(after);
    send(&child, signal);
    let sent = Instant::now();
    let run = Run::of(child.wait_with_output().unwrap());
    assert!(sent.elapsed() < AFTER_A_TRIAL, "{:?}", sent.elapsed());
    run
}

/// The same, later and later, until `enough` was done by then: machines are slow or busy.
fn stopped_under_way(
    arguments: &[&str],
    signal: &str,
    code: i32,
    enough: impl Fn(&serde_json::Value) -> bool,
) -> (serde_json::Value, Run) {
    for seconds in [2, 6, 18, 54] {
        let run = stopped(arguments, signal, Duration::from_secs(seconds)).ends(code);
        let found = run.json();
        if enough(&found) {
            return (found, run);
        }
    }
    panic!("nothing was done in time");
}

fn array<'a>(value: &'a serde_json::Value, name: &str) -> &'a [serde_json::Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// No gate passes on a part; what is surely broken already is said to be.
#[test]
fn trials_that_were_run_are_reported() {
    if !has_proc() {
        return;
    }
    let schema = serde_json::from_str(stp_audit::report::audit::json::SCHEMA).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (junit, baseline) = (folder.path().join("v.xml"), folder.path().join("b.json"));
    let report = format!("junit={}", junit.display());
    let limits = ["--max-confidence", "1", "--max-overhead", "1000"];
    let more = ["--format", "json", "-o", &report, "--mode", "stp,vpn"];
    let save = ["--save-baseline", baseline.to_str().unwrap()];
    let words = [&LONG[..], &limits, &more, &save].concat();
    let (found, run) = stopped_under_way(&words, "-INT", 130, |found| {
        array(found, "results")
            .iter()
            .any(|row| row["defense"] == "stp")
    });
    assert!(schema.is_valid(&found));
    assert_eq!(found["exit_code"], 130);
    assert_eq!(found["verdict"], "inconclusive");
    let stp = array(&found, "results")
        .iter()
        .find(|row| row["defense"] == "stp");
    let trials = stp.unwrap()["trials"].as_u64().unwrap();
    assert!((1..500).contains(&trials), "{trials}");
    let gates = array(&found, "gates");
    assert!(gates.len() >= 2);
    for gate in gates {
        assert_eq!(gate["status"], "inconclusive", "{gate}");
        assert!(gate["says"].as_str().unwrap().contains("partial"), "{gate}");
    }
    let caveats = found["caveats"].to_string();
    assert!(caveats.contains("stopped by signal 2 after "), "{caveats}");
    assert!(caveats.contains("no baseline was saved"), "{caveats}");
    assert!(!baseline.exists());
    assert!(std::fs::read_to_string(junit)
        .unwrap()
        .contains("inconclusive"));
    assert!(
        run.err.contains("inconclusive: max-confidence"),
        "{}",
        run.err
    );

    // Undefended, everybody sees everything, however few the trials.
    let limits = ["--mode", "none,stp", "--max-confidence", "0.1"];
    let words = [&LONG[..], &limits, &["--format", "json"]].concat();
    let (found, _) = stopped_under_way(&words, "-TERM", 143, |found| {
        array(found, "results")
            .iter()
            .any(|row| row["defense"] == "none")
    });
    assert_eq!(found["verdict"], "limit broken");
    assert_eq!(found["exit_code"], 143);
}

#[test]
fn points_that_were_finished_are_reported() {
    if !has_proc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("curve.svg");
    let report = format!("svg={}", svg.display());
    let words =
        "sweep --device wemo --p 0.01..0.5:0.01 --q 0..1:0.1 --trials 3000 --format json -o";
    let words: Vec<&str> = words.split(' ').chain([report.as_str()]).collect();
    let (found, _) = stopped_under_way(&words, "-INT", 130, |found| {
        !array(found, "points").is_empty()
    });
    let points = array(&found, "points").len();
    assert!(points < 550 && points.is_multiple_of(11), "{points}");
    let caveats = found["caveats"].to_string();
    assert!(
        caveats.contains(&format!("after {points} of 550 points")),
        "{caveats}"
    );
    assert!(std::fs::read_to_string(svg).unwrap().contains("<svg"));
    // A finished point is what it is in a whole run.
    let first = &found["points"][0];
    let again = "sweep --device wemo --p 0.01 --q 0 --trials 3000 --format json";
    let again: Vec<&str> = again.split(' ').collect();
    assert_eq!(&program::run(again).ends(0).json()["points"][0], first);
}

#[test]
fn checks_that_had_ended_are_reported_and_the_others_are_not_run() {
    if !has_proc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stp-audit.toml");
    let checks = "[[check]]\nname = \"short\"\nmode = \"none\"\nduration = \"6h\"\nmax-confidence = 1\nmin-activities = 1\n\n\
                  [[check]]\nname = \"long\"\nduration = \"336h\"\ntrials = 500\nmode = \"stp\"\nmax-confidence = 1\n\n\
                  [[check]]\nname = \"last\"\nmax-confidence = 1\n";
    std::fs::write(&config, checks).unwrap();
    let words = [
        "check",
        "--format",
        "json",
        "--config",
        config.to_str().unwrap(),
    ];
    let (found, run) = stopped_under_way(&words, "-TERM", 143, |found| {
        let rows = array(found, "results").iter();
        rows.filter_map(|row| row["defense"].as_str())
            .any(|name| name == "long: stp")
    });
    let statuses: Vec<(&str, &str)> = array(&found, "gates")
        .iter()
        .map(|gate| {
            (
                gate["defense"].as_str().unwrap(),
                gate["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        statuses,
        [("short: none", "pass"), ("long: stp", "inconclusive")]
    );
    assert_eq!(found["exit_code"], 143);
    assert_eq!(found["not_run"][0]["check"], "last");
    assert_eq!(found["not_run"][0]["line"], 15);
    assert!(
        run.err.contains("not run: last: stopped by signal 15"),
        "{}",
        run.err
    );
}

#[test]
fn a_second_signal_ends_trials_at_once() {
    use std::os::unix::process::ExitStatusExt;
    if !has_proc() {
        return;
    }
    let child = start(&LONG);
    while !caught(&child) {
        std::thread::sleep(Duration::from_millis(10));
    }
    send(&child, "-STOP");
    send(&child, "-INT");
    send(&child, "-TERM");
    send(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    assert!(
        matches!(output.status.signal(), Some(2 | 15)),
        "{}",
        output.status
    );
    assert!(output.stdout.is_empty());
}
