//! The program itself, run as a person runs it, and where captures to run it on may lie.

#![allow(dead_code)] // each test file uses its part

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Nothing in these tests may take longer, also where others keep the machine busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder of real captures: `STP_AUDIT_DATA`, else `../shared/data`; none, and a line said, where it is absent.
pub fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("STP_AUDIT_DATA").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no captures at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The program with its first words.
pub fn stp_audit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stp-audit"));
    command.args(arguments);
    command
}

/// How a run ended.
pub struct Ran {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// The JSON report, where one was written.
    pub report: Option<serde_json::Value>,
    /// Standard error.
    pub said: String,
}

/// `infer INPUT --format json` with more arguments.
pub fn infer<S: AsRef<OsStr>>(input: &Path, more: &[S]) -> Ran {
    let mut command = stp_audit(&["infer", "--format", "json"]);
    command.arg(input).args(more);
    let output = assert_cmd::Command::from_std(command)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    let report = match output.stdout.is_empty() {
        true => None,
        false => Some(serde_json::from_slice(&output.stdout).unwrap()),
    };
    Ran {
        code: output.status.code(),
        report,
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
