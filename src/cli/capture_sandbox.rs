//! What a recording still may, once interfaces and output are open; and, of that, what holds for all who listen to interfaces.

use crate::capture::{Live, Recorder};
use crate::cli::args::{RecordArgs, RightsArgs};
use crate::cli::capture_listen::Opened;
use crate::cli::capture_output::Output;
use crate::sandbox::{choose, interface_folder, Plan, Sudo};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// A sandbox for one recording, seen to be possible.
pub struct Sandbox {
    plan: Plan,
    /// Whether the user is to own what is recorded.
    theirs: bool,
}

impl Sandbox {
    /// As typed; `None` where none is wanted.
    ///
    /// # Errors
    /// Whoever is to record does not exist, or cannot write in the folder.
    pub fn of(args: &RecordArgs, from: &Opened, to: &Output) -> anyhow::Result<Option<Self>> {
        let writable: Vec<PathBuf> = to.folder().map(Into::into).into_iter().collect();
        // One file that root records as nobody stays root's: nobody else asked for it.
        let somebodys =
            args.rights.user.is_some() || said("SUDO_UID").is_some() || !writable.is_empty();
        let Some(plan) = plan(&args.rights, &from.lives, writable)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            plan,
            theirs: somebodys && !to.is_opened(),
        }))
    }

    /// Enters it, and says what was done.
    ///
    /// # Errors
    /// What [`Plan::enter`] says.
    pub fn enter(mut self, recorder: &Recorder) -> anyhow::Result<String> {
        if self.theirs {
            let file = recorder.file().as_fd().try_clone_to_owned()?;
            self.plan.hand_over.push(file);
        }
        Ok(self.plan.enter()?.to_string())
    }
}

/// A sandbox for listening to interfaces and writing to `writable`, seen to be possible; `None` where none is wanted.
///
/// # Errors
/// Whoever is to go on does not exist, or cannot write there.
pub fn plan(
    rights: &RightsArgs,
    lives: &[Live],
    writable: Vec<PathBuf>,
) -> anyhow::Result<Option<Plan>> {
    if rights.no_sandbox {
        return Ok(None);
    }
    let (uid, gid) = (said("SUDO_UID"), said("SUDO_GID"));
    let sudo = Sudo {
        uid: uid.as_deref(),
        gid: gid.as_deref(),
    };
    let plan = Plan {
        user: choose(rights.user.as_deref(), sudo, &writable)?,
        writable,
        // Where the kernel says whether interfaces are up.
        readable: lives
            .iter()
            .filter_map(|live| interface_folder(live.name()))
            .collect(),
        hand_over: Vec::new(),
    };
    plan.check()?;
    Ok(Some(plan))
}

fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
