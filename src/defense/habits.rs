//! Habits for padding that follows them, and how many periods a day are padded where that number is held.

use super::settings::{DailyBudget, DefenseError, HabitsFrom, Scope, Settings, TimeModel, Trigger};
use super::stream::{measure, Stream};
use crate::habits::training::Effort;
use crate::habits::{Habits, HabitsFile, Hourly};
use crate::stp::budget::{self, Reserve};
use crate::stp::decision::{Decision, Draws};
use crate::stp::learning;
use crate::trace::Trace;
use crate::units::{Span, Timestamp, NANOS};
use std::collections::BTreeMap;
use std::time::Duration;

/// What of a day may be padded at most where its number of periods is held: activities come when they come, and what they
/// leave must have room for the rest.
const DAY_AT_MOST: f64 = 0.9;

/// The habits that a stream's decision function follows: fitted, or looked up in a file; `None` where it follows none, where
/// they are yet to be learned, or where the stream is never used.
///
/// # Errors
/// A file that does not tell of the stream.
pub(super) fn habits_of(
    settings: &Settings,
    trace: &Trace,
    stream: &Stream,
) -> Result<Option<Habits>, DefenseError> {
    let Some(row) = crate::stp::find(&settings.decision).filter(|row| row.habits) else {
        return Ok(None);
    };
    match &settings.habits {
        HabitsFrom::Learned { .. } => Ok(None),
        // With a daily budget the hours are all that is followed.
        HabitsFrom::Trace => Ok(fitted(
            &stream.spans,
            trace.window,
            row.moods && settings.daily_budget.is_none(),
        )),
        HabitsFrom::File(file) => {
            let missing = |what| DefenseError::NoHabits {
                what,
                id: stream.id.clone(),
                known: file.0.keys().cloned().collect::<Vec<_>>().join(", "),
            };
            match file.0.get(&stream.id) {
                None if stream.spans.is_empty() => Ok(None),
                None => Err(missing("habits")),
                Some(habits) if row.moods && habits.moods.is_none() => Err(missing("moods")),
                Some(habits) => Ok(Some(habits.clone())),
            }
        }
    }
}

fn fitted(spans: &[Span], window: Span, moods: bool) -> Option<Habits> {
    let begins: Vec<Timestamp> = spans.iter().map(|span| span.start).collect();
    match moods {
        true => Habits::fitted(&begins, window, &Effort::default()),
        false => Habits::of_hours(&begins, window),
    }
}

/// The habits of everything in a trace that is padded as one and is used, hours and moods.
pub fn learn(trace: &Trace, scope: Scope, trigger: Trigger) -> HabitsFile {
    let settings = Settings {
        scope,
        trigger,
        ..Settings::default()
    };
    let streams = measure(trace, &settings).into_iter();
    let all: BTreeMap<String, Habits> = streams
        .filter_map(|stream| Some((stream.id, fitted(&stream.spans, trace.window, true)?)))
        .collect();
    HabitsFile(all)
}

/// The decision function of a stream.
pub(super) fn decision(
    settings: &Settings,
    habits: Option<&Habits>,
    draws: Draws,
    per_day: Option<(u64, Reserve)>,
) -> Option<Box<dyn Decision>> {
    let row = crate::stp::find(&settings.decision)?;
    Some(match (per_day, &settings.habits) {
        (Some((per_day, reserve)), _) => {
            let hours = habits.map_or(Hourly::EVEN, |habits| habits.hourly.clone());
            budget::make(draws, hours, reserve, per_day)
        }
        (None, HabitsFrom::Learned { after }) => learning::make(row.make, row.moods, draws, *after),
        (None, _) => (row.make)(draws, habits),
    })
}

/// When activities need how many periods. On the grid they wait for up to one.
fn needs(
    spans: &[Span],
    period: Duration,
    model: TimeModel,
) -> impl Iterator<Item = (Timestamp, u64)> + '_ {
    let waits = match model {
        TimeModel::PerSecond => Duration::ZERO,
        TimeModel::Grid => period,
    };
    let length = period.as_nanos().max(1);
    spans.iter().map(move |span| {
        // From its first instant to its last, both included.
        let periods = (span.duration().as_nanos() / length).saturating_add(1);
        (
            span.start + waits,
            u64::try_from(periods).unwrap_or(u64::MAX),
        )
    })
}

/// What a daily budget keeps back for these activities.
pub(super) fn reserve(
    settings: &Settings,
    spans: &[Span],
    start: Timestamp,
    period: Duration,
) -> Reserve {
    Reserve::of(needs(spans, period, settings.model), start)
}

/// Most periods that the activities of any day need; days are counted from `start`.
pub(super) fn busiest_day(spans: &[Span], start: Timestamp, period: Duration) -> u64 {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for (at, periods) in needs(spans, period, TimeModel::PerSecond) {
        let day = at.0.saturating_sub(start.0).div_euclid(86_400 * NANOS);
        let sum = days.entry(day).or_default();
        *sum = sum.saturating_add(periods);
    }
    days.into_values().max().unwrap_or(0)
}

/// How many periods a day are padded; `None` where that is left to chance. `cover`: periods of cover that q adds to a day on
/// average; `busiest`: of activities on the busiest day.
pub(super) fn per_day(settings: &Settings, busiest: u64, cover: f64) -> Option<u64> {
    match settings.daily_budget? {
        DailyBudget::Periods(periods) => Some(periods),
        DailyBudget::Auto => {
            let cover = cover.ceil().clamp(0.0, 1e9) as u64;
            Some(busiest.saturating_add(cover).max(1))
        }
    }
}

/// Whether a day has room for so many periods.
///
/// # Errors
/// It has not; how many it has room for is named.
pub(super) fn has_room(per_day: u64, period: Duration) -> Result<(), DefenseError> {
    let most = (DAY_AT_MOST * 86_400.0 / period.as_secs_f64())
        .floor()
        .max(1.0);
    match (1.0..=most).contains(&(per_day as f64)) {
        true => Ok(()),
        false => Err(DefenseError::Range {
            what: "a daily budget of periods",
            got: per_day.to_string(),
            allowed: format!(
                "1 to {most}, which is {:.0} % of a day of periods of {period:?}: lower it, or --q, or --period",
                DAY_AT_MOST * 100.0
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_day_by_hand() {
        let span = |from, to| Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0));
        // Days from second 50 on: one period of 10 s, then 3 (10 to 30 s are the third) and 1.
        let spans = [span(60, 65), span(86_450, 86_470), span(90_000, 90_009)];
        let ten = Duration::from_secs(10);
        assert_eq!(busiest_day(&spans, Timestamp::new(50, 0), ten), 4);
        assert_eq!(busiest_day(&[], Timestamp(0), ten), 0);
    }

    #[test]
    fn a_day_has_room_for_so_many() {
        let auto = Settings {
            daily_budget: Some(DailyBudget::Auto),
            ..Settings::default()
        };
        assert_eq!(per_day(&auto, 7, 2.1), Some(10));
        assert_eq!(per_day(&Settings::default(), 7, 2.1), None);
        // 77,760 s are 5,184 periods of 15 s.
        let period = Duration::from_secs(15);
        assert_eq!(
            (has_room(5_184, period), has_room(1, period)),
            (Ok(()), Ok(()))
        );
        assert!(has_room(5_185, period)
            .unwrap_err()
            .to_string()
            .contains("1 to 5184"));
        assert!(has_room(0, period).is_err());
    }
}
