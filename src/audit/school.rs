//! Teaching: the defenses are run on other days, or on other homes, with other coins, and what came of that is shown to the
//! adversaries that learn, with the truth beside it.
//!
//! Of a capture there are no other days than its own: each day is then answered by a model that was taught on all others, and
//! of less than two days each eighth of the window by the other seven, on wires shaped with other coins. Of a made-up home
//! there are other homes of the same kind, lived with other seeds, and one model is taught on those.

use super::ground::Ground;
use super::streams::stream;
use crate::adversary::blocks::{Blocks, Folds};
use crate::adversary::features::{Question, NAMES};
use crate::adversary::identity::{self, Identity};
use crate::adversary::pupil::{Model, Part, Pupil, Series, Way};
use crate::adversary::taught::Taught;
use crate::adversary::together;
use crate::adversary::{PupilRow, Schooling};
use crate::learning::examples::{Examples, LearnError};
use crate::learning::factorial::series::Lesson;
use crate::learning::neighbours::{bound, Bound};
use crate::learning::sample::Sample;
use crate::score::truth::{meets, Truth};
use crate::threat::Defense;
use crate::trace::Trace;
use crate::units::{Span, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Folds of a capture: each is answered by who learned from the others.
const FOLDS: u32 = 4;
/// Rows of each class that one part is taught on at most.
const EACH: usize = 2_000;
/// Rows in their own proportion, for what the nearest neighbour tells.
const NATURAL: usize = 2_000;
/// What all lessons together last at least, as far as so many wires do.
const LESSONS_LAST: Duration = Duration::from_secs(4 * 86_400);
/// Activities that all lessons together hold at least, as far as so many wires do.
const ACTIVITIES: f64 = 400.0;
/// Wires of lessons at most.
const LESSONS_AT_MOST: u32 = 4;
/// Groups of one home: those of the next begin there.
const GROUPS: u32 = 10_000;

/// What is taught, and on what.
#[derive(Clone, Copy)]
pub struct Teaching<'a> {
    /// Who is taught.
    pub pupils: &'a [&'static PupilRow],
    /// What they may be told.
    pub schooling: Schooling,
    /// Other homes of the same kind; none where there are only other days.
    pub others: &'a [Trace],
    /// Whether adversaries that learn nothing are put on the ladder too, and what learns is held against shuffled labels and
    /// fewer examples.
    pub ladder: bool,
    /// Models that were learned before, by defense and adversary: nothing is learned then.
    pub known: Option<&'a Models>,
    /// Whether what was learned is to be kept.
    pub keep: bool,
}

/// Models by defense, then by adversary.
pub type Models = BTreeMap<String, BTreeMap<String, Model>>;

impl Teaching<'_> {
    /// Nobody is taught.
    pub fn none() -> Self {
        Teaching {
            pupils: &[],
            schooling: Schooling::default(),
            others: &[],
            ladder: false,
            known: None,
            keep: false,
        }
    }
}

/// How many wires lessons of a trace take: as many as make them long enough, and hold enough activities.
pub fn lessons_of(trace: &Trace) -> u32 {
    let longer = LESSONS_LAST.as_secs_f64() / trace.seconds().max(1.0);
    let more = ACTIVITIES / trace.activities.len().max(1) as f64;
    // As far as 32 bits hold.
    (longer.max(more).ceil() as u32).clamp(1, LESSONS_AT_MOST)
}

/// Where an adversary stands that was taught.
pub struct Course {
    /// Who.
    pub row: &'static PupilRow,
    /// Untaught.
    pub pupil: Arc<dyn Pupil>,
    /// Taught, where there was something to learn.
    pub taught: Option<Taught>,
    /// The models, by fold.
    pub models: Vec<Model>,
    /// Why there is nothing, or less than there might be, in words.
    pub says: Option<String>,
    /// Of which devices nothing was learned before, in words.
    pub strangers: Option<String>,
    samples: BTreeMap<u32, Sample>,
    /// Whole wires, of who looks at them.
    wires: Vec<Lesson>,
}

/// What was taught for one defense.
pub struct School {
    /// By pupil, in their order.
    pub courses: Vec<Course>,
    /// Who answers when.
    pub folds: Folds,
    /// Names of the kinds of activities: class 1 is the first.
    pub kinds: Vec<String>,
}

/// The kinds of activities of a trace, ascending.
pub fn kinds(trace: &Trace) -> Vec<String> {
    let mut kinds: Vec<String> = trace.activities.iter().map(|a| a.label.clone()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// What is true of questions about one wire.
pub struct Marks<'a> {
    truth: &'a Truth,
    /// By device: the class of each of its activities.
    classes: Vec<Vec<u16>>,
}

impl<'a> Marks<'a> {
    /// Of a trace whose truth is this, as far as its kinds have names.
    pub fn new(trace: &Trace, truth: &'a Truth, kinds: &[String]) -> Self {
        let class = |label: &String| {
            let place = kinds.binary_search(label).unwrap_or(0);
            u16::try_from(place + 1).unwrap_or(u16::MAX)
        };
        let of = |device| trace.activities_of(device).map(|a| class(&a.label));
        Self {
            truth,
            classes: (0..trace.devices.len()).map(|d| of(d).collect()).collect(),
        }
    }

    /// 0 where nobody used a device, the kind of the use otherwise: by the rule that claims are held against.
    pub fn class(&self, question: &Question) -> u16 {
        let used = self.truth.used(question.device);
        if !used.is_some_and(|used| meets(&used.busy, question.span)) {
            return 0;
        }
        let devices = match question.device {
            Some(device) => device..device.saturating_add(1),
            None => 0..self.truth.devices.len(),
        };
        let mut found = devices.filter_map(|device| {
            let used = self.truth.devices.get(device)?;
            let touches = |spans: &[Span; 3]| {
                let touch = |span: &Span| meets(std::slice::from_ref(span), question.span);
                spans.iter().any(touch)
            };
            let place = used.activities.iter().position(touches)?;
            self.classes.get(device)?.get(place).copied()
        });
        found.next().unwrap_or(1)
    }

    /// Whether somebody used a device then.
    pub fn genuine(&self, question: &Question) -> bool {
        let used = self.truth.used(question.device);
        used.is_some_and(|used| meets(&used.busy, question.span))
    }
}

impl School {
    /// Nobody is taught, of this trace.
    pub fn nobody(trace: &Trace) -> Self {
        Self {
            courses: Vec::new(),
            folds: Folds {
                blocks: Blocks::of(trace.window),
                count: 1,
            },
            kinds: Vec::new(),
        }
    }

    /// Teaches all pupils for one defense.
    pub fn teach(
        ground: &Ground,
        teaching: &Teaching,
        seed: u64,
        name: &str,
        defense: &dyn Defense,
    ) -> Self {
        let blocks = Blocks::of(ground.trace.window);
        let known = teaching.known.and_then(|known| known.get(name));
        let own = teaching.others.is_empty() && teaching.known.is_none();
        let mut school = Self {
            courses: Vec::new(),
            folds: Folds {
                blocks,
                count: if own { FOLDS.min(blocks.count()) } else { 1 },
            },
            kinds: kinds(ground.trace),
        };
        for &row in teaching.pupils {
            school.courses.push(Course {
                row,
                pupil: (row.make)(&teaching.schooling),
                taught: None,
                models: Vec::new(),
                says: None,
                strangers: None,
                samples: BTreeMap::new(),
                wires: Vec::new(),
            });
        }
        if teaching.known.is_none() && !school.courses.is_empty() {
            school.hear(ground, teaching, seed, name, defense);
        }
        let folds = school.folds.clone();
        let devices = identity::of(ground.trace);
        for course in &mut school.courses {
            let models = match teaching.known {
                Some(_) => course.remember(name, known, &devices),
                None => (0..folds.count)
                    .map(|fold| {
                        let without =
                            |group: u32| folds.count == 1 || folds.of_block(group % GROUPS) != fold;
                        let names = [name, course.row.name, "learn"];
                        course.learn(seed, &names, fold, &without, &|all| all)
                    })
                    .collect(),
            };
            match models {
                Ok(mut models) => {
                    for model in &mut models {
                        if course.pupil.devices_from().is_some() {
                            model.devices.clone_from(&devices);
                        }
                    }
                    course.taught = Some(Taught::new(
                        Arc::clone(&course.pupil),
                        Arc::clone(&ground.knowledge),
                        folds.clone(),
                        models.clone(),
                    ));
                    course.models = models;
                }
                Err(why) => course.says = Some(why),
            }
        }
        school
    }

    /// Looks at the lessons.
    fn hear(
        &mut self,
        ground: &Ground,
        teaching: &Teaching,
        seed: u64,
        name: &str,
        defense: &dyn Defense,
    ) {
        let count = match teaching.others {
            [] => lessons_of(ground.trace),
            others => u32::try_from(others.len()).unwrap_or(u32::MAX),
        };
        for number in 0..count {
            let other = teaching.others.get(number as usize);
            let trace = other.unwrap_or(ground.trace);
            let own_truth;
            let truth = match other {
                None => &ground.truth,
                Some(other) => {
                    own_truth = Truth::of(other, ground.tolerance);
                    &own_truth
                }
            };
            let mut coins = stream(seed, &[name, "lesson"], number);
            let shaped = defense.shape(trace, &mut coins);
            let wire = ground.wire(&shaped.seen);
            let truth = ground.truth_on(&shaped, &wire, truth);
            let marks = Marks::new(trace, &truth, &self.kinds);
            let blocks = Blocks::of(trace.window);
            let first = match other {
                None => 0,
                Some(_) => number.saturating_mul(GROUPS),
            };
            for course in &mut self.courses {
                if let Some(series) = course.pupil.series(&wire) {
                    let group = |at| first.saturating_add(blocks.at(at));
                    let devices = trace.devices.len();
                    course.wires.push(heard(&series, devices, &group, &marks));
                }
                let mut draws = stream(seed, &[name, course.row.name, "rows"], number);
                let tells_kinds = course.pupil.tells_kinds();
                let samples = &mut course.samples;
                course
                    .pupil
                    .look(&wire, &ground.knowledge, &mut |question, row| {
                        let class = match tells_kinds {
                            true => marks.class(question),
                            false => marks.genuine(question).into(),
                        };
                        let group = first.saturating_add(blocks.at(question.span.start));
                        let sample = samples.entry(question.part);
                        let sample = sample.or_insert_with(|| Sample::new(EACH, NATURAL));
                        sample.pass(row, class, group, &mut draws);
                    });
            }
        }
    }

    /// One model of all that there is, to be saved: by pupil, those alone that learned something.
    pub fn whole(&self, seed: u64, name: &str) -> BTreeMap<String, Model> {
        let mut models = BTreeMap::new();
        for course in &self.courses {
            let model = match (self.folds.count, course.models.first()) {
                (1, Some(model)) => Ok(model.clone()),
                _ => {
                    let names = [name, course.row.name, "whole"];
                    course.learn(seed, &names, 0, &|_| true, &|all| all)
                }
            };
            if let Ok(mut model) = model {
                if let Some(first) = course.models.first() {
                    model.devices.clone_from(&first.devices);
                }
                models.insert(course.row.name.to_owned(), model);
            }
        }
        models
    }

    /// What [`Taught`] answers with, of models that were learned otherwise: of labels dealt anew, of fewer examples. By fold;
    /// none where there is nothing to learn.
    pub fn otherwise(
        &self,
        course: &Course,
        seed: u64,
        names: &[&str],
        change: &dyn Fn(&Examples) -> Examples,
    ) -> Option<Vec<Model>> {
        let folds = &self.folds;
        (0..folds.count)
            .map(|fold| {
                let without =
                    |group: u32| folds.count == 1 || folds.of_block(group % GROUPS) != fold;
                let of = |examples: Examples| change(&examples);
                course.learn(seed, names, fold, &without, &of).ok()
            })
            .collect()
    }
}

/// A whole wire, and which devices were in use when.
fn heard(
    series: &Series,
    devices: usize,
    group: &dyn Fn(Timestamp) -> u32,
    marks: &Marks,
) -> Lesson {
    let mut lesson = Lesson::default();
    for step in &series.steps {
        let span = series.span(step);
        lesson.push(*step, group(span.start));
        for (device, part) in (0..devices).zip(0u32..) {
            let question = Question {
                span,
                device: Some(device),
                part,
            };
            if marks.genuine(&question) {
                lesson.mark(step.index, part);
            }
        }
    }
    lesson
}

impl Course {
    /// Learns each part of what is left of the wanted groups by `change`; parts of which there is too little are left out.
    fn learn(
        &self,
        seed: u64,
        names: &[&str],
        number: u32,
        wanted: &dyn Fn(u32) -> bool,
        change: &dyn Fn(Examples) -> Examples,
    ) -> Result<Model, String> {
        let way = self.pupil.way();
        let examples = |sample: &Sample| change(sample.balanced().of_groups(wanted));
        let chance = |part: &str| stream(seed, &[names, &[part]].concat(), number);
        let (model, why) = match way {
            Way::Together(growth, choice) => {
                let samples = self.samples.iter();
                let examples = samples.map(|(part, sample)| (*part, examples(sample)));
                let lessons = together::Lessons {
                    examples: &examples.collect(),
                    wires: &self.wires,
                    wanted,
                };
                together::teach(&lessons, (growth, choice), &chance)
            }
            way => {
                let (mut model, mut why) = (Model::default(), None);
                for (part, sample) in &self.samples {
                    match Part::learn(&way, &examples(sample), &mut chance(&part.to_string())) {
                        Ok(learned) => {
                            model.parts.insert(*part, learned);
                        }
                        Err(error) => {
                            why.get_or_insert(error);
                        }
                    }
                }
                (model, why)
            }
        };
        match (model.parts.is_empty(), why) {
            (false, _) => Ok(model),
            (true, Some(why)) => Err(why.to_string()),
            (true, None) => Err(LearnError::Few {
                genuine: 0,
                other: 0,
            }
            .to_string()),
        }
    }

    /// Takes what was learned before, of these devices.
    fn remember(
        &mut self,
        defense: &str,
        known: Option<&BTreeMap<String, Model>>,
        devices: &[Identity],
    ) -> Result<Vec<Model>, String> {
        let name = self.row.name;
        let model = known.and_then(|known| known.get(name)).ok_or_else(|| {
            format!(
                "the loaded models know nothing of {name} against {defense}: save them from a run with both"
            )
        })?;
        let (model, unknown) = model.at_home(self.pupil.devices_from(), devices);
        if model.parts.is_empty() {
            return Err(format!(
                "the loaded models know of {name} against {defense} none of the devices here: {}",
                unknown.join(", ")
            ));
        }
        self.strangers = (!unknown.is_empty()).then(|| {
            format!(
                "{defense}: the loaded models know nothing of {}, of which {name} claims nothing",
                unknown.join(", ")
            )
        });
        Ok(vec![model])
    }

    /// How many examples there are, of both classes, and what the nearest neighbour tells; of a single part alone.
    pub fn bound(&self) -> Option<Bound> {
        let (1, Some(sample)) = (self.samples.len(), self.samples.values().next()) else {
            return None;
        };
        match self.pupil.way() {
            Way::Pairs => None,
            _ => bound(&sample.natural()).ok().flatten(),
        }
    }

    /// Examples of the only part.
    pub fn examples(&self) -> Option<Examples> {
        match self.samples.len() {
            1 => self.samples.values().next().map(Sample::balanced),
            _ => None,
        }
    }
}

/// Whether models are ones that could have been learned.
///
/// # Errors
/// Why not, in words.
pub fn check(models: &Models) -> Result<(), String> {
    for (defense, of_defense) in models {
        for (adversary, model) in of_defense {
            // Rows of rates are shorter; those of lengths have no width.
            let width = match adversary.as_str() {
                "device-from-rates" => crate::adversary::device_from_rates::WIDTH,
                _ => NAMES.len(),
            };
            model
                .check(width)
                .map_err(|why| format!("{adversary} against {defense}: {why}"))?;
        }
    }
    Ok(())
}
