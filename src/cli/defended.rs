//! A home that was defended and attacked: what `defend` hands to its reports and pictures.

use crate::cli::homes::Ground;
use crate::threat::Defense;
use crate::verdict::Verdict;

/// Defenses by their names.
pub type Defenses = Vec<(String, Box<dyn Defense>)>;

/// What came of it.
pub struct Defended {
    /// What was found, judged.
    pub verdict: Verdict,
    /// The home.
    pub ground: Ground,
    /// The defenses.
    pub defenses: Defenses,
    /// The signal that ended the reading early.
    pub signal: Option<u8>,
}
