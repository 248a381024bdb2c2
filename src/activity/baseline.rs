//! The usual rate in one direction and how much it varies.

use super::parameters::BaselineKind;

/// Standard deviation of a normal law whose median absolute deviation is 1: 1 / Φ⁻¹(3/4).
const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;
/// Standard deviation of a normal law whose mean absolute deviation is 1: √(π/2).
const SIGMA_PER_MEAN_DEVIATION: f64 = 1.253_314_137_315_500_1;

/// Centre and scale of the bytes a bin, in bytes a bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Mean or median.
    pub centre: f64,
    /// Standard deviation, or what a normal law of the same absolute deviations would have. Zero where every bin is alike.
    pub scale: f64,
}

impl Baseline {
    /// The baseline of `bins` bins of which `active` are those that have bytes in them; zeros among them are silent bins as
    /// all others are. Without `count_silent` only bins with bytes count. None: all zero.
    ///
    /// Time goes with the active bins; silent ones cost nothing however many they are. The mean keeps none of them in memory.
    pub fn of(
        kind: BaselineKind,
        active: impl Iterator<Item = u64>,
        bins: u64,
        count_silent: bool,
    ) -> Self {
        let active = active.filter(|&bytes| bytes > 0);
        let silent = |heard: u64| match count_silent {
            true => bins.saturating_sub(heard),
            false => 0,
        };
        match kind {
            BaselineKind::Mean => mean(active, silent),
            BaselineKind::Robust => robust(active.collect(), silent),
        }
    }

    /// How many scales `bytes` is over the centre; zero where all bins are alike.
    pub fn sigmas(&self, bytes: u64) -> f64 {
        if self.scale > 0.0 {
            (bytes as f64 - self.centre) / self.scale
        } else {
            0.0
        }
    }

    /// The bytes a bin that are `k` scales over the centre (below it where `k` is negative).
    pub fn at(&self, k: f64) -> f64 {
        self.centre + k * self.scale
    }
}

/// Where nothing was heard.
const SILENCE: Baseline = Baseline {
    centre: 0.0,
    scale: 0.0,
};

/// Running sums from which mean and standard deviation are told at any time, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Bins with bytes in them.
    pub active: u64,
    sum: u128,
    squares: u128,
}

impl Sums {
    /// Puts in a bin of so many bytes; a silent one changes nothing.
    pub fn put(&mut self, bytes: u64) {
        self.active += u64::from(bytes > 0);
        self.sum += u128::from(bytes);
        let square = u128::from(bytes) * u128::from(bytes);
        self.squares = self.squares.saturating_add(square);
    }

    /// Takes out a bin that was put in.
    pub fn take(&mut self, bytes: u64) {
        self.active = self.active.saturating_sub(u64::from(bytes > 0));
        self.sum = self.sum.saturating_sub(u128::from(bytes));
        let square = u128::from(bytes) * u128::from(bytes);
        self.squares = self.squares.saturating_sub(square);
    }

    /// Bytes of all bins.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.sum).unwrap_or(u64::MAX)
    }

    /// The [`BaselineKind::Mean`] of `bins` bins, the silent ones among them; without `count_silent` of the active ones alone.
    pub fn baseline(&self, bins: u64, count_silent: bool) -> Baseline {
        self.beside(match count_silent {
            true => bins.saturating_sub(self.active),
            false => 0,
        })
    }

    /// The same of these bins and so many silent ones.
    fn beside(&self, silent: u64) -> Baseline {
        if self.active == 0 {
            return SILENCE;
        }
        let n = u128::from(silent) + u128::from(self.active);
        mean_of(n, self.sum, self.squares)
    }
}

/// Mean and population standard deviation.
fn mean(active: impl Iterator<Item = u64>, silent: impl Fn(u64) -> u64) -> Baseline {
    let mut sums = Sums::default();
    active.for_each(|bytes| sums.put(bytes));
    sums.beside(silent(sums.active))
}

fn mean_of(n: u128, sum: u128, squares: u128) -> Baseline {
    // n Σx² - (Σx)², exact where it fits: bins all alike then vary by exactly nothing.
    let spread = match (n.checked_mul(squares), sum.checked_mul(sum)) {
        (Some(left), Some(right)) => left.saturating_sub(right) as f64,
        _ => (n as f64 * squares as f64 - (sum as f64).powi(2)).max(0.0),
    };
    Baseline {
        centre: sum as f64 / n as f64,
        scale: spread.sqrt() / n as f64,
    }
}

/// Median and scaled median absolute deviation (B. Iglewicz, D. Hoaglin, "How to Detect and Handle Outliers", ASQC 1993).
/// Where more than half of the bins equal the median, as in a device that is mostly silent, that deviation is zero and the
/// scaled mean absolute deviation stands in.
fn robust(mut values: Vec<u64>, silent: impl Fn(u64) -> u64) -> Baseline {
    if values.is_empty() {
        return SILENCE;
    }
    let silent = silent(values.len() as u64);
    values.sort_unstable();
    let sorted: Vec<f64> = values.iter().map(|&bytes| bytes as f64).collect();
    let centre = median(&sorted, 0.0, silent);
    let mut deviations: Vec<f64> = sorted.iter().map(|x| (x - centre).abs()).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    let mad = median(&deviations, centre, silent);
    let scale = if mad > 0.0 {
        SIGMA_PER_MAD * mad
    } else {
        let n = sorted.len() as f64 + silent as f64;
        SIGMA_PER_MEAN_DEVIATION * (deviations.iter().sum::<f64>() + centre * silent as f64) / n
    };
    Baseline { centre, scale }
}

/// Median of `sorted` and `times` more values that all are `value`.
fn median(sorted: &[f64], value: f64, times: u64) -> f64 {
    let below = sorted.partition_point(|&x| x < value) as u64;
    let n = sorted.len() as u64 + times;
    let ranked = |rank: u64| {
        let index = if rank < below {
            rank
        } else if rank < below + times {
            return value;
        } else {
            rank - times
        };
        sorted.get(index as usize).copied().unwrap_or(value)
    };
    match n {
        0 => 0.0,
        n if n % 2 == 1 => ranked(n / 2),
        n => (ranked(n / 2 - 1) + ranked(n / 2)) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn baseline(kind: BaselineKind, active: &[u64], bins: u64, count_silent: bool) -> Baseline {
        Baseline::of(kind, active.iter().copied(), bins, count_silent)
    }

    #[test]
    fn mean_counts_silence_or_not() {
        // 0 0 0 8: mean 2, variance (3*4 + 36) / 4 = 12.
        let b = baseline(BaselineKind::Mean, &[8], 4, true);
        assert_eq!((b.centre, b.scale), (2.0, 12f64.sqrt()));
        // 2 and 6 alone: mean 4, deviation 2.
        let b = baseline(BaselineKind::Mean, &[2, 6], 1_000_000, false);
        assert_eq!((b.centre, b.scale), (4.0, 2.0));
    }

    #[test]
    fn robust_is_not_moved_by_one_burst() {
        // 1 2 3 4 1000: median 3, deviations 2 1 0 1 997, their median 1.
        let b = baseline(BaselineKind::Robust, &[3, 1, 1000, 2, 4], 5, true);
        assert_eq!((b.centre, b.scale), (3.0, SIGMA_PER_MAD));
        // 0 0 2 4: median 1, deviations 1 1 1 3.
        let b = baseline(BaselineKind::Robust, &[4, 2], 4, true);
        assert_eq!((b.centre, b.scale), (1.0, SIGMA_PER_MAD));
    }

    #[test]
    fn a_mostly_silent_device_falls_back_to_the_mean_deviation() {
        // 0 x 9 and 10: median 0, median deviation 0, mean deviation 1.
        let b = baseline(BaselineKind::Robust, &[10], 10, true);
        assert_eq!((b.centre, b.scale), (0.0, SIGMA_PER_MEAN_DEVIATION));
    }

    #[test]
    fn bins_all_alike_have_no_scale() {
        for kind in [BaselineKind::Mean, BaselineKind::Robust] {
            let b = baseline(kind, &[123_457; 97], 97, true);
            assert_eq!((b.centre, b.scale), (123_457.0, 0.0));
            assert_eq!(b.sigmas(123_457), 0.0);
            assert_eq!(baseline(kind, &[], 1 << 62, true).scale, 0.0);
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        for kind in [BaselineKind::Mean, BaselineKind::Robust] {
            let b = baseline(kind, &[u64::MAX; 3], u64::MAX, true);
            assert!(b.centre.is_finite() && b.scale.is_finite());
        }
    }

    proptest! {
        /// The silent bins counted are the same as written out as zeros.
        #[test]
        fn silence_is_zeros(active in prop::collection::vec(1u64..5000, 1..40), silent in 0u64..100) {
            let bins = active.len() as u64 + silent;
            for kind in [BaselineKind::Mean, BaselineKind::Robust] {
                let counted = baseline(kind, &active, bins, true);
                let mut written = active.clone();
                written.resize(bins as usize, 0);
                let spelt = baseline(kind, &written, bins, true);
                prop_assert!((counted.centre - spelt.centre).abs() < 1e-9);
                prop_assert!((counted.scale - spelt.scale).abs() < 1e-9);
            }
        }
    }
}
