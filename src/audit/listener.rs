//! Who listens to a trial: every adversary is asked about the same padded periods, or bursts.
//!
//! An adversary that claims stretches of time believes in a period as much as in the surest claim that touches it, and least
//! of all where it claims nothing. Those that learned are asked directly. Only the first trials are listened to: a few wires of
//! many periods tell as much as fifty.

use super::course::Course;
use super::ground::Ground;
use super::marks::{class_among, Marks};
use super::school::{School, Teaching};
use super::streams::stream;
use crate::adversary::features::{self, Question};
use crate::adversary::hours;
use crate::adversary::mind::Mind;
use crate::adversary::model::Model;
use crate::adversary::wire::{Watcher, Wire};
use crate::adversary::Kind;
use crate::learning::curve::Answer;
use crate::learning::examples::Examples;
use crate::score::truth::Truth;
use crate::threat::Guess;
use std::collections::BTreeMap;

/// Trials that are listened to.
pub const TRIALS: u32 = 3;
/// Periods of one trial that are kept at least, where there are as many; of more every second, or fourth, and so on.
const QUESTIONS: usize = 60_000;
/// How often labels are dealt anew. What is learned of nothing is still some rule, which by chance goes along with what is
/// genuine, or against it: only several tell.
const DEALS: u32 = 12;
/// Examples that each of those learns from at most.
const DEALT: usize = 600;
/// Parts of the examples that are learned from besides all of them.
const PARTS: [usize; 3] = [8, 4, 2];

/// A pupil that learned otherwise.
pub struct Variant {
    /// `None`: of labels dealt anew; otherwise of so many examples.
    pub examples: Option<usize>,
    /// By fold.
    models: Vec<Model>,
}

/// Who listens to the trials of one defense.
pub struct Listener {
    /// Whether a ladder is wanted.
    pub ladder: bool,
    /// Pupils that learned otherwise, to compare with.
    pub variants: Vec<Variant>,
}

/// What was heard in one trial.
pub struct Heard {
    /// By adversary, those that were taught last: beliefs about the same questions.
    pub answers: Vec<Vec<Answer>>,
    /// By variant.
    pub variants: Vec<Vec<Answer>>,
    /// Of `priors`: answers by the hour alone, and bits of loss alone and with the traffic, by block.
    pub alone: Vec<Answer>,
    /// The latter.
    pub bits: BTreeMap<u32, [f64; 3]>,
    /// Kinds, as (true, named), by device, of the pupil in that place.
    pub named: BTreeMap<usize, Vec<(Option<usize>, u16, u16)>>,
}

/// The pupil whose examples are dealt anew and made fewer.
pub const STUDIED: &str = "learned";
/// The pupil that knows the hour.
pub const PRIORS: &str = "priors";

impl Listener {
    /// Teaches what is compared with.
    pub fn new(school: &School, teaching: &Teaching, seed: u64, name: &str) -> Self {
        let mut variants = Vec::new();
        let studied = school.courses.iter().find(|c| c.row.name == STUDIED);
        let studied = studied.filter(|c| teaching.ladder && c.taught.is_some());
        if let Some((course, all)) = studied.and_then(|c| Some((c, c.examples()?))) {
            let mut learn = |examples: Option<usize>, deal: u32| {
                let of_deal = deal.to_string();
                let names = [name, STUDIED, "dealt or fewer", &of_deal];
                let number = examples.map_or(0, |count| count as u32);
                let change = |of: &Examples| {
                    let mut draws = stream(seed, &names, number);
                    match examples {
                        None => of.some(DEALT, &mut draws).dealt_anew(&mut draws),
                        Some(count) => of.some(count, &mut draws),
                    }
                };
                if let Some(models) = school.otherwise(course, seed, &names, &change) {
                    variants.push(Variant { examples, models });
                }
            };
            for deal in 0..DEALS {
                learn(None, deal);
            }
            for part in PARTS {
                learn(Some(all.rows.len() / part), 0);
            }
        }
        Self {
            ladder: teaching.ladder,
            variants,
        }
    }

    /// Asks all adversaries about a wire, of which those that were not taught have claimed `untaught`, one after the other. Those
    /// that were taught claim while they are asked: beside what was heard that is given back, in the order of their courses.
    pub fn hear(
        &self,
        ground: &Ground,
        school: &School,
        wire: &Wire,
        truth: &Truth,
        number: u32,
        untaught: &[Vec<Guess>],
    ) -> (Heard, Vec<Vec<Guess>>) {
        let marks = Marks::new(ground.trace, truth, &school.kinds);
        let mut asked = Asked::default();
        let folds = &school.folds;
        let model = |models: &[Model], question: &Question, row: &[f64]| {
            let model = models.get(folds.at(question.span.start) as usize);
            let belief = model.and_then(|model| model.belief(question, row));
            belief.map_or(f32::NEG_INFINITY, |belief| belief as f32)
        };
        // All that rows are needed for, in one go: they are many, and none is kept.
        let direct: Vec<(usize, &Course)> = school
            .courses
            .iter()
            .enumerate()
            .filter(|(_, course)| matches!(course.row.name, STUDIED | PRIORS))
            .collect();
        let priors = school.courses.iter().find(|c| c.row.name == PRIORS);
        features::each(wire, &ground.knowledge, &mut |question, row| {
            asked.pass(|| {
                let mut beliefs: Vec<f32> = direct
                    .iter()
                    .map(|(_, course)| model(&course.models, question, row))
                    .collect();
                if number == 0 {
                    let variants = self.variants.iter();
                    beliefs.extend(variants.map(|v| model(&v.models, question, row)));
                }
                let alone = priors.and_then(|course| {
                    let model = course.models.get(folds.at(question.span.start) as usize)?;
                    let part = model.parts.get(&question.part)?;
                    let Mind::Priors(priors) = &part.mind else {
                        return None;
                    };
                    let both = [hours::alone(priors, row), hours::both(priors, row)];
                    Some(both.map(|belief| part.in_proportion(belief)))
                });
                One {
                    question: *question,
                    genuine: marks.genuine(question),
                    beliefs,
                    alone,
                }
            });
        });
        let answer = |one: &One, belief: f32| Answer {
            belief,
            genuine: one.genuine,
            block: folds.blocks.at(one.question.span.start),
        };
        let of_beliefs = |place: usize| -> Vec<Answer> {
            let of = |one: &One| one.beliefs.get(place).copied();
            let all = asked.kept.iter();
            all.filter_map(|one| Some(answer(one, of(one)?))).collect()
        };
        let of_guesses = |guesses: Vec<Guess>| -> Vec<Answer> {
            let beliefs = touching(&asked.kept, guesses);
            let all = asked.kept.iter().zip(beliefs);
            all.map(|(one, belief)| answer(one, belief)).collect()
        };
        let mut answers: Vec<Vec<Answer>> = ground
            .watchers
            .iter()
            .zip(untaught)
            .map(
                |((row, _), claims)| match self.ladder && row.kind == Kind::Activities {
                    true => of_guesses(claims.clone()),
                    false => Vec::new(),
                },
            )
            .collect();
        let mut claims_of_taught = Vec::with_capacity(school.courses.len());
        let mut named = BTreeMap::new();
        for (place, course) in school.courses.iter().enumerate() {
            let asked_directly = direct.iter().position(|(of, _)| *of == place);
            let (claims, answered) = match (&course.taught, asked_directly) {
                (None, _) => (Vec::new(), Vec::new()),
                (Some(taught), Some(column)) => (taught.guess_on(wire), of_beliefs(column)),
                (Some(taught), None) => {
                    let (claims, beliefs) = taught.claims_and_beliefs_on(wire);
                    (claims, of_guesses(beliefs))
                }
            };
            claims_of_taught.push(claims);
            answers.push(answered);
            if course.pupil.tells_kinds() && course.taught.is_some() {
                let mut pairs = Vec::new();
                let look = &mut |question: &Question, row: &[f64]| {
                    let class = marks.class(question);
                    let model = course.models.get(folds.at(question.span.start) as usize);
                    let found = model.and_then(|model| {
                        let found = model.name(question, row)?;
                        Some(class_among(&school.kinds, model, found.class))
                    });
                    if let (true, Some(found)) = (class > 0, found) {
                        pairs.push((question.device, class, found));
                    }
                };
                course.pupil.look(wire, &ground.knowledge, look);
                named.insert(place, pairs);
            }
        }
        let variants = match number {
            0 => (0..self.variants.len())
                .map(|place| of_beliefs(direct.len() + place))
                .collect(),
            _ => Vec::new(),
        };
        let (mut alone, mut bits) = (Vec::new(), BTreeMap::new());
        for one in &asked.kept {
            let Some([by_hour, with_traffic]) = one.alone else {
                continue;
            };
            let answer = answer(one, by_hour as f32);
            let sums: &mut [f64; 3] = bits.entry(answer.block).or_insert([0.0; 3]);
            *sums = [
                sums[0] + loss(by_hour, one.genuine),
                sums[1] + loss(with_traffic, one.genuine),
                sums[2] + 1.0,
            ];
            alone.push(answer);
        }
        let heard = Heard {
            answers,
            variants,
            alone,
            bits,
            named,
        };
        (heard, claims_of_taught)
    }
}

/// Bits by which a belief is off; no belief is so sure that it is off by more than ten.
fn loss(belief: f64, genuine: bool) -> f64 {
    let chance = belief.clamp(1.0 / 1024.0, 1.0 - 1.0 / 1024.0);
    -match genuine {
        true => chance.log2(),
        false => (1.0 - chance).log2(),
    }
}

/// A question and what is believed of it.
struct One {
    question: Question,
    genuine: bool,
    beliefs: Vec<f32>,
    /// Of who knows the hour alone, and of who sees the traffic as well.
    alone: Option<[f64; 2]>,
}

/// Questions, evenly from all.
#[derive(Default)]
struct Asked {
    kept: Vec<One>,
    passed: u64,
    /// One of so many is kept, as a power of two.
    every: u32,
}

impl Asked {
    fn pass(&mut self, make: impl FnOnce() -> One) {
        let every = 1u64.checked_shl(self.every).unwrap_or(u64::MAX);
        if self.passed.checked_rem(every) == Some(0) {
            self.kept.push(make());
        }
        self.passed += 1;
        if self.kept.len() >= 2 * QUESTIONS {
            let mut place = 0u32;
            self.kept.retain(|_| {
                place = place.wrapping_add(1);
                place % 2 == 1
            });
            self.every += 1;
        }
    }
}

/// How sure the surest guess is that touches each question and may be about its device; least of all where there is none.
fn touching(asked: &[One], mut guesses: Vec<Guess>) -> Vec<f32> {
    guesses.sort_by_key(|guess| guess.span);
    let mut latest = Vec::with_capacity(guesses.len());
    for guess in &guesses {
        let before = latest.last().copied().unwrap_or(guess.span.end);
        latest.push(guess.span.end.max(before));
    }
    asked
        .iter()
        .map(|one| {
            let span = one.question.span;
            let upto = guesses.partition_point(|guess| guess.span.start <= span.end);
            let mut best = f32::NEG_INFINITY;
            for place in (0..upto).rev() {
                // None before reaches this far.
                if latest.get(place).is_none_or(|&end| end < span.start) {
                    break;
                }
                let Some(guess) = guesses.get(place) else {
                    break;
                };
                let about = match (guess.device, one.question.device) {
                    (Some(claimed), Some(asked)) => claimed == asked,
                    _ => true,
                };
                if about && guess.span.end >= span.start {
                    best = best.max(guess.belief as f32);
                }
            }
            best
        })
        .collect()
}
