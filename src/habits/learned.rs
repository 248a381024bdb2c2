//! The habits of a device or a home: how often it is used, at which hours, and in which moods; fitted to when it was.

use super::hourly::Hourly;
use super::markov::{log_poisson, Markov};
use super::steps::{Steps, STEPS_AT_MOST};
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
    /// Whether moods are modelled beside the hour of the day or without it is decided as the number of states is: by Schwarz's
    /// criterion, for a single mood, which is where the two can be told apart at no cost.
    pub fn fitted(begins: &[Timestamp], window: Span, effort: &Effort) -> Option<Self> {
        let mut habits = Self::of_hours(begins, window)?;
        let step = step_for(window);
        let even = counted(begins, window, step, &Hourly::EVEN);
        let by_hours = counted(begins, window, step, &habits.hourly);
        // 23 weights are free; they are smoothed, and so fit a little worse than they might.
        let price = 23.0 * (even.len().max(1) as f64).ln();
        let by_hour = 2.0 * (alone(&by_hours) - alone(&even)) > price;
        let steps = if by_hour { by_hours } else { even };
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

/// Logarithm of the likelihood with a single mood.
fn alone(steps: &Steps) -> f64 {
    let (count, weight) = steps.totals();
    let mean = if weight > 0.0 { count / weight } else { 0.0 };
    let kinds = steps.sequence().iter();
    let kinds = kinds.filter_map(|&kind| steps.kinds().get(kind as usize));
    kinds
        .map(|kind| log_poisson(kind.count, mean * kind.weight))
        .sum()
}
