//! What was learned to answer one part of the questions by, and from which belief on it claims.
//!
//! How picky a taught adversary is, it learns too: of the examples a quarter of the days is held back, and it claims from that
//! belief on with which it would there have been right most surely, so long as it meets a tenth of what is genuine.

use super::hours::Priors;
use super::pupil::Way;
use crate::learning::curve::{told, Answer};
use crate::learning::examples::{Example, Examples, LearnError};
use crate::learning::forest::{Forest, Growth};
use crate::learning::logistic::Logistic;
use crate::learning::pairs::Signatures;
use crate::stats::wilson;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Share of what is genuine that a claim of this belief and above has to meet among the days held back.
const RECALL_AT_LEAST: f64 = 0.1;

/// From which belief on a chain claims at the least and at the most. Its beliefs are chances in the proportion of the wire: who
/// is likelier idle is not claimed, however well that went on a few days held back, and what is likely enough is claimed, though
/// the likes of it may not have been among them.
const CHAIN_CLAIMS_FROM: (f64, f64) = (0.5, 0.7);

/// What was learned to answer one part of the questions by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Mind {
    /// A forest.
    Forest(Forest),
    /// A regression.
    Logistic(Logistic),
    /// The hour, and what is seen.
    Priors(Box<Priors>),
    /// Lengths.
    Pairs(Signatures),
    /// The chain of this part in the [model of all together](super::model::Model::together): asked is about a whole wire, for no row tells.
    Chain,
}

/// One part of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was learned.
    pub mind: Mind,
    /// What the log-odds are moved by, for classes were not learned from in their own proportion.
    pub(super) moved: f64,
    /// From which belief on it claims.
    pub claims_from: f64,
    /// Area under the curve on days held back, of each way that was tried.
    pub tried: BTreeMap<String, f64>,
}

fn odds(chance: f64) -> f64 {
    let chance = chance.clamp(1e-6, 1.0 - 1e-6);
    (chance / (1.0 - chance)).ln()
}

fn chance_of(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

impl Mind {
    fn learn(way: &Way, examples: &Examples, chance: &mut ChaCha8Rng) -> Result<Self, LearnError> {
        Ok(match way {
            Way::Best(growth) | Way::Forest(growth) | Way::Together(growth, _) => {
                Self::Forest(Forest::grow(examples, *growth, chance)?)
            }
            Way::Priors { table } => Self::Priors(Box::new(super::hours::learn(examples, *table)?)),
            Way::Pairs => {
                examples.enough()?;
                let (genuine, other) = (examples.weight_genuine, examples.weight_other);
                let weight = |e: &Example| if e.genuine() { genuine } else { other };
                Self::Pairs(Signatures::learn(examples.rows.iter(), weight)?)
            }
        })
    }

    /// As sure as the examples made it, in the proportion in which they were given.
    fn belief(&self, row: &[f64]) -> f64 {
        match self {
            Self::Forest(forest) => forest.belief(row),
            Self::Logistic(logistic) => logistic.belief(row),
            Self::Priors(priors) => super::hours::both(priors, row),
            Self::Pairs(signatures) => signatures.belief(row),
            // No row tells.
            Self::Chain => 0.5,
        }
    }

    /// Whether it could have been learned of rows of so many features.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn check(&self, width: usize) -> Result<(), String> {
        let of_width = |found: usize| match found == width {
            true => Ok(()),
            false => Err(format!("{found} features where {width} are looked at")),
        };
        match self {
            Self::Forest(forest) => of_width(forest.width()).and(forest.check()),
            Self::Logistic(logistic) => of_width(logistic.width()).and(logistic.check()),
            Self::Priors(priors) => super::hours::check(priors),
            Self::Pairs(signatures) => signatures.check(),
            Self::Chain => Ok(()),
        }
    }
}

impl Part {
    /// Learns one part.
    ///
    /// # Errors
    /// Examples that cannot be learned from.
    pub fn learn(
        way: &Way,
        examples: &Examples,
        chance: &mut ChaCha8Rng,
    ) -> Result<Self, LearnError> {
        let mut part = Self::of_all(way, examples, chance)?;
        let groups = examples.rows.iter().map(|e| e.group).collect();
        let held = held_back(groups, chance);
        part.draw_line(way, examples, &held, chance)?;
        Ok(part)
    }

    /// Learns one part of all examples; where it claims from is drawn later.
    ///
    /// # Errors
    /// Examples that cannot be learned from.
    pub fn of_all(
        way: &Way,
        examples: &Examples,
        chance: &mut ChaCha8Rng,
    ) -> Result<Self, LearnError> {
        if *way != Way::Pairs {
            examples.check()?;
        }
        let moved = match way {
            // Weighed one by one already.
            Way::Pairs => 0.0,
            _ => (examples.weight_genuine / examples.weight_other).ln(),
        };
        Ok(Self {
            mind: Mind::learn(way, examples, chance)?,
            moved,
            claims_from: 0.5,
            tried: BTreeMap::new(),
        })
    }

    /// Tries what is learned without the groups held back on those, and draws the line of claims by that.
    ///
    /// # Errors
    /// Examples that cannot be learned from.
    pub fn draw_line(
        &mut self,
        way: &Way,
        examples: &Examples,
        held: &[u32],
        chance: &mut ChaCha8Rng,
    ) -> Result<(), LearnError> {
        let is_held = |group: u32| held.binary_search(&group).is_ok();
        let (rest, held) = (
            examples.of_groups(|group| !is_held(group)),
            examples.of_groups(is_held),
        );
        if rest.enough().is_err() || held.enough().is_err() {
            return Ok(());
        }
        let trial = match way {
            // A few trees tell as well where to draw the line.
            Way::Best(growth) | Way::Forest(growth) | Way::Together(growth, _) => {
                let fewer = Growth {
                    trees: growth.trees.div_ceil(2),
                    ..*growth
                };
                Mind::learn(&Way::Forest(fewer), &rest, chance)?
            }
            way => Mind::learn(way, &rest, chance)?,
        };
        let mut best = (trial.area(&held, chance), trial);
        self.tried.insert(best.1.word().into(), best.0);
        if matches!(way, Way::Best(_)) {
            let other = Mind::Logistic(Logistic::fit(&rest)?);
            let area = other.area(&held, chance);
            self.tried.insert(other.word().into(), area);
            if area > best.0 {
                best = (area, other);
                self.mind = Mind::Logistic(Logistic::fit(examples)?);
            }
        }
        let trial = Self {
            mind: best.1,
            ..self.clone()
        };
        let beliefs = held.rows.iter();
        let beliefs = beliefs.map(|e| (trial.belief(&e.row), e.genuine()));
        let weights = (held.weight_genuine, held.weight_other);
        self.claims_from = line(beliefs.collect(), weights);
        Ok(())
    }

    /// The chain of this part is taken from now on, whose beliefs on days held back are these, because the area is that.
    pub fn take_chain(&mut self, held: Vec<(f64, bool)>) {
        self.mind = Mind::Chain;
        // Learned from in its own proportion.
        self.moved = 0.0;
        let (least, most) = CHAIN_CLAIMS_FROM;
        self.claims_from = line(held, (1.0, 1.0)).clamp(least, most);
    }

    /// How sure it is that a row is genuine: 0 to 1.
    pub fn belief(&self, row: &[f64]) -> f64 {
        self.in_proportion(self.mind.belief(row))
    }

    /// A belief in the proportion of the examples, in that of the wires they are from.
    pub fn in_proportion(&self, belief: f64) -> f64 {
        chance_of(odds(belief) + self.moved)
    }
}

/// From which belief on claims are right most surely among the days held back: by the lower end of the interval, so that few
/// lucky ones draw no line. Of what is believed and what is true, the genuine and the others weighing so much each.
fn line(mut all: Vec<(f64, bool)>, (weight_genuine, weight_other): (f64, f64)) -> f64 {
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let genuine = all.iter().filter(|of| of.1).count() as f64;
    let (mut right, mut claimed) = (0.0, 0.0);
    let mut best = (0.0, 0.5);
    for equals in all.chunk_by(|a, b| a.0 == b.0) {
        let here = equals.iter().filter(|of| of.1).count() as f64;
        right += here;
        claimed += equals.len() as f64;
        let (wide, wrong) = (right * weight_genuine, (claimed - right) * weight_other);
        let precision = wide / (wide + wrong);
        let hits = (precision * claimed).round();
        let low = wilson(hits as u64, claimed as u64).map_or(0.0, |of| of.low);
        if right >= RECALL_AT_LEAST * genuine && low > best.0 {
            best = (low, equals.first().map_or(0.5, |of| of.0));
        }
    }
    best.1
}

impl Mind {
    /// The word for the way.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Forest(_) => "forest",
            Self::Logistic(_) => "logistic",
            Self::Priors(_) => "priors",
            Self::Pairs(_) => "pairs",
            Self::Chain => "factorial",
        }
    }

    fn area(&self, held: &Examples, chance: &mut ChaCha8Rng) -> f64 {
        let rows = held.rows.iter();
        area(rows.map(|e| (self.belief(&e.row), e.genuine())), chance)
    }
}

/// Area under the curve of what is believed and what is true; a half where there is nothing to tell apart.
pub fn area(answers: impl Iterator<Item = (f64, bool)>, chance: &mut ChaCha8Rng) -> f64 {
    let answers: Vec<Answer> = answers
        .map(|(belief, genuine)| Answer {
            belief: belief as f32,
            genuine,
            block: 0,
        })
        .collect();
    told(&answers, chance).map_or(0.5, |told| told.auc.value)
}

/// A quarter of the groups, ascending.
pub fn held_back(mut groups: Vec<u32>, chance: &mut ChaCha8Rng) -> Vec<u32> {
    groups.sort_unstable();
    groups.dedup();
    groups.shuffle(chance);
    groups.truncate(groups.len().div_ceil(4).min(groups.len().saturating_sub(1)));
    groups.sort_unstable();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learning::examples::tests::{chance, told_by_the_first};

    fn small() -> Growth {
        Growth {
            trees: 8,
            features: 1.0,
            ..Growth::default()
        }
    }

    #[test]
    fn a_line_is_drawn_where_claims_are_right() {
        let examples = told_by_the_first(400, 1);
        for way in [Way::Best(small()), Way::Forest(small())] {
            let part = Part::learn(&way, &examples, &mut chance(1)).unwrap();
            assert!(part.belief(&[0.95, 0.5]) >= part.claims_from, "{way:?}");
            assert!(part.belief(&[0.05, 0.5]) < part.claims_from, "{way:?}");
            assert!(part.tried.values().all(|&area| area > 0.95), "{part:?}");
        }
    }

    #[test]
    fn beliefs_are_in_the_proportion_of_the_wire() {
        // Nothing tells the classes apart, and there are nine others for each that was kept: a tenth is genuine.
        let mut examples = told_by_the_first(400, 1);
        for (nth, example) in examples.rows.iter_mut().enumerate() {
            example.class = u16::from(nth % 2 == 0);
            example.row = vec![0.0; 2];
        }
        examples.weight_other = 9.0;
        let part = Part::learn(&Way::Forest(small()), &examples, &mut chance(1)).unwrap();
        assert!((part.belief(&[0.0, 0.0]) - 0.1).abs() < 0.01);
    }

    #[test]
    fn examples_that_teach_nothing_are_refused() {
        let mut one = told_by_the_first(100, 1);
        one.rows.retain(|example| example.genuine());
        let refused = Part::learn(&Way::Best(small()), &one, &mut chance(1));
        assert!(matches!(refused, Err(LearnError::Few { other: 0, .. })));
        let mut strange = told_by_the_first(100, 1);
        strange.rows[9].row[0] = f64::NAN;
        let refused = Part::learn(&Way::Best(small()), &strange, &mut chance(1));
        assert_eq!(refused, Err(LearnError::NotFinite { row: 9, column: 0 }));
    }
}
