//! The two clocks of a recording: the one on the wall, by which packets are dated, and the one that only goes on. When they
//! part, the wall's was set, or the machine slept.

use crate::capture::Moment;
use crate::units::{Timestamp, NANOS};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A difference worth a note; what keeps clocks right by and by makes none.
const A_STEP: i64 = NANOS;

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// Begins to count.
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Moment {
            wall: Timestamp(0) + since,
            since: self.began.elapsed(),
        }
    }
}

/// Notices steps of the clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// What the wall's clock was ahead by, in ns.
    ahead: i64,
}

impl Steps {
    /// From that moment on.
    pub fn since(now: Moment) -> Self {
        Self { ahead: ahead(now) }
    }

    /// By how many nanoseconds the clock has stepped since it was looked at last, if it did.
    pub fn look(&mut self, now: Moment) -> Option<i64> {
        let ahead = ahead(now);
        let step = ahead.saturating_sub(self.ahead);
        // Small differences are taken over, so that slow ones never add up to a step.
        self.ahead = ahead;
        (step.saturating_abs() > A_STEP).then_some(step)
    }
}

fn ahead(now: Moment) -> i64 {
    now.wall.0.saturating_sub(crate::units::nanos(now.since))
}

/// A step in words.
pub fn told(step: i64) -> String {
    let seconds = step as f64 / NANOS as f64;
    match step > 0 {
        true => {
            format!("the clock went forward by {seconds:.3} s: it was set, or the machine slept")
        }
        false => format!("the clock went back by {:.3} s: it was set", -seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall_ms: i64, since_ms: u64) -> Moment {
        Moment {
            wall: Timestamp(wall_ms * 1_000_000),
            since: Duration::from_millis(since_ms),
        }
    }

    #[test]
    fn steps_are_told_from_drift() {
        let mut steps = Steps::since(moment(1_000_000, 0));
        assert_eq!(steps.look(moment(1_001_000, 1_000)), None);
        // 1 s fast within 1 s: no more than a step, and taken over.
        assert_eq!(steps.look(moment(1_003_000, 2_000)), None);
        assert_eq!(steps.look(moment(1_004_000, 3_000)), None);
        let step = steps.look(moment(1_065_000, 4_000)).unwrap();
        assert!(told(step).contains("forward by 60.000 s"), "{}", told(step));
        let step = steps.look(moment(1_061_500, 5_000)).unwrap();
        assert!(told(step).contains("back by 4.500 s"), "{}", told(step));
        assert_eq!(steps.look(moment(1_062_500, 6_000)), None);
    }

    #[test]
    fn time_goes_on() {
        let clock = Clock::start();
        let (before, after) = (clock.now(), clock.now());
        assert!(before.since <= after.since && before.wall > Timestamp::new(1_600_000_000, 0));
    }
}
