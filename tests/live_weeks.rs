//! A watch of weeks remembers as much as one of days, and a flood finds no more room than there is: the real program, fed faster
//! than time passes.

mod program;
#[path = "../benches/weeks/home.rs"]
mod weeks;

use program::{fixtures, program};
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};
use stp_audit::capture::{LinkType, Writer};
use stp_audit::units::Timestamp;
use weeks::Home;

/// Seconds.
const WEEK: i64 = 7 * 86_400;

/// How much it may grow from the second week, when all tables are full, to the fourth: allocators and hash tables breathe.
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

/// What a flood may take in all: the bounds of `live`, 165 MB, and the program with its catalog.
const FLOODED: u64 = 200 << 20;

/// A watch of standard input.
fn watch(more: &[&str]) -> Child {
    Command::new(program().get_program())
        .args(["infer", "--follow"])
        .args(more)
        .current_dir(fixtures())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_flood_of_made_up_hosts_flows_and_names_keeps_the_bounds() {
    let mut child = watch(&[]);
    if resident(child.id()).is_none() {
        println!("skipped: no /proc to see the memory in");
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    let pipe = BufWriter::new(child.stdin.take().unwrap());
    let mut wire = Writer::begin(pipe, LinkType::ETHERNET, 256, "flood", "").unwrap();
    let mut most = 0;
    for number in 0..400_000u32 {
        // A question for a name nobody asked for before, by a host that was not there before.
        let [_, a, b, c] = number.to_be_bytes();
        let name = format!("n{number}.example");
        let mut question = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(label.len() as u8);
            question.extend(label.bytes());
        }
        question.extend([0, 0, 1, 0, 1]);
        let length = 28 + question.len() as u16;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 1, a, b, c, 8, 0, 0x45, 0];
        frame.extend(length.to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 10, a, b, c, 192, 0, 2, 53]);
        frame.extend([0x80 | a, c, 0, 53]);
        frame.extend((length - 20).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(question);
        let at = Timestamp::new(weeks::BEGIN, i64::from(number) * 1_000_000);
        wire.packet(at, 14 + u32::from(length), &frame).unwrap();
        if number % 10_000 == 0 {
            most = most.max(resident(child.id()).unwrap());
        }
    }
    most = most.max(resident(child.id()).unwrap());
    wire.end().unwrap();
    assert!(child.wait().unwrap().success());
    println!("at most {} MB", most >> 20);
    assert!(most < FLOODED, "{most}");
}

#[test]
fn the_fourth_week_takes_no_more_than_the_second() {
    let mut child = watch(&["--window", "6h", "--max-flows", "1000"]);
    if resident(child.id()).is_none() {
        println!("skipped: no /proc to see the memory in");
        child.kill().unwrap();
        child.wait().unwrap();
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
    assert!(sizes[3] <= sizes[1] + GROWTH, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < IN_ALL), "{sizes:?}");
    let _ = std::io::stdout().flush();
}
