//! Why a sandbox was not entered.

use std::io;
use std::path::PathBuf;

/// Why a sandbox was not entered: what was tried, and what to try instead.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The user does not exist.
    #[error("there is no user {user}: -Z takes the name or the number of one, `getent passwd` lists them")]
    NoUser {
        /// As it was given.
        user: String,
    },
    /// Becoming somebody else takes root.
    #[error("-Z {user}: only root can become another user; without -Z it stays yours")]
    NotRoot {
        /// As it was given.
        user: String,
    },
    /// Files could not be made after the change of user.
    #[error("{}: user {user} cannot write there, and that is who goes on once the interface is open; give another with -Z USER (-Z root stays root, without its capabilities), or choose another folder", folder.display())]
    Unwritable {
        /// Who was tried.
        user: String,
        /// Where.
        folder: PathBuf,
    },
    /// A folder or file that is to stay open to the process.
    #[error("{}: {reason}; the sandbox cannot leave it open", path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// As the system says it.
        reason: String,
    },
    /// Threads that would stay outside.
    #[error("{count} threads run already, and the sandbox holds one: it must be entered before the others start")]
    Threads {
        /// How many there are.
        count: usize,
    },
    /// The kernel cannot keep a process from files.
    #[error("this kernel has no Landlock to keep a process away from files (Linux 5.13 has it, where `lsm=` lists landlock at boot); --no-sandbox does without")]
    NoLandlock,
    /// Another system, or another machine.
    #[error("there is a sandbox on Linux on x86_64 and aarch64 alone; --no-sandbox does without")]
    Elsewhere,
    /// The kernel refused a step.
    #[error("sandbox: {step}: {source}; --no-sandbox does without")]
    Step {
        /// What was tried.
        step: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl SandboxError {
    /// What turns a system's error into that of a step.
    pub(super) fn step<E: Into<io::Error>>(step: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Step {
            step,
            source: error.into(),
        }
    }
}
