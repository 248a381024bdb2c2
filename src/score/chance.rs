//! c_min: what guessing at random earns. Three numbers go by that name in the paper and about it; each is named here.
//!
//! A guess at random is right by the same rule as any other, so where labels give a tolerance the activities are as much
//! wider here. Without tolerance these are the numbers of the definition.

use super::truth::Used;
use crate::rate::Grid;
use crate::units::Span;
use std::time::Duration;

/// The three.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Share of seconds with an activity ("the fraction of time that the user activity occurs", section 5).
    pub time_fraction: f64,
    /// Activities per period of T: the p of the grid model, where T is short enough to hold one at most.
    pub activities_per_period: f64,
    /// Share of periods of T with an activity: c where every period is padded and claimed.
    pub periods_touched: f64,
}

/// Of a device, or of all, when periods last `period`.
pub fn chance(used: &Used, window: Span, period: Duration) -> Chance {
    let (seconds, all_seconds) = touched(&used.busy, window, Duration::from_secs(1));
    let (periods, all_periods) = touched(&used.busy, window, period);
    Chance {
        time_fraction: seconds as f64 / all_seconds as f64,
        activities_per_period: used.activities.len() as f64 / all_periods as f64,
        periods_touched: periods as f64 / all_periods as f64,
    }
}

/// How many bins the disjoint spans touch, and how many there are; at least one.
fn touched(spans: &[Span], window: Span, bin: Duration) -> (u64, u64) {
    let grid = Grid::new(window.start, bin);
    let last = grid.index(window.end).max(0);
    let (mut count, mut next) = (0u64, 0i64);
    for span in spans {
        let from = grid.index(span.start).max(next);
        let to = grid.index(span.end).min(last);
        if from <= to {
            count = count.saturating_add((to - from).unsigned_abs() + 1);
            next = to.saturating_add(1);
        }
    }
    (count, last.unsigned_abs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::truth::Truth;
    use crate::trace::tests::tiny;

    #[test]
    fn the_three_by_hand() {
        // 100 seconds, 0 to 99; activities touch seconds 10 11 12, 14, 55 and 56: six. Periods of 10 s: of ten, 1 and 5.
        let trace = tiny(
            &[(0, true, 40), (99, true, 40)],
            &[(10, 12), (14, 14), (55, 56)],
        );
        let of = |tolerance| {
            let truth = Truth::of(&trace, Duration::from_secs(tolerance));
            chance(&truth.all, truth.window, Duration::from_secs(10))
        };
        let exact = Chance {
            time_fraction: 0.06,
            activities_per_period: 0.3,
            periods_touched: 0.2,
        };
        assert_eq!(of(0), exact);
        // A second more on each side: 9 to 15 and 54 to 57: eleven seconds; periods 0, 1 and 5.
        assert_eq!((of(1).time_fraction, of(1).periods_touched), (0.11, 0.3));
        // More than all there is: no share is above one.
        assert_eq!((of(500).time_fraction, of(500).periods_touched), (1.0, 1.0));
    }
}
