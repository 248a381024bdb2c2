//! What a shaper does besides when it is one end of a real tunnel: it hears the other end, says how long padding is known to
//! last, and never catches up on what it slept through.
//!
//! The end at the device's side decides for both directions; the other follows ([`crate::stp::follower`]).

use super::{lane_of, Output, Shaper};
use crate::stp::lane::{Quiet, CELL_HEADER_BYTES};
use crate::units::{nanos, Direction, Timestamp};
use rand_chacha::ChaCha8Rng;

/// Most periods of cover ahead that are looked at one by one: a word tells no more ([`Stretch`] as three bytes).
const AHEAD_AT_MOST: u64 = 255;

/// A stretch of padding as far as it is known: periods that follow one another without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Which one, from 1.
    pub number: u64,
    /// Its periods that are over.
    pub elapsed: u64,
    /// Its periods after the running one that are certain already.
    pub ahead: u64,
}

impl Shaper {
    /// As [`Shaper::poll`], but a cell whose successor is due as well does not go any more: it is counted, and what it would
    /// have carried waits for the next. A machine that slept sends one cell when it wakes, not a burst.
    pub fn poll_live(&mut self, now: Timestamp, chance: &mut ChaCha8Rng) -> Option<Output> {
        loop {
            self.settle(now, chance);
            let Some((direction, _)) = self.next_cell().filter(|&(_, at)| at <= now) else {
                return self.poll(now, now, chance);
            };
            let way = lane_of(direction);
            if self.lanes[way].following(self.plan.period) > now {
                return self.poll(now, now, chance);
            }
            self.lanes[way].step();
            self.missed[way] = self.missed[way].saturating_add(1);
        }
    }

    /// Cells that were due and did not go.
    pub fn missed(&self, direction: Direction) -> u64 {
        self.missed[lane_of(direction)]
    }

    /// Cells of a direction go on, but carry nothing until told otherwise.
    pub fn mute(&mut self, direction: Direction, mute: bool) {
        self.lanes[lane_of(direction)].mute = mute;
    }

    /// What the other end says: until when an activity is known to last there, and whether more waits than padding has cells
    /// left for. Either begins padding where there is none; an activity that is over already does not.
    pub fn hear(
        &mut self,
        now: Timestamp,
        until: Option<Timestamp>,
        waits: bool,
        chance: &mut ChaCha8Rng,
    ) {
        self.settle(now, chance);
        if let Some(until) = until {
            // As in `offer`: of one that is known already nothing is learned again.
            if until >= now && now > self.real {
                self.plan.decision.heard(now);
            }
            self.real = self.real.max(until);
        }
        let runs = waits || until.is_some_and(|until| until >= now);
        if self.is_resting() && runs {
            self.start(now, chance);
        } else {
            self.far_waits = waits;
        }
    }

    /// The running stretch of padding; `None` outside padding.
    pub fn stretch(&self) -> Option<Stretch> {
        let end = self.end?;
        let length = nanos(self.plan.period).max(1);
        let certain = |known: Timestamp| match known >= end {
            true => u64::try_from(known.0.saturating_sub(end.0) / length).map_or(0, |n| n + 1),
            false => 0,
        };
        // Cover ends with the number of the day, where that is held. More than a word tells is told again.
        let held = |ahead: u64| {
            let at = i64::try_from(ahead).map_or(i64::MAX, |n| n.saturating_mul(length));
            let left = self.plan.decision.left(Timestamp(end.0.saturating_add(at)));
            left.is_none_or(|left| left > ahead)
        };
        let cover = certain(self.phantom).min(AHEAD_AT_MOST);
        let cover = (0..cover).take_while(|ahead| held(*ahead)).count() as u64;
        let certain = certain(self.real).max(cover);
        let all = self.plan.quiet == Quiet::Pass;
        let room = u64::from(self.plan.cell_bytes - CELL_HEADER_BYTES);
        let overfull = self.lanes.iter().any(|lane| {
            let pressing = lane.pressing(all);
            pressing > 0 && pressing > lane.cells_before(end).saturating_mul(room)
        });
        Some(Stretch {
            number: self.stretches,
            elapsed: self.periods.saturating_sub(1),
            ahead: certain.max(u64::from(overfull || self.far_waits)),
        })
    }
}
