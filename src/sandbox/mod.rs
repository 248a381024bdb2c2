//! What a process that listens to interfaces for weeks keeps once its devices are open: the right to go on, and no other.
//!
//! A capture reads what anybody on the network cares to send, so it is laid out as if it could be taken over: it becomes an
//! unprivileged user, gives up every capability, can write nowhere but in the folder of its output and read next
//! to nothing, and can neither start a program nor open a socket. Landlock keeps it from files, seccomp from system
//! calls; the packet socket that is open already goes on.
//!
//! None of this can be undone, and all of it is for the whole process: so it comes after what needs privileges and before
//! the first packet and the first thread.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod elsewhere;
pub mod error;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux;
pub mod plan;
pub mod user;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub use elsewhere::choose;
pub use error::SandboxError;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use linux::choose;
pub use plan::{interface_folder, Entered, Plan};
pub use user::{Sudo, User};
