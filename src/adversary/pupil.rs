//! Adversaries that have to be taught: what they look at, what they make of examples, and how they claim.
//!
//! They know the defense and its parameters, T, R and q among them, but not its coins (Kerckhoffs): they are taught on wires
//! that the same defense made of other days, or of another home, with other coins. Whoever shapes those wires and knows what
//! was true on them, one floor up, hands examples down; a pupil only ever sees rows.
//!
//! How picky a taught adversary is, it learns too: of the examples a quarter of the days is held back, and it claims from that
//! belief on with which it would there have been right most surely, so long as it meets a tenth of what is genuine.

use super::features::Question;
use super::hours::Priors;
use super::wire::{Watcher, Wire};
use crate::learning::curve::{told, Answer};
use crate::learning::examples::{Example, Examples, LearnError};
use crate::learning::forest::{Forest, Growth};
use crate::learning::logistic::Logistic;
use crate::learning::pairs::{Named, Signatures};
use crate::stats::wilson;
use crate::threat::{Adversary, Guess, Knowledge, Observation};
use crate::units::{nanos, Span, Timestamp};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Share of what is genuine that a claim of this belief and above has to meet among the days held back.
const RECALL_AT_LEAST: f64 = 0.1;

/// How a pupil learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// By a forest or by regression, whichever tells more on days held back.
    Best(Growth),
    /// By a forest.
    Forest(Growth),
    /// By the hour alone, and by the hour and all that is seen: see [`hours`](super::hours).
    Priors {
        /// A table of 24 chances, or none: then it is learned.
        table: Option<[f64; 24]>,
    },
    /// By lengths of packets, for each kind of activity: see [`pairs`](crate::learning::pairs).
    Pairs,
}

/// One who has to be taught.
pub trait Pupil: Send + Sync {
    /// Shows every question it can be asked of a wire, and what it sees of each.
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64]));

    /// How it learns.
    fn way(&self) -> Way;

    /// Whether it tells kinds of activities apart.
    fn tells_kinds(&self) -> bool {
        false
    }
}

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
}

/// One part of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was learned.
    pub mind: Mind,
    /// What the log-odds are moved by, for classes were not learned from in their own proportion.
    moved: f64,
    /// From which belief on it claims.
    pub claims_from: f64,
    /// Area under the curve on days held back, of each way that was tried.
    pub tried: BTreeMap<String, f64>,
}

/// A model: a part for all questions, or for each device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// By [`Question::part`].
    pub parts: BTreeMap<u32, Part>,
    /// Names of the kinds of activities, class 1 first; of those who tell kinds apart alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
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
            Way::Best(growth) | Way::Forest(growth) => {
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
        }
    }

    fn check(&self, width: usize) -> Result<(), String> {
        let of_width = |found: usize| match found == width {
            true => Ok(()),
            false => Err(format!("{found} features where {width} are looked at")),
        };
        match self {
            Self::Forest(forest) => of_width(forest.width()).and(forest.check()),
            Self::Logistic(logistic) => of_width(logistic.width()).and(logistic.check()),
            Self::Priors(priors) => super::hours::check(priors),
            Self::Pairs(signatures) => signatures.check(),
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
        if *way != Way::Pairs {
            examples.check()?;
        }
        let moved = match way {
            // Weighed one by one already.
            Way::Pairs => 0.0,
            _ => (examples.weight_genuine / examples.weight_other).ln(),
        };
        let mut part = Self {
            mind: Mind::learn(way, examples, chance)?,
            moved,
            claims_from: 0.5,
            tried: BTreeMap::new(),
        };
        let (rest, held) = held_back(examples, chance);
        if rest.enough().is_err() || held.enough().is_err() {
            return Ok(part);
        }
        let trial = match way {
            // A few trees tell as well where to draw the line.
            Way::Best(growth) | Way::Forest(growth) => {
                let fewer = Growth {
                    trees: growth.trees.div_ceil(2),
                    ..*growth
                };
                Mind::learn(&Way::Forest(fewer), &rest, chance)?
            }
            way => Mind::learn(way, &rest, chance)?,
        };
        let mut best = (trial.area(&held, chance), trial);
        part.tried.insert(best.1.word().into(), best.0);
        if matches!(way, Way::Best(_)) {
            let other = Mind::Logistic(Logistic::fit(&rest)?);
            let area = other.area(&held, chance);
            part.tried.insert(other.word().into(), area);
            if area > best.0 {
                best = (area, other);
                part.mind = Mind::Logistic(Logistic::fit(examples)?);
            }
        }
        let trial = Self {
            mind: best.1,
            ..part.clone()
        };
        part.claims_from = trial.line(&held);
        Ok(part)
    }

    /// How sure it is that a row is genuine: 0 to 1.
    pub fn belief(&self, row: &[f64]) -> f64 {
        self.in_proportion(self.mind.belief(row))
    }

    /// A belief in the proportion of the examples, in that of the wires they are from.
    pub fn in_proportion(&self, belief: f64) -> f64 {
        chance_of(odds(belief) + self.moved)
    }

    /// From which belief on claims are right most surely among the days held back: by the lower end of the interval, so that
    /// few lucky ones draw no line.
    fn line(&self, held: &Examples) -> f64 {
        let mut all: Vec<(f64, bool)> = held
            .rows
            .iter()
            .map(|e| (self.belief(&e.row), e.genuine()))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let genuine = all.iter().filter(|of| of.1).count() as f64;
        let (mut right, mut claimed) = (0.0, 0.0);
        let mut best = (0.0, 0.5);
        for equals in all.chunk_by(|a, b| a.0 == b.0) {
            let here = equals.iter().filter(|of| of.1).count() as f64;
            right += here;
            claimed += equals.len() as f64;
            let (wide, wrong) = (
                right * held.weight_genuine,
                (claimed - right) * held.weight_other,
            );
            let precision = wide / (wide + wrong);
            let hits = (precision * claimed).round();
            let low = wilson(hits as u64, claimed as u64).map_or(0.0, |of| of.low);
            if right >= RECALL_AT_LEAST * genuine && low > best.0 {
                best = (low, equals.first().map_or(0.5, |of| of.0));
            }
        }
        best.1
    }
}

impl Mind {
    fn word(&self) -> &'static str {
        match self {
            Self::Forest(_) => "forest",
            Self::Logistic(_) => "logistic",
            Self::Priors(_) => "priors",
            Self::Pairs(_) => "pairs",
        }
    }

    fn area(&self, held: &Examples, chance: &mut ChaCha8Rng) -> f64 {
        let answers: Vec<Answer> = held
            .rows
            .iter()
            .map(|e| Answer {
                belief: self.belief(&e.row) as f32,
                genuine: e.genuine(),
                block: 0,
            })
            .collect();
        told(&answers, chance).map_or(0.5, |told| told.auc.value)
    }
}

/// The examples without a quarter of their groups, and those of that quarter.
fn held_back(examples: &Examples, chance: &mut ChaCha8Rng) -> (Examples, Examples) {
    let mut groups: Vec<u32> = examples.rows.iter().map(|e| e.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.shuffle(chance);
    groups.truncate(groups.len().div_ceil(4).min(groups.len().saturating_sub(1)));
    groups.sort_unstable();
    let held = |group: u32| groups.binary_search(&group).is_ok();
    (examples.of_groups(|g| !held(g)), examples.of_groups(held))
}

impl Model {
    /// How sure it is that a question is to be answered by yes; `None` where nothing was learned for it.
    pub fn belief(&self, question: &Question, row: &[f64]) -> Option<f64> {
        Some(self.parts.get(&question.part)?.belief(row))
    }

    /// Which kind of activity it was, of a model that tells kinds.
    pub fn name(&self, question: &Question, row: &[f64]) -> Option<Named> {
        match &self.parts.get(&question.part)?.mind {
            Mind::Pairs(signatures) => signatures.name(row),
            _ => None,
        }
    }

    /// Whether it is one that could have been learned, of rows of so many features: of one that was read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self, width: usize) -> Result<(), String> {
        for (part, of) in &self.parts {
            let numbers = [of.moved, of.claims_from];
            match numbers.iter().all(|number| number.is_finite()) {
                true => of.mind.check(width),
                false => Err("a number that is none".into()),
            }
            .map_err(|why| format!("part {part}: {why}"))?;
        }
        match self.parts.is_empty() {
            true => Err("it has no part".into()),
            false => Ok(()),
        }
    }
}

/// How a window is cut into parts that are learned from, held back and drawn as wholes: days, or, of less than two, eighths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocks {
    start: Timestamp,
    length: i64,
    count: u32,
}

const DAY: Duration = Duration::from_secs(86_400);
/// Blocks of a window of less than two days.
const EIGHTHS: u32 = 8;
/// Days that are told apart at most: ten years.
const DAYS_AT_MOST: i64 = 3_653;

impl Blocks {
    /// Of a window.
    pub fn of(window: Span) -> Self {
        let whole = nanos(window.duration()).max(1);
        // A bit of a day at the end belongs to the last.
        let days = (whole / nanos(DAY)).min(DAYS_AT_MOST);
        let (length, count) = match u32::try_from(days) {
            Ok(days) if days >= 2 => (nanos(DAY), days),
            _ => ((whole / i64::from(EIGHTHS)).max(1), EIGHTHS),
        };
        Self {
            start: window.start,
            length,
            count,
        }
    }

    /// In which block an instant is; what is outside of the window is in the first, or the last.
    pub fn at(&self, at: Timestamp) -> u32 {
        let block = at.0.saturating_sub(self.start.0).max(0) / self.length;
        u32::try_from(block).unwrap_or(u32::MAX).min(self.count - 1)
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether they are days.
    pub fn are_days(&self) -> bool {
        self.length == nanos(DAY)
    }

    /// How long one is; the last may be longer.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.length.unsigned_abs())
    }

    /// Where a block begins; the one behind the last would begin with its end.
    pub fn begin(&self, block: u32) -> Timestamp {
        let offset = self.length.saturating_mul(i64::from(block));
        Timestamp(self.start.0.saturating_add(offset))
    }
}

/// Which model answers when: each block by one that was taught without it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    /// The blocks.
    pub blocks: Blocks,
    /// How many folds; at least one.
    pub count: u32,
}

impl Folds {
    /// The fold that a block is in: neighbours are in the same.
    pub fn of_block(&self, block: u32) -> u32 {
        let place = u64::from(block) * u64::from(self.count) / u64::from(self.blocks.count());
        u32::try_from(place).unwrap_or(0).min(self.count - 1)
    }

    /// The fold of an instant.
    pub fn at(&self, at: Timestamp) -> u32 {
        self.of_block(self.blocks.at(at))
    }
}

/// A pupil that was taught, with a model for each fold.
pub struct Taught {
    pupil: Arc<dyn Pupil>,
    knowledge: Arc<Knowledge>,
    folds: Folds,
    models: Vec<Model>,
}

impl Taught {
    /// Of models in the order of the folds.
    pub fn new(
        pupil: Arc<dyn Pupil>,
        knowledge: Arc<Knowledge>,
        folds: Folds,
        models: Vec<Model>,
    ) -> Self {
        Self {
            pupil,
            knowledge,
            folds,
            models,
        }
    }

    /// The model that answers a question.
    fn model(&self, question: &Question) -> Option<&Model> {
        let fold = self.folds.at(question.span.start);
        self.models.get(fold as usize)
    }

    fn guesses(&self, wire: &Wire, all: bool) -> Vec<Guess> {
        let mut guesses = Vec::new();
        self.pupil
            .look(wire, &self.knowledge, &mut |question, row| {
                let part = self
                    .model(question)
                    .and_then(|model| model.parts.get(&question.part));
                let Some(part) = part else {
                    return;
                };
                let belief = part.belief(row);
                if all || belief >= part.claims_from {
                    guesses.push(Guess {
                        span: question.span,
                        device: question.device,
                        belief,
                    });
                }
            });
        guesses
    }
}

impl Adversary for Taught {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, Duration::from_secs(1)))
    }
}

impl Watcher for Taught {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        self.guesses(wire, false)
    }

    fn beliefs_on(&self, wire: &Wire) -> Vec<Guess> {
        self.guesses(wire, true)
    }
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

    #[test]
    fn days_are_blocks_and_folds_are_neighbours() {
        let at = |hours: i64| Timestamp::new(hours * 3_600, 0);
        let week = Blocks::of(Span::new(at(0), at(7 * 24 + 5)));
        assert!(week.are_days());
        let of = [0, 23, 24, 7 * 24 + 1, 999].map(|hours| week.at(at(hours)));
        assert_eq!((week.count(), of), (7, [0, 0, 1, 6, 6]));
        let folds = Folds {
            blocks: week,
            count: 3,
        };
        let folds: Vec<u32> = (0..7).map(|block| folds.of_block(block)).collect();
        assert_eq!(folds, [0, 0, 0, 1, 1, 2, 2]);
        assert_eq!(week.begin(2), at(48));
        let day = Blocks::of(Span::new(at(0), at(24)));
        assert_eq!((day.count(), day.at(at(4)), day.are_days()), (8, 1, false));
        assert_eq!(
            (day.length(), day.begin(3)),
            (Duration::from_secs(10_800), at(9))
        );
    }
}
