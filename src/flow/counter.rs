//! Which flows leave the same host: the IP identification counters of the hosts behind a NAT.
//!
//! Most small devices number every IPv4 packet they send, to whatever server, from one counter, and a NAT leaves that number
//! alone. Followed over time the numbers fall into one rising line a host (S. M. Bellovin, "A Technique for Counting
//! NATted Hosts", IMC 2002, section 3). Here it is done online, in constant memory: a *track* is one line ([`crate::flow::track`]), a flow joins the
//! track its first packet continues, and is believed to belong there once another flow has carried the line on past it.
//! Hosts that draw the number at random or per connection get tracks of their own, one a flow, and nothing is claimed of them.

use crate::flow::stack::Stack;
use crate::flow::track::{Track, TrackSeen};
use crate::units::Timestamp;
use std::collections::{HashMap, HashSet};
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
/// Mix-ups put right on one line; at the next one it is given up.
const PURGES_AT_MOST: usize = 8;
/// Lines a flow may be put on before it is given up, if it also spent fewer than four packets on each: its numbers are drawn
/// at random, and looking for their line costs more than all the rest of a packet.
const HOMES_AT_MOST: u32 = 8;
/// Packets of a flow that may stray before it is given up, if they are more than half of them.
const MISSES_AT_MOST: u32 = 32;
/// How much likelier than chance a packet must continue a line to join it, in nats (20 to 1) ...
const JOIN: f32 = 3.0;
/// ... and than continuing any other (4.5 to 1).
const LEAD: f32 = 1.5;
/// A line of fewer packets than this is too young to tell its pace: only what follows within a minute may join it.
const YOUNG: (u32, f32) = (3, 60.0);

/// A flow's place among the counters; part of the flow, opaque, set by [`CounterTracks::observe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterSlot(u32);

#[derive(Clone, Copy, Debug)]
struct FlowState {
    track: usize,
    serial: u32,
    last_id: u16,
    last: Timestamp,
    /// When it came upon its line.
    joined: Timestamp,
    packets: u32,
    misses: u32,
    /// How many lines it was put on.
    homes: u32,
    given_up: bool,
    confirmed: bool,
    began: bool,
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
    /// Times in which hosts were mixed up on a line: what joined it then (after the first, up to the second) is not of it.
    purged: HashMap<u32, Vec<(Timestamp, Timestamp)>>,
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
        stack: impl FnOnce() -> Stack,
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
                joined: at,
                packets: 1,
                misses: 0,
                homes: 0,
                given_up: false,
                confirmed: false,
                began: false,
            });
            self.join(flow, owner, at, identification, &stack());
            return;
        }
        let flow = slot.0 as usize - 1;
        self.carry_on(flow, owner, at, identification, stack);
    }

    fn carry_on(
        &mut self,
        flow: usize,
        owner: u32,
        at: Timestamp,
        id: u16,
        stack: impl FnOnce() -> Stack,
    ) {
        let Some(state) = self.flows.get_mut(flow) else {
            return;
        };
        if state.given_up {
            return;
        }
        state.packets = state.packets.saturating_add(1);
        let restless = state.homes > HOMES_AT_MOST && state.homes > state.packets / 4;
        let random = state.misses > MISSES_AT_MOST && state.misses > state.packets / 2;
        if restless || random {
            state.given_up = true;
            return;
        }
        let (own_id, own_last, packets) = (state.last_id, state.last, state.packets);
        let track = self.tracks.get_mut(state.track).filter(|track| {
            track.serial == state.serial && !(track.mixed && is_purged(&self.purged, state))
        });
        let Some(track) = track else {
            // Its line was given up for a livelier one.
            state.began = false;
            state.confirmed = false;
            return self.join(flow, owner, at, id, &stack());
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
            let carried_off = step > 1 << 15 && track.likelihood(own_last, at, own_step).is_some();
            if !alone && carried_off {
                // This flow is where it should be, and the line has run ahead without it: whoever joined since is of
                // another host. Where nobody did, nobody can say who is right, and the whole line is given up.
                let joined_since = track.last_join > own_last;
                let record = self.purged.entry(track.serial).or_default();
                match joined_since {
                    true if record.len() < PURGES_AT_MOST => record.push((own_last, at)),
                    _ => *record = vec![(Timestamp(i64::MIN), Timestamp(i64::MAX))],
                }
                track.last_id = own_id;
                track.mixed = true;
            } else if !(alone || leads && step <= JUMP) {
                track.flows = track.flows.saturating_sub(1);
                return self.begin(flow, owner, at, id, &stack());
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
    fn join(&mut self, flow: usize, owner: u32, at: Timestamp, id: u16, stack: &Stack) {
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
            let Some(cost) = track.stack.cost(stack) else {
                continue;
            };
            belief -= cost;
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
                track.last_join = at;
                track.stack.learn(stack);
                let holder = track.advance(flow, packets, at, id);
                let serial = track.serial;
                if let Some(state) = self.flows.get_mut(flow) {
                    state.track = best.1;
                    state.homes += 1;
                    state.serial = serial;
                    state.joined = at;
                    state.last_id = id;
                    state.last = at;
                }
                if let Some(holder) = self.flows.get_mut(holder) {
                    holder.confirmed |= holder.serial == serial;
                }
            }
            _ => self.begin(flow, owner, at, id, stack),
        }
    }

    fn begin(&mut self, flow: usize, owner: u32, at: Timestamp, id: u16, stack: &Stack) {
        self.serials = self.serials.wrapping_add(1);
        let packets = self.flows.get(flow).map_or(1, |state| state.packets);
        let track = Track::begin(self.serials, owner, flow, packets, at, id, stack);
        let index = if self.tracks.len() < TRACKS_AT_MOST {
            self.tracks.push(track);
            self.tracks.len() - 1
        } else {
            // The least lively goes: first those of few packets, among them the longest silent.
            let index =
                (0..self.tracks.len()).min_by_key(|&i| self.tracks.get(i).map(Track::worth));
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
            state.homes += 1;
            state.serial = track.serial;
            state.joined = at;
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
        let steady = (u64::from(state.misses) + u64::from(state.homes.saturating_sub(1))) * 4
            <= u64::from(state.packets);
        let placed = state.track != usize::MAX && (state.began || state.confirmed);
        (steady && placed && !state.given_up && !is_purged(&self.purged, state)).then_some(
            CounterSeen {
                track: state.serial,
            },
        )
    }

    /// Forgets all flows but those of the given places, and the lines that none of them is on; the places are told anew.
    pub fn keep<'a>(&mut self, slots: impl IntoIterator<Item = &'a mut CounterSlot>) {
        let mut kept = Vec::new();
        let mut moved = HashMap::new();
        for slot in slots {
            let old = (slot.0 as usize).checked_sub(1);
            let state = old.and_then(|old| Some((old, *self.flows.get(old)?)));
            // Those left alone for want of room get another chance.
            *slot = CounterSlot::default();
            if let Some((old, state)) = state {
                moved.insert(old, kept.len());
                kept.push(state);
                slot.0 = u32::try_from(kept.len()).unwrap_or(u32::MAX);
            }
        }
        self.flows = kept;
        let place = |flow: usize| moved.get(&flow).copied().unwrap_or(usize::MAX);
        for track in &mut self.tracks {
            track.holder = place(track.holder);
            track.leader.0 = place(track.leader.0);
        }
        let mut in_use: HashSet<u32> = self.flows.iter().map(|state| state.serial).collect();
        in_use.extend(self.tracks.iter().map(|track| track.serial));
        self.done.retain(|serial, _| in_use.contains(serial));
        self.purged.retain(|serial, _| in_use.contains(serial));
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

/// Whether a flow joined its line in a time in which hosts were mixed up on it. The flow that began the line stays, unless
/// the whole line was given up.
fn is_purged(purged: &HashMap<u32, Vec<(Timestamp, Timestamp)>>, state: &FlowState) -> bool {
    let windows = purged.get(&state.serial).map_or(&[][..], Vec::as_slice);
    windows
        .iter()
        .any(|(after, until)| state.joined > *after && state.joined <= *until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::dissect::Protocol;

    fn tcp(ttl: u8) -> Stack {
        Stack {
            ttl,
            protocol: Protocol::TCP,
            timestamps: Some(false),
        }
    }

    /// Feeds (second, flow, number, ttl) and returns the line of each flow.
    fn lines<const N: usize>(packets: &[(i64, usize, u16, u8)]) -> [Option<u32>; N] {
        let mut tracks = CounterTracks::new();
        let mut slots = [CounterSlot::default(); N];
        for &(second, flow, id, ttl) in packets {
            let at = Timestamp::new(second, 0);
            tracks.observe(&mut slots[flow], 0, at, id, || tcp(ttl));
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
    fn those_that_stay_stay_on_their_line() {
        let mut tracks = CounterTracks::new();
        let mut slots = [CounterSlot::default(); 3];
        let see = |tracks: &mut CounterTracks, slots: &mut [CounterSlot], second, flow, id| {
            let at = Timestamp::new(second, 0);
            tracks.observe(&mut slots[flow], 0, at, id, || tcp(64));
        };
        for (second, flow, id) in [
            (0, 0, 9000),
            (0, 1, 500),
            (30, 1, 502),
            (60, 1, 504),
            (61, 2, 505),
            (90, 1, 507),
        ] {
            see(&mut tracks, &mut slots, second, flow, id);
        }
        let line = tracks.seen(slots[1]);
        tracks.keep(slots.iter_mut().skip(1));
        assert_eq!((tracks.flows.len(), slots[1].0, slots[2].0), (2, 1, 2));
        assert_eq!((tracks.seen(slots[1]), tracks.seen(slots[2])), (line, line));
        see(&mut tracks, &mut slots, 120, 1, 509);
        see(&mut tracks, &mut slots, 121, 2, 510);
        assert_eq!((tracks.seen(slots[1]), tracks.seen(slots[2])), (line, line));
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
    fn a_stranger_that_runs_ahead_is_thrown_out() {
        let [heartbeat, stranger, lookup] = lines(&[
            (0, 0, 500, 64),
            (30, 0, 502, 64),
            (60, 0, 504, 64),
            (61, 1, 505, 64),
            (62, 1, 520, 64),
            (63, 1, 535, 64),
            (90, 0, 506, 64),
            (91, 2, 507, 64),
            (92, 1, 551, 64),
            (120, 0, 509, 64),
        ]);
        assert!(heartbeat.is_some());
        assert_eq!(heartbeat, lookup);
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
            tracks.observe(&mut slot, 0, at, 1000 + 13 * minute as u16, || tcp(255));
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
            tracks.observe(&mut slots[flow], u32::from(step % 2), at, 10 + step, || {
                tcp(64)
            });
        }
        assert_ne!(tracks.seen(slots[0]), tracks.seen(slots[1]));
    }

    #[test]
    fn tables_stay_bounded_under_a_flood() {
        let mut tracks = CounterTracks::new();
        for n in 0..FLOWS_AT_MOST + 10 {
            let mut slot = CounterSlot::default();
            let id = (n as u16).wrapping_mul(40_503) | 1;
            tracks.observe(&mut slot, 0, Timestamp::new(n as i64, 0), id, || tcp(64));
        }
        assert_eq!(tracks.left_alone(), 10);
        assert_eq!(tracks.tracks.len(), TRACKS_AT_MOST);
    }
}
