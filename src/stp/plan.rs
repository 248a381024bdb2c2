//! All that steers a shaper, and what of it makes no sense.
//!
//! The paper, section 6.1 and 6.2: T, R_u and R_d, q, and what the paper leaves open.

use super::cadence::Cadence;
use super::decision::{Decision, TimeModel};
use super::durations::DurationLaw;
use super::lane::{Bounds, Quiet};
use super::lowering::RatePolicy;
use crate::units::{nanos, Timestamp};
use std::time::Duration;

/// Shortest and longest T.
pub const PERIODS: (Duration, Duration) = (
    Duration::from_millis(1),
    Duration::from_secs(365 * 24 * 3600),
);

/// Smallest and largest cell: room for its header and a little more, and what an IP packet can be.
pub const CELLS: (u32, u32) = (64, 65_535);

/// What extends padding beyond T.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtensionRule {
    /// "If the user activity continues past t + T, the simulator continues padding until t + 2T" (section 6.2); cover lasts
    /// whole periods.
    Paper,
    /// As the paper's for activities, and the same for phantom activities, which begin with chance q also while padded and
    /// last as long as real ones do: run lengths tell nothing.
    #[default]
    Phantom,
}

/// All that steers a shaper.
pub struct Plan {
    /// T: length of a period of padding.
    pub period: Duration,
    /// Bytes of each cell on the wire, its header included.
    pub cell_bytes: u32,
    /// R_u and R_d: upload and download rates while padded, as cells.
    pub cadences: [Cadence; 2],
    /// Whether a draw is of a second or of a period.
    pub model: TimeModel,
    /// What extends padding.
    pub rule: ExtensionRule,
    /// How long padding without an activity lasts.
    pub durations: DurationLaw,
    /// When padding without an activity begins.
    pub decision: Box<dyn Decision>,
    /// Whether the rates of the cadences stay, or others are lowered over time in their place.
    pub rates: RatePolicy,
    /// When it begins to work; the grid begins here.
    pub origin: Timestamp,
    /// So much may wait in each direction; what comes beyond is refused.
    pub waiting_at_most: Bounds,
    /// What goes outside padding.
    pub quiet: Quiet,
}

/// Why a plan cannot be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// T out of range.
    #[error("a period of {0:?}: T must be 1 ms or more and 365 days or less")]
    Period(Duration),
    /// Cell size out of range.
    #[error("cells of {0} bytes: they must be {least} to {most}", least = CELLS.0, most = CELLS.1)]
    Cells(u32),
    /// A cadence that does not fit T.
    #[error("a cadence whose cells do not lie ascending within a period of {0:?}")]
    Cadence(Duration),
    /// Quiet cells that go backwards or never.
    #[error("quiet cells {0} ns apart: they must be 1 ns to 365 days apart")]
    Quiet(i64),
    /// Rates that would not fall, or fall below what was seen.
    #[error("rates lowered by a factor of {factor} down to {margin} times what was seen: the factor must be above 0 and at most 1, the margin 1 to 1000")]
    Lowering {
        /// What they are multiplied with.
        factor: f64,
        /// What they are kept above.
        margin: f64,
    },
}

impl Plan {
    /// Nanoseconds between cells outside padding, up and down, where there are any: of a plan that can be followed.
    ///
    /// # Errors
    /// T, cells or quiet cells out of range, a cadence that does not fit T, rates that would not fall.
    pub(super) fn checked(&self) -> Result<[Option<i64>; 2], PlanError> {
        if !(PERIODS.0..=PERIODS.1).contains(&self.period) {
            return Err(PlanError::Period(self.period));
        }
        if !(CELLS.0..=CELLS.1).contains(&self.cell_bytes) {
            return Err(PlanError::Cells(self.cell_bytes));
        }
        let length = nanos(self.period);
        let fits = |cadence: &Cadence| match cadence {
            Cadence::Constant { every } => (1..=length).contains(every),
            Cadence::Replay { offsets } => {
                let within = |at: &i64| (0..length).contains(at);
                !offsets.is_empty() && offsets.iter().all(within) && offsets.is_sorted()
            }
        };
        if !self.cadences.iter().all(fits) {
            return Err(PlanError::Cadence(self.period));
        }
        let quiet = match self.quiet {
            Quiet::Pass => [None; 2],
            Quiet::Constant(every) => every.map(Some),
        };
        let wrong = |every: &i64| !(1..=nanos(PERIODS.1)).contains(every);
        if let Some(every) = quiet.into_iter().flatten().find(wrong) {
            return Err(PlanError::Quiet(every));
        }
        if let RatePolicy::Lowering { factor, margin, .. } = self.rates {
            let falls = factor > 0.0 && factor <= 1.0;
            if !falls || !(1.0..=1000.0).contains(&margin) {
                return Err(PlanError::Lowering { factor, margin });
            }
        }
        Ok(quiet)
    }
}
