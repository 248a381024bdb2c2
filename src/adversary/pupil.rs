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
use super::identity::{self, Identity};
use super::wire::{half_open, Wire};
use crate::learning::curve::{told, Answer};
use crate::learning::examples::{Example, Examples, LearnError};
use crate::learning::factorial::model::Factorial;
use crate::learning::factorial::series::Step;
use crate::learning::forest::{Forest, Growth};
use crate::learning::logistic::Logistic;
use crate::learning::pairs::{Named, Signatures};
use crate::rate::Grid;
use crate::stats::wilson;
use crate::threat::Knowledge;
use crate::units::Span;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Share of what is genuine that a claim of this belief and above has to meet among the days held back.
const RECALL_AT_LEAST: f64 = 0.1;

/// Which of two ways is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// For each device the one that tells more on days held back.
    #[default]
    Better,
    /// The forest, to compare with.
    Forest,
    /// The chains of all devices together, wherever there is one, to compare with.
    Chains,
}

/// From which belief on a chain claims at the least and at the most. Its beliefs are chances in the proportion of the wire: who
/// is likelier idle is not claimed, however well that went on a few days held back, and what is likely enough is claimed, though
/// the likes of it may not have been among them.
const CHAIN_CLAIMS_FROM: (f64, f64) = (0.5, 0.7);

/// How a pupil learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// By a forest or by regression, whichever tells more on days held back.
    Best(Growth),
    /// By a forest.
    Forest(Growth),
    /// By a forest for each device, or by the chains of all devices together, whichever tells more of a device on days held
    /// back: see [`together`](super::together).
    Together(Growth, Choice),
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

    /// The whole wire as one series, where it is looked at so as well: its windows are those of the questions of [`look`].
    ///
    /// [`look`]: Self::look
    fn series(&self, _wire: &Wire) -> Option<Series> {
        None
    }

    /// How it learns.
    fn way(&self) -> Way;

    /// From which part on parts are of devices, in their order; `None` where no part is.
    fn devices_from(&self) -> Option<u32> {
        None
    }

    /// Whether it tells kinds of activities apart.
    fn tells_kinds(&self) -> bool {
        false
    }
}

/// A wire as one series of windows.
#[derive(Clone, Debug)]
pub struct Series {
    /// What the windows lie on.
    pub grid: Grid,
    /// Those with traffic, ascending.
    pub steps: Vec<Step>,
}

impl Series {
    /// From when to when a window is.
    pub fn span(&self, step: &Step) -> Span {
        half_open(self.grid.span(step.index, step.index))
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
    /// The chain of this part in the [model of all together](Model::together): asked is about a whole wire, for no row tells.
    Chain,
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
    /// All devices together, where the chain of one is taken.
    pub together: Option<Factorial>,
    /// The devices that parts are of, in the order of those: another home may have them in another order.
    pub devices: Vec<Identity>,
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

impl Model {
    /// How sure it is that a question is to be answered by yes, of one whose row tells; `None` where nothing was learned for it.
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
        let chains = self.together.as_ref();
        chains.map_or(Ok(()), Factorial::check)?;
        let chains = chains.map(Factorial::parts).unwrap_or_default();
        let mut lone = self
            .parts
            .iter()
            .filter(|(part, of)| matches!(of.mind, Mind::Chain) && !chains.contains(part));
        if let Some((part, _)) = lone.next() {
            return Err(format!("part {part}: no chain where one is taken"));
        }
        let ids: BTreeSet<&String> = self.devices.iter().map(|of| &of.id).collect();
        if ids.len() < self.devices.len() || !self.devices.iter().all(Identity::is_sound) {
            return Err("a device without a name of its own, or with too many addresses".into());
        }
        match self.parts.is_empty() {
            true => Err("it has no part".into()),
            false => Ok(()),
        }
    }

    /// The model in a home whose devices are these, where parts `from` that one on are of devices: each part, and each chain,
    /// is that of the device it was [found](identity::found) as. Beside it the devices of which nothing was learned.
    pub fn at_home(&self, from: Option<u32>, devices: &[Identity]) -> (Self, Vec<String>) {
        let Some(from) = from else {
            return (self.clone(), Vec::new());
        };
        let found = identity::found(&self.devices, devices);
        let part = |part: u32| match part.checked_sub(from) {
            None => Some(part),
            Some(place) => {
                let place = found.get(place as usize).copied().flatten()?;
                u32::try_from(place).ok()?.checked_add(from)
            }
        };
        let parts = self.parts.iter();
        let parts: BTreeMap<u32, Part> = parts
            .filter_map(|(of, learned)| Some((part(*of)?, learned.clone())))
            .collect();
        let of_devices = self.parts.keys().any(|part| *part >= from);
        let unknown = devices.iter().zip(from..).filter(|(_, part)| {
            // Of nobody's flows there is a part for all: no device is missed.
            of_devices && !parts.contains_key(part)
        });
        let unknown = unknown.map(|(device, _)| device.id.clone()).collect();
        let together = self.together.as_ref().map(|of| of.renamed(&part));
        let home = Self {
            parts,
            // Without a chain there is nothing to ask.
            together: together.filter(|of| !of.chains.is_empty()),
            devices: devices.to_vec(),
            kinds: self.kinds.clone(),
        };
        (home, unknown)
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
}
