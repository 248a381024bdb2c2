//! `check`: limits kept in a file beside the code.

use super::output::VerdictOutputArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
A file of one check; its words are those of defend (or, with command = \"score\", of score), paths are relative to the file:
  [[check]]
  name = \"evening\"
  input = \"evening.pcapng\"
  labels = \"truth.csv\"
  mode = [\"stp\"]
  target-confidence = 0.1
  max-confidence = 0.3
  max-overhead = 5.0

A check wants a limit: one that can never fail is a mistake, and refused, unless it says limits = \"none\", as one that is
there for its reports alone.

Exit status: the worst of all checks; 130 or 143 after a signal: checks that had ended are reported, the others are not run.";

/// Where the checks are
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// The file of checks
    #[arg(long, default_value = "stp-audit.toml", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Exit with 0 also where a limit is broken or nothing can be told; the report still says so
    #[arg(long)]
    pub exit_zero: bool,
    /// Where results go.
    #[command(flatten)]
    pub output: VerdictOutputArgs,
}
