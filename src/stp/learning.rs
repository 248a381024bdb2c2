//! Padding that starts without knowing anybody, and learns.
//!
//! The paper, section 6.4: "An STP implementation could initially perform ILP (e.g., constant rate padding) while collecting
//! training data from user activity patterns then switch to STP once a better model has been trained. This model can be
//! refined online as more user data is observed." Until so many activities were seen, padding begins whenever it may; then
//! habits are fitted, and fitted anew each time the count has doubled. When that happens depends on real activities: an
//! observer sees constant padding end, which says that there were that many.

use super::bernoulli::on_grid;
use super::decision::{Decision, Draws, Make, TimeModel};
use crate::habits::training::Effort;
use crate::habits::Habits;
use crate::units::{nanos, Span, Timestamp};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// Most begins that are remembered, the last ones.
const BEGINS_AT_MOST: usize = 20_000;
/// What begins so soon after what was heard last is the same use: where any packet counts, each packet is heard of.
const SAME: Duration = Duration::from_secs(1);
/// What a fit may take: it is done again and again, and in each trial of an audit.
const EFFORT: Effort = Effort {
    states: 3,
    beginnings: 2,
    first_turns: 6,
    turns: 30,
    enough: 0.1,
};

struct Learning {
    make: Make,
    moods: bool,
    draws: Draws,
    /// Activities seen, and how many it takes until the next fit.
    seen: u64,
    next_fit: u64,
    begins: VecDeque<Timestamp>,
    /// What was heard last, a use or a part of one.
    last: Option<Timestamp>,
    /// Since when all begins are remembered.
    since: Timestamp,
    fitted: Option<Box<dyn Decision>>,
}

/// A decision function that pads always until it has seen so many activities; `moods`: whether it follows them.
pub fn make(make: Make, moods: bool, draws: Draws, after: u32) -> Box<dyn Decision> {
    Box::new(Learning {
        make,
        moods,
        draws,
        seen: 0,
        next_fit: u64::from(after.max(1)),
        begins: VecDeque::new(),
        last: None,
        since: draws.origin,
        fitted: None,
    })
}

impl Decision for Learning {
    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        match (&mut self.fitted, self.draws.model) {
            (Some(fitted), _) => fitted.next(from, chance),
            (None, TimeModel::PerSecond) => Some(from),
            (None, TimeModel::Grid) => {
                on_grid(from, self.draws.origin, nanos(self.draws.period).max(1))
            }
        }
    }

    fn goes_on(&self, at: Timestamp) -> bool {
        self.fitted.as_ref().is_none_or(|fitted| fitted.goes_on(at))
    }

    fn lasts(&mut self, until: Timestamp) {
        if let Some(fitted) = &mut self.fitted {
            fitted.lasts(until);
        }
    }

    fn heard(&mut self, at: Timestamp) {
        let last = self.last.replace(at);
        if last.is_some_and(|last| at.since(last) <= SAME) {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        self.begins.push_back(at);
        if self.begins.len() > BEGINS_AT_MOST {
            self.begins.pop_front();
            self.since = self.begins.front().copied().unwrap_or(at);
        }
        if self.seen < self.next_fit {
            return;
        }
        self.next_fit = self.next_fit.saturating_mul(2);
        let window = Span::new(self.since, at);
        let begins = self.begins.make_contiguous();
        let habits = match self.moods {
            true => Habits::fitted(begins, window, &EFFORT),
            false => Habits::of_hours(begins, window),
        };
        // All in one instant tell nothing: what was known stays.
        if let Some(habits) = habits {
            self.fitted = Some((self.make)(self.draws, Some(&habits)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Probability;
    use rand::SeedableRng;

    #[test]
    fn a_burst_of_packets_is_one_use() {
        let draws = Draws {
            model: TimeModel::PerSecond,
            chance: Probability::new(0.001).unwrap(),
            period: Duration::from_secs(15),
            origin: Timestamp(0),
        };
        let mut learning = make(super::super::hourly::make, false, draws, 3);
        // Two bursts of ten packets, .9 s apart: nine seconds each, and no gap in them.
        for begin in [7_200, 86_400] {
            for n in 0..10 {
                learning.heard(Timestamp::new(begin, n * 900_000_000));
                assert!(learning.goes_on(Timestamp::new(begin + 9, 0)));
            }
        }
        learning.heard(Timestamp::new(90_000, 0));
        assert!(!learning.goes_on(Timestamp::new(90_000, 0)));
    }

    #[test]
    fn it_pads_always_until_it_knows_enough() {
        let all: [(Make, bool); 3] = [
            (super::super::hourly::make, false),
            (super::super::hmm::make, true),
            (super::super::bernoulli::make, false),
        ];
        for (place, (of, moods)) in all.into_iter().enumerate() {
            let draws = Draws {
                model: TimeModel::PerSecond,
                chance: Probability::new(0.001).unwrap(),
                period: Duration::from_secs(15),
                origin: Timestamp(0),
            };
            let mut learning = make(of, moods, draws, 20);
            let mut chance = ChaCha8Rng::seed_from_u64(1);
            let at = |day: i64| Timestamp::new(day * 86_400 + 7 * 3600 + day * 7, 0);
            for day in 0..19 {
                learning.heard(at(day));
                assert_eq!(learning.next(at(day), &mut chance), Some(at(day)));
            }
            learning.heard(at(19));
            let mut from = at(19);
            let mut early = 0;
            for _ in 0..200 {
                from = learning.next(from, &mut chance).unwrap() + Duration::from_secs(1);
                early += u32::from((6..9).contains(&(from.0 / 3_600_000_000_000 % 24)));
            }
            // A coin: an eighth of 200. Who has seen twenty mornings: nearly all.
            match place {
                2 => assert!(early < 60, "{early}"),
                _ => assert!(early > 140, "{place}: {early}"),
            }
        }
    }
}
