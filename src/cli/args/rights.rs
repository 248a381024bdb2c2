//! What a process that listens to interfaces keeps of its rights, asked for alike wherever that is done.

use clap::Args;

/// Who goes on once the interfaces are open, and in what sandbox
#[derive(Clone, Debug, Args)]
pub struct RightsArgs {
    /// User, by name or number, that root becomes once the interface is open [default: who called sudo; else who owns the folder
    /// of a ring or report; else nobody]
    #[arg(short = 'Z', value_name = "USER")]
    pub user: Option<String>,
    /// Keep all rights while listening: otherwise nothing is left but to write in the output's folders
    #[arg(long, conflicts_with = "user")]
    pub no_sandbox: bool,
}
