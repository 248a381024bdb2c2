//! When devices were used: claims from rates, and how they fare against the truth.
//!
//! [`detect::detect`] makes [`claim::Activity`]s of a [`RateSeries`](crate::rate::RateSeries) by [`parameters::Parameters`];
//! [`labels`] reads what truly happened; [`truth`] compares the two.

pub mod baseline;
mod blocks;
mod bursts;
pub mod claim;
pub mod detect;
pub mod labels;
pub mod online;
pub mod parameters;
pub mod periodic;
mod runs;
pub mod truth;

pub use claim::{Activity, Shape, Side};
pub use detect::{detect, Detection};
pub use labels::{read_labels, told_tolerance, Label, LabelsError};
pub use parameters::{BaselineKind, Parameters, ParametersError};
pub use truth::{score, Scores, Truth};
