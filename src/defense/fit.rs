//! Stochastic traffic padding fitted to one stream: T, rates, cells, durations, and how often it is used.
//!
//! What is automatic is worked out from the trace, as the paper's simulator "knows the set of replayed user activities"
//! (section 6.2):
//! - T: the longest activity, until its last byte has gone ([`super::service`]), times a margin, in whole seconds, at least
//!   one;
//! - R_u and R_d: most bytes in any second of any activity times a margin, times what cells add to them, and at least two
//!   cells a second, so that nothing waits long for one;
//! - cells: of the size, in 128 to 1000 bytes, at which R_u + R_d comes out least: large cells waste little on headers, small
//!   ones suit small rates;
//! - p: per second, activities over seconds without one; on the grid, the share of periods touched by one (the paper,
//!   section 6.1: "the fraction of time periods with traffic corresponding to user activities").

use super::habits::{busiest_day, habits_of};
use super::settings::{
    within, DefenseError, Durations, ExtensionRule, Rates, Settings, Shape, TimeModel,
    PACKETS_AT_MOST,
};
use super::solve::{Grid, Promise, Renewal};
use super::stream::{touched, Stream};
use super::waits::Waits;
use crate::habits::Habits;
use crate::stp::cadence::{cells_per_period, Cadence};
use crate::stp::durations::DurationLaw;
use crate::stp::lane::CELL_HEADER_BYTES;
use crate::stp::shaper::PERIODS;
use crate::theory::Periods;
use crate::trace::Trace;
use crate::units::{Probability, Rate, Span, NANOS};
use std::time::Duration;

/// Sizes of cells that are tried.
const CELLS_TRIED: std::ops::RangeInclusive<u32> = 128..=1000;

/// Cells a second that a rate of its own choice has at least.
const CELLS_A_SECOND: f64 = 2.0;

/// How one stream is padded.
pub(super) struct Fit {
    pub(super) stream: Stream,
    pub(super) period: Duration,
    pub(super) cell_bytes: u32,
    /// R_u and R_d as the wire has them; what they start at, where they are lowered.
    pub(super) rates: [Rate; 2],
    pub(super) cadences: [Cadence; 2],
    pub(super) law: DurationLaw,
    /// Chance of an activity, a second or a period as the model has it.
    pub(super) p: Probability,
    /// The habits that the decision function follows, where it follows any and they are known.
    pub(super) habits: Option<Habits>,
    /// Most periods that activities need on any day.
    pub(super) busiest_day: u64,
    /// Nanoseconds between cells outside padding, where they go at a constant rate.
    pub(super) quiet_every: i64,
}

/// Fits padding to a stream of a trace.
///
/// # Errors
/// Nothing to work out automatic settings from, or a result out of range.
pub(super) fn fit(settings: &Settings, trace: &Trace, stream: Stream) -> Result<Fit, DefenseError> {
    let period = period_for(settings, &stream)?;
    let (rates, cell_bytes) =
        wanted(settings, &stream).ok_or(DefenseError::NoActivity { what: "rates" })?;
    let start = match settings.rates {
        Rates::Fixed => 1.0,
        Rates::Lowering { start, .. } => start,
    };
    let one_way = |way: usize| {
        let wanted = rates.get(way).copied().unwrap_or(0.0) * start;
        let range = || DefenseError::Range {
            what: "a rate",
            got: format!("{wanted} B/s"),
            allowed: format!("above 0 and at most {:e} B/s", Rate::MOST.bytes_per_s()),
        };
        let wanted = Rate::new(wanted).ok_or_else(range)?;
        let cells = cells_per_period(wanted, period, cell_bytes) as f64;
        let most = PACKETS_AT_MOST;
        if cells > most {
            return Err(DefenseError::TooMany {
                what: "packets of a period",
                count: cells,
                most,
            });
        }
        let rate = cells * f64::from(cell_bytes) / period.as_secs_f64();
        let rate = Rate::new(rate).ok_or_else(range)?;
        let recorded = stream.profile.get(way).map_or(&[][..], Vec::as_slice);
        let cadence = match settings.shape {
            Shape::Replay if recorded.iter().any(|&bytes| bytes > 0) => {
                let replay = Cadence::replay(recorded, wanted, period, cell_bytes);
                replay.ok_or(DefenseError::Together(
                    "a replayed shape with over a million packets a period, or with nothing in its first T: use the constant shape, or a lower rate",
                ))?
            }
            // Nothing was recorded that way: it is silent in any case.
            _ => Cadence::constant(wanted, period, cell_bytes),
        };
        Ok((rate, cadence))
    };
    let ((up, up_cadence), (down, down_cadence)) = (one_way(0)?, one_way(1)?);
    let law = match settings.durations {
        Durations::Fixed => DurationLaw::Fixed,
        Durations::Empirical => DurationLaw::Empirical(stream.durations.clone()),
        Durations::LogNormal => {
            DurationLaw::fitted(&stream.durations).unwrap_or(DurationLaw::Fixed)
        }
    };
    let fit = Fit {
        quiet_every: quiet_every(trace, &stream, cell_bytes),
        p: chance_of_activity(settings.model, trace, &stream.spans, period),
        habits: habits_of(settings, trace, &stream)?,
        busiest_day: busiest_day(&stream.spans, trace.window.start, period),
        stream,
        period,
        cell_bytes,
        rates: [up, down],
        cadences: [up_cadence, down_cadence],
        law,
    };
    fit.ends_in_time(trace)?;
    Ok(fit)
}

/// R_u and R_d on the wire, in bytes a second, before they are made whole cells a period, and the size of cells; `None`
/// where rates are automatic and there is nothing to work them out from.
pub(super) fn wanted(settings: &Settings, stream: &Stream) -> Option<([f64; 2], u32)> {
    let given = [settings.rate_up, settings.rate_down];
    if given.contains(&None) && stream.spans.is_empty() {
        return None;
    }
    let loads = stream.peaks.map(|peak| peak as f64 * settings.rate_margin);
    let cell_bytes = settings
        .cell_bytes
        .unwrap_or_else(|| cell_for(given, loads));
    let one_way = |way: usize| {
        let given = given.get(way).copied().flatten();
        let load = loads.get(way).copied().unwrap_or(0.0);
        given.map_or_else(|| rate_for(load, cell_bytes), Rate::bytes_per_s)
    };
    Some(([one_way(0), one_way(1)], cell_bytes))
}

/// T.
fn period_for(settings: &Settings, stream: &Stream) -> Result<Duration, DefenseError> {
    match (settings.period, stream.longest) {
        (Some(period), _) => Ok(period),
        (None, Some(longest)) => {
            let seconds = longest.as_secs_f64() * settings.period_margin;
            // What floating point adds to a whole number is no further second.
            let seconds = (seconds - 1e-9 * seconds).ceil().max(1.0);
            let most = PERIODS.1.as_secs_f64();
            within("an automatic period in seconds", seconds, 1.0, most)?;
            Ok(Duration::from_secs_f64(seconds))
        }
        (None, None) => Err(DefenseError::NoActivity { what: "a period" }),
    }
}

/// The rate on the wire that carries a load in cells of that size.
fn rate_for(load: f64, cell: u32) -> f64 {
    let cell = f64::from(cell);
    let filled = load * cell / (cell - f64::from(CELL_HEADER_BYTES));
    filled.max(CELLS_A_SECOND * cell)
}

/// The size of cells for these rates, or for these loads where none is given.
fn cell_for(given: [Option<Rate>; 2], loads: [f64; 2]) -> u32 {
    let least_given = given
        .into_iter()
        .flatten()
        .map(Rate::bytes_per_s)
        .reduce(f64::min);
    if let Some(rate) = least_given {
        let cell = (rate / CELLS_A_SECOND) as u32;
        return cell.clamp(*CELLS_TRIED.start(), *CELLS_TRIED.end());
    }
    let both = |cell: u32| loads.map(|load| rate_for(load, cell)).iter().sum::<f64>();
    let least = CELLS_TRIED.min_by(|&a, &b| both(a).total_cmp(&both(b)));
    least.unwrap_or(*CELLS_TRIED.end())
}

/// p.
fn chance_of_activity(
    model: TimeModel,
    trace: &Trace,
    spans: &[Span],
    period: Duration,
) -> Probability {
    match model {
        TimeModel::PerSecond => {
            let busy: f64 = spans.iter().map(|span| span.duration().as_secs_f64()).sum();
            let idle = (trace.seconds() - busy).max(1.0);
            Probability::clamped(spans.len() as f64 / idle)
        }
        TimeModel::Grid => {
            let (_, count) = touched(spans, trace.window.start, period);
            Probability::clamped(count as f64 / periods_of(trace, period))
        }
    }
}

/// Nanoseconds between cells that carry twice the background in each direction, for background comes in bursts and is not
/// even both ways; at most a second, so that handshakes, which take their places, come to an end.
fn quiet_every(trace: &Trace, stream: &Stream, cell_bytes: u32) -> i64 {
    let room = f64::from(cell_bytes.saturating_sub(CELL_HEADER_BYTES).max(1));
    let cells = 2.0 * stream.idle_wire_bytes as f64 / room / trace.seconds().max(1.0);
    (NANOS as f64 / cells.max(1.0)) as i64
}

/// How many periods of the grid a trace touches.
pub(super) fn periods_of(trace: &Trace, period: Duration) -> f64 {
    (trace.window.duration().as_nanos() / period.as_nanos().max(1) + 1) as f64
}

impl Fit {
    /// Bytes a second while padded, both ways: R.
    pub(super) fn rate(&self) -> f64 {
        self.rates.iter().map(|rate| rate.bytes_per_s()).sum()
    }

    /// Most packets it puts on the wire for a trace, and most periods.
    pub(super) fn at_most(&self, trace: &Trace) -> (f64, f64) {
        let length = self.period.as_secs_f64();
        let periods = trace.seconds() / length + 2.0 + self.drain_s() / length;
        let cells = self.rate() * length / f64::from(self.cell_bytes);
        (periods * cells, periods)
    }

    /// Seconds in which all its bytes pass, if they all come at once.
    fn drain_s(&self) -> f64 {
        let room = f64::from(self.cell_bytes - CELL_HEADER_BYTES) / f64::from(self.cell_bytes);
        let ways = self.rates.iter().zip(self.stream.ways);
        let each = ways.map(|(rate, bytes)| bytes as f64 / (rate.bytes_per_s() * room));
        each.fold(0.0, f64::max)
    }

    /// Whether all has passed before the last instant there is.
    fn ends_in_time(&self, trace: &Trace) -> Result<(), DefenseError> {
        let end = trace.window.end;
        let last = end.as_secs_f64() + self.drain_s() + 4.0 * self.period.as_secs_f64() + 10.0;
        match last < i64::MAX as f64 / NANOS as f64 {
            true => Ok(()),
            false => Err(DefenseError::TooLate { end }),
        }
    }

    /// What theory promises of it. `touched_bytes`: bytes in the periods of the grid that are touched; not read per second.
    pub(super) fn promise(
        &self,
        settings: &Settings,
        trace: &Trace,
        touched_bytes: u64,
    ) -> Promise {
        let period_s = self.period.as_secs_f64();
        let seconds = trace.seconds().max(1.0);
        match settings.model {
            TimeModel::Grid => {
                let count = periods_of(trace, self.period);
                let (_, active) = touched(&self.stream.spans, trace.window.start, self.period);
                let (active, all) = (active as f64, self.stream.bytes as f64);
                let mean = |bytes: f64, periods: f64| match periods > 0.0 {
                    true => bytes / periods,
                    false => 0.0,
                };
                let (cover_s, cover_periods) = self.law.means(self.period);
                Promise::Grid(Grid {
                    waits: Waits::of(&self.stream.spans, trace.window.start, self.period),
                    cover_beyond: match settings.rule {
                        ExtensionRule::Phantom => (cover_s / period_s - 1.0).clamp(0.0, 1.0),
                        ExtensionRule::Paper => (cover_periods - 1.0).clamp(0.0, 1.0),
                    },
                    periods: Periods {
                        activity: self.p,
                        padded_bytes: self.rate() * period_s,
                        active_bytes: mean(touched_bytes as f64, active),
                        idle_bytes: mean(all - touched_bytes as f64, count - active),
                    },
                    count,
                })
            }
            TimeModel::PerSecond => {
                let spans = &self.stream.spans;
                let busy: f64 = spans.iter().map(|span| span.duration().as_secs_f64()).sum();
                let lasted = self.stream.durations.iter().map(Duration::as_secs_f64);
                let (cover_s, cover_periods) = self.law.means(self.period);
                let uses = (self.stream.durations.len() as f64).max(1.0);
                let periods = lasted.clone().map(|s| (s / period_s).ceil().max(1.0));
                Promise::PerSecond(Renewal {
                    activity: self.p,
                    activity_periods: periods.sum::<f64>() / uses,
                    activity_s: lasted.sum::<f64>() / uses,
                    period_s,
                    rule: settings.rule,
                    cover_s,
                    cover_periods,
                    padded_rate: self.rate(),
                    idle_rate: self.stream.idle_wire_bytes as f64 / (seconds - busy).max(1.0),
                    seconds,
                    bytes: self.stream.bytes as f64,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defense::stream::measure;
    use crate::trace::tests::tiny;

    #[test]
    fn what_is_automatic_is_worked_out_from_the_trace() {
        // Uses from 10 to 13 and 20 to 21: 900 bytes up at 10, 500 + 700 down at 12; window 0 to 44.
        let trace = tiny(
            &[
                (0, true, 40),
                (10, true, 900),
                (12, false, 500),
                (12, false, 700),
                (20, true, 100),
                (44, true, 40),
            ],
            &[(10, 13), (20, 21)],
        );
        let settings = Settings::default();
        let stream = measure(&trace, &settings).remove(0);
        let fit = fit(&settings, &trace, stream).unwrap();
        // T: 3 s times 1.1, rounded up. p: 2 in 40 idle seconds.
        assert_eq!(fit.period, Duration::from_secs(4));
        assert_eq!(fit.p.get(), 2.0 / 40.0);
        // Loads 990 and 1320 B/s; the sum of rates is least where they meet two cells a second, or below it.
        let cell = f64::from(fit.cell_bytes);
        for (rate, load) in fit.rates.iter().zip([990.0, 1320.0]) {
            assert!(rate.bytes_per_s() * (cell - 60.0) / cell >= load - 1e-6);
            assert!(rate.bytes_per_s() >= 2.0 * cell - 1e-6);
        }
        let total = |cell: f64| {
            [990.0f64, 1320.0]
                .map(|l| (l * cell / (cell - 60.0)).max(2.0 * cell))
                .iter()
                .sum::<f64>()
        };
        assert!((129..1000).all(|other| total(cell) <= total(f64::from(other)) + 1e-6));
        let grid = Settings {
            model: TimeModel::Grid,
            ..settings
        };
        // Periods of 4 s from 0: 8-12, 12-16 and 20-24 are touched, of 12 that the trace touches.
        let stream = measure(&trace, &grid).remove(0);
        let fit = super::fit(&grid, &trace, stream).unwrap();
        assert_eq!(fit.p.get(), 3.0 / 12.0);
    }
}
