//! Phantom residents: padding begins where somebody would have done something who lives as those who live there do.
//!
//! The paper, section 6.4 and Figure 5: "hidden Markov models can be trained to mimic the patterns of real user activities";
//! theirs is not published, ours is [`crate::habits::markov`]. It is run forward, independently of what really happens. So
//! that q keeps its meaning there are q / p residents, p being how often the real one does something: each lives by the whole
//! law, but for a last one who is less busy by what is left of the quotient. Why not one who is busier than anybody,
//! [`crate::habits::resident`] tells.
//!
//! On the grid a phantom's begin waits for the next period, as an activity does. Residents that begin something within the
//! same second, or period, begin padding once; what that takes is added beforehand, on average.

use super::bernoulli::{self, on_grid};
use super::decision::{Decision, Draws, TimeModel};
use crate::habits::resident::Resident;
use crate::habits::Habits;
use crate::units::{nanos, Probability, Timestamp};
use rand_chacha::ChaCha8Rng;

/// Most residents; where q / p is more, each is busier.
const RESIDENTS_AT_MOST: f64 = 64.0;
/// So many begins a second of one resident at most. Habits that come to more have a mood so rare and so busy that, turned up,
/// it is a flood when it comes, and nothing until then.
const BEGINS_AT_MOST: f64 = 1_000.0;
/// Above this chance of every draw, padding hardly ever ends, and whose habits it follows is not to be seen.
const NEARLY_ALWAYS: f64 = 0.95;

struct Phantoms {
    draws: Draws,
    habits: Habits,
    /// How busy each resident is.
    scales: Vec<f64>,
    /// The residents; none before the first is asked for.
    residents: Vec<Resident>,
    /// Until when each is busy with what was begun last: nobody uses a device that is in use.
    busy: Vec<Timestamp>,
    /// Who began last.
    last: usize,
}

/// Phantom residents with these habits; a coin where there are none, where they tell of no activity, or of one so rare that
/// nobody could live by them so often as is asked for.
pub fn make(draws: Draws, habits: Option<&Habits>) -> Box<dyn Decision> {
    let rate = habits.map_or(0.0, Habits::lived_rate);
    let q = draws.chance.get();
    let (Some(habits), true) = (habits, rate > 0.0 && q < NEARLY_ALWAYS) else {
        return bernoulli::make(draws, None);
    };
    // Begins a second, so many that a second, or a period, has one with chance q.
    let draw_s = match draws.model {
        TimeModel::PerSecond => 1.0,
        TimeModel::Grid => draws.period.as_secs_f64().max(1e-9),
    };
    let wanted = -(-q).ln_1p() / draw_s;
    let scales = scales(wanted / rate);
    let busiest = scales.iter().copied().fold(0.0, f64::max) * habits.busiest_rate();
    if busiest.is_nan() || busiest > BEGINS_AT_MOST {
        return bernoulli::make(draws, None);
    }
    Box::new(Phantoms {
        draws,
        habits: habits.clone(),
        busy: vec![Timestamp(i64::MIN); scales.len()],
        scales,
        residents: Vec::new(),
        last: 0,
    })
}

/// How busy each resident is, so that together they are as busy as so many.
fn scales(residents: f64) -> Vec<f64> {
    if residents > RESIDENTS_AT_MOST {
        return vec![residents / RESIDENTS_AT_MOST; RESIDENTS_AT_MOST as usize];
    }
    let whole = residents.floor();
    let mut scales = vec![1.0; whole as usize];
    // What rounding leaves is nobody, unless it is all there is.
    let least = if whole > 0.0 { 1e-9 } else { 0.0 };
    scales.extend(Some(residents - whole).filter(|rest| *rest > least));
    scales
}

impl Phantoms {
    fn begin(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        let Self {
            habits,
            scales,
            residents,
            busy,
            last,
            ..
        } = self;
        if residents.is_empty() {
            let all = scales.iter();
            residents.extend(all.map(|&scale| Resident::new(habits, scale, from, chance)));
        }
        let all = residents.iter_mut().zip(&*busy).enumerate();
        let begins = all.filter_map(|(place, (one, busy))| {
            let begin = one.next(habits, from.max(*busy), chance)?;
            Some((begin, place))
        });
        let (begin, place) = begins.min()?;
        *last = place;
        Some(begin)
    }
}

impl Decision for Phantoms {
    fn lasts(&mut self, until: Timestamp) {
        if let Some(busy) = self.busy.get_mut(self.last) {
            *busy = until;
        }
    }

    fn next(&mut self, from: Timestamp, chance: &mut ChaCha8Rng) -> Option<Timestamp> {
        if self.draws.chance == Probability::NEVER {
            return None;
        }
        match self.draws.model {
            TimeModel::PerSecond => self.begin(from, chance),
            TimeModel::Grid => {
                let period = nanos(self.draws.period).max(1);
                let first = on_grid(from, self.draws.origin, period)?;
                // What began in the period before waits for it.
                let earliest = Timestamp(first.0.saturating_sub(period - 1));
                on_grid(self.begin(earliest, chance)?, self.draws.origin, period)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::habits::markov::Markov;
    use crate::habits::{Hourly, Moods};
    use ndarray::array;
    use rand::SeedableRng;
    use std::time::Duration;

    fn habits() -> Habits {
        Habits {
            activities: 1,
            seconds: 1.0,
            hourly: Hourly::EVEN,
            moods: Some(Moods {
                step: Duration::from_secs(60),
                by_hour: false,
                model: Markov {
                    start: array![1.0, 0.0],
                    transition: array![[0.99, 0.01], [0.03, 0.97]],
                    rate: array![0.0, 0.12],
                },
            }),
        }
    }

    /// Begins of so many days.
    fn begins(model: TimeModel, q: f64, days: i64) -> Vec<Timestamp> {
        let period = Duration::from_secs(15);
        let draws = Draws {
            model,
            chance: Probability::new(q).unwrap(),
            period,
            origin: Timestamp(7),
        };
        let mut phantoms = make(draws, Some(&habits()));
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let (mut from, end) = (Timestamp(7), Timestamp::new(days * 86_400, 0));
        let mut all = Vec::new();
        while let Some(next) = phantoms.next(from, &mut chance).filter(|&next| next < end) {
            assert!(next >= from);
            all.push(next);
            let step = if model == TimeModel::Grid { 15 } else { 1 };
            from = next + Duration::from_secs(step);
        }
        all
    }

    #[test]
    fn there_are_as_many_residents_as_q_needs() {
        assert_eq!(scales(0.25), [0.25]);
        assert_eq!(scales(2.5), [1.0, 1.0, 0.5]);
        assert_eq!(scales(3.0), [1.0; 3]);
        assert_eq!(scales(640.0), [10.0; 64]);
        // A quarter of the time .12 a minute: .0005 a second.
        assert!((habits().lived_rate() - 0.0005).abs() < 1e-9);
    }

    #[test]
    fn who_is_busy_begins_nothing_and_others_may() {
        // In the busy mood a begin every 500 s, so that of thousands many would come within the 20 s that the last one lasts.
        let lasting = Duration::from_secs(20);
        let soonest = |residents: f64| {
            let draws = Draws {
                model: TimeModel::PerSecond,
                // As often as so many residents do something.
                chance: Probability::new(-(-0.0005 * residents).exp_m1()).unwrap(),
                period: Duration::from_secs(15),
                origin: Timestamp(7),
            };
            let mut habits = habits();
            if let Some(moods) = &mut habits.moods {
                moods.step = Duration::from_secs(1);
                moods.model.rate = array![0.0, 0.002];
            }
            let mut phantoms = make(draws, Some(&habits));
            let mut chance = ChaCha8Rng::seed_from_u64(1);
            let (mut from, mut soonest) = (Timestamp(7), Duration::MAX);
            for _ in 0..2_000 {
                let begin = phantoms.next(from, &mut chance).unwrap();
                soonest = soonest.min(begin.since(from));
                phantoms.lasts(begin + lasting);
                from = begin + Duration::from_nanos(1);
            }
            soonest
        };
        assert!(soonest(1.0) >= lasting - Duration::from_nanos(1));
        assert!(soonest(3.0) < lasting);
    }

    #[test]
    fn habits_that_cannot_be_lived_so_often_are_a_coin() {
        // Lived once in a year, in a mood that is all but never there, and so seldom that a quotient has no number.
        let rare = |transition, rate| Habits {
            moods: Some(Moods {
                step: Duration::from_secs(1),
                by_hour: false,
                model: Markov {
                    start: array![1.0, 0.0],
                    transition,
                    rate,
                },
            }),
            ..habits()
        };
        let turns = array![[0.5, 0.5], [0.5, 0.5]];
        for habits in [
            rare(turns.clone(), array![0.0, 3e-8]),
            rare(
                array![[1.0 - 1e-12, 1e-12], [1.0, 0.0]],
                array![0.0, 1_000.0],
            ),
            rare(turns.clone(), array![5e-324, 5e-324]),
            rare(turns, array![0.0, 1e6]),
        ] {
            let draws = Draws {
                model: TimeModel::PerSecond,
                chance: Probability::new(0.01).unwrap(),
                period: Duration::from_secs(15),
                origin: Timestamp(0),
            };
            let mut phantoms = make(draws, Some(&habits));
            let mut chance = ChaCha8Rng::seed_from_u64(1);
            let (mut from, mut count) = (Timestamp(0), 0);
            while let Some(next) = phantoms
                .next(from, &mut chance)
                .filter(|at| *at < Timestamp::new(200_000, 0))
            {
                count += 1;
                from = next + Duration::from_secs(1);
            }
            // 2,000, by a coin within four standard deviations.
            assert!((1_600..2_400).contains(&count), "{count}: {habits:?}");
        }
        // Somebody who is far busier than is asked for is there now and then.
        assert_eq!(scales(1e-12), [1e-12]);
    }

    #[test]
    fn on_average_it_is_q() {
        for (model, q, draws) in [
            (TimeModel::PerSecond, 0.0004, 86_400.0),
            (TimeModel::PerSecond, 0.003, 86_400.0),
            (TimeModel::Grid, 0.02, 5_760.0),
        ] {
            let found = begins(model, q, 300).len() as f64 / 300.0;
            assert!(
                (found / (q * draws) - 1.0).abs() < 0.06,
                "{model:?} {q}: {found} a day"
            );
        }
        assert!(begins(TimeModel::PerSecond, 0.0, 3).is_empty());
        let always = begins(TimeModel::PerSecond, 1.0, 1);
        assert_eq!(always.len(), 86_400);
        let on = |at: &Timestamp| (at.0 - 7) % 15_000_000_000 == 0;
        assert!(begins(TimeModel::Grid, 0.02, 30).iter().all(on));
    }

    #[test]
    fn begins_come_as_moods_do() {
        // Of one resident: gaps of minutes within a mood, of hours between them. The middle gap is far below the mean one.
        let all = begins(TimeModel::PerSecond, 0.0005, 100);
        let mut gaps: Vec<f64> = all
            .windows(2)
            .map(|pair| pair[1].since(pair[0]).as_secs_f64())
            .collect();
        gaps.sort_by(f64::total_cmp);
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let middle = gaps[gaps.len() / 2];
        // Of a coin it would be ln 2 = .69 times the mean.
        assert!(middle < 0.4 * mean, "{middle} {mean}");
    }
}
