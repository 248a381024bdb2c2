//! The trade-off curve over p and q: a simulator of the per-second model (the paper, section 6.2, and its Figure 4).
//!
//! [`list`] reads what p and q are typed as; [`activities`] draws when a device is used; [`padding`] lays periods of padding
//! over that; [`curve`] does both for every device, p, q and trial, and [`long_runs`] bets on unbroken padding.

pub mod activities;
pub mod curve;
pub mod list;
pub mod long_runs;
pub mod padding;

pub use curve::{run, run_until, Sweep, SweepError, Swept};
pub use list::{parse_list, parse_probabilities};
pub use padding::Rule;
