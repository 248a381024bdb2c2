//! How long until something happens that has the same chance every second: draws of the geometric distribution, so that a
//! simulation jumps from event to event and no idle second is ever stepped through.

use crate::units::Probability;
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

/// Below this chance the logarithm is quicker than a table; and at it, the longest table ends with 1 draw in 55 undecided.
const TABLE_FROM: f64 = 1.0 / 256.0;
/// Most entries of a table.
const ENTRIES_AT_MOST: usize = 1_024;
/// Bits of a draw that say where in the table to begin.
const GUIDE_BITS: u32 = 10;

/// The number of seconds in vain before the first with success.
///
/// For common chances it compares a whole random number with a table of whole numbers: fast, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Geometric(Way);

#[derive(Clone, Debug)]
enum Way {
    Never,
    Always,
    /// ln(1 - chance), for rare events.
    Logarithm(f64),
    Table {
        /// At place k: 2^32 times the chance that at most k seconds are in vain.
        upto: Vec<u32>,
        /// By the highest bits of a draw: the first place that can be the answer.
        guide: Vec<u16>,
    },
}

impl Geometric {
    /// For what happens with this chance every second.
    pub fn new(chance: Probability) -> Self {
        let chance = chance.get();
        if chance <= 0.0 {
            return Self(Way::Never);
        }
        if chance >= 1.0 {
            return Self(Way::Always);
        }
        if chance < TABLE_FROM {
            return Self(Way::Logarithm((-chance).ln_1p()));
        }
        let mut upto = Vec::new();
        let mut in_vain = 1.0;
        while upto.len() < ENTRIES_AT_MOST {
            in_vain *= 1.0 - chance;
            // `as` saturates: the last entries of a likely event are u32::MAX.
            upto.push(((1.0 - in_vain) * 2f64.powi(32)).round() as u32);
            if in_vain < 2f64.powi(-32) {
                break;
            }
        }
        let guide = (0..1u32 << GUIDE_BITS)
            .map(|top| {
                let least = top << (32 - GUIDE_BITS);
                let place = upto.partition_point(|&entry| entry <= least);
                u16::try_from(place).unwrap_or(u16::MAX)
            })
            .collect();
        Self(Way::Table { upto, guide })
    }

    /// Draws. [`u64::MAX`] for what never happens.
    #[inline]
    pub fn draw(&self, chance: &mut ChaCha8Rng) -> u64 {
        match &self.0 {
            Way::Always => 0,
            Way::Never => u64::MAX,
            Way::Logarithm(log) => {
                // Above 0 and up to 1, in steps of 2^-53; `as` rounds down and saturates.
                let share = ((chance.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53);
                (share.ln() / log) as u64
            }
            Way::Table { upto, guide } => {
                let mut before = 0u64;
                loop {
                    let draw = chance.next_u32();
                    let top = (draw >> (32 - GUIDE_BITS)) as usize;
                    let mut place = usize::from(guide.get(top).copied().unwrap_or(0));
                    while upto.get(place).is_some_and(|&entry| draw >= entry) {
                        place += 1;
                    }
                    if place < upto.len() {
                        return before + place as u64;
                    }
                    // Beyond the table all begins anew: the past does not matter.
                    before = before.saturating_add(upto.len() as u64);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn draws(chance: f64, count: usize) -> Vec<u64> {
        let law = Geometric::new(Probability::new(chance).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        (0..count).map(|_| law.draw(&mut rng)).collect()
    }

    #[test]
    fn what_is_certain_needs_no_draw() {
        assert_eq!(draws(1.0, 2), [0, 0]);
        assert_eq!(draws(0.0, 2), [u64::MAX, u64::MAX]);
    }

    #[test]
    fn mean_variance_and_shares_are_those_of_the_law() {
        // Mean (1-p)/p, variance (1-p)/p^2, chance of 0 p, chance of 3 or more (1-p)^3; within 5 standard errors.
        for p in [1e-6, 0.001, 0.0039, 0.004, 0.01, 0.1, 0.5, 0.9, 0.999] {
            let drawn = draws(p, 200_000);
            let n = drawn.len() as f64;
            let (mean, variance) = ((1.0 - p) / p, (1.0 - p) / (p * p));
            let found = drawn.iter().map(|&k| k as f64).sum::<f64>() / n;
            assert!(
                (found - mean).abs() < 5.0 * (variance / n).sqrt(),
                "{p}: mean {found}, not {mean}"
            );
            for (least, share) in [(1, 1.0 - p), (3, (1.0 - p).powi(3))] {
                let found = drawn.iter().filter(|&&k| k >= least).count() as f64 / n;
                assert!(
                    (found - share).abs() <= 5.0 * (share * (1.0 - share) / n).sqrt() + 1e-9,
                    "{p}: {least} or more {found}, not {share}"
                );
            }
        }
    }
}
