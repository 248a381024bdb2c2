//! What is true of each question about a wire: whether somebody used a device then, and what for.

use crate::adversary::blocks::Folds;
use crate::adversary::features::Question;
use crate::adversary::model::Model;
use crate::score::truth::{meets, Truth};
use crate::trace::Trace;
use crate::units::Span;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of activities of traces, ascending.
pub fn kinds<'t>(traces: impl Iterator<Item = &'t Trace>) -> Vec<String> {
    let all = traces.flat_map(|trace| &trace.activities);
    let mut kinds: Vec<String> = all.map(|activity| activity.label.clone()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Where each part of a trace is answered by who learned from the others: that kinds which are in one part alone cannot be named,
/// in words.
pub fn of_one_part(trace: &Trace, folds: &Folds) -> Option<String> {
    let mut parts: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for activity in &trace.activities {
        let part = folds.at(activity.traffic.start);
        parts.entry(&activity.label).or_default().insert(part);
    }
    let alone = parts.values().filter(|parts| parts.len() == 1).count();
    (folds.count > 1 && alone > 0).then(|| {
        format!(
            "{alone} of {} kinds of activities are in one of {} parts of the capture alone, and who learned from the others cannot \
             name those: give labels with fewer kinds, as on and off, or a longer capture",
            parts.len(),
            folds.count
        )
    })
}

/// The class by which `kinds` know what a model calls by one of its own: one taught elsewhere may know others, and one that
/// was kept before models had names for them is taken to know the same. 0 of one that is not among them, which no activity is of.
pub fn class_among(kinds: &[String], model: &Model, class: u16) -> u16 {
    if model.kinds.is_empty() {
        return class;
    }
    let place = usize::from(class).checked_sub(1);
    let name = place.and_then(|place| model.kinds.get(place));
    let found = name.and_then(|name| kinds.binary_search(name).ok());
    found.map_or(0, |place| u16::try_from(place + 1).unwrap_or(u16::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adversary::blocks::Blocks;
    use crate::model::{generate, HomeModel};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn kinds_of_another_home_are_known_by_name() {
        let here = ["off".to_owned(), "on".to_owned()];
        let model = |kinds: &[&str]| Model {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            ..Model::default()
        };
        let elsewhere = model(&["dim", "on"]);
        let found = [0, 1, 2, 3].map(|class| class_among(&here, &elsewhere, class));
        assert_eq!(found, [0, 0, 2, 0]);
        assert_eq!(class_among(&here, &model(&[]), 2), 2);
    }

    #[test]
    fn kinds_that_are_in_one_part_alone_are_told_of() {
        let mut chance = ChaCha8Rng::seed_from_u64(5);
        let mut home = generate(&HomeModel::built_in(), 86_400, &mut chance);
        for activity in &mut home.activities {
            activity.label = "on".into();
        }
        let folds = |count| Folds {
            blocks: Blocks::of(home.window),
            count,
        };
        let (one, four) = (folds(1), folds(4));
        assert_eq!(of_one_part(&home, &four), None);
        home.activities[0].label = "set up".into();
        let says = of_one_part(&home, &four).unwrap();
        assert!(says.starts_with("1 of 2 kinds"), "{says}");
        // Other homes taught it: there are no parts.
        assert_eq!(of_one_part(&home, &one), None);
    }
}
