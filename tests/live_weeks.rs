//! A watch of weeks remembers as much as one of days: the real program, fed with a made-up home faster than time passes.

mod program;
#[path = "../benches/weeks/home.rs"]
mod weeks;

use program::{fixtures, program};
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};
use weeks::{Home, WEEK};

/// How much it may grow from the first week to the fourth: allocators and hash tables breathe.
const GROWTH: u64 = 3 << 20;
/// Devices: few, as it is a test and no measurement (`benches/weeks.sh`).
const DEVICES: u8 = 4;
/// How much it may take in all: the program itself, its catalog, and six hours of a home.
const IN_ALL: u64 = 64 << 20;

/// Resident memory of a process, in bytes; none where it is not told.
fn resident(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn the_fourth_week_takes_no_more_than_the_first() {
    let mut child = Command::new(program().get_program())
        .args(["infer", "--follow", "--window", "6h", "--max-flows", "1000"])
        .current_dir(fixtures())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    if resident(child.id()).is_none() {
        println!("skipped: no /proc to see the memory in");
        child.kill().unwrap();
        return;
    }
    let mut home = Home::begin(BufWriter::new(child.stdin.take().unwrap()), DEVICES, 1).unwrap();
    let mut sizes = Vec::new();
    for week in 1..=4 {
        home.until(week * WEEK).unwrap();
        // All but a pipe full of it was read.
        sizes.push(resident(child.id()).unwrap());
    }
    assert!(home.packets > 4_000_000, "{}", home.packets);
    home.end().unwrap();
    assert!(child.wait().unwrap().success());
    println!("after each week: {sizes:?}");
    assert!(sizes[3] <= sizes[0] + GROWTH, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < IN_ALL), "{sizes:?}");
    let _ = std::io::stdout().flush();
}
