//! One rising line of IPv4 identification numbers: how fast it rises, and whether a packet continues it.

use crate::flow::stack::{Stack, StackSeen};
use crate::units::Timestamp;

/// One number in how many a stranger's lands on by chance. There are 65,536, but counters begin at 0 when a device is
/// switched on, so that the low numbers are crowded.
const CHANCE: f32 = 8_192.0;
/// Numbers a second before anything is known: a heartbeat every twenty seconds.
const PACE_AT_FIRST: f32 = 0.05;

/// One rising line of identification numbers, while it is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    /// Its name, never used again.
    pub(super) serial: u32,
    /// Which hosts it may belong to.
    pub(super) owner: u32,
    /// The number of its last packet.
    pub(super) last_id: u16,
    /// Its host's stack.
    pub(super) stack: StackSeen,
    /// First packet.
    pub(super) first: Timestamp,
    /// Last packet.
    pub(super) last: Timestamp,
    /// Numbers a second, smoothed over minutes.
    pace: f32,
    /// Where the current stretch for `pace` began, and the numbers used since.
    stretch: Timestamp,
    stretch_steps: u32,
    /// Numbers used from first to last.
    pub(super) advanced: u64,
    /// Packets on it.
    pub(super) packets: u32,
    /// Packets that did not continue it.
    pub(super) misses: u32,
    /// Flows on it.
    pub(super) flows: u32,
    /// Whether hosts were mixed up on it at some time.
    pub(super) mixed: bool,
    /// When a flow joined it last.
    pub(super) last_join: Timestamp,
    /// The flow of the last packet.
    pub(super) holder: usize,
    /// The flow with the most packets, and how many.
    pub(super) leader: (usize, u32),
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

impl Track {
    /// A line that begins with one packet.
    pub(super) fn begin(
        serial: u32,
        owner: u32,
        flow: usize,
        packets: u32,
        at: Timestamp,
        id: u16,
        stack: &Stack,
    ) -> Self {
        let mut seen = StackSeen::default();
        seen.learn(stack);
        Self {
            serial,
            owner,
            last_id: id,
            stack: seen,
            first: at,
            last: at,
            pace: PACE_AT_FIRST,
            stretch: at,
            stretch_steps: 0,
            advanced: 0,
            packets: 1,
            misses: 0,
            flows: 1,
            mixed: false,
            last_join: at,
            holder: flow,
            leader: (flow, packets),
        }
    }

    /// Where a packet is kept when room is short: the lively before the young, the recent before the old.
    pub(super) fn worth(&self) -> (u32, Timestamp) {
        (self.packets.min(8), self.last)
    }

    /// How much likelier than chance a packet `step` numbers on continues this line, in nats; `None` where it is out of reach.
    ///
    /// A host's step is taken as Laplace about what its pace foretells, as wide as twice
    /// that and never narrower than the four numbers a device idly uses at home.
    pub(super) fn likelihood(&self, since: Timestamp, at: Timestamp, step: u16) -> Option<f32> {
        if step == 0 || step > 1 << 15 {
            return None;
        }
        let expected = self.pace * at.since(since).as_secs_f32();
        let width = 4.0 + 2.0 * expected;
        let off = (f32::from(step) - 1.0 - expected).abs() / width;
        (off < 8.0).then(|| (CHANCE / (2.0 * width)).ln() - off)
    }

    /// Whether a packet is within reach of the line.
    pub(super) fn continues(&self, at: Timestamp, step: u16) -> bool {
        self.likelihood(self.last, at, step).is_some()
    }

    /// Moves the line on to `id` and returns the flow that held it.
    pub(super) fn advance(&mut self, flow: usize, packets: u32, at: Timestamp, id: u16) -> usize {
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

    /// What was seen of it so far.
    pub(super) fn seen(&self) -> TrackSeen {
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
    use crate::packet::dissect::Protocol;

    fn line() -> Track {
        let stack = Stack {
            ttl: 64,
            protocol: Protocol::TCP,
            timestamps: None,
        };
        Track::begin(1, 0, 0, 1, Timestamp(0), 100, &stack)
    }

    #[test]
    fn the_next_number_is_likelier_than_a_far_one() {
        let line = line();
        let after = |seconds, step| line.likelihood(line.last, Timestamp::new(seconds, 0), step);
        // 8,192 / 8 for the very next packet: ln 1,024 = 6.93.
        assert!((after(0, 1).unwrap() - 6.931).abs() < 1e-3);
        assert!(after(0, 9).unwrap() < after(0, 1).unwrap());
        assert_eq!(after(0, 100), None);
        assert_eq!(after(0, 0), None);
        assert_eq!(after(0, 65_000), None, "behind");
        assert!(
            after(600, 31).unwrap() > after(600, 1).unwrap(),
            "30 were due"
        );
    }

    #[test]
    fn the_pace_follows_a_steady_host() {
        let mut line = line();
        for minute in 1..=60i64 {
            line.advance(
                0,
                1,
                Timestamp::new(60 * minute, 0),
                (100 + 13 * minute) as u16,
            );
        }
        assert!((line.pace - 13.0 / 60.0).abs() < 1e-3);
        assert_eq!(line.seen().advanced, 13 * 60);
    }
}
