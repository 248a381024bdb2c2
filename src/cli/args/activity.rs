//! How activities are told from background, for every command that looks for them.

use super::values::{bins_from, duration, positive, sigma};
use crate::activity::claim::{Shape, Side};
use crate::activity::labels::{told_tolerance, Label};
use crate::activity::parameters::{BaselineKind, Parameters, ParametersError};
use crate::flow::observer::BinsFrom;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// How activities are told from background
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Activities")]
pub struct DetectArgs {
    /// Length of a bin of the traffic rates
    #[arg(long, default_value = "1s", value_name = "TIME", allow_hyphen_values = true, value_parser = positive)]
    pub bin: Duration,
    /// Standard deviations over the baseline that make an activity
    #[arg(long, default_value_t = 3.0, value_name = "K", allow_hyphen_values = true, value_parser = sigma)]
    pub sigma: f64,
    /// Standard deviations that suffice near a stronger bin [default: sigma; a third of it with --ignore-periodic]
    #[arg(long, value_name = "K", allow_hyphen_values = true, value_parser = sigma)]
    pub weak_sigma: Option<f64>,
    /// Bins at most this far apart are one activity
    #[arg(long, default_value = "30s", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub merge: Duration,
    /// Leave bins without traffic out of the baseline
    #[arg(long)]
    pub ignore_silent: bool,
    /// Take off what the device does by itself at a steady rhythm
    #[arg(long)]
    pub ignore_periodic: bool,
    /// Truth to hold the claims against: CSV of start,end,device,activity
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// How far from the truth a claim may lie [default: what the labels say in a column tolerance_s; else 60s of labels, which
    /// are written down by people; 1s of a made-up home or of infer's own claims]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub tolerance: Option<Duration>,
}

/// How far from a label a claim may lie, where nothing is said: labels are often as coarse as a minute.
const NEAR_LABELS: Duration = Duration::from_secs(60);
/// How far from an activity that is known to the packet: a bin of the rates.
const NEAR_PACKETS: Duration = Duration::from_secs(1);

impl DetectArgs {
    /// How far from these labels a claim may lie.
    pub fn of_labels(&self, labels: &[Label]) -> Duration {
        let told = self.tolerance.or_else(|| told_tolerance(labels));
        told.unwrap_or(NEAR_LABELS)
    }

    /// How far from an activity that is known to the packet a claim may lie.
    pub fn of_packets(&self) -> Duration {
        self.tolerance.unwrap_or(NEAR_PACKETS)
    }

    /// The detector's parameters.
    ///
    /// # Errors
    /// Parameters that make no sense together.
    pub fn parameters(&self) -> Result<Parameters, ParametersError> {
        let parameters = Parameters {
            sigma: self.sigma,
            weak_sigma: self.weak_sigma,
            merge: self.merge,
            count_silent: !self.ignore_silent,
            ignore_periodic: self.ignore_periodic,
            ..Parameters::default()
        };
        parameters.check(self.bin)?;
        Ok(parameters)
    }
}

/// How activities are told from background, in every detail
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Activities")]
pub struct ActivityArgs {
    /// What every command that looks for activities is told.
    #[command(flatten)]
    pub detect: DetectArgs,
    /// Where bins begin: at whole clock times (clock) or at the first packet (first), as tshark's io,stat has it
    #[arg(long, default_value = "clock", value_name = "WHERE", value_parser = bins_from)]
    pub bins_from: BinsFrom,
    /// Shapes to look for
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "spike,hill,depression",
        value_name = "LIST"
    )]
    pub shape: Vec<Shape>,
    /// Direction to look at: up, down or both
    #[arg(long, default_value = "both", value_name = "WHICH")]
    pub direction: Side,
    /// How the usual rate is measured: mean (and standard deviation) or robust (median and MAD)
    #[arg(long, default_value = "mean", value_name = "HOW")]
    pub baseline: BaselineKind,
    /// A baseline for each stretch of this length [default: one for the whole capture]; live, one for the last stretch of this
    /// length, which is all that is remembered [default: 24h]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = positive)]
    pub window: Option<Duration>,
}

impl ActivityArgs {
    /// The detector's parameters.
    ///
    /// # Errors
    /// Parameters that make no sense together.
    pub fn parameters(&self) -> Result<Parameters, ParametersError> {
        let parameters = Parameters {
            shapes: self.shape.clone(),
            direction: self.direction,
            baseline: self.baseline,
            window: self.window,
            ..self.detect.parameters()?
        };
        parameters.check(self.detect.bin)?;
        Ok(parameters)
    }
}
