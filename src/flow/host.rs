//! Which flows come from one and the same host, as far as the flows themselves tell.
//!
//! Three ties are believed: flows on one identification counter (see [`crate::flow::counter`]); flows whose TCP timestamps
//! run on one clock (Bellovin 2002, section 6; T. Kohno et al., "Remote Physical Device Fingerprinting", 2005); and a
//! look-up followed at once by a connection to the address it was told. Whose host it is, is asked further up.

use crate::flow::counter::CounterTracks;
use crate::flow::facts::FlowFacts;
use crate::flow::shape::ClockReading;
use crate::flow::track::TrackSeen;
use crate::packet::dissect::Protocol;
use crate::units::{Mac, Span};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Ticks a second that network stacks count TCP timestamps in.
const TICKS: [f64; 5] = [1000.0, 250.0, 100.0, 10.0, 2.0];
/// How far apart two views of one clock's zero may lie, in seconds: delays on the way, and the clock's drift over hours.
const SAME_ZERO: f64 = 0.5;
/// A clock has to be watched this long, in seconds, before its tick rate is known.
const WATCHED: f64 = 20.0;

/// Why flows were put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// One identification counter.
    Counter,
    /// One TCP timestamp clock.
    Clock,
    /// A look-up and the connection it was made for.
    LookUp,
}

/// Flows of one host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Indices of its flows, rising.
    pub flows: Vec<usize>,
    /// From the first packet of the first to the last of the last.
    pub span: Span,
    /// What holds them together; empty for a flow that stands alone.
    pub ties: Vec<Tie>,
    /// Its identification counter, where one was seen.
    pub counter: Option<TrackSeen>,
}

impl Host {
    /// Whether it was clearly seen to count its packets: only such hosts can be told apart by their counters.
    pub fn counts(&self) -> bool {
        self.counter
            .is_some_and(|seen| seen.is_counter() && seen.packets >= 10)
    }

    /// Whether the two are certainly different hosts: both count, and both counted during the same minutes.
    pub fn differs_from(&self, other: &Self) -> bool {
        let (Some(a), Some(b)) = (self.counter, other.counter) else {
            return false;
        };
        let together = a.last.min(b.last).since(a.first.max(b.first));
        self.counts() && other.counts() && together > Duration::from_secs(120)
    }
}

/// Puts flows together by their ties. Every flow is in exactly one host; the order is that of their first flows.
pub fn gather(flows: &[FlowFacts], tracks: &CounterTracks) -> Vec<Host> {
    let lines: Vec<Option<u32>> = flows
        .iter()
        .map(|flow| tracks.seen(flow.counter).map(|seen| seen.track))
        .collect();
    let mut sets = Sets::new(flows.len());

    tie_clocks(flows, &mut sets);
    let per_connection = per_connection(flows, &lines, &mut sets);
    let mut on_line: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(line) = line.filter(|line| !per_connection.contains(line)) {
            on_line.entry(line).or_default().push(index);
        }
    }
    for on in on_line.values() {
        for pair in on.windows(2) {
            if let [a, b] = pair {
                sets.tie(*a, *b, Tie::Counter);
            }
        }
    }
    // A line of one flow may be a connection's own counter: it says nothing against a look-up.
    let shared = |line: &u32| on_line.get(line).is_some_and(|on| on.len() > 1);
    let of_hosts: Vec<Option<u32>> = lines.iter().map(|line| line.filter(shared)).collect();
    tie_look_ups(flows, &of_hosts, &mut sets);

    let mut hosts: Vec<Host> = Vec::new();
    let mut host_of = HashMap::new();
    for (index, flow) in flows.iter().enumerate() {
        let at = *host_of.entry(sets.root(index)).or_insert(hosts.len());
        match hosts.get_mut(at) {
            Some(host) => {
                host.flows.push(index);
                host.span = host.span.union(flow.span);
            }
            None => hosts.push(Host {
                flows: vec![index],
                span: flow.span,
                ties: sets.ties(index),
                counter: None,
            }),
        }
    }
    for host in &mut hosts {
        let mut on: Vec<u32> = host
            .flows
            .iter()
            .filter_map(|&flow| lines.get(flow).copied().flatten())
            .filter(|line| !per_connection.contains(line))
            .collect();
        on.sort_unstable();
        on.dedup();
        let seen = on.into_iter().filter_map(|line| tracks.track(line));
        host.counter = seen.max_by_key(|line| line.packets);
    }
    hosts
}

/// Lines of hosts that number each connection by itself: their flows share a clock, but not a line, at the same time. What
/// else is on such a line is there by chance.
fn per_connection(flows: &[FlowFacts], lines: &[Option<u32>], sets: &mut Sets) -> HashSet<u32> {
    let mut of_host: HashMap<usize, Vec<(u32, Span)>> = HashMap::new();
    for (index, (flow, line)) in flows.iter().zip(lines).enumerate() {
        if let Some(line) = line.filter(|_| flow.shape.clock.is_some() && sets.is_tied(index)) {
            of_host
                .entry(sets.root(index))
                .or_default()
                .push((line, flow.span));
        }
    }
    let mut found = HashSet::new();
    for own in of_host.values_mut() {
        own.sort_by_key(|(_, span)| span.start);
        let mixed = own.windows(2).any(|pair| match pair {
            [a, b] => a.0 != b.0 && b.1.start <= a.1.end,
            _ => false,
        });
        if mixed {
            found.extend(own.iter().map(|(line, _)| *line));
        }
    }
    found
}

/// When a clock read zero, in seconds since 1970, at each tick rate it may have.
fn zeros(clock: (ClockReading, ClockReading)) -> Option<(usize, f64)> {
    let (first, last) = clock;
    let seconds = last.at.since(first.at).as_secs_f64();
    if seconds < WATCHED {
        return None;
    }
    let rate = f64::from(last.ticks.wrapping_sub(first.ticks)) / seconds;
    let kind = TICKS
        .iter()
        .position(|ticks| (rate / ticks - 1.0).abs() < 0.02)?;
    Some((kind, zero(last, *TICKS.get(kind)?)))
}

fn zero(reading: ClockReading, ticks: f64) -> f64 {
    reading.at.as_secs_f64() - f64::from(reading.ticks) / ticks
}

/// Flows whose clocks were zero at the same instant share the clock. Stacks that start every connection's clock at random
/// (Linux since 4.10) never agree, so they are left alone by themselves.
fn tie_clocks(flows: &[FlowFacts], sets: &mut Sets) {
    // Known clocks: card, tick rate, zero, flow.
    let mut known: Vec<(Option<Mac>, usize, f64, usize)> = Vec::new();
    let clocks = || {
        flows
            .iter()
            .enumerate()
            .filter_map(|(index, flow)| flow.shape.clock.map(|clock| (index, flow, clock)))
    };
    for (index, flow, clock) in clocks() {
        if let Some((kind, zero)) = zeros(clock) {
            known.push((flow.mac, kind, zero, index));
        }
    }
    known.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    for pair in known.windows(2) {
        if let [a, b] = pair {
            if a.0 == b.0 && a.1 == b.1 && b.2 - a.2 < SAME_ZERO {
                sets.tie(a.3, b.3, Tie::Clock);
            }
        }
    }
    // Short flows tell no tick rate: they join a known clock that they read right.
    for (index, flow, clock) in clocks().filter(|(_, _, clock)| zeros(*clock).is_none()) {
        for (kind, ticks) in TICKS.iter().enumerate() {
            let at = zero(clock.0, *ticks);
            let from = known.partition_point(|k| {
                (k.0, k.1)
                    .cmp(&(flow.mac, kind))
                    .then(k.2.total_cmp(&(at - SAME_ZERO)))
                    .is_lt()
            });
            if let Some(near) = known
                .get(from)
                .filter(|k| (k.0, k.1) == (flow.mac, kind) && k.2 <= at + SAME_ZERO)
            {
                sets.tie(near.3, index, Tie::Clock);
            }
        }
    }
}

/// A connection right after a look-up of its server is the asker's, if nothing of the two says otherwise.
fn tie_look_ups(flows: &[FlowFacts], lines: &[Option<u32>], sets: &mut Sets) {
    for (index, flow) in flows.iter().enumerate() {
        let Some(asker) = flow.asker else {
            continue;
        };
        let Some(look_up) = flows.get(asker).filter(|asking| asking.mac == flow.mac) else {
            continue;
        };
        // A stack keeps one initial TTL for UDP, but may have another for TCP.
        let same_stack = look_up.shape.ttl == flow.shape.ttl || flow.protocol == Protocol::TCP;
        let of_two_hosts = match (
            lines.get(asker).copied().flatten(),
            lines.get(index).copied().flatten(),
        ) {
            (Some(a), Some(b)) => a != b && sets.root(asker) != sets.root(index),
            _ => false,
        };
        if same_stack && !of_two_hosts {
            sets.tie(asker, index, Tie::LookUp);
        }
    }
}

/// Disjoint sets with the reasons they were joined for.
struct Sets {
    parent: Vec<usize>,
    ties: Vec<Vec<Tie>>,
}

impl Sets {
    fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
            ties: vec![Vec::new(); len],
        }
    }

    fn root(&mut self, of: usize) -> usize {
        let mut at = of;
        while let Some(&up) = self.parent.get(at) {
            if up == at {
                break;
            }
            // Halving the path keeps later walks short.
            let above = self.parent.get(up).copied().unwrap_or(up);
            if let Some(slot) = self.parent.get_mut(at) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    fn tie(&mut self, a: usize, b: usize, why: Tie) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        let (low, high) = (a.min(b), a.max(b));
        if let Some(parent) = self.parent.get_mut(high) {
            *parent = low;
        }
        let mut all = self
            .ties
            .get_mut(high)
            .map(std::mem::take)
            .unwrap_or_default();
        if let Some(ties) = self.ties.get_mut(low) {
            ties.append(&mut all);
            ties.push(why);
            ties.sort_unstable();
            ties.dedup();
        }
    }

    fn is_tied(&mut self, of: usize) -> bool {
        let root = self.root(of);
        self.ties.get(root).is_some_and(|ties| !ties.is_empty())
    }

    fn ties(&mut self, of: usize) -> Vec<Tie> {
        let root = self.root(of);
        self.ties.get(root).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn flow(port: u16, start: i64, end: i64) -> FlowFacts {
        FlowFacts {
            flow: 0,
            protocol: Protocol::TCP,
            mac: None,
            remote: [192, 0, 2, 1].into(),
            remote_port: port,
            span: Span::new(Timestamp::new(start, 0), Timestamp::new(end, 0)),
            sent: 1,
            bytes: 100,
            shape: Default::default(),
            counter: Default::default(),
            asked: vec![],
            called: vec![],
            looked_up: vec![],
            asker: None,
        }
    }

    /// A flow whose clock ticks a thousand times a second and was zero at second `zero`.
    fn clocked(zero: i64, start: i64, end: i64) -> FlowFacts {
        let mut flow = flow(443, start, end);
        let read = |at: i64| ClockReading {
            ticks: ((at - zero) * 1000) as u32,
            at: Timestamp::new(at, 0),
        };
        flow.shape.clock = Some((read(start), read(end)));
        flow
    }

    fn sets(flows: &[FlowFacts]) -> Vec<Vec<usize>> {
        let hosts = gather(flows, &CounterTracks::new());
        hosts.into_iter().map(|host| host.flows).collect()
    }

    #[test]
    fn a_look_up_goes_with_the_connection_it_was_made_for() {
        let mut connection = flow(443, 10, 20);
        connection.asker = Some(0);
        let flows = [flow(53, 9, 9), flow(443, 9, 30), connection];
        assert_eq!(sets(&flows), [vec![0, 2], vec![1]]);
        let hosts = gather(&flows, &CounterTracks::new());
        assert_eq!(hosts[0].ties, [Tie::LookUp]);
        assert_eq!(hosts[0].span.end, Timestamp::new(20, 0));
    }

    #[test]
    fn flows_on_one_clock_are_of_one_host_short_ones_too() {
        let flows = [
            clocked(-5_000, 0, 100),
            clocked(-9_000, 10, 90),
            clocked(-5_000, 200, 300),
            clocked(-5_000, 150, 151),
        ];
        assert_eq!(sets(&flows), [vec![0, 2, 3], vec![1]]);
    }

    #[test]
    fn hosts_without_counters_are_never_certainly_different() {
        let hosts = gather(
            &[flow(443, 0, 900), flow(443, 0, 900)],
            &CounterTracks::new(),
        );
        assert!(!hosts[0].differs_from(&hosts[1]));
    }
}
