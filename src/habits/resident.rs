//! Somebody who lives by habits and is nobody: a hidden Markov model that is run forward.
//!
//! Moods last a geometric number of steps; within a mood and an hour, begins are a Poisson process. From end to end of either
//! nothing is remembered, so a night costs a handful of draws and not one for each minute of it.
//!
//! Why whole residents, and not one whose rates are turned up: of `k` residents that live by the same law and independently of
//! one another, nobody who sees all their doings together can say of any of them whose it is with more than one chance in `k`.
//! With one that is real and the others phantoms, that is what an adversary can do at best, whatever else he knows of the
//! times: the paper's c, p / (p + q), at q = (k - 1) p.

use super::hourly::{hour_end, Hourly};
use super::learned::{Habits, Moods};
use crate::units::{nanos, Timestamp, NANOS};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Hours and moods that are passed through in search of a begin, at most: a hundred years of hours, or twenty months of moods
/// that change every minute. Who did nothing for so long never does.
const STRETCHES_AT_MOST: u32 = 876_600;

/// One resident.
#[derive(Clone, Debug)]
pub struct Resident {
    /// How many times as busy as the habits have it.
    scale: f64,
    state: usize,
    /// Up to where it was lived.
    at: Timestamp,
    /// When the mood ends.
    until: Timestamp,
    next: Option<Timestamp>,
}

impl Resident {
    /// Somebody who has long lived so when `from` comes.
    pub fn new(habits: &Habits, scale: f64, from: Timestamp, chance: &mut ChaCha8Rng) -> Self {
        let mut one = Self {
            scale,
            state: 0,
            at: from,
            until: Timestamp(i64::MAX),
            next: None,
        };
        if let Some(moods) = &habits.moods {
            let shares = moods.model.stationary();
            one.state = drawn(shares.iter().copied(), chance);
            one.until = moods.lasts(one.state, from, chance);
        }
        one.next = one.live(habits, chance);
        one
    }

    /// The next begin at or after `from`; `None` where there is none any more.
    pub fn next(
        &mut self,
        habits: &Habits,
        from: Timestamp,
        chance: &mut ChaCha8Rng,
    ) -> Option<Timestamp> {
        while self.next.is_some_and(|next| next < from) {
            self.next = self.live(habits, chance);
        }
        self.next
    }

    /// Lives on to the next begin.
    fn live(&mut self, habits: &Habits, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let hours = habits.hours_of_moods();
        let even = *hours == Hourly::EVEN;
        for _ in 0..STRETCHES_AT_MOST {
            let hour = match even {
                true => Timestamp(i64::MAX),
                false => hour_end(self.at)?,
            };
            let end = self.until.min(hour);
            let rate = habits.rate_in(self.state) * hours.at(self.at) * self.scale;
            // In (0, 1]: its logarithm is finite.
            let gap = -(1.0 - chance.gen::<f64>()).ln() / rate * NANOS as f64;
            let left = end.0.saturating_sub(self.at.0);
            if gap < left as f64 {
                // At least a nanosecond on: the same instant is not drawn for ever.
                self.at = Timestamp(self.at.0.saturating_add((gap as i64).max(1)));
                return Some(self.at);
            }
            if end == Timestamp(i64::MAX) {
                return None;
            }
            self.at = end;
            if let (true, Some(moods)) = (end == self.until, &habits.moods) {
                self.state = moods.leaves(self.state, chance);
                self.until = moods.lasts(self.state, end, chance);
            }
        }
        None
    }
}

impl Habits {
    /// Begins a second in a mood, at an hour of weight 1.
    fn rate_in(&self, state: usize) -> f64 {
        match &self.moods {
            Some(moods) => {
                let rate = moods.model.rate.get(state).copied().unwrap_or(0.0);
                rate / moods.step.as_secs_f64()
            }
            None => self.rate(),
        }
    }

    /// Begins a second in the busiest mood at the busiest hour.
    pub fn busiest_rate(&self) -> f64 {
        let hours = self.hours_of_moods().weights().iter();
        let hour = hours.copied().fold(0.0, f64::max);
        let states = self.moods.as_ref().map_or(1, |moods| moods.model.states());
        let rates = (0..states).map(|state| self.rate_in(state));
        rates.fold(0.0, f64::max) * hour
    }

    /// Begins a second on average, of a resident who lives by them.
    pub fn lived_rate(&self) -> f64 {
        match &self.moods {
            Some(moods) => {
                let (shares, rates) = (moods.model.stationary(), &moods.model.rate);
                shares.dot(rates) / moods.step.as_secs_f64()
            }
            None => self.rate(),
        }
    }
}

impl Moods {
    /// When a mood that begins now will be over.
    fn lasts(&self, state: usize, from: Timestamp, chance: &mut ChaCha8Rng) -> Timestamp {
        let stays = self.model.transition.get((state, state)).copied();
        let stays = stays.unwrap_or(1.0);
        if stays >= 1.0 {
            return Timestamp(i64::MAX);
        }
        let uniform = 1.0 - chance.gen::<f64>();
        // The first step is certain, each further one has its chance; a chance of 0 divides to 0.
        let more = (uniform.ln() / stays.max(0.0).ln()).floor().max(0.0);
        let length = (more + 1.0) * nanos(self.step) as f64;
        Timestamp(from.0.saturating_add(length as i64))
    }

    /// Which mood follows one that ends.
    fn leaves(&self, state: usize, chance: &mut ChaCha8Rng) -> usize {
        let goes = (0..self.model.states()).map(|to| match to == state {
            true => 0.0,
            false => self
                .model
                .transition
                .get((state, to))
                .copied()
                .unwrap_or(0.0),
        });
        drawn(goes, chance)
    }
}

/// A place, with chances as these numbers are to one another; the last where rounding leaves none.
fn drawn(shares: impl Iterator<Item = f64> + Clone, chance: &mut ChaCha8Rng) -> usize {
    let mut left = chance.gen::<f64>() * shares.clone().sum::<f64>();
    let mut last = 0;
    for (place, share) in shares.enumerate().filter(|(_, share)| *share > 0.0) {
        last = place;
        left -= share;
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::habits::markov::Markov;
    use crate::habits::training::Effort;
    use crate::units::Span;
    use ndarray::array;
    use rand::SeedableRng;
    use std::time::Duration;

    fn moody(weights: [f64; 24]) -> Habits {
        Habits {
            activities: 1,
            seconds: 1e6,
            hourly: Hourly::new(weights).unwrap(),
            moods: Some(Moods {
                step: Duration::from_secs(60),
                by_hour: true,
                model: Markov {
                    start: array![1.0, 0.0],
                    transition: array![[0.995, 0.005], [0.02, 0.98]],
                    rate: array![0.002, 0.2],
                },
            }),
        }
    }

    fn lived(habits: &Habits, days: i64, seed: u64) -> Vec<Timestamp> {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut one = Resident::new(habits, 1.0, Timestamp(0), &mut chance);
        let mut from = Timestamp(0);
        let mut begins = Vec::new();
        while let Some(next) = one.next(habits, from, &mut chance) {
            if next >= Timestamp::new(days * 86_400, 0) {
                break;
            }
            begins.push(next);
            from = Timestamp(next.0 + 1);
        }
        begins
    }

    #[test]
    fn a_life_has_the_law_it_is_lived_by() {
        let mut weights = [0.5; 24];
        weights[18] = 12.5;
        let habits = moody(weights);
        // A fifth of the time busy: .002 * .8 + .2 * .2 a minute.
        assert!((habits.lived_rate() - 0.0416 / 60.0).abs() < 1e-9);
        let begins = lived(&habits, 400, 1);
        let mean = begins.len() as f64 / (400.0 * 1440.0);
        assert!((mean / 0.0416 - 1.0).abs() < 0.1, "{mean}");
        let evening = begins
            .iter()
            .filter(|&&at| crate::habits::hourly::hour_of(at) == 18)
            .count();
        let share = evening as f64 / begins.len() as f64;
        assert!((share / (12.5 / 24.0) - 1.0).abs() < 0.1, "{share}");
        assert!(begins.is_sorted());
    }

    #[test]
    fn a_life_that_was_learned_is_lived_alike() {
        let habits = moody([1.0; 24]);
        let begins = lived(&habits, 60, 2);
        let window = Span::new(Timestamp(0), Timestamp::new(60 * 86_400, 0));
        let learned = Habits::fitted(&begins, window, &Effort::default()).unwrap();
        let moods = learned.moods.clone().unwrap();
        assert_eq!((moods.model.states(), moods.by_hour), (2, false));
        for ((found, truth), near) in moods
            .model
            .transition
            .iter()
            .zip([0.995, 0.005, 0.02, 0.98])
            .zip([0.002, 0.002, 0.005, 0.005])
        {
            assert!((found - truth).abs() < near, "{found} is not {truth}");
        }
        // The law of counts by the day comes back: their mean, and that they vary far more than by chance alone.
        let spread = |begins: &[Timestamp], days: usize| {
            let mut counts = vec![0.0; days];
            for begin in begins {
                counts[usize::try_from(begin.0 / (86_400 * NANOS)).unwrap()] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / days as f64;
            let squares = counts.iter().map(|count| (count - mean).powi(2));
            (mean, squares.sum::<f64>() / days as f64 / mean)
        };
        let (real, phantom) = (spread(&begins, 60), spread(&lived(&learned, 60, 3), 60));
        assert!(
            (phantom.0 / real.0 - 1.0).abs() < 0.15,
            "{real:?} {phantom:?}"
        );
        assert!(
            real.1 > 3.0 && (phantom.1 / real.1 - 1.0).abs() < 0.5,
            "{real:?} {phantom:?}"
        );
    }

    #[test]
    fn a_life_without_begins_ends() {
        let mut habits = moody([1.0; 24]);
        if let Some(moods) = &mut habits.moods {
            moods.model.rate = array![0.0, 0.0];
        }
        assert!(lived(&habits, 1, 4).is_empty());
        habits.moods = None;
        habits.activities = 0;
        assert!(lived(&habits, 1, 5).is_empty());
    }
}
