//! How long padding without an activity lasts: T, or as long as genuine activities do.
//!
//! The paper, section 6.4: "The durations of non-activity padding must be chosen such that they are statistically
//! indistinguishable from the distribution of real activity durations. This could be performed by fitting a model".

use crate::units::Timestamp;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Most durations that are remembered: more would not change what is drawn.
pub const DURATIONS_AT_MOST: usize = 100_000;

/// So many standard deviations from the middle a fitted law is cut: without an end, one draw in millions would pad for days.
const TAIL: f64 = 4.0;

/// The law that durations are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationLaw {
    /// Always T.
    Fixed,
    /// One of these, each as likely; T where there are none.
    Empirical(Vec<Duration>),
    /// Their logarithms (of seconds) are normally distributed.
    LogNormal {
        /// Mean of the logarithms.
        mean: f64,
        /// Standard deviation of the logarithms.
        deviation: f64,
    },
}

impl DurationLaw {
    /// A log-normal law with the mean and the deviation of the logarithms of these durations; those shorter than a
    /// millisecond count as one. `None` without any.
    pub fn fitted(to: &[Duration]) -> Option<Self> {
        if to.is_empty() {
            return None;
        }
        let logs = || to.iter().map(|d| d.as_secs_f64().max(1e-3).ln());
        let count = to.len() as f64;
        let mean = logs().sum::<f64>() / count;
        let variance = logs().map(|log| (log - mean).powi(2)).sum::<f64>() / count;
        Some(Self::LogNormal {
            mean,
            deviation: variance.sqrt(),
        })
    }

    /// A duration of that law.
    pub fn draw(&self, period: Duration, chance: &mut ChaCha8Rng) -> Duration {
        match self {
            Self::Fixed => period,
            Self::Empirical(durations) if durations.is_empty() => period,
            Self::Empirical(durations) => {
                let index = chance.gen_range(0..durations.len());
                durations.get(index).copied().unwrap_or(period)
            }
            Self::LogNormal { mean, deviation } => {
                // G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates", 1958.
                let (a, b) = (1.0 - chance.gen::<f64>(), chance.gen::<f64>());
                let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
                let log = mean + deviation * normal.clamp(-TAIL, TAIL);
                Duration::try_from_secs_f64(log.exp()).unwrap_or(period)
            }
        }
    }

    /// Mean of what is drawn, and mean of the whole periods it takes; for what the theory foretells.
    pub fn means(&self, period: Duration) -> (f64, f64) {
        let whole = |seconds: f64| (seconds / period.as_secs_f64()).ceil().max(1.0);
        let over = |all: &mut dyn Iterator<Item = f64>| {
            let (mut count, mut sum, mut periods) = (0.0, 0.0, 0.0);
            for seconds in all {
                count += 1.0;
                sum += seconds;
                periods += whole(seconds);
            }
            (sum / count, periods / count)
        };
        match self {
            Self::Empirical(durations) if !durations.is_empty() => {
                over(&mut durations.iter().map(Duration::as_secs_f64))
            }
            Self::LogNormal { mean, deviation } => {
                // At a thousand quantiles, weighed by the bell curve: exact enough for a forecast.
                let at = |n: i32| f64::from(n) / 125.0;
                let weigh = |z: f64| (-z * z / 2.0).exp();
                let (mut weight, mut sum, mut periods) = (0.0, 0.0, 0.0);
                for z in (-500..=500).map(at) {
                    let seconds = (mean + deviation * z).exp();
                    weight += weigh(z);
                    sum += weigh(z) * seconds;
                    periods += weigh(z) * whole(seconds);
                }
                (sum / weight, periods / weight)
            }
            _ => (period.as_secs_f64(), 1.0),
        }
    }
}

/// The last instant before whole periods that hold `duration` are over; at least one.
pub(super) fn whole_periods(from: Timestamp, duration: Duration, period: Duration) -> Timestamp {
    let period = period.as_nanos().max(1);
    let count = duration.as_nanos().div_ceil(period).max(1);
    let length = i64::try_from(count.saturating_mul(period)).unwrap_or(i64::MAX);
    Timestamp(from.0.saturating_add(length.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const T: Duration = Duration::from_secs(15);

    #[test]
    fn a_law_is_drawn_from() {
        let mut chance = ChaCha8Rng::seed_from_u64(3);
        assert_eq!(DurationLaw::Fixed.draw(T, &mut chance), T);
        assert_eq!(DurationLaw::Empirical(vec![]).draw(T, &mut chance), T);
        let seen = [2u64, 5, 9].map(Duration::from_secs);
        let law = DurationLaw::Empirical(seen.to_vec());
        let mut counts = [0u32; 3];
        for _ in 0..3000 {
            let drawn = law.draw(T, &mut chance);
            counts[seen.iter().position(|&d| d == drawn).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|&n| (900..1100).contains(&n)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_fitted_law_has_the_moments_of_its_sample() {
        // Logarithms 0, 1, 2 of e^0, e^1, e^2 seconds: mean 1, deviation sqrt(2/3).
        let sample = [0f64, 1.0, 2.0].map(|log| Duration::from_secs_f64(log.exp()));
        let law = DurationLaw::fitted(&sample).unwrap();
        let DurationLaw::LogNormal { mean, deviation } = law else {
            panic!("{law:?}")
        };
        assert!((mean - 1.0).abs() < 1e-6 && (deviation - (2f64 / 3.0).sqrt()).abs() < 1e-6);
        let mut chance = ChaCha8Rng::seed_from_u64(4);
        let logs: Vec<f64> = (0..20_000)
            .map(|_| law.draw(T, &mut chance).as_secs_f64().ln())
            .collect();
        let drawn = logs.iter().sum::<f64>() / logs.len() as f64;
        assert!((drawn - 1.0).abs() < 0.02, "{drawn}");
        // exp(1 + 1/3) is the mean of that law.
        assert!((law.means(T).0 - (4f64 / 3.0).exp()).abs() < 0.02);
        assert_eq!(DurationLaw::fitted(&[]), None);
    }

    #[test]
    fn cover_lasts_whole_periods() {
        let until = |seconds| whole_periods(Timestamp(0), Duration::from_secs(seconds), T).0 + 1;
        assert_eq!(
            [0, 15, 16, 31].map(until),
            [15, 15, 30, 45].map(|s| s * 1_000_000_000)
        );
        let law = DurationLaw::Empirical([10, 20].map(Duration::from_secs).to_vec());
        assert_eq!(law.means(T), (15.0, 1.5));
    }
}
