//! `-w` and `--labels-out`: what the wire would show as a capture that any tool opens, and the truth beside it.
//!
//! Times, directions and sizes are the observation's, to the nanosecond and the byte; payloads are zeros and cut off. An
//! observation knows its flows by what the far end can be called; where the trace knows a flow of that name, its addresses
//! and ports are written, and a tunnel, which has none, gets addresses set apart for documentation (RFC 5737, RFC 3849).

use crate::activity::labels::{TOLERANCE, TRAFFIC};
use crate::capture::{LinkType, Writer};
use crate::cli::exit::usage;
use crate::cli::shaping::{tell, Ends};
use crate::flow::home::is_private;
use crate::flow::key::Endpoint;
use crate::packet::dissect::Protocol;
use crate::packet::headers::{headers, payload_bytes, Sequence};
use crate::report::output::write_whole;
use crate::threat::{Observation, Sighting, Vantage};
use crate::trace::{Source, Trace};
use crate::units::{Direction, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// Packets written at most: 5 GB.
const PACKETS_AT_MOST: u64 = 50_000_000;
/// Bytes kept of a packet: all headers.
const SNAPLEN: u32 = 72;
/// Where a home whose public address nobody knows is said to be, and the far end of a tunnel. The home's number is the lower:
/// of two public addresses that share all traffic, the lower is taken for the home's when the capture is read.
const HOME_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOME_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// Both.
pub const UNKNOWN_HOME: [IpAddr; 2] = [IpAddr::V4(HOME_V4), IpAddr::V6(HOME_V6)];
const TUNNEL: [Ipv4Addr; 2] = [
    Ipv4Addr::new(203, 0, 113, 254),
    Ipv4Addr::new(203, 0, 113, 253),
];
/// WireGuard's port.
const TUNNEL_PORT: u16 = 51_820;
/// Ports given where none is known, from here on.
const FIRST_PORT: u16 = 49_152;

/// Writes what is seen of a trace as pcapng, raw IP, whole or not at all; gives the number of packets. `home` are the home's
/// public addresses, where they are known; `about` is a comment for those who look into the file, beside which stands how flows
/// are shaped.
///
/// # Errors
/// Too many packets, or packets before 1970; a file that cannot be written.
pub fn write(
    path: &Path,
    seen: &Observation,
    trace: &Trace,
    home: &[IpAddr],
    about: &str,
) -> anyhow::Result<u64> {
    let count = seen.packets();
    if count > PACKETS_AT_MOST {
        return Err(usage(format!(
            "-w {}: the wire shows {count} packets, and at most {PACKETS_AT_MOST} are written: \
             defend a shorter part, or use a larger --cell or lower rates",
            path.display()
        )));
    }
    if seen.sightings.iter().any(|one| one.at < Timestamp(0)) {
        return Err(usage(format!(
            "-w {}: some packets are from before 1970, which pcapng cannot hold",
            path.display()
        )));
    }
    let ends = ends(seen, trace, home);
    let comment = format!("{about}\n{}", tell(seen, &ends));
    write_whole(path, |out| fill(out, seen, &ends, &comment))?;
    Ok(count)
}

/// Writes the truth as `start,end,device,activity,tolerance_s,traffic_start,traffic_end`, whole or not at all: how far from it a
/// claim may lie, and when its traffic passed, so that whoever reads it judges as was judged here. Devices of a made-up home are called by their
/// addresses: nothing on the wire tells what they are.
///
/// # Errors
/// A file that cannot be written.
pub fn write_labels(path: &Path, trace: &Trace, tolerance: Duration) -> anyhow::Result<()> {
    let tolerance = tolerance.as_secs_f64().to_string();
    write_whole(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        let [from, to] = TRAFFIC;
        csv.write_record(["start", "end", "device", "activity", TOLERANCE, from, to])?;
        for activity in &trace.activities {
            csv.write_record([
                activity.span.start.to_string().as_str(),
                activity.span.end.to_string().as_str(),
                called(trace, activity.device).as_str(),
                activity.label.as_str(),
                tolerance.as_str(),
                activity.traffic.start.to_string().as_str(),
                activity.traffic.end.to_string().as_str(),
            ])?;
        }
        csv.flush()
    })?;
    Ok(())
}

/// What labels call a device, so that a reader of the capture finds it.
fn called(trace: &Trace, device: usize) -> String {
    let address = || {
        let mut flows = trace.flows.iter();
        let flow = flows.find(|flow| flow.device == Some(device))?;
        Some(flow.local.address.to_string())
    };
    let made_up = trace.source == Source::Generated;
    let id = || trace.devices.get(device).map(|device| device.id.clone());
    let address = made_up.then(address).flatten();
    address.or_else(id).unwrap_or_default()
}

/// Before the parameters of the defense in the comment of a capture that `-w` wrote.
pub const PARAMETERS: &str = ", first trial: ";

/// The parameters of the defense, where a comment tells them.
pub fn parameters(comment: &str) -> Option<serde_json::Value> {
    let (_, told) = comment.split_once(PARAMETERS)?;
    serde_json::from_str(told.lines().next()?).ok()
}

fn fill(out: &mut dyn Write, seen: &Observation, ends: &[Ends], about: &str) -> io::Result<()> {
    let program = concat!("stp-audit ", env!("CARGO_PKG_VERSION"));
    let mut writer = Writer::begin(out, LinkType::RAW, SNAPLEN, program, about)?;
    // What each end of a flow has sent so far, and in how many packets.
    let mut sent = vec![[0u32; 2]; ends.len()];
    let mut number = 0u16;
    for (at, sighting) in in_order(&seen.sightings) {
        let flow = sighting.flow as usize;
        let (Some(ends), Some(sent)) = (ends.get(flow), sent.get_mut(flow)) else {
            continue;
        };
        let (from, to, by) = match sighting.direction {
            Direction::Up => (ends.local, ends.remote, 0),
            Direction::Down => (ends.remote, ends.local, 1),
        };
        let [up, down] = *sent;
        let (mine, theirs) = if by == 0 { (up, down) } else { (down, up) };
        let sequence = Sequence {
            sent: mine.wrapping_add(1),
            acknowledged: theirs.wrapping_add(1),
        };
        let payload = payload_bytes(from.address, ends.protocol, sighting.bytes);
        if let Some(mine) = sent.get_mut(by) {
            *mine = mine.wrapping_add(payload);
        }
        number = number.wrapping_add(1);
        let data = headers(
            (from.address, from.port),
            (to.address, to.port),
            ends.protocol,
            sighting.bytes,
            number,
            sequence,
        );
        writer.packet(at, sighting.bytes, &data)?;
    }
    writer.end()?;
    Ok(())
}

/// The packets of all trains in order of time, those of one instant in the order of the trains.
fn in_order(trains: &[Sighting]) -> impl Iterator<Item = (Timestamp, &Sighting)> {
    let mut waiting = trains.iter().enumerate().peekable();
    // When the next packet of a train passes, which train, and how many have passed.
    let mut under_way: BinaryHeap<Reverse<(Timestamp, usize, u32)>> = BinaryHeap::new();
    std::iter::from_fn(move || loop {
        let next = under_way.peek().map(|Reverse((at, _, _))| *at);
        if let Some((index, train)) =
            waiting.next_if(|(_, train)| next.is_none_or(|at| train.at <= at))
        {
            if train.count > 0 {
                under_way.push(Reverse((train.at, index, 0)));
            }
            continue;
        }
        let Reverse((at, index, passed)) = under_way.pop()?;
        let train = trains.get(index)?;
        let passed = passed + 1;
        if passed < train.count {
            let later = Timestamp(at.0.saturating_add(train.every.max(0)));
            under_way.push(Reverse((later, index, passed)));
        }
        return Some((at, train));
    })
}

/// The two ends of every flow that is seen, no two flows alike.
fn ends(seen: &Observation, trace: &Trace, home: &[IpAddr]) -> Vec<Ends> {
    // No capture tells whose the traffic of a made-up home is: where no tunnel bears it, its devices keep their own addresses,
    // by which the labels call them.
    let made_up = trace.source == Source::Generated;
    let bare = made_up && seen.flows.iter().all(|flow| flow.shaping.is_none());
    let hides = |address| seen.vantage == Vantage::Outside && !bare && is_private(address);
    let mut known: HashMap<String, Vec<Ends>> = HashMap::new();
    for flow in trace.flows.iter().rev() {
        let ends = Ends {
            protocol: flow.protocol,
            local: match hides(flow.local.address) {
                true => from_outside(flow.local, home),
                false => flow.local,
            },
            remote: flow.remote,
        };
        // The first stands last, to be popped first.
        known.entry(flow.far()).or_default().push(ends);
    }
    let first: HashMap<String, Ends> = known
        .iter()
        .filter_map(|(far, all)| Some((far.clone(), *all.last()?)))
        .collect();
    let tunnel = tunnel(home);
    let mut taken: HashSet<(u8, IpAddr, u16, IpAddr, u16)> = HashSet::new();
    let mut take = |ends: &Ends| {
        taken.insert((
            ends.protocol.0,
            ends.local.address,
            ends.local.port,
            ends.remote.address,
            ends.remote.port,
        ))
    };
    let ends_of = |far: &String| {
        while let Some(ends) = known.get_mut(far).and_then(Vec::pop) {
            if take(&ends) {
                return ends;
            }
        }
        let mut ends = first.get(far).copied().unwrap_or(tunnel);
        // Without ports there is nothing that could tell two flows apart.
        if !matches!(ends.protocol, Protocol::TCP | Protocol::UDP) {
            ends.protocol = Protocol::UDP;
            ends.remote.port = TUNNEL_PORT;
        }
        let ports = (FIRST_PORT..=u16::MAX).chain(1..FIRST_PORT);
        for port in ports {
            ends.local.port = port;
            if take(&ends) {
                break;
            }
        }
        ends
    };
    seen.flows
        .iter()
        .map(|flow| &flow.far)
        .map(ends_of)
        .collect()
}

/// The home's end as an observer outside sees it: a router has put the home's public address in place of a private one.
fn from_outside(local: Endpoint, home: &[IpAddr]) -> Endpoint {
    let public = home
        .iter()
        .copied()
        .find(|address| address.is_ipv4() == local.address.is_ipv4() && !is_private(*address));
    let unknown = match local.address {
        IpAddr::V4(_) => IpAddr::V4(HOME_V4),
        IpAddr::V6(_) => IpAddr::V6(HOME_V6),
    };
    Endpoint {
        address: public.unwrap_or(unknown),
        port: local.port,
    }
}

/// A flow of a tunnel: from the home's router to nowhere in particular.
fn tunnel(home: &[IpAddr]) -> Ends {
    let address = home.iter().copied().find(IpAddr::is_ipv4);
    let local = address.unwrap_or(IpAddr::V4(HOME_V4));
    let [one, other] = TUNNEL;
    let remote = if local == IpAddr::V4(one) { other } else { one };
    Ends {
        protocol: Protocol::UDP,
        local: Endpoint {
            address: local,
            port: TUNNEL_PORT,
        },
        remote: Endpoint {
            address: IpAddr::V4(remote),
            port: TUNNEL_PORT,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::SeenFlow;
    use crate::trace::{Flow, Packet};
    use crate::units::Span;

    fn end(address: &str, port: u16) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            port,
        }
    }

    /// Two flows to one named server, one to an address.
    fn trace() -> Trace {
        let flow = |local: &str, port, remote: &str, server: Option<&str>| Flow {
            device: None,
            protocol: Protocol::TCP,
            local: end(local, port),
            remote: end(remote, 443),
            server: server.map(Into::into),
        };
        Trace {
            window: Span::at(Timestamp(0)),
            devices: Vec::new(),
            flows: vec![
                flow("192.168.1.9", 1_000, "198.51.100.1", Some("cam.example")),
                flow("192.168.1.9", 1_001, "198.51.100.2", Some("cam.example")),
                flow("192.168.1.8", 1_000, "198.51.100.3", None),
            ],
            packets: vec![Packet {
                at: Timestamp(0),
                flow: 0,
                direction: Direction::Up,
                bytes: 40,
            }],
            activities: Vec::new(),
            source: Source::Inferred,
        }
    }

    fn seen(vantage: Vantage, fars: &[&str]) -> Observation {
        Observation {
            vantage,
            window: Span::at(Timestamp(0)),
            flows: fars
                .iter()
                .map(|far| SeenFlow {
                    far: (*far).into(),
                    shaping: None,
                })
                .collect(),
            sightings: Vec::new(),
        }
    }

    fn shown(all: &[Ends]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flows_are_at_the_addresses_the_trace_knows() {
        let fars = [
            "cam.example",
            "198.51.100.3",
            "cam.example",
            "cam.example",
            "tunnel",
        ];
        let inside = ends(&seen(Vantage::Inside, &fars), &trace(), &[]);
        assert_eq!(
            shown(&inside),
            [
                "tcp 192.168.1.9:1000 198.51.100.1:443",
                "tcp 192.168.1.8:1000 198.51.100.3:443",
                "tcp 192.168.1.9:1001 198.51.100.2:443",
                "tcp 192.168.1.9:49152 198.51.100.1:443",
                "udp 192.0.2.1:49152 203.0.113.254:51820",
            ]
        );
        let home = ["203.0.113.254".parse().unwrap()];
        let outside = ends(&seen(Vantage::Outside, &fars[3..]), &trace(), &home);
        assert_eq!(
            shown(&outside),
            [
                "tcp 203.0.113.254:1000 198.51.100.1:443",
                "udp 203.0.113.254:49152 203.0.113.253:51820",
            ]
        );
    }

    #[test]
    fn trains_are_taken_apart_in_order_of_time() {
        let train = |at, every, count, bytes| Sighting {
            count,
            every,
            ..Sighting::one(Timestamp(at), 0, Direction::Up, bytes)
        };
        let trains = [
            train(0, 10, 4, 1),
            train(5, 10, 2, 2),
            train(15, 0, 2, 3),
            train(99, 1, 0, 4),
        ];
        let order: Vec<(i64, u32)> = in_order(&trains)
            .map(|(at, train)| (at.0, train.bytes))
            .collect();
        assert_eq!(
            order,
            [
                (0, 1),
                (5, 2),
                (10, 1),
                (15, 2),
                (15, 3),
                (15, 3),
                (20, 1),
                (30, 1)
            ]
        );
    }
}
