//! The flow table: who talked to whom, how much and when, within a bound.
//!
//! When more flows live than the table holds, those idle longest (single packets first) are folded into one entry for all
//! flows between the same two addresses and the same service port; their bytes, packets and rates stay counted. A flood
//! of spoofed addresses may fill the folded entries too: what goes then is counted as lost, and the busy stay.

use crate::flow::bounded::Bounded;
use crate::flow::counter::CounterSlot;
use crate::flow::key::{End, FlowKey};
use crate::flow::names::{Answer, NameKind, Sighting};
use crate::flow::shape::Shape;
use crate::packet::glance::Way;
use crate::rate::Cells;
use crate::units::{Direction, Mac, Span, Timestamp};
use std::sync::Arc;

/// Names kept of one flow.
const NAMES_A_FLOW: usize = 4;
/// Payload packets of a flow that are looked at for a server's name. A ClientHello comes in the first few, each at least a
/// byte; a flow seen from its middle has none.
pub const PATIENCE: u8 = 100;
/// Places of flows seen lately.
const RECENT: usize = 1024;
/// Places of ways packets went lately: twice as many as flows, as each has two, and again twice, so that few share one.
const WAYS: usize = 4096;
/// Folded entries kept for each live one.
const FOLDED_PER_LIVE: usize = 1;
/// Active bins of all flows together, about five bytes each: twenty devices busy each second for ten days.
pub const BINS_AT_MOST: u64 = 16 << 20;

/// Packets and bytes sent by one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP packets, headers included.
    pub bytes: u64,
}

/// One flow: all packets between two ends.
///
/// In this order in memory: what every packet changes comes first, together.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Flow {
    /// From its first packet to its last.
    pub span: Span,
    /// What each end sent.
    pub sent: [Tally; 2],
    /// How it looks once names and addresses are set aside; only of flows seen behind NAT, or to learn from.
    pub traits: Option<Box<Traits>>,
    /// Which end the home's is, as far as could be told when the flow began.
    pub local: End,
    /// The end that spoke first.
    pub began: End,
    /// Payload packets left to look at for a server name.
    pub patience: u8,
    /// The end that opened the connection, where that was seen.
    pub client: Option<End>,
    /// Sequence number of the client's SYN.
    pub isn: Option<u32>,
    /// Bytes a bin; up is what end A sent.
    pub cells: Cells,
    /// The ends' hardware addresses, as the first packet showed them.
    pub macs: [Option<Mac>; 2],
    /// Names heard within the flow: asked, or of the server.
    pub names: Vec<Sighting>,
    /// How many flows were folded into this entry; 0 for a flow of its own.
    pub folded: u64,
    /// Answers that gave the server's address before the flow began.
    pub looked_up: Vec<Answer>,
    /// Its number among all flows, never given twice.
    pub serial: u64,
}

/// What tells a flow's device where names and addresses do not.
#[derive(Clone, Debug, Default)]
pub struct Traits {
    /// Sizes, clocks, windows.
    pub shape: Shape,
    /// Its place among the IP identification counters.
    pub counter: CounterSlot,
}

impl Flow {
    /// A flow that begins at `at`.
    pub fn new(at: Timestamp, began: End, local: End, macs: [Option<Mac>; 2]) -> Self {
        Self {
            span: Span::at(at),
            sent: [Tally::default(); 2],
            cells: Cells::default(),
            macs,
            names: Vec::new(),
            began,
            local,
            folded: 0,
            looked_up: Vec::new(),
            serial: 0,
            client: None,
            isn: None,
            patience: PATIENCE,
            traits: None,
        }
    }

    /// All but its rates: enough to tell whose it is.
    pub fn card(&self) -> Self {
        Self {
            span: self.span,
            sent: self.sent,
            traits: self.traits.clone(),
            local: self.local,
            began: self.began,
            patience: self.patience,
            client: self.client,
            isn: self.isn,
            cells: Cells::default(),
            macs: self.macs,
            names: self.names.clone(),
            folded: self.folded,
            looked_up: self.looked_up.clone(),
            serial: self.serial,
        }
    }

    /// Packets of both ends.
    pub fn packets(&self) -> u64 {
        self.sent.iter().map(|tally| tally.packets).sum()
    }

    /// Bytes of both ends.
    pub fn bytes(&self) -> u64 {
        self.sent.iter().map(|tally| tally.bytes).sum()
    }

    /// Notes a name heard within the flow.
    pub fn note(&mut self, kind: NameKind, name: &Arc<str>, at: Timestamp) {
        let known = self.names.iter().any(|s| s.kind == kind && s.name == *name);
        if !known && self.names.len() < NAMES_A_FLOW {
            self.names.push(Sighting {
                kind,
                name: name.clone(),
                at,
            });
        }
    }

    /// Adds another flow's packets, names and rates.
    fn fold(&mut self, other: Self) {
        self.span = self.span.union(other.span);
        for (mine, theirs) in self.sent.iter_mut().zip(other.sent) {
            mine.packets += theirs.packets;
            mine.bytes += theirs.bytes;
        }
        self.cells.absorb(&other.cells, false);
        for name in other.names {
            self.note(name.kind, &name.name, name.at);
        }
        self.folded += other.folded.max(1);
    }

    /// What is kept longest: where both ends spoke (which a spoofed sender cannot arrange) before monologues, those before
    /// a few packets, then the recent before the old.
    fn worth(&self) -> (bool, bool, Timestamp) {
        let both = self.sent.iter().all(|tally| tally.packets > 0);
        (both, self.packets() > 3, self.span.end)
    }
}

/// What found no room, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Flows folded into an entry for their two addresses and service port.
    pub folded: u64,
    /// Flows dropped after being folded.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes counted in no bin, because there were too many bins.
    pub unbinned_bytes: u64,
}

/// Flows that were let go because they had been silent for long, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// How many.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// To which flow packets that go one way belong.
#[derive(Clone, Copy, Debug)]
struct Place {
    way: Way,
    index: u32,
    sender: End,
}

/// A place not taken yet: its way is no packet's, which bears another protocol than 0.
const UNTAKEN: Place = Place {
    way: Way::NONE,
    index: u32::MAX,
    sender: End::A,
};

/// Flows by key, at most so many.
#[derive(Debug)]
pub struct FlowTable {
    live: Bounded<FlowKey, Flow>,
    /// Where flows seen lately are, by a few bits of their keys: only a hint, checked against the entry itself. It saves
    /// the hashing of most packets whose way is not known.
    recent: Box<[u32; RECENT]>,
    /// To which flows packets belong that are seen at a glance, by the way they go: it saves the making of a key as well.
    /// No hint: what stands here is true, and is forgotten when flows go.
    ways: Box<[Place; WAYS]>,
    folded: Bounded<FlowKey, Flow>,
    bins: u64,
    bins_at_most: u64,
    lost: Lost,
    retired: Retired,
}

impl FlowTable {
    /// A table that lists at most `cap` flows one by one.
    pub fn new(cap: usize) -> Self {
        Self {
            live: Bounded::new(cap),
            recent: Box::new([0; RECENT]),
            ways: Box::new([UNTAKEN; WAYS]),
            folded: Bounded::new(cap.saturating_mul(FOLDED_PER_LIVE)),
            bins: 0,
            bins_at_most: BINS_AT_MOST,
            lost: Lost::default(),
            retired: Retired::default(),
        }
    }

    /// The same with room for so many active bins of all flows together.
    pub fn with_bins(mut self, at_most: u64) -> Self {
        self.bins_at_most = at_most;
        self
    }

    /// The flow of packets that go this way, and which end sends them, if one was seen lately.
    #[inline(always)]
    pub fn lately(&self, way: &Way) -> Option<(usize, End)> {
        let place = &self.ways[way.mix() % WAYS];
        (place.way == *way).then_some((place.index as usize, place.sender))
    }

    /// Remembers to which flow packets that go this way belong.
    pub fn remember(&mut self, way: Way, index: usize, sender: End) {
        self.ways[way.mix() % WAYS] = Place {
            way,
            index: index as u32,
            sender,
        };
    }

    /// The flow at an index.
    #[inline]
    pub fn at(&mut self, index: usize) -> Option<(&FlowKey, &mut Flow)> {
        self.live.at(index)
    }

    /// Where a flow is, if it lives. The index holds until the next [`Self::insert`].
    #[inline(always)]
    pub fn find(&mut self, key: &FlowKey) -> Option<usize> {
        let hint = key.mix() % RECENT;
        let at = self.recent[hint] as usize;
        if self.live.is_at(at, key) {
            return Some(at);
        }
        let at = self.live.find(key)?;
        self.recent[hint] = at as u32;
        Some(at)
    }

    /// Adds a flow that is not there, folding idle ones when there is no room.
    pub fn insert(&mut self, key: FlowKey, flow: Flow) -> usize {
        if self.live.is_full() {
            let mut idle = self.live.evict(Flow::worth);
            self.ways.fill(UNTAKEN);
            // In order of time, so that one flow's bins follow the other's. Flows are large: what is sorted is their keys.
            idle.sort_by_cached_key(|(key, flow)| (flow.span.start, *key));
            for (key, flow) in idle {
                self.fold(key, flow);
            }
        }
        self.live.insert(key, flow)
    }

    fn fold(&mut self, key: FlowKey, flow: Flow) {
        self.lost.folded += 1;
        let key = key.without_port(flow.local);
        if let Some(entry) = self.folded.get_mut(&key) {
            entry.fold(flow);
            return;
        }
        for (_, gone) in self.folded.evict(Flow::worth) {
            self.lost.flows += gone.folded;
            self.lost.packets += gone.packets();
            self.lost.bytes += gone.bytes();
            self.bins = self.bins.saturating_sub(gone.cells.len() as u64);
        }
        let mut entry = Flow::new(flow.span.start, flow.began, flow.local, flow.macs);
        // The number of its first flow, which is nobody's any more.
        entry.serial = flow.serial;
        entry.fold(flow);
        entry.cells.shrink();
        self.folded.insert(key, entry);
    }

    /// Counts a packet of `bytes` that `sender` sent in bin `bin` at `at`, and gives its flow.
    #[inline(always)]
    pub fn count(
        &mut self,
        index: usize,
        sender: End,
        at: Timestamp,
        bin: i64,
        bytes: u64,
    ) -> Option<&mut Flow> {
        let (_, flow) = self.live.at(index)?;
        flow.span.extend(at);
        let tally = &mut flow.sent[sender.index()];
        tally.packets += 1;
        tally.bytes += bytes;
        let direction = match sender {
            End::A => Direction::Up,
            End::B => Direction::Down,
        };
        if !flow.cells.add_to_open(bin, direction, bytes) {
            if self.bins < self.bins_at_most {
                self.bins += 1;
                let (up, down) = direction.split(bytes);
                flow.cells.add(bin, up, down);
            } else {
                self.lost.unbinned_bytes += bytes;
            }
        }
        Some(flow)
    }

    /// What found no room.
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// What was let go.
    pub fn retired(&self) -> Retired {
        self.retired
    }

    /// Lets flows go that were silent since before `silent`, and forgets what the others carried before bin `bin`.
    pub fn retire(&mut self, silent: Timestamp, bin: i64) {
        let (mut forgotten, mut gone) = (0, Vec::new());
        for table in [&mut self.live, &mut self.folded] {
            gone.extend(table.extract(|_, flow| {
                if flow.span.end < silent {
                    return true;
                }
                forgotten += flow.cells.forget_before(bin) as u64;
                false
            }));
        }
        if !gone.is_empty() {
            self.ways.fill(UNTAKEN);
        }
        for (_, flow) in gone {
            self.retired.flows += flow.folded.max(1);
            self.retired.packets += flow.packets();
            self.retired.bytes += flow.bytes();
            forgotten += flow.cells.len() as u64;
        }
        self.bins = self.bins.saturating_sub(forgotten);
    }

    /// The places of all flows among the identification counters.
    pub fn counters(&mut self) -> Vec<&mut CounterSlot> {
        let mut slots = Vec::new();
        for flow in self.live.values_mut() {
            slots.extend(flow.traits.as_deref_mut().map(|traits| &mut traits.counter));
        }
        slots
    }

    /// All flows without their rates ([`Flow::card`]), in the order of [`Self::into_flows`].
    pub fn cards(&self) -> Vec<(FlowKey, Flow)> {
        let all = self.live.iter().chain(self.folded.iter());
        let mut cards: Vec<(FlowKey, Flow)> = all.map(|(key, flow)| (*key, flow.card())).collect();
        cards.sort_by_cached_key(|(key, flow)| (flow.span.start, *key, flow.folded));
        cards
    }

    /// The flow of a key, or the entry that flows of this key were folded into.
    pub fn flow(&self, key: &FlowKey, folded: bool) -> Option<&Flow> {
        match folded {
            false => self.live.get(key),
            true => self.folded.get(key),
        }
    }

    /// All flows, the folded ones among them, in order of their start.
    pub fn into_flows(self) -> Vec<(FlowKey, Flow)> {
        let mut flows: Vec<(FlowKey, Flow)> = self
            .live
            .into_entries()
            .chain(self.folded.into_entries())
            .collect();
        flows.sort_by_cached_key(|(key, flow)| (flow.span.start, *key, flow.folded));
        flows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key::Endpoint;
    use crate::packet::dissect::Protocol;
    use std::net::IpAddr;

    fn key(home_port: u16, server: u32) -> FlowKey {
        let end = |address: [u8; 4], port| Endpoint {
            address: IpAddr::from(address),
            port,
        };
        FlowKey::between(
            Protocol::TCP,
            end([10, 0, 0, 2], home_port),
            end(server.to_be_bytes(), 443),
        )
    }

    fn see(table: &mut FlowTable, key: FlowKey, at: i64, bytes: u64, up: bool) {
        let at = Timestamp::new(at, 0);
        let home = IpAddr::from([10, 0, 0, 2]);
        let local = match key.end(End::A).address == home {
            true => End::A,
            false => End::B,
        };
        let index = table
            .find(&key)
            .unwrap_or_else(|| table.insert(key, Flow::new(at, local, local, [None; 2])));
        let sender = if up { local } else { local.other() };
        table.count(index, sender, at, at.0 / 1_000_000_000, bytes);
    }

    #[test]
    fn a_way_leads_to_its_flow_until_flows_go() {
        let mut table = FlowTable::new(4);
        let way = Way::between(
            Protocol::TCP,
            "10.0.0.2:50000".parse().unwrap(),
            "8.8.8.8:443".parse().unwrap(),
        );
        let first = key(50_000, 0x0808_0808);
        see(&mut table, first, 0, 100, true);
        assert_eq!(table.lately(&way), None);
        let index = table.find(&first).unwrap();
        table.remember(way, index, End::B);
        for i in 1..4 {
            see(&mut table, key(50_000 + i, 0x0808_0808), 1, 100, true);
            assert_eq!(table.lately(&way), Some((index, End::B)));
        }
        see(&mut table, key(60_000, 0x0808_0808), 2, 100, true);
        assert_eq!(table.lost().folded, 1);
        assert_eq!(table.lately(&way), None);
        assert_eq!(
            table.lately(&Way::NONE).map(|(index, _)| index),
            Some(u32::MAX as usize)
        );
        assert!(table.at(u32::MAX as usize).is_none());
    }

    #[test]
    fn folded_flows_keep_their_bytes_and_rates() {
        let mut table = FlowTable::new(8);
        for i in 0..20u16 {
            see(
                &mut table,
                key(50_000 + i, 0x0808_0808),
                i64::from(i),
                100,
                true,
            );
        }
        assert_eq!(table.lost().flows, 0);
        let flows = table.into_flows();
        assert_eq!(flows.iter().map(|(_, f)| f.bytes()).sum::<u64>(), 2_000);
        let folded: Vec<_> = flows.iter().filter(|(_, f)| f.folded > 0).collect();
        assert_eq!(folded.len(), 1, "one server, one folded entry");
        let (_, folded) = folded[0];
        assert_eq!(
            folded.cells.iter().count() as u64,
            folded.folded,
            "one bin a flow"
        );
    }

    #[test]
    fn the_silent_are_let_go_and_the_others_forget() {
        let mut table = FlowTable::new(8).with_bins(6);
        let (old, busy) = (key(1, 7), key(2, 7));
        see(&mut table, old, 10, 100, true);
        for at in [10, 20, 30, 40] {
            see(&mut table, busy, at, 50, true);
        }
        table.retire(Timestamp::new(15, 0), 30);
        assert_eq!(
            table.retired(),
            Retired {
                flows: 1,
                packets: 1,
                bytes: 100
            }
        );
        assert_eq!(table.find(&old), None);
        // Five bins were taken of six; what is forgotten makes room: two are left, and four more fit.
        for at in [50, 60, 70, 80, 90] {
            see(&mut table, busy, at, 50, true);
        }
        assert_eq!(table.lost().unbinned_bytes, 50);
        let cards = table.cards();
        assert_eq!((cards.len(), cards[0].1.bytes()), (1, 450));
        assert!(cards[0].1.cells.is_empty());
        let cells = table.flow(&busy, false).unwrap().cells.iter();
        let bins: Vec<i64> = cells.map(|cell| cell.index).collect();
        assert_eq!(bins, [30, 40, 50, 60, 70, 80]);
    }

    #[test]
    fn a_million_spoofed_flows_do_not_displace_a_conversation() {
        let mut table = FlowTable::new(1_000);
        let camera = key(40_000, 0x0101_0101);
        for i in 0..1_000_000u32 {
            see(
                &mut table,
                key(9, 0x2000_0000 + i),
                i64::from(i / 1000),
                60,
                true,
            );
            if i % 10_000 == 0 {
                see(&mut table, camera, i64::from(i / 1000), 400, true);
                see(&mut table, camera, i64::from(i / 1000), 600, false);
            }
        }
        let lost = table.lost();
        let flows = table.into_flows();
        assert!(flows.len() <= 2_000);
        let (_, flow) = flows.iter().find(|(key, _)| *key == camera).unwrap();
        assert_eq!(flow.bytes(), 100_000);
        let kept: u64 = flows.iter().map(|(_, flow)| flow.bytes()).sum();
        assert_eq!(kept + lost.bytes, 60_100_000, "what is lost is counted");
    }
}
