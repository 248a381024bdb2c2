//! Which flows leave the same host: the IP identification counters of the hosts behind a NAT.
//!
//! Most small devices number every IPv4 packet they send, to whatever server, from one counter, and a NAT leaves that number
//! alone. Followed over time the numbers fall into one rising line a host (S. M. Bellovin, "A Technique for Counting
//! NATted Hosts", IMC 2002, section 3). Here it is done online, in constant memory: a *track* is one line, a flow joins the
//! track its first packet continues, and is believed to belong there once another flow has carried the line on past it.
//! Hosts that draw the number at random or per connection get tracks of their own, one a flow, and nothing is claimed of them.

use crate::flow::shape::ttl_class;
use crate::packet::dissect::Protocol;
use crate::units::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// Lines followed at a time; homes hold a few dozen hosts.
const TRACKS_AT_MOST: usize = 96;
/// Flows followed; later ones are counted and left alone.
const FLOWS_AT_MOST: usize = 1 << 18;
/// A step every host makes now and then between two of its packets to servers: it also talks at home.
const SMALL_STEP: u16 = 32;
/// A number this little behind, this soon, is a packet overtaken on its way.
const OVERTAKEN: (u16, Duration) = (64, Duration::from_secs(2));
/// The farthest a line's own leading flow may jump and stay on it: a chat at home with the number running on.
const JUMP: u16 = 4096;
/// How much likelier than chance a packet must continue a line to join it, in nats (20 to 1) ...
const JOIN: f32 = 3.0;
/// ... and than continuing any other (4.5 to 1).
const LEAD: f32 = 1.5;
/// What another initial TTL costs, in nats: within one protocol a stack keeps to one, between protocols some differ
/// (a sprinkler controller was seen with 128 for TCP and 255 for UDP).
const OTHER_TTL: (f32, f32) = (6.0, 3.0);
/// A line of fewer packets than this is too young to tell its pace: only what follows within seconds may join it.
const YOUNG: (u32, f32) = (3, 10.0);

/// A flow's place among the counters; part of the flow, opaque, set by [`CounterTracks::observe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterSlot(u32);

#[derive(Clone, Copy, Debug)]
struct FlowState {
    track: usize,
    serial: u32,
    last_id: u16,
    last: Timestamp,
    packets: u32,
    misses: u32,
    confirmed: bool,
    began: bool,
}

#[derive(Clone, Copy, Debug)]
struct Track {
    serial: u32,
    owner: u32,
    last_id: u16,
    ttl: u8,
    protocol: Protocol,
    first: Timestamp,
    last: Timestamp,
    /// Numbers a second, smoothed over minutes.
    pace: f32,
    /// Where the current stretch for `pace` began, and the numbers used since.
    stretch: Timestamp,
    stretch_steps: u32,
    advanced: u64,
    packets: u32,
    misses: u32,
    flows: u32,
    /// The flow of the last packet.
    holder: usize,
    /// The flow with the most packets, and how many.
    leader: (usize, u32),
}

/// What was seen of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackSeen {
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Packets on it.
    pub packets: u32,
    /// Packets that did not continue it.
    pub misses: u32,
    /// Numbers used from first to last.
    pub advanced: u64,
}

impl TrackSeen {
    /// Whether the numbers rise like a counter at all: at most one packet in ten breaks the line.
    pub fn is_counter(&self) -> bool {
        self.packets >= 2 && u64::from(self.misses) * 10 <= u64::from(self.packets)
    }

    /// Numbers used a second, where it was watched for a quarter of an hour or more.
    ///
    /// It is a trait of a device: what it sends to servers and at home while idle is fixed by its firmware.
    pub fn pace(&self) -> Option<f64> {
        let seconds = self.last.since(self.first).as_secs_f64();
        (self.is_counter() && self.advanced > 0 && seconds >= 900.0)
            .then(|| self.advanced as f64 / seconds)
    }
}

/// A flow's tie to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSeen {
    /// The line; flows with the same one are of the same host.
    pub track: u32,
}

/// All lines, while a capture is read.
#[derive(Debug, Default)]
pub struct CounterTracks {
    flows: Vec<FlowState>,
    tracks: Vec<Track>,
    serials: u32,
    done: HashMap<u32, TrackSeen>,
    left_alone: u64,
}

impl CounterTracks {
    /// None followed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Flows that came after the table was full.
    pub fn left_alone(&self) -> u64 {
        self.left_alone
    }

    /// Follows one IPv4 packet sent from the home. `owner` keeps hosts known to differ apart: one number for everything
    /// behind a public address, one a device where hardware addresses tell them.
    pub fn observe(
        &mut self,
        slot: &mut CounterSlot,
        owner: u32,
        at: Timestamp,
        identification: u16,
        ttl: u8,
        protocol: Protocol,
    ) {
        if identification == 0 {
            return;
        }
        if slot.0 == 0 {
            if self.flows.len() >= FLOWS_AT_MOST {
                // Told apart from "not seen yet", so that it is counted once.
                slot.0 = u32::MAX;
                self.left_alone += 1;
                return;
            }
            let flow = self.flows.len();
            slot.0 = u32::try_from(flow + 1).unwrap_or(u32::MAX);
            self.flows.push(FlowState {
                track: usize::MAX,
                serial: 0,
                last_id: identification,
                last: at,
                packets: 1,
                misses: 0,
                confirmed: false,
                began: false,
            });
            self.join(flow, owner, at, identification, ttl, protocol);
            return;
        }
        let flow = slot.0 as usize - 1;
        self.carry_on(flow, owner, at, identification, ttl, protocol);
    }

    fn carry_on(
        &mut self,
        flow: usize,
        owner: u32,
        at: Timestamp,
        id: u16,
        ttl: u8,
        protocol: Protocol,
    ) {
        let Some(state) = self.flows.get_mut(flow) else {
            return;
        };
        state.packets = state.packets.saturating_add(1);
        let (own_id, own_last, packets) = (state.last_id, state.last, state.packets);
        let track = self
            .tracks
            .get_mut(state.track)
            .filter(|track| track.serial == state.serial);
        let Some(track) = track else {
            // Its line was given up for a livelier one.
            state.began = false;
            state.confirmed = false;
            return self.join(flow, owner, at, id, ttl, protocol);
        };
        let step = id.wrapping_sub(track.last_id);
        let overtaken = step > u16::MAX - OVERTAKEN.0 && at.since(track.last) < OVERTAKEN.1;
        if step == 0 || overtaken {
            return;
        }
        let leads = track.leader.0 == flow;
        if step > SMALL_STEP && !track.continues(at, step) {
            state.misses += 1;
            track.misses = track.misses.saturating_add(1);
            let alone = track.flows <= 1;
            let own_step = id.wrapping_sub(own_id);
            let led_astray = track.holder != flow
                && own_step > 0
                && track.likelihood(own_last, at, own_step).is_some();
            if leads && !alone && led_astray && step > JUMP {
                // Somebody joined by chance after this flow's last packet: the line is the leader's.
                let stray = track.holder;
                track.flows = track.flows.saturating_sub(1);
                if let Some(stray) = self.flows.get_mut(stray) {
                    stray.track = usize::MAX;
                    stray.confirmed = false;
                    stray.began = false;
                }
            } else if !alone && !(leads && step <= JUMP) {
                track.flows = track.flows.saturating_sub(1);
                return self.begin(flow, owner, at, id, ttl, protocol);
            }
        }
        let Some(track) = self
            .tracks
            .get_mut(self.flows.get(flow).map_or(usize::MAX, |f| f.track))
        else {
            return;
        };
        let holder = track.advance(flow, packets, at, id);
        if holder != flow {
            if let Some(holder) = self.flows.get_mut(holder) {
                holder.confirmed |= holder.serial == track.serial;
            }
        }
        if let Some(state) = self.flows.get_mut(flow) {
            state.confirmed |= holder != flow;
            state.last_id = id;
            state.last = at;
        }
    }

    /// Puts a flow on the line its packet continues, or on a new one.
    fn join(
        &mut self,
        flow: usize,
        owner: u32,
        at: Timestamp,
        id: u16,
        ttl: u8,
        protocol: Protocol,
    ) {
        let class = ttl_class(ttl);
        let (mut best, mut second) = ((f32::MIN, usize::MAX), f32::MIN);
        for (index, track) in self
            .tracks
            .iter()
            .enumerate()
            .filter(|(_, track)| track.owner == owner)
        {
            let young = track.packets < YOUNG.0 && at.since(track.last).as_secs_f32() > YOUNG.1;
            let Some(mut belief) = track
                .likelihood(track.last, at, id.wrapping_sub(track.last_id))
                .filter(|_| !young)
            else {
                continue;
            };
            if track.ttl != class {
                belief -= if track.protocol == protocol {
                    OTHER_TTL.0
                } else {
                    OTHER_TTL.1
                };
            }
            if belief > best.0 {
                second = best.0;
                best = (belief, index);
            } else {
                second = second.max(belief);
            }
        }
        let packets = self.flows.get(flow).map_or(1, |state| state.packets);
        match self.tracks.get_mut(best.1) {
            Some(track) if best.0 > JOIN && best.0 - second > LEAD => {
                track.flows = track.flows.saturating_add(1);
                let holder = track.advance(flow, packets, at, id);
                let serial = track.serial;
                if let Some(state) = self.flows.get_mut(flow) {
                    state.track = best.1;
                    state.serial = serial;
                    state.last_id = id;
                    state.last = at;
                }
                if let Some(holder) = self.flows.get_mut(holder) {
                    holder.confirmed |= holder.serial == serial;
                }
            }
            _ => self.begin(flow, owner, at, id, ttl, protocol),
        }
    }

    fn begin(
        &mut self,
        flow: usize,
        owner: u32,
        at: Timestamp,
        id: u16,
        ttl: u8,
        protocol: Protocol,
    ) {
        self.serials = self.serials.wrapping_add(1);
        let packets = self.flows.get(flow).map_or(1, |state| state.packets);
        let track = Track {
            serial: self.serials,
            owner,
            last_id: id,
            ttl: ttl_class(ttl),
            protocol,
            first: at,
            last: at,
            pace: 0.05,
            stretch: at,
            stretch_steps: 0,
            advanced: 0,
            packets: 1,
            misses: 0,
            flows: 1,
            holder: flow,
            leader: (flow, packets),
        };
        let index = if self.tracks.len() < TRACKS_AT_MOST {
            self.tracks.push(track);
            self.tracks.len() - 1
        } else {
            // The least lively goes: first those of few packets, among them the longest silent.
            let dullest = |track: &Track| (track.packets.min(8), track.last);
            let index = (0..self.tracks.len()).min_by_key(|&i| self.tracks.get(i).map(dullest));
            let index = index.unwrap_or(0);
            if let Some(old) = self.tracks.get_mut(index) {
                if old.packets >= 2 && self.done.len() < FLOWS_AT_MOST {
                    self.done.insert(old.serial, old.seen());
                }
                *old = track;
            }
            index
        };
        if let Some(state) = self.flows.get_mut(flow) {
            state.track = index;
            state.serial = track.serial;
            state.began = true;
            state.confirmed = false;
            state.last_id = id;
            state.last = at;
        }
    }

    /// The line a flow is on, where that is believed: it began the line, or the line went on past it, and not more than
    /// one of its packets in four strayed.
    pub fn seen(&self, slot: CounterSlot) -> Option<CounterSeen> {
        let state = self.flows.get((slot.0 as usize).checked_sub(1)?)?;
        let steady = u64::from(state.misses) * 4 <= u64::from(state.packets);
        let placed = state.track != usize::MAX && (state.began || state.confirmed);
        (steady && placed).then_some(CounterSeen {
            track: state.serial,
        })
    }

    /// What was seen of a line.
    pub fn track(&self, track: u32) -> Option<TrackSeen> {
        let live = self
            .tracks
            .iter()
            .find(|line| line.serial == track)
            .map(Track::seen);
        live.or_else(|| self.done.get(&track).copied())
    }
}

impl Track {
    /// How much likelier than chance a packet `step` numbers on continues this line, in nats; `None` where it is out of reach.
    ///
    /// Chance is one number in 65,536. A host's step is taken as Laplace about what its pace foretells, as wide as twice
    /// that and never narrower than the four numbers a device idly uses at home.
    fn likelihood(&self, since: Timestamp, at: Timestamp, step: u16) -> Option<f32> {
        if step == 0 || step > 1 << 15 {
            return None;
        }
        let expected = self.pace * at.since(since).as_secs_f32();
        let width = 4.0 + 2.0 * expected;
        let off = (f32::from(step) - 1.0 - expected).abs() / width;
        (off < 8.0).then(|| (65_536.0 / (2.0 * width)).ln() - off)
    }

    fn continues(&self, at: Timestamp, step: u16) -> bool {
        self.likelihood(self.last, at, step).is_some()
    }

    /// Moves the line on to `id` and returns the flow that held it.
    fn advance(&mut self, flow: usize, packets: u32, at: Timestamp, id: u16) -> usize {
        let step = id.wrapping_sub(self.last_id);
        if step < 1 << 15 {
            self.advanced += u64::from(step);
            self.stretch_steps = self.stretch_steps.saturating_add(u32::from(step));
        }
        let seconds = at.since(self.stretch).as_secs_f32();
        // Ten seconds swallow a burst; two minutes are how slowly the pace forgets.
        if seconds >= 10.0 {
            let weight = seconds / (seconds + 120.0);
            self.pace += weight * (self.stretch_steps as f32 / seconds - self.pace);
            self.stretch = at;
            self.stretch_steps = 0;
        }
        self.last_id = id;
        self.last = self.last.max(at);
        self.packets = self.packets.saturating_add(1);
        if packets > self.leader.1 || self.leader.0 == flow {
            self.leader = (flow, packets);
        }
        std::mem::replace(&mut self.holder, flow)
    }

    fn seen(&self) -> TrackSeen {
        TrackSeen {
            first: self.first,
            last: self.last,
            packets: self.packets,
            misses: self.misses,
            advanced: self.advanced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (second, flow, number, ttl) and returns the line of each flow.
    fn lines<const N: usize>(packets: &[(i64, usize, u16, u8)]) -> [Option<u32>; N] {
        let mut tracks = CounterTracks::new();
        let mut slots = [CounterSlot::default(); N];
        for &(second, flow, id, ttl) in packets {
            let at = Timestamp::new(second, 0);
            tracks.observe(&mut slots[flow], 0, at, id, ttl, Protocol::TCP);
        }
        slots.map(|slot| tracks.seen(slot).map(|seen| seen.track))
    }

    #[test]
    fn a_short_flow_between_two_heartbeats_is_of_the_same_host() {
        let [heartbeat, lookup, other] = lines(&[
            (0, 0, 500, 64),
            (0, 2, 9000, 64),
            (30, 0, 502, 64),
            (60, 0, 504, 64),
            (61, 1, 505, 64),
            (62, 2, 9001, 64),
            (90, 0, 507, 64),
        ]);
        assert!(lookup.is_some());
        assert_eq!(heartbeat, lookup);
        assert_ne!(heartbeat, other);
    }

    #[test]
    fn a_flow_nobody_continued_past_is_not_believed() {
        let [_, last] = lines(&[
            (0, 0, 500, 64),
            (30, 0, 502, 64),
            (60, 0, 504, 64),
            (61, 1, 505, 64),
        ]);
        assert_eq!(last, None);
    }

    #[test]
    fn another_ttl_keeps_a_chance_neighbour_out() {
        let [heartbeat, stranger] = lines(&[
            (0, 0, 500, 64),
            (30, 0, 502, 64),
            (60, 0, 504, 64),
            (61, 1, 505, 255),
            (90, 0, 507, 64),
        ]);
        assert!(stranger.is_some());
        assert_ne!(heartbeat, stranger);
    }

    #[test]
    fn numbers_wrap() {
        let [heartbeat, lookup] = lines(&[
            (0, 0, 65_532, 64),
            (30, 0, 65_534, 64),
            (60, 0, 65_535, 64),
            (61, 1, 1, 64),
            (90, 0, 3, 64),
        ]);
        assert!(lookup.is_some());
        assert_eq!(heartbeat, lookup);
    }

    #[test]
    fn random_numbers_tie_nothing_together() {
        let [a, b] = lines(&[
            (0, 0, 31_754, 64),
            (1, 1, 9, 64),
            (2, 0, 26_065, 64),
            (3, 1, 48_000, 64),
            (4, 0, 13_192, 64),
            (5, 1, 17_000, 64),
        ]);
        assert_eq!((a, b), (None, None));
    }

    #[test]
    fn the_pace_is_numbers_a_second() {
        let mut tracks = CounterTracks::new();
        let mut slot = CounterSlot::default();
        for minute in 0..=20 {
            let at = Timestamp::new(minute * 60, 0);
            tracks.observe(
                &mut slot,
                0,
                at,
                1000 + 13 * minute as u16,
                255,
                Protocol::TCP,
            );
        }
        let line = tracks
            .seen(slot)
            .and_then(|seen| tracks.track(seen.track))
            .unwrap();
        assert_eq!(line.advanced, 13 * 20);
        assert!((line.pace().unwrap() - 13.0 / 60.0).abs() < 1e-9);
    }

    #[test]
    fn owners_never_share_a_line() {
        let mut tracks = CounterTracks::new();
        let mut slots = [CounterSlot::default(); 2];
        for step in 0..6u16 {
            let flow = usize::from(step % 2);
            let at = Timestamp::new(i64::from(step), 0);
            tracks.observe(
                &mut slots[flow],
                u32::from(step % 2),
                at,
                10 + step,
                64,
                Protocol::TCP,
            );
        }
        assert_ne!(tracks.seen(slots[0]), tracks.seen(slots[1]));
    }

    #[test]
    fn tables_stay_bounded_under_a_flood() {
        let mut tracks = CounterTracks::new();
        for n in 0..FLOWS_AT_MOST + 10 {
            let mut slot = CounterSlot::default();
            let id = (n as u16).wrapping_mul(40_503) | 1;
            tracks.observe(
                &mut slot,
                0,
                Timestamp::new(n as i64, 0),
                id,
                64,
                Protocol::UDP,
            );
        }
        assert_eq!(tracks.left_alone(), 10);
        assert_eq!(tracks.tracks.len(), TRACKS_AT_MOST);
    }
}
