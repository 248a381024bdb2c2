//! Files, by Landlock: writing in the named folders, reading what is named, and nothing else of the file system.
//!
//! Also no TCP, no signal to a process outside, and no abstract Unix socket, where the kernel's Landlock knows of them.

use crate::sandbox::error::SandboxError;
use landlock::{
    Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope, ABI,
};
use std::io;
use std::path::{Path, PathBuf};

/// The newest version whose rights are asked for: that of Linux 6.12. Older kernels enforce what they have.
const NEWEST: ABI = ABI::V6;

/// Read whatever the caller names: how local time is told while files are named by it.
const CLOCK: [&str; 3] = ["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];

/// Confines the process, and says what version of Landlock does it. Links are followed once, now.
pub(super) fn confine(writable: &[PathBuf], readable: &[PathBuf]) -> Result<u32, SandboxError> {
    let step = "confining files by Landlock";
    // Never less than the first version: without that, nothing is confined.
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(refused(step))?;
    for path in writable {
        let access = match path.is_dir() {
            true => in_output_folders(),
            false => AccessFs::WriteFile.into(),
        };
        rules = rules
            .add_rule(PathBeneath::new(opened(path)?, access))
            .map_err(refused(step))?;
    }
    let named = readable.iter().map(PathBuf::as_path);
    for path in named.chain(CLOCK.iter().map(Path::new)) {
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        let access: BitFlags<AccessFs> = match metadata.is_dir() {
            true => AccessFs::ReadFile | AccessFs::ReadDir,
            false => AccessFs::ReadFile.into(),
        };
        rules = rules
            .add_rule(PathBeneath::new(opened(path)?, access))
            .map_err(refused(step))?;
    }
    let status = rules.restrict_self().map_err(refused(step))?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err(SandboxError::NoLandlock),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(effective_abi as u32),
        _ => Err(SandboxError::NoLandlock),
    }
}

/// What is done to files of a ring: made, written, cut back, renamed within the folder, removed, looked for.
fn in_output_folders() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
}

fn opened(path: &Path) -> Result<PathFd, SandboxError> {
    PathFd::new(path).map_err(|error| SandboxError::Place {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn refused(step: &'static str) -> impl Fn(landlock::RulesetError) -> SandboxError {
    move |error| SandboxError::Step {
        step,
        source: io::Error::other(error.to_string()),
    }
}
