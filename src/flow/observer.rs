//! Watches frames go by and keeps what an observer can remember of them: flows, names, counts.
//!
//! Each frame is read once and borrowed; memory grows with flows, names and active seconds up to fixed caps, never with
//! packets.

use crate::capture::Frame;
use crate::flow::census::Census;
use crate::flow::counter::CounterTracks;
use crate::flow::ear::{Ear, Heard};
use crate::flow::home::{is_private, Guess};
use crate::flow::key::{End, FlowKey};
use crate::flow::names::NameBook;
use crate::flow::stack::Stack;
use crate::flow::table::{Flow, FlowTable, Lost, Retired, Traits, BINS_AT_MOST, PATIENCE};
use crate::packet::dissect::{dissect, Packet, Tcp};
use crate::packet::glance::{Glance, Way};
use crate::rate::{Cells, Grid};
use crate::units::{nanos, Span, Timestamp};
use ipnet::IpNet;
use std::time::Duration;

/// Flows listed one by one unless asked otherwise; what is beyond is folded.
pub const FLOWS_LISTED: usize = 16_384;

/// Where the bins of traffic rates begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinsFrom {
    /// At whole multiples of a bin since 1970: a second of the series is a second of the clock, in every capture.
    Clock,
    /// At the first packet watched, as tshark's `io,stat` has it; under a filter, the first that passes.
    First,
}

impl BinsFrom {
    fn grid(self, first: Timestamp, bin: Duration) -> Grid {
        let grid = Grid::new(Timestamp(0), bin);
        match self {
            Self::Clock => Grid::new(grid.start(grid.index(first)), bin),
            Self::First => Grid::new(first, bin),
        }
    }
}

/// How to watch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Length of a bin of traffic rates.
    pub bin: Duration,
    /// Flows listed one by one.
    pub flows: usize,
    /// The home's prefixes, where the user told them.
    pub home: Vec<IpNet>,
    /// Where bins begin.
    pub bins_from: BinsFrom,
    /// Gather every flow's traits, also where hardware addresses or private ones tell the devices apart: to learn from.
    pub traits: bool,
    /// Active bins kept of all flows together.
    pub bins: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bin: Duration::from_secs(1),
            flows: FLOWS_LISTED,
            home: Vec::new(),
            bins_from: BinsFrom::Clock,
            traits: false,
            bins: BINS_AT_MOST,
        }
    }
}

/// What is remembered so far.
#[derive(Debug)]
pub struct Observer {
    settings: Settings,
    census: Census,
    flows: FlowTable,
    names: NameBook,
    ear: Ear,
    tracks: CounterTracks,
    guess: Guess,
    window: Option<Span>,
    clock: BinClock,
    serials: u64,
}

/// What a capture showed.
#[derive(Debug)]
pub struct Observed {
    /// From the first packet to the last; `None` of an empty capture.
    pub window: Option<Span>,
    /// The bins of the rates.
    pub grid: Grid,
    /// Counts of frames.
    pub census: Census,
    /// Flows by start, the folded ones among them.
    pub flows: Vec<(FlowKey, Flow)>,
    /// What found no room.
    pub lost: Lost,
    /// Names.
    pub names: NameBook,
    /// Identification counters.
    pub tracks: CounterTracks,
    /// Handshakes given up because too many were open at a time.
    pub hellos_dropped: u64,
    /// Flows let go because they had been silent for long; none unless [`Observer::retire`] was asked to.
    pub retired: Retired,
}

impl Observed {
    /// What devices are told by.
    pub fn sights(&self) -> Sights<'_> {
        Sights {
            flows: &self.flows,
            names: &self.names,
            tracks: &self.tracks,
        }
    }
}

/// What devices are told by, lent: at the end of a capture or while it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Sights<'a> {
    /// Flows by start.
    pub flows: &'a [(FlowKey, Flow)],
    /// Names.
    pub names: &'a NameBook,
    /// Identification counters.
    pub tracks: &'a CounterTracks,
}

/// What is known while the watch goes on, without the rates. The flows are copies, about a kilobyte each; all else is lent.
#[derive(Debug)]
pub struct Peek<'a> {
    flows: Vec<(FlowKey, Flow)>,
    names: &'a NameBook,
    tracks: &'a CounterTracks,
}

impl Peek<'_> {
    /// What devices are told by.
    pub fn sights(&self) -> Sights<'_> {
        Sights {
            flows: &self.flows,
            names: self.names,
            tracks: self.tracks,
        }
    }
}

/// What one packet added to the rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Its flow's number, never another's.
    pub flow: u64,
    /// Where the flow is: see [`Observer::at`].
    pub index: usize,
    /// The end that sent it.
    pub sender: End,
    /// The bin it was counted in.
    pub bin: i64,
    /// Bytes of the IP packet.
    pub bytes: u64,
}

/// Turns instants into bins, remembering the current one: a division saved on nearly every packet.
#[derive(Debug)]
struct BinClock {
    bin: Duration,
    from: BinsFrom,
    grid: Option<Grid>,
    start: i64,
    end: i64,
    index: i64,
}

impl BinClock {
    fn new(bin: Duration, from: BinsFrom) -> Self {
        Self {
            bin,
            from,
            grid: None,
            start: 0,
            end: 0,
            index: 0,
        }
    }

    #[inline(always)]
    fn index(&mut self, at: Timestamp) -> i64 {
        if at.0 < self.start || at.0 >= self.end {
            self.turn(at);
        }
        self.index
    }

    #[cold]
    fn turn(&mut self, at: Timestamp) {
        let (bin, from) = (self.bin, self.from);
        let grid = *self.grid.get_or_insert_with(|| from.grid(at, bin));
        self.index = grid.index(at);
        self.start = grid.start(self.index).0;
        self.end = self.start.saturating_add(nanos(grid.bin()));
    }
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            census: Census::default(),
            flows: FlowTable::new(settings.flows).with_bins(settings.bins),
            names: NameBook::default(),
            ear: Ear::default(),
            tracks: CounterTracks::new(),
            guess: Guess::default(),
            window: None,
            clock: BinClock::new(settings.bin, settings.bins_from),
            serials: 0,
            settings,
        }
    }

    /// Watches one frame.
    #[inline]
    pub fn watch(&mut self, frame: &Frame<'_>) {
        self.see(frame);
    }

    /// Watches one frame, and tells what it added to the rates; nothing where it bears no IP packet.
    #[inline]
    pub fn see(&mut self, frame: &Frame<'_>) -> Option<Sight> {
        self.census.read += 1;
        match &mut self.window {
            Some(window) => window.extend(frame.at),
            None => self.window = Some(Span::at(frame.at)),
        }
        let bin = self.clock.index(frame.at);
        let glance = Glance::of(frame);
        let known = glance.and_then(|glance| Some((glance, self.flows.lately(&glance.way)?)));
        let Some((glance, (index, sender))) = known else {
            return self.meet(frame, bin, glance.map(|glance| glance.way));
        };
        // Nearly every packet: one more of a flow that has told all it will.
        self.census.count_everyday(glance.length);
        let bytes = u64::from(glance.length);
        let flow = self.flows.count(index, sender, frame.at, bin, bytes)?;
        let sight = Sight {
            flow: flow.serial,
            index,
            sender,
            bin,
            bytes,
        };
        if glance.flags & SYN != 0 || Ear::cares(flow) || flow.traits.is_some() {
            self.look(frame, index, sender);
        }
        Some(sight)
    }

    /// Watches a frame that is not an everyday one, or the first of its way for a while.
    #[inline(never)]
    fn meet(&mut self, frame: &Frame<'_>, bin: i64, way: Option<Way>) -> Option<Sight> {
        let mut packet = Packet::blank();
        if let Err(skip) = dissect(frame, &mut packet) {
            self.census.skip(skip);
            return None;
        }
        self.census.count(&packet);
        let (key, sender) = FlowKey::of(&packet);
        let index = match self.flows.find(&key) {
            Some(index) => index,
            None => self.begin(frame.at, key, sender, &packet),
        };
        if let Some(way) = way {
            self.flows.remember(way, index, sender);
        }
        let bytes = u64::from(packet.length);
        let flow = self
            .flows
            .count(index, sender, frame.at, bin, bytes)?
            .serial;
        self.follow(frame.at, index, sender, &packet);
        Some(Sight {
            flow,
            index,
            sender,
            bin,
            bytes,
        })
    }

    /// Looks closer at an everyday packet that was counted.
    #[inline(never)]
    fn look(&mut self, frame: &Frame<'_>, index: usize, sender: End) {
        let mut packet = Packet::blank();
        if dissect(frame, &mut packet).is_ok() {
            self.follow(frame.at, index, sender, &packet);
        }
    }

    /// Takes from a packet what it tells of its flow beyond its size and time.
    fn follow(&mut self, at: Timestamp, index: usize, sender: End, packet: &Packet<'_>) {
        let Some((key, flow)) = self.flows.at(index) else {
            return;
        };
        if let Some(traits) = &mut flow.traits {
            if sender == flow.local {
                let Traits { shape, counter } = &mut **traits;
                shape.send(at, packet.ttl, packet.tcp.as_ref(), packet.payload_len);
                self.tracks
                    .observe(counter, owner(packet), at, packet.identification, || {
                        Stack::of(packet)
                    });
            } else {
                traits.shape.receive(packet.payload_len);
            }
        }
        if let Some(tcp) = packet.tcp.as_ref().filter(|tcp| tcp.flags & SYN != 0) {
            open(flow, sender, tcp);
            if tcp.is_syn_ack() {
                self.names.vouch(packet.destination);
            }
        }
        if !packet.payload.is_empty() && Ear::cares(flow) {
            self.ear.listen(
                Heard {
                    at,
                    packet,
                    key: *key,
                    sender,
                    flow,
                },
                &mut self.names,
                &mut self.census,
            );
        }
    }

    /// A flow's first packet.
    fn begin(&mut self, at: Timestamp, key: FlowKey, sender: End, packet: &Packet<'_>) -> usize {
        let local = self.guess.local(&key, sender, &self.settings.home);
        let mut macs = [None; 2];
        macs[sender.index()] = packet.macs.source();
        macs[sender.other().index()] = packet.macs.destination();
        let mut flow = Flow::new(at, sender, local, macs);
        self.serials += 1;
        flow.serial = self.serials;
        let (near, far) = (key.end(local).address, key.end(local.other()).address);
        flow.looked_up = self
            .names
            .of_address(far)
            .iter()
            .filter(|answer| answer.asker == near)
            .cloned()
            .collect();
        if self.settings.traits || !self.settings.home.is_empty() || !is_private(near) {
            flow.traits = Some(Box::default());
        }
        self.flows.insert(key, flow)
    }

    /// What is known so far. The watch goes on.
    pub fn peek(&self) -> Peek<'_> {
        Peek {
            flows: self.flows.cards(),
            names: &self.names,
            tracks: &self.tracks,
        }
    }

    /// How often something new was seen: a flow that began, a name heard of somebody for the first time.
    pub fn news(&self) -> u64 {
        self.serials + self.names.news
    }

    /// The flow of a [`Sight`], if it was not folded or let go since.
    pub fn at(&mut self, index: usize, flow: u64) -> Option<(&FlowKey, &Flow)> {
        let (key, found) = self.flows.at(index)?;
        (found.serial == flow).then_some((key, &*found))
    }

    /// The flow of a key, or the entry that flows were folded into, if it is remembered still.
    pub fn flow(&self, key: &FlowKey, folded: bool) -> Option<&Flow> {
        self.flows.flow(key, folded)
    }

    /// The rates of a flow, or of an entry that flows were folded into.
    pub fn cells(&self, key: &FlowKey, folded: bool) -> Option<&Cells> {
        self.flow(key, folded).map(|flow| &flow.cells)
    }

    /// The bins of the rates, once a packet was seen.
    pub fn grid(&self) -> Option<Grid> {
        self.clock.grid
    }

    /// Packet records seen.
    pub fn read(&self) -> u64 {
        self.census.read
    }

    /// Lets go of flows that were silent since before `before`, and of what the others carried until then: a watch of weeks
    /// remembers as much as one of a day. Counts, names and the home's guess stay; they are bounded by themselves.
    pub fn retire(&mut self, before: Timestamp) {
        let Some(grid) = self.clock.grid else { return };
        self.flows.retire(before, grid.index(before));
        self.tracks.keep(self.flows.counters());
    }

    /// What was seen, once there is nothing more to see.
    pub fn finish(self) -> Observed {
        let origin = self.window.map_or(Timestamp(0), |window| window.start);
        let retired = self.flows.retired();
        Observed {
            window: self.window,
            grid: self
                .clock
                .grid
                .unwrap_or_else(|| Grid::new(origin, self.settings.bin)),
            census: self.census,
            lost: self.flows.lost(),
            flows: self.flows.into_flows(),
            names: self.names,
            tracks: self.tracks,
            hellos_dropped: self.ear.dropped(),
            retired,
        }
    }
}

/// Whose identification counter a packet may be on: one number for all that a router sends on, one a card at home.
fn owner(packet: &Packet<'_>) -> u32 {
    packet.macs.source().map_or(0, |mac| {
        let [_, _, a, b, c, d] = mac.0;
        u32::from_be_bytes([a, b, c, d])
    })
}

const SYN: u8 = 0x02;

/// Notes who opens a connection. A SYN on a port used before begins a new search for a name.
fn open(flow: &mut Flow, sender: End, tcp: &Tcp<'_>) {
    if tcp.is_syn() {
        flow.client = Some(sender);
        flow.isn = Some(tcp.sequence);
        flow.patience = PATIENCE;
    } else if tcp.is_syn_ack() {
        flow.client = Some(sender.other());
    }
}
