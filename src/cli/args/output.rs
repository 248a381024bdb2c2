//! Where results go, for every command that has some.

use crate::report::{Format, Output};
use clap::Args;

/// Where results go
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format on standard output
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// One more report of the same run (repeat): json=result.json, md=-
    #[arg(long, short = 'o', value_name = "FORMAT=PATH")]
    pub output: Vec<Output>,
}
