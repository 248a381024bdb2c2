//! `infer`, `devices`, `flows`: what may be asked of a capture.

use super::activity::ActivityArgs;
use super::capture::CaptureArgs;
use super::output::OutputArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit infer evening.pcapng
  stp-audit infer monday.pcap.gz tuesday.pcap.zst -f 'not port 22'
  stp-audit infer home.pcapng --labels truth.csv --tolerance 30s
  tcpdump -w - -i eth1 | stp-audit infer - --format jsonl
  stp-audit infer wan.pcapng --fingerprints learned/ -o json=result.json -o md=-

Exit status: 0 done; 2 usage; 3 unreadable input or no usable packet; 4 environment; 5 truncated input without
--allow-truncated (what was read is still reported); 130 or 143 after a signal, with what was read reported.";

/// Input and what to make of it
#[derive(Clone, Debug, Args)]
pub struct InferArgs {
    /// Captures: pcap or pcapng, plain or packed by gzip or zstd; - is standard input; several are one trace in time order
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// Which packets, and whose home.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// How activities are told from background.
    #[command(flatten)]
    pub activity: ActivityArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Write the rates of every device, one row an active bin: start,device,up_bytes,down_bytes
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub rates: Option<PathBuf>,
}
