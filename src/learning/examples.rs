//! Examples to learn from: rows of numbers, whether each is genuine, and which day or home it is of.
//!
//! Rows are told apart by their group, so that nobody is tested on a day that was learned from: neighbours in time are alike,
//! and a split by row would test memory instead of learning.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Genuine rows, and others, that learning takes at least: of fewer a forest remembers each.
pub const EACH_AT_LEAST: usize = 8;

/// Why nothing can be learned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LearnError {
    /// A feature that is no number. linfa's trees take it silently and split at random.
    #[error("row {row}, feature {column} is not a finite number: the capture's times or sizes are beyond reason there; cut the capture in time")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature, from 0.
        column: usize,
    },
    /// Too few of a kind, down to a single class, of which linfa's models learn silently to say always the same.
    #[error("{genuine} genuine examples and {other} others to learn from, and {EACH_AT_LEAST} of each are needed: {}", more(*genuine))]
    Few {
        /// Genuine rows.
        genuine: usize,
        /// The others.
        other: usize,
    },
    /// Rows of different lengths, or of another length than was learned from.
    #[error("{found} features where {expected} are expected: the model is of another version; train it anew")]
    Width {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// More devices than one model of all of them together takes.
    #[error("{found} devices in use, and a model of all of them together takes {most}: a model for each of them remains")]
    Chains {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The library gave up.
    #[error("the learning failed: {0}; give a longer capture, or another --seed")]
    Library(String),
}

/// What gives more examples of the kind that is wanting.
fn more(genuine: usize) -> &'static str {
    match genuine < EACH_AT_LEAST {
        true => "give a longer capture, or more labels",
        false => "there is hardly anything to tell activities from; a longer capture gives more, and of stp a larger --q",
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What is seen.
    pub row: Vec<f64>,
    /// What it is: 0 nothing, 1 genuine, or above, where kinds are told apart, which kind.
    pub class: u16,
    /// Its day, or block of the window, or home.
    pub group: u32,
}

impl Example {
    /// Whether it is of an activity.
    pub fn genuine(&self) -> bool {
        self.class > 0
    }
}

/// Rows to learn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// The rows.
    pub rows: Vec<Example>,
    /// How many more of the genuine there were for each that was kept, at least 1.
    pub weight_genuine: f64,
    /// And of the others.
    pub weight_other: f64,
}

impl Examples {
    /// Rows of which none was left out.
    pub fn whole(rows: Vec<Example>) -> Self {
        Self {
            rows,
            weight_genuine: 1.0,
            weight_other: 1.0,
        }
    }

    /// Features of a row; 0 where there is none.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, |example| example.row.len())
    }

    /// How many are genuine, and how many are not.
    pub fn counts(&self) -> (usize, usize) {
        let genuine = self.rows.iter().filter(|example| example.genuine());
        let genuine = genuine.count();
        (genuine, self.rows.len().saturating_sub(genuine))
    }

    /// Whether they can be learned from.
    ///
    /// # Errors
    /// A number that is none, rows of different lengths, a class that is hardly there.
    pub fn check(&self) -> Result<(), LearnError> {
        let expected = self.width();
        for (row, example) in self.rows.iter().enumerate() {
            let found = example.row.len();
            if found != expected {
                return Err(LearnError::Width { found, expected });
            }
            if let Some(column) = example.row.iter().position(|value| !value.is_finite()) {
                return Err(LearnError::NotFinite { row, column });
            }
        }
        self.enough()
    }

    /// Whether there are enough of both.
    ///
    /// # Errors
    /// Too few of a class.
    pub fn enough(&self) -> Result<(), LearnError> {
        let (genuine, other) = self.counts();
        match genuine.min(other) < EACH_AT_LEAST {
            true => Err(LearnError::Few { genuine, other }),
            false => Ok(()),
        }
    }

    /// Those whose group is wanted.
    #[must_use]
    pub fn of_groups(&self, wanted: impl Fn(u32) -> bool) -> Self {
        let rows = self.rows.iter().filter(|example| wanted(example.group));
        Self {
            rows: rows.cloned().collect(),
            ..*self
        }
    }

    /// So many of them, or all: drawn evenly, in their order.
    #[must_use]
    pub fn some(&self, count: usize, chance: &mut ChaCha8Rng) -> Self {
        let mut places: Vec<usize> = (0..self.rows.len()).collect();
        let (drawn, _) = places.partial_shuffle(chance, count);
        drawn.sort_unstable();
        let rows = drawn.iter().filter_map(|&place| self.rows.get(place));
        Self {
            rows: rows.cloned().collect(),
            ..*self
        }
    }

    /// The control: the same rows with the classes dealt anew among those of the same group. What is learned of them is
    /// nothing, and must do no better than chance.
    #[must_use]
    pub fn dealt_anew(&self, chance: &mut ChaCha8Rng) -> Self {
        let mut dealt = self.clone();
        let groups: std::collections::BTreeSet<u32> =
            self.rows.iter().map(|example| example.group).collect();
        for group in groups {
            let of = || dealt_places(&self.rows, group);
            let mut classes: Vec<u16> = of()
                .filter_map(|place| self.rows.get(place))
                .map(|example| example.class)
                .collect();
            classes.shuffle(chance);
            for (place, class) in of().zip(classes) {
                if let Some(example) = dealt.rows.get_mut(place) {
                    example.class = class;
                }
            }
        }
        dealt
    }
}

fn dealt_places(rows: &[Example], group: u32) -> impl Iterator<Item = usize> + '_ {
    let rows = rows.iter().enumerate();
    rows.filter(move |(_, example)| example.group == group)
        .map(|(place, _)| place)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    pub(crate) fn chance(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// Rows whose first number is above a half exactly where they are genuine, beside one that says nothing.
    pub(crate) fn told_by_the_first(count: u32, seed: u64) -> Examples {
        let mut chance = chance(seed);
        let rows = (0..count).map(|n| {
            let row: Vec<f64> = vec![chance.gen(), chance.gen()];
            Example {
                class: u16::from(row[0] > 0.5),
                row,
                group: n % 8,
            }
        });
        Examples::whole(rows.collect())
    }

    #[test]
    fn what_linfa_takes_silently_is_refused() {
        let good = told_by_the_first(100, 1);
        assert_eq!(good.check(), Ok(()));
        for strange in [f64::NAN, f64::INFINITY] {
            let mut bad = good.clone();
            bad.rows[7].row[1] = strange;
            assert_eq!(
                bad.check(),
                Err(LearnError::NotFinite { row: 7, column: 1 })
            );
        }
        let mut one = good.clone();
        one.rows.iter_mut().for_each(|example| example.class = 0);
        assert_eq!(
            one.check(),
            Err(LearnError::Few {
                genuine: 0,
                other: 100
            })
        );
        let mut ragged = good;
        ragged.rows[3].row.pop();
        let width = LearnError::Width {
            found: 1,
            expected: 2,
        };
        assert_eq!(ragged.check(), Err(width));
        assert!(Examples::default().check().is_err());
    }

    #[test]
    fn dealing_anew_keeps_each_group_s_number() {
        let examples = told_by_the_first(400, 2);
        let dealt = examples.dealt_anew(&mut chance(3));
        assert_ne!(dealt, examples);
        for group in 0..8 {
            let of = |examples: &Examples| examples.of_groups(|of| of == group).counts();
            assert_eq!(of(&dealt), of(&examples));
        }
        let some = examples.some(30, &mut chance(4));
        assert_eq!(some.rows.len(), 30);
        assert_eq!(examples.some(999, &mut chance(4)), examples);
    }
}
