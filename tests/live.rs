//! `infer --follow`, run: events as they happen, the report at the end, however it comes.

mod program;

use program::{fixtures, program, send, start, Run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stp_audit::capture::{LinkType, Writer};
use stp_audit::units::Timestamp;

/// Lines of standard output with when they came.
fn lines(child: &mut Child) -> mpsc::Receiver<(Instant, Value)> {
    let out = BufReader::new(child.stdout.take().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in out.lines() {
            let Ok(line) = line else { return };
            let value = serde_json::from_str(&line).unwrap();
            if tell.send((Instant::now(), value)).is_err() {
                return;
            }
        }
    });
    told
}

/// Waits for an event of this kind, for ten seconds at most.
fn event(told: &mpsc::Receiver<(Instant, Value)>, kind: &str) -> (Instant, Value) {
    let until = Instant::now() + Duration::from_secs(10);
    while let Ok((at, value)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if value["event"] == kind {
            return (at, value);
        }
    }
    panic!("no {kind} came");
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(since.as_nanos() as i64)
}

/// A plug's packet to its server, as the LAN shows it.
fn packet(wire: &mut Writer<ChildStdin>, at: Timestamp, length: u16) {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 0xec, 0x1a, 0x59, 0, 0, 7, 8, 0, 0x45, 0];
    frame.extend(length.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 192, 168, 1, 7, 198, 51, 100, 7]);
    frame.extend([
        0x80, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0,
    ]);
    wire.packet(at, 14 + u32::from(length), &frame).unwrap();
}

fn wire(child: &mut Child) -> Writer<ChildStdin> {
    Writer::begin(
        child.stdin.take().unwrap(),
        LinkType::ETHERNET,
        256,
        "test",
        "",
    )
    .unwrap()
}

#[test]
fn an_activity_is_told_within_two_seconds_of_its_packets() {
    let mut child = start(&["infer", "--follow", "--warm-up", "0", "--merge", "1s"]);
    let told = lines(&mut child);
    let mut wire = wire(&mut child);
    // A quarter of an hour in which nothing stands out, told at once; then it is now.
    let begin = now();
    for second in (1..900).rev() {
        packet(&mut wire, begin - Duration::from_secs(second), 60);
    }
    event(&told, "device_found");
    let mut latest = Duration::ZERO;
    for _ in 0..3 {
        let sent = Instant::now();
        packet(&mut wire, now(), 1_400);
        let (at, started) = event(&told, "activity_started");
        latest = latest.max(at.duration_since(sent));
        assert_eq!(started["shape"], "spike");
        assert_eq!(started["peak_bytes_per_s"], 1_400.0);
        // Nothing more comes, and that is how the end is known.
        let (_, ended) = event(&told, "activity_ended");
        assert_eq!(ended["start"], started["start"]);
    }
    println!("told {latest:?} after its packet at most");
    assert!(latest < Duration::from_secs(2), "{latest:?}");
    drop(wire);
    assert!(child.wait().unwrap().success());
}

#[test]
fn events_are_what_their_schema_says_and_the_report_follows() {
    let schema = serde_json::from_str(stp_audit::report::event::SCHEMA).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let mut kinds = BTreeSet::new();
    for capture in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        let output = program()
            .args(["infer", "--follow", capture])
            .output()
            .unwrap();
        let run = Run::of(output).ends(0);
        let (mut events, mut report) = (Vec::new(), Vec::new());
        for line in run.out.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            match value["event"].as_str() {
                Some(kind) => {
                    assert!(report.is_empty(), "an event within the report: {line}");
                    kinds.insert(kind.to_owned());
                    let faults: Vec<String> = validator
                        .iter_errors(&value)
                        .map(|fault| fault.to_string())
                        .collect();
                    assert!(faults.is_empty(), "{line}: {faults:#?}");
                    events.push(value);
                }
                None => report.push(value),
            }
        }
        assert_eq!(events[0]["event"], "watching");
        assert_eq!(events[events.len() - 1]["event"], "ended");
        assert_eq!(report[0]["type"], "report");
        // What is told is told in order, and never before it happened.
        let instants = events
            .windows(2)
            .map(|pair| (pair[0]["at"].as_str(), pair[1]["at"].as_str()));
        for (a, b) in instants {
            assert!(a.unwrap()[..19] <= b.unwrap()[..19], "{a:?} {b:?}");
        }
        for event in events
            .iter()
            .filter(|event| event["event"] == "activity_started")
        {
            let (start, at) = (
                event["start"].as_str().unwrap(),
                event["at"].as_str().unwrap(),
            );
            assert!(start[..19] <= at[..19], "{event}");
        }
        // Each use that began is over at the end.
        let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
        assert_eq!(count("activity_started"), count("activity_ended"));
        // The report is of the devices that were told of, by their names.
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for event in &events {
            let device = event["device"].as_str().unwrap_or_default();
            match event["event"].as_str().unwrap() {
                "device_found" => _ = known.insert(device),
                "device_changed" => {
                    known.remove(event["was"].as_str().unwrap());
                    known.insert(device);
                }
                "device_gone" => _ = known.remove(device),
                _ => {}
            }
        }
        let reported: BTreeSet<&str> = report
            .iter()
            .filter(|line| line["type"] == "device")
            .map(|line| line["id"].as_str().unwrap())
            .collect();
        assert_eq!(known, reported, "{capture}");
    }
    for kind in [
        "watching",
        "device_found",
        "device_changed",
        "activity_started",
        "activity_ended",
        "ended",
    ] {
        assert!(kinds.contains(kind), "{kind}");
    }
    // And the schema refuses what it should.
    for wrong in [
        r#"{"schema":"stp-audit/event/1","event":"party","at":"2026-01-01T00:00:00Z"}"#,
        "{}",
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(wrong).unwrap()));
    }
}

#[test]
fn the_same_file_gives_the_same_events() {
    let words = ["infer", "--live", "evening-wan.pcapng"];
    let out = || program().args(words).output().unwrap().stdout;
    let (once, again) = (out(), out());
    assert!(once == again && once.len() > 50_000);
}

/// Whether SIGHUP is passed over where the tests run, as under nohup; the program then passes it over as well.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_signal_ends_the_watch_with_the_report_and_no_fault() {
    let all = ["-INT", "-TERM", "-HUP"];
    for signal in all.iter().take(if hangup_is_ignored() { 2 } else { 3 }) {
        let mut child = start(&["infer", "--follow", "-"]);
        let mut pipe = child.stdin.take().unwrap();
        let mut bytes = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
        bytes.truncate(500_001);
        let told = lines(&mut child);
        pipe.write_all(&bytes).unwrap();
        event(&told, "activity_ended");
        std::thread::sleep(Duration::from_millis(300));
        send(&child, signal);
        let (_, ended) = event(&told, "ended");
        assert_eq!(ended["packets"], 4_868);
        let rest: Vec<Value> = told.iter().map(|(_, value)| value).collect();
        assert_eq!(rest[0]["type"], "report");
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
        drop(pipe);
    }
}

#[test]
fn nobody_listening_is_a_quiet_end() {
    let mut child = start(&["infer", "--follow", "-"]);
    drop(child.stdout.take());
    let mut pipe = child.stdin.take().unwrap();
    let bytes = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
    // It may be gone before it has read all.
    let _ = pipe.write_all(&bytes);
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    drop(pipe);
}

#[test]
fn other_formats_are_for_the_report_alone() {
    let output = program()
        .args([
            "infer",
            "--follow",
            "evening-lan.pcapng",
            "--format",
            "json",
        ])
        .output()
        .unwrap();
    let run = Run::of(output).ends(0);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["parameters"]["window_s"], 86_400.0);
    assert_eq!(report["census"]["read"], 12_320);
    // Nothing is older than the window: it is what `infer` says, but for the names that stayed.
    let output = program()
        .args(["infer", "evening-lan.pcapng", "--format", "json"])
        .output()
        .unwrap();
    let plain: Value = serde_json::from_str(&Run::of(output).ends(0).out).unwrap();
    let activities = |report: &Value| -> Vec<Value> {
        let devices = report["devices"].as_array().unwrap().iter();
        devices.map(|device| device["activities"].clone()).collect()
    };
    assert_eq!(activities(&report), activities(&plain));
    assert_eq!(report["census"], plain["census"]);
}
