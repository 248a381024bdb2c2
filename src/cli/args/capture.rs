//! Which packets of a capture, and whose home they are, for every command that reads one.

use super::values::{flows, prefix, vantage, VantageChoice};
use clap::{Args, ValueHint};
use ipnet::IpNet;
use std::path::PathBuf;

/// Which packets, and whose home
#[derive(Clone, Debug, Args)]
pub struct CaptureArgs {
    /// Which packets, as a BPF filter (pcap-filter(7)): 'host 192.168.1.9 and not port 53'
    #[arg(long, short = 'f', value_name = "BPF")]
    pub filter: Option<String>,
    /// Where the observer stands: auto, lan or wan
    #[arg(long, default_value = "auto", value_name = "WHERE", value_parser = vantage)]
    pub vantage: VantageChoice,
    /// The home's address or prefix (repeat); told from the traffic otherwise
    #[arg(long, value_name = "CIDR", value_parser = prefix)]
    pub home: Vec<IpNet>,
    /// More fingerprints: a folder of TOML files (repeat); they go beside the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub fingerprints: Vec<PathBuf>,
    /// Flows listed one by one, about 1 KB of memory each; more are folded by server, and counted
    #[arg(long, value_name = "N", default_value_t = crate::flow::observer::FLOWS_LISTED, allow_negative_numbers = true, value_parser = flows)]
    pub max_flows: usize,
    /// Accept an input that ends within a record: exit 0 instead of 5
    #[arg(long)]
    pub allow_truncated: bool,
}
