//! One who hides, and what that costs: the home alone knows.

use super::observation::Observation;
use crate::trace::Trace;
use crate::units::Span;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a defense costs, in bytes of IP packets. Conserved exactly: what the wire carries is
/// `genuine - dropped + cover + framing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What the devices and their servers sent.
    pub genuine: u64,
    /// Of that, what never left.
    pub dropped: u64,
    /// Dummy packets.
    pub cover: u64,
    /// Headers and filling added to genuine bytes.
    pub framing: u64,
}

impl Cost {
    /// Bytes on the wire.
    pub fn carried(&self) -> u64 {
        (self.genuine - self.dropped.min(self.genuine)) + self.cover + self.framing
    }

    /// b: bytes with the defense over bytes without (the paper, section 5); `None` where there are none without.
    pub fn overhead(&self) -> Option<f64> {
        (self.genuine > 0).then(|| self.carried() as f64 / self.genuine as f64)
    }
}

/// How much later genuine packets pass than they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delay {
    /// Half are no later than this.
    pub p50: Duration,
    /// 99 % are no later than this.
    pub p99: Duration,
    /// The latest.
    pub max: Duration,
}

impl Delay {
    /// Of the delays of all genuine packets in nanoseconds, in any order; nothing delayed where there are none.
    pub fn of(delays: &mut [u64]) -> Self {
        let mut at = |share: f64| {
            // Nearest rank: the smallest value that so large a share does not exceed.
            let rank = (share * delays.len() as f64).ceil() as usize;
            match rank
                .max(1)
                .checked_sub(1)
                .filter(|&rank| rank < delays.len())
            {
                Some(rank) => Duration::from_nanos(*delays.select_nth_unstable(rank).1),
                None => Duration::ZERO,
            }
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// A period of padding as the home knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddedPeriod {
    /// Flow on the wire: a place in [`Observation::flows`].
    pub flow: u32,
    /// From its begin to its end, T later.
    pub span: Span,
    /// Whether traffic of an activity is under it.
    pub genuine: bool,
}

/// A defended trace: what the wire shows, and what only the home knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapedTrace {
    /// What an adversary sees.
    pub seen: Observation,
    /// What it cost.
    pub cost: Cost,
    /// How much later genuine packets passed.
    pub delay: Delay,
    /// Periods of padding, ascending by begin; none where the defense knows no periods.
    pub periods: Vec<PaddedPeriod>,
    /// What does not work any more: names and addresses that devices cannot reach, each once.
    pub broken: Vec<String>,
}

/// A way to hide what people do.
pub trait Defense: Send + Sync {
    /// What the wire shows of a trace. All chance is drawn from `chance`, so that the same seed gives the same wire.
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace;

    /// Everything that steers it, for the report: names as in the report, numbers with their unit in the name.
    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value>;

    /// Whether two seeds give two wires, so that several trials tell more than one.
    fn is_random(&self) -> bool {
        false
    }

    /// Of a wire that was made once and cannot be made of other days: the name of the defense that made it, by whose wires
    /// adversaries are taught. `None` of a defense that can be run again.
    ///
    /// Who was taught on a recorded wire and is asked about the same would be asked what it was told.
    fn recorded_of(&self) -> Option<&str> {
        None
    }

    /// What its theory promises, where it has one.
    fn foretold(&self) -> Foretold {
        Foretold::default()
    }
}

/// What a defense's theory promises.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foretold {
    /// c, of an adversary who claims every padded period.
    pub confidence: Option<f64>,
    /// b.
    pub overhead: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_told_by_nearest_rank() {
        let mut delays: Vec<u64> = (1..=200).rev().collect();
        let delay = Delay::of(&mut delays);
        let ns = [delay.p50, delay.p99, delay.max].map(|d| d.as_nanos());
        assert_eq!(ns, [100, 198, 200]);
        assert_eq!(Delay::of(&mut []), Delay::default());
    }

    #[test]
    fn overhead_is_bytes_with_over_bytes_without() {
        let cost = Cost {
            genuine: 1000,
            dropped: 100,
            cover: 500,
            framing: 100,
        };
        assert_eq!((cost.carried(), cost.overhead()), (1500, Some(1.5)));
        assert_eq!(Cost::default().overhead(), None);
    }
}
