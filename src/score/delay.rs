//! Activities whose traffic left later: which padded period carried what had to wait.
//!
//! Padding that begins on a grid alone (the paper, section 6.1) has to hold back an activity that begins where nothing is
//! padded: up to T later its traffic leaves under a period that begins when the activity itself may be over. That period is
//! genuine, for what is under it is the activity's traffic; held against the activity's own time alone the audit would call
//! it cover and its claim wrong, and would flatter the defense by up to one half. And a claim of that period is right: an
//! adversary who knows the defense knows that it delays, by T at most, and "somebody used it just before" tells no less of
//! what people do than "somebody uses it now". So both are right: who points at the activity, and who points at the period
//! that carried it. Nothing between them counts.
//!
//! Which period that is follows from the wire and the truth, so that captures alone give the same numbers: padding of a flow
//! is on a grid when all its runs begin a whole number of T apart; an activity of which no instant is under padding, on a
//! flow of its device, waited for the first period after it, where one begins within T. On other wires padding begins with an
//! activity's first byte, and nothing is held back.

use super::periods::Marked;
use super::truth::{meets, Carried, Truth};
use crate::units::{nanos, Span, Timestamp};
use std::time::Duration;

/// How far from its grid a period may begin: a thousandth of a second, for clocks that are not quite even.
const EVEN: i64 = 1_000_000;

/// Finds what was held back, and marks the periods that carried it. Periods are ordered as [`mark`](super::periods::mark)
/// orders them.
pub fn delayed(periods: &mut [Marked], truth: &Truth) -> Vec<Carried> {
    let named: Vec<bool> = {
        let mut named = vec![false; truth.devices.len()];
        for period in periods.iter() {
            if let Some(named) = period.device.and_then(|device| named.get_mut(device)) {
                *named = true;
            }
        }
        named
    };
    let mut all = Vec::new();
    for flow in periods.chunk_by_mut(|a, b| a.flow == b.flow) {
        let Some(length) = grid(flow) else {
            continue;
        };
        let own = flow.first().and_then(|period| period.device);
        let spans: Vec<Span> = flow.iter().map(|period| period.span).collect();
        for (device, used) in truth.devices.iter().enumerate() {
            // A flow that nobody is known by carries those that have no flow of their own.
            let theirs = match own {
                Some(own) => own == device,
                None => named.get(device) == Some(&false),
            };
            if !theirs {
                continue;
            }
            for (activity, &traffic) in used.each.iter().enumerate() {
                if meets(&spans, traffic) {
                    continue;
                }
                let after = spans.partition_point(|span| span.start <= traffic.end);
                let Some(period) = flow.get_mut(after) else {
                    continue;
                };
                if period.span.start.since(traffic.end) > length {
                    continue;
                }
                period.genuine = true;
                period.begun = true;
                all.push(Carried {
                    device,
                    activity,
                    period: period.span,
                });
            }
        }
    }
    all
}

/// T, where the runs of a flow all begin on one grid.
fn grid(flow: &[Marked]) -> Option<Duration> {
    let first = flow.first()?.span;
    let length = first.duration() + Duration::from_nanos(1);
    let period = nanos(length).max(1);
    let on_grid = |at: Timestamp| {
        let past = at.0.saturating_sub(first.start.0).rem_euclid(period);
        past.min(period - past) <= EVEN
    };
    let ends = flow.iter().map(|period| period.span.end);
    let mut begins = flow.iter().skip(1).zip(ends);
    // One that follows another without a gap is on its grid.
    let even = begins.all(|(period, before)| {
        period.span.start.0.saturating_sub(before.0) <= 1 || on_grid(period.span.start)
    });
    even.then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::periods::mark;
    use crate::threat::Guess;
    use crate::trace::tests::tiny;

    fn span(from: i64, to: i64) -> Span {
        Span::new(Timestamp::new(from, 0), Timestamp::new(to, 0))
    }

    /// Activities at 12 to 13 s, 38 to 41 s and 75 s.
    fn truth() -> Truth {
        let trace = tiny(
            &[(0, true, 40), (99, true, 40)],
            &[(12, 13), (38, 41), (75, 75)],
        );
        Truth::of(&trace, Duration::ZERO)
    }

    #[test]
    fn what_waited_for_the_grid_is_under_the_next_period() {
        let truth = truth();
        // T 10 s: 20 to 30 carries the first; the second reaches into 40 to 50; the third waits for nobody within T.
        let padded = [span(20, 30), span(40, 50), span(90, 100)].map(|span| (0, span));
        let mut marked = mark(padded, &[Some(0)], &truth);
        let before: Vec<bool> = marked.iter().map(|period| period.genuine).collect();
        assert_eq!(before, [false, true, false]);
        let carried = delayed(&mut marked, &truth);
        let after: Vec<bool> = marked.iter().map(|period| period.genuine).collect();
        assert_eq!(after, [true, true, false]);
        assert_eq!(carried.len(), 1);
        assert_eq!((carried[0].device, carried[0].activity), (0, 0));
        // Right: the activity, and the period that carried it; not what lies between.
        let wider = truth.with(&carried);
        let right = |from, to| {
            let span = span(from, to);
            wider.bears_out(&Guess {
                span,
                device: Some(0),
                belief: 0.0,
            })
        };
        assert_eq!(
            [right(12, 12), right(14, 19), right(25, 26), right(31, 37)],
            [true, false, true, false]
        );
    }

    #[test]
    fn off_a_grid_nothing_waits() {
        let truth = truth();
        let padded = [span(20, 30), span(43, 53), span(90, 100)].map(|span| (0, span));
        let mut marked = mark(padded, &[Some(0)], &truth);
        assert_eq!(delayed(&mut marked, &truth), []);
        assert!(marked.iter().all(|period| !period.genuine));
    }

    #[test]
    fn a_flow_of_nobody_carries_those_without_a_flow_of_their_own() {
        let truth = truth();
        let mut alone = mark([(0, span(20, 30))], &[None], &truth);
        assert_eq!(delayed(&mut alone, &truth).len(), 1);
        let both = [(0, span(20, 30)), (1, span(60, 70))];
        let mut beside = mark(both, &[None, Some(0)], &truth);
        assert_eq!(delayed(&mut beside, &truth), []);
    }
}
