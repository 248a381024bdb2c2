//! Periods of padding over the activities of one trial: the second half of the simulator.
//!
//! The paper, section 6.2, read as follows. Where nothing is padded, padding begins with probability q in each second. It
//! lasts T from then. The first byte of an activity begins padding at once. An activity that runs past the end of padding
//! prolongs it by T, as often as needed. While padded, nothing is drawn. T need not be whole seconds: the next draw is at the
//! first whole second not before the end. What begins within the trial is followed to its end and counted whole.

use super::activities::{Habit, Use, SECOND};
use crate::model::Geometric;
use rand_chacha::ChaCha8Rng;

/// What prolongs padding that covers no activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Nothing: it ends after T, and only a second draw prolongs it. The paper's, whose long runs tell on it.
    Paper,
    /// Phantom activities: one begins with probability q in each second, padded or not, whatever else is on (a Poisson
    /// process); they are as long as real ones and padded as real ones. Were there none while another is on, what
    /// prolongs a phantom's padding would mostly be real, and long runs would tell again.
    Phantom,
}

/// What one trial came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Periods of padding.
    pub periods: u64,
    /// Of these, such with traffic of an activity.
    pub genuine: u64,
    /// Runs of 2 or more periods without a gap; 0 where runs are not followed.
    pub long_runs: u64,
    /// Of these, such with traffic of an activity.
    pub genuine_long_runs: u64,
}

/// Padding as it grows. Its last unbroken stretch that began by a draw or an activity is from `begin` to `end`; several such
/// without a gap between make a run. Runs are followed only where they are asked for: it costs a third of the time.
#[derive(Debug)]
struct Padding<const RUNS: bool> {
    period: u64,
    begin: u64,
    end: u64,
    /// Until where periods of the stretch are known to be genuine.
    genuine_until: u64,
    run_begin: u64,
    /// Genuine periods before the run.
    genuine_before: u64,
    tally: Tally,
}

impl<const RUNS: bool> Padding<RUNS> {
    fn new(period: u64) -> Self {
        Self {
            period: period.max(1),
            begin: 0,
            end: 0,
            genuine_until: 0,
            run_begin: 0,
            genuine_before: 0,
            tally: Tally::default(),
        }
    }

    /// Lets a period begin; it belongs to the run if that ends right there.
    #[inline]
    fn start(&mut self, at: u64) {
        if RUNS && at != self.end {
            self.close();
            self.run_begin = at;
            self.genuine_before = self.tally.genuine;
        }
        // What began earlier was held by earlier periods: marks do not reach back.
        self.begin = at;
        self.genuine_until = at;
        self.end = at.saturating_add(self.period);
        self.tally.periods += 1;
    }

    /// Prolongs the stretch until it holds all up to `end`.
    #[inline]
    fn hold(&mut self, end: u64) {
        if end > self.end {
            let more = (end - self.end).div_ceil(self.period);
            self.end = self.end.saturating_add(more.saturating_mul(self.period));
            self.tally.periods = self.tally.periods.saturating_add(more);
        }
    }

    /// Marks the periods that a use, held by the stretch, has traffic in. Uses come in order.
    #[inline]
    fn mark(&mut self, one: Use) {
        let from = one.begin.max(self.genuine_until);
        if one.end > from {
            let before = (from - self.begin) / self.period;
            let after = (one.end - self.begin).div_ceil(self.period);
            self.tally.genuine += after - before;
            self.genuine_until = self.begin.saturating_add(after.saturating_mul(self.period));
        }
    }

    /// The run is over.
    #[inline]
    fn close(&mut self) {
        if RUNS && self.end - self.run_begin > self.period {
            self.tally.long_runs += 1;
            self.tally.genuine_long_runs += u64::from(self.tally.genuine > self.genuine_before);
        }
    }
}

/// Pads by the paper's rule: `uses` of a trial of `seconds`, periods of `period` nanoseconds, `draws` of the chance q. Long
/// runs are counted if `RUNS`.
pub fn paper<const RUNS: bool>(
    uses: &[Use],
    period: u64,
    draws: &Geometric,
    seconds: u64,
    chance: &mut ChaCha8Rng,
) -> Tally {
    let window = seconds.saturating_mul(SECOND);
    let mut padding = Padding::<RUNS>::new(period);
    // From a period's begin, at a whole second, to the first draw after it.
    let turn = period.div_ceil(SECOND).saturating_mul(SECOND);
    let mut uses = uses.iter().copied().peekable();
    let mut unpadded = 0u64;
    loop {
        let arrival = uses.peek().map_or(u64::MAX, |one| one.begin);
        let gap = draws.draw(chance);
        let cover = unpadded.saturating_add(gap.saturating_mul(SECOND));
        let start = cover.min(arrival);
        if start >= window {
            padding.close();
            return padding.tally;
        }
        padding.start(start);
        unpadded = start.saturating_add(turn);
        while let Some(one) = uses.next_if(|one| one.begin < padding.end) {
            if one.end > padding.end {
                padding.hold(one.end);
                unpadded = padding.end.div_ceil(SECOND).saturating_mul(SECOND);
            }
            padding.mark(one);
        }
    }
}

/// Pads by the phantom rule; `phantoms` are drawn with the chance q.
///
/// As [`paper`], runs are followed if `RUNS`.
pub fn phantom<const RUNS: bool>(
    uses: &[Use],
    period: u64,
    phantoms: &Habit,
    seconds: u64,
    chance: &mut ChaCha8Rng,
) -> Tally {
    let mut padding = Padding::<RUNS>::new(period);
    let mut uses = uses.iter().copied().peekable();
    let mut next = phantoms.next(0, seconds, chance);
    loop {
        let phantom = next.map_or(u64::MAX, |(one, _, _)| one.begin);
        let (one, real) = match (uses.next_if(|one| one.begin <= phantom), next) {
            (Some(one), _) => (one, true),
            (None, Some((one, _, _))) => {
                next = phantoms.next(one.begin / SECOND + 1, seconds, chance);
                (one, false)
            }
            (None, None) => {
                padding.close();
                return padding.tally;
            }
        };
        if padding.tally.periods == 0 || one.begin >= padding.end {
            padding.start(one.begin);
        }
        padding.hold(one.end);
        if real {
            padding.mark(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Probability;
    use rand::SeedableRng;

    fn uses(of: &[(u64, u64)]) -> Vec<Use> {
        of.iter()
            .map(|&(begin_s, tenths)| Use {
                begin: begin_s * SECOND,
                end: begin_s * SECOND + tenths * SECOND / 10,
            })
            .collect()
    }

    fn padded(of: &[(u64, u64)], period_s: u64, q: Probability, seconds: u64) -> Tally {
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let draws = Geometric::new(q);
        paper::<true>(&uses(of), period_s * SECOND, &draws, seconds, &mut chance)
    }

    #[test]
    fn without_draws_only_activities_are_padded() {
        // T = 5. From 3: 5 s. The use at 6 is within, runs to 9.5, prolongs once, to 13. The one at 11 is in the second
        // period. The one at 20 lasts 10.1 s: three periods, to 35. The one at 35 follows without a gap.
        let of = [(3, 10), (6, 35), (11, 5), (20, 101), (35, 10)];
        let tally = padded(&of, 5, Probability::NEVER, 100);
        assert_eq!(
            tally,
            Tally {
                periods: 6,
                genuine: 6,
                long_runs: 2,
                genuine_long_runs: 2
            }
        );
    }

    #[test]
    fn with_certain_draws_all_is_padded() {
        // T = 5 from 0: 20 periods in 100 s. The use at 7 to 8 is in the second, that at 14 to 15.5 in the third and fourth,
        // and is held by a period that would have begun anyway.
        let tally = padded(&[(7, 10), (14, 15)], 5, Probability::ALWAYS, 100);
        assert_eq!((tally.periods, tally.genuine), (20, 3));
        assert_eq!((tally.long_runs, tally.genuine_long_runs), (1, 1));
        let idle = padded(&[], 5, Probability::ALWAYS, 100);
        assert_eq!((idle.periods, idle.genuine), (20, 0));
        assert_eq!((idle.long_runs, idle.genuine_long_runs), (1, 0));
        assert_eq!(padded(&[], 5, Probability::NEVER, 100), Tally::default());
    }

    #[test]
    fn the_end_of_a_period_is_not_within_it() {
        // A use that ends just when padding does prolongs nothing; one that begins then begins a period of its own.
        let tally = padded(&[(0, 50), (5, 50)], 5, Probability::NEVER, 100);
        assert_eq!((tally.periods, tally.genuine, tally.long_runs), (2, 2, 1));
    }

    #[test]
    fn periods_of_broken_seconds_wait_for_the_next_draw() {
        // T = 1.5 s, certain draws: at 0, 2, 4, ..., 8, with gaps between.
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let always = Geometric::new(Probability::ALWAYS);
        let tally = paper::<true>(&[], 3 * SECOND / 2, &always, 10, &mut chance);
        assert_eq!((tally.periods, tally.long_runs), (5, 0));
        // A use at 1 to 3 prolongs the first to 3.0: the next draw is at 3, then 5, 7, 9.
        let tally = paper::<true>(&uses(&[(1, 20)]), 3 * SECOND / 2, &always, 10, &mut chance);
        assert_eq!((tally.periods, tally.genuine), (6, 2));
        assert_eq!((tally.long_runs, tally.genuine_long_runs), (1, 1));
    }

    /// The same model, second by second, as slowly and plainly as can be.
    fn stepped(of: &[Use], period_s: u64, gaps: &[u64], seconds: u64) -> (u64, u64) {
        let mut gaps = gaps.iter().copied();
        let (mut periods, mut end): (Vec<(u64, bool)>, u64) = (Vec::new(), 0);
        let mut left: Option<u64> = None;
        for second in 0..seconds {
            let begins = of.iter().find(|one| one.begin == second * SECOND);
            let idle = end <= second;
            // A draw is a countdown of seconds in vain, which an activity cuts short.
            let hit = match (idle, &mut left) {
                (false, _) => false,
                (true, None) => {
                    left = gaps.next();
                    left == Some(0)
                }
                (true, Some(count)) => {
                    *count -= 1;
                    *count == 0
                }
            };
            if idle && (hit || begins.is_some()) {
                left = None;
                periods.push((second, false));
                end = second + period_s;
            }
            if let Some(one) = begins {
                while one.end > end * SECOND {
                    periods.push((end, false));
                    end += period_s;
                }
            }
            for (begin, genuine) in &mut periods {
                let (from, to) = (*begin * SECOND, (*begin + period_s) * SECOND);
                *genuine |= begins.is_some_and(|one| one.begin < to && one.end > from);
            }
        }
        let genuine = periods.iter().filter(|(_, genuine)| *genuine).count();
        (periods.len() as u64, genuine as u64)
    }

    #[test]
    fn jumping_gives_what_stepping_gives() {
        use crate::model::DeviceModel;
        for model in DeviceModel::published() {
            let period_s = model.period.as_secs();
            for (p, q) in [
                (0.01, 0.01),
                (0.1, 0.02),
                (0.3, 0.5),
                (0.05, 1.0),
                (0.2, 0.0),
            ] {
                let (p, q) = (Probability::new(p).unwrap(), Probability::new(q).unwrap());
                let habit = Habit::new(&model, p);
                let mut chance = ChaCha8Rng::seed_from_u64(4);
                let (uses, _) = habit.timeline(2_000, &mut chance);
                let draws = Geometric::new(q);
                let mut again = chance.clone();
                let gaps: Vec<u64> = (0..4_000).map(|_| draws.draw(&mut again)).collect();
                let tally = paper::<true>(&uses, period_s * SECOND, &draws, 2_000, &mut chance);
                let found = stepped(&uses, period_s, &gaps, 2_000);
                assert_eq!((tally.periods, tally.genuine), found, "{} {q}", model.id);
            }
        }
    }

    #[test]
    fn phantoms_are_padded_as_activities_are() {
        use crate::model::DeviceModel;
        let nest = &DeviceModel::published()[1];
        let none = Habit::new(nest, Probability::NEVER);
        let mut chance = ChaCha8Rng::seed_from_u64(2);
        let of = uses(&[(3, 10), (6, 35), (11, 5), (20, 101), (35, 10)]);
        let tally = phantom::<true>(&of, 5 * SECOND, &none, 100, &mut chance);
        // Without phantoms as without draws.
        let alone = padded(
            &[(3, 10), (6, 35), (11, 5), (20, 101), (35, 10)],
            5,
            Probability::NEVER,
            100,
        );
        assert_eq!(tally, alone);
        // Certain phantoms begin every second: all is padded, and the last may run past the end.
        let certain = Habit::new(nest, Probability::ALWAYS);
        let tally = phantom::<true>(&[], 16 * SECOND, &certain, 1_600, &mut chance);
        assert!((100..=101).contains(&tally.periods), "{tally:?}");
        assert_eq!((tally.genuine, tally.long_runs), (0, 1));
    }
}
