//! `run-length`: claims only where padding lasts two periods and more.
//!
//! Ours. Under the paper's rule (section 6.2) an activity that runs past the end of a period makes padding go on, and cover
//! does so only by a second draw at that very second, so long runs betray activities. Each run of 2 T and more is one claim,
//! its span the whole run, believed in the more the longer it is. Padding that never ends tells nothing and is not claimed.

use super::wire::{half_open, whose, Watcher, Wire};
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use std::sync::Arc;
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub struct RunLength {
    knowledge: Arc<Knowledge>,
}

impl RunLength {
    /// With what it knows of far ends.
    pub fn new(knowledge: Arc<Knowledge>) -> Self {
        Self { knowledge }
    }
}

impl Adversary for RunLength {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, Duration::from_secs(1)))
    }
}

impl Watcher for RunLength {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let whose = whose(wire.seen, &self.knowledge);
        let mut guesses = Vec::new();
        for padding in wire.padding() {
            let device = whose.get(padding.flow as usize).copied().flatten();
            let long = padding.runs.iter().filter(|run| run.periods >= 2);
            guesses.extend(long.map(|run| Guess {
                span: half_open(padding.span(run)),
                device,
                belief: f64::from(run.periods),
            }));
        }
        guesses
    }
}
