//! A number of padded periods for every day: whether anybody was at home is not to be counted.
//!
//! Ours; the leak is what the adversary `count` sees. Padding by chance adds to activities, so a day with many has more
//! padded periods than a day without. Here cover and activities draw on the same number: each period counts, whatever began
//! it. So many as activities may yet need before the day ends, by what is known of other days, are kept back ([`Reserve`]);
//! what is left beyond is spread over what is left of the day, as if the remaining begins had been drawn from its hours
//! beforehand. A day without activities has more cover, a busy one less; when the number is used up no cover begins, and
//! none goes on. When no more of the day is left than the rest of the number takes, kept back or not, it is padded at once
//! and on, without a gap: whatever comes then comes under it, and the number is reached to the period.
//!
//! Genuine traffic is never delayed or lost for it: activities beyond the number are padded as they come, and such a day has
//! more periods than others. So the number must be chosen above what the busiest days need, and an activity later than on
//! any day that is known may still show. The hours are not held, the day is: of a quiet evening what was kept back for it is
//! padded later that night, at the latest right before the day ends. Who knows that may take a long run there for cover; to
//! spread it thinner would leave gaps for an activity to fall into, and then the number would not hold.
//!
//! Days are of 24 hours from when the shaper begins to work.

use super::bernoulli::on_grid;
use super::decision::{Decision, Draws, TimeModel};
use crate::habits::hourly::{hour_end, hour_of};
use crate::habits::Hourly;
use crate::units::{nanos, Timestamp, NANOS};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Length of a day.
pub const DAY: i64 = 86_400 * NANOS;
/// So many periods before the day ends, what is left of its number beyond what is kept back is used up.
const LAST: i64 = 4;
const MINUTE: i64 = 60 * NANOS;
const MINUTES: u32 = 1_440;

/// How many periods activities may yet need before the day ends: the most that they did on any day that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    /// From which minute of the day on it is how many; ascending, the first from 0.
    steps: Vec<(i64, u64)>,
}

impl Reserve {
    /// Of activities as (begin, periods it needs), in any order; days are counted from `origin`.
    pub fn of(needs: impl IntoIterator<Item = (Timestamp, u64)>, origin: Timestamp) -> Self {
        let mut days: BTreeMap<i64, BTreeMap<i64, u64>> = BTreeMap::new();
        for (at, periods) in needs {
            let since = at.0.saturating_sub(origin.0);
            let minutes = days.entry(since.div_euclid(DAY)).or_default();
            let sum = minutes.entry(since.rem_euclid(DAY) / MINUTE).or_default();
            *sum = sum.saturating_add(periods);
        }
        // By the minute of an activity: how many are needed from it on.
        let mut most: BTreeMap<i64, u64> = BTreeMap::new();
        for minutes in days.values() {
            let mut needed = 0u64;
            for (&minute, &periods) in minutes.iter().rev() {
                needed = needed.saturating_add(periods);
                let sum = most.entry(minute).or_default();
                *sum = needed.max(*sum);
            }
        }
        // A day that needs so many from a minute on needs them before it as well.
        let mut steps: Vec<(i64, u64)> = Vec::new();
        let mut needed = 0;
        for (&minute, &periods) in most.iter().rev() {
            if periods > needed {
                // After that minute the need is what was found so far.
                steps.push((minute + 1, needed));
                needed = periods;
            }
        }
        steps.push((0, needed));
        steps.reverse();
        Self { steps }
    }

    /// How many are kept back at so many nanoseconds of the day, and until when that holds.
    fn at(&self, since: i64) -> (u64, i64) {
        let after = self
            .steps
            .partition_point(|step| step.0.saturating_mul(MINUTE) <= since);
        let now = after.checked_sub(1).and_then(|place| self.steps.get(place));
        let until = self
            .steps
            .get(after)
            .map_or(DAY, |step| step.0.saturating_mul(MINUTE));
        (now.map_or(0, |step| step.1), until)
    }
}

struct Budget {
    draws: Draws,
    hours: Hourly,
    reserve: Reserve,
    per_day: u64,
    /// The day that is counted, and its periods so far.
    day: i64,
    used: u64,
}

/// So many periods a day, at these hours.
pub fn make(draws: Draws, hours: Hourly, reserve: Reserve, per_day: u64) -> Box<dyn Decision> {
    Box::new(Budget {
        draws,
        hours,
        reserve,
        per_day,
        day: 0,
        used: 0,
    })
}

impl Budget {
    fn day_of(&self, at: Timestamp) -> i64 {
        at.0.saturating_sub(self.draws.origin.0).div_euclid(DAY)
    }

    fn begin_of(&self, day: i64) -> Option<i64> {
        self.draws.origin.0.checked_add(day.checked_mul(DAY)?)
    }

    /// What is left of the day's number, and from when on nothing else has room before the day ends.
    fn rest_at(&self, at: Timestamp) -> (u64, i64) {
        let day = self.day_of(at);
        let used = if day == self.day { self.used } else { 0 };
        let rest = self.per_day.saturating_sub(used);
        let periods = i64::try_from(rest).unwrap_or(i64::MAX);
        let takes = periods.saturating_mul(nanos(self.draws.period).max(1));
        let begin = self.begin_of(day).unwrap_or(i64::MAX);
        let full = begin.saturating_add(DAY.saturating_sub(takes).max(0));
        (rest, full)
    }

    /// What is left of the day's number beyond what is kept back, and until when that holds.
    fn left_at(&self, at: Timestamp) -> (u64, Timestamp) {
        let begin = self.begin_of(self.day_of(at)).unwrap_or(i64::MAX);
        let (rest, full) = self.rest_at(at);
        if at.0 >= full {
            // What comes from here on comes under what is padded anyway: nothing is kept back for it.
            return (rest, Timestamp(begin.saturating_add(DAY)));
        }
        let (kept, until) = self.reserve.at(at.0.saturating_sub(begin));
        let until = begin.saturating_add(until).min(full);
        (rest.saturating_sub(kept), Timestamp(until))
    }

    /// The first of so many begins, drawn from the hours between two instants of one day.
    fn first_of(
        &self,
        left: u64,
        from: Timestamp,
        end: Timestamp,
        chance: &mut ChaCha8Rng,
    ) -> Timestamp {
        // Each hour's weight, from here on.
        let mut parts: Vec<(Timestamp, Timestamp, f64)> = Vec::with_capacity(26);
        let mut at = from;
        while at < end {
            let upto = hour_end(at).unwrap_or(end).min(end);
            let weight = self.hours.weight(hour_of(at));
            parts.push((at, upto, weight * upto.since(at).as_secs_f64()));
            at = upto;
        }
        // The least of n uniform numbers.
        let uniform = 1.0 - chance.gen::<f64>();
        let least = 1.0 - uniform.powf(1.0 / left.max(1) as f64);
        let mut aim = least * parts.iter().map(|part| part.2).sum::<f64>();
        for (at, upto, weight) in parts {
            if aim < weight {
                let length = upto.since(at).as_nanos() as f64;
                return Timestamp(at.0.saturating_add((aim / weight * length) as i64));
            }
            aim -= weight;
        }
        end
    }
}

impl Decision for Budget {
    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let period = nanos(self.draws.period).max(1);
        let on = |at: Timestamp| match self.draws.model {
            TimeModel::PerSecond => Some(at),
            TimeModel::Grid => on_grid(at, self.draws.origin, period),
        };
        if self.per_day == 0 {
            return None;
        }
        let mut from = on(from)?;
        // From one change of what is kept back to the next; a day has no more of them than minutes, and the next one too.
        for _ in 0..2 * MINUTES {
            let (left, until) = self.left_at(from);
            let day_end = self.begin_of(self.day_of(from).checked_add(1)?)?;
            let end = day_end.saturating_sub(period.saturating_mul(LAST).min(DAY / 4));
            let end = end.min(self.rest_at(from).1);
            if left > 0 {
                let next = match from.0 < end {
                    true => self.first_of(left, from, Timestamp(end), chance),
                    false => from,
                };
                // Past the change it is drawn anew: nothing is remembered.
                if next < until {
                    return on(next);
                }
            }
            from = on(until)?;
        }
        None
    }

    fn padded(&mut self, at: Timestamp) -> bool {
        let day = self.day_of(at);
        if day != self.day {
            (self.day, self.used) = (day, 0);
        }
        self.used = self.used.saturating_add(1);
        true
    }

    fn goes_on(&self, at: Timestamp) -> bool {
        let (rest, full) = self.rest_at(at);
        rest > 0 && at.0 >= full
    }

    fn left(&self, at: Timestamp) -> Option<u64> {
        Some(self.left_at(at).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Probability;
    use rand::SeedableRng;
    use std::time::Duration;

    fn budget(per_day: u64, hours: Hourly) -> Box<dyn Decision> {
        let draws = Draws {
            model: TimeModel::PerSecond,
            chance: Probability::NEVER,
            period: Duration::from_secs(15),
            origin: Timestamp::new(3_600, 0),
        };
        make(draws, hours, Reserve::default(), per_day)
    }

    #[test]
    fn every_day_has_its_number() {
        let mut budget = budget(40, Hourly::EVEN);
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0u32; 10];
        let mut from = Timestamp::new(3_600, 0);
        loop {
            let next = budget.next(from, &mut chance).unwrap();
            let day = usize::try_from((next.0 - 3_600 * NANOS) / DAY).unwrap();
            let Some(count) = counts.get_mut(day) else {
                break;
            };
            *count += 1;
            assert!(budget.left(next) > Some(0) && budget.padded(next));
            from = next + Duration::from_secs(15);
        }
        assert_eq!(counts, [40; 10]);
    }

    #[test]
    fn what_is_kept_back_by_hand() {
        let at = |day: i64, minute: i64| Timestamp(day * DAY + minute * MINUTE + 5);
        // One day needs 2 from minute 600 and 1 from 1,300; another 1 from 700 and 1 from 1,200.
        let needs = [
            (at(0, 600), 1),
            (at(0, 1_300), 1),
            (at(1, 700), 1),
            (at(1, 1_200), 1),
        ];
        let reserve = Reserve::of(needs, Timestamp(0));
        // Up to and with minute 700 the second day needs 2, then 1 each up to and with 1,300.
        assert_eq!(reserve.steps, [(0, 2), (701, 1), (1_301, 0)]);
        assert_eq!(reserve.at(700 * MINUTE + 59), (2, 701 * MINUTE));
        assert_eq!(reserve.at(1_301 * MINUTE), (0, DAY));
        assert_eq!(Reserve::of([], Timestamp(0)).at(7), (0, DAY));
    }

    #[test]
    fn days_with_and_without_a_late_activity_have_the_same_number() {
        let draws = Draws {
            model: TimeModel::PerSecond,
            chance: Probability::NEVER,
            period: Duration::from_secs(15),
            origin: Timestamp(0),
        };
        let late = |day: i64| Timestamp(day * DAY + 1_380 * MINUTE);
        let reserve = Reserve::of([(late(0), 2)], Timestamp(0));
        let mut budget = make(draws, Hourly::EVEN, reserve, 20);
        let mut chance = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0u32; 40];
        let (mut from, mut used) = (Timestamp(0), 0);
        while let Some(mut next) = budget.next(from, &mut chance) {
            // On every second day an activity of two periods is used at 23:00.
            if used % 2 == 0 && from <= late(used) && next > late(used) {
                next = late(used);
                budget.padded(next);
                counts[usize::try_from(used).unwrap()] += 1;
            }
            let day = next.0 / DAY;
            let Some(count) = counts.get_mut(usize::try_from(day).unwrap()) else {
                break;
            };
            *count += 1;
            budget.padded(next);
            from = next + Duration::from_secs(15);
            used = from.0 / DAY;
        }
        assert_eq!(counts, [20; 40]);
    }

    #[test]
    fn activities_count_and_more_of_them_are_no_fault() {
        let mut budget = budget(3, Hourly::EVEN);
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        for second in [5_000, 6_000, 7_000, 8_000] {
            budget.padded(Timestamp::new(second, 0));
        }
        assert_eq!(budget.left(Timestamp::new(8_000, 0)), Some(0));
        // The next begin is on the next day, which begins at 1 o'clock.
        let next = budget.next(Timestamp::new(8_000, 0), &mut chance).unwrap();
        assert!(next >= Timestamp::new(90_000, 0));
        assert_eq!(budget.left(next), Some(3));
    }

    #[test]
    fn begins_are_spread_as_the_hours_are() {
        let mut weights = [0.1; 24];
        weights[20] = 21.7;
        let mut budget = budget(100, Hourly::new(weights).unwrap());
        let mut chance = ChaCha8Rng::seed_from_u64(2);
        let (mut from, mut evening) = (Timestamp::new(3_600, 0), 0);
        for _ in 0..1_000 {
            let next = budget.next(from, &mut chance).unwrap();
            budget.padded(next);
            evening += u32::from(hour_of(next) == 20);
            from = next + Duration::from_nanos(1);
        }
        // 21.7 of 24 of ten days of a hundred; six standard deviations.
        assert!((f64::from(evening) - 904.0).abs() < 6.0 * 9.3, "{evening}");
    }

    #[test]
    fn what_is_left_at_the_end_of_the_day_is_padded_at_once() {
        let mut budget = budget(2, Hourly::EVEN);
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let late = Timestamp::new(90_000 - 59, 0);
        assert_eq!(budget.next(late, &mut chance), Some(late));
        assert_eq!(budget.next(Timestamp(i64::MAX), &mut chance), None);
    }
}
