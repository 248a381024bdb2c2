//! The result of `sweep`: privacy against bandwidth over the chances of activity and of padding (the paper's Figure 4).
//!
//! One value, read by every report. Field names are those of the JSON report and bear their units.

use crate::verdict::Interval;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Name and version of the JSON report.
pub const SCHEMA: &str = "stp-audit/sweep/1";

/// The whole sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TradeOff {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// Seed of all random draws.
    pub seed: u64,
    /// Trials a point.
    pub trials: u32,
    /// Length of a trial in seconds.
    pub duration_s: u64,
    /// What steers each device: T, R_u, R_d, and what of it was calibrated; by device.
    pub parameters: BTreeMap<String, BTreeMap<String, Value>>,
    /// A point for each device, p and q, in this order.
    pub points: Vec<Point>,
    /// Reasons to doubt a number, in words.
    pub caveats: Vec<String>,
}

/// One device at one p and q.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The device.
    pub device: String,
    /// p: chance a second that an activity begins where there is none.
    pub p: f64,
    /// q: chance a second that padding begins where there is none.
    pub q: f64,
    /// c: genuine periods over padded periods, with its 95 % interval over trials; `None` where nothing was ever padded.
    pub confidence: Option<Interval>,
    /// b: bytes with over bytes without, with its 95 % interval over trials; `None` where there were none without.
    pub overhead: Option<Interval>,
    /// Activities over padded periods: what the paper's Figure 4 calls c; may exceed 1.
    pub activities_per_period: Option<f64>,
}
