//! `demo`: infer, every defense, a gate, on the synthetic home that the program carries. No network, no root, no capture at hand.
//!
//! Each step is echoed as it would be typed, and run as if it were: what is shown is what the command does. Left behind are
//! the home's capture, so that what was echoed can be pasted, and the page of the defenses.

use crate::capture::{LinkType, Writer};
use crate::cli::args::{Cli, Command, Common};
use crate::cli::defend;
use crate::cli::exit::Exit;
use crate::cli::homes;
use crate::cli::infer;
use crate::cli::print::print;
use crate::flow::key::Endpoint;
use crate::packet::headers::{datagram, headers, Sequence};
use crate::report::output::write_whole;
use crate::report::View;
use crate::trace::{Flow, Trace};
use crate::units::{Direction, Timestamp};
use clap::Parser;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

/// The capture of the home, and the page.
const CAPTURE: &str = "demo-home.pcapng";
/// What is typed, after what is said of it.
const STEPS: [(&str, &str); 3] = [
    (
        "1. What does its traffic tell an observer, encrypted as it is?",
        "stp-audit infer demo-home.pcapng",
    ),
    (
        "2. What do defenses hide, from the worst of several adversaries, and at what cost?",
        "stp-audit defend --duration 12h --trials 5 -o html=report.html",
    ),
    (
        "3. May a defense be shipped? A gate for CI: exit code 1 where an adversary is right too often.",
        "stp-audit defend --duration 12h --trials 5 --mode stp --target-confidence 0.1 --max-confidence 0.12",
    ),
];
/// The name server of the home, and how long it takes.
const RESOLVER: Endpoint = Endpoint {
    address: IpAddr::V4(Ipv4Addr::new(192, 168, 77, 1)),
    port: 53,
};
const LOOK_UP: Duration = Duration::from_millis(20);
const SNAPLEN: u32 = 512;

/// Runs the command.
pub fn run(common: &Common) -> anyhow::Result<Exit> {
    print("This home is synthetic: nobody lives in it, and no packet of it was ever sent.\n")?;
    let trace = homes::built_in(Duration::from_secs(43_200), None, common.seed)?;
    write_whole(Path::new(CAPTURE), |out| capture(out, &trace))?;
    print(format!("Half a day of it is written to {CAPTURE}.\n"))?;
    for (says, typed) in STEPS {
        print(format!("\n{says}\n$ {typed}\n"))?;
        let exit = step(typed, common)?;
        if let Exit::Signal(_) = exit {
            return Ok(exit);
        }
        print(format!("(exit code {})\n", exit.code()))?;
    }
    print("\nreport.html shows the defenses with pictures: open it in a browser.\n")
}

/// Runs what is typed.
fn step(typed: &str, common: &Common) -> anyhow::Result<Exit> {
    let cli = Cli::try_parse_from(typed.split_whitespace())?;
    match &cli.command {
        Some(Command::Infer(args)) => infer::run(args, common, View::Infer),
        Some(Command::Defend(args)) => defend::run(args, common),
        _ => Ok(Exit::Done),
    }
}

/// The home as somebody at its network captures it: every device looks its server up before it first speaks to it.
fn capture(out: &mut dyn Write, trace: &Trace) -> io::Result<()> {
    let program = concat!("stp-audit ", env!("CARGO_PKG_VERSION"));
    let comment = "a synthetic home: nobody lives in it";
    let mut writer = Writer::begin(out, LinkType::RAW, SNAPLEN, program, comment)?;
    let mut number = 0u16;
    let mut first: BTreeMap<u32, Timestamp> = BTreeMap::new();
    for packet in &trace.packets {
        first.entry(packet.flow).or_insert(packet.at);
    }
    let mut lookups: Vec<(Timestamp, Vec<u8>)> = Vec::new();
    for (flow, at) in first {
        let Some(flow) = trace.flows.get(flow as usize) else {
            continue;
        };
        for (before, datagram) in look_up(flow) {
            lookups.push((at - before, datagram));
        }
    }
    lookups.sort();
    let mut lookups = lookups.into_iter().peekable();
    for packet in &trace.packets {
        while let Some((at, data)) = lookups.next_if(|(at, _)| *at <= packet.at) {
            writer.packet(at, data.len() as u32, &data)?;
        }
        let Some(flow) = trace.flows.get(packet.flow as usize) else {
            continue;
        };
        let (local, remote) = (
            (flow.local.address, flow.local.port),
            (flow.remote.address, flow.remote.port),
        );
        let (from, to) = match packet.direction {
            Direction::Up => (local, remote),
            Direction::Down => (remote, local),
        };
        number = number.wrapping_add(1);
        let sequence = Sequence::default();
        let data = headers(from, to, flow.protocol, packet.bytes, number, sequence);
        writer.packet(packet.at, packet.bytes, &data)?;
    }
    writer.end()?;
    Ok(())
}

/// A question for a flow's server and its answer, each with how long before the flow it passes.
fn look_up(flow: &Flow) -> Vec<(Duration, Vec<u8>)> {
    let (Some(name), IpAddr::V4(address)) = (&flow.server, flow.remote.address) else {
        return Vec::new();
    };
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        let label = label.as_bytes();
        let label = label.get(..63).unwrap_or(label);
        question.push(label.len() as u8);
        question.extend(label);
    }
    question.extend([0, 0, 1, 0, 1]);
    let mut answer = question.clone();
    if let Some(header) = answer.get_mut(2..8) {
        header.copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1]);
    }
    // Of the name asked for (a pointer to it), an IPv4 address, for five minutes.
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    answer.extend(address.octets());
    let asker = (flow.local.address, flow.local.port);
    let resolver = (RESOLVER.address, RESOLVER.port);
    let asked = datagram(asker, resolver, &question, 1);
    let answered = datagram(resolver, asker, &answer, 2);
    let both = [(LOOK_UP * 2, asked), (LOOK_UP, answered)];
    both.into_iter()
        .filter_map(|(before, datagram)| Some((before, datagram?)))
        .collect()
}
