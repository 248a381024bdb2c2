//! The bet on long runs: how often unbroken padding of 2 T or more holds genuine activity.
//!
//! The paper says that padding prolonged by an activity cannot be told "from any other two periods of back-to-back padding"
//! (section 6.2). Under its rule it can: cover alone reaches 2 T only by a second draw. With phantom activities a run of 2 T
//! needs two that begin near one another, each genuine with chance p / (p + q), whence 1 - (1 - p / (p + q))^2; a little more, for
//! some runs hold three.

use super::activities::{stream, Habit, Stream};
use super::curve::{period_nanos, tally};
use super::padding::Rule;
use crate::model::{DeviceModel, Geometric};
use crate::stats::{ratio, Interval};
use crate::units::Probability;

/// The share of runs of 2 T and more that hold genuine activity, over trials; `None` where there is no such run.
pub fn genuine_share(
    model: &DeviceModel,
    p: Probability,
    q: Probability,
    rule: Rule,
    (trials, seconds, seed): (u32, u64, u64),
) -> Option<Interval> {
    let (habit, phantoms, draws) = (
        Habit::new(model, p),
        Habit::new(model, q),
        Geometric::new(q),
    );
    let pairs: Vec<(f64, f64)> = (0..trials)
        .map(|trial| {
            let mut chance = stream(seed, &model.id, p, Stream::Activities, trial);
            let (uses, _) = habit.timeline(seconds, &mut chance);
            let mut chance = stream(seed, &model.id, p, Stream::Padding(q), trial);
            let of = tally::<true>(
                &uses,
                period_nanos(model),
                (rule, &draws, &phantoms),
                seconds,
                &mut chance,
            );
            (of.genuine_long_runs as f64, of.long_runs as f64)
        })
        .collect();
    ratio(&pairs)
}
