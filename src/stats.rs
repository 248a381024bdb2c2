//! How sure a number is: intervals of shares, of ratios over trials, and of the area under a curve.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// How often our intervals hold the truth.
pub const LEVEL: f64 = 0.95;
/// The normal distribution's quantile that belongs to it, two-sided.
const Z: f64 = 1.959_963_984_540_054;
/// Resamples of a bootstrap: the ends of a 95 % interval then rest on 25 of them each.
const RESAMPLES: usize = 1_000;

/// An estimate and the interval that holds the truth 95 times in 100.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How often such an interval holds the truth: 0.95.
    pub level: f64,
    /// How it was made.
    pub method: &'static str,
}

impl Interval {
    fn new(value: f64, low: f64, high: f64, method: &'static str) -> Self {
        Self {
            value,
            low,
            high,
            level: LEVEL,
            method,
        }
    }
}

/// The method of an area that rests on fewer than two days on a side: its value is one comparison, or as good as one, and the
/// interval is all there is.
pub const TOO_FEW_DAYS: &str = "too few days";

/// A share of independent tries (E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA
/// 22, 1927): honest also for few tries and shares near 0 or 1. `None` without a try.
pub fn wilson(hits: u64, tries: u64) -> Option<Interval> {
    if tries == 0 {
        return None;
    }
    let (n, share) = (tries as f64, hits.min(tries) as f64 / tries as f64);
    let spread = Z * Z / n;
    let middle = (share + spread / 2.0) / (1.0 + spread);
    let half = Z / (1.0 + spread) * (share * (1.0 - share) / n + spread / (4.0 * n)).sqrt();
    // At the ends rounding would leave the interval a hair short of the share itself.
    Some(Interval::new(
        share,
        (middle - half).clamp(0.0, share),
        (middle + half).clamp(share, 1.0),
        "wilson",
    ))
}

/// Sum of the first over sum of the second numbers, one pair a trial, by resampling whole trials: what happens within a trial
/// hangs together (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993). `None` where the second are all zero.
///
/// With a single trial there is nothing to resample, and the interval is the value alone: ask [`wilson`] then.
pub fn cluster_bootstrap(trials: &[(f64, f64)], chance: &mut ChaCha8Rng) -> Option<Interval> {
    let ratio = |(part, whole): (f64, f64)| (whole > 0.0).then(|| part / whole);
    let add = |sum: (f64, f64), trial: &(f64, f64)| (sum.0 + trial.0, sum.1 + trial.1);
    let value = ratio(trials.iter().fold((0.0, 0.0), add))?;
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let sample =
                (0..trials.len()).filter_map(|_| trials.get(chance.gen_range(0..trials.len())));
            ratio(sample.fold((0.0, 0.0), add))
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * (drawn.len().saturating_sub(1)) as f64).round() as usize;
        drawn.get(place).copied().unwrap_or(value)
    };
    Some(Interval::new(
        value,
        at((1.0 - LEVEL) / 2.0).min(value),
        at((1.0 + LEVEL) / 2.0).max(value),
        "cluster bootstrap by trial",
    ))
}

/// Sum of the first over sum of the second numbers, one pair a trial, with the interval of a ratio of means (W. G. Cochran,
/// "Sampling Techniques", section 6.3): no chance, for curves of thousands of points. `None` where the second are all zero.
pub fn ratio(trials: &[(f64, f64)]) -> Option<Interval> {
    let n = trials.len() as f64;
    let part: f64 = trials.iter().map(|trial| trial.0).sum();
    let whole: f64 = trials.iter().map(|trial| trial.1).sum();
    if whole <= 0.0 {
        return None;
    }
    let value = part / whole;
    let squares: f64 = trials
        .iter()
        .map(|(part, whole)| (part - value * whole).powi(2))
        .sum();
    let half = match n > 1.0 {
        true => Z * (squares / (n - 1.0) / n).sqrt() / (whole / n),
        false => 0.0,
    };
    Some(Interval::new(
        value,
        value - half,
        value + half,
        "ratio over trials",
    ))
}

/// The chance that a number of `these` is above one of `those`, ties half: the area under the ROC curve (J. A. Hanley, B. J.
/// McNeil, Radiology 143, 1982, with their interval). `None` where one side is empty.
///
/// Where the two sides are wholly apart their formula knows no doubt, however few the numbers; the interval is then Wilson's
/// of as many tries as the smaller side has numbers. A side of a single number tells nothing of how numbers differ: the value
/// stands, the interval is 0 to 1, and the method is [`TOO_FEW_DAYS`].
pub fn area_under_curve(these: &[f64], those: &[f64]) -> Option<Interval> {
    if these.is_empty() || those.is_empty() {
        return None;
    }
    let few = these.len().min(those.len()) < 2;
    let mut sorted = those.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins: f64 = these
        .iter()
        .map(|this| {
            let below = sorted.partition_point(|that| that < this);
            let upto = sorted.partition_point(|that| that <= this);
            (below + upto) as f64 / 2.0
        })
        .sum();
    let (m, n) = (these.len() as f64, those.len() as f64);
    let area = wins / (m * n);
    if few {
        return Some(Interval::new(area, 0.0, 1.0, TOO_FEW_DAYS));
    }
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let variance =
        (area * (1.0 - area) + (m - 1.0) * (q1 - area * area) + (n - 1.0) * (q2 - area * area))
            / (m * n);
    let half = Z * variance.max(0.0).sqrt();
    if area <= 0.0 || area >= 1.0 {
        let tries = these.len().min(those.len()) as u64;
        return wilson(if area > 0.5 { tries } else { 0 }, tries);
    }
    Some(Interval::new(
        area,
        (area - half).max(0.0),
        (area + half).min(1.0),
        "hanley-mcneil",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-4, "{a} is not {b}");
    }

    #[test]
    fn wilson_as_published() {
        // 81 of 263: .3080, .2553 to .3662 (R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3).
        let of = wilson(81, 263).unwrap();
        near(of.value, 0.3080);
        near(of.low, 0.2553);
        near(of.high, 0.3662);
        // 0 of 20: 0 to .1611; the same table.
        let none = wilson(0, 20).unwrap();
        assert_eq!((none.value, none.low), (0.0, 0.0));
        near(none.high, 0.1611);
        let all = wilson(20, 20).unwrap();
        assert_eq!((all.value, all.high), (1.0, 1.0));
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn a_ratio_over_trials_by_hand() {
        // 3/4 of means 1.5 / 2: residuals 1 - .75*2 = -.5 and 2 - .75*2 = .5; variance .5; standard error .5 / 2.
        let of = ratio(&[(1.0, 2.0), (2.0, 2.0)]).unwrap();
        near(of.value, 0.75);
        near(of.high - of.value, Z * 0.25);
        assert_eq!(ratio(&[(1.0, 0.0)]), None);
        let one = ratio(&[(1.0, 4.0)]).unwrap();
        assert_eq!((one.low, one.high), (0.25, 0.25));
    }

    #[test]
    fn the_bootstrap_agrees_with_the_formula_and_with_itself() {
        let trials: Vec<(f64, f64)> = (0..200).map(|n| (f64::from(n % 7), 10.0)).collect();
        let draw = |seed| cluster_bootstrap(&trials, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let (boot, formula) = (draw(1), ratio(&trials).unwrap());
        near(boot.value, formula.value);
        assert!(
            (boot.low - formula.low).abs() < 0.01,
            "{boot:?} {formula:?}"
        );
        assert!((boot.high - formula.high).abs() < 0.01);
        assert_eq!(draw(1), boot);
        assert_eq!(
            cluster_bootstrap(&[], &mut ChaCha8Rng::seed_from_u64(1)),
            None
        );
    }

    #[test]
    fn the_area_counts_pairs() {
        // Of the pairs (3,1) (3,3) (5,1) (5,3): three won, one a tie: 3.5 / 4.
        let of = area_under_curve(&[3.0, 5.0], &[1.0, 3.0]).unwrap();
        assert_eq!(of.value, 0.875);
        assert_eq!(area_under_curve(&[], &[2.0]), None);
        // Two days each, told apart: Wilson's 2 of 2 is .3424 to 1.
        let two = area_under_curve(&[2.0, 3.0], &[1.0, 0.0]).unwrap();
        near(two.low, 0.3424);
        assert_eq!((two.value, two.high), (1.0, 1.0));
        assert_eq!(area_under_curve(&[1.0, 1.0], &[2.0, 2.0]).unwrap().low, 0.0);
        // A day on either side says nothing of how days differ.
        for (these, those) in [(vec![2.0], vec![1.0, 0.0]), (vec![2.0, 3.0], vec![2.0])] {
            let of = area_under_curve(&these, &those).unwrap();
            assert_eq!((of.low, of.high, of.method), (0.0, 1.0, TOO_FEW_DAYS));
        }
    }
}
