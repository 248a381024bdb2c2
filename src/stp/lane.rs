//! One direction of a shaped flow: what waits, and when its cells go.

use super::cadence::Cadence;
use crate::units::Timestamp;
use std::collections::VecDeque;

/// Bytes of a cell that carry no traffic: outer IPv4 and UDP headers (20 + 8), a type, a key and a counter as WireGuard's
/// data header has them (16), and an authentication tag (16).
pub const CELL_HEADER_BYTES: u32 = 60;

/// A genuine packet that waits for cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) since: Timestamp,
    /// Bytes not yet sent.
    pub(super) left: u32,
    pub(super) tag: u32,
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
}

impl Lane {
    pub(super) fn new(cadence: Cadence) -> Self {
        Self {
            cadence,
            next: Timestamp(i64::MAX),
            place: 0,
            begin: Timestamp(i64::MIN),
            waiting: VecDeque::new(),
        }
    }

    /// Padding begins.
    pub(super) fn begin(&mut self, at: Timestamp) {
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
        let Cadence::Constant { every } = self.cadence else {
            self.step();
            return (1, 0);
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
        room - free
    }

    /// On to the next cell.
    fn step(&mut self) {
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
