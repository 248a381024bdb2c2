//! The commands: each a short file that reads as prose.

pub mod args;
pub mod auditing;
pub mod capture;
pub mod capture_clock;
pub mod capture_listen;
pub mod capture_output;
pub mod capture_sandbox;
pub mod capture_senders;
pub mod capture_status;
pub mod check;
pub mod checks;
pub mod defend;
pub mod defended;
pub mod demo;
pub mod ending;
pub mod exit;
pub mod fingerprint;
pub mod habits;
pub mod homes;
pub mod infer;
pub mod keygen;
pub mod lessons;
pub mod live;
pub mod live_listen;
pub mod live_sandbox;
pub mod live_stage;
pub mod loopback;
pub mod loopback_capture;
pub mod loopback_keys;
pub mod manual;
pub mod nearest;
pub mod observing;
pub mod outcome;
pub mod pictures;
pub mod pieces;
pub mod print;
pub mod progress;
pub mod rates;
pub mod reading;
pub mod recording;
pub mod score;
pub mod scrubbing;
pub mod shaping;
pub mod signals;
pub mod sweep;
pub mod tracing;
pub mod wire;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use exit::{Exit, Failure};
use print::print;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use crate::report::View;

/// What the program is called where it may record and do nothing else: a package can give that name, and the capability that
/// recording takes, to some users alone.
const RECORDER: &str = "stp-audit-capture";

/// What was typed, with the command where it is in the program's name.
fn words(typed: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = typed.collect();
    let called = words.first().and_then(|word| Path::new(word).file_name());
    if called.is_some_and(|name| name == RECORDER) {
        words.insert(1, "capture".into());
    }
    words
}

/// Runs what was typed and says how the program is to end.
pub fn run() -> Exit {
    let cli = match Cli::try_parse_from(words(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let common = &cli.common;
    let result = match &cli.command {
        None => print(args::SHORT_HELP),
        Some(Command::Capture(args)) => capture::run(args, common),
        Some(Command::Infer(args)) => infer_or_watch(args, common, View::Infer),
        Some(Command::Devices(args)) => infer_or_watch(args, common, View::Devices),
        Some(Command::Flows(args)) => infer_or_watch(args, common, View::Flows),
        Some(Command::Fingerprint(command)) => fingerprint::run(command, common),
        Some(Command::Defend(args)) => defend::run(args, common),
        Some(Command::Score(args)) => score::run(args, common),
        Some(Command::Sweep(args)) => sweep::run(args, common),
        Some(Command::Check(args)) => check::run(args, common),
        Some(Command::Keygen(args)) => keygen::run(args),
        Some(Command::Demo) => demo::run(common),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "stp-audit", &mut script);
            print(String::from_utf8_lossy(&script))
        }
        Some(Command::Man { out }) => manual::run(out.as_deref()),
    };
    result.unwrap_or_else(|error| {
        let failure = exit::of(&error);
        if failure != Failure::ClosedPipe {
            let _ = writeln!(std::io::stderr(), "stp-audit: {}", exit::told(&error));
        }
        failure.exit()
    })
}

/// `infer` and its kin: of a capture as a whole, or as it comes.
fn infer_or_watch(
    args: &args::InferArgs,
    common: &args::Common,
    view: View,
) -> anyhow::Result<Exit> {
    args.watch.check().map_err(exit::usage)?;
    match args.watch.is_live() {
        true => live::run(args, common, view),
        false => infer::run(args, common, view),
    }
}
