//! What of each packet is stored, beside its length and time.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// What of each packet is stored
#[derive(Clone, Debug, Args)]
pub struct ScrubArgs {
    /// Keep headers and the names that `infer` reads (DNS, TLS, QUIC, hosts of HTTP and DHCP), drop all other contents; packets
    /// are taken whole for it unless -s says otherwise
    #[arg(long)]
    pub headers_only: bool,
    /// Keep headers alone, with pseudonyms for addresses and hardware addresses under the key in this file: sizes, times,
    /// vendors and networks stay, addresses, serial numbers and names do not
    #[arg(long, value_name = "KEYFILE", value_hint = ValueHint::FilePath)]
    pub anonymize: Option<PathBuf>,
}
