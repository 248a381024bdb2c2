//! What may be typed: one clap definition, from which help, man pages and completions come.

mod activity;
mod audit;
mod capture;
mod check;
mod defend;
mod defense;
mod fingerprint;
mod gateway;
mod infer;
mod output;
mod record;
mod rights;
mod score;
mod scrub;
mod sweep;
mod values;

pub use activity::{ActivityArgs, DetectArgs};
pub use audit::{AdversaryArgs, GateArgs, TaughtArgs};
pub use capture::CaptureArgs;
pub use check::CheckArgs;
pub use defend::{DefendArgs, HomeArgs, RunArgs};
pub use defense::DefenseArgs;
pub use fingerprint::{CatalogArgs, FingerprintCommand};
pub use gateway::{KeygenArgs, LoopbackArgs};
pub use infer::{InferArgs, WatchArgs};
pub use output::{OutputArgs, SweepOutputArgs, VerdictOutputArgs};
pub use record::RecordArgs;
pub use rights::RightsArgs;
pub use score::ScoreArgs;
pub use scrub::ScrubArgs;
pub use sweep::SweepArgs;
pub use values::{AdversaryChoice, DefenseChoice, VantageChoice};

use crate::report::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// What `stp-audit` alone prints.
pub const SHORT_HELP: &str = "\
stp-audit plays the passive observer of a smart home: it reads a capture and says which devices live there,
which flows are theirs, and when somebody used them, from encrypted traffic alone; and it scores defenses against that.

Commands:
  capture      record an interface: a mirror port, for weeks
  infer        devices, their flows, their activities
  devices      only the devices, with the evidence for each
  flows        only the flows, with their device
  fingerprint  list, show, learn, import and export fingerprints of devices
  defend       apply defenses, attack what the wire then shows, score both
  score        audit any defense, from captures before and after it
  sweep        privacy against bandwidth
  check        every check of stp-audit.toml: the entry for CI
  demo         all of it on a home that comes with the program
  completions, man

Try first:
  stp-audit infer evening.pcapng          what does this capture tell about the home?
  stp-audit demo                          no capture at hand? a synthetic home, attacked and defended
";

/// Attack and audit the privacy of smart-home traffic
#[derive(Debug, Parser)]
#[command(name = "stp-audit", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
}

/// What every command understands
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Common {
    /// Seed of every random draw; the same seed gives the same bytes, whatever --jobs
    #[arg(long, global = true, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = values::seed)]
    pub seed: u64,
    /// Threads to use at most [default: one per processor]
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Colours
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
}

/// The commands
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Record what passes an interface: a switch's mirror port, for a minute or for weeks
    #[command(after_long_help = record::EXAMPLES)]
    Capture(Box<RecordArgs>),
    /// Say which devices live in a home, which flows are theirs, and when somebody used them
    #[command(after_long_help = infer::EXAMPLES)]
    Infer(InferArgs),
    /// Say which devices live in a home, with the evidence for each
    Devices(InferArgs),
    /// Say which flows belong to which device
    Flows(InferArgs),
    /// List, show, learn, import and export the fingerprints that devices are recognised by
    #[command(subcommand)]
    Fingerprint(FingerprintCommand),
    /// Apply defenses to a home, attack what the wire then shows, and score both
    #[command(after_long_help = defend::EXAMPLES)]
    Defend(Box<DefendArgs>),
    /// Audit any defense by anybody, from captures before and after it
    #[command(after_long_help = score::EXAMPLES)]
    Score(Box<ScoreArgs>),
    /// Draw privacy against bandwidth over the chances of activity and of padding
    #[command(after_long_help = sweep::EXAMPLES)]
    Sweep(Box<SweepArgs>),
    /// Run every check of stp-audit.toml
    #[command(after_long_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Make a pair of keys for one end of a tunnel; prints the public one
    Keygen(KeygenArgs),
    /// Show the whole loop on a synthetic home that comes with the program; leaves report.html
    Demo,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page a command into a folder
    Man {
        /// Folder to write the pages into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nonsense_is_refused_with_the_range() {
        for bad in ["nan", "inf", "0", "-3", "x"] {
            let typed = ["stp-audit", "infer", "x.pcap", "--sigma", bad];
            assert!(Cli::try_parse_from(typed).is_err(), "{bad}");
        }
        let typed = ["stp-audit", "infer", "x.pcap", "--bin", "0"];
        assert!(Cli::try_parse_from(typed).is_err());
    }
}
