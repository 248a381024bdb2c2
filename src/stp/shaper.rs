//! Stochastic traffic padding of one flow: genuine packets go in, packets of the wire come out.
//!
//! The paper, section 6.1 and 6.2. While an activity runs, and at other times by chance, both directions are padded to a
//! fixed shape of fixed-size cells for whole periods of T; otherwise traffic passes as it is. There is no clock here and no
//! socket: whoever drives it says what time it is, offers genuine packets, sends what [`Shaper::poll`] gives, and sleeps
//! until [`Shaper::wake`]. Chance is drawn in the order of time alone, so that the schedule depends neither on how often it
//! is polled nor on the genuine traffic's sizes.
//!
//! Where we differ from the paper:
//! - *Run lengths.* Under the paper's rule cover reaches 2T only by a second draw while an activity that crosses the end of
//!   a period always does. [`ExtensionRule::Phantom`], the default, draws phantom activities instead: with chance q each
//!   second whether padded or not, each as long as a real one, and real and phantom extend padding alike.
//! - *The grid.* No byte can be padded before it is known. On the grid of section 6.1 an activity that begins in a period
//!   that is not padded waits for the next one, up to T: padding that begins elsewhere than cover does would be known for
//!   genuine. Per second, the default, nothing waits.
//! - Whatever still waits at the end of a period extends it by T, whatever the rule. So that a device's heartbeat does not,
//!   a packet of no activity that finds no cell before the end, and nothing waiting before it, passes as it is: padding that
//!   ends just behind each beat would otherwise never end.

use super::cadence::Cadence;
use super::decision::TimeModel;
use super::durations::whole_periods;
use super::lane::{Delivered, Lane, Quiet, Waiting, CELL_HEADER_BYTES};
use super::lowering::{Lowered, RatePolicy};
use crate::units::{nanos, Direction, Timestamp, NANOS};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

pub use super::plan::{ExtensionRule, Plan, PlanError, CELLS, PERIODS};

/// What became of a genuine packet that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Nothing is padded, or no longer for long enough: send it as it is, now.
    Through,
    /// It waits for cells to carry it.
    Queued,
    /// Too much waits already: it is lost.
    Refused,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send cells: one, or a train of dummies at equal distances.
    Cells {
        /// When the first goes.
        at: Timestamp,
        /// Which way.
        direction: Direction,
        /// How many.
        count: u32,
        /// Nanoseconds from one to the next.
        every: i64,
        /// Genuine bytes within; the rest is cover, or header and fill.
        genuine: u32,
    },
    /// For the books: a period of padding begins; T long.
    Period(Timestamp),
}

/// Stochastic traffic padding of one flow.
pub struct Shaper {
    plan: Plan,
    lanes: [Lane; 2],
    lowered: Option<[Lowered; 2]>,
    /// When padding ends, while it lasts.
    end: Option<Timestamp>,
    /// On the grid: when padding begins for what waits.
    hold: Option<Timestamp>,
    /// When padding begins by chance.
    decided: Option<Timestamp>,
    /// Last instant of the activities known of.
    real: Timestamp,
    /// Last instant of cover, or of phantom activities.
    phantom: Timestamp,
    /// Whether the other end of a tunnel said, this period, that more waits there than padding has cells left for.
    far_waits: bool,
    /// Stretches of padding so far, and periods of the last one.
    stretches: u64,
    periods: u64,
    /// Cells that were due and did not go, up and down: see [`Shaper::poll_live`].
    missed: [u64; 2],
    begun: VecDeque<Timestamp>,
    delivered: VecDeque<Delivered>,
}

fn lane_of(direction: Direction) -> usize {
    match direction {
        Direction::Up => 0,
        Direction::Down => 1,
    }
}

impl Shaper {
    /// A shaper that follows the plan.
    ///
    /// # Errors
    /// T or cells out of range, or a cadence that does not fit T.
    pub fn new(mut plan: Plan, chance: &mut ChaCha8Rng) -> Result<Self, PlanError> {
        let quiet = plan.checked()?;
        let [up, down] = plan.cadences.clone();
        let mut lanes = [Lane::new(up, quiet[0]), Lane::new(down, quiet[1])];
        for lane in &mut lanes {
            lane.rest(plan.origin);
        }
        let decided = plan.decision.next(plan.origin, chance);
        let lowered = match plan.rates {
            RatePolicy::Fixed => None,
            RatePolicy::Lowering { start, .. } => {
                Some(start.map(|rate| Lowered::new(rate, plan.origin)))
            }
        };
        Ok(Self {
            plan,
            lanes,
            lowered,
            end: None,
            hold: None,
            decided,
            real: Timestamp(i64::MIN),
            phantom: Timestamp(i64::MIN),
            far_waits: false,
            stretches: 0,
            periods: 0,
            missed: [0; 2],
            begun: VecDeque::new(),
            delivered: VecDeque::new(),
        })
    }

    /// A genuine packet has come. `activity` tells, of a packet that belongs to a user activity, until when that activity is
    /// known to last: `now` where nobody knows more. `tag` comes back in [`Shaper::delivered`].
    ///
    /// Poll up to now first: cells that were due carry nothing of it.
    pub fn offer(
        &mut self,
        now: Timestamp,
        direction: Direction,
        bytes: u32,
        activity: Option<Timestamp>,
        tag: u32,
        chance: &mut ChaCha8Rng,
    ) -> Admission {
        if let Some(until) = activity {
            if now > self.real {
                self.plan.decision.heard(now);
            }
            self.real = self.real.max(until).max(now);
            if let Some([up, down]) = &mut self.lowered {
                match direction {
                    Direction::Up => up.note(now, bytes),
                    Direction::Down => down.note(now, bytes),
                }
            }
        }
        self.settle(now, chance);
        let resting = self.is_resting();
        let passes = activity.is_none() && self.plan.quiet == Quiet::Pass;
        if resting && passes {
            return Admission::Through;
        }
        let room = u64::from(self.plan.cell_bytes - CELL_HEADER_BYTES);
        let lane = &mut self.lanes[lane_of(direction)];
        let late = self
            .end
            .is_some_and(|end| lane.cells_before(end).saturating_mul(room) < u64::from(bytes));
        if late && passes && lane.waiting.is_empty() {
            return Admission::Through;
        }
        let waiting = Waiting {
            since: now,
            left: bytes,
            tag,
            urgent: activity.is_some(),
        };
        let bounds = self.plan.waiting_at_most;
        let room = self.plan.cell_bytes - CELL_HEADER_BYTES;
        let admitted = lane.admit(waiting, bounds, room, self.plan.period);
        if resting && activity.is_some() {
            // Padding begins whether or not there is room for the packet: its decision is no matter of the payload.
            self.start(now, chance);
        }
        if !admitted {
            return Admission::Refused;
        }
        Admission::Queued
    }

    /// What to do next of all that is due by `now`; `None` when there is nothing more.
    ///
    /// `ahead`, at or after `now`, is an instant until which no packet will be offered: dummies up to there come as one
    /// train. Who cannot know the future passes `now`.
    pub fn poll(
        &mut self,
        now: Timestamp,
        ahead: Timestamp,
        chance: &mut ChaCha8Rng,
    ) -> Option<Output> {
        self.settle(now, chance);
        if let Some(at) = self.begun.pop_front() {
            return Some(Output::Period(at));
        }
        let (direction, at) = self.next_cell()?;
        if at > now {
            return None;
        }
        let events = self.hold.into_iter().chain(self.decided).min();
        let end = self.end.or(events).unwrap_or(Timestamp(i64::MAX));
        let lane = &mut self.lanes[lane_of(direction)];
        let (count, every, genuine) = if lane.waiting.is_empty() || lane.mute {
            let (count, every) = lane.cover(end, ahead.max(now));
            (count, every, 0)
        } else {
            let room = self.plan.cell_bytes - CELL_HEADER_BYTES;
            (1, 0, lane.fill(room, &mut self.delivered))
        };
        Some(Output::Cells {
            at,
            direction,
            count,
            every,
            genuine,
        })
    }

    /// When to poll next if nothing is offered before; `None` where nothing will happen.
    pub fn wake(&self) -> Option<Timestamp> {
        // Asked for with every packet: without a branch for each of them.
        let cell = self.next_cell().map(|(_, at)| at);
        let begun = self.begun.front().copied();
        let all = [self.end, self.hold, self.decided, cell, begun];
        let soonest = all.map(|at| at.map_or(i64::MAX, |at| at.0));
        let soonest = soonest.into_iter().fold(i64::MAX, i64::min);
        all.iter()
            .any(Option::is_some)
            .then_some(Timestamp(soonest))
    }

    /// A genuine packet whose last byte has gone in a cell, in the order they went.
    pub fn delivered(&mut self) -> Option<Delivered> {
        self.delivered.pop_front()
    }

    /// Whether genuine packets wait.
    pub fn is_waiting(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.waiting.is_empty())
    }

    /// Whether a packet that belongs to no activity would pass as it is now: nothing is padded or about to be, so far as
    /// nothing is due.
    pub fn is_idle(&self) -> bool {
        self.is_resting() && self.plan.quiet == Quiet::Pass
    }

    /// Whether nothing is padded or about to be.
    fn is_resting(&self) -> bool {
        self.end.is_none() && self.hold.is_none()
    }

    /// Whether traffic is padded.
    pub fn is_padding(&self) -> bool {
        self.end.is_some()
    }

    /// The next cell before the end of padding, or of those outside it.
    fn next_cell(&self) -> Option<(Direction, Timestamp)> {
        let end = match (self.end, self.plan.quiet) {
            (Some(end), _) => end,
            (None, Quiet::Constant(_)) => Timestamp(i64::MAX),
            (None, Quiet::Pass) => return None,
        };
        let [up, down] = [self.lanes[0].next, self.lanes[1].next];
        let (direction, at) = match down < up {
            true => (Direction::Down, down),
            false => (Direction::Up, up),
        };
        (at < end).then_some((direction, at))
    }

    /// Lets everything happen that is due by `now` and has no cell before it.
    fn settle(&mut self, now: Timestamp, chance: &mut ChaCha8Rng) {
        loop {
            let own = self.end.or(self.hold);
            let Some(event) = own.into_iter().chain(self.decided).min() else {
                return;
            };
            let cell_first = self.next_cell().is_some_and(|(_, at)| at < event);
            if event > now || cell_first {
                return;
            }
            if self.decided == Some(event) {
                self.decide(event, chance);
            } else if self.end == Some(event) {
                self.boundary(event, chance);
            } else {
                self.begin(event, chance);
            }
        }
    }

    /// Chance begins padding, or a phantom activity within padding.
    fn decide(&mut self, at: Timestamp, chance: &mut ChaCha8Rng) {
        let (period, rule) = (self.plan.period, self.plan.rule);
        if self.plan.decision.left(at) == Some(0) {
            // The day's number was used up since this was said.
            self.decided = self
                .plan
                .decision
                .next(at, chance)
                .filter(|&next| next > at);
            return;
        }
        let duration = self.plan.durations.draw(period, chance);
        let until = match (rule, self.plan.model) {
            (ExtensionRule::Paper, _) => whole_periods(at, duration, period),
            (ExtensionRule::Phantom, TimeModel::PerSecond) => at + duration,
            (ExtensionRule::Phantom, TimeModel::Grid) => {
                // As a real activity that began somewhere in the period before, and waited.
                let waited = chance.gen::<f64>() * nanos(period) as f64;
                at.max((at + duration) - Duration::from_nanos(waited as u64))
            }
        };
        self.phantom = self.phantom.max(until);
        self.plan.decision.lasts(until);
        self.decided = match (self.plan.model, rule) {
            // A Poisson process, whatever runs: right after a begin as at any other time.
            (TimeModel::PerSecond, ExtensionRule::Phantom) => self.after(at, chance),
            // Not while padded.
            (TimeModel::PerSecond, ExtensionRule::Paper) => None,
            (TimeModel::Grid, _) => {
                let again = Some(at + period).filter(|&again| again > at);
                again.and_then(|from| self.plan.decision.next(from, chance))
            }
        };
        if self.end.is_none() {
            self.begin(at, chance);
        }
    }

    /// The first begin by chance after one.
    fn after(&mut self, at: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let next = |shaper: &mut Self, wait, chance: &mut ChaCha8Rng| {
            let from = Timestamp(at.0.checked_add(wait)?);
            let next = shaper.plan.decision.next(from, chance)?;
            Some((next, next == from))
        };
        match next(self, 1, chance)? {
            // Who says at once is asked again in a second: padding goes on whatever he says meanwhile.
            (_, true) => next(self, NANOS, chance).map(|(next, _)| next),
            (next, false) => Some(next),
        }
    }

    /// An activity begins padding: at once, or on the grid.
    fn start(&mut self, now: Timestamp, chance: &mut ChaCha8Rng) {
        match self.plan.model {
            TimeModel::PerSecond => self.begin(now, chance),
            TimeModel::Grid => {
                let length = nanos(self.plan.period);
                self.hold = super::bernoulli::on_grid(now, self.plan.origin, length);
                self.settle(now, chance);
            }
        }
    }

    /// Padding begins.
    fn begin(&mut self, at: Timestamp, chance: &mut ChaCha8Rng) {
        self.hold = None;
        if (self.plan.model, self.plan.rule) == (TimeModel::PerSecond, ExtensionRule::Paper) {
            self.decided = None;
        }
        self.lower(at);
        for lane in &mut self.lanes {
            lane.begin(at);
        }
        self.stretches = self.stretches.saturating_add(1);
        self.periods = 0;
        self.pad(at, chance);
    }

    /// Pads for a period.
    fn pad(&mut self, at: Timestamp, chance: &mut ChaCha8Rng) {
        self.end = Some(at + self.plan.period).filter(|&end| end > at);
        self.begun.push_back(at);
        self.periods = self.periods.saturating_add(1);
        if self.plan.decision.padded(at) {
            let draw = match self.plan.model {
                TimeModel::PerSecond => at + Duration::from_secs(1),
                TimeModel::Grid => at + self.plan.period,
            };
            let next = self.plan.decision.next(draw, chance);
            self.decided = next.filter(|&next| next > at);
        }
    }

    /// A period of padding is over: there is another without a gap, or there is not.
    fn boundary(&mut self, at: Timestamp, chance: &mut ChaCha8Rng) {
        let all = self.plan.quiet == Quiet::Pass;
        let waits = self.lanes.iter().any(|lane| lane.pressing(all) > 0);
        // It is said anew in every period: an end that fell silent does not pad for ever.
        let far_waits = std::mem::take(&mut self.far_waits);
        if self.plan.decision.left(at) == Some(0) {
            // Cover goes on no longer than its number lasts.
            self.phantom = self.phantom.min(Timestamp(at.0.saturating_sub(1)));
        }
        // Under the paper's rule a draw at the end of each period says it.
        let goes_on = self.plan.rule == ExtensionRule::Phantom && self.plan.decision.goes_on(at);
        let runs = self.real >= at || self.phantom >= at || waits || far_waits || goes_on;
        if !runs
            && (self.plan.model, self.plan.rule) == (TimeModel::PerSecond, ExtensionRule::Paper)
        {
            // A begin in the second that follows goes on as an extension does: the paper's draws are for whole seconds.
            let second = Timestamp(at.0.saturating_add(NANOS));
            let begin = self.plan.decision.next(at, chance);
            if begin.is_some_and(|begin| begin < second) {
                self.decided = None;
                let duration = self.plan.durations.draw(self.plan.period, chance);
                self.phantom = whole_periods(at, duration, self.plan.period);
            } else {
                // That second had its draw: the next one follows right here, and nothing is remembered.
                self.decided = begin.map(|begin| Timestamp(begin.0.saturating_sub(NANOS)));
            }
        }
        if runs || self.phantom >= at {
            for lane in &mut self.lanes {
                lane.go_on(at);
            }
            self.pad(at, chance);
        } else {
            self.end = None;
            for lane in &mut self.lanes {
                lane.rest(at);
            }
        }
    }

    /// Sets the rates of the stretch that begins, where they are lowered.
    fn lower(&mut self, at: Timestamp) {
        let (
            Some(lowered),
            RatePolicy::Lowering {
                every,
                factor,
                margin,
                ..
            },
        ) = (&mut self.lowered, self.plan.rates)
        else {
            return;
        };
        let cell = self.plan.cell_bytes;
        let fill = f64::from(cell) / f64::from(cell - CELL_HEADER_BYTES);
        for (lane, lowered) in self.lanes.iter_mut().zip(lowered) {
            if let Some(rate) = lowered.now(at, every, factor, margin, fill) {
                lane.cadence = Cadence::constant(rate, self.plan.period, cell);
            }
        }
    }
}

pub mod live;

#[cfg(test)]
mod tests;
