//! When devices are told apart anew.
//!
//! That takes some microseconds a flow, so it is done when a flow came that nobody clearly owns, once in a second at most, and the
//! more seldom the more flows there are. A name heard for the first time, or a flow that is surely somebody's, is a lesser reason:
//! it waits ten times as long, and each time that it changes nothing twice as long, up to ten minutes.

use crate::units::Timestamp;
use std::time::Duration;

/// Devices are told apart at most once in this time ...
const HASTE: Duration = Duration::from_secs(1);
/// ... and so much more for each flow, to take a hundredth of a processor at most ...
const HASTE_A_FLOW: Duration = Duration::from_millis(1);
/// ... but once in this time whatever it takes.
const ROUTINE: Duration = Duration::from_secs(60);
/// What a new name may tell of a device is less urgent than whose a new flow is: so many times ...
const NO_HURRY: u32 = 10;
/// ... and in a home where it never tells anything, for so long at most.
const LULL: Duration = Duration::from_secs(600);

/// The reasons to tell devices apart, and when it was done last.
#[derive(Clone, Debug)]
pub struct Haste {
    /// When it was done last, how long that is enough for, and what was new then.
    last: Option<(Timestamp, Duration, u64)>,
    /// How long a lesser reason waits.
    lull: Duration,
    /// Flows came of which nobody knows whose they are.
    astray: bool,
}

impl Default for Haste {
    fn default() -> Self {
        Self {
            last: None,
            lull: HASTE,
            astray: false,
        }
    }
}

impl Haste {
    /// A flow came of which nobody knows whose it is.
    pub fn stray(&mut self) {
        self.astray = true;
    }

    /// Whether it is to be done now, at `news` names and flows heard of since the watch began.
    pub fn is_due(&self, now: Timestamp, news: u64) -> bool {
        let Some((last, patience, known)) = self.last else {
            return true;
        };
        let since = now.since(last);
        (self.astray && since >= patience) || (known != news && since >= self.lull)
    }

    /// It was done, among so many flows; `changed` where that changed what is told of devices.
    pub fn told_apart(&mut self, now: Timestamp, news: u64, flows: usize, changed: bool) {
        let patience = patience(flows);
        self.astray = false;
        self.last = Some((now, patience, news));
        self.lull = match changed {
            true => patience * NO_HURRY,
            false => self.lull.saturating_mul(2).min(LULL),
        };
    }

    /// When it was done last is no longer known: the clock was set back.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

/// How long it is enough for among so many flows.
fn patience(flows: usize) -> Duration {
    let a_flow = HASTE_A_FLOW.saturating_mul(u32::try_from(flows).unwrap_or(u32::MAX));
    (HASTE + a_flow).min(ROUTINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(1_000_000, 0) + Duration::from_millis(millis)
    }

    #[test]
    fn the_first_is_due_at_once_and_without_a_reason_no_other() {
        let mut haste = Haste::default();
        assert!(haste.is_due(at(0), 0));
        haste.told_apart(at(0), 5, 0, true);
        assert!(!haste.is_due(at(100_000_000), 5));
        haste.forget();
        assert!(haste.is_due(at(0), 5));
    }

    #[test]
    fn a_stray_flow_waits_a_second_and_a_millisecond_for_each_flow_and_a_minute_at_most() {
        for (flows, patience) in [(0, 1_000), (500, 1_500), (1_000_000, 60_000)] {
            let mut haste = Haste::default();
            haste.told_apart(at(0), 0, flows, true);
            haste.stray();
            assert!(!haste.is_due(at(patience - 1), 0), "{flows}");
            assert!(haste.is_due(at(patience), 0), "{flows}");
        }
    }

    #[test]
    fn a_name_waits_ten_times_as_long_and_twice_that_where_it_told_nothing() {
        let mut haste = Haste::default();
        haste.told_apart(at(0), 0, 0, true);
        assert!(!haste.is_due(at(9_999), 1));
        assert!(haste.is_due(at(10_000), 1));
        haste.told_apart(at(0), 1, 0, false);
        assert!(!haste.is_due(at(19_999), 2));
        assert!(haste.is_due(at(20_000), 2));
        for news in 2..9 {
            haste.told_apart(at(0), news, 0, false);
        }
        // 20, 40 ... 640 seconds would be next.
        assert!(!haste.is_due(at(599_999), 9));
        assert!(haste.is_due(at(600_000), 9));
    }
}
