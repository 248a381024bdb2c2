//! What a process is to keep, and what was done about it.

use super::user::User;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What the process is to keep.
#[derive(Debug, Default)]
pub struct Plan {
    /// Whom to become, see [`choose`](super::choose); `None` stays who it is.
    pub user: Option<User>,
    /// Folders in which files are written, renamed and removed from now on; and devices, FIFOs and the like that are opened
    /// for writing. What is open already needs none.
    pub writable: Vec<PathBuf>,
    /// Files, and folders with all beneath, that are read from now on; those that do not exist are left out.
    pub readable: Vec<PathBuf>,
    /// Open files to give to the user, so that a ring can rename its first file even in a folder like /tmp, and whoever
    /// called sudo can read what was recorded. Those that are no regular files or not root's stay as they are.
    pub hand_over: Vec<OwnedFd>,
}

/// What was done. As text, one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Who the process has become; `None` where it stayed who it was.
    pub user: Option<User>,
    /// Whether the bounding set was emptied too, which takes CAP_SETPCAP. The other four sets are empty in any case, and
    /// without exec nothing can be gained from this one.
    pub bounding: bool,
    /// What Landlock of this kernel can do, as its version.
    pub landlock: u32,
    /// Where files can still be written.
    pub writable: Vec<PathBuf>,
    /// How many system calls are refused.
    pub refused: usize,
}

impl fmt::Display for Entered {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "sandbox: ")?;
        if let Some(user) = &self.user {
            write!(out, "user {user}, ")?;
        }
        write!(out, "no capabilities, no exec, no new sockets, writing ")?;
        match self.writable.as_slice() {
            [] => write!(out, "to open files alone"),
            folders => {
                let folders = folders.iter().map(|folder| folder.display().to_string());
                write!(out, "in {} alone", folders.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Where the kernel tells of an interface: whether it is up, and what it dropped. For [`Plan::readable`]; `None` for what is
/// no interface, like `any`.
///
/// The real folder, not the link in /sys/class/net: Landlock goes by where files are. It lies elsewhere, and can no longer be
/// read, once the interface was removed and made anew.
pub fn interface_folder(name: &str) -> Option<PathBuf> {
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let link = PathBuf::from("/sys/class/net").join(name);
    link.canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_tells_what_was_done() {
        let mut entered = Entered {
            user: None,
            bounding: false,
            landlock: 5,
            writable: vec!["/srv/ring".into()],
            refused: 90,
        };
        assert_eq!(
            entered.to_string(),
            "sandbox: no capabilities, no exec, no new sockets, writing in /srv/ring alone"
        );
        entered.writable.clear();
        entered.user = Some(User {
            name: "ann".into(),
            uid: 1000,
            gid: 1000,
            groups: vec![1000],
        });
        assert_eq!(
            entered.to_string(),
            "sandbox: user ann (uid 1000), no capabilities, no exec, no new sockets, writing to open files alone"
        );
    }

    #[test]
    fn interfaces_have_a_folder_and_nothing_else_has() {
        assert!(interface_folder("lo").is_none_or(|folder| folder.starts_with("/sys/devices")));
        for strange in ["any", "..", ".", "", "../net", "lo/../lo"] {
            // The empty name is the list itself.
            let folder = interface_folder(strange);
            assert!(
                folder.is_none() || strange.is_empty(),
                "{strange}: {folder:?}"
            );
        }
    }
}
