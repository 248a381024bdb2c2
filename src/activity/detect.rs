//! From rates to claims: spikes, hills and depressions over the usual rate of a device.
//!
//! After the paper, section 4.1: activities are inferred "based on standard deviations from mean traffic rates". What it
//! leaves open is closed here. Bins whose rate is over mean + k sigma in a watched direction make *spikes*; where they fill
//! more than half of a stretch, a *hill*. An unbroken stretch under mean - k sigma makes a *depression*, which only steady
//! traffic can have: elsewhere that bound is below zero. Bins near one another are one activity; a spike within a hill is part
//! of it. An activity stands in both directions when it does in each.

use super::blocks::{bins_between, blocks, whole_bins, Block};
use super::claim::{Activity, Shape};
use super::parameters::{Parameters, ParametersError};
use super::periodic::{take_off, Rhythm};
use super::runs::{depressions, hills, keep_near, raised_bins, unite, Mark, Run};
use crate::rate::{Cell, Grid, RateSeries};
use crate::units::Span;
use std::borrow::Cow;

/// What was found in one device's series.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// When the device was used, ascending by start.
    pub activities: Vec<Activity>,
    /// Rhythms that were taken off; empty unless asked for.
    pub rhythms: Vec<Rhythm>,
}

/// Finds the activities in `series`, of which the part in `window` (the capture's first to last packet) is looked at.
///
/// Time and memory go with the active bins, however long the window is. The result depends on nothing but the arguments.
///
/// # Errors
/// Parameters that make no sense.
pub fn detect(
    series: &RateSeries,
    window: Span,
    parameters: &Parameters,
) -> Result<Detection, ParametersError> {
    let cells: Vec<Cell> = series.cells().collect();
    detect_in(&cells, series.grid(), window, parameters)
}

/// [`detect`] in active bins that are unpacked already, ascending, each once.
///
/// # Errors
/// Parameters that make no sense.
pub fn detect_in(
    cells: &[Cell],
    grid: Grid,
    window: Span,
    parameters: &Parameters,
) -> Result<Detection, ParametersError> {
    parameters.check(grid.bin())?;
    let (first, last) = (grid.index(window.start), grid.index(window.end));
    let from = cells.partition_point(|cell| cell.index < first);
    let to = cells.partition_point(|cell| cell.index <= last);
    let all = cells.get(from..to).unwrap_or_default();
    let bins = bins_between(first, last);
    let (cells, rhythms) = if parameters.ignore_periodic {
        let (left, rhythms) = take_off(all, bins);
        (Cow::Owned(left), rhythms)
    } else {
        (Cow::Borrowed(all), Vec::new())
    };

    let merge = whole_bins(parameters.merge, grid).max(1);
    let usual = blocks(&cells, first, last, grid, parameters);
    let raised_in = |block: &Block| raised_bins(block, parameters);
    let marks: Vec<Mark> = usual.iter().flat_map(raised_in).collect();
    let marks = keep_near(marks, whole_bins(parameters.near, grid));
    let mut raised: Vec<Run> = Vec::new();
    if parameters.looks_for(Shape::Spike) {
        raised = unite(marks.iter().map(Mark::run).collect(), merge);
    }
    if parameters.looks_for(Shape::Hill) {
        let length = parameters.hill_bins(grid.bin()).unsigned_abs();
        raised.extend(unite(hills(&marks, length), merge));
        raised.sort_by_key(|run| (run.first, run.last));
        // What shares a bin is one: a spike within a hill is part of it.
        raised = unite(raised, 0);
    }
    let mut activities = activities(&raised, &cells, grid);
    if parameters.looks_for(Shape::Depression) {
        // On the traffic as it was: what was taken off would leave holes.
        let usual = match parameters.ignore_periodic {
            true => blocks(all, first, last, grid, parameters),
            false => usual,
        };
        let low_in = |block: &Block| depressions(block, parameters, grid);
        let low = unite(usual.iter().flat_map(low_in).collect(), merge);
        activities.extend(self::activities(&low, all, grid));
    }
    activities.sort_by_key(|activity| (activity.span, activity.shape));
    Ok(Detection {
        activities,
        rhythms,
    })
}

/// The claims that runs make; runs ascend by first bin.
fn activities(runs: &[Run], mut cells: &[Cell], grid: Grid) -> Vec<Activity> {
    let of = |run: &Run| {
        cells = from_bin(cells, run.first);
        let upto = usize::try_from(bins_between(run.first, run.last)).unwrap_or(usize::MAX);
        let held = cells.get(..upto.min(cells.len())).unwrap_or_default();
        let held = held.split_at(held.partition_point(|cell| cell.index <= run.last));
        activity(run, held.0, grid)
    };
    runs.iter().map(of).collect()
}

/// The cells at or after a bin. It is mostly near: doubling steps find it without a look at those far behind.
fn from_bin(cells: &[Cell], bin: i64) -> &[Cell] {
    let mut step = 1;
    while cells.get(step).is_some_and(|cell| cell.index < bin) {
        step = step.saturating_mul(2);
    }
    let near = cells.get(..step.saturating_add(1).min(cells.len()));
    let before = near.unwrap_or_default();
    let before = before.partition_point(|cell| cell.index < bin);
    cells.get(before..).unwrap_or_default()
}

/// The claim a run makes; `held` are its active bins.
pub(super) fn activity(run: &Run, held: &[Cell], grid: Grid) -> Activity {
    let rates = held.iter().map(|cell| {
        run.side.directions().iter().fold(0u64, |sum, &direction| {
            sum.saturating_add(cell.bytes(direction))
        })
    });
    let peak = if run.shape == Shape::Depression {
        // A bin without a cell is a silent one.
        let silent = (held.len() as u64) < bins_between(run.first, run.last);
        if silent {
            Some(0)
        } else {
            rates.min()
        }
    } else {
        rates.max()
    };
    Activity {
        span: grid.span(run.first, run.last),
        shape: run.shape,
        direction: run.side,
        peak_bytes_per_s: peak.unwrap_or(0) as f64 / grid.bin_secs(),
        sigma: run.sigma,
        label: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::claim::Side;
    use crate::activity::parameters::BaselineKind;
    use crate::units::{Direction, Timestamp};
    use proptest::prelude::*;
    use std::time::Duration;

    fn secs(s: i64) -> Timestamp {
        Timestamp::new(s, 0)
    }

    /// A series of (second, bytes up, bytes down), bins of 1 s from second 0.
    fn series(cells: &[(i64, u64, u64)]) -> RateSeries {
        let mut series = RateSeries::new(Grid::new(secs(0), Duration::from_secs(1)));
        for &(at, up, down) in cells {
            series.add(secs(at), Direction::Up, up);
            series.add(secs(at), Direction::Down, down);
        }
        series
    }

    /// Seconds 0 to `last`, both with a bin of their own.
    fn window(last: i64) -> Span {
        Span::new(secs(0), secs(last))
    }

    fn parameters(merge: u64) -> Parameters {
        Parameters {
            merge: Duration::from_secs(merge),
            ..Parameters::default()
        }
    }

    fn found(series: &RateSeries, last: i64, parameters: &Parameters) -> Vec<Activity> {
        detect(series, window(last), parameters).unwrap().activities
    }

    /// Start, end (both seconds), shape, side.
    fn brief(activities: &[Activity]) -> Vec<(i64, i64, Shape, Side)> {
        activities
            .iter()
            .map(|a| {
                let (start, end) = (a.span.start.as_secs_f64(), a.span.end.as_secs_f64());
                (start as i64, end as i64, a.shape, a.direction)
            })
            .collect()
    }

    #[test]
    fn one_spike_in_a_hundred_seconds() {
        // 100 bins, one of 1000: mean 10, variance 10^6/100 - 100 = 9900, sigma (1000 - 10) / sqrt(9900) = 9.95.
        let activities = found(&series(&[(50, 1000, 0)]), 99, &parameters(30));
        assert_eq!(brief(&activities), [(50, 51, Shape::Spike, Side::Up)]);
        assert_eq!(activities[0].peak_bytes_per_s, 1000.0);
        assert!((activities[0].sigma - 990.0 / 9900f64.sqrt()).abs() < 1e-12);
        // Over ten seconds it is 2.999... sigma, and no more: (1000 - 100) / 300 = 3 is not over 3.
        assert_eq!(found(&series(&[(5, 1000, 0)]), 9, &parameters(30)), []);
    }

    #[test]
    fn starts_at_most_merge_apart_are_one() {
        let cells = [(10, 900, 0), (12, 900, 0), (15, 900, 0), (16, 900, 0)];
        let of = |merge| brief(&found(&series(&cells), 999, &parameters(merge)));
        let spike = |start, end| (start, end, Shape::Spike, Side::Up);
        assert_eq!(of(3), [spike(10, 17)]);
        assert_eq!(of(2), [spike(10, 13), spike(15, 17)]);
        assert_eq!(of(1), [spike(10, 11), spike(12, 13), spike(15, 17)]);
        // Adjacent bins are one even so.
        assert_eq!(of(0), of(1));
    }

    #[test]
    fn directions_unite_and_are_named() {
        let series = series(&[(10, 900, 0), (11, 0, 800), (100, 0, 800), (200, 900, 10)]);
        let activities = found(&series, 999, &parameters(5));
        assert_eq!(
            brief(&activities),
            [
                (10, 12, Shape::Spike, Side::Both),
                (100, 101, Shape::Spike, Side::Down),
                (200, 201, Shape::Spike, Side::Up),
            ]
        );
        assert_eq!(activities[2].peak_bytes_per_s, 900.0);
        let up = Parameters {
            direction: Side::Up,
            ..parameters(5)
        };
        let activities = found(&series, 999, &up);
        assert_eq!(
            brief(&activities),
            [
                (10, 11, Shape::Spike, Side::Up),
                (200, 201, Shape::Spike, Side::Up)
            ]
        );
    }

    #[test]
    fn raised_for_longer_is_a_hill() {
        // Ten seconds at 400 (one of them silent) in a thousand, and one second of 900: mean 4.5, deviation 47.
        let mut cells: Vec<_> = (100..110).map(|s| (s, 400, 0)).collect();
        cells.remove(4);
        cells.push((500, 900, 0));
        let given = series(&cells);
        let both = found(&given, 999, &parameters(3));
        assert_eq!(
            brief(&both),
            [
                (100, 110, Shape::Hill, Side::Up),
                (500, 501, Shape::Spike, Side::Up)
            ]
        );
        assert_eq!(both[0].peak_bytes_per_s, 400.0);
        let only = |shape| Parameters {
            shapes: vec![shape],
            ..parameters(3)
        };
        assert_eq!(
            brief(&found(&given, 999, &only(Shape::Hill))),
            [(100, 110, Shape::Hill, Side::Up)]
        );
        assert_eq!(
            brief(&found(&given, 999, &only(Shape::Spike))),
            [
                (100, 110, Shape::Spike, Side::Up),
                (500, 501, Shape::Spike, Side::Up)
            ]
        );
        // Five of ten are not more than half, however they are merged.
        let sparse: Vec<_> = (100..110).step_by(2).map(|s| (s, 400, 0)).collect();
        let activities = found(&series(&sparse), 999, &parameters(3));
        assert_eq!(brief(&activities), [(100, 109, Shape::Spike, Side::Up)]);
    }

    #[test]
    fn a_spike_within_a_hill_is_part_of_it() {
        let mut cells: Vec<_> = (100..120).map(|s| (s, 400, 0)).collect();
        cells[7].1 = 9000;
        let activities = found(&series(&cells), 9999, &parameters(3));
        assert_eq!(brief(&activities), [(100, 120, Shape::Hill, Side::Up)]);
        assert_eq!(activities[0].peak_bytes_per_s, 9000.0);
    }

    #[test]
    fn steady_traffic_that_stops_is_a_depression() {
        // 1000 seconds at 990 or 1010, twelve of them silent, four at 100.
        let steady = |s: i64| (s, if s % 2 == 0 { 990 } else { 1010 }, 0);
        let mut cells: Vec<_> = (0..1000).map(steady).collect();
        cells.drain(300..312);
        let activities = found(&series(&cells), 999, &parameters(3));
        assert_eq!(
            brief(&activities),
            [(300, 312, Shape::Depression, Side::Up)]
        );
        assert_eq!(activities[0].peak_bytes_per_s, 0.0);
        assert!(activities[0].sigma < -3.0);
        let mut cells: Vec<_> = (0..1000).map(steady).collect();
        for cell in &mut cells[300..312] {
            cell.1 = 100;
        }
        for count_silent in [true, false] {
            let parameters = Parameters {
                count_silent,
                ..parameters(3)
            };
            let activities = found(&series(&cells), 999, &parameters);
            assert_eq!(
                brief(&activities),
                [(300, 312, Shape::Depression, Side::Up)]
            );
            assert_eq!(activities[0].peak_bytes_per_s, 100.0);
        }
        // Nine seconds are not long enough.
        let mut cells: Vec<_> = (0..1000).map(steady).collect();
        cells.drain(300..309);
        assert_eq!(found(&series(&cells), 999, &parameters(3)), []);
    }

    #[test]
    fn silence_is_no_depression() {
        let cells: Vec<_> = (0..20).map(|i| (i * 50, 500, 700)).collect();
        let low = Parameters {
            shapes: vec![Shape::Depression],
            ..parameters(30)
        };
        for baseline in [BaselineKind::Mean, BaselineKind::Robust] {
            for count_silent in [true, false] {
                let parameters = Parameters {
                    baseline,
                    count_silent,
                    ..low.clone()
                };
                assert_eq!(found(&series(&cells), 5000, &parameters), []);
            }
        }
        // Nor is the time before a steady device first speaks and after it last does.
        let steady: Vec<_> = (500..1500).map(|s| (s, 990 + s as u64 % 20, 0)).collect();
        let unsilent = Parameters {
            baseline: BaselineKind::Robust,
            ..low
        };
        assert_eq!(found(&series(&steady), 1600, &unsilent), []);
    }

    #[test]
    fn weak_bins_count_near_strong_ones_only() {
        // Mean 11.3 and deviation 300 or so: 10 000 is strong; 500 is over one sigma, under three.
        let series = series(&[
            (100, 10_000, 0),
            (120, 500, 0),
            (160, 500, 0),
            (900, 500, 0),
        ]);
        let weak = Parameters {
            weak_sigma: Some(1.0),
            near: Duration::from_secs(20),
            ..parameters(2)
        };
        let activities = found(&series, 1000, &weak);
        let spike = |start| (start, start + 1, Shape::Spike, Side::Up);
        assert_eq!(brief(&activities), [spike(100), spike(120)]);
        assert_eq!(brief(&found(&series, 1000, &parameters(2))), [spike(100)]);
    }

    #[test]
    fn a_heartbeat_can_be_ignored() {
        let mut cells: Vec<_> = (0..12).map(|i| (20 + i * 300, 3000, 8000)).collect();
        cells.push((1000, 12_000, 900));
        let series = series(&cells);
        assert_eq!(found(&series, 3599, &parameters(2)).len(), 13);
        let ignoring = Parameters {
            ignore_periodic: true,
            ..parameters(2)
        };
        let detection = detect(&series, window(3599), &ignoring).unwrap();
        assert_eq!(
            brief(&detection.activities),
            [(1000, 1001, Shape::Spike, Side::Both)]
        );
        assert_eq!(detection.rhythms[0].period, 300.0);
    }

    #[test]
    fn blocks_have_their_own_baseline() {
        // A loud hour hides a small spike of the quiet hour before it, unless each has its own baseline.
        let mut cells = vec![(1000, 400, 0)];
        cells.extend((3600..7200).map(|s| (s, 10_000 + 5000 * (s as u64 % 3), 0)));
        let series = series(&cells);
        let spikes = Parameters {
            shapes: vec![Shape::Spike],
            ..parameters(2)
        };
        assert_eq!(found(&series, 7199, &spikes), []);
        let hourly = Parameters {
            window: Some(Duration::from_secs(3600)),
            ..spikes
        };
        assert_eq!(
            brief(&found(&series, 7199, &hourly)),
            [(1000, 1001, Shape::Spike, Side::Up)]
        );
    }

    #[test]
    fn a_packet_in_1970_and_one_in_2106_cost_nothing() {
        let far = 4_294_967_295;
        let series = series(&[(0, 60, 60), (far, 60, 60)]);
        for (count_silent, baseline, ignore_periodic) in [
            (true, BaselineKind::Mean, false),
            (true, BaselineKind::Robust, true),
            (false, BaselineKind::Mean, true),
        ] {
            let parameters = Parameters {
                count_silent,
                baseline,
                ignore_periodic,
                ..parameters(30)
            };
            let activities = found(&series, far, &parameters);
            assert!(activities.len() <= 2);
            assert!(activities.iter().all(|a| a.sigma.is_finite()));
        }
        // Nor do blocks.
        let hourly = Parameters {
            window: Some(Duration::from_secs(3600)),
            ..parameters(30)
        };
        assert_eq!(found(&series, far, &hourly).len(), 2);
    }

    #[test]
    fn nothing_and_extremes_are_no_trouble() {
        assert_eq!(found(&series(&[]), 100, &parameters(30)), []);
        let mut extreme = RateSeries::new(Grid::new(Timestamp(i64::MIN), Duration::from_nanos(1)));
        extreme.add(Timestamp(i64::MIN), Direction::Up, u64::MAX);
        extreme.add(Timestamp(i64::MAX), Direction::Down, u64::MAX);
        let all = Span::new(Timestamp(i64::MIN), Timestamp(i64::MAX));
        for ignore_periodic in [true, false] {
            let parameters = Parameters {
                ignore_periodic,
                ..parameters(30)
            };
            assert!(detect(&extreme, all, &parameters).is_ok());
        }
        let wrong = Parameters {
            sigma: f64::NAN,
            ..parameters(30)
        };
        assert!(detect(&extreme, all, &wrong).is_err());
    }

    fn any_cells() -> impl Strategy<Value = Vec<(i64, u64, u64)>> {
        prop::collection::vec((0i64..400, 0u64..2000, 0u64..2000), 0..120)
    }

    fn any_parameters() -> impl Strategy<Value = Parameters> {
        (
            1u32..9,
            any::<[bool; 2]>(),
            0u64..40,
            0usize..3,
            any::<bool>(),
        )
            .prop_map(
                |(halves, [count_silent, robust], merge, side, weak)| Parameters {
                    sigma: f64::from(halves) / 2.0,
                    weak_sigma: weak.then_some(0.5),
                    count_silent,
                    baseline: if robust {
                        BaselineKind::Robust
                    } else {
                        BaselineKind::Mean
                    },
                    direction: Side::ALL[side],
                    ..parameters(merge)
                },
            )
    }

    proptest! {
        /// Powers of two scale floating-point numbers exactly, so that not even a bin on the threshold falls to the other side.
        #[test]
        fn scaling_bytes_scales_only_peaks(cells in any_cells(), parameters in any_parameters()) {
            let scaled: Vec<_> = cells.iter().map(|&(s, u, d)| (s, u * 8, d * 8)).collect();
            let mut expected = found(&series(&cells), 399, &parameters);
            for activity in &mut expected {
                activity.peak_bytes_per_s *= 8.0;
            }
            prop_assert_eq!(found(&series(&scaled), 399, &parameters), expected);
        }

        #[test]
        fn shifting_time_shifts_claims(
            cells in any_cells(),
            parameters in any_parameters(),
            ignore_periodic: bool,
            by in -1_000_000_000i64..1_000_000_000,
        ) {
            let parameters = Parameters { ignore_periodic, ..parameters };
            let shift = Duration::from_nanos(by.unsigned_abs());
            let shifted = |at: Timestamp| if by < 0 { at - shift } else { at + shift };
            let mut moved = RateSeries::new(Grid::new(shifted(secs(0)), Duration::from_secs(1)));
            for &(at, up, down) in &cells {
                moved.add(shifted(secs(at)), Direction::Up, up);
                moved.add(shifted(secs(at)), Direction::Down, down);
            }
            let mut expected = found(&series(&cells), 399, &parameters);
            for activity in &mut expected {
                activity.span = Span::new(shifted(activity.span.start), shifted(activity.span.end));
            }
            let window = Span::new(shifted(secs(0)), shifted(secs(399)));
            prop_assert_eq!(detect(&moved, window, &parameters).unwrap().activities, expected);
        }

        /// Claims of raised traffic lie within the device's traffic, apart from one another, in order; their numbers are finite.
        #[test]
        fn claims_are_apart_and_finite(cells in any_cells(), parameters in any_parameters(), ignore_periodic: bool) {
            let parameters = Parameters { ignore_periodic, ..parameters };
            let series = series(&cells);
            let activities = found(&series, 399, &parameters);
            let raised: Vec<_> = activities.iter().filter(|a| a.shape != Shape::Depression).collect();
            prop_assert!(raised.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
            prop_assert!(activities.windows(2).all(|pair| pair[0].span <= pair[1].span));
            for activity in activities {
                prop_assert!(activity.sigma.is_finite() && activity.peak_bytes_per_s.is_finite());
                prop_assert!(window(400).start <= activity.span.start && activity.span.end <= window(400).end);
            }
        }

        /// A higher k never finds more raised bins: its spikes lie within those of a lower one.
        #[test]
        fn a_higher_sigma_finds_within_a_lower(cells in any_cells(), parameters in any_parameters()) {
            let spikes = |sigma| Parameters { sigma, weak_sigma: None, shapes: vec![Shape::Spike], ..parameters.clone() };
            let low = found(&series(&cells), 399, &spikes(parameters.sigma));
            for high in found(&series(&cells), 399, &spikes(parameters.sigma + 1.0)) {
                prop_assert!(low.iter().any(|l| l.span.start <= high.span.start && high.span.end <= l.span.end));
            }
        }
    }
}
