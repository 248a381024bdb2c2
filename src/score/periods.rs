//! Padded periods held against the truth: which are genuine.

use super::truth::Truth;
use crate::units::{Span, Timestamp};

/// A padded period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Its flow on the wire.
    pub flow: u32,
    /// Whose flow that is; `None`: of any device.
    pub device: Option<usize>,
    /// From its begin to its last instant, just before its end.
    pub span: Span,
    /// Whether traffic of an activity of that device is under it.
    pub genuine: bool,
    /// Whether an activity made padding begin or go on here: one was running, or waiting, when the period began.
    pub begun: bool,
    /// Whether an activity came and went under it, so that padding would have been the same without.
    pub within: bool,
    /// Whether it goes on, without a break, with the period before.
    pub goes_on: bool,
}

/// Marks periods, given as (flow, from begin to end); `whose` tells the device of each flow. Ordered by flow, then by begin.
///
/// A period ends before its end, so that an activity which begins right there is under the next one alone.
pub fn mark(
    periods: impl IntoIterator<Item = (u32, Span)>,
    whose: &[Option<usize>],
    truth: &Truth,
) -> Vec<Marked> {
    let marked = periods.into_iter().map(|(flow, span)| {
        let device = whose.get(flow as usize).copied().flatten();
        let end = Timestamp(span.end.0.saturating_sub(1)).max(span.start);
        let span = Span::new(span.start, end);
        let traffic = truth.used(device).map_or(&[][..], |used| &used.traffic);
        let after = traffic.partition_point(|of| of.end < span.start);
        let under = traffic.get(after..).unwrap_or_default().iter();
        let under = under.take_while(|of| of.start <= span.end);
        let mut marked = Marked {
            flow,
            device,
            span,
            genuine: false,
            begun: false,
            within: false,
            goes_on: false,
        };
        for of in under {
            marked.genuine = true;
            marked.begun |= of.start <= span.start;
            marked.within |= of.start > span.start && of.end <= span.end;
        }
        marked
    });
    let mut marked: Vec<Marked> = marked.collect();
    marked.sort_by_key(|period| (period.flow, period.span));
    let mut before: Option<(u32, Timestamp)> = None;
    for period in &mut marked {
        let end = before.filter(|(flow, _)| *flow == period.flow);
        period.goes_on = end.is_some_and(|(_, end)| period.span.start.0.saturating_sub(end.0) <= 1);
        before = Some((period.flow, period.span.end));
    }
    marked
}
