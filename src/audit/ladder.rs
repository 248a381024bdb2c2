//! The ladder: what every adversary believes of the same padded periods, or bursts, is held against what was true.

use super::course::Course;
use super::ground::Ground;
use super::listener::{Heard, Listener, PRIORS, STUDIED};
use super::marks::of_one_part;
use super::school::School;
use super::streams::stream;
use crate::adversary::identity::Identity;
use crate::adversary::mind::Part;
use crate::adversary::model::Model;
use crate::adversary::pupil::Way;
use crate::learning::curve::{mean_by_block, spread, told, Answer, Told};
use crate::stats::wilson;
use crate::verdict::ladder::{
    Adds, AtTop, BayesError, Control, CurvePoint, DeviceWays, Fewer, Kinds, Rung,
};
use std::collections::BTreeMap;

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
