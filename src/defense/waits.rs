//! What the grid's waiting does to the paper's equation 1.
//!
//! Equations 1 and 2 have an activity padded in the period in which it comes. No shaper knows a period in advance: what comes
//! where nothing is padded waits for the next period ([`crate::stp::shaper`]), so that an activity which touches one period
//! is carried by that one where chance had padded it, and by the next one otherwise; one which crosses into the next period
//! is carried by both or by the latter alone. With Q the chance that cover pads a period, period by period:
//! - z, the chance of padding, is Q after a period that no activity touched; 1 where an activity crosses into it; 1 - z'(1-Q)
//!   after a period that one touched and did not leave, z' being that period's;
//! - a padded period is genuine where an activity touches it, or where what touched the one before waited (1 - z').
//!
//! With p small this is equation 1: an activity of one period adds (1-Q)^2 to the padded periods where the equation says 1-Q.

use crate::units::{nanos, Span, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Periods of the grid touched one after the other by activities: of each but the first, whether an activity crosses into it.
type Row = Vec<bool>;

/// How the activities of a stream lie on the grid: which rows of touched periods there are, and how many of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waits {
    rows: Vec<(Row, f64)>,
}

impl Waits {
    /// Of [`disjoint`](crate::trace::disjoint) spans.
    pub(super) fn of(spans: &[Span], origin: Timestamp, period: Duration) -> Self {
        let length = nanos(period).max(1);
        let place = |at: Timestamp| at.0.saturating_sub(origin.0).div_euclid(length);
        let mut rows: BTreeMap<Row, f64> = BTreeMap::new();
        let mut row: Row = Vec::new();
        let mut last: Option<i64> = None;
        for span in spans {
            let (from, to) = (place(span.start), place(span.end));
            match last {
                Some(last) if from == last => {}
                Some(last) if from.checked_sub(1) == Some(last) => row.push(false),
                Some(_) => *rows.entry(std::mem::take(&mut row)).or_default() += 1.0,
                None => {}
            }
            let crossed = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
            row.extend(std::iter::repeat_n(true, crossed));
            last = Some(to);
        }
        if last.is_some() {
            *rows.entry(row).or_default() += 1.0;
        }
        Self {
            rows: rows.into_iter().collect(),
        }
    }

    /// How many of `count` periods are padded, and how many of those are genuine, where cover pads each with chance `cover`.
    pub(super) fn expected(&self, count: f64, cover: f64) -> (f64, f64) {
        let (mut padded, mut genuine, mut looked_at) = (0.0, 0.0, 0.0);
        for (row, times) in &self.rows {
            let mut now = cover;
            let (mut of_row, mut periods) = (now, 1.0);
            for crossed in row {
                now = match crossed {
                    true => 1.0,
                    false => 1.0 - now * (1.0 - cover),
                };
                of_row += now;
                periods += 1.0;
            }
            let waited = 1.0 - now;
            genuine += times * (of_row + waited);
            padded += times * (of_row + 1.0 - now * (1.0 - cover));
            looked_at += times * (periods + 1.0);
        }
        (padded + (count - looked_at).max(0.0) * cover, genuine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(spans: &[(i64, i64)]) -> Waits {
        let at = |second| Timestamp::new(second, 0);
        let spans: Vec<Span> = spans
            .iter()
            .map(|&(from, to)| Span::new(at(from), at(to)))
            .collect();
        Waits::of(&spans, at(0), Duration::from_secs(10))
    }

    #[test]
    fn rows_are_read_off_the_grid() {
        // Period 0; 2 into 3, and another in 3; 4 by one of its own; 9.
        let of = waits(&[(1, 2), (28, 31), (35, 36), (41, 42), (95, 95)]);
        assert_eq!(of.rows, [(vec![], 2.0), (vec![true, false], 1.0)]);
        assert_eq!(waits(&[]).rows, []);
    }

    #[test]
    fn periods_are_counted_by_hand() {
        // One activity in one of ten periods, cover with chance 1/4. Its period is padded with 1/4; the next with
        // 1 - 1/4 * 3/4 = 13/16; the other eight with 1/4 each. Carried in any case, once.
        let (padded, genuine) = waits(&[(31, 32)]).expected(10.0, 0.25);
        assert_eq!((padded, genuine), (0.25 + 13.0 / 16.0 + 2.0, 1.0));
        // Crossing: 1/4, then 1, then cover. Carried by the second in any case, by the first where cover was there.
        let (padded, genuine) = waits(&[(38, 42)]).expected(10.0, 0.25);
        assert_eq!((padded, genuine), (0.25 + 1.0 + 8.0 * 0.25, 1.25));
        // Never and always: what activities need, and all there is.
        assert_eq!(waits(&[(38, 42), (61, 62)]).expected(10.0, 0.0), (2.0, 2.0));
        assert_eq!(
            waits(&[(38, 42), (61, 62)]).expected(10.0, 1.0),
            (10.0, 3.0)
        );
    }
}
