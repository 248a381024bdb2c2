//! The ladder in words and columns: what each adversary believes of each padded period.

use crate::report::human::{self, counted, decimals, line};
use crate::report::plot::recalls::RecallCurve;
use crate::verdict::ladder::{DeviceWays, Rung};
use crate::verdict::{Interval, Verdict};

/// The columns; those after the second are numbers.
pub const HEADINGS: [&str; 9] = [
    "LADDER",
    "ADVERSARY",
    "AUC",
    "LIFT",
    "C AT FULL RECALL",
    "C AT TOP 1 %",
    "5 %",
    "10 %",
    "BASE RATE",
];

fn interval(of: Interval, digits: usize) -> String {
    let [value, low, high] = [of.value, of.low, of.high].map(|n| decimals(n, digits));
    format!("{value} [{low}, {high}]")
}

fn percent(of: f64) -> String {
    format!("{} %", decimals(of * 100.0, 1))
}

/// A rung by columns.
pub fn cells(rung: &Rung) -> [String; 9] {
    let at = rung.confidence_at;
    [
        line(&rung.defense),
        line(&rung.adversary),
        interval(rung.auc, 3),
        interval(rung.lift, 2),
        percent(rung.confidence_at_full_recall.value),
        percent(at.top_1_percent.value),
        percent(at.top_5_percent.value),
        percent(at.top_10_percent.value),
        percent(rung.base_rate),
    ]
}

/// The curves of each defense that has any.
pub fn curves(verdict: &Verdict) -> Vec<(String, Vec<RecallCurve>)> {
    let with_curves = verdict.ladder.iter().filter(|rung| !rung.curve.is_empty());
    let mut all: Vec<(String, Vec<RecallCurve>)> = Vec::new();
    for rung in with_curves {
        let points = rung.curve.iter().map(|of| (of.recall, of.confidence));
        let curve = RecallCurve {
            name: rung.adversary.clone(),
            points: points.collect(),
        };
        match all.iter_mut().find(|(defense, _)| *defense == rung.defense) {
            Some((_, curves)) => curves.push(curve),
            None => all.push((rung.defense.clone(), vec![curve])),
        }
    }
    all
}

/// How far the surest tenth can be right where fewer than a tenth are genuine: an adversary who errs in nothing shows no more.
fn few(rung: &Rung) -> Option<String> {
    let least = rung.base_rate < 0.1 && rung.base_rate > 0.0;
    least.then(|| {
        format!(
            "{}: {} of all are genuine, fewer than a tenth: the surest tenth can be right about {} at most, a lift of 10.",
            line(&rung.defense),
            percent(rung.base_rate),
            percent(rung.base_rate * 10.0)
        )
    })
}

/// The ways of one device: those that are taken with a star.
fn ways(of: &DeviceWays) -> String {
    let untried = of.taken.keys().filter(|way| !of.areas.contains_key(*way));
    let untried = untried.map(|way| (way, None));
    let tried = of.areas.iter().map(|(way, area)| (way, Some(*area)));
    let ways = tried.chain(untried).map(|(way, area)| {
        let star = if of.taken.contains_key(way) { "*" } else { "" };
        let area = area.map_or("not tried".to_owned(), |area| decimals(area, 3));
        format!("{}{star} {area}", line(way))
    });
    let ways: Vec<String> = ways.collect();
    format!("{} {}", line(&of.device), ways.join(", "))
}

/// What is to be said of the ladder, a line each.
pub fn remarks(verdict: &Verdict) -> Vec<String> {
    let Some(first) = verdict.ladder.first() else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "Ladder: every adversary about the same padded periods, or bursts where nothing is padded. AUC: the chance that a genuine \
         one is believed in more than another, 0.5 is guessing. Lift: confidence of the surest tenth over the base rate, 1 tells \
         nothing. Intervals: 95 %, drawn by {}.",
        first.drawn_by
    )];
    let mut before = None;
    for rung in &verdict.ladder {
        // All of a defense are asked about the same.
        if before.replace(&rung.defense) != Some(&rung.defense) {
            lines.extend(few(rung));
        }
        let who = format!("{}, {}", line(&rung.defense), line(&rung.adversary));
        if !rung.curve.is_empty() && (!rung.examples.is_empty() || rung.kinds.is_some()) {
            let points = rung.curve.iter().step_by(4);
            let points: Vec<String> = points
                .map(|of| format!("{} at {}", percent(of.confidence), percent(of.recall)))
                .collect();
            lines.push(format!(
                "{who}: confidence at recall: {}.",
                points.join(", ")
            ));
        }
        if !rung.ways.is_empty() {
            let devices: Vec<String> = rung.ways.iter().map(ways).collect();
            lines.push(format!(
                "{who}: AUC on days held back by way of learning, * taken: {}.",
                devices.join("; ")
            ));
        }
        if let Some(control) = rung.shuffled_labels {
            let holds = control.lift.low < 1.005 && control.lift.high > 0.995;
            lines.push(format!(
                "Control, {who}: learned of labels dealt anew, several times: AUC {}, lift {}{}.",
                interval(control.auc, 3),
                interval(control.lift, 2),
                match holds {
                    true => ", as it must be",
                    false => ": 1 is not among them, the control is wrong, do not rely on it",
                }
            ));
        }
        if !rung.examples.is_empty() {
            let sizes: Vec<String> = rung
                .examples
                .iter()
                .map(|of| format!("{} {}", human::count(of.examples), decimals(of.auc, 3)))
                .collect();
            lines.push(format!("{who}: AUC by examples: {}.", sizes.join(", ")));
        }
        if let Some(bound) = rung.bayes_error {
            lines.push(format!(
                "{who}: the nearest of {} errs {}, so nobody errs less than {}; the commoner class alone errs {}.",
                counted(bound.examples, "example"),
                percent(bound.nearest_neighbour),
                percent(bound.at_least),
                percent(bound.of_the_commoner_class)
            ));
        }
        if let Some(kinds) = rung.kinds.as_ref().filter(|kinds| kinds.chance >= 1.0) {
            lines.push(format!(
                "{who}: {} of activities, and each flow tells its device, which has but one: there are no kinds to tell apart.",
                counted(kinds.kinds, "kind")
            ));
        } else if let Some(kinds) = &rung.kinds {
            lines.push(format!(
                "{who}: {} of activities told apart: right about {} [{}, {}], chance {}.",
                counted(kinds.kinds, "kind"),
                percent(kinds.accuracy.value),
                decimals(kinds.accuracy.low * 100.0, 1),
                decimals(kinds.accuracy.high * 100.0, 1),
                percent(kinds.chance)
            ));
        }
        if let Some(adds) = rung.priors {
            lines.push(format!(
                "{who}: AUC {} by the hour alone, {} with the traffic, which adds {} bits a period.",
                decimals(adds.auc_alone, 3),
                decimals(adds.auc_with_traffic, 3),
                interval(adds.adds_bits, 4)
            ));
        }
    }
    lines
}
