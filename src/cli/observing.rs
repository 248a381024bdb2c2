//! From a capture to an [`Observation`]: what an adversary outside saw of a defense that anybody made.
//!
//! The way back from [`super::wire`]. A flow is what has one key; its far end is called as the home called it before the
//! defense, where that is known, and by its address otherwise. How flows are shaped the capture tells in its comment, where
//! `-w` wrote it; what others made is read off.

use crate::adversary::recover::recover;
use crate::capture::comment;
use crate::cli::args::{CaptureArgs, Common, DetectArgs};
use crate::cli::exit::input;
use crate::cli::infer::{options, settings};
use crate::cli::outcome::doubts;
use crate::cli::reading::{read_and_keep, Read};
use crate::cli::recording::{Recorder, Recording};
use crate::cli::shaping::{heard, Ends, Told};
use crate::cli::tracing::{window_of, Traced};
use crate::cli::wire::UNKNOWN_HOME;
use crate::flow::home::{is_group, is_private, Home, Side};
use crate::flow::key::{End, Endpoint, FlowKey};
use crate::flow::observer::BinsFrom;
use crate::flow::table::Flow;
use crate::packet::dissect::Protocol;
use crate::threat::{Observation, SeenFlow, Shaping, Sighting, Vantage};
use crate::trace::{Trace, TraceError};
use crate::units::{Direction, Span};
use ipnet::IpNet;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What [`is_private`] holds for.
const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// A capture of a defended home.
pub struct Observed {
    /// What it shows, and how flows are shaped: as the captures tell, or as it can be read off.
    pub seen: Observation,
    /// Whether the captures tell it.
    pub told: bool,
    /// How much of the time before it covers; all where a defense leaves nothing on the wire.
    pub share: Share,
    /// How the reading went.
    pub read: Read,
    /// Reasons to doubt it, in words.
    pub caveats: Vec<String>,
}

/// Reads captures of the wire after a defense; `before` is the same home without it. Traffic that stays at home is left out
/// where it was left out `before`, that between others always.
///
/// # Errors
/// What `infer` fails on; too many packets, or none that belongs to the home.
pub fn observe(
    inputs: &[PathBuf],
    capture: &CaptureArgs,
    detect: &DetectArgs,
    keep_local: bool,
    before: &Traced,
    common: &Common,
) -> anyhow::Result<Observed> {
    let mut recorder = Recorder::default();
    let read = read_and_keep(
        inputs,
        &options(capture, false),
        settings(capture, detect.bin, BinsFrom::Clock),
        common,
        Some(&mut recorder),
    )?;
    let recording = recorder.finish();
    if recording.full {
        return Err(input(TraceError::Many.to_string()));
    }
    let flows = &read.observed.flows;
    let told: Vec<Told> = inputs
        .iter()
        .filter_map(|path| heard(&comment(path)?))
        .collect();
    let home = find_home(flows, capture, before, !told.is_empty());
    // What only some of the captures tell is not all there is to know.
    let all_told = told.len() == inputs.len();
    // A firewall leaves nothing on the wire; of a capture that does not say whose it is, nothing is no result.
    let silent = all_told && recording.packets.is_empty();
    if !silent {
        read.must_have_packets()?;
    }
    let sides = sides(&home, flows, &told);
    let vantage = vantage(&sides, flows);
    let wire = Wire {
        sides,
        names: Names::of(&before.trace),
        told,
        keep_local,
    };
    let window = match read.observed.window {
        Some(packets) => window_of(inputs, packets),
        None => before.trace.window,
    };
    let seen = wire.seen(vantage, window.union(before.trace.window), &recording);
    if seen.sightings.is_empty() && !silent {
        return Err(input(
            "no packet after the defense leaves the home: is it the capture of another place? --home tells the home's address",
        ));
    }
    together(read.observed.window, before.trace.window)?;
    let share = Share(match read.observed.window {
        Some(after) => covered(after, before.trace.window),
        None => 1.0,
    });
    let caveats = doubts(&read, capture.max_flows);
    Ok(Observed {
        share,
        seen: match all_told {
            true => seen,
            false => recover(seen),
        },
        told: all_told,
        read,
        caveats,
    })
}

/// Whose end of each flow is the home's: as it is told, before all that the traffic looks like.
fn sides(home: &Home, flows: &[(FlowKey, Flow)], told: &[Told]) -> HashMap<FlowKey, (Side, End)> {
    let side = |(key, flow): &(FlowKey, Flow)| {
        if let Some(end) = told_end(told, key) {
            return (*key, (Side::One(end), end));
        }
        let side = home.side(key, flow);
        let end = match side {
            Side::One(end) | Side::Both(end) => end,
            Side::Neither => flow.local,
        };
        (*key, (side, end))
    };
    flows.iter().map(side).collect()
}

/// The end of a flow that is told to be the home's.
fn told_end(told: &[Told], key: &FlowKey) -> Option<End> {
    let is_told = |end: &End| shaping(told, key, *end).is_some();
    [End::A, End::B].into_iter().find(is_told)
}

/// How a flow is told to be shaped whose home's end is `local`, and at which place.
fn shaping(told: &[Told], key: &FlowKey, local: End) -> Option<(usize, Shaping)> {
    let ends = Ends {
        protocol: key.protocol(),
        local: key.end(local),
        remote: key.end(local.other()),
    };
    let ends = ends.to_string();
    told.iter().find_map(|told| told.get(&ends)).copied()
}

/// What is known of the wire's flows when all was read.
struct Wire {
    sides: HashMap<FlowKey, (Side, End)>,
    names: Names,
    told: Vec<Told>,
    keep_local: bool,
}

impl Wire {
    /// What was recorded, as an adversary sees it.
    fn seen(&self, vantage: Vantage, window: Span, recording: &Recording) -> Observation {
        let mut seen = Observation {
            vantage,
            window,
            flows: Vec::new(),
            sightings: Vec::new(),
        };
        // Flows in the order in which they were told, so that the same wire gives the same draws.
        let mut order: Vec<(usize, &FlowKey)> = recording.keys.iter().enumerate().collect();
        order.sort_by_cached_key(|(_, key)| {
            let told = self.told(key, self.side(key).1);
            told.map_or(usize::MAX, |(place, _)| place)
        });
        // Of every recorded key, its place among the flows that are seen, and the home's end.
        let mut places: Vec<Option<(u32, End)>> = vec![None; recording.keys.len()];
        for (number, key) in order {
            let (side, end) = self.side(key);
            let remote = key.end(end.other());
            let stays = matches!(side, Side::Both(_))
                || is_group(remote.address)
                || is_private(remote.address);
            if side == Side::Neither || stays && !self.keep_local {
                continue;
            }
            if let (Some(slot), Ok(place)) =
                (places.get_mut(number), u32::try_from(seen.flows.len()))
            {
                *slot = Some((place, end));
            }
            seen.flows.push(SeenFlow {
                far: self.names.far(key.protocol(), key.end(end).port, remote),
                shaping: self.told(key, end).map(|(_, shaping)| shaping),
            });
        }
        for packet in &recording.packets {
            let Some(Some((flow, local))) = places.get(packet.flow as usize) else {
                continue;
            };
            let by_a = packet.direction == Direction::Up;
            let direction = match by_a == (*local == End::A) {
                true => Direction::Up,
                false => Direction::Down,
            };
            let sighting = Sighting::one(packet.at, *flow, direction, packet.bytes);
            seen.sightings.push(sighting);
        }
        // Stable: packets of one instant keep their order.
        seen.sightings.sort_by_key(|sighting| sighting.at);
        seen
    }

    /// Which end of a recorded flow is the home's; of one that was folded, the one that is told, or the private one.
    fn side(&self, key: &FlowKey) -> (Side, End) {
        self.sides.get(key).copied().unwrap_or_else(|| {
            let end = told_end(&self.told, key);
            let end = end.unwrap_or(match is_private(key.end(End::A).address) {
                true => End::A,
                false => End::B,
            });
            (Side::One(end), end)
        })
    }

    fn told(&self, key: &FlowKey, local: End) -> Option<(usize, Shaping)> {
        shaping(&self.told, key, local)
    }
}

/// The home, by what `before` knows of it. A tunnel has two public ends that share all its packets, and raw IP shows no
/// hardware addresses: the capture alone would not always tell which end is the home's. One that `-w` wrote (`ours`) has the home where `-w` puts it: with one device
/// and one server, each looks as much like the home as the other.
fn find_home(
    flows: &[(FlowKey, Flow)],
    capture: &CaptureArgs,
    before: &Traced,
    ours: bool,
) -> Home {
    let told = capture.vantage.told();
    if !capture.home.is_empty() {
        return Home::find(flows, told, &capture.home);
    }
    let mut known: BTreeSet<IpAddr> = before.home.addresses.iter().copied().collect();
    known.extend(before.trace.flows.iter().map(|flow| flow.local.address));
    if ours {
        known.extend(UNKNOWN_HOME);
    }
    let is_there = |v4: bool| {
        let mut ends = flows
            .iter()
            .flat_map(|(key, _)| [key.end(End::A).address, key.end(End::B).address]);
        ends.any(|address| address.is_ipv4() == v4 && known.contains(&address))
    };
    let there = [is_there(false), is_there(true)];
    // Of an IP version of which nothing is known, what the capture tells: a router may have put its own address there.
    let guessed = Home::find(flows, told, &[]).addresses;
    let guessed = guessed
        .into_iter()
        .filter(|address| !there[usize::from(address.is_ipv4())]);
    let addresses = known.iter().copied().chain(guessed).map(IpNet::from);
    let private = PRIVATE.iter().filter_map(|prefix| prefix.parse().ok());
    let prefixes: Vec<IpNet> = addresses.chain(private).collect();
    Home::find(flows, told, &prefixes)
}

/// Outside, unless most bytes of the home are at private addresses.
fn vantage(sides: &HashMap<FlowKey, (Side, End)>, flows: &[(FlowKey, Flow)]) -> Vantage {
    let (mut private, mut public) = (0u64, 0u64);
    for (key, flow) in flows {
        if let Some((Side::One(end), _)) = sides.get(key) {
            match is_private(key.end(*end).address) {
                true => private += flow.bytes(),
                false => public += flow.bytes(),
            }
        }
    }
    match private > public {
        true => Vantage::Inside,
        false => Vantage::Outside,
    }
}

/// A part of the time before, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

impl Share {
    /// Shorter, most of what is missed may lie in what is not there.
    const ENOUGH: f64 = 0.9;

    /// In words, where it is too little to tell of the whole.
    pub fn too_little(self) -> Option<String> {
        (self.0 < Self::ENOUGH).then(|| {
            format!(
                "the captures after the defense cover {:.1} % of the time before it",
                self.0 * 100.0
            )
        })
    }
}

/// The part of the time before that is also of the time after.
fn covered(after: Span, before: Span) -> f64 {
    let (start, end) = (after.start.max(before.start).0, after.end.min(before.end).0);
    let all = before.duration().as_secs_f64();
    match all > 0.0 {
        true => (end.saturating_sub(start).max(0) as f64 / 1e9 / all).min(1.0),
        false => 1.0,
    }
}

/// Two captures of different times tell nothing of one another: nothing would be right, and every limit kept.
fn together(after: Option<Span>, before: Span) -> anyhow::Result<()> {
    match after {
        Some(after) if !after.touches(before, Duration::ZERO) => Err(input(format!(
            "the captures share no instant: before is {} to {}, after {} to {}; give two of the same time",
            before.start, before.end, after.start, after.end
        ))),
        _ => Ok(()),
    }
}

/// What the home called far ends before the defense.
#[derive(Default)]
struct Names {
    /// By all that a router leaves as it is.
    flows: HashMap<(Protocol, u16, IpAddr, u16), String>,
    services: HashMap<(IpAddr, u16), String>,
    addresses: HashMap<IpAddr, String>,
}

impl Names {
    fn of(trace: &Trace) -> Self {
        let mut names = Self::default();
        for flow in &trace.flows {
            let Endpoint { address, port } = flow.remote;
            let far = flow.far();
            let whole = (flow.protocol, flow.local.port, address, port);
            names.flows.entry(whole).or_insert_with(|| far.clone());
            let service = names.services.entry((address, port));
            service.or_insert_with(|| far.clone());
            names.addresses.entry(address).or_insert(far);
        }
        names
    }

    fn far(&self, protocol: Protocol, local_port: u16, remote: Endpoint) -> String {
        let Endpoint { address, port } = remote;
        let name = self.flows.get(&(protocol, local_port, address, port));
        let name = name.or_else(|| self.services.get(&(address, port)));
        let name = name.or_else(|| self.addresses.get(&address));
        name.cloned().unwrap_or_else(|| address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn what_covers_too_little_says_so() {
        let span = |start: i64, end: i64| {
            Span::new(
                Timestamp(start * 1_000_000_000),
                Timestamp(end * 1_000_000_000),
            )
        };
        for (after, share, says) in [
            (span(0, 100), 1.0, None),
            (span(-50, 200), 1.0, None),
            (span(5, 96), 0.91, None),
            (span(50, 200), 0.5, Some("cover 50.0 % of the time")),
            (span(100, 200), 0.0, Some("cover 0.0 % of the time")),
        ] {
            let covered = Share(covered(after, span(0, 100)));
            assert!((covered.0 - share).abs() < 1e-9, "{covered:?}");
            let said = covered.too_little();
            assert_eq!(said.is_some(), says.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(says.unwrap_or("")));
        }
        assert_eq!(covered(span(0, 1), span(3, 3)), 1.0);
    }
}
