//! Teaching all devices of a home together: a forest for each, and beside them a model with a chain for each, whose bytes add
//! up.
//!
//! Both learn without the same days and are tried on those; of a device that way is taken whose area under the curve there is
//! larger. The forest is asked about the rows that were kept of those days, the chains about all of their windows: as many of
//! either class as there are, evenly drawn or all, give the same area but for chance. Chains are told apart from each other by
//! what they send alone or together, so all of them are learned, whichever are taken.

use super::mind::{area, held_back, Part};
use super::model::Model;
use super::pupil::{Choice, Way};
use crate::learning::examples::{Examples, LearnError};
use crate::learning::factorial::model::Factorial;
use crate::learning::factorial::series::Lesson;
use crate::learning::forest::Growth;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// What there is to learn from.
pub struct Lessons<'a> {
    /// Rows of each part, of the groups that are wanted.
    pub examples: &'a BTreeMap<u32, Examples>,
    /// Whole wires.
    pub wires: &'a [Lesson],
    /// Which groups of them are wanted.
    pub wanted: &'a dyn Fn(u32) -> bool,
}

/// What a chain believes of windows held back, and what is true, by part.
type Tried = BTreeMap<u32, Vec<(f64, bool)>>;

/// A model of all parts of which there is enough, and why there is not of the first of which there is too little. `chance`
/// gives a stream for each name.
pub fn teach(
    lessons: &Lessons,
    (growth, choice): (Growth, Choice),
    chance: &dyn Fn(&str) -> ChaCha8Rng,
) -> (Model, Option<LearnError>) {
    let way = Way::Forest(growth);
    let groups = lessons.examples.values().flat_map(|of| &of.rows);
    let groups = groups.map(|example| example.group).collect();
    let held = held_back(groups, &mut chance("held back"));
    let (mut model, mut why) = (Model::default(), None);
    for (part, examples) in lessons.examples {
        let mut own = chance(&part.to_string());
        let learned = Part::of_all(&way, examples, &mut own).and_then(|mut of| {
            of.draw_line(&way, examples, &held, &mut own)?;
            Ok(of)
        });
        match learned {
            Ok(learned) => {
                model.parts.insert(*part, learned);
            }
            Err(error) => {
                why.get_or_insert(error);
            }
        }
    }
    let together = match choice {
        Choice::Forest => None,
        _ => Factorial::learn(lessons.wires, lessons.wanted).ok(),
    };
    let Some(together) = together else {
        return (model, why);
    };
    let parts = together.parts();
    let mut any = false;
    for (part, beliefs) in tried(lessons, &held) {
        let learned = model.parts.get_mut(&part);
        let Some(learned) = learned.filter(|_| parts.contains(&part)) else {
            continue;
        };
        // Where the forest could not be tried there is nothing to hold the chain against.
        let Some(of_forest) = learned.tried.get("forest").copied() else {
            continue;
        };
        let of_chain = area(beliefs.iter().copied(), &mut chance("area"));
        learned.tried.insert("factorial".into(), of_chain);
        if of_chain > of_forest || choice == Choice::Chains {
            learned.take_chain(beliefs);
            any = true;
        }
    }
    model.together = any.then_some(together);
    (model, why)
}

/// Tries chains that are learned without the groups held back on those.
fn tried(lessons: &Lessons, held: &[u32]) -> Tried {
    let is_held = |group: u32| held.binary_search(&group).is_ok();
    let rest = |group: u32| (lessons.wanted)(group) && !is_held(group);
    let Ok(trial) = Factorial::learn(lessons.wires, &rest) else {
        return Tried::new();
    };
    let mut tried = Tried::new();
    for wire in lessons.wires {
        let used = trial.posterior(&wire.steps(&is_held));
        let windows = wire.each().filter(|window| is_held(window.group));
        for (window, beliefs) in windows.zip(used.rows()) {
            for (chain, belief) in trial.chains.iter().zip(beliefs) {
                let genuine = window.uses(chain.part);
                let of = tried.entry(chain.part).or_default();
                of.push((f64::from(*belief), genuine));
            }
        }
    }
    tried
}
