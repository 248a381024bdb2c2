//! `count`: tells days at home from days away.
//!
//! Ours. Padding hides which periods are activities, not how many periods there are: a day with activities has more. One
//! guess for each whole day of the capture from its first instant, or for the capture where it is shorter; the belief is the
//! number of padded periods that begin on that day, or, where no flow has any, the bytes of the day. The guesses are about
//! the home, not about a device.

use super::padding::periods;
use super::wire::half_open;
use crate::threat::{Adversary, Guess, Observation};
use crate::units::{nanos, Span, Timestamp};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// See the [module](self).
#[derive(Debug)]
pub struct Count;

impl Adversary for Count {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        let start = seen.window.start;
        let whole = nanos(seen.window.duration()) / nanos(DAY);
        let days: Vec<Span> = match u32::try_from(whole).unwrap_or(u32::MAX) {
            0 => vec![Span::new(start, seen.window.end + Duration::from_nanos(1))],
            whole => (0..whole)
                .map(|n| start + DAY.saturating_mul(n))
                .map(|start| Span::new(start, start + DAY))
                .collect(),
        };
        let has_periods = |flow: &crate::threat::SeenFlow| {
            flow.shaping.is_some_and(|shaping| shaping.period.is_some())
        };
        let counts = match seen.flows.iter().any(has_periods) {
            true => begins(seen, &days),
            false => bytes(seen, &days),
        };
        let guesses = days.iter().zip(counts);
        guesses
            .map(|(&day, count)| Guess {
                span: half_open(day),
                device: None,
                belief: count as f64,
            })
            .collect()
    }
}

/// Periods that begin on each day.
fn begins(seen: &Observation, days: &[Span]) -> Vec<u64> {
    let mut begins: Vec<Timestamp> = periods(seen).iter().map(|(_, span)| span.start).collect();
    begins.sort_unstable();
    let before = |at| begins.partition_point(|&begin| begin < at);
    let of = |day: &Span| before(day.end).saturating_sub(before(day.start)) as u64;
    days.iter().map(of).collect()
}

/// Bytes of each day.
fn bytes(seen: &Observation, days: &[Span]) -> Vec<u64> {
    let mut counts = vec![0u64; days.len()];
    for sighting in &seen.sightings {
        let from = days.partition_point(|day| day.end <= sighting.at);
        let upto = days.partition_point(|day| day.start <= sighting.end());
        let (Some(days), Some(counts)) = (days.get(from..upto), counts.get_mut(from..upto)) else {
            continue;
        };
        for (day, count) in days.iter().zip(counts) {
            let of = |at| u64::from(sighting.count_before(at));
            let packets = of(day.end).saturating_sub(of(day.start));
            *count = count.saturating_add(packets.saturating_mul(u64::from(sighting.bytes)));
        }
    }
    counts
}
