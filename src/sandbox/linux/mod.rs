//! The steps on Linux, in the one order in which each still has the rights it takes.

mod calls;
mod capabilities;
mod files;
mod switch;

pub use switch::choose;

use super::error::SandboxError;
use super::plan::{Entered, Plan};

impl Plan {
    /// Sees whether the user could write in the folders, and leaves the process as it was: to be asked before output is
    /// made there.
    ///
    /// # Errors
    /// A folder the user cannot write in; more threads than one.
    pub fn check(&self) -> Result<(), SandboxError> {
        single_thread()?;
        match switch::unwritable(self.user.as_ref(), &self.writable)? {
            None => Ok(()),
            Some(folder) => Err(SandboxError::Unwritable {
                user: match &self.user {
                    Some(user) => user.to_string(),
                    None => switch::current(),
                },
                folder,
            }),
        }
    }

    /// Enters the sandbox. Where [`Plan::check`] fails nothing has been done yet; after any other error the process is
    /// between inside and outside, and must end.
    ///
    /// # Errors
    /// What [`Plan::check`] says; a kernel without Landlock or seccomp; a step the kernel refuses.
    pub fn enter(self) -> Result<Entered, SandboxError> {
        self.check()?;
        // The bounding set needs CAP_SETPCAP, groups CAP_SETGID, the user CAP_SETUID: each before it is gone.
        let bounding = capabilities::empty_bounding_set()?;
        if let Some(user) = &self.user {
            switch::hand_over(&self.hand_over, user)?;
            switch::become_user(user)?;
        }
        capabilities::give_up()?;
        rustix::thread::set_no_new_privs(true)
            .map_err(SandboxError::step("forgoing new privileges"))?;
        let landlock = files::confine(&self.writable, &self.readable)?;
        let refused = calls::refuse()?;
        Ok(Entered {
            user: self.user,
            bounding,
            landlock,
            writable: self.writable,
            refused,
        })
    }
}

/// Capabilities and Landlock are a thread's own: another thread would stay outside.
fn single_thread() -> Result<(), SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(|source| SandboxError::Step {
        step: "counting threads in /proc/self/task",
        source,
    })?;
    match threads.count() {
        1 => Ok(()),
        count => Err(SandboxError::Threads { count }),
    }
}
