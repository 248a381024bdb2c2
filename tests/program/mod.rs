//! The program, run on the fixtures and, where they are, on real captures.

#![allow(dead_code)] // each test file uses its part

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder of the fixtures, from where the program is run, so that reports name files and no folders.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A real capture or what belongs to one. They are no part of the project: `STP_AUDIT_DATA` names their folder, else
/// `../shared/data` is tried. Where the file is absent, a line says so.
pub fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STP_AUDIT_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    let there = path.exists();
    if !there {
        println!("skipped: {} is absent", path.display());
    }
    there.then_some(path)
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
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    Run::of(program().args(arguments).output().unwrap())
}

/// Runs the program with the words of a line.
pub fn line(words: &str) -> Run {
    run(words.split_whitespace())
}
