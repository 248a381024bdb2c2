//! What `infer -i` still may, once its interfaces are open: look at packets, and write the reports it was asked for.

use crate::capture::Live;
use crate::cli::args::InferArgs;
use crate::cli::capture_sandbox;
use crate::cli::exit::environment;
use crate::report::output::{Place, Target};
use crate::report::OutputError;
use crate::sandbox::Plan;
use rustix::process::geteuid;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bit of a folder, such as /tmp, in which files are replaced by their owners alone.
const STICKY: u32 = 0o1000;

/// The sandbox, seen to be possible, and all reports in it; `None` where none is wanted.
///
/// # Errors
/// Whoever is to go on does not exist, or could not write a report: better known now than after a week.
pub fn plan(args: &InferArgs, lives: &[Live]) -> anyhow::Result<Option<Plan>> {
    let outputs = args.output.output.iter();
    let files = outputs.filter_map(|output| match &output.target {
        Target::File(path) => Some(path),
        Target::Stdout => None,
    });
    let mut writable: Vec<PathBuf> = Vec::new();
    let mut kept = Vec::new();
    for path in files.chain(&args.rates) {
        let place = match Place::of(path)? {
            Place::Stream(path) => path,
            Place::Folder { folder, old, .. } => {
                let folder = whole(path, &folder)?;
                kept.extend(old.map(|old| (path, folder.clone(), old.uid())));
                folder
            }
        };
        if !writable.contains(&place) {
            writable.push(place);
        }
    }
    let Some(plan) = capture_sandbox::plan(&args.watch.rights, lives, writable)? else {
        return Ok(None);
    };
    let uid = plan.user.as_ref().map(|user| user.uid);
    let uid = uid.unwrap_or_else(|| geteuid().as_raw());
    for (path, folder, owner) in kept {
        let about = folder.metadata()?;
        if about.mode() & STICKY != 0 && owner != uid && about.uid() != uid {
            return Err(environment(format!(
                "{}: is there already and belongs to user {owner}, and in {} only its owner may replace it, not user {uid}, who goes on once the interface is open; choose another name, or that user with -Z",
                path.display(),
                folder.display()
            )));
        }
    }
    Ok(Some(plan))
}

/// A folder by its whole name: who goes on must be able to come there from the root, too.
fn whole(path: &Path, folder: &Path) -> Result<PathBuf, OutputError> {
    folder.canonicalize().map_err(|source| OutputError::Folder {
        path: path.display().to_string(),
        folder: folder.display().to_string(),
        source,
    })
}
