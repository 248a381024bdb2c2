//! Teaching: the defenses are run on other days, or on other homes, with other coins, and what came of that is shown to the
//! adversaries that learn, with the truth beside it.
//!
//! Of a capture there are no other days than its own: each day is then answered by a model that was taught on all others, and
//! of less than two days each eighth of the window by the other seven, on wires shaped with other coins. Of a made-up home
//! there are other homes of the same kind, lived with other seeds, and one model is taught on those.
//!
//! Of a defense of which only a wire is known there are no other coins either: who is asked about some blocks of that wire has
//! learned from the others, but for what lies near a border between the two. A wire that was recorded of a defense that is at
//! hand teaches nobody: who was taught on that defense answers for it.

use super::borders::Borders;
use super::course::{Course, Lesson};
use super::ground::Ground;
use super::marks::{kinds, Marks};
use super::streams::stream;
use crate::adversary::blocks::{Blocks, Folds};
use crate::adversary::features::NAMES;
use crate::adversary::identity;
use crate::adversary::model::Model;
use crate::adversary::{PupilRow, Schooling};
use crate::learning::examples::Examples;
use crate::score::truth::Truth;
use crate::threat::{Defense, ShapedTrace};
use crate::trace::Trace;
use crate::units::Span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Folds of a capture: each is answered by who learned from the others.
const FOLDS: u32 = 4;
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
    /// Other homes of the same kind, or other hours of the same; none where there are only other days.
    pub others: &'a [Trace],
    /// How often each of the others is defended, with other coins each time; at least once.
    pub rounds: u32,
    /// Whether the very trace that is audited teaches where there are no others: each block of it those who are asked about
    /// the rest.
    pub own_days: bool,
    /// Whether adversaries that learn nothing are put on the ladder too, and what learns is held against shuffled labels and
    /// fewer examples.
    pub ladder: bool,
    /// Models that were learned before, by defense and adversary: nothing is learned then.
    pub known: Option<&'a Models>,
    /// Of those the ones that answer for this very trace, where they learned from it.
    pub known_by_fold: Option<&'a ByFold>,
    /// Whether what was learned is to be kept.
    pub keep: bool,
}

/// Whether to end early.
type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Models by defense, then by adversary.
pub type Models = BTreeMap<String, BTreeMap<String, Model>>;

/// By defense and adversary the models that answer for the parts of the very trace they learned from, each for a fold that it
/// did not learn from.
pub type ByFold = BTreeMap<String, BTreeMap<String, Vec<Model>>>;

impl Teaching<'_> {
    /// Nobody is taught.
    pub fn none() -> Self {
        Teaching {
            pupils: &[],
            schooling: Schooling::default(),
            others: &[],
            rounds: 1,
            own_days: true,
            ladder: false,
            known: None,
            known_by_fold: None,
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

/// What was taught for one defense.
pub struct School {
    /// By pupil, in their order.
    pub courses: Vec<Course>,
    /// Who answers when.
    pub folds: Folds,
    /// Names of the kinds of activities: class 1 is the first.
    pub kinds: Vec<String>,
    /// Where the wire that is asked about was learned from too: how far from a border between folds lessons keep.
    pub same_wire: Option<Duration>,
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
            same_wire: None,
        }
    }

    /// All pupils, untaught; `own` where who is asked about a block learns from the others.
    fn enrolled(ground: &Ground, teaching: &Teaching, own: bool) -> Self {
        let blocks = Blocks::of(ground.trace.window);
        let course = |row: &'static PupilRow| Course::new(row, &teaching.schooling);
        Self {
            courses: teaching.pupils.iter().map(|&row| course(row)).collect(),
            folds: Folds {
                blocks,
                count: if own { FOLDS.min(blocks.count()) } else { 1 },
            },
            kinds: kinds(std::iter::once(ground.trace).chain(teaching.others)),
            same_wire: None,
        }
    }

    /// Teaches all pupils for one defense, which can be run again; ends early, with nobody taught, once `stop` says so.
    pub fn teach(
        ground: &Ground,
        teaching: &Teaching,
        seed: u64,
        name: &str,
        defense: &dyn Defense,
        stop: Stop,
    ) -> Self {
        let own = teaching.others.is_empty() && teaching.own_days;
        let own = own && (teaching.known.is_none() || teaching.known_by_fold.is_some());
        let mut school = Self::enrolled(ground, teaching, own);
        match teaching.known {
            Some(known) => school.remember(ground, known.get(name), teaching, name),
            None => {
                if !school.courses.is_empty() {
                    school.hear(ground, teaching, seed, name, defense, stop);
                }
                school.learn(ground, seed, name, stop);
            }
        }
        school
    }

    /// Teaches all pupils on the very wire that they are asked about, which cannot be made again: each fold is answered by
    /// who learned from the others.
    pub fn teach_on(
        ground: &Ground,
        teaching: &Teaching,
        seed: u64,
        name: &str,
        shaped: &ShapedTrace,
    ) -> Self {
        let own = teaching.known.is_none() || teaching.known_by_fold.is_some();
        let mut school = Self::enrolled(ground, teaching, own);
        match teaching.known {
            Some(known) => {
                let name = answering(known, name).unwrap_or(name);
                school.remember(ground, known.get(name), teaching, name);
            }
            None => {
                let wire = ground.wire(&shaped.seen);
                let truth = ground.truth_on(shaped, &wire, &ground.truth);
                let runs = wire.padding().iter();
                let runs = runs.flat_map(|of| of.runs.iter().map(|run| of.span(run)));
                let used = truth.devices.iter().flat_map(|used| used.busy.clone());
                let lasting: Vec<Span> = runs.chain(used).collect();
                let borders = Borders::between(&school.folds, &lasting);
                school.same_wire = Some(borders.reach());
                let lesson = Lesson {
                    wire: &wire,
                    trace: ground.trace,
                    truth: &truth,
                    number: 0,
                    first: 0,
                    borders: &borders,
                };
                school.look_at(ground, seed, name, &lesson);
                school.learn(ground, seed, name, &|| false);
            }
        }
        school
    }

    /// Nobody is taught: the defense that made a recorded wire is not audited beside it.
    pub fn without_lessons(ground: &Ground, teaching: &Teaching, made_by: &str) -> Self {
        let mut school = Self::enrolled(ground, teaching, false);
        for course in &mut school.courses {
            course.says = Some(format!(
                "a recorded wire teaches nobody who is asked about it, and {made_by}, which made it, is not audited beside it"
            ));
        }
        school
    }

    /// Each course learns, a model for each fold.
    fn learn(&mut self, ground: &Ground, seed: u64, name: &str, stop: Stop) {
        let (folds, kinds) = (self.folds.clone(), self.kinds.clone());
        let devices = identity::of(ground.trace);
        for course in &mut self.courses {
            let models = (0..folds.count)
                .map(|fold| {
                    if stop() {
                        return Err("it was stopped by a signal while it learned".to_owned());
                    }
                    let without =
                        |group: u32| folds.count == 1 || folds.of_block(group % GROUPS) != fold;
                    let names = [name, course.row.name, "learn"];
                    let model = course.learn(seed, &names, fold, &without, &|all| all)?;
                    Ok(course.with_names(model, &kinds, &devices))
                })
                .collect();
            course.learned(ground, &folds, models);
        }
    }

    /// Each course takes what was learned before, of one defense.
    fn remember(
        &mut self,
        ground: &Ground,
        known: Option<&BTreeMap<String, Model>>,
        teaching: &Teaching,
        name: &str,
    ) {
        let folds = self.folds.clone();
        let devices = identity::of(ground.trace);
        for course in &mut self.courses {
            let models = match teaching.known_by_fold {
                None => course.remember(name, known, &devices),
                // Of this very trace: who learned from a part of it is not asked about that.
                Some(by_fold) => by_fold
                    .get(name)
                    .and_then(|known| known.get(course.row.name))
                    .filter(|models| models.len() == folds.count as usize)
                    .cloned()
                    .ok_or_else(|| course.unknown(name)),
            };
            course.graduate(ground, &folds, models);
        }
    }

    /// Looks at the lessons.
    fn hear(
        &mut self,
        ground: &Ground,
        teaching: &Teaching,
        seed: u64,
        name: &str,
        defense: &dyn Defense,
        stop: Stop,
    ) {
        let others = u32::try_from(teaching.others.len()).unwrap_or(u32::MAX);
        let count = match (teaching.others, teaching.own_days) {
            ([], true) => lessons_of(ground.trace),
            _ => others.saturating_mul(teaching.rounds.max(1)),
        };
        for number in 0..count {
            if stop() {
                return;
            }
            let place = number.checked_rem(others).unwrap_or_default();
            let other = teaching.others.get(place as usize);
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
            let lesson = Lesson {
                wire: &wire,
                trace,
                truth: &truth,
                number,
                // The same hours with other coins are no other hours.
                first: place.saturating_mul(GROUPS),
                borders: &Borders::default(),
            };
            self.look_at(ground, seed, name, &lesson);
        }
    }

    /// Shows one lesson to all.
    fn look_at(&mut self, ground: &Ground, seed: u64, name: &str, lesson: &Lesson) {
        let marks = Marks::new(lesson.trace, lesson.truth, &self.kinds);
        for course in &mut self.courses {
            course.look_at(ground, seed, name, lesson, &marks);
        }
    }

    /// The models of each fold, where there are several, by pupil: to be saved beside [`whole`](Self::whole).
    pub fn by_fold(&self) -> BTreeMap<String, Vec<Model>> {
        let courses = self.courses.iter();
        courses
            .filter(|course| self.folds.count > 1 && !course.models.is_empty())
            .map(|course| (course.row.name.to_owned(), course.models.clone()))
            .collect()
    }

    /// Who is taught here, and why the silence of who claims nothing would say nothing.
    pub fn pupils(&self) -> Vec<(&'static str, Option<String>)> {
        let courses = self.courses.iter();
        courses
            .map(|course| (course.row.name, course.silent_because()))
            .collect()
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
            if let Ok(model) = model {
                let devices = course.models.first().map(|first| &first.devices[..]);
                let model = course.with_names(model, &self.kinds, devices.unwrap_or_default());
                models.insert(course.row.name.to_owned(), model);
            }
        }
        models
    }

    /// What who was taught would answer with, of models that were learned otherwise: of labels dealt anew, of fewer examples. By
    /// fold; none where there is nothing to learn.
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

/// The name of the defense whose models answer for one of which only a wire is known: the one of that name, or, where the file
/// knows but one, that.
pub fn answering<'m>(models: &'m Models, name: &'m str) -> Option<&'m str> {
    let mut names = models.keys();
    match (models.contains_key(name), names.next(), names.next()) {
        (true, ..) => Some(name),
        (false, Some(only), None) => Some(only),
        _ => None,
    }
}

/// Whether models are ones that could have been learned.
///
/// # Errors
/// Why not, in words.
pub fn check(models: &Models, by_fold: &ByFold) -> Result<(), String> {
    let whole = models.iter().flat_map(|(defense, of)| {
        let of = of.iter();
        of.map(move |(adversary, model)| (defense, adversary, std::slice::from_ref(model)))
    });
    let folds = by_fold.iter().flat_map(|(defense, of)| {
        let of = of.iter();
        of.map(move |(adversary, models)| (defense, adversary, &models[..]))
    });
    for (defense, adversary, models) in whole.chain(folds) {
        for model in models {
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
