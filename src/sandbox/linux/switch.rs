//! Another user: whom a root process becomes once the interface is open, and how.
//!
//! `-Z USER` as tcpdump has it. Without it, whoever called sudo, so that the capture is theirs; else whoever the output
//! folder belongs to, for they can write there; else nobody.

use crate::sandbox::error::SandboxError;
use crate::sandbox::user::{Sudo, User};
use nix::unistd::{self, getgrouplist, Gid, Uid};
use rustix::fs::{accessat, fchown, fstat, Access, AtFlags, FileType, CWD};
use rustix::thread::{capabilities, set_capabilities, CapabilitySet, CapabilitySets};
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Whom to become; `None` to stay who we are, which everybody but root does.
///
/// `asked` is a name or a number. `-Z root` is an answer too: that process has no capability left, but owns what is
/// root's in the output folder.
///
/// # Errors
/// A user that does not exist, or whom we cannot become.
pub fn choose(
    asked: Option<&str>,
    sudo: Sudo,
    folders: &[PathBuf],
) -> Result<Option<User>, SandboxError> {
    let (real, effective) = (unistd::getuid(), unistd::geteuid());
    if let Some(asked) = asked {
        let user = named(asked)?;
        return match effective.is_root() {
            true => Ok(Some(user)),
            false if user.uid == effective.as_raw() => Ok(None),
            false => Err(SandboxError::NotRoot { user: user.name }),
        };
    }
    if !effective.is_root() {
        return Ok(None);
    }
    // A program with the set-user-id bit goes back to its caller.
    if !real.is_root() {
        return numbered(real.as_raw(), unistd::getgid().as_raw()).map(Some);
    }
    if let Some(uid) = sudo.uid.and_then(number).filter(|uid| *uid != 0) {
        let gid = sudo.gid.and_then(number).unwrap_or(uid);
        return numbered(uid, gid).map(Some);
    }
    let owners = folders.iter().filter_map(|folder| folder.metadata().ok());
    // Who has a device is nobody to become.
    let owners = owners.filter(std::fs::Metadata::is_dir);
    match owners.map(|owner| (owner.uid(), owner.gid())).next() {
        Some((uid, gid)) if uid != 0 => numbered(uid, gid).map(Some),
        _ => named("nobody").map(Some),
    }
}

fn number(text: &str) -> Option<u32> {
    // The highest is no user but the system's way to say "unchanged".
    text.parse().ok().filter(|number| *number != u32::MAX)
}

fn named(asked: &str) -> Result<User, SandboxError> {
    let step = "looking a user up";
    let found = match number(asked) {
        Some(uid) => unistd::User::from_uid(Uid::from_raw(uid)),
        None => unistd::User::from_name(asked),
    };
    match found.map_err(SandboxError::step(step))? {
        Some(user) => known(user),
        None => Err(SandboxError::NoUser {
            user: asked.to_owned(),
        }),
    }
}

/// A user who is there, whether or not the system's list of users knows of them.
fn numbered(uid: u32, gid: u32) -> Result<User, SandboxError> {
    match unistd::User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => known(user),
        _ => Ok(User {
            name: uid.to_string(),
            uid,
            gid,
            groups: vec![gid],
        }),
    }
}

fn known(user: unistd::User) -> Result<User, SandboxError> {
    let name = CString::new(user.name.as_str()).map_err(|_| SandboxError::NoUser {
        user: user.name.clone(),
    })?;
    let groups = getgrouplist(&name, user.gid).map_err(SandboxError::step("looking groups up"))?;
    Ok(User {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    })
}

/// Who we are, for people.
pub(super) fn current() -> String {
    let uid = unistd::geteuid();
    match unistd::User::from_uid(uid) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => uid.to_string(),
    }
}

/// The first of the places in which, where they are folders, the user could make no file without any capability, or to which
/// they could not write.
///
/// The system is asked as that user, for nobody else knows: rights can hang on groups, on lists, on the mount.
pub(super) fn unwritable(
    user: Option<&User>,
    places: &[PathBuf],
) -> Result<Option<PathBuf>, SandboxError> {
    let step = "trying whether the output can be written";
    let before = capabilities(None).map_err(SandboxError::step(step))?;
    let (uid, gid) = (unistd::geteuid(), unistd::getegid());
    let groups = unistd::getgroups().map_err(SandboxError::step(step))?;
    if let Some(user) = user {
        set_groups(user).map_err(SandboxError::step(step))?;
        unistd::setegid(Gid::from_raw(user.gid)).map_err(SandboxError::step(step))?;
        unistd::seteuid(Uid::from_raw(user.uid)).map_err(SandboxError::step(step))?;
    }
    let bare = CapabilitySets {
        effective: CapabilitySet::empty(),
        ..before
    };
    set_capabilities(None, bare).map_err(SandboxError::step(step))?;
    let denied = places.iter().find(|place| {
        let rights = match place.is_dir() {
            true => Access::WRITE_OK | Access::EXEC_OK,
            false => Access::WRITE_OK,
        };
        accessat(CWD, *place, rights, AtFlags::EACCESS).is_err()
    });
    // And back, in the opposite order.
    if user.is_some() {
        unistd::seteuid(uid).map_err(SandboxError::step(step))?;
    }
    set_capabilities(None, before).map_err(SandboxError::step(step))?;
    if user.is_some() {
        unistd::setegid(gid).map_err(SandboxError::step(step))?;
        unistd::setgroups(&groups).map_err(SandboxError::step(step))?;
    }
    Ok(denied.cloned())
}

/// Gives files to the user: regular ones that are root's.
pub(super) fn hand_over(files: &[OwnedFd], user: &User) -> Result<(), SandboxError> {
    let step = "giving the output to the user";
    for file in files {
        let status = fstat(file).map_err(SandboxError::step(step))?;
        let regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if regular && status.st_uid == 0 {
            let uid = rustix::fs::Uid::from_raw(user.uid);
            let gid = rustix::fs::Gid::from_raw(user.gid);
            fchown(file, Some(uid), Some(gid)).map_err(SandboxError::step(step))?;
        }
    }
    Ok(())
}

/// Becomes the user for good: real, effective and saved.
pub(super) fn become_user(user: &User) -> Result<(), SandboxError> {
    let step = "becoming another user";
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_groups(user).map_err(SandboxError::step(step))?;
    unistd::setresgid(gid, gid, gid).map_err(SandboxError::step(step))?;
    unistd::setresuid(uid, uid, uid).map_err(SandboxError::step(step))?;
    // As it is the one step everything hangs on, it is seen to have been done.
    let now = unistd::getresuid().map_err(SandboxError::step(step))?;
    match now.real == uid && now.effective == uid && now.saved == uid {
        true => Ok(()),
        false => Err(SandboxError::Step {
            step,
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        }),
    }
}

fn set_groups(user: &User) -> nix::Result<()> {
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    unistd::setgroups(&groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let root = named("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(named("0").unwrap(), root);
        assert_eq!(root.to_string(), "root (uid 0)");
        for unknown in ["no-such-user", "", "-1", "4294967295", "99999999999"] {
            let error = named(unknown).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("there is no user {unknown}:")),
                "{error}"
            );
        }
    }

    #[test]
    fn whoever_called_sudo_comes_before_the_folder_and_nobody() {
        let root = unistd::geteuid().is_root();
        let chosen = |uid, gid, folders: &[PathBuf]| {
            let user = choose(None, Sudo { uid, gid }, folders).unwrap();
            user.map(|user| (user.uid, user.gid))
        };
        let at_home = [PathBuf::from("/")];
        // A number the list of users does not know keeps its group.
        let by_sudo = chosen(Some("54321"), Some("54322"), &at_home);
        assert_eq!(by_sudo, root.then_some((54_321, 54_322)));
        let nobody = named("nobody").unwrap();
        for uid in [None, Some("0"), Some("x"), Some("4294967295")] {
            let by_folder = chosen(uid, Some("7"), &at_home);
            assert_eq!(by_folder, root.then_some((nobody.uid, nobody.gid)));
        }
        let folder = tempfile::tempdir().unwrap();
        if root {
            std::os::unix::fs::chown(folder.path(), Some(54_323), Some(54_324)).unwrap();
            let owner = chosen(None, None, &[folder.path().to_owned()]);
            assert_eq!(owner, Some((54_323, 54_324)));
        }
    }
}
