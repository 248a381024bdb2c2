//! Where there is no sandbox: every wish for one is refused, so that nobody records without knowing.

use super::error::SandboxError;
use super::plan::{Entered, Plan};
use super::user::{Sudo, User};
use std::path::PathBuf;

/// There is nobody to become.
///
/// # Errors
/// Always.
pub fn choose(_: Option<&str>, _: Sudo, _: &[PathBuf]) -> Result<Option<User>, SandboxError> {
    Err(SandboxError::Elsewhere)
}

impl Plan {
    /// Nothing can be said.
    ///
    /// # Errors
    /// Always.
    pub fn check(&self) -> Result<(), SandboxError> {
        Err(SandboxError::Elsewhere)
    }

    /// Nothing can be entered.
    ///
    /// # Errors
    /// Always.
    pub fn enter(self) -> Result<Entered, SandboxError> {
        Err(SandboxError::Elsewhere)
    }
}
