//! Which kind of activity it was, from the lengths of its packets.
//!
//! The idea of R. Trimananda, J. Varmarken, A. Markopoulou, B. Demsky, "Packet-Level Signatures for Smart Home Devices", NDSS
//! 2020 ("PingPong"): a device that is switched on by its app exchanges a request and a reply of lengths that another command
//! does not have. Where they cluster lengths and demand one whole signature, we count in how many activities of a kind each
//! length and each pair of lengths occurs, and weigh what is there and what is not (a Bernoulli model, by Bayes): lengths that
//! vary a little cost a little, not the match.

use super::examples::{Example, LearnError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Lengths and pairs that are weighed at most: those that occur in most activities.
const WORDS_AT_MOST: usize = 2_000;
/// Kinds at most.
const KINDS_AT_MOST: usize = 200;

/// What is learned of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kind {
    class: u16,
    /// How many were learned from.
    count: f64,
    /// In how many of them each word occurs, by its place.
    with: Vec<f64>,
}

/// Signatures of kinds. Class 0 is the background.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signatures {
    words: Vec<u32>,
    kinds: Vec<Kind>,
}

/// A kind, and how sure it is: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    /// The kind that is likeliest.
    pub class: u16,
    /// Its chance by what was learned.
    pub chance: f64,
}

/// The word for one packet's length.
pub fn length(up: bool, bytes: u32) -> u32 {
    (u32::from(up) << 11) | bytes.min(2_047)
}

/// The word for a request and its reply: the lengths of two packets that follow one another in opposite directions.
pub fn pair(first_up: bool, request: u32, reply: u32) -> u32 {
    (1 << 23) | (u32::from(first_up) << 22) | (request.min(2_047) << 11) | reply.min(2_047)
}

fn words_of(row: &[f64]) -> BTreeSet<u32> {
    // Words are whole numbers of 24 bits; what is none is cut to one.
    row.iter().map(|&word| word as u32).collect()
}

impl Signatures {
    /// Learns of rows of words. `weight` tells how many of class 0, and of the others, each row stands for.
    ///
    /// # Errors
    /// No row of any kind but the background.
    pub fn learn<'e>(
        examples: impl Iterator<Item = &'e Example> + Clone,
        weight: impl Fn(&Example) -> f64,
    ) -> Result<Self, LearnError> {
        let genuine = examples.clone().filter(|example| example.genuine()).count();
        if genuine == 0 {
            let other = examples.count();
            return Err(LearnError::Few { genuine, other });
        }
        let mut common: BTreeMap<u32, u32> = BTreeMap::new();
        for example in examples.clone() {
            for word in words_of(&example.row) {
                *common.entry(word).or_default() += 1;
            }
        }
        // What occurs once is no habit.
        let mut words: Vec<(u32, u32)> = common.into_iter().filter(|word| word.1 > 1).collect();
        words.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
        words.truncate(WORDS_AT_MOST);
        let mut words: Vec<u32> = words.into_iter().map(|word| word.0).collect();
        words.sort_unstable();
        let mut kinds: BTreeMap<u16, Kind> = BTreeMap::new();
        for example in examples {
            if kinds.len() >= KINDS_AT_MOST && !kinds.contains_key(&example.class) {
                continue;
            }
            let weight = weight(example);
            let kind = kinds.entry(example.class).or_insert_with(|| Kind {
                class: example.class,
                count: 0.0,
                with: vec![0.0; words.len()],
            });
            kind.count += weight;
            for word in words_of(&example.row) {
                if let Ok(place) = words.binary_search(&word) {
                    if let Some(with) = kind.with.get_mut(place) {
                        *with += weight;
                    }
                }
            }
        }
        Ok(Self {
            words,
            kinds: kinds.into_values().collect(),
        })
    }

    /// The log-chance of each kind, each up to the same constant.
    fn weighed(&self, row: &[f64]) -> Vec<(u16, f64)> {
        let here = words_of(row);
        let here: Vec<bool> = self.words.iter().map(|word| here.contains(word)).collect();
        let all: f64 = self.kinds.iter().map(|kind| kind.count).sum();
        let weigh = |kind: &Kind| {
            let of_words = kind.with.iter().zip(&here).map(|(with, here)| {
                // Half an activity with and half without added to each: what never was may be.
                let share = (with + 0.5) / (kind.count + 1.0);
                match here {
                    true => share.ln(),
                    false => (1.0 - share).ln(),
                }
            });
            (kind.count / all).ln() + of_words.sum::<f64>()
        };
        let kinds = self.kinds.iter();
        kinds.map(|kind| (kind.class, weigh(kind))).collect()
    }

    /// How sure it is that words are of an activity of any kind: 0 to 1.
    pub fn belief(&self, row: &[f64]) -> f64 {
        let weighed = self.weighed(row);
        let most = weighed.iter().map(|of| of.1).fold(f64::MIN, f64::max);
        let of = |genuine: bool| -> f64 {
            let of = weighed.iter().filter(|of| (of.0 > 0) == genuine);
            of.map(|of| (of.1 - most).exp()).sum()
        };
        of(true) / (of(true) + of(false))
    }

    /// Which kind an activity is, if it is one; `None` where no kind is known.
    pub fn name(&self, row: &[f64]) -> Option<Named> {
        let weighed = self.weighed(row);
        let kinds = || weighed.iter().filter(|of| of.0 > 0);
        let (class, best) = kinds().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let sum: f64 = kinds().map(|of| (of.1 - best).exp()).sum();
        Some(Named {
            class,
            chance: 1.0 / sum,
        })
    }

    /// Whether they are ones that could have been learned: of those that were read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self) -> Result<(), String> {
        let good = |kind: &Kind| {
            let within = |with: &f64| (0.0..=kind.count).contains(with);
            kind.count.is_finite()
                && kind.count > 0.0
                && kind.with.len() == self.words.len()
                && kind.with.iter().all(within)
        };
        let sorted = self.words.is_sorted_by(|a, b| a < b);
        let sizes = self.words.len() <= WORDS_AT_MOST && self.kinds.len() <= KINDS_AT_MOST;
        match sorted && sizes && self.kinds.iter().all(good) {
            true => Ok(()),
            false => Err("signatures that are none".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(words: &[u32], class: u16) -> Example {
        Example {
            row: words.iter().map(|&word| f64::from(word)).collect(),
            class,
            group: 0,
        }
    }

    /// Heartbeats of 60 bytes; switched on by 120 and 90 bytes, off by 130 and 90.
    fn plug() -> Vec<Example> {
        let beat = [length(true, 60), length(false, 60), pair(true, 60, 60)];
        let on = [length(true, 120), length(false, 90), pair(false, 120, 90)];
        let off = [length(true, 130), length(false, 90), pair(false, 130, 90)];
        let mut all = vec![example(&beat, 0); 20];
        all.extend(vec![example(&on, 1); 5]);
        all.extend(vec![example(&off, 2); 5]);
        all
    }

    #[test]
    fn kinds_are_told_by_their_pairs() {
        let learned = Signatures::learn(plug().iter(), |_| 1.0).unwrap();
        let row = |words: &[u32]| example(words, 0).row;
        let on = row(&[length(false, 90), pair(false, 120, 90), length(true, 700)]);
        assert!(learned.belief(&on) > 0.95);
        assert_eq!(learned.name(&on).unwrap().class, 1);
        let beat = row(&[length(true, 60), length(false, 60), pair(true, 60, 60)]);
        assert!(learned.belief(&beat) < 0.01);
        let off = row(&[length(true, 130), length(false, 90)]);
        assert_eq!(learned.name(&off).unwrap().class, 2);
        assert_eq!(learned.check(), Ok(()));
        let text = serde_json::to_string(&learned).unwrap();
        assert_eq!(
            serde_json::from_str::<Signatures>(&text).unwrap().check(),
            Ok(())
        );
        let mut bad = learned;
        bad.kinds[0].with.pop();
        assert!(bad.check().is_err());
    }

    #[test]
    fn cells_of_one_size_tell_no_kind() {
        let cell = [length(true, 500), length(false, 500), pair(true, 500, 500)];
        let rows: Vec<Example> = (0..30).map(|n| example(&cell, n % 3)).collect();
        let learned = Signatures::learn(rows.iter(), |_| 1.0).unwrap();
        // As sure as the share of activities among them, and of neither kind more than of the other.
        assert!((learned.belief(&rows[0].row) - 20.0 / 30.0).abs() < 1e-9);
        assert!((learned.name(&rows[0].row).unwrap().chance - 0.5).abs() < 1e-9);
    }

    #[test]
    fn background_alone_teaches_nothing() {
        let beats = vec![example(&[1], 0); 9];
        let refused = Signatures::learn(beats.iter(), |_| 1.0);
        assert_eq!(
            refused,
            Err(LearnError::Few {
                genuine: 0,
                other: 9
            })
        );
    }
}
