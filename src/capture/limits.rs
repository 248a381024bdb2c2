//! When a recording ends (`-a`, `-c`) and when its next file begins (`-b`): dumpcap's conditions with dumpcap's meaning.

use crate::units::{Timestamp, NANOS};
use std::time::Duration;

/// Conditions, each of which is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// So long after the beginning.
    pub duration: Option<Duration>,
    /// So many bytes in the file.
    pub bytes: Option<u64>,
    /// So many packets.
    pub packets: Option<u64>,
    /// So many files: to end with, or to keep at a time.
    pub files: Option<u64>,
    /// When the time of day is a multiple of so many seconds since 1970; only for files.
    pub interval: Option<u64>,
}

/// How much there is of what limits speak of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) packets: u64,
}

impl Limits {
    /// Whether bytes or packets have reached theirs.
    #[inline]
    pub(super) fn reached_by(&self, amount: Amount) -> bool {
        self.bytes.is_some_and(|most| amount.bytes >= most)
            || self.packets.is_some_and(|most| amount.packets >= most)
    }

    /// Whether the time is up, of what lasts for `since` by now.
    pub(super) fn is_over(&self, since: Duration) -> bool {
        self.duration.is_some_and(|most| since >= most)
    }

    /// Whether anything but the number of files makes one file end.
    pub fn end_a_file(&self) -> bool {
        self.duration.is_some()
            || self.bytes.is_some()
            || self.packets.is_some()
            || self.interval.is_some()
    }

    /// The next instant after `now` that is a multiple of the interval.
    pub(super) fn next_turn(&self, now: Timestamp) -> Option<Timestamp> {
        let interval = i64::try_from(self.interval?).ok()?.checked_mul(NANOS)?;
        let past = now.0.checked_rem_euclid(interval)?;
        Some(Timestamp(
            now.0.saturating_sub(past).saturating_add(interval),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_turns_at_multiples() {
        let limits = |interval| Limits {
            interval: Some(interval),
            ..Limits::default()
        };
        let at = Timestamp::new(7_199, 999_999_999);
        assert_eq!(limits(3_600).next_turn(at), Some(Timestamp::new(7_200, 0)));
        // What begins at a turn lasts until the next.
        let turn = Timestamp::new(7_200, 0);
        assert_eq!(
            limits(3_600).next_turn(turn),
            Some(Timestamp::new(10_800, 0))
        );
        assert_eq!(limits(0).next_turn(at), None);
        assert_eq!(limits(u64::MAX).next_turn(at), None);
        assert_eq!(Limits::default().next_turn(at), None);
    }

    #[test]
    fn each_is_enough() {
        let limits = Limits {
            bytes: Some(1_000),
            packets: Some(3),
            ..Limits::default()
        };
        let reached = |bytes, packets| limits.reached_by(Amount { bytes, packets });
        assert!(!reached(999, 2) && reached(1_000, 0) && reached(0, 3));
        assert!(!Limits::default().reached_by(Amount {
            bytes: u64::MAX,
            packets: u64::MAX
        }));
        assert!(!limits.end_a_file() || limits.files.is_none());
    }
}
