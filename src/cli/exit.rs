//! Exit codes, the same for every command and format.

use crate::capture::{CaptureError, LiveError};
use crate::report::human::{clipped, line as safe};
use crate::report::OutputError;
use crate::sandbox::SandboxError;
use std::io;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, within limits.
    Done,
    /// A limit or a baseline broken.
    Broken,
    /// Usage or configuration.
    Usage,
    /// Input unreadable, or no usable packet in it.
    Input,
    /// Environment: a capability, an interface, the disk.
    Environment,
    /// Inconclusive or partial.
    Partial,
    /// Ended by a signal; the partial result was written.
    Signal(u8),
}

impl Exit {
    /// The number for the shell.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Broken => 1,
            Self::Usage => 2,
            Self::Input => 3,
            Self::Environment => 4,
            Self::Partial => 5,
            Self::Signal(number) => 128 + number,
        }
    }
}

/// What kind of trouble an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The reader of standard output has gone: no trouble at all.
    ClosedPipe,
    /// See [`Exit`].
    Exit(Exit),
}

impl Failure {
    /// How the program ends.
    pub fn exit(self) -> Exit {
        match self {
            Self::ClosedPipe => Exit::Done,
            Self::Exit(exit) => exit,
        }
    }
}

/// An error that says by itself how the program is to end.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Told {
    /// How to end.
    pub exit: Exit,
    /// What to say.
    pub message: String,
}

/// An error of usage or configuration.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Told {
        exit: Exit::Usage,
        message: message.into(),
    })
}

/// An error of the input.
pub fn input(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Told {
        exit: Exit::Input,
        message: message.into(),
    })
}

/// An error of what is around us: a permission, an interface, the disk.
pub fn environment(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Told {
        exit: Exit::Environment,
        message: message.into(),
    })
}

/// Longest error that is told, in characters: a file may hold a name, or a line, of megabytes that an error would quote.
const LONGEST: usize = 4_000;

/// An error and its causes in one line, each said once: many an error quotes its cause already. What it quotes of a file cannot
/// repaint the terminal.
pub fn told(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    let lines: Vec<String> = clipped(&line, LONGEST).split('\n').map(safe).collect();
    lines.join("\n")
}

/// What kind of trouble an error chain is.
pub fn of(error: &anyhow::Error) -> Failure {
    for cause in error.chain() {
        if let Some(told) = cause.downcast_ref::<Told>() {
            return Failure::Exit(told.exit);
        }
        if let Some(error) = cause.downcast_ref::<CaptureError>() {
            return Failure::Exit(match error {
                CaptureError::NoInput
                | CaptureError::Filter { .. }
                | CaptureError::FilterName { .. } => Exit::Usage,
                _ => Exit::Input,
            });
        }
        if let Some(error) = cause.downcast_ref::<SandboxError>() {
            return Failure::Exit(match error {
                SandboxError::NoUser { .. } => Exit::Usage,
                _ => Exit::Environment,
            });
        }
        if cause.is::<OutputError>() || cause.is::<LiveError>() {
            return Failure::Exit(Exit::Environment);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
                _ => Failure::Exit(Exit::Environment),
            };
        }
    }
    Failure::Exit(Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_quotes_is_short_and_paints_nothing() {
        let strange = usage("x.toml: habits of `\u{1b}[31mred\u{7}`\nand more");
        assert_eq!(
            told(&strange),
            "x.toml: habits of `\\u{1b}[31mred\\u{7}`\nand more"
        );
        let long = told(&usage("w".repeat(3_000_000)));
        assert_eq!((long.len(), &long[3_996..]), (LONGEST, "w..."));
        let twice = anyhow::Error::new(io::Error::other("the disk")).context("a.pcap: the disk");
        assert_eq!(told(&twice), "a.pcap: the disk");
    }
}
