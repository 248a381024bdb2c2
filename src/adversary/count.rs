//! `count`: tells days at home from days away.
//!
//! Ours. Padding hides which periods are activities, not how many periods there are: a day with activities has more. One
//! guess for each whole day of the capture from its first instant, or for the capture where it is shorter; the belief is the
//! number of padded periods that begin on that day, or, where no flow has any, the bytes of the day. The guesses are about
//! the home, not about a device.

use super::padding::Padding;
use super::wire::{half_open, Watcher, Wire};
use crate::threat::{Adversary, Guess, Observation};
use crate::units::{nanos, Span, Timestamp};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// See the [module](self).
#[derive(Debug)]
pub struct Count;

impl Adversary for Count {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(
            seen,
            &Default::default(),
            Duration::from_secs(1),
        ))
    }
}

impl Watcher for Count {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let seen = wire.seen;
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
            true => begins(wire.padding(), &days),
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
fn begins(padding: &[Padding], days: &[Span]) -> Vec<u64> {
    let mut begins: Vec<Timestamp> = padding
        .iter()
        .flat_map(Padding::periods)
        .map(|span| span.start)
        .collect();
    begins.sort_unstable();
    let before = |at| begins.partition_point(|&begin| begin < at);
    let of = |day: &Span| before(day.end).saturating_sub(before(day.start)) as u64;
    days.iter().map(of).collect()
}

/// Bytes of each day.
fn bytes(seen: &Observation, days: &[Span]) -> Vec<u64> {
    let mut counts = vec![0u64; days.len()];
    let mut today = 0;
    for sighting in &seen.sightings {
        // From one day that holds packets to the next: a train may pass over years without any.
        // Nearly every train lies within the day of the one before.
        if let Some((day, count)) = days.get(today).zip(counts.get_mut(today)) {
            if day.start <= sighting.at && sighting.at < day.end && sighting.end() < day.end {
                *count = count.saturating_add(sighting.total_bytes());
                continue;
            }
        }
        let mut done = 0;
        while done < sighting.count {
            let passed = sighting.every.saturating_mul(i64::from(done));
            let at = Timestamp(sighting.at.0.saturating_add(passed));
            let place = days.partition_point(|day| day.end <= at);
            let (Some(day), Some(count)) = (days.get(place), counts.get_mut(place)) else {
                break;
            };
            let upto = match day.start <= at {
                true => sighting.count_before(day.end).max(done.saturating_add(1)),
                // Before the first day, where a capture is older than its window.
                false => sighting.count_before(day.start).max(done.saturating_add(1)),
            };
            if day.start <= at {
                let bytes = u64::from(upto - done).saturating_mul(u64::from(sighting.bytes));
                today = place;
                *count = count.saturating_add(bytes);
            }
            done = upto;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::{SeenFlow, Sighting, Vantage};
    use crate::units::Direction;

    #[test]
    fn days_are_whole_and_a_train_passes_over_them() {
        // Two days and a bit; ten packets of 7 bytes, one every six hours from six hours before the window: one before, four
        // on each day, one in the bit that is no day.
        let hours = |h: i64| Timestamp::new(h * 3600, 0);
        let train = Sighting {
            count: 10,
            every: hours(6).0,
            ..Sighting::one(hours(-6), 0, Direction::Up, 7)
        };
        let mut seen = Observation {
            vantage: Vantage::Outside,
            window: Span::new(hours(0), hours(50)),
            flows: vec![SeenFlow {
                far: "x".into(),
                shaping: None,
            }],
            sightings: vec![train],
        };
        let beliefs = |seen: &Observation| -> Vec<f64> {
            let guesses = Count.guess(seen);
            guesses.iter().map(|guess| guess.belief).collect()
        };
        assert_eq!(beliefs(&seen), [28.0, 28.0]);
        // Shorter than a day: the capture is the day. 0, 6 and 12 h.
        seen.window = Span::new(hours(0), hours(12));
        assert_eq!(beliefs(&seen), [21.0]);
    }
}
