//! What the adversaries may be told: the settings of `infer`'s detector, which two of them use.

use crate::activity::parameters::Parameters;
use std::time::Duration;

/// What steers the adversaries.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Length of a bin of rates. 1 s.
    pub bin: Duration,
    /// What steers the detector; parameters that make no sense for such a bin find nothing.
    pub detector: Parameters,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bin: Duration::from_secs(1),
            detector: Parameters::default(),
        }
    }
}
