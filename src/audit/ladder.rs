//! The ladder: every adversary is asked about the same padded periods, or bursts, and what they believe is held against what
//! was true.
//!
//! An adversary that claims stretches of time believes in a period as much as in the surest claim that touches it, and least
//! of all where it claims nothing. Those that learned are asked directly. Only the first trials are listened to: a few wires of
//! many periods tell as much as fifty.

use super::course::Course;
use super::ground::Ground;
use super::marks::{class_among, of_one_part, Marks};
use super::school::{School, Teaching};
use super::streams::stream;
use crate::adversary::features::{self, Question};
use crate::adversary::hours;
use crate::adversary::identity::Identity;
use crate::adversary::pupil::{Mind, Model, Part, Way};
use crate::adversary::wire::{Watcher, Wire};
use crate::adversary::Kind;
use crate::learning::curve::{mean_by_block, spread, told, Answer, Told};
use crate::learning::examples::Examples;
use crate::score::truth::Truth;
use crate::stats::wilson;
use crate::threat::Guess;
use crate::verdict::ladder::{
    Adds, AtTop, BayesError, Control, CurvePoint, DeviceWays, Fewer, Kinds, Rung,
};
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
struct Variant {
    /// `None`: of labels dealt anew; otherwise of so many examples.
    examples: Option<usize>,
    /// By fold.
    models: Vec<Model>,
}

/// Who listens to the trials of one defense.
pub struct Listener {
    ladder: bool,
    variants: Vec<Variant>,
}

/// What was heard in one trial.
pub struct Heard {
    /// By adversary, those that were taught last: beliefs about the same questions.
    pub answers: Vec<Vec<Answer>>,
    /// By variant.
    variants: Vec<Vec<Answer>>,
    /// Of `priors`: answers by the hour alone, and bits of loss alone and with the traffic, by block.
    alone: Vec<Answer>,
    bits: BTreeMap<u32, [f64; 3]>,
    /// Kinds, as (true, named), by device, of the pupil in that place.
    named: BTreeMap<usize, Vec<(Option<usize>, u16, u16)>>,
}

/// The pupil whose examples are dealt anew and made fewer.
const STUDIED: &str = "learned";
/// The pupil that knows the hour.
const PRIORS: &str = "priors";

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

    /// Asks all adversaries about a wire.
    pub fn hear(
        &self,
        ground: &Ground,
        school: &School,
        wire: &Wire,
        truth: &Truth,
        number: u32,
    ) -> Heard {
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
            .map(
                |(row, watcher)| match self.ladder && row.kind == Kind::Activities {
                    true => of_guesses(watcher.beliefs_on(wire)),
                    false => Vec::new(),
                },
            )
            .collect();
        let mut named = BTreeMap::new();
        for (place, course) in school.courses.iter().enumerate() {
            let asked_directly = direct.iter().position(|(of, _)| *of == place);
            answers.push(match (&course.taught, asked_directly) {
                (None, _) => Vec::new(),
                (Some(_), Some(column)) => of_beliefs(column),
                (Some(taught), None) => of_guesses(taught.beliefs_on(wire)),
            });
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
        Heard {
            answers,
            variants,
            alone,
            bits,
            named,
        }
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

/// The rungs of one defense, from the lowest, and in words what is doubtful about them.
pub fn rungs(
    ground: &Ground,
    school: &School,
    listener: &Listener,
    heard: &[&Heard],
    seed: u64,
    name: &str,
) -> (Vec<Rung>, Vec<String>) {
    let mut says = Vec::new();
    for course in &school.courses {
        if let Some(why) = &course.says {
            says.push(format!(
                "{}: {} was not taught, and claims nothing: {why}",
                name, course.row.name
            ));
        }
        says.extend(course.strangers.clone());
        if course.says.is_none() {
            let why = course.silent_because();
            says.extend(why.map(|why| format!("{name}: {}: {why}", course.row.name)));
        }
    }
    let drawn_by = match school.folds.blocks.are_days() {
        true => "day",
        false => "eighth of the window",
    };
    let untaught = ground.watchers.iter().map(|(row, _)| row.name);
    let taught = school.courses.iter().map(|course| course.row.name);
    let (mut rungs, mut doubts) = (Vec::new(), Vec::new());
    for (place, adversary) in untaught.chain(taught).enumerate() {
        let answers: Vec<Answer> = heard
            .iter()
            .filter_map(|heard| heard.answers.get(place))
            .flatten()
            .copied()
            .collect();
        let mut draws = stream(seed, &[name, adversary, "ladder"], 0);
        let Some(told) = told(&answers, &mut draws) else {
            if !answers.is_empty() {
                says.push(format!(
                    "{name}: all that {adversary} was asked about is {}: there is nothing to tell apart",
                    if answers.iter().all(|answer| answer.genuine) { "genuine" } else { "cover or background" }
                ));
            }
            continue;
        };
        let course = place.checked_sub(ground.watchers.len());
        let course = course.and_then(|place| Some((place, school.courses.get(place)?)));
        let mut rung = rung(name, adversary, &told, drawn_by);
        if let Some((place, course)) = course {
            of_course(&mut rung, course, listener, heard);
            rung.kinds = kinds(place, school, heard);
            if rung.kinds.is_some() {
                let says = of_one_part(ground.trace, &school.folds);
                doubts.extend(says.map(|says| format!("{name}, {adversary}: {says}")));
            }
            if adversary == PRIORS {
                rung.priors = adds(heard, &told, &mut draws);
            }
        }
        rungs.push(rung);
    }
    says.extend(doubts);
    let anybody = school.courses.iter().any(|course| course.taught.is_some());
    if let Some(reach) = school.same_wire.filter(|_| anybody) {
        says.push(format!(
            "{name}: learned from the same wire's other {}; no other coins: of {} parts each is answered by who learned from the \
             others, but for what lies within {:.0} s of a border between them",
            match school.folds.blocks.are_days() {
                true => "days",
                false => "eighths",
            },
            school.folds.count,
            reach.as_secs_f64(),
        ));
    } else if !rungs.is_empty() && !school.folds.blocks.are_days() && school.folds.count > 1 {
        says.push(format!(
            "{name}: less than two days to learn from: each eighth of the window is answered by who learned from others of the \
             same day, on wires with other coins; a longer capture tells more"
        ));
    }
    (rungs, says)
}

fn rung(defense: &str, adversary: &str, told: &Told, drawn_by: &'static str) -> Rung {
    let [one, five, ten] = told.surest;
    let curve = told.curve.iter().map(|point| CurvePoint {
        recall: point.recall,
        confidence: point.precision,
    });
    Rung {
        defense: defense.to_owned(),
        adversary: adversary.to_owned(),
        questions: told.answers,
        genuine: told.genuine,
        base_rate: told.base,
        auc: told.auc,
        average_precision: told.average_precision,
        confidence_at_full_recall: told.full_recall,
        confidence_at: AtTop {
            top_1_percent: one,
            top_5_percent: five,
            top_10_percent: ten,
        },
        lift: told.lift,
        curve: curve.collect(),
        drawn_by,
        learned_by: BTreeMap::new(),
        ways: Vec::new(),
        shuffled_labels: None,
        examples: Vec::new(),
        bayes_error: None,
        kinds: None,
        priors: None,
    }
}

/// What is told of one that learned.
fn of_course(rung: &mut Rung, course: &Course, listener: &Listener, heard: &[&Heard]) {
    for model in &course.models {
        for part in model.parts.values() {
            for (way, area) in &part.tried {
                *rung.learned_by.entry(way.clone()).or_default() += area;
            }
        }
    }
    let parts: usize = course.models.iter().map(|model| model.parts.len()).sum();
    for area in rung.learned_by.values_mut() {
        *area /= parts.max(1) as f64;
    }
    if let (Way::Together(..), Some(from)) = (course.pupil.way(), course.pupil.devices_from()) {
        rung.ways = ways(&course.models, from);
    }
    if course.row.name != STUDIED || !listener.ladder {
        return;
    }
    rung.bayes_error = course.bound().map(|bound| BayesError {
        examples: bound.rows as u64,
        nearest_neighbour: bound.neighbour,
        at_least: bound.least,
        of_the_commoner_class: bound.always,
    });
    let first = heard.first().map(|heard| &heard.variants);
    let mut dealt: Vec<[f64; 2]> = Vec::new();
    for (place, variant) in listener.variants.iter().enumerate() {
        let answers = first.and_then(|variants| variants.get(place));
        let mut draws = stream(0, &["variant"], place as u32);
        let Some(told) = answers.and_then(|answers| told(answers, &mut draws)) else {
            continue;
        };
        match variant.examples {
            None => dealt.push([told.auc.value, told.lift.value]),
            Some(count) => rung.examples.push(Fewer {
                examples: count as u64,
                auc: told.auc.value,
                lift: told.lift.value,
            }),
        }
    }
    let of = |place: usize| spread(dealt.iter().filter_map(|of| of.get(place)).copied());
    if let (Some(auc), Some(lift)) = (of(0), of(1)) {
        rung.shuffled_labels = Some(Control { auc, lift });
    }
    if let (Some(all), false) = (course.examples(), rung.examples.is_empty()) {
        rung.examples.push(Fewer {
            examples: all.rows.len() as u64,
            auc: rung.auc.value,
            lift: rung.lift.value,
        });
    }
}

/// Of each device that was learned: areas on days held back, the mean of all models, and which way they take.
fn ways(models: &[Model], from: u32) -> Vec<DeviceWays> {
    let devices = models.first().map_or(&[][..], |model| &model.devices[..]);
    let of = |(device, part): (&Identity, u32)| {
        let parts: Vec<&Part> = models.iter().filter_map(|m| m.parts.get(&part)).collect();
        let (mut areas, mut taken) = (BTreeMap::<String, (f64, f64)>::new(), BTreeMap::new());
        for part in &parts {
            *taken.entry(part.mind.word().to_owned()).or_insert(0u64) += 1;
            for (way, area) in &part.tried {
                let (sum, count) = areas.entry(way.clone()).or_default();
                (*sum, *count) = (*sum + area, *count + 1.0);
            }
        }
        let areas = areas.into_iter();
        (!parts.is_empty()).then(|| DeviceWays {
            device: device.id.clone(),
            areas: areas
                .map(|(way, (sum, count))| (way, sum / count))
                .collect(),
            taken,
        })
    };
    devices.iter().zip(from..).filter_map(of).collect()
}

fn kinds(place: usize, school: &School, heard: &[&Heard]) -> Option<Kinds> {
    let named: Vec<(Option<usize>, u16, u16)> = heard
        .iter()
        .filter_map(|heard| heard.named.get(&place))
        .flatten()
        .copied()
        .collect();
    let right = named.iter().filter(|(_, class, found)| class == found);
    let right = right.count();
    // Whose flow it is already tells much: of a device with one kind of activity everything.
    let mut counts: BTreeMap<Option<usize>, BTreeMap<u16, u64>> = BTreeMap::new();
    for (device, class, _) in &named {
        let of_device = counts.entry(*device).or_default();
        *of_device.entry(*class).or_default() += 1;
    }
    let most = counts.values().filter_map(|of| of.values().max());
    let commonest: u64 = most.sum();
    Some(Kinds {
        kinds: school.kinds.len() as u64,
        accuracy: wilson(right as u64, named.len() as u64)?,
        chance: commonest as f64 / named.len().max(1) as f64,
    })
}

fn adds(heard: &[&Heard], with: &Told, draws: &mut rand_chacha::ChaCha8Rng) -> Option<Adds> {
    let alone: Vec<Answer> = heard.iter().flat_map(|h| h.alone.iter().copied()).collect();
    let alone = told(&alone, draws)?;
    let mut blocks: BTreeMap<u32, [f64; 3]> = BTreeMap::new();
    for (block, sums) in heard.iter().flat_map(|heard| &heard.bits) {
        let of = blocks.entry(*block).or_insert([0.0; 3]);
        for (sum, more) in of.iter_mut().zip(sums) {
            *sum += more;
        }
    }
    let [by_hour, with_traffic, count] = blocks.values().fold([0.0; 3], |sum, of| {
        [sum[0] + of[0], sum[1] + of[1], sum[2] + of[2]]
    });
    let saved: Vec<(f64, f64)> = blocks.values().map(|[a, b, n]| (a - b, *n)).collect();
    Some(Adds {
        auc_alone: alone.auc.value,
        auc_with_traffic: with.auc.value,
        log_loss_alone_bits: by_hour / f64::max(count, 1.0),
        log_loss_with_traffic_bits: with_traffic / f64::max(count, 1.0),
        adds_bits: mean_by_block(&saved, draws)?,
    })
}
