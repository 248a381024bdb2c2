//! One direction of a shaped flow: what waits, and when its cells go.

use super::cadence::Cadence;
use crate::units::{nanos, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of a cell that carry no traffic: outer IPv4 and UDP headers (20 + 8), a kind, a key and a counter (8), what the two
/// ends of a tunnel tell each other (8), and an authentication tag (16). As many as WireGuard's data header takes.
pub const CELL_HEADER_BYTES: u32 = 60;

/// How much may wait in one direction; what comes beyond is refused, and nothing goes off schedule for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Packets.
    pub packets: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// How long a packet would wait for its last cell, while padded.
    pub wait: Duration,
}

impl Bounds {
    /// No bounds: for a simulator, whose trace is finite.
    pub const NONE: Self = Self {
        packets: usize::MAX,
        bytes: u64::MAX,
        wait: Duration::MAX,
    };
}

/// What goes outside padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quiet {
    /// Background passes as it comes (the paper, section 6.1). Its times are seen: when a device is silent, when it beats.
    #[default]
    Pass,
    /// Cells at a constant low rate, whether or not anything waits: nanoseconds from one to the next, up and down. What is
    /// seen is the rate; background waits.
    Constant([i64; 2]),
}

/// A genuine packet that waits for cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) since: Timestamp,
    /// Bytes not yet sent.
    pub(super) left: u32,
    pub(super) tag: u32,
    /// Whether it belongs to an activity.
    pub(super) urgent: bool,
}

/// A genuine packet whose last byte has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What it was offered with.
    pub tag: u32,
    /// When it was offered.
    pub since: Timestamp,
    /// When the cell with its last byte went.
    pub at: Timestamp,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) cadence: Cadence,
    /// When the next cell goes, while padded; it may lie beyond the end of padding.
    pub(super) next: Timestamp,
    /// Which of the offsets that is; of a replayed cadence.
    place: usize,
    /// Where the running period begins.
    begin: Timestamp,
    pub(super) waiting: VecDeque<Waiting>,
    /// Bytes of what waits.
    bytes: u64,
    /// Nanoseconds between cells outside padding, where there are any.
    quiet: Option<i64>,
    /// Outside padding.
    resting: bool,
    /// Cells go, but carry nothing: there is no key yet, or a handshake takes the place.
    pub(super) mute: bool,
}

impl Lane {
    pub(super) fn new(cadence: Cadence, quiet: Option<i64>) -> Self {
        Self {
            cadence,
            next: Timestamp(i64::MAX),
            place: 0,
            begin: Timestamp(i64::MIN),
            waiting: VecDeque::new(),
            bytes: 0,
            quiet,
            resting: true,
            mute: false,
        }
    }

    /// Takes a packet in; `false` where that would be too much. `room`: bytes that a cell carries; `period`: T.
    pub(super) fn admit(
        &mut self,
        new: Waiting,
        bounds: Bounds,
        room: u32,
        period: Duration,
    ) -> bool {
        let bytes = self.bytes.saturating_add(u64::from(new.left));
        let much = self.waiting.len() >= bounds.packets || bytes > bounds.bytes;
        if much || self.wait_of(bytes, room, period) > nanos(bounds.wait) {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push_back(new);
        true
    }

    /// Nanoseconds in which so many bytes go, while padded.
    fn wait_of(&self, bytes: u64, room: u32, period: Duration) -> i64 {
        let cells = i64::try_from(bytes.div_ceil(u64::from(room.max(1)))).unwrap_or(i64::MAX);
        match &self.cadence {
            Cadence::Constant { every } => cells.saturating_mul(*every),
            Cadence::Replay { offsets } => {
                let each = i64::try_from(offsets.len()).unwrap_or(i64::MAX).max(1);
                (cells / each)
                    .saturating_add(1)
                    .saturating_mul(nanos(period))
            }
        }
    }

    /// Bytes that have to go before padding may end: all that waits, or all up to the last packet of an activity.
    pub(super) fn pressing(&self, all: bool) -> u64 {
        if self.waiting.is_empty() {
            return 0;
        }
        if all {
            // A packet without a byte waits for its cell as well.
            return self.bytes.max(1);
        }
        let mut sum = 0u64;
        let mut upto = 0;
        for waiting in &self.waiting {
            sum = sum.saturating_add(u64::from(waiting.left.max(1)));
            if waiting.urgent {
                upto = sum;
            }
        }
        upto
    }

    /// Padding is over, or has not begun yet.
    pub(super) fn rest(&mut self, at: Timestamp) {
        self.resting = true;
        self.next = match self.quiet {
            Some(every) => Timestamp(at.0.saturating_add(every)),
            None => Timestamp(i64::MAX),
        };
    }

    /// Padding that began at `begin` goes on after an interruption: cells fall where they would have fallen.
    pub(super) fn resume(&mut self, begin: Timestamp, now: Timestamp, period: Duration) {
        self.resting = false;
        let since = now.0.saturating_sub(begin.0).max(0);
        let after = |n: i64, every: i64| Timestamp(begin.0.saturating_add(n.saturating_mul(every)));
        match &self.cadence {
            Cadence::Constant { every } => {
                let passed = since.saturating_sub(1).max(0) / every.max(&1);
                self.next = after(passed.saturating_add(i64::from(since > 0)), *every);
            }
            Cadence::Replay { offsets } => {
                let length = nanos(period).max(1);
                self.begin = after(since / length, length);
                let within = now.0.saturating_sub(self.begin.0);
                self.place = offsets.partition_point(|&offset| offset < within);
                self.next = offset(offsets, self.place, self.begin);
            }
        }
    }

    /// When the cell after the next one goes, or would, if padding went on.
    pub(super) fn following(&self, period: Duration) -> Timestamp {
        let later = |every: i64| Timestamp(self.next.0.saturating_add(every));
        match (self.resting, self.quiet, &self.cadence) {
            (true, Some(every), _) => later(every),
            (true, None, _) => Timestamp(i64::MAX),
            (_, _, Cadence::Constant { every }) => later(*every),
            (_, _, Cadence::Replay { offsets }) => {
                match offsets.get(self.place.saturating_add(1)) {
                    Some(offset) => Timestamp(self.begin.0.saturating_add(*offset)),
                    None => self.begin + period,
                }
            }
        }
    }

    /// Padding begins.
    pub(super) fn begin(&mut self, at: Timestamp) {
        self.resting = false;
        self.next = at;
        self.replay_from(at);
    }

    /// Another period follows without a gap. Cells at a constant distance go on as they were.
    pub(super) fn go_on(&mut self, at: Timestamp) {
        self.replay_from(at);
    }

    fn replay_from(&mut self, at: Timestamp) {
        self.begin = at;
        self.place = 0;
        if let Cadence::Replay { offsets } = &self.cadence {
            self.next = offset(offsets, 0, at);
        }
    }

    /// Dummy cells from the next one on, as many as go before `end` and by `ahead`: how many, and how far apart.
    pub(super) fn cover(&mut self, end: Timestamp, ahead: Timestamp) -> (u32, i64) {
        let every = match (self.resting, self.quiet, &self.cadence) {
            (true, Some(every), _) => every,
            (false, _, Cadence::Constant { every }) => *every,
            _ => {
                self.step();
                return (1, 0);
            }
        };
        let last = ahead.0.min(end.0.saturating_sub(1));
        let more = last.saturating_sub(self.next.0).max(0) / every.max(1);
        let count = u32::try_from(more.saturating_add(1)).unwrap_or(u32::MAX);
        let passed = every.saturating_mul(i64::from(count));
        self.next = Timestamp(self.next.0.saturating_add(passed));
        (count, every)
    }

    /// How many cells go before an instant within the running period.
    pub(super) fn cells_before(&self, end: Timestamp) -> u64 {
        let left = end.0.saturating_sub(1).saturating_sub(self.next.0);
        match (&self.cadence, u64::try_from(left)) {
            (_, Err(_)) => 0,
            (Cadence::Constant { every }, Ok(left)) => left / every.unsigned_abs().max(1) + 1,
            (Cadence::Replay { offsets }, Ok(_)) => {
                let until = end.0.saturating_sub(self.begin.0);
                let upto = offsets.partition_point(|&offset| offset < until);
                upto.saturating_sub(self.place) as u64
            }
        }
    }

    /// A cell that carries up to `room` bytes of what waits: how many it carries.
    pub(super) fn fill(&mut self, room: u32, done: &mut VecDeque<Delivered>) -> u32 {
        let at = self.next;
        let mut free = room;
        while let Some(first) = self.waiting.front_mut() {
            let taken = first.left.min(free);
            first.left -= taken;
            free -= taken;
            if first.left > 0 {
                break;
            }
            done.push_back(Delivered {
                tag: first.tag,
                since: first.since,
                at,
            });
            self.waiting.pop_front();
        }
        self.step();
        self.bytes = self.bytes.saturating_sub(u64::from(room - free));
        room - free
    }

    /// On to the next cell.
    pub(super) fn step(&mut self) {
        if self.resting {
            let every = self.quiet.unwrap_or(i64::MAX);
            self.next = Timestamp(self.next.0.saturating_add(every));
            return;
        }
        self.next = match &self.cadence {
            Cadence::Constant { every } => Timestamp(self.next.0.saturating_add(*every)),
            Cadence::Replay { offsets } => {
                self.place += 1;
                offset(offsets, self.place, self.begin)
            }
        };
    }
}

fn offset(offsets: &[i64], place: usize, begin: Timestamp) -> Timestamp {
    let offset = offsets.get(place).copied().unwrap_or(i64::MAX);
    Timestamp(begin.0.saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_without_a_byte_keeps_padding_on_until_its_cell_has_gone() {
        let every = Cadence::Constant { every: 1 };
        let mut lane = Lane::new(every, None);
        assert_eq!(lane.pressing(true), 0);
        let empty = Waiting {
            since: Timestamp(0),
            left: 0,
            tag: 0,
            urgent: false,
        };
        assert!(lane.admit(empty, Bounds::NONE, 240, Duration::from_secs(1)));
        // Else what comes next would pass as it is, and overtake it.
        assert_eq!((lane.pressing(true), lane.pressing(false)), (1, 0));
    }
}
