//! `run-length`: claims only where padding lasts two periods and more.
//!
//! Ours. Under the paper's rule (section 6.2) an activity that runs past the end of a period makes padding go on, and cover
//! does so only by a second draw at that very second, so long runs betray activities. Each run of 2 T and more is one claim,
//! its span the whole run, believed in the more the longer it is. A claim has to say when: runs far longer than the longest
//! activity known, up to padding that never ends, hold one by chance alone, and are not claimed.

use super::wire::{half_open, whose, Watcher, Wire};
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use std::sync::Arc;
use std::time::Duration;

/// Periods by which a run that is claimed may outlast the longest activity: two activities under one run, and their ends.
const PERIODS_BEYOND: u32 = 4;

/// See the [module](self).
#[derive(Debug)]
pub struct RunLength {
    knowledge: Arc<Knowledge>,
}

impl RunLength {
    /// The longest activity known of a device, or of any, in whole periods.
    fn longest(&self, device: Option<usize>, period: Duration) -> u32 {
        let devices = self.knowledge.devices.iter().enumerate();
        let devices = devices.filter(|(index, _)| device.is_none_or(|device| device == *index));
        let seconds = devices.flat_map(|(_, known)| known.signatures.iter().map(|s| s.seconds));
        let periods = seconds.fold(0.0, f64::max) / period.as_secs_f64();
        // As far as 32 bits hold; no length at all is none.
        periods.ceil() as u32
    }

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
            let most = self
                .longest(device, padding.period)
                .saturating_add(PERIODS_BEYOND);
            let long = padding.runs.iter();
            let long = long.filter(|run| (2..=most).contains(&run.periods));
            guesses.extend(long.map(|run| Guess {
                span: half_open(padding.span(run)),
                device,
                belief: f64::from(run.periods),
            }));
        }
        guesses
    }
}
