//! Time as pcapng interfaces count it, turned into nanoseconds.
//!
//! `if_tsresol` and `if_tsoffset` of draft-ietf-opsawg-pcapng, section 4.2: a unit is 10^-n s, or 2^-n s where the
//! highest bit is set (n up to 127 either way), and whole seconds are added.

use crate::units::{Timestamp, NANOS};

/// How one interface counts time.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    offset: i64,
    /// Counts below this one can neither overflow nor be clamped; 0 where each must be looked at.
    plain_below: u64,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Unit {
    /// Nanoseconds a unit, 10^9 to 1.
    Multiple(u32),
    /// Units a nanosecond, a power of ten; `None` where it is beyond 128 bits and every count is 0 ns.
    Fraction(Option<u128>),
    /// 2^-n seconds.
    Binary(u32),
}

impl Clock {
    /// The clock of `if_tsresol` (6 where the option is absent) and `if_tsoffset` (seconds, 0 where absent).
    pub(super) fn new(tsresol: u8, offset: i64) -> Self {
        let exponent = u32::from(tsresol & 0x7f);
        let unit = match exponent {
            n if tsresol & 0x80 != 0 => Unit::Binary(n),
            n @ 0..=9 => Unit::Multiple(10u32.pow(9 - n)),
            n => Unit::Fraction(10u128.checked_pow(n - 9)),
        };
        let plain_below = match unit {
            Unit::Multiple(nanos) if offset == 0 => i64::MAX as u64 / u64::from(nanos) + 1,
            _ => 0,
        };
        Self {
            unit,
            offset,
            plain_below,
        }
    }

    /// Whether a date of our days can be told at all: 64 bits of units must reach beyond 2005.
    pub(super) fn reaches_today(&self) -> bool {
        let (at, _) = Self {
            offset: 0,
            plain_below: 0,
            ..*self
        }
        .exact(u64::MAX);
        at.0 > 1_100_000_000 * NANOS
    }

    /// The instant of a count, and whether it had to be clamped to 1677..2262, which is what 64 bits of ns hold.
    #[inline]
    pub(super) fn at(&self, count: u64) -> (Timestamp, bool) {
        match self.unit {
            Unit::Multiple(nanos) if count < self.plain_below => {
                (Timestamp((count * u64::from(nanos)) as i64), false)
            }
            _ => self.exact(count),
        }
    }

    fn exact(&self, count: u64) -> (Timestamp, bool) {
        let count = i128::from(count);
        let nanos = match self.unit {
            Unit::Multiple(nanos) => count * i128::from(nanos),
            Unit::Fraction(units) => units
                .and_then(|units| i128::try_from(units).ok())
                .map_or(0, |units| count / units),
            // 2^64 * 10^9 has 94 bits, so a shift by n up to 127 is exact enough, and 0 from 94 on.
            Unit::Binary(bits) => (count * i128::from(NANOS)) >> bits.min(127),
        };
        let nanos = nanos + i128::from(self.offset) * i128::from(NANOS);
        match i64::try_from(nanos) {
            Ok(nanos) => (Timestamp(nanos), false),
            Err(_) if nanos < 0 => (Timestamp(i64::MIN), true),
            Err(_) => (Timestamp(i64::MAX), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(tsresol: u8, offset: i64, count: u64) -> i64 {
        Clock::new(tsresol, offset).at(count).0 .0
    }

    #[test]
    fn decimal_units() {
        assert_eq!(nanos(6, 0, 1_500_000), 1_500_000_000);
        assert_eq!(nanos(9, 0, 1_500_000), 1_500_000);
        assert_eq!(nanos(0, 0, 12_345), 12_345 * NANOS);
        assert_eq!(nanos(12, 0, 12_345), 12);
        assert_eq!(nanos(20, 0, u64::MAX), 184_467_440);
        assert_eq!(nanos(0x7f, 0, u64::MAX), 0);
    }

    #[test]
    fn binary_units() {
        assert_eq!(nanos(0x80, 0, 12_345), 12_345 * NANOS);
        assert_eq!(nanos(0x80 | 10, 0, 1536), 1_500_000_000);
        assert_eq!(nanos(0xff, 0, u64::MAX), 0);
    }

    #[test]
    fn offsets_are_whole_seconds_either_way() {
        assert_eq!(nanos(6, 1_700_000_000, 7), 1_700_000_000_000_007_000);
        assert_eq!(nanos(9, -1, 5), 5 - NANOS);
        assert_eq!(nanos(12, -1, 5_000), 5 - NANOS);
    }

    #[test]
    fn what_does_not_fit_is_clamped_and_told() {
        assert_eq!(Clock::new(6, 0).at(u64::MAX), (Timestamp(i64::MAX), true));
        assert_eq!(Clock::new(0, i64::MIN).at(0), (Timestamp(i64::MIN), true));
        assert_eq!(
            Clock::new(9, 0).at(i64::MAX as u64),
            (Timestamp(i64::MAX), false)
        );
    }

    #[test]
    fn a_clock_too_fine_for_our_days_is_known() {
        assert!(Clock::new(6, 0).reaches_today());
        assert!(Clock::new(10, 0).reaches_today());
        assert!(!Clock::new(11, 0).reaches_today());
        assert!(!Clock::new(0xbf, 0).reaches_today());
    }
}
