//! `score`: captures before and after a defense by anybody.

use super::activity::DetectArgs;
use super::audit::{AdversaryArgs, GateArgs, TaughtArgs};
use super::capture::CaptureArgs;
use super::output::VerdictOutputArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit score --before home.pcapng --after shaped.pcapng --labels truth.csv
  stp-audit score --before monday.pcap --after tunnel.pcap --labels truth.csv --max-confidence 0.5 -o sarif=v.sarif
  stp-audit score --before week.pcapng --after shaped.pcapng --labels truth.csv --adversary usual,learned --ladder";

/// Captures before and after a defense
#[derive(Clone, Debug, Args)]
pub struct ScoreArgs {
    /// Captures of the home without the defense (repeat); - is standard input
    #[arg(long, required = true, num_args = 1.., value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub before: Vec<PathBuf>,
    /// Captures of the same hours with it (repeat)
    #[arg(long, required = true, num_args = 1.., value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub after: Vec<PathBuf>,
    /// What the defense is called in reports
    #[arg(long, default_value = "black-box", value_name = "NAME")]
    pub name: String,
    /// Keep traffic that stays at home, which no observer outside sees
    #[arg(long)]
    pub keep_local: bool,
    /// Which packets, and whose home.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Who attacks.
    #[command(flatten)]
    pub adversaries: AdversaryArgs,
    /// What those among them learn that do.
    #[command(flatten)]
    pub taught: TaughtArgs,
    /// How activities are told from background.
    #[command(flatten)]
    pub detect: DetectArgs,
    /// Limits.
    #[command(flatten)]
    pub gates: GateArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: VerdictOutputArgs,
}
