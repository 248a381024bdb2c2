//! The `stp-audit` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(stp_audit::cli::run().code())
}
