//! The fixed shape of padded traffic: when within a period its cells go.
//!
//! The paper, section 6.1: "STP implementations could shape traffic to a constant rate R, replay a short-lived flow scaled
//! to mean rate R, or choose any other fixed traffic shape with mean rate R." Cells are all of one size, and every period
//! carries the same whole number of them: R T over the size of a cell, rounded up, so that the rate is never below R.

use crate::units::{nanos, Rate, NANOS};
use std::time::Duration;

/// Most cells of a period that is replayed: their times are kept in memory.
pub const REPLAYED_AT_MOST: u64 = 1_000_000;

/// When the cells of one direction go, counted from the begin of a period.
#[derive(Clone, Debug, PartialEq)]
pub enum Cadence {
    /// At a constant distance, which goes on through periods that follow one another.
    Constant {
        /// Nanoseconds from cell to cell.
        every: i64,
    },
    /// As in a recorded flow.
    Replay {
        /// Nanoseconds after the begin of the period, ascending, each less than T.
        offsets: Vec<i64>,
    },
}

/// How many cells a period carries at a rate: R T / cell, rounded up.
pub fn cells_per_period(rate: Rate, period: Duration, cell_bytes: u32) -> u64 {
    let exact = rate.bytes_per_s() * period.as_secs_f64() / f64::from(cell_bytes.max(1));
    // What floating point adds to a whole number is no further cell.
    (exact - 1e-9 * exact.max(1.0)).ceil().max(1.0) as u64
}

impl Cadence {
    /// Cells at a constant distance, with a mean of at least `rate`.
    pub fn constant(rate: Rate, period: Duration, cell_bytes: u32) -> Self {
        let cells = cells_per_period(rate, period, cell_bytes);
        let length = u64::try_from(nanos(period)).unwrap_or(0).max(1);
        // Rounded up: the last cell of a period is followed by none within it.
        let every = i64::try_from(length.div_ceil(cells)).unwrap_or(i64::MAX);
        Self::Constant { every }
    }

    /// Cells as the bytes of a recorded flow went second by second, scaled so that the mean over T is at least `rate`.
    ///
    /// Recorded seconds beyond T are left out, those missing are silent.
    /// `None` where nothing was recorded within T, or where a period would have more than [`REPLAYED_AT_MOST`] cells.
    pub fn replay(recorded: &[u64], rate: Rate, period: Duration, cell_bytes: u32) -> Option<Self> {
        let cells = cells_per_period(rate, period, cell_bytes);
        if cells > REPLAYED_AT_MOST {
            return None;
        }
        let length = nanos(period);
        let second = |index: usize| i64::try_from(index).ok()?.checked_mul(NANOS);
        let mut seconds: Vec<(i64, i64, f64)> = Vec::new();
        for (index, &bytes) in recorded.iter().enumerate() {
            let Some(from) = second(index).filter(|&from| from < length) else {
                break;
            };
            seconds.push((from, (length - from).min(NANOS), bytes as f64));
        }
        let total: f64 = seconds.iter().map(|second| second.2).sum();
        if total <= 0.0 {
            return None;
        }
        let mut offsets = Vec::with_capacity(usize::try_from(cells).ok()?);
        let (mut passed, mut sent) = (0.0, 0u64);
        for (from, width, bytes) in seconds {
            let upto = passed + bytes;
            // The n-th cell goes when n / cells of all bytes have gone.
            while sent < cells && (sent as f64) * total < upto * cells as f64 {
                let share = (sent as f64 * total / cells as f64 - passed) / bytes;
                let within = (share * width as f64) as i64;
                offsets.push(from.saturating_add(within.clamp(0, width.saturating_sub(1))));
                sent += 1;
            }
            passed = upto;
        }
        Some(Self::Replay { offsets })
    }

    /// How many cells a period has that begins with one.
    pub fn cells(&self, period: Duration) -> u64 {
        match self {
            Self::Constant { every } => {
                let every = u64::try_from(*every).unwrap_or(1).max(1);
                u64::try_from(nanos(period)).unwrap_or(0).div_ceil(every)
            }
            Self::Replay { offsets } => offsets.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(4);

    fn rate(bytes_per_s: f64) -> Rate {
        Rate::new(bytes_per_s).unwrap()
    }

    #[test]
    fn a_period_has_a_whole_number_of_cells() {
        // 1000 B/s for 4 s in cells of 500 B: 8. At 1001 B/s: 9.
        let cells = |r| Cadence::constant(rate(r), T, 500).cells(T);
        assert_eq!([cells(1000.0), cells(1001.0), cells(0.1)], [8, 9, 1]);
        assert_eq!(
            Cadence::constant(rate(1000.0), T, 500),
            Cadence::Constant { every: NANOS / 2 }
        );
        // 7 cells in 4 s: 571428571.43 ns, rounded up; six of them are still below 4 s.
        let seven = Cadence::constant(rate(875.0), T, 500);
        assert_eq!(
            (seven.cells(T), seven),
            (7, Cadence::Constant { every: 571_428_572 })
        );
    }

    #[test]
    fn a_recorded_flow_is_replayed_to_scale() {
        // 300 bytes in the first second, none in the second, 100 in the third: of 8 cells 6 and 2.
        let shape = Cadence::replay(&[300, 0, 100], rate(1000.0), T, 500).unwrap();
        let Cadence::Replay { offsets } = &shape else {
            panic!("{shape:?}")
        };
        let tenths: Vec<i64> = offsets.iter().map(|at| at / 100_000_000).collect();
        assert_eq!(tenths, [0, 1, 3, 5, 6, 8, 20, 25]);
        // What lies beyond T is left out.
        assert_eq!(
            Cadence::replay(&[0, 0, 0, 0, 9], rate(1000.0), T, 500),
            None
        );
        assert_eq!(Cadence::replay(&[1], Rate::MOST, T, 64), None);
    }
}
