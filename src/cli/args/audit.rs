//! Who attacks, and the limits a defense must keep, for `defend` and `score`.

use super::values::{adversary, duration, AdversaryChoice};
use crate::adversary::{ADVERSARIES, PUPILS};
use crate::verdict::gates::Limits;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Who attacks
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Adversaries")]
pub struct AdversaryArgs {
    /// Adversaries to try.
    #[arg(help = adversaries_help(), long, value_delimiter = ',', default_value = "usual", value_name = "LIST", value_parser = adversary)]
    pub adversary: Vec<AdversaryChoice>,
}

/// Adversaries that learn
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Adversaries")]
pub struct TaughtArgs {
    /// Put the adversaries on a ladder, learned among them: what each believes of the same padded periods, with the control of
    /// labels dealt anew, and with fewer examples
    #[arg(long)]
    pub ladder: bool,
    /// What the adversary priors knows beforehand: CSV of hour,probability, hours 0 to 23 in UTC [default: learned]
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub priors: Option<PathBuf>,
    /// Keep what adversaries learned, for --load-model
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "load_model")]
    pub save_model: Option<PathBuf>,
    /// Let adversaries answer by what --save-model kept, and learn nothing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub load_model: Option<PathBuf>,
}

/// Limits, and the exit code that says how they were kept
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Gates")]
pub struct GateArgs {
    /// No adversary may be right about more than this share of claims
    #[arg(long, value_name = "C", allow_negative_numbers = true, value_parser = confidence)]
    pub max_confidence: Option<f64>,
    /// Bytes with the defense over bytes without may be at most this
    #[arg(long, value_name = "B", allow_negative_numbers = true, value_parser = overhead)]
    pub max_overhead: Option<f64>,
    /// 99 % of genuine packets may be delayed by at most this
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = latency)]
    pub max_added_latency: Option<Duration>,
    /// Genuine activities a gate needs to pass
    #[arg(long, value_name = "N", default_value_t = crate::verdict::limits::MIN_ACTIVITIES, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub min_activities: u64,
    /// Hold --max-confidence against each device by itself too; one with fewer activities than --min-activities is inconclusive
    #[arg(long, requires = "max_confidence")]
    pub each_device: bool,
    /// An earlier run to compare with: what got worse breaks the gate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,
    /// Keep this run's findings as a baseline
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save_baseline: Option<PathBuf>,
    /// Exit with 0 also where a limit is broken or nothing can be told; the report still says so
    #[arg(long)]
    pub exit_zero: bool,
}

impl GateArgs {
    /// Whether there is anything to hold results against.
    pub fn any(&self) -> bool {
        let limits = self.max_confidence.is_some() || self.max_overhead.is_some();
        limits || self.max_added_latency.is_some() || self.baseline.is_some()
    }

    /// The limits that were typed.
    ///
    /// # Errors
    /// A limit out of range, in words.
    pub fn limits(&self) -> Result<Limits, String> {
        let mut limits = Limits::default();
        if let Some(confidence) = self.max_confidence {
            limits = limits
                .with_max_confidence(confidence)
                .map_err(|e| e.to_string())?;
        }
        if let Some(overhead) = self.max_overhead {
            limits = limits
                .with_max_overhead(overhead)
                .map_err(|e| e.to_string())?;
        }
        if let Some(latency) = self.max_added_latency {
            limits = limits
                .with_max_added_latency(latency)
                .map_err(|e| e.to_string())?;
        }
        limits
            .with_each_device(self.each_device)
            .with_min_activities(self.min_activities)
            .map_err(|e| e.to_string())
    }
}

fn adversaries_help() -> String {
    let names: Vec<&str> = ADVERSARIES.iter().map(|row| row.name).collect();
    let taught: Vec<&str> = PUPILS.iter().map(|row| row.name).collect();
    format!(
        "Adversaries to try (repeat, or a list): {}, or usual, which are these; and those that learn, which takes its time: {}; \
         or all",
        names.join(", "),
        taught.join(", ")
    )
}

fn number(text: &str) -> Result<f64, String> {
    text.trim()
        .parse()
        .map_err(|_| "write a number, as 0.6".into())
}

fn confidence(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    let checked = Limits::default().with_max_confidence(number);
    checked.map(|_| number).map_err(|error| error.range)
}

fn overhead(text: &str) -> Result<f64, String> {
    let number = number(text)?;
    let checked = Limits::default().with_max_overhead(number);
    checked.map(|_| number).map_err(|error| error.range)
}

fn latency(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let checked = Limits::default().with_max_added_latency(time);
    checked.map(|_| time).map_err(|error| error.range)
}
