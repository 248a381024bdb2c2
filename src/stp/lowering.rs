//! A rate that is started high and lowered.
//!
//! The paper, section 6.1: where the maximum rate of a device is not known, "R can be started at a high value and
//! periodically decreased as long as it remains higher than any previous traffic rate during user activity". It changes
//! between stretches of padding and never within one, and depends on what has been, not on what is: the rate of a stretch
//! tells nothing of what is under it. Where an activity exceeded the rate, which the paper leaves open, it is raised above
//! that activity before the next stretch.

use crate::units::{Rate, Timestamp, NANOS};
use std::time::Duration;

/// How the rates of padding change over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RatePolicy {
    /// Not at all.
    #[default]
    Fixed,
    /// Lowered again and again, but kept above any earlier activity.
    Lowering {
        /// What they start at, up and down.
        start: [Rate; 2],
        /// How often.
        every: Duration,
        /// What the rate is multiplied with, above 0 and at most 1.
        factor: f64,
        /// How many times the highest rate seen it is kept at, at least 1.
        margin: f64,
    },
}

/// The rate of one direction while it is being lowered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lowered {
    rate: f64,
    since: Timestamp,
    second: i64,
    bytes: u64,
    peak: u64,
}

impl Lowered {
    pub(super) fn new(start: Rate, origin: Timestamp) -> Self {
        Self {
            rate: start.bytes_per_s(),
            since: origin,
            second: i64::MIN,
            bytes: 0,
            peak: 0,
        }
    }

    /// Bytes of an activity were seen.
    pub(super) fn note(&mut self, at: Timestamp, bytes: u32) {
        let second = at.0.div_euclid(NANOS);
        if second != self.second {
            self.second = second;
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(u64::from(bytes));
        self.peak = self.peak.max(self.bytes);
    }

    /// The rate of the stretch of padding that begins now. `fill` is how many bytes of cells carry one byte of traffic.
    pub(super) fn now(
        &mut self,
        at: Timestamp,
        every: Duration,
        factor: f64,
        margin: f64,
        fill: f64,
    ) -> Option<Rate> {
        if self.peak == 0 {
            // Nothing is known that it could be kept above.
            self.since = at;
            return Rate::new(self.rate);
        }
        let every = every.as_nanos().max(1);
        let steps = at.since(self.since).as_nanos() / every;
        let floor = self.peak as f64 * margin * fill;
        if steps > 0 {
            let steps = i32::try_from(steps).unwrap_or(i32::MAX);
            self.rate *= factor.powi(steps);
            self.since = at;
        }
        self.rate = self.rate.max(floor).min(Rate::MOST.bytes_per_s());
        Rate::new(self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_step_by_step_and_stops_above_what_was_seen() {
        let mut rate = Lowered::new(Rate::new(1000.0).unwrap(), Timestamp(0));
        let hour = Duration::from_secs(3600);
        let at = |rate: &mut Lowered, hours: i64| {
            let now = rate.now(Timestamp::new(hours * 3600, 0), hour, 0.5, 2.0, 1.0);
            now.unwrap().bytes_per_s()
        };
        // Nothing seen: not lowered.
        assert_eq!(at(&mut rate, 1), 1000.0);
        // 60 + 40 bytes in one second, 50 in another: the peak is 100, the floor 200.
        for (second, bytes) in [(3700, 60), (3700, 40), (3701, 50)] {
            rate.note(Timestamp::new(second, 5), bytes);
        }
        assert_eq!(
            [at(&mut rate, 2), at(&mut rate, 3), at(&mut rate, 9)],
            [500.0, 250.0, 200.0]
        );
        rate.note(Timestamp::new(40_000, 0), 300);
        assert_eq!(at(&mut rate, 10), 600.0);
    }
}
