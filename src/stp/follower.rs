//! The far end of a shaped tunnel: it sends the other direction's cells, and pads when it is told to.
//!
//! Periods in both directions belong together (the paper, section 6.1: both directions are padded alike), so one end alone
//! decides: the [`Shaper`](crate::stp::shaper::Shaper) at the device's side. Each of its cells says, inside the encryption, which
//! stretch of padding runs, how many of its periods are over and how many more are certain. The follower begins when it first
//! hears of a stretch, one way delay after the shaper, and stops after as many periods. Its own cells say whether an activity
//! runs on its side, and whether more waits than fits.
//!
//! What this leaves to be seen:
//! - An activity that begins at the far end cannot begin padding at once. Its first packet passes as background would (one
//!   cell, or the next quiet cell), and asks; padding begins when the shaper hears of it. Where quiet traffic passes, a lone
//!   cell downwards just before padding speaks for an activity; at a constant quiet rate nothing shows.
//! - A stretch that is lengthened in the last instants before its end is known one way delay late: down to a cell is missing
//!   in the follower's direction. Real and phantom activities do that alike.
//! - Where all cells that told of a begin were lost, the follower begins with the first that was not.

use super::cadence::Cadence;
use super::lane::{Bounds, Lane, Quiet, Waiting, CELL_HEADER_BYTES};
use super::shaper::live::Stretch;
use super::shaper::Admission;
use crate::units::{nanos, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// How long it waits for padding that it asked for before it asks again: some round trips of a long way.
pub const ASK_AGAIN: Duration = Duration::from_millis(250);

/// So many cells say that an activity was begun: one may be lost.
const TOLD_TIMES: u8 = 3;

/// What a follower is like; the same numbers as the shaper's [`Plan`](crate::stp::shaper::Plan).
#[derive(Clone, Debug)]
pub struct Follows {
    /// T.
    pub period: Duration,
    /// Bytes of each cell on the wire.
    pub cell_bytes: u32,
    /// When its cells go.
    pub cadence: Cadence,
    /// So much may wait.
    pub waiting_at_most: Bounds,
    /// What goes outside padding.
    pub quiet: Quiet,
    /// When it begins to work.
    pub origin: Timestamp,
}

/// A cell that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it was to go.
    pub at: Timestamp,
    /// Genuine bytes that it carries.
    pub genuine: u32,
    /// Whether it is one of padding.
    pub padded: bool,
}

/// What the shaper should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Until when an activity is known to last, where one was begun lately or runs.
    pub until: Option<Timestamp>,
    /// Whether more waits than padding has cells left for.
    pub waits: bool,
}

/// The far end of a tunnel.
#[derive(Debug)]
pub struct Follower {
    follows: Follows,
    lane: Lane,
    /// Which stretch ran last, as the shaper numbers it; modulo 256.
    number: Option<u8>,
    begun: Timestamp,
    /// Periods of that stretch that were over when it was first heard of.
    base: u8,
    /// Periods since then that are certain.
    total: u64,
    /// When the running period ends, and padding.
    end: Option<(Timestamp, Timestamp)>,
    real: Timestamp,
    untold: u8,
    /// When to ask for padding; where quiet traffic passes.
    ask: Option<Timestamp>,
    missed: u64,
}

impl Follower {
    /// A follower. T, cells and cadence are sound where the shaper of the same plan took them.
    pub fn new(follows: Follows) -> Self {
        let quiet = match follows.quiet {
            Quiet::Pass => None,
            Quiet::Constant([_, down]) => Some(down),
        };
        let mut lane = Lane::new(follows.cadence.clone(), quiet);
        lane.rest(follows.origin);
        Self {
            follows,
            lane,
            number: None,
            begun: Timestamp(i64::MIN),
            base: 0,
            total: 0,
            end: None,
            real: Timestamp(i64::MIN),
            untold: 0,
            ask: None,
            missed: 0,
        }
    }

    fn room(&self) -> u32 {
        self.follows.cell_bytes.saturating_sub(CELL_HEADER_BYTES)
    }

    fn passes(&self) -> bool {
        self.follows.quiet == Quiet::Pass
    }

    /// A genuine packet has come; as [`Shaper::offer`](crate::stp::shaper::Shaper::offer) takes it.
    pub fn offer(&mut self, now: Timestamp, bytes: u32, activity: Option<Timestamp>) -> Admission {
        self.settle(now);
        if let Some(until) = activity {
            self.real = self.real.max(until).max(now);
            self.untold = TOLD_TIMES;
        }
        let fits = |end| {
            self.lane
                .cells_before(end)
                .saturating_mul(u64::from(self.room()))
        };
        let late = match self.end {
            Some((_, end)) => fits(end) < u64::from(bytes),
            None => true,
        };
        if late && activity.is_none() && self.passes() && self.lane.waiting.is_empty() {
            return Admission::Through;
        }
        let waiting = Waiting {
            since: now,
            left: bytes,
            tag: 0,
            urgent: activity.is_some(),
        };
        let (bounds, period) = (self.follows.waiting_at_most, self.follows.period);
        let admitted = self.lane.admit(waiting, bounds, self.room(), period);
        if self.end.is_none() && self.passes() && activity.is_some() {
            self.ask = self.ask.or(Some(now));
        }
        match admitted {
            true => Admission::Queued,
            false => Admission::Refused,
        }
    }

    /// What the shaper's cells say of padding: which stretch, how many of its periods are over, how many more are certain.
    /// The first two are modulo 256.
    pub fn obey(&mut self, now: Timestamp, number: u8, elapsed: u8, ahead: u8) {
        self.settle(now);
        let is_new = match self.number {
            None => true,
            Some(last) => i8::from_ne_bytes([number.wrapping_sub(last)]) > 0,
        };
        let ahead = u64::from(ahead).saturating_add(1);
        if is_new {
            self.number = Some(number);
            (self.begun, self.base, self.total) = (now, elapsed, ahead);
            self.ask = None;
            self.lane.begin(now);
            self.until_total(now + self.follows.period);
            return;
        }
        if self.number != Some(number) {
            // A cell of a stretch before, delayed on its way.
            return;
        }
        let length = nanos(self.follows.period).max(1);
        let own = now.0.saturating_sub(self.begun.0).max(0) / length;
        let low = u8::try_from(own & 0xff).unwrap_or(0);
        let off = elapsed.wrapping_sub(self.base.wrapping_add(low));
        let over = own.saturating_add(i64::from(i8::from_ne_bytes([off])));
        let total = u64::try_from(over).unwrap_or(0).saturating_add(ahead);
        if total <= self.total {
            return;
        }
        self.total = total;
        match self.end {
            Some((running, _)) => self.until_total(running),
            None if self.last_end() > now => {
                self.lane.resume(self.begun, now, self.follows.period);
                let after = own.saturating_add(1).saturating_mul(length);
                self.until_total(Timestamp(self.begun.0.saturating_add(after)));
                self.ask = None;
            }
            None => {}
        }
    }

    fn last_end(&self) -> Timestamp {
        let periods = i64::try_from(self.total).unwrap_or(i64::MAX);
        let lasts = periods.saturating_mul(nanos(self.follows.period));
        Timestamp(self.begun.0.saturating_add(lasts))
    }

    fn until_total(&mut self, running: Timestamp) {
        let last = self.last_end();
        self.end = Some((running.min(last), last));
    }

    /// The next cell that is due by now; those whose successor is due as well are counted and do not go.
    pub fn poll(&mut self, now: Timestamp) -> Option<Due> {
        loop {
            self.settle(now);
            let at = self.next_cell().filter(|&at| at <= now)?;
            let padded = self.end.is_some();
            let asks = !padded && self.passes();
            if !asks && self.lane.following(self.follows.period) <= now {
                self.lane.step();
                self.missed = self.missed.saturating_add(1);
                continue;
            }
            let room = self.room();
            let genuine = match self.lane.mute {
                true => {
                    self.lane.step();
                    0
                }
                // Nobody asks when what has gone; the queue is here for the shaper's books.
                false => self.lane.fill(room, &mut VecDeque::new()),
            };
            if asks {
                let again = !self.lane.waiting.is_empty();
                self.ask = again.then(|| now + ASK_AGAIN);
            }
            return Some(Due {
                at,
                genuine,
                padded,
            });
        }
    }

    /// When to poll next.
    pub fn wake(&self) -> Option<Timestamp> {
        let end = self.end.map(|(running, _)| running);
        self.next_cell().into_iter().chain(end).min()
    }

    /// What the cell that goes now should say; after [`Follower::poll`].
    pub fn word(&mut self, now: Timestamp) -> Word {
        let told = self.untold > 0 || self.real >= now;
        self.untold = self.untold.saturating_sub(1);
        let pressing = self.lane.pressing(self.passes());
        let fits = match self.end {
            Some((_, end)) => self.lane.cells_before(end),
            None => 0,
        };
        let room = u64::from(self.room());
        Word {
            until: told.then_some(self.real),
            waits: pressing > fits.saturating_mul(room),
        }
    }

    /// Whether padding runs.
    pub fn is_padding(&self) -> bool {
        self.end.is_some()
    }

    /// Cells go on, but carry nothing until told otherwise.
    pub fn mute(&mut self, mute: bool) {
        self.lane.mute = mute;
    }

    /// The shaper began anew: its stretches are numbered from the first again.
    pub fn forget(&mut self) {
        self.number = None;
    }

    /// Cells that were due and did not go.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn next_cell(&self) -> Option<Timestamp> {
        match self.end {
            Some((_, end)) => Some(self.lane.next).filter(|&next| next < end),
            None if self.passes() => self.ask,
            None => Some(self.lane.next),
        }
    }

    /// Lets periods end that are over by now and have no cell before their end.
    fn settle(&mut self, now: Timestamp) {
        while let Some((running, last)) = self.end {
            let cell_first = self.lane.next < running;
            if running > now || cell_first {
                return;
            }
            if running < last {
                self.lane.go_on(running);
                self.end = Some(((running + self.follows.period).min(last), last));
                continue;
            }
            self.end = None;
            self.lane.rest(running);
            if self.passes() && !self.lane.waiting.is_empty() {
                self.ask = Some(running);
            }
        }
    }
}

impl From<Stretch> for [u8; 3] {
    /// As [`Follower::obey`] takes it.
    fn from(stretch: Stretch) -> Self {
        let low = |n: u64| n.to_le_bytes()[0];
        let ahead = u8::try_from(stretch.ahead).unwrap_or(u8::MAX);
        [low(stretch.number), low(stretch.elapsed), ahead]
    }
}
