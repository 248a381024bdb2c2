//! A coin that follows the hours of the day: padding is likeliest when people are up.
//!
//! The paper, section 6.4: "The decision function can use a temporal or causal model instead of a Bernoulli distribution".
//! Each toss has the chance of its hour; on average over the day that is q, so that as much is padded as by one coin for all
//! hours. Where q is so high that a busy hour's chance would exceed 1 it is 1, and the other hours make up for it, as far as
//! they have a weight: of habits from a file that leave hours without any, a q beyond what is left is not reached.

use super::bernoulli::{failures, on_grid, wait};
use super::decision::{Decision, Draws, TimeModel};
use crate::habits::hourly::{hour_end, hour_of, HOURS};
use crate::habits::{Habits, Hourly};
use crate::units::{nanos, Probability, Timestamp};
use rand_chacha::ChaCha8Rng;

/// Hours that are passed through in search of a yes, at most: a hundred years.
const HOURS_AT_MOST: u32 = 876_600;

/// A coin for each hour.
struct ByHour {
    draws: Draws,
    chances: [f64; HOURS],
}

/// A coin that follows these habits; the same for all hours where there are none.
pub fn make(draws: Draws, habits: Option<&Habits>) -> Box<dyn Decision> {
    let hourly = habits.map_or(&Hourly::EVEN, |habits| &habits.hourly);
    Box::new(ByHour {
        chances: hourly.chances(draws.chance.get()),
        draws,
    })
}

impl ByHour {
    fn chance_at(&self, at: Timestamp) -> Probability {
        let yes = self.chances.get(hour_of(at)).copied();
        Probability::clamped(yes.unwrap_or(0.0))
    }

    /// Anywhere, as one coin has it.
    fn within_seconds(&self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let mut at = from;
        for _ in 0..HOURS_AT_MOST {
            let end = hour_end(at)?;
            let begin = wait(self.chance_at(at), chance).and_then(|wait| at.0.checked_add(wait));
            match begin.filter(|begin| *begin < end.0) {
                Some(begin) => return Some(Timestamp(begin)),
                // Past the hour it is another coin, and nothing is remembered.
                None => at = end,
            }
        }
        None
    }

    /// On the grid.
    fn on_periods(&self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let every = nanos(self.draws.period).max(1);
        let mut at = on_grid(from, self.draws.origin, every)?;
        for _ in 0..HOURS_AT_MOST {
            let left = hour_end(at)?.0.checked_sub(at.0)?;
            // At least the one right now.
            let tosses = (left - 1) / every + 1;
            let no = failures(self.chance_at(at), chance).filter(|no| *no < tosses);
            let after = |skipped: i64| at.0.checked_add(skipped.checked_mul(every)?).map(Timestamp);
            match no {
                Some(no) => return after(no),
                None => at = after(tosses)?,
            }
        }
        None
    }
}

impl Decision for ByHour {
    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        if self.chances.iter().all(|yes| *yes <= 0.0) {
            return None;
        }
        match self.draws.model {
            TimeModel::PerSecond => self.within_seconds(from, chance),
            TimeModel::Grid => self.on_periods(from, chance),
        }
    }

    fn goes_on(&self, at: Timestamp) -> bool {
        self.chances.get(hour_of(at)).is_some_and(|yes| *yes >= 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::time::Duration;

    fn habits() -> Habits {
        let mut weights = [0.2; HOURS];
        (weights[7], weights[19]) = (7.8, 11.8);
        Habits {
            activities: 1,
            seconds: 1.0,
            hourly: Hourly::new(weights).unwrap(),
            moods: None,
        }
    }

    /// Begins of a hundred days, and how many of them were in each hour.
    fn counts(model: TimeModel, q: f64, habits: Option<&Habits>) -> (f64, [f64; HOURS]) {
        let draws = Draws {
            model,
            chance: Probability::new(q).unwrap(),
            period: Duration::from_secs(15),
            origin: Timestamp::new(7, 0),
        };
        let mut coin = make(draws, habits);
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let (mut from, end) = (Timestamp::new(7, 0), Timestamp::new(100 * 86_400, 0));
        let mut counts = [0.0; HOURS];
        while let Some(next) = coin.next(from, &mut chance).filter(|&next| next < end) {
            assert!(next >= from);
            counts[hour_of(next)] += 1.0;
            let step = if model == TimeModel::Grid { 15 } else { 1 };
            from = next + Duration::from_secs(step);
        }
        (counts.iter().sum(), counts)
    }

    #[test]
    fn as_much_as_one_coin_at_other_hours() {
        let habits = habits();
        for (model, tosses) in [(TimeModel::PerSecond, 86_400.0), (TimeModel::Grid, 5_760.0)] {
            let q = 40.0 / tosses;
            let (all, by_hour) = counts(model, q, Some(&habits));
            // 4,000 begins in a hundred days; within four standard deviations.
            assert!((all - 4_000.0).abs() < 4.0 * 4_000f64.sqrt(), "{all}");
            for (hour, weight) in [(7, 7.8), (19, 11.8), (3, 0.2)] {
                let expected = 4_000.0 / 24.0 * weight;
                let off = (by_hour[hour] - expected).abs();
                assert!(off < 4.0 * f64::sqrt(expected), "{hour}: {by_hour:?}");
            }
            let (all, by_hour) = counts(model, q, None);
            assert!((all - 4_000.0).abs() < 4.0 * 4_000f64.sqrt(), "{all}");
            assert!(by_hour.iter().all(|count| (110.0..230.0).contains(count)));
        }
    }

    #[test]
    fn always_is_at_once_and_never_is_never() {
        let habits = habits();
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let mut ask = |q: f64, from: i64| {
            let draws = Draws {
                model: TimeModel::PerSecond,
                chance: Probability::new(q).unwrap(),
                period: Duration::from_secs(15),
                origin: Timestamp(0),
            };
            make(draws, Some(&habits)).next(Timestamp(from), &mut chance)
        };
        assert_eq!(ask(1.0, 5), Some(Timestamp(5)));
        assert_eq!(ask(0.0, 5), None);
        assert_eq!(ask(1e-300, 5), None);
        assert_eq!(ask(0.5, i64::MAX), None);
    }
}
