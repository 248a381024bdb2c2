//! The habits of a device or a home: how often it is used, at which hours, and in which moods; fitted to when it was.

use super::hourly::{Hourly, HOUR};
use super::markov::Markov;
use super::steps::{Steps, STEPS_AT_MOST, WEIGHT_AT_LEAST};
use super::training::{fit, Effort};
use crate::units::{nanos, Span, Timestamp, NANOS};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Length of a step, as long as a capture has no more than [`STEPS_AT_MOST`] of them.
pub const STEP: Duration = Duration::from_secs(60);
/// What the beginnings of training are drawn from: a fit depends on what it is fitted to, and on nothing else.
const SEED: u64 = 0x6861_6269_7473;

/// When something is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    /// Activities that this was learned from.
    pub activities: u64,
    /// Seconds in which they were seen.
    pub seconds: f64,
    /// How busy each hour of the day is.
    pub hourly: Hourly,
    /// Moods that last, where they were looked for.
    pub moods: Option<Moods>,
}

/// A hidden Markov model over the steps of a day.
#[derive(Clone, Debug, PartialEq)]
pub struct Moods {
    /// Length of a step, above 0.
    pub step: Duration,
    /// Whether rates are times the weight of the hour, or hold at any hour.
    pub by_hour: bool,
    /// The model.
    pub model: Markov,
}

impl Habits {
    /// Begins a second, on average; 0 where nothing was seen.
    pub fn rate(&self) -> f64 {
        match self.seconds > 0.0 {
            true => self.activities as f64 / self.seconds,
            false => 0.0,
        }
    }

    /// Fits the hours of the day to begins within a window; `None` without one.
    pub fn of_hours(begins: &[Timestamp], window: Span) -> Option<Self> {
        let within = begins.iter().filter(|&&begin| window.contains(begin));
        let activities = within.count() as u64;
        let seconds = window.duration().as_secs_f64();
        (activities > 0 && seconds > 0.0).then(|| Self {
            activities,
            seconds,
            hourly: Hourly::fitted(begins, window),
            moods: None,
        })
    }

    /// Fits hours and moods; `None` without a begin in the window.
    ///
    /// Moods are modelled beside the hour of the day unless days know nothing of one another: where the hours of every other day
    /// foretell worse than even hours when the days between are busy, moods hold at any hour.
    pub fn fitted(begins: &[Timestamp], window: Span, effort: &Effort) -> Option<Self> {
        let mut habits = Self::of_hours(begins, window)?;
        let step = step_for(window);
        let by_hour = foretells(begins, window);
        let hourly = if by_hour {
            &habits.hourly
        } else {
            &Hourly::EVEN
        };
        let steps = counted(begins, window, step, hourly);
        let mut chance = ChaCha8Rng::seed_from_u64(SEED);
        habits.moods = fit(&steps, effort, &mut chance).map(|model| Moods {
            step,
            by_hour,
            model,
        });
        Some(habits)
    }

    /// The hours that a decision function follows beside the moods: even, where moods hold at any hour.
    pub fn hours_of_moods(&self) -> &Hourly {
        match &self.moods {
            Some(moods) if !moods.by_hour => &Hourly::EVEN,
            _ => &self.hourly,
        }
    }
}

/// Whole minutes, so many that a window has no more than [`STEPS_AT_MOST`] steps.
fn step_for(window: Span) -> Duration {
    let minutes = nanos(window.duration()) / nanos(STEP);
    let most = i64::try_from(STEPS_AT_MOST).unwrap_or(i64::MAX);
    let times = minutes / most + 1;
    STEP.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
}

/// The steps of a window, with the weight of the hour in which each begins. Begins ascend.
fn counted(begins: &[Timestamp], window: Span, step: Duration, hourly: &Hourly) -> Steps {
    let step = nanos(step).max(NANOS);
    let mut begins = begins.iter().copied().peekable();
    while begins.next_if(|&begin| begin < window.start).is_some() {}
    let count = nanos(window.duration()) / step + 1;
    Steps::of((0..count).map(|n| {
        let start = Timestamp(window.start.0.saturating_add(n.saturating_mul(step)));
        let end = Timestamp(start.0.saturating_add(step));
        let mut within = 0u32;
        while begins.next_if(|&begin| begin < end).is_some() {
            within = within.saturating_add(1);
        }
        (within, hourly.at(start))
    }))
}

/// Whether the hours of half of the days, every other one, say when the other half is busy; of less than two days nothing is
/// known against it.
fn foretells(begins: &[Timestamp], window: Span) -> bool {
    if window.duration() < Duration::from_secs(2 * 86_400) {
        return true;
    }
    let half = |parity: i64| -> Vec<Timestamp> {
        let of = |at: &&Timestamp| at.0.div_euclid(24 * HOUR).rem_euclid(2) == parity;
        begins.iter().filter(of).copied().collect()
    };
    let (even, odd) = (half(0), half(1));
    // Both halves are watched alike, hour by hour, but for a day: the sum of rates is the same, and the logarithms of the
    // weights of what happened are all that differs from even hours.
    let gain = |learned: &[Timestamp], tested: &[Timestamp]| -> f64 {
        let hours = Hourly::fitted(learned, window);
        let logs = tested
            .iter()
            .map(|&at| hours.at(at).max(WEIGHT_AT_LEAST).ln());
        logs.sum()
    };
    gain(&even, &odd) + gain(&odd, &even) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn window(days: i64) -> Span {
        Span::new(Timestamp(0), Timestamp(days * 24 * HOUR))
    }

    #[test]
    fn hours_are_followed_where_days_agree() {
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let mut of = |from: i64, to: i64, days: i64| -> Vec<Timestamp> {
            let mut all: Vec<Timestamp> = (0..days)
                .flat_map(|day| [day * 24 * HOUR; 3])
                .map(|day| Timestamp(day + chance.gen_range(from * HOUR..to * HOUR)))
                .collect();
            all.sort();
            all
        };
        assert!(foretells(&of(6, 8, 14), window(14)));
        assert!(foretells(&of(8, 22, 60), window(60)));
        // Nobody knows one day from another: ten homes without habits, of which few look as if they had.
        let found = (0..10).filter(|_| foretells(&of(0, 24, 14), window(14)));
        assert!(found.count() <= 2);
    }

    #[test]
    fn a_morning_a_day_by_hand() {
        // At 7:30 on each of ten days, and no more than that one mood.
        let begins: Vec<Timestamp> = (0..10)
            .map(|day| Timestamp(day * 24 * HOUR + 15 * HOUR / 2))
            .collect();
        let habits = Habits::fitted(&begins, window(10), &Effort::default()).unwrap();
        let moods = habits.moods.clone().unwrap();
        assert_eq!((habits.activities, habits.rate()), (10, 10.0 / 864_000.0));
        assert_eq!(
            (moods.by_hour, moods.model.states(), moods.step),
            (true, 1, STEP)
        );
        assert!(habits.hourly.weight(7) > 8.0 && habits.hourly.weight(20) < 0.3);
        assert_eq!(Habits::fitted(&[], window(3), &Effort::default()), None);
        assert_eq!(Habits::of_hours(&begins, Span::at(begins[0])), None);
    }

    #[test]
    fn long_captures_have_longer_steps() {
        // 200,000 minutes are 138.9 days.
        assert_eq!(step_for(window(138)), STEP);
        assert_eq!(step_for(window(139)), STEP * 2);
        assert_eq!(step_for(window(1_000)), STEP * 8);
    }
}
