//! The result of `defend`, `score` and `check`: how well each defense holds against each adversary, and whether a gate broke.
//!
//! One value, read by every report. Field names are those of the JSON report and bear their units; what does not exist, as
//! the confidence of an adversary who claims nothing, is `None`, `null` in JSON, and never 0 or NaN.

pub mod baseline;
pub mod gates;
pub mod held;
pub mod ladder;
pub mod limits;
pub mod loopback;
mod passes;
pub mod undefended;

pub use crate::stats::Interval;
use crate::units::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Name and version of the JSON report.
pub const SCHEMA: &str = "stp-audit/verdict/1";

/// Everything that was found out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// `defend`, `score` or `check`.
    pub command: String,
    /// Seed of all random draws.
    pub seed: u64,
    /// The captures read, as they were named; empty for a generated home.
    pub inputs: Vec<String>,
    /// What was defended.
    pub home: Home,
    /// What steers the audit as a whole; each result has its defense's own.
    pub parameters: BTreeMap<String, Value>,
    /// The adversaries, in the order of the results.
    pub adversaries: Vec<String>,
    /// A row for each defense, adversary and device.
    pub results: Vec<Outcome>,
    /// Limits that were set, and how they were kept.
    pub gates: Vec<Gate>,
    /// How the results differ from a baseline, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// `within limits`, `limit broken`, `inconclusive`, or `no limits set`.
    pub verdict: String,
    /// What the program exits with; after a signal 128 and its number.
    pub exit_code: u8,
    /// Checks that were not run; of `check`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
    /// What was really run, beside the simulator; of `defend --loopback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback: Option<loopback::Loopback>,
    /// What adversaries that were taught believe, beside others; of `defend` and `score` with such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<ladder::Rung>,
    /// Reasons to doubt a number, in words.
    pub caveats: Vec<String>,
}

/// A check that was not run, so that nothing is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotRun {
    /// Its name.
    pub check: String,
    /// Why, in words.
    pub reason: String,
    /// Line of the file of checks at which it begins, from 1.
    pub line: usize,
}

/// What was defended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Home {
    /// Where the activities come from: `labels`, `inferred` or `generated`.
    pub truth: String,
    /// First instant.
    pub first: Timestamp,
    /// Last instant.
    pub last: Timestamp,
    /// Packets of the undefended trace.
    pub packets: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its devices.
    pub devices: Vec<String>,
    /// Genuine activities.
    pub activities: u64,
}

/// How one adversary fares against one defense at one device, or at all together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The defense.
    pub defense: String,
    /// Where the adversary stands: `inside` or `outside`.
    pub vantage: String,
    /// The adversary.
    pub adversary: String,
    /// The device's id; `all` for all together.
    pub device: String,
    /// What steered the defense.
    pub parameters: BTreeMap<String, Value>,
    /// How many times it was run.
    pub trials: u32,
    /// Whether it is the defense's headline: the row with device `all` of the adversary that is right most often.
    pub headline: bool,
    /// Claims made, over all trials.
    pub claims: u64,
    /// Claims that are true.
    pub correct: u64,
    /// Genuine activities, over all trials.
    pub activities: u64,
    /// Genuine activities that a claim meets.
    pub hit: u64,
    /// c: correct over claims (the paper, section 5); `None` without a claim.
    pub confidence: Option<Interval>,
    /// hit over activities; `None` without an activity.
    pub recall: Option<f64>,
    /// c among the surest 1, 5 and 10 % of claims: what abstaining earns.
    pub precision_at: PrecisionAt,
    /// Area under the curve of telling days at home from days away; of adversaries that do. Where its method is `too few days`
    /// the value says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<Interval>,
    /// Activities per padded period: what the paper's Figure 4 calls c; may exceed 1. `None` without padded periods.
    pub activities_per_period: Option<f64>,
    /// Padded periods with an activity under them over padded periods.
    pub genuine_periods_per_period: Option<f64>,
    /// What guessing at random earns.
    pub c_min: CMin,
    /// c when what is genuine is dealt anew among the padded periods, and c over that: 1 tells nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<Shuffled>,
    /// What the defense costs.
    pub overhead: Overhead,
    /// How much later genuine packets pass.
    pub added_latency_ms: Latency,
    /// What the paper's equations foretell; of defenses they are about.
    pub theory: Option<Theory>,
    /// Names and addresses that devices cannot reach any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// Why there are no claims, in words, where that says nothing of the defense: the adversary was not taught, or not where to
    /// claim from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_because: Option<String>,
}

/// Precision among the surest claims; `None` where there is no claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PrecisionAt {
    /// Of the surest 1 %.
    pub top_1_percent: Option<f64>,
    /// Of the surest 5 %.
    pub top_5_percent: Option<f64>,
    /// Of the surest 10 %.
    pub top_10_percent: Option<f64>,
}

/// The three numbers that go by c_min.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CMin {
    /// Share of seconds with an activity.
    pub time_fraction: Option<f64>,
    /// Activities per period of T.
    pub activities_per_period: Option<f64>,
    /// Share of periods of T that contain an activity.
    pub periods_touched: Option<f64>,
}

/// The control: who is right about shuffled marks knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shuffled {
    /// Mean c over deals of what made each period be padded.
    pub confidence: f64,
    /// c over that.
    pub lift: f64,
    /// Lower end of the lift's 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// In how many trials it was dealt: where there are many marks, in the first few.
    pub trials: u32,
    /// c of claims against single marks dealt anew, worked out.
    pub chance: f64,
    /// The same as it was dealt, over that: 1 within the interval, or the control itself is wrong.
    pub dealt: Dealt,
}

/// A ratio and where the middle 95 % of deals have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dealt {
    /// On average over deals.
    pub lift: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a defense costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overhead {
    /// b: bytes with over bytes without; `None` where there are none without.
    pub ratio: Option<f64>,
    /// Lower end of the 95 % interval over trials.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Bytes without, a trial.
    pub genuine_bytes: f64,
    /// Dummy bytes, a trial on average.
    pub cover_bytes: f64,
    /// Headers and filling.
    pub framing_bytes: f64,
    /// Genuine bytes that never left.
    pub dropped_bytes: f64,
    /// What the wire carries, scaled to 30 days, in 10^9 bytes.
    pub gb_per_month: f64,
}

/// Added delay of genuine packets in milliseconds, the worst trial; `None`, as by default, where nobody knows it, as of a wire
/// that somebody else defended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: Option<f64>,
    /// 99 % are no later.
    pub p99: Option<f64>,
    /// The latest.
    pub max: Option<f64>,
}

/// Equations 1 and 2 of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Theory {
    /// c.
    pub confidence: Option<f64>,
    /// b.
    pub overhead: Option<f64>,
}

/// A limit and how it was kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// `max-confidence`, `max-overhead`, `max-added-latency` or `baseline`.
    pub rule: String,
    /// Which defense.
    pub defense: String,
    /// Which device by itself; absent where all are judged together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Which adversary, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adversary: Option<String>,
    /// The limit, in the unit of the observed number.
    pub limit: f64,
    /// The estimate; `None` where there is none to be had.
    pub observed: Option<f64>,
    /// The end of its interval that is compared with the limit.
    pub bound: Option<f64>,
    /// How it was kept.
    pub status: Status,
    /// What was found and what to try, in words.
    pub says: String,
    /// Line of the file of checks at which the check with this limit begins, from 1; of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// How a limit was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The whole interval is within the limit.
    Pass,
    /// The interval straddles the limit, or there is too little to tell.
    Inconclusive,
    /// The whole interval is beyond the limit.
    Fail,
}

/// The difference to an earlier verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Baseline {
    /// The file.
    pub path: String,
    /// Findings that were not there.
    pub new: Vec<String>,
    /// Findings that are there no more.
    pub fixed: Vec<String>,
    /// Findings that still are.
    pub persistent: Vec<String>,
}
