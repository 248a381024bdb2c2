//! The program, run on the fixtures and, where they are, on real captures.

#![allow(dead_code)] // each test file uses its part

use assert_cmd::Command;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Nothing in these tests may take longer, also where others keep the machine busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder of the fixtures, from where the program is run, so that reports name files and no folders.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The folder of real captures: `STP_AUDIT_DATA`, else `../shared/data`. They are no part of the project; where they are
/// absent, a line says so.
pub fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("STP_AUDIT_DATA").map_or_else(beside, PathBuf::from);
    there(folder)
}

/// A real capture, or what belongs to one.
pub fn real(name: &str) -> Option<PathBuf> {
    there(data()?.join(name))
}

fn there(path: PathBuf) -> Option<PathBuf> {
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// The program with its first words, as the standard library starts it.
pub fn stp_audit(arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stp-audit"));
    command.args(arguments);
    command
}

/// The program on the fixtures with these arguments, its standard streams in our hands.
pub fn start(arguments: &[&str]) -> Child {
    stp_audit(arguments)
        .current_dir(fixtures())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends a signal, by its name, as `-INT`.
pub fn send(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// How a run with a JSON report ended.
pub struct Ran {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// The JSON report, where one was written.
    pub report: Option<Value>,
    /// Standard error.
    pub said: String,
}

/// `infer INPUT --format json` with more arguments.
pub fn infer<S: AsRef<OsStr>>(input: &Path, more: &[S]) -> Ran {
    let mut command = stp_audit(&["infer", "--format", "json"]);
    command.arg(input).args(more);
    let output = Command::from_std(command)
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

/// The program, not started yet, away from the terminal and the settings of whoever runs the tests.
pub fn program() -> Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("stp-audit");
    command
        .current_dir(fixtures())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env("TERM", "xterm");
    command
}

/// What came of a run.
pub struct Run {
    /// Exit code; `None` after a signal that nobody caught.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Of what a finished process gave.
    pub fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {}", self.err))
    }

    /// That it ended with this code; gives itself back.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }
}

/// Runs the program with these arguments.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    Run::of(program().args(arguments).output().unwrap())
}

/// Runs the program with the words of a line.
pub fn line(words: &str) -> Run {
    run(words.split_whitespace())
}

/// Runs the program with the words of a line, and more.
pub fn words(line: &str, more: &[&str]) -> Run {
    run(line.split_whitespace().chain(more.iter().copied()))
}

/// That a report is what the schema of that name says.
pub fn valid(document: &Value, schema: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/report")
        .join(schema);
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(document)
        .map(|e| format!("{} {e}", e.instance_path))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Rows of a verdict by defense, adversary and device.
pub fn rows(verdict: &Value) -> Vec<&Value> {
    verdict["results"].as_array().unwrap().iter().collect()
}
