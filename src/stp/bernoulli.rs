//! A coin for every second without padding, or for every period of the grid: the paper's decision function (section 6.1:
//! "a random draw from a fixed Bernoulli distribution").
//!
//! Tosses that say no are not made one by one: how many there are before the first yes is drawn at once, geometrically, so
//! that a silent year costs one draw. Where the paper's simulator steps through whole seconds, a begin here lies anywhere:
//! genuine activities do not begin on whole seconds either, and a begin that does would be known for cover. So per second it
//! is the Poisson process of which any second, from whatever instant on, has a begin with chance q. It remembers nothing: the
//! seconds after a begin of its own are like those after an activity's, and padding is made longer by cover as often whichever
//! of the two began it.

use super::decision::{Decision, Draws, TimeModel};
use crate::habits::Habits;
use crate::units::{nanos, Probability, Timestamp, NANOS};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The coin.
struct Bernoulli(Draws);

/// A coin that falls as told, whatever the habits.
pub fn make(draws: Draws, _: Option<&Habits>) -> Box<dyn Decision> {
    Box::new(Bernoulli(draws))
}

/// How many tosses say no before one says yes; `None` where none ever does, as far as an `i64` counts.
pub(super) fn failures(yes: Probability, chance: &mut ChaCha8Rng) -> Option<i64> {
    if yes == Probability::ALWAYS {
        return Some(0);
    }
    // In (0, 1]: its logarithm is finite.
    let uniform = 1.0 - chance.gen::<f64>();
    let tosses = (uniform.ln() / (-yes.get()).ln_1p()).floor();
    // A chance of 0 divides by zero: infinity, or no number at all.
    (tosses >= 0.0 && tosses < i64::MAX as f64).then_some(tosses as i64)
}

/// Nanoseconds to the first begin of the process of which a second has one with chance `yes`; `None` where there never is
/// one, as far as an `i64` counts.
pub(super) fn wait(yes: Probability, chance: &mut ChaCha8Rng) -> Option<i64> {
    if yes == Probability::ALWAYS {
        return Some(0);
    }
    // In (0, 1]: its logarithm is finite.
    let uniform = 1.0 - chance.gen::<f64>();
    let seconds = uniform.ln() / (-yes.get()).ln_1p();
    // A chance of 0 divides by zero: infinity, or no number at all.
    let nanos = seconds * NANOS as f64;
    (nanos >= 0.0 && nanos < i64::MAX as f64).then_some(nanos as i64)
}

impl Decision for Bernoulli {
    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let Draws {
            model,
            chance: yes,
            period,
            origin,
        } = self.0;
        match model {
            TimeModel::PerSecond => {
                let wait = wait(yes, chance)?;
                from.0.checked_add(wait).map(Timestamp)
            }
            TimeModel::Grid => {
                let skipped = failures(yes, chance)?;
                let period = nanos(period).max(1);
                let first = on_grid(from, origin, period)?;
                first
                    .0
                    .checked_add(skipped.checked_mul(period)?)
                    .map(Timestamp)
            }
        }
    }

    fn goes_on(&self, _: Timestamp) -> bool {
        self.0.chance == Probability::ALWAYS
    }
}

/// The first instant of the grid at or after `from`; `None` past the end of time.
pub(super) fn on_grid(from: Timestamp, origin: Timestamp, period: i64) -> Option<Timestamp> {
    let past = from.0.checked_sub(origin.0)?.checked_rem_euclid(period)?;
    match past {
        0 => Some(from),
        past => from.0.checked_add(period.checked_sub(past)?).map(Timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::time::Duration;

    fn begins(model: TimeModel, q: f64, draws: usize) -> Vec<i64> {
        let told = Draws {
            model,
            chance: Probability::new(q).unwrap(),
            period: Duration::from_secs(15),
            origin: Timestamp::new(7, 0),
        };
        let mut coin = make(told, None);
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let from = Timestamp::new(30, 1);
        let all = (0..draws).filter_map(|_| coin.next(from, &mut chance));
        all.map(|at| at.0 - from.0).collect()
    }

    #[test]
    fn always_is_at_once_and_never_is_never() {
        assert_eq!(begins(TimeModel::PerSecond, 1.0, 3), [0, 0, 0]);
        // The grid is at 7, 22, 37: 37 s is the first at or after 30.000000001 s.
        assert_eq!(begins(TimeModel::Grid, 1.0, 2), [7 * NANOS - 1; 2]);
        for model in [TimeModel::PerSecond, TimeModel::Grid] {
            assert!(begins(model, 0.0, 9).is_empty());
            assert!(begins(model, 1e-300, 9).is_empty());
        }
    }

    #[test]
    fn each_second_has_its_chance() {
        // Of 20,000 begins, 10 % in the first second, 9 % in the next, 8.1 % in the third; within three standard deviations. Of
        // the first second, as many in either half but for the few that a first begin keeps from being one: 5.13 % and 4.87 %.
        let all = begins(TimeModel::PerSecond, 0.1, 20_000);
        let within = |from: i64, to: i64| all.iter().filter(|&&at| from <= at && at < to).count();
        for (count, expected) in [
            (within(0, NANOS), 2000.0),
            (within(NANOS, 2 * NANOS), 1800.0),
            (within(2 * NANOS, 3 * NANOS), 1620.0),
            (within(0, NANOS / 2), 1026.3),
        ] {
            assert!((count as f64 - expected).abs() < 3.0 * 42.5, "{count}");
        }
        // At once never: a begin at an instant of its own would tell cover.
        assert!(all.iter().all(|&at| at > 0));
        let lattice = begins(TimeModel::Grid, 0.25, 20_000);
        assert!(lattice
            .iter()
            .all(|at| (at + 1 - 7 * NANOS) % (15 * NANOS) == 0));
        let first = lattice.iter().filter(|&&at| at < 15 * NANOS).count();
        assert!((first as f64 - 5000.0).abs() < 3.0 * 61.3, "{first}");
    }

    #[test]
    fn the_grid_is_found_on_both_sides_of_its_origin() {
        let at = |from| on_grid(Timestamp(from), Timestamp(10), 4).map(|at| at.0);
        assert_eq!(
            [at(10), at(11), at(14), at(9), at(-3)],
            [10, 14, 14, 10, -2].map(Some)
        );
        assert_eq!(at(i64::MAX), None);
    }
}
