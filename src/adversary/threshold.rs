//! `threshold`: claims an activity where a rate stands out from the usual.
//!
//! The paper's own attack (section 4.1: activities are inferred "based on standard deviations from mean traffic rates"), as
//! `infer` does it: the same detector with the same parameters, on the rates that are left to see. Flows that can be told by
//! their far ends are watched by device; all others, as those within a tunnel, together, and claims there name nobody. The
//! belief in a claim is how many standard deviations it stands out.
//!
//! What fills a good part of the time does not stand out from the mean of that time: against devices used every few
//! minutes, or padded as often, this adversary falls silent.

use super::settings::Settings;
use super::wire::{half_open, Watcher, Wire};
use crate::activity::detect::detect_in;
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub struct Threshold {
    knowledge: Arc<Knowledge>,
    settings: Settings,
}

impl Threshold {
    /// With what it knows of the far ends of devices.
    pub fn new(knowledge: Arc<Knowledge>, settings: &Settings) -> Self {
        Self {
            knowledge,
            settings: settings.clone(),
        }
    }
}

impl Watcher for Threshold {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let mut guesses = Vec::new();
        for watched in wire.watched() {
            let (cells, grid) = (&watched.cells, watched.grid);
            // Parameters that make no sense are refused where they are typed; here they find nothing.
            let found = detect_in(cells, grid, wire.seen.window, &self.settings.detector);
            let found = found.map(|found| found.activities).unwrap_or_default();
            guesses.extend(found.iter().map(|activity| Guess {
                span: half_open(activity.span),
                device: watched.device,
                belief: activity.sigma.abs(),
            }));
        }
        guesses
    }
}

impl Adversary for Threshold {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, self.settings.bin))
    }
}
