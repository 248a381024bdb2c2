//! A million spoofed flows and as many spoofed names around one real device: memory stays small, what found no room is
//! counted, and the device is still found.

mod recipe;

use recipe::flood::{pour, Poured};
use serde_json::Value;
use std::io::{BufWriter, Read};
use std::process::{Child, Command, Stdio};

/// Room for everything, the program's own pages included.
const MEMORY_KIB: u64 = 256 * 1024;
/// Address spoofing needs no answer, so a million costs nothing.
const SPOOFED: u64 = 1_000_000;

/// Runs `infer -` on a flood; what was poured, what it printed, and its peak memory.
fn flooded(arguments: &[&str]) -> Option<(Poured, Value, u64)> {
    if !std::path::Path::new("/proc/self/status").exists() {
        println!("skipped: memory is read from /proc, which is not here");
        return None;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_stp-audit"))
        .args(["infer", "-", "--format", "json", "--quiet"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = BufWriter::new(child.stdin.take().unwrap());
    let poured = pour(&mut pipe, SPOOFED, SPOOFED).unwrap();
    drop(pipe);
    let mut printed = child.stdout.take().unwrap();
    // Once it prints, everything is computed; the report is longer than a pipe holds, so it waits for us and is alive.
    let mut report = vec![0];
    printed.read_exact(&mut report).unwrap();
    let peak = peak_kib(&child);
    printed.read_to_end(&mut report).unwrap();
    assert!(report.len() > 1 << 20, "it may have ended before we looked");
    assert!(child.wait().unwrap().success());
    Some((poured, serde_json::from_slice(&report).unwrap(), peak))
}

/// The most memory a process ever held, in KiB.
fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_flood_fills_no_memory_and_hides_no_device() {
    let Some((poured, report, peak)) = flooded(&[]) else {
        return;
    };
    let evicted = &report["census"]["evicted"];
    println!("peak {} MiB; evicted {evicted}", peak / 1024);
    assert!(peak < MEMORY_KIB, "{peak} KiB");
    assert_eq!(report["census"]["read"], poured.packets);

    let devices = report["devices"].as_array().unwrap();
    let named: Vec<&Value> = devices
        .iter()
        .filter(|device| !device["candidates"].as_array().unwrap().is_empty())
        .collect();
    assert_eq!(named.len(), 1, "nobody else is named: {named:?}");
    assert_eq!(named[0]["candidates"][0]["name"], "Belkin WeMo Switch");
    assert_eq!(named[0]["evidence"][0]["value"], "api.xbcs.net");
    let flows = report["flows"].as_array().unwrap();
    let own = flows.iter().filter(|flow| flow["device"] == named[0]["id"]);
    let packets: u64 = own.map(|flow| flow["packets"].as_u64().unwrap()).sum();
    assert_eq!(packets, poured.real, "all of its packets are its own");
    let activities = named[0]["activities"].as_array().unwrap().len();
    assert!(activities >= 8, "{activities} activities of eight");

    println!("{activities} activities, {} devices", devices.len());
    for table in ["flows folded", "flows lost", "names"] {
        let count = evicted[table].as_u64().unwrap_or(0);
        assert!(count > SPOOFED / 2, "{table}: {evicted}");
    }
}
