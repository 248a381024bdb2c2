//! Reading a capture opens no socket: what is heard in a home goes nowhere. Watched by strace, where it may.

mod program;

use program::{fixtures, program};
use std::path::Path;
use std::process::{Command, Stdio};

/// The calls of the network that a command makes, its threads and children included; `None` where nobody may watch.
fn network_calls(program: &Path, arguments: &[&str]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=network", "-o"])
        .arg(&log)
        .arg(program)
        .args(arguments)
        .current_dir(fixtures())
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        println!("skipped: strace is absent");
        return None;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("ptrace") {
        println!("skipped: strace may not watch: {told}");
        return None;
    }
    assert!(
        output.status.code().is_some_and(|code| code < 4),
        "{arguments:?}: {told}"
    );
    let log = std::fs::read_to_string(log).unwrap();
    // `???(` is a thread that was gone before strace could ask what it was at: ended with its process, as the pools' are.
    let is_call = |line: &&str| {
        !["+++", "---", "???("]
            .iter()
            .any(|mark| line.contains(mark))
    };
    Some(log.lines().filter(is_call).map(str::to_owned).collect())
}

#[test]
fn no_command_opens_a_socket() {
    let binary = program().get_program().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let report = format!("json={}", folder.path().join("v.json").display());
    for arguments in [
        &[
            "infer",
            "evening-lan.pcapng",
            "--labels",
            "evening-labels.csv",
        ][..],
        &[
            "infer",
            "evening-wan.pcapng",
            "-o",
            &report,
            "--color",
            "always",
        ],
        &["infer", "formats/pcap.pcap.gz", "formats/pcapng.pcapng.zst"],
        &["devices", "evening-wan.pcapng", "--jobs", "4"],
        &[
            "flows",
            "evening-lan.pcapng",
            "-f",
            "tcp port 443 or ip6 or icmp",
        ],
        &[
            "infer",
            "evening-lan.pcapng",
            "-f",
            "net 192.168.1.0/24 and not udp portrange 53-123",
        ],
        &[
            "infer",
            "evening-lan.pcapng",
            "-f",
            "ether host ec:1a:59:0a:00:21 and ip proto 6",
        ],
        // Names, which libpcap would look up.
        &[
            "infer",
            "evening-lan.pcapng",
            "-f",
            "host nexus.dropcam.com",
        ],
        &["infer", "evening-lan.pcapng", "-f", "port https"],
        &["infer", "evening-lan.pcapng", "-f", "ip proto tcp"],
        &["infer", "evening-lan.pcapng", "-f", "net loopback"],
        &["infer", "malformed/dns-name-screen.pcap"],
        &["infer", "nowhere.pcap"],
        &["fingerprint", "list"],
        &[
            "defend",
            "evening-lan.pcapng",
            "--mode",
            "all",
            "--trials",
            "1",
        ],
        &[
            "defend",
            "--duration",
            "2h",
            "--trials",
            "2",
            "--mode",
            "stp",
        ],
        &[
            "score",
            "--before",
            "evening-lan.pcapng",
            "--after",
            "evening-wan.pcapng",
        ],
        &[
            "sweep",
            "--trials",
            "2",
            "--q",
            "0,1",
            "--duration",
            "1000s",
        ],
        &["check"],
    ] {
        let Some(calls) = network_calls(binary.as_ref(), arguments) else {
            return;
        };
        assert!(calls.is_empty(), "{arguments:?}: {calls:#?}");
    }
}

/// The watch would see one: this very file, asked for the test below, opens one.
#[test]
fn a_socket_would_be_seen() {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "opens_a_socket", "--ignored"];
    let Some(calls) = network_calls(&this, &arguments) else {
        return;
    };
    assert!(
        calls.iter().any(|call| call.contains("socket(")),
        "{calls:?}"
    );
}

#[test]
#[ignore = "only for the watch above"]
fn opens_a_socket() {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
}
