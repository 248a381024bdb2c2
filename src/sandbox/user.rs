//! Who records: a user, and who called sudo.

use std::fmt;

/// A user to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name, or the number where there is no name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
    /// All the groups the user is in, `gid` among them.
    pub groups: Vec<u32>,
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{} (uid {})", self.name, self.uid)
    }
}

/// Who called sudo, as the variables of that name tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sudo<'a> {
    /// SUDO_UID
    pub uid: Option<&'a str>,
    /// SUDO_GID
    pub gid: Option<&'a str>,
}
