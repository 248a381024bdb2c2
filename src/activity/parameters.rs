//! What the detector may be told. The paper speaks of "standard deviations from mean traffic rates" and leaves the rest
//! open, so every number is a parameter and is printed with the result.

use super::claim::{Shape, Side};
use std::time::Duration;

/// How the usual rate and its spread are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineKind {
    /// Mean and (population) standard deviation: the paper's.
    Mean,
    /// Median and median absolute deviation, which a few large bursts cannot move.
    Robust,
}

impl BaselineKind {
    /// The word used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Robust => "robust",
        }
    }
}

impl std::fmt::Display for BaselineKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for BaselineKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Mean, Self::Robust]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("`{text}` is no baseline; there are mean and robust"))
    }
}

/// Parameters of [`detect`](super::detect::detect). The length of a bin belongs to the series' grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// k: a bin stands out when it is over the baseline by more than this many standard deviations. 3.
    pub sigma: f64,
    /// A bin near one that stands out needs only this many. `None`: `sigma` itself, or a third of it with `ignore_periodic`
    /// (a detector of two thresholds, the high one two or three times the low one: J. Canny, "A Computational Approach to
    /// Edge Detection", IEEE PAMI 8(6), 1986). Lowering it pays only once the device's own rhythm is gone.
    pub weak_sigma: Option<f64>,
    /// How near: people who touch a device touch it again. 30 s.
    pub near: Duration,
    /// Bins whose starts are at most this far apart are one activity; adjacent bins always are. 30 s.
    pub merge: Duration,
    /// Which shapes to look for. All.
    pub shapes: Vec<Shape>,
    /// Which direction to look at. Both.
    pub direction: Side,
    /// How the usual rate is measured. Mean.
    pub baseline: BaselineKind,
    /// Whether bins without a byte count towards the baseline. They do.
    pub count_silent: bool,
    /// Whether what the device does by itself at a steady rhythm is taken off first. It is not.
    pub ignore_periodic: bool,
    /// Length of the blocks of the capture that have a baseline each. `None`: one baseline for the whole capture.
    pub window: Option<Duration>,
    /// Length of the stretch more than half of which must be raised to make a hill, and all of which must be lowered to
    /// make a depression; at least three bins. 10 s.
    pub hill: Duration,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            sigma: 3.0,
            weak_sigma: None,
            near: Duration::from_secs(30),
            merge: Duration::from_secs(30),
            shapes: Shape::ALL.to_vec(),
            direction: Side::Both,
            baseline: BaselineKind::Mean,
            count_silent: true,
            ignore_periodic: false,
            window: None,
            hill: Duration::from_secs(10),
        }
    }
}

impl Parameters {
    /// The lower threshold in effect, in standard deviations.
    pub fn effective_weak_sigma(&self) -> f64 {
        self.weak_sigma.unwrap_or(if self.ignore_periodic {
            self.sigma / 3.0
        } else {
            self.sigma
        })
    }

    /// Length of a hill in bins as long as `bin`: rounded up, and at least three, for a stretch has a beginning, a middle and an end.
    pub fn hill_bins(&self, bin: Duration) -> i64 {
        let bins = self.hill.as_nanos().div_ceil(bin.as_nanos().max(1));
        i64::try_from(bins).unwrap_or(i64::MAX).max(3)
    }

    /// Whether `shape` is looked for.
    pub fn looks_for(&self, shape: Shape) -> bool {
        self.shapes.contains(&shape)
    }

    /// The first parameter that makes no sense, given bins as long as `bin`.
    pub fn check(&self, bin: Duration) -> Result<(), ParametersError> {
        use ParametersError as E;
        if bin.is_zero() {
            return Err(E::Bin);
        }
        if !(self.sigma.is_finite() && self.sigma > 0.0) {
            return Err(E::Sigma(self.sigma));
        }
        if let Some(weak) = self.weak_sigma {
            if !(weak.is_finite() && weak > 0.0 && weak <= self.sigma) {
                return Err(E::WeakSigma {
                    weak,
                    sigma: self.sigma,
                });
            }
        }
        if self.shapes.is_empty() {
            return Err(E::Shapes);
        }
        match self.window {
            Some(window) if window < bin.saturating_mul(2) => Err(E::Window { window, bin }),
            _ => Ok(()),
        }
    }
}

/// A parameter that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParametersError {
    /// Bins of no length.
    #[error("a bin must last longer than nothing; try 1s")]
    Bin,
    /// A threshold that is no positive number.
    #[error("sigma must be a number above 0, not {0}; try 3")]
    Sigma(f64),
    /// A lower threshold that is not lower.
    #[error("the weak sigma must be above 0 and at most sigma ({sigma}), not {weak}; try a third of sigma")]
    WeakSigma {
        /// What was given.
        weak: f64,
        /// The threshold it must not pass.
        sigma: f64,
    },
    /// Nothing to look for.
    #[error("no shape to look for; give some of spike, hill, depression")]
    Shapes,
    /// A baseline of a bin or less.
    #[error("a baseline window of {window:?} holds fewer than two bins of {bin:?}; give a longer window or shorter bins")]
    Window {
        /// What was given.
        window: Duration,
        /// Length of a bin.
        bin: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense() {
        assert_eq!(Parameters::default().check(Duration::from_secs(1)), Ok(()));
        assert_eq!(Parameters::default().effective_weak_sigma(), 3.0);
        assert_eq!(Parameters::default().hill_bins(Duration::from_secs(1)), 10);
        assert_eq!(Parameters::default().hill_bins(Duration::from_secs(60)), 3);
    }

    #[test]
    fn nonsense_is_refused() {
        let second = Duration::from_secs(1);
        for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let parameters = Parameters {
                sigma,
                ..Parameters::default()
            };
            assert!(matches!(
                parameters.check(second),
                Err(ParametersError::Sigma(_))
            ));
        }
        let weak = Parameters {
            weak_sigma: Some(3.5),
            ..Parameters::default()
        };
        assert!(weak.check(second).is_err());
        let none = Parameters {
            shapes: vec![],
            ..Parameters::default()
        };
        assert_eq!(none.check(second), Err(ParametersError::Shapes));
        assert_eq!(
            Parameters::default().check(Duration::ZERO),
            Err(ParametersError::Bin)
        );
        let window = Parameters {
            window: Some(second),
            ..Parameters::default()
        };
        assert!(window.check(second).is_err());
    }
}
