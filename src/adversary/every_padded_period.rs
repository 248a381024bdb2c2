//! `every-padded-period`: claims each period of padding.
//!
//! The paper's adversary (section 6.1: "The adversary's goal is to decide which periods of padding correspond to user
//! activities", and "since the adversary cannot tell these periods apart", each is claimed). No period is believed in more
//! than another. Where nothing is padded nothing is claimed: an undefended wire is for the others. Padding that never ends is
//! cut into pieces as long as the longest activity known, as T would be chosen; claiming them all earns what guessing at
//! random earns, which the paper says of independent link padding (section 5.3).

use super::padding::padding;
use super::wire::{half_open, whose, Watcher, Wire};
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use std::sync::Arc;
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub struct EveryPaddedPeriod {
    knowledge: Arc<Knowledge>,
    endless: Duration,
}

impl EveryPaddedPeriod {
    /// With what it knows of far ends and of how long activities last.
    pub fn new(knowledge: Arc<Knowledge>) -> Self {
        let signatures = knowledge.devices.iter().flat_map(|known| &known.signatures);
        let longest = signatures.map(|signature| signature.seconds);
        let longest = longest.fold(1.0, f64::max).ceil();
        let endless = Duration::try_from_secs_f64(longest).unwrap_or(Duration::from_secs(1));
        Self { knowledge, endless }
    }
}

impl Adversary for EveryPaddedPeriod {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, Duration::from_secs(1)))
    }
}

impl Watcher for EveryPaddedPeriod {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let seen = wire.seen;
        let whose = whose(seen, &self.knowledge);
        let mut guesses = Vec::new();
        let mut shaped = seen.flows.iter().filter_map(|flow| flow.shaping);
        let cut;
        let paddings = match shaped.any(|shaping| shaping.period.is_none()) {
            true => {
                cut = padding(seen, Some(self.endless));
                &cut[..]
            }
            false => wire.padding(),
        };
        for padding in paddings {
            let device = whose.get(padding.flow as usize).copied().flatten();
            guesses.extend(padding.periods().map(|span| Guess {
                span: half_open(span),
                device,
                belief: 0.0,
            }));
        }
        guesses
    }
}
