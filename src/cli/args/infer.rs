//! `infer`, `devices`, `flows`: what may be asked of a capture.

use super::activity::ActivityArgs;
use super::capture::CaptureArgs;
use super::output::OutputArgs;
use super::rights::RightsArgs;
use super::values::duration;
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit infer evening.pcapng
  stp-audit infer monday.pcap.gz tuesday.pcap.zst -f 'not port 22'
  stp-audit infer home.pcapng --labels truth.csv --tolerance 30s
  tcpdump -w - -i eth1 | stp-audit infer - --format jsonl
  stp-audit infer -i eth1 -f 'not port 22'
  ssh router tcpdump -U -s 256 -w - -i br-lan | stp-audit infer --follow - | grep activity_started
  stp-audit infer wan.pcapng --fingerprints learned/ -o json=result.json -o md=-

Exit status: 0 done; 2 usage; 3 unreadable input or no usable packet; 4 environment; 5 truncated input without
--allow-truncated (what was read is still reported); 130 or 143 after a signal, with what was read reported; a live run
ends by a signal, and with 0.";

/// How to infer while the traffic goes on
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Live")]
pub struct WatchArgs {
    /// Tell devices and activities as they are found: a table that refreshes at a terminal, JSON lines elsewhere; INPUT (- if
    /// none is given) is read as it comes, and the ordinary report is for the end
    #[arg(long, visible_alias = "live")]
    pub follow: bool,
    /// Listen to an interface, by name or by number of `capture -D` (repeat), and infer while the traffic goes on; takes the
    /// right to capture
    #[arg(long, short = 'i', value_name = "IF", conflicts_with_all = ["inputs", "follow"])]
    pub interface: Vec<String>,
    /// How long a device is watched before anything is claimed of it
    #[arg(long, default_value = "10m", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub warm_up: Duration,
    /// Which rights are kept while an interface is listened to.
    #[command(flatten)]
    pub rights: RightsArgs,
}

impl WatchArgs {
    /// Whether to infer while the traffic goes on.
    pub fn is_live(&self) -> bool {
        self.follow || !self.interface.is_empty()
    }

    /// Whether what was typed goes together.
    ///
    /// # Errors
    /// In words, where somebody believes in a sandbox that is not there.
    pub fn check(&self) -> Result<(), String> {
        match self.rights.user.is_some() && self.interface.is_empty() {
            true => Err(
                "-Z is for who listens to an interface, as infer -i eth1 -Z nobody; files are read with the rights you have"
                    .into(),
            ),
            false => Ok(()),
        }
    }
}

/// Input and what to make of it
#[derive(Clone, Debug, Args)]
pub struct InferArgs {
    /// Captures: pcap or pcapng, plain or packed by gzip or zstd; - is standard input; several are one trace in time order
    #[arg(required_unless_present_any = ["follow", "interface"], value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// Which packets, and whose home.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// How activities are told from background.
    #[command(flatten)]
    pub activity: ActivityArgs,
    /// How to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Write the rates of every device, one row an active bin: start,device,up_bytes,down_bytes
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub rates: Option<PathBuf>,
}
