//! Trials put together into rows of the verdict.

use super::ground::Ground;
use super::streams::stream;
use super::trial::{Judged, Trial};
use crate::adversary::Kind;
use crate::score::shuffle::Shuffles;
use crate::score::tally::Tally;
use crate::stats::{area_under_curve, cluster_bootstrap, ratio, wilson, Interval};
use crate::threat::{Foretold, Vantage};
use crate::verdict::{CMin, Dealt, Latency, Outcome, Overhead, PrecisionAt, Shuffled, Theory};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds of the month that data caps are counted by.
const MONTH_S: f64 = 30.0 * 86_400.0;

/// A defense as it is told in its rows.
pub struct About<'a> {
    pub defense: &'a str,
    pub parameters: BTreeMap<String, Value>,
    pub foretold: Foretold,
    pub seed: u64,
    /// Adversaries that were to be taught, in their order, and why one's silence would say nothing.
    pub taught: Vec<(&'static str, Option<String>)>,
}

/// The rows of a defense: by adversary in their order, then all devices together, then each. The headline is among them.
pub fn outcomes(about: &About, ground: &Ground, trials: &[Trial]) -> Vec<Outcome> {
    let Some(first) = trials.first() else {
        return Vec::new();
    };
    let common = Outcome {
        defense: about.defense.to_owned(),
        vantage: match first.vantage {
            Vantage::Inside => "inside".to_owned(),
            Vantage::Outside => "outside".to_owned(),
        },
        adversary: String::new(),
        device: String::new(),
        parameters: about.parameters.clone(),
        trials: u32::try_from(trials.len()).unwrap_or(u32::MAX),
        headline: false,
        claims: 0,
        correct: 0,
        activities: 0,
        hit: 0,
        confidence: None,
        recall: None,
        precision_at: PrecisionAt::default(),
        auc: None,
        activities_per_period: None,
        genuine_periods_per_period: None,
        c_min: CMin::default(),
        shuffled: None,
        overhead: overhead(trials),
        added_latency_ms: latency(trials),
        theory: theory(about.foretold),
        broken: first.broken.clone(),
        silent_because: None,
    };
    let mut rows = Vec::new();
    let watchers = ground.watchers.iter();
    let watchers = watchers.map(|(row, _)| (row.name, row.kind, None));
    let taught = about.taught.iter();
    let taught = taught.map(|(name, why)| (*name, Kind::Activities, why.as_ref()));
    for (place, (adversary, kind, why)) in watchers.chain(taught).enumerate() {
        let judged: Vec<&Judged> = trials.iter().filter_map(|t| t.judged.get(place)).collect();
        let sums = sums(&judged);
        for row in 0..=ground.trace.devices.len() {
            let (Some(tally), Some(min)) = (sums.get(row), c_min(row, &sums, trials)) else {
                continue;
            };
            let device = match row.checked_sub(1) {
                None => "all",
                Some(device) => match ground.trace.devices.get(device) {
                    // A device that nobody used and nobody claims says nothing.
                    Some(known) if tally.activities > 0 || tally.claims > 0 => &known.id,
                    _ => continue,
                },
            };
            let outcome = Outcome {
                adversary: adversary.to_owned(),
                device: device.to_owned(),
                claims: tally.claims,
                correct: tally.correct,
                activities: tally.activities,
                hit: tally.hit,
                confidence: confidence(about, adversary, device, row, &judged),
                recall: share(tally.hit as f64, tally.activities),
                precision_at: precision_at(tally),
                c_min: min,
                shuffled: shuffled(row, &judged),
                silent_because: why.filter(|_| tally.claims == 0).cloned(),
                ..common.clone()
            };
            rows.push(match kind {
                Kind::Activities => with_periods(outcome, row, trials),
                // Whoever tells days makes no claim about activities, and about the home as a whole.
                Kind::Days if row > 0 => continue,
                Kind::Days => Outcome {
                    recall: None,
                    auc: auc(&judged),
                    ..with_periods(outcome, row, trials)
                },
            });
        }
    }
    mark_headline(&mut rows);
    rows
}

/// Claims that an adversary must have made to be called a defense's worst before one who made as many: one lucky claim in
/// one is no headline beside ninety in a hundred.
const CLAIMS_THAT_TELL: u64 = 10;

/// The worst adversary of a defense is the one who is right most often; of those with few claims, whose interval's lower end
/// is highest. Of equals the surer, then the first.
fn mark_headline(rows: &mut [Outcome]) {
    let mut worst: Option<((bool, f64, f64), usize)> = None;
    for (place, row) in rows.iter().enumerate() {
        let (true, Some(confidence)) = (row.device == "all" && row.claims > 0, row.confidence)
        else {
            continue;
        };
        let rank = match row.claims >= CLAIMS_THAT_TELL {
            true => (true, confidence.value, confidence.low),
            false => (false, confidence.low, confidence.value),
        };
        if worst.is_none_or(|(most, _)| rank > most) {
            worst = Some((rank, place));
        }
    }
    if let Some(row) = worst.and_then(|(_, place)| rows.get_mut(place)) {
        row.headline = true;
    }
}

/// Counts by row over all trials.
fn sums(judged: &[&Judged]) -> Vec<Tally> {
    let mut sums: Vec<Tally> = Vec::new();
    for judged in judged {
        sums.resize(sums.len().max(judged.tallies.len()), Tally::default());
        for (sum, tally) in sums.iter_mut().zip(&judged.tallies) {
            sum.add(tally);
        }
    }
    sums
}

fn share(part: f64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part / whole as f64)
}

/// By Wilson in one trial, by resampling trials otherwise; where all trials agree so well that nothing is left to resample,
/// by Wilson again, for agreement of few claims is no certainty.
fn confidence(
    about: &About,
    adversary: &str,
    device: &str,
    row: usize,
    judged: &[&Judged],
) -> Option<Interval> {
    let each = judged.iter().filter_map(|judged| judged.tallies.get(row));
    let each: Vec<(f64, f64)> = each
        .map(|tally| (tally.correct as f64, tally.claims as f64))
        .collect();
    let correct: f64 = each.iter().map(|trial| trial.0).sum();
    let claims: f64 = each.iter().map(|trial| trial.1).sum();
    let alone = wilson(correct as u64, claims as u64);
    if each.len() < 2 {
        return alone;
    }
    let names = [about.defense, adversary, device, "confidence"];
    let clustered = cluster_bootstrap(&each, &mut stream(about.seed, &names, 0));
    clustered.filter(|of| of.low < of.high).or(alone)
}

fn precision_at(tally: &Tally) -> PrecisionAt {
    let [one, five, ten] = tally.surest.map(|of| share(of.correct, of.claims));
    PrecisionAt {
        top_1_percent: one,
        top_5_percent: five,
        top_10_percent: ten,
    }
}

/// What as many claims about the same devices would earn at random times: of a device its own; of all together the mean over
/// claims, those that name nobody being right about any; without claims, of claims that name nobody.
fn c_min(row: usize, sums: &[Tally], trials: &[Trial]) -> Option<CMin> {
    let chances = &trials.first()?.chance;
    let own = chances.get(row)?;
    let claims = |row: usize| sums.get(row).map_or(0, |tally| tally.claims) as f64;
    let all = claims(0);
    let mean = |of: &dyn Fn(&crate::score::chance::Chance) -> f64| {
        if row > 0 || all <= 0.0 {
            return of(own);
        }
        let named: f64 = (1..chances.len()).map(claims).sum();
        let devices = chances.iter().enumerate().skip(1);
        let by_name: f64 = devices.map(|(row, chance)| claims(row) * of(chance)).sum();
        ((all - named).max(0.0) * of(own) + by_name) / all
    };
    Some(CMin {
        time_fraction: Some(mean(&|of| of.time_fraction)),
        activities_per_period: Some(mean(&|of| of.activities_per_period)),
        periods_touched: Some(mean(&|of| of.periods_touched)),
    })
}

fn with_periods(outcome: Outcome, row: usize, trials: &[Trial]) -> Outcome {
    let periods = trials.iter().filter_map(|trial| trial.periods.get(row));
    let (mut padded, mut genuine) = (0, 0);
    for of in periods {
        padded += of.padded;
        genuine += of.genuine;
    }
    Outcome {
        activities_per_period: share(outcome.activities as f64, padded),
        genuine_periods_per_period: share(genuine as f64, padded),
        ..outcome
    }
}

fn shuffled(row: usize, judged: &[&Judged]) -> Option<Shuffled> {
    let mut sum = Shuffles::default();
    for shuffles in judged.iter().filter_map(|judged| judged.shuffles.get(row)) {
        sum.add(shuffles);
    }
    let lift = sum.lift()?;
    let [dealt, low, high] = lift.dealt;
    Some(Shuffled {
        confidence: lift.confidence,
        lift: lift.lift,
        low: lift.low,
        high: lift.high,
        trials: sum.trials,
        chance: lift.chance,
        dealt: Dealt {
            lift: dealt,
            low,
            high,
        },
    })
}

fn auc(judged: &[&Judged]) -> Option<Interval> {
    let (mut home, mut away) = (Vec::new(), Vec::new());
    for (these, those) in judged.iter().filter_map(|judged| judged.days.as_ref()) {
        home.extend_from_slice(these);
        away.extend_from_slice(those);
    }
    area_under_curve(&home, &away)
}

fn overhead(trials: &[Trial]) -> Overhead {
    let n = trials.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Trial) -> f64| trials.iter().map(of).sum::<f64>() / n;
    let pairs: Vec<(f64, f64)> = trials
        .iter()
        .map(|trial| (trial.cost.carried() as f64, trial.cost.genuine as f64))
        .collect();
    let interval = ratio(&pairs);
    let per_second = |trial: &Trial| match trial.watched.as_secs_f64() {
        seconds if seconds > 0.0 => trial.cost.carried() as f64 / seconds,
        _ => 0.0,
    };
    Overhead {
        ratio: interval.map(|of| of.value),
        low: interval.map(|of| of.low),
        high: interval.map(|of| of.high),
        genuine_bytes: mean(&|trial| trial.cost.genuine as f64),
        cover_bytes: mean(&|trial| trial.cost.cover as f64),
        framing_bytes: mean(&|trial| trial.cost.framing as f64),
        dropped_bytes: mean(&|trial| trial.cost.dropped as f64),
        gb_per_month: mean(&per_second) * MONTH_S / 1e9,
    }
}

fn latency(trials: &[Trial]) -> Latency {
    let worst = |of: &dyn Fn(&Trial) -> Duration| {
        let worst = trials.iter().map(of).max().unwrap_or_default();
        Some(worst.as_secs_f64() * 1e3)
    };
    Latency {
        p50: worst(&|trial| trial.delay.p50),
        p99: worst(&|trial| trial.delay.p99),
        max: worst(&|trial| trial.delay.max),
    }
}

fn theory(foretold: Foretold) -> Option<Theory> {
    let any = foretold.confidence.is_some() || foretold.overhead.is_some();
    any.then_some(Theory {
        confidence: foretold.confidence,
        overhead: foretold.overhead,
    })
}
