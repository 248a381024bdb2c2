//! The gateway: keys, and tunnels over real sockets.

use super::values::between;
use crate::defense::settings::QuietTraffic;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// A new pair of keys
#[derive(Clone, Debug, Args)]
pub struct KeygenArgs {
    /// The key file; mode 0600, and nothing that exists is written over
    #[arg(long, short, default_value = "stp-audit.key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// Tunnels over real sockets
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Loopback")]
pub struct LoopbackArgs {
    /// Run stp for real, with --mode stp: both ends of each tunnel over UDP on 127.0.0.1, a relay between them as the
    /// observer, and the simulator beside it
    #[arg(long)]
    pub loopback: bool,
    /// How much of the trace is lived: the minutes with most activities
    #[arg(long, default_value = "5", value_name = "N", requires = "loopback", allow_negative_numbers = true, value_parser = |text: &str| between(text, 0.1, 1440.0))]
    pub minutes: f64,
    /// The trace's seconds in one of the clock
    #[arg(long, default_value = "1", value_name = "TIMES", requires = "loopback", allow_negative_numbers = true, value_parser = |text: &str| between(text, 0.1, 1000.0))]
    pub time_scale: f64,
    /// The near end's key, a file that keygen wrote, with --peer; without them each tunnel has new keys
    #[arg(long, value_name = "FILE", requires_all = ["loopback", "peer"], value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// The far end's key, another file that keygen wrote: of a loopback both ends are here
    #[arg(long, value_name = "FILE", requires_all = ["loopback", "key"], value_hint = ValueHint::FilePath)]
    pub peer: Option<PathBuf>,
}

/// What goes outside padding, by its name.
pub(super) fn quiet(text: &str) -> Result<QuietTraffic, String> {
    super::values::one_of(
        text,
        &[
            ("pass", QuietTraffic::Pass),
            ("constant", QuietTraffic::Constant),
        ],
    )
}
