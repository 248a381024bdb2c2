//! A course: what one adversary that learns was shown of the lessons, and the models that it made of that.

use super::borders::Borders;
use super::ground::Ground;
use super::marks::Marks;
use super::streams::stream;
use crate::adversary::blocks::{Blocks, Folds};
use crate::adversary::features::Question;
use crate::adversary::identity::Identity;
use crate::adversary::mind::{Mind, Part};
use crate::adversary::model::Model;
use crate::adversary::pupil::{Pupil, Series, Way};
use crate::adversary::taught::Taught;
use crate::adversary::together;
use crate::adversary::wire::Wire;
use crate::adversary::{PupilRow, Schooling};
use crate::learning::examples::{Examples, LearnError};
use crate::learning::factorial::series;
use crate::learning::neighbours::{bound, Bound};
use crate::learning::sample::Sample;
use crate::score::truth::Truth;
use crate::trace::Trace;
use crate::units::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of each class that one part is taught on at most.
const EACH: usize = 2_000;
/// Rows in their own proportion, for what the nearest neighbour tells.
const NATURAL: usize = 2_000;

/// Why one is silent who was taught, but could not try on other days how sure to be before a claim.
const NO_LINE: &str = "there was no day left to try on from which belief on to claim, so it claims what it holds likelier than \
                       not, and nothing else; give three days or more, or go by the ladder";

/// What is shown to pupils: a wire, and what was true on it.
pub struct Lesson<'a> {
    /// The wire.
    pub wire: &'a Wire<'a>,
    /// What was defended.
    pub trace: &'a Trace,
    /// What was true of it.
    pub truth: &'a Truth,
    /// By which coins it was drawn.
    pub number: u32,
    /// The group of its first block.
    pub first: u32,
    /// What is left out.
    pub borders: &'a Borders,
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
    /// Whether lessons showed nothing to ask about, as where a firewall lets nothing out.
    saw_nothing: bool,
    samples: BTreeMap<u32, Sample>,
    /// Whole wires, of who looks at them.
    wires: Vec<series::Lesson>,
}

/// A whole wire, and which devices were in use when.
fn heard(series: &Series, lesson: &Lesson, blocks: &Blocks, marks: &Marks) -> series::Lesson {
    let mut heard = series::Lesson::default();
    for step in &series.steps {
        let span = series.span(step);
        if lesson.borders.near(span) {
            continue;
        }
        let group = |at: Timestamp| lesson.first.saturating_add(blocks.at(at));
        heard.push(*step, group(span.start));
        for (device, part) in (0..lesson.trace.devices.len()).zip(0u32..) {
            let question = Question {
                span,
                device: Some(device),
                part,
            };
            if marks.genuine(&question) {
                heard.mark(step.index, part);
            }
        }
    }
    heard
}

impl Course {
    /// Nothing was learned yet.
    pub fn new(row: &'static PupilRow, schooling: &Schooling) -> Self {
        Self {
            row,
            pupil: (row.make)(schooling),
            taught: None,
            models: Vec::new(),
            says: None,
            strangers: None,
            saw_nothing: false,
            samples: BTreeMap::new(),
            wires: Vec::new(),
        }
    }

    /// Looks at one lesson.
    pub fn look_at(
        &mut self,
        ground: &Ground,
        seed: u64,
        name: &str,
        lesson: &Lesson,
        marks: &Marks,
    ) {
        let blocks = Blocks::of(lesson.trace.window);
        if let Some(series) = self.pupil.series(lesson.wire) {
            self.wires.push(heard(&series, lesson, &blocks, marks));
        }
        let mut draws = stream(seed, &[name, self.row.name, "rows"], lesson.number);
        let tells_kinds = self.pupil.tells_kinds();
        let samples = &mut self.samples;
        self.pupil
            .look(lesson.wire, &ground.knowledge, &mut |question, row| {
                if lesson.borders.near(question.span) {
                    return;
                }
                let class = match tells_kinds {
                    true => marks.class(question),
                    false => marks.genuine(question).into(),
                };
                let group = lesson.first.saturating_add(blocks.at(question.span.start));
                let sample = samples.entry(question.part);
                let sample = sample.or_insert_with(|| Sample::new(EACH, NATURAL));
                sample.pass(row, class, group, &mut draws);
            });
    }

    /// A model that knows what its classes are called, where it tells them apart, and whose parts it has, where they are of
    /// devices.
    pub fn with_names(&self, mut model: Model, kinds: &[String], devices: &[Identity]) -> Model {
        if self.pupil.tells_kinds() {
            model.kinds = kinds.to_vec();
        }
        if self.pupil.devices_from().is_some() {
            model.devices = devices.to_vec();
        }
        model
    }

    /// Is taught by the models that it learned, or says why it is not.
    pub fn learned(&mut self, ground: &Ground, folds: &Folds, models: Result<Vec<Model>, String>) {
        self.saw_nothing = self.samples.is_empty();
        self.graduate(ground, folds, models);
    }

    /// Is taught by those models, or says why it is not.
    pub fn graduate(&mut self, ground: &Ground, folds: &Folds, models: Result<Vec<Model>, String>) {
        match models {
            Ok(models) => {
                self.taught = Some(Taught::new(
                    Arc::clone(&self.pupil),
                    Arc::clone(&ground.knowledge),
                    folds.clone(),
                    models.clone(),
                ));
                self.models = models;
            }
            Err(why) => self.says = Some(why),
        }
    }

    /// Why its silence says nothing of the defense, in words: it was not taught, or had no day to try on where to claim from.
    pub fn silent_because(&self) -> Option<String> {
        match &self.says {
            // Where nothing is to be seen there is nothing to claim, whoever looks.
            Some(_) if self.saw_nothing => None,
            Some(why) => Some(format!("it was not taught: {why}")),
            None => self.without_line().then(|| NO_LINE.to_owned()),
        }
    }

    /// Whether some model learned from one day, or from too little, to be tried on days held back.
    pub fn without_line(&self) -> bool {
        let untried = |part: &Part| part.tried.is_empty() && part.mind != Mind::Chain;
        let of_model = |model: &Model| model.parts.values().all(untried);
        self.models.iter().any(of_model)
    }

    /// Learns each part of what is left of the wanted groups by `change`; parts of which there is too little are left out.
    pub fn learn(
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

    /// That nothing was learned before, in words.
    pub fn unknown(&self, defense: &str) -> String {
        let name = self.row.name;
        format!("the loaded models know nothing of {name} against {defense}: save them from a run with both")
    }

    /// Takes what was learned before, of these devices.
    pub fn remember(
        &mut self,
        defense: &str,
        known: Option<&BTreeMap<String, Model>>,
        devices: &[Identity],
    ) -> Result<Vec<Model>, String> {
        let name = self.row.name;
        let model = known
            .and_then(|known| known.get(name))
            .ok_or_else(|| self.unknown(defense))?;
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
