//! `infer -i`, on an interface of its own in a network namespace. Namespaces want root; where nobody may make one, each test says
//! so and is passed over.

mod network;
mod program;

use network::{Network, Running};
use program::program;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::time::{Duration, Instant};

macro_rules! network {
    () => {
        match Network::new() {
            Some(network) => network,
            None => return,
        }
    };
}

/// The next event of this kind, and what came before it.
fn event(lines: &mut BufReader<ChildStdout>, kind: &str) -> (Instant, Value) {
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        let value: Value = serde_json::from_str(&line).unwrap();
        if value["event"] == kind {
            return (Instant::now(), value);
        }
        line.clear();
    }
    panic!("no {kind} came");
}

fn watch(network: &Network, more: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let arguments = [&["-i", "b0", "--warm-up", "0", "--merge", "1s"][..], more].concat();
    let mut watch = network.other("infer", &arguments);
    let lines = BufReader::new(watch.take_out());
    // It says nothing until something comes.
    std::thread::sleep(Duration::from_millis(1_500));
    (watch, lines)
}

#[test]
fn a_use_is_told_within_two_seconds_of_its_packets() {
    let network = network!();
    let json = network.path("v.json");
    let report = format!("json={json}");
    let (mut watch, mut lines) = watch(&network, &["-f", "udp", "-o", &report, "-Z", "root"]);
    // One second in twenty-five, or two if it falls between, is more than three deviations over the mean.
    network.send(1, 100);
    event(&mut lines, "device_found");
    std::thread::sleep(Duration::from_secs(24));
    let sent = Instant::now();
    network.send(20, 1_000);
    let (told, started) = event(&mut lines, "activity_started");
    let took = told - sent;
    println!("told {took:?} after the first packet was to be sent");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let peak = started["peak_bytes_per_s"].as_f64().unwrap();
    // Without ARP both ends bear one hardware address here: one device, which sends and receives each packet.
    assert!((1_028.0..=2.0 * 20.0 * 1_028.0).contains(&peak), "{peak}");
    // Nobody speaks any more, and so the end is known.
    event(&mut lines, "activity_ended");
    watch.signal("INT");
    let (_, ended) = event(&mut lines, "ended");
    assert_eq!(ended["packets"], 21);
    drop(lines);
    watch.ends(0);
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(report["inputs"][0]["path"], "b0");
    assert_eq!(report["inputs"][0]["format"], "live");
    assert_eq!(report["census"]["ipv4"], 21);
}

#[test]
fn an_interface_that_is_taken_away_ends_the_watch_with_what_was_seen() {
    let network = network!();
    let (mut watch, mut lines) = watch(&network, &[]);
    network.send(5, 100);
    event(&mut lines, "device_found");
    network.ip(&["link", "del", "a0"]);
    let (_, ended) = event(&mut lines, "ended");
    assert_eq!(ended["packets"], 5);
    watch.is_over();
    drop(lines);
    let run = watch.ends(4);
    assert!(run.err.contains("b0"), "{}", run.err);
}

#[test]
fn an_interface_that_is_not_there_is_an_environment_that_fails() {
    let output = program()
        .args(["infer", "-i", "nowhere0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("nowhere0"), "{said}");
}

#[test]
fn a_user_to_become_is_for_who_listens_to_an_interface() {
    let output = program()
        .args(["infer", "-Z", "nobody", "evening-wan.pcapng"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("-Z is for who listens"), "{said}");
}
