//! Which days are learned from and which are answered: a window cut into blocks, and blocks into folds.

use crate::units::{nanos, Span, Timestamp};
use std::time::Duration;

/// How a window is cut into parts that are learned from, held back and drawn as wholes: days, or, of less than two, eighths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    start: Timestamp,
    length: i64,
    count: u32,
}

const DAY: Duration = Duration::from_secs(86_400);
/// Blocks of a window of less than two days.
const EIGHTHS: u32 = 8;
/// Days that are told apart at most: ten years.
const DAYS_AT_MOST: i64 = 3_653;

impl Blocks {
    /// Of a window.
    pub fn of(window: Span) -> Self {
        let whole = nanos(window.duration()).max(1);
        // A bit of a day at the end belongs to the last.
        let days = (whole / nanos(DAY)).min(DAYS_AT_MOST);
        let (length, count) = match u32::try_from(days) {
            Ok(days) if days >= 2 => (nanos(DAY), days),
            _ => ((whole / i64::from(EIGHTHS)).max(1), EIGHTHS),
        };
        Self {
            start: window.start,
            length,
            count,
        }
    }

    /// In which block an instant is; what is outside of the window is in the first, or the last.
    pub fn at(&self, at: Timestamp) -> u32 {
        let block = at.0.saturating_sub(self.start.0).max(0) / self.length;
        u32::try_from(block).unwrap_or(u32::MAX).min(self.count - 1)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether they are days.
    pub fn are_days(&self) -> bool {
        self.length == nanos(DAY)
    }

    /// How long one is; the last may be longer.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.length.unsigned_abs())
    }

    /// Where a block begins; the one behind the last would begin with its end.
    pub fn begin(&self, block: u32) -> Timestamp {
        let offset = self.length.saturating_mul(i64::from(block));
        Timestamp(self.start.0.saturating_add(offset))
    }
}

/// Which model answers when: each block by one that was taught without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    /// The blocks.
    pub blocks: Blocks,
    /// How many folds; at least one.
    pub count: u32,
}

impl Folds {
    /// The fold that a block is in: neighbours are in the same.
    pub fn of_block(&self, block: u32) -> u32 {
        let place = u64::from(block) * u64::from(self.count) / u64::from(self.blocks.count());
        u32::try_from(place).unwrap_or(0).min(self.count - 1)
    }

    /// The fold of an instant.
    pub fn at(&self, at: Timestamp) -> u32 {
        self.of_block(self.blocks.at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_blocks_and_folds_are_neighbours() {
        let at = |hours: i64| Timestamp::new(hours * 3_600, 0);
        let week = Blocks::of(Span::new(at(0), at(7 * 24 + 5)));
        assert!(week.are_days());
        let of = [0, 23, 24, 7 * 24 + 1, 999].map(|hours| week.at(at(hours)));
        assert_eq!((week.count(), of), (7, [0, 0, 1, 6, 6]));
        let folds = Folds {
            blocks: week,
            count: 3,
        };
        let folds: Vec<u32> = (0..7).map(|block| folds.of_block(block)).collect();
        assert_eq!(folds, [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(week.begin(2), at(48));
        let day = Blocks::of(Span::new(at(0), at(24)));
        assert_eq!((day.count(), day.at(at(4)), day.are_days()), (8, 1, false));
        assert_eq!(
            (day.length(), day.begin(3)),
            (Duration::from_secs(10_800), at(9))
        );
    }
}
