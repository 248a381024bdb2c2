//! Time cut into steps of one length, and how many activities began in each: what a model of habits is fitted to.
//!
//! Steps of one kind, with the same count at the same weight, are alike to a model: what it says of them is worked out once
//! for each kind, so that a year of minutes costs few logarithms.

use std::collections::BTreeMap;

/// Most steps of a sequence: 138 days of minutes.
pub const STEPS_AT_MOST: usize = 200_000;
/// Most begins that count in one step: more say no more.
pub const COUNT_AT_MOST: u32 = 255;
/// Least weight of a step: an hour in which nothing was ever seen is unlikely, not impossible.
pub const WEIGHT_AT_LEAST: f64 = 1e-6;

/// A kind of step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Begins within the step.
    pub count: u32,
    /// How many times as likely as on average a begin is at that time of day; above 0.
    pub weight: f64,
}

/// A sequence of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    kinds: Vec<Kind>,
    sequence: Vec<u32>,
}

impl Steps {
    /// Counts as they follow one another, each with its weight; at most [`STEPS_AT_MOST`], the last ones.
    pub fn of(counts: impl IntoIterator<Item = (u32, f64)>) -> Self {
        let mut places: BTreeMap<(u32, u64), u32> = BTreeMap::new();
        let mut steps = Self::default();
        for (count, weight) in counts {
            let count = count.min(COUNT_AT_MOST);
            // What is no number is as if it said nothing.
            let weight = if weight.is_finite() {
                weight.max(WEIGHT_AT_LEAST)
            } else {
                1.0
            };
            let kinds = &mut steps.kinds;
            let place = *places.entry((count, weight.to_bits())).or_insert_with(|| {
                kinds.push(Kind { count, weight });
                u32::try_from(kinds.len() - 1).unwrap_or(u32::MAX)
            });
            steps.sequence.push(place);
        }
        let beyond = steps.sequence.len().saturating_sub(STEPS_AT_MOST);
        steps.sequence.drain(..beyond);
        steps
    }

    /// The kinds there are.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The steps, each as a place in [`Steps::kinds`].
    pub fn sequence(&self) -> &[u32] {
        &self.sequence
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.sequence.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// Begins in all steps together, and the sum of their weights.
    pub fn totals(&self) -> (f64, f64) {
        let kinds = self
            .sequence
            .iter()
            .filter_map(|&kind| self.kinds.get(kind as usize));
        kinds.fold((0.0, 0.0), |(count, weight), kind| {
            (count + f64::from(kind.count), weight + kind.weight)
        })
    }
}
