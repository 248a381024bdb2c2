//! Hand-made malformed captures, beside what tshark and tcpdump make of each.

mod captures;

use captures::drain;
use std::path::PathBuf;
use stp_audit::capture::{Options, Reader};

/// Where we keep other records, or other times, than tshark, and why. Checked both ways: one that agrees again must go.
const DEVIATIONS: [(&str, &str); 7] = [
    (
        "empty.pcap",
        "tshark reads 0 packets of 0 bytes; we say that the file is empty",
    ),
    (
        "short-magic.pcap",
        "tshark takes three bytes for a text file of one packet; to us it is no capture",
    ),
    (
        "ts-usec-overflow.pcap",
        "4e9 us are 4,000 s, carried over; tshark multiplies in 32 bits and prints 5.1385447424",
    ),
    (
        "ng-ts-max.pcapng",
        "the year 586,524: clamped to 2262, the last one i64 nanoseconds reach, with a warning",
    ),
    (
        "ng-tsoffset-max.pcapng",
        "an offset of 2^63-1 s: clamped likewise; tshark wraps to before 1970",
    ),
    (
        "linktype-65000.pcap",
        "tshark refuses the link type; the record is whole, and counted as skipped above",
    ),
    (
        "ng-opt-overrun.pcapng",
        "tshark stops at an interface's broken option; we warn and read the packets",
    ),
];

#[test]
fn every_hostile_file_is_read_as_tshark_does_or_explained() {
    let Some(folder) = data()
        .map(|data| data.join("hostile"))
        .filter(|f| f.is_dir())
    else {
        println!("skipped: no test data (set STP_AUDIT_DATA)");
        return;
    };
    let list = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let mut complaints = Vec::new();
    let mut files = 0;
    for line in list.lines() {
        let expected: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = expected["file"][0].as_str().unwrap();
        let seen = read(folder.join(file));
        files += 1;
        let deviation = DEVIATIONS.iter().find(|(name, _)| *name == file);
        match (differs(&seen, &expected), deviation) {
            (Some(how), None) => complaints.push(format!("{file}: {how}")),
            (None, Some((_, why))) => complaints.push(format!("{file} agrees, no longer: {why}")),
            _ => {}
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(files, 99);
}

/// What we made of a file.
struct Seen {
    packets: u64,
    first: Option<i64>,
    last: Option<i64>,
    /// It broke off, or could not be opened.
    partial: bool,
}

fn read(path: PathBuf) -> Seen {
    let name = path.display().to_string();
    let reader = match Reader::open(&[path], &Options::default()) {
        Ok(reader) => reader,
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with(&name), "names no file: {error}");
            return Seen {
                packets: 0,
                first: None,
                last: None,
                partial: true,
            };
        }
    };
    let (frames, mut summaries) = drain(reader).unwrap();
    let summary = summaries.remove(0);
    assert_eq!(summary.packets, frames.len() as u64, "{name}");
    Seen {
        packets: summary.packets,
        first: summary.first.map(|at| at.0),
        last: summary.last.map(|at| at.0),
        partial: summary.truncated.is_some(),
    }
}

/// How it is unlike what tshark, or where that stopped part-way tcpdump, made of it.
fn differs(seen: &Seen, expected: &serde_json::Value) -> Option<String> {
    let complete = expected["complete"].as_bool().unwrap();
    let theirs = expected["packets"].as_u64().unwrap();
    if seen.partial == complete {
        return Some(format!("complete {complete}, but partial {}", seen.partial));
    }
    if !complete {
        let most = theirs.max(expected["tcpdump_packets"].as_u64().unwrap_or(0));
        return (seen.packets != most).then(|| format!("{} of {most} packets", seen.packets));
    }
    if seen.packets != theirs {
        return Some(format!("{} packets, expected {theirs}", seen.packets));
    }
    for (ours, theirs) in [(seen.first, "first_ts"), (seen.last, "last_ts")] {
        let theirs = expected[theirs].as_str().map(nanos);
        if ours.map(i128::from) != theirs {
            return Some(format!("time {ours:?}, expected {theirs:?}"));
        }
    }
    None
}

/// "1700000000.123456789" as nanoseconds.
fn nanos(text: &str) -> i128 {
    let (seconds, fraction) = text.split_once('.').unwrap();
    let fraction: i128 = format!("{fraction:0<9}").parse().unwrap();
    let seconds: i128 = seconds.parse().unwrap();
    seconds * 1_000_000_000 + fraction * if text.starts_with('-') { -1 } else { 1 }
}

fn data() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("STP_AUDIT_DATA").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}
