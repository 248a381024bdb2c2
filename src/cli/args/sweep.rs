//! `sweep`: the trade-off over p and q.

use super::activity::DetectArgs;
use super::capture::CaptureArgs;
use super::output::SweepOutputArgs;
use super::values::{long, one_of, published};
use crate::sweep::{parse_probabilities, Rule};
use crate::units::Probability;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit sweep -o svg=curve.svg -o csv=curve.csv
  stp-audit sweep --device wemo,nest --p 0.01,0.05 --q 0..1:0.01
  stp-audit sweep --model-from plug.pcap --labels truth.csv --p 0.001 --rule phantom";

/// Chances, as they were typed: a list is one value to the command line.
pub type Chances = Vec<Probability>;

/// Devices, and what to sweep over
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    /// The paper's devices (repeat, or a list): wemo, nest, echo [default: all, without --model and --model-from]
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = published)]
    pub device: Vec<String>,
    /// A device model as TOML (repeat): id, and for each use a table `activity` with duration_s, up_bytes and down_bytes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub model: Vec<PathBuf>,
    /// Learn devices from a capture (repeat); --labels tells when they were used
    #[arg(long, value_name = "CAPTURE", value_hint = ValueHint::FilePath)]
    pub model_from: Vec<PathBuf>,
    /// Chances of an activity per idle second: a list, or FIRST..LAST:STEP
    #[arg(long, default_value = "0.01", value_name = "LIST", allow_hyphen_values = true, value_parser = parse_probabilities)]
    pub p: Chances,
    /// Chances of padding per second without padding: a list, or FIRST..LAST:STEP
    #[arg(long, default_value = "0..1:0.01", value_name = "LIST", allow_hyphen_values = true, value_parser = parse_probabilities)]
    pub q: Chances,
    /// Trials a point
    #[arg(long, default_value_t = 50, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::sweep::curve::TRIALS_AT_MOST)))]
    pub trials: u32,
    /// Length of a trial
    #[arg(long, default_value = "10000s", value_name = "TIME", allow_hyphen_values = true, value_parser = long)]
    pub duration: Duration,
    /// What extends padding: paper (as in its Figure 4; its long runs tell on it) or phantom
    #[arg(long, default_value = "paper", value_name = "RULE", value_parser = rule)]
    pub rule: Rule,
    /// Which packets, and whose home.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// How activities are told from background.
    #[command(flatten)]
    pub detect: DetectArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: SweepOutputArgs,
}

fn rule(text: &str) -> Result<Rule, String> {
    one_of(text, &[("paper", Rule::Paper), ("phantom", Rule::Phantom)])
}
