//! One who watches.

use super::observation::Observation;
use crate::units::Span;

/// A claim: somebody used a device then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// When.
    pub span: Span,
    /// Which device: a place in [`Knowledge::devices`](super::Knowledge::devices); `None` where the adversary cannot tell or does
    /// not care.
    pub device: Option<usize>,
    /// How sure the adversary is, compared with its other guesses; the surest are looked at first. Any scale.
    pub belief: f64,
}

/// One who watches and claims.
pub trait Adversary: Send + Sync {
    /// What it claims to have happened.
    fn guess(&self, seen: &Observation) -> Vec<Guess>;
}
