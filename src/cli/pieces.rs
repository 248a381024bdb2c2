//! What is taught for a part of a trace that is lived: pieces of other homes, or of the other hours of the same, as long as that
//! part and about as busy.
//!
//! Whoever learned of whole days and is asked about five minutes is misled: nothing was seen in the hours before, of anything.
//! So lessons are cut as the question is, and as the busiest minutes are what is lived, the busiest pieces come first.

use crate::cli::loopback::part;
use crate::trace::{disjoint, Trace};
use crate::units::{Span, Timestamp};
use std::time::Duration;

/// Activities that all pieces together hold at least, as far as there are as many.
const ACTIVITIES: usize = 400;
/// Pieces at most.
const PIECES_AT_MOST: usize = 512;
/// How often each is defended at most, with other coins.
const ROUNDS_AT_MOST: usize = 4;

/// Cuts traces into pieces `length` long, of which none shares an instant with `lived`, nor holds what is left of an activity
/// that began before it; the busiest, until there are enough.
pub fn pieces(traces: &[Trace], lived: Option<Span>, length: Duration) -> Vec<Trace> {
    let mut all: Vec<(usize, Span, &Trace)> = Vec::new();
    for trace in traces {
        let whole = trace.window;
        let free = match lived {
            None => vec![whole],
            Some(lived) => vec![
                Span::new(whole.start, lived.start.clamp(whole.start, whole.end)),
                Span::new(lived.end.clamp(whole.start, whole.end), whole.end),
            ],
        };
        let used = Used::of(trace);
        for span in free {
            let windows = used.cut(span, length).into_iter();
            all.extend(windows.map(|window| (used.begun(window), window, trace)));
        }
    }
    // Stable: the first of equals first.
    all.sort_by_key(|(begun, ..)| std::cmp::Reverse(*begun));
    let mut held = 0;
    let mut pieces = Vec::new();
    for (begun, window, trace) in all {
        if held >= ACTIVITIES || pieces.len() >= PIECES_AT_MOST {
            break;
        }
        let piece = part(trace, window);
        if !piece.packets.is_empty() {
            held += begun;
            pieces.push(piece);
        }
    }
    pieces
}

/// How often pieces are to be defended, so that they teach enough.
pub fn rounds(pieces: &[Trace]) -> u32 {
    let held: usize = pieces.iter().map(|piece| piece.activities.len()).sum();
    let rounds = ACTIVITIES.div_ceil(held.max(1)).clamp(1, ROUNDS_AT_MOST);
    u32::try_from(rounds).unwrap_or(1)
}

/// When anything is used in a trace.
struct Used {
    /// Ascending.
    begins: Vec<Timestamp>,
    /// [`disjoint`].
    busy: Vec<Span>,
}

impl Used {
    fn of(trace: &Trace) -> Self {
        let spans: Vec<Span> = trace.activities.iter().map(|a| a.traffic).collect();
        let mut begins: Vec<Timestamp> = spans.iter().map(|span| span.start).collect();
        begins.sort_unstable();
        Self {
            begins,
            busy: disjoint(spans),
        }
    }

    /// How many activities begin within a window, but for its last instant.
    fn begun(&self, window: Span) -> usize {
        let before = |at| self.begins.partition_point(|&begin| begin < at);
        before(window.end).saturating_sub(before(window.start))
    }

    /// The first instant from `at` on at which nothing runs that began before.
    fn undisturbed(&self, at: Timestamp) -> Timestamp {
        let before = self.busy.partition_point(|span| span.start < at);
        let last = before.checked_sub(1).and_then(|last| self.busy.get(last));
        match last {
            Some(span) if span.end >= at => Timestamp(span.end.0.saturating_add(1)),
            _ => at,
        }
    }

    /// Windows within a span, one after the other; where it is shorter than one, what there is.
    fn cut(&self, free: Span, length: Duration) -> Vec<Span> {
        let mut windows = Vec::new();
        let mut start = self.undisturbed(free.start);
        while start < free.end && !length.is_zero() {
            let end = match windows.is_empty() {
                true => (start + length).min(free.end),
                false => start + length,
            };
            if end > free.end {
                break;
            }
            windows.push(Span::new(start, end));
            start = self.undisturbed(end);
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{generate, HomeModel};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn home() -> Trace {
        let mut chance = ChaCha8Rng::seed_from_u64(5);
        let home = generate(&HomeModel::built_in(), 43_200, &mut chance);
        home.checked().unwrap()
    }

    #[test]
    fn pieces_keep_off_what_is_lived_and_off_one_another() {
        let trace = home();
        let start = trace.window.start;
        let lived = Span::new(
            start + Duration::from_secs(20_000),
            start + Duration::from_secs(20_300),
        );
        let length = Duration::from_secs(300);
        let found = pieces(std::slice::from_ref(&trace), Some(lived), length);
        assert!(found.len() > 20, "{}", found.len());
        let mut spans: Vec<Span> = found.iter().map(|piece| piece.window).collect();
        spans.sort();
        for pair in spans.windows(2) {
            assert!(pair[0].end <= pair[1].start);
        }
        for piece in &found {
            let window = piece.window;
            assert_eq!(window.duration(), length);
            assert!(window.end <= lived.start || window.start >= lived.end);
            // Nothing of an activity without its label.
            let running = trace.activities.iter().find(|activity| {
                activity.traffic.start < window.start && activity.traffic.end >= window.start
            });
            assert_eq!(running, None);
        }
        // The busiest first.
        let counts: Vec<usize> = found.iter().map(|piece| piece.activities.len()).collect();
        assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    }

    #[test]
    fn few_activities_are_defended_again() {
        let trace = home();
        let one = pieces(
            std::slice::from_ref(&trace),
            None,
            Duration::from_secs(43_200),
        );
        assert_eq!(one.len(), 1);
        let held = one[0].activities.len();
        assert_eq!(rounds(&one) as usize, 400usize.div_ceil(held).min(4));
        assert_eq!(rounds(&[]), 4);
        // All of it is lived: nothing is left.
        let whole = Some(trace.window);
        assert!(pieces(&[trace], whole, Duration::from_secs(300)).is_empty());
    }
}
