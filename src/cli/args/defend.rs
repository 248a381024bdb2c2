//! `defend`: a trace, defenses, adversaries, limits.

use super::activity::DetectArgs;
use super::audit::{AdversaryArgs, GateArgs, TaughtArgs};
use super::capture::CaptureArgs;
use super::defense::DefenseArgs;
use super::gateway::LoopbackArgs;
use super::output::VerdictOutputArgs;
use super::values::{long, unknown};
use crate::model::HomeModel;
use crate::units::Probability;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit defend
  stp-audit defend evening.pcapng --labels truth.csv --mode stp,vpn
  stp-audit defend --mode stp --target-confidence 0.1 -o html=report.html
  stp-audit defend home.pcapng --labels truth.csv --mode stp --max-confidence 0.3 --max-overhead 5 -o junit=v.xml
  stp-audit defend --mode stp --loopback --minutes 2
  stp-audit defend home.pcapng --mode stp --trials 1 -w shaped.pcapng --labels-out truth.csv

Exit status: 0 within limits, or none set; 1 a limit or baseline broken; 2 usage; 3 unreadable input or no usable packet;
4 environment; 5 inconclusive: an interval straddles a limit, too few activities, a truncated input; 130 or 143 after
SIGINT or SIGTERM: the trials that were run are reported, and no gate passes on them. A second signal ends at once.";

/// A trace, defenses, adversaries, limits
#[derive(Clone, Debug, Args)]
pub struct DefendArgs {
    /// Captures, as for infer; without any, the built-in home, which is synthetic
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// Keep traffic that stays at home, which no observer outside sees
    #[arg(long)]
    pub keep_local: bool,
    /// Which packets, and whose home.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Which defenses.
    #[command(flatten)]
    pub defenses: DefenseArgs,
    /// How often each is run.
    #[command(flatten)]
    pub runs: RunArgs,
    /// Who attacks.
    #[command(flatten)]
    pub adversaries: AdversaryArgs,
    /// What those among them learn that do.
    #[command(flatten)]
    pub taught: TaughtArgs,
    /// How activities are told from background.
    #[command(flatten)]
    pub detect: DetectArgs,
    /// A home that is made up.
    #[command(flatten)]
    pub home: HomeArgs,
    /// Whether it is run for real.
    #[command(flatten)]
    pub loopback: LoopbackArgs,
    /// Limits.
    #[command(flatten)]
    pub gates: GateArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: VerdictOutputArgs,
    /// Write what the wire shows in the first trial of the one defense as pcapng
    #[arg(long, short = 'w', value_name = "PCAPNG", value_hint = ValueHint::FilePath)]
    pub write: Option<PathBuf>,
    /// Write the truth beside it: CSV of start,end,device,activity,tolerance_s,traffic_start,traffic_end
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub labels_out: Option<PathBuf>,
}

/// How often
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Defenses")]
pub struct RunArgs {
    /// How often a defense that draws by chance is run
    #[arg(long, default_value_t = 50, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub trials: u32,
}

/// A home that is made up
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Made-up home")]
pub struct HomeArgs {
    /// Which made-up home: built-in; one of those in which a VPN fails: single-device, sparse-activity, dominating-device
    /// (section 5.2 of the paper); habits (mornings and evenings, washes, days away)
    #[arg(long, value_name = "NAME", default_value = "built-in", conflicts_with_all = ["inputs", "model_from"], value_parser = example)]
    pub example: String,
    /// Learn the devices of a made-up home from a capture (repeat); --labels tells when they were used
    #[arg(long, value_name = "CAPTURE", value_hint = ValueHint::FilePath, conflicts_with = "inputs")]
    pub model_from: Vec<PathBuf>,
    /// p: chance per idle second that a device of a made-up home is used [default: each its own]
    #[arg(
        long,
        value_name = "P",
        allow_negative_numbers = true,
        conflicts_with = "inputs"
    )]
    pub p: Option<Probability>,
    /// Length of a made-up trace [default: 1d]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "inputs", value_parser = long)]
    pub duration: Option<Duration>,
}

/// The name of a home that comes with the program.
fn example(text: &str) -> Result<String, String> {
    let homes = HomeModel::all();
    match homes.iter().find(|home| home.id == text) {
        Some(home) => Ok(home.id.clone()),
        None => {
            let known: Vec<&str> = homes.iter().map(|home| home.id.as_str()).collect();
            Err(unknown(text, &known))
        }
    }
}
