//! Rates per second equal tshark's `io,stat`, to the byte, on real captures.

#[path = "program/mod.rs"]
mod program;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use stp_audit::capture::{Options, Reader};

/// A capture and one host in it, as our filter language says it and as tshark's does.
struct Case {
    file: &'static str,
    host: &'static str,
    bpf: &'static str,
    display: &'static str,
    /// More arguments of ours. The filter is not among them where it keeps away the file's first packet, at which tshark's
    /// seconds begin even so.
    more: &'static [&'static str],
}

const CASES: [Case; 3] = [
    Case {
        file: "camera-week/camera.pcap",
        host: "192.168.1.129",
        // What comes down bears an 802.1Q tag, behind which BPF looks only when told.
        display: "ip.addr == 192.168.1.129",
        bpf: "ip host 192.168.1.129 or (vlan and ip host 192.168.1.129)",
        more: &[],
    },
    Case {
        file: "plug-lifecycle/plug.pcap",
        host: "192.168.1.221",
        bpf: "ip host 192.168.1.221",
        display: "ip.addr == 192.168.1.221",
        more: &["-f", "ip host 192.168.1.221"],
    },
    Case {
        file: "home-nat/home-wan.pcap",
        host: "198.51.100.7",
        // ICMP quotes the packet it is about, and tshark's sum would count that one's length too.
        bpf: "ip host 198.51.100.7 and not icmp",
        display: "ip.addr == 198.51.100.7 and not icmp",
        // All of the home as one device, so that every flow is somebody's.
        more: &[
            "-f",
            "ip host 198.51.100.7 and not icmp",
            "--vantage",
            "lan",
            "--home",
            "198.51.100.7",
        ],
    },
];

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Second {
    frames: u64,
    ip_bytes: u64,
}

/// Seconds since the first packet that are not silent.
type Seconds = BTreeMap<u64, Second>;

/// tshark's table; none, and a line said, where there is no tshark.
fn by_tshark(path: &Path, filter: &str) -> Option<Seconds> {
    let columns = format!("io,stat,1,{filter},SUM(ip.len)ip.len and {filter}");
    let mut command = Command::new("tshark");
    command.args(["-n", "-q", "-z", &columns, "-r"]).arg(path);
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut seconds = Seconds::new();
    for line in text.lines() {
        // |    6 <>    7 |      3 |   807 |    777 |
        let cells = line.split('|').map(str::trim);
        let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
        let [interval, frames, _, ip_bytes] = cells[..] else {
            continue;
        };
        let Some((start, _)) = interval.split_once("<>") else {
            continue;
        };
        let second = Second {
            frames: frames.parse().unwrap(),
            ip_bytes: ip_bytes.parse().unwrap(),
        };
        if second != Second::default() {
            seconds.insert(start.trim().parse().unwrap(), second);
        }
    }
    Some(seconds)
}

/// Bytes by the program's `--rates`, of the device with the host's address; frames by the reader with the same filter.
fn by_us(path: &Path, case: &Case) -> Seconds {
    let folder = tempfile::tempdir().unwrap();
    let rates = folder.path().join("rates.csv");
    let mut more = vec!["--bins-from", "first", "--bin", "1s"];
    more.extend(case.more);
    more.extend(["--rates", rates.to_str().unwrap()]);
    let ran = program::infer(path, &more);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let report = ran.report.unwrap();
    let devices = report["devices"].as_array().unwrap();
    let of_host = |device: &&serde_json::Value| device["address"] == case.host;
    let device = devices.iter().find(of_host).expect("the host is a device")["id"]
        .as_str()
        .unwrap();

    let first = nanos(report["window"]["first"].as_str().unwrap());
    let second = |at: i128| u64::try_from((at - first) / 1_000_000_000).unwrap();
    let mut seconds = Seconds::new();
    for row in csv::Reader::from_path(&rates).unwrap().records() {
        let row = row.unwrap();
        if &row[1] == device {
            let bytes = row[2].parse::<u64>().unwrap() + row[3].parse::<u64>().unwrap();
            seconds.entry(second(nanos(&row[0]))).or_default().ip_bytes += bytes;
        }
    }
    let options = Options {
        filter: Some(case.bpf.to_owned()),
        ..Options::default()
    };
    let mut reader = Reader::open(&[path.to_owned()], &options).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        seconds.entry(second(frame.at.0.into())).or_default().frames += 1;
    }
    seconds
}

/// RFC 3339 as nanoseconds since 1970.
fn nanos(text: &str) -> i128 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond()
}

#[test]
fn rates_equal_tsharks_to_the_byte() {
    let Some(data) = program::data() else { return };
    for case in CASES {
        let path = data.join(case.file);
        let Some(theirs) = by_tshark(&path, case.display) else {
            return;
        };
        let ours = by_us(&path, &case);
        let second = |of: &Seconds, at| of.get(at).copied().unwrap_or_default();
        let all = ours.keys().chain(theirs.keys());
        let mut differing = all.filter(|at| second(&ours, at) != second(&theirs, at));
        if let Some(at) = differing.next() {
            let (ours, theirs) = (second(&ours, at), second(&theirs, at));
            panic!(
                "{}: second {at}: {ours:?}, tshark {theirs:?}; {} more",
                case.file,
                differing.count()
            );
        }
        let bytes: u64 = ours.values().map(|second| second.ip_bytes).sum();
        assert!(
            ours.len() > 300 && bytes > 500_000,
            "{}: too little to compare",
            case.file
        );
        println!(
            "{}: {} active seconds, {bytes} bytes the same",
            case.file,
            ours.len()
        );
    }
}
