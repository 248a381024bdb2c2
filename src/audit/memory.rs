//! What was learned from, as a sketch that a file of models bears: whoever is asked about the very days that taught it would
//! remember what it was told, and seem to see through any defense.
//!
//! Three activities that begin one after the other, to the nanosecond, are as good as found nowhere else. Of all such triples
//! the digests that are lowest are kept, as many as there is room for (A. Broder, "On the resemblance and containment of
//! documents", 1997): of a home that shares any day with what was taught some are found again, however each was cut, and
//! nobody reads from a digest when that was.

use crate::trace::Trace;
use crate::units::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Digests that are kept at most: of four months some eight a day.
const DIGESTS_AT_MOST: usize = 1_024;
/// Bytes of a digest: a number that JSON holds exactly.
const BYTES: usize = 6;

/// What was learned from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The lowest digests of three activities in a row.
    digests: BTreeSet<u64>,
    /// From when to when that was, in digest, of a single trace.
    window: Option<u64>,
}

/// What a trace has to do with what was learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Nothing that is known of.
    Nothing,
    /// Some of its activities, of another cut.
    Some,
    /// It is the one that was learned from.
    All,
}

impl Memory {
    /// Of these traces.
    pub fn of<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Self {
        let (mut digests, mut windows) = (BTreeSet::new(), Vec::new());
        for trace in traces {
            digests.extend(triples(trace));
            while digests.len() > DIGESTS_AT_MOST {
                digests.pop_last();
            }
            windows.push(of_window(trace.window));
        }
        let window = match windows.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        Self { digests, window }
    }

    /// Whether these activities were learned from.
    pub fn shared_with(&self, trace: &Trace) -> Shared {
        let other = Self::of([trace]);
        if other == *self && !self.digests.is_empty() {
            return Shared::All;
        }
        match triples(trace).any(|digest| self.digests.contains(&digest)) {
            true => Shared::Some,
            false => Shared::Nothing,
        }
    }

    /// Whether it holds no more than is ever kept.
    pub fn is_sound(&self) -> bool {
        self.digests.len() <= DIGESTS_AT_MOST
    }
}

/// Digests of three activities in a row.
fn triples(trace: &Trace) -> impl Iterator<Item = u64> {
    let begins = trace
        .activities
        .iter()
        .map(|activity| activity.traffic.start);
    let mut begins: Vec<Timestamp> = begins.collect();
    begins.sort_unstable();
    let digests: Vec<u64> = begins.windows(3).map(digest).collect();
    digests.into_iter()
}

fn of_window(window: Span) -> u64 {
    digest(&[window.start, window.end])
}

fn digest(instants: &[Timestamp]) -> u64 {
    let mut digest = Sha256::new();
    for at in instants {
        digest.update(at.0.to_le_bytes());
    }
    let bytes = digest.finalize();
    let low = bytes.iter().take(BYTES);
    low.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{generate, HomeModel};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn home(days: u64, seed: u64) -> Trace {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let home = generate(&HomeModel::built_in(), days * 86_400, &mut chance);
        home.checked().unwrap()
    }

    /// What is left of a trace within a part of its window.
    fn cut(trace: &Trace, from: f64, to: f64) -> Trace {
        let (start, length) = (
            trace.window.start.0,
            trace.window.duration().as_nanos() as f64,
        );
        let at = |share: f64| Timestamp(start + (share * length) as i64);
        let window = Span::new(at(from), at(to));
        let mut part = trace.clone();
        part.window = window;
        part.activities
            .retain(|of| of.traffic.start >= window.start && of.traffic.end <= window.end);
        part
    }

    #[test]
    fn a_trace_is_known_again_and_so_is_a_part_of_it() {
        let taught = home(6, 1);
        let memory = Memory::of([&taught]);
        assert_eq!(memory.digests.len(), DIGESTS_AT_MOST);
        assert_eq!(memory.shared_with(&taught), Shared::All);
        assert_eq!(memory.shared_with(&cut(&taught, 0.51, 0.6)), Shared::Some);
        // And a longer one, of which it was a part.
        let half = Memory::of([&cut(&taught, 0.0, 0.5)]);
        assert_eq!(half.shared_with(&taught), Shared::Some);
        assert_eq!(half.shared_with(&cut(&taught, 0.5, 1.0)), Shared::Nothing);
    }

    #[test]
    fn other_homes_of_the_same_hours_share_nothing() {
        let homes: Vec<Trace> = (2..6).map(|seed| home(6, seed)).collect();
        let memory = Memory::of(&homes);
        assert_eq!(memory.shared_with(&home(6, 1)), Shared::Nothing);
        assert_eq!(memory.shared_with(&homes[2]), Shared::Some);
        assert_eq!(Memory::default().shared_with(&homes[0]), Shared::Nothing);
    }
}
