//! The audit: every defense against every adversary, held against the truth.
//!
//! `run` defends a trace and shows adversaries what the wire then shows; `score` is given the wire by somebody else. Trials
//! run side by side and are told apart by their streams of chance alone, so the result is the same for any number of threads.
//! Kept are the counts of each trial, not what was seen in it.

mod borders;
mod course;
mod ground;
mod ladder;
mod listener;
mod marks;
pub mod memory;
mod outcome;
pub mod saved;
pub mod school;
mod streams;
mod trial;

use crate::adversary::recover::recover;
use crate::adversary::{Row, Settings};
use crate::threat::{Cost, Defense, Observation, ShapedTrace};
use crate::trace::Trace;
use crate::verdict::ladder::Rung;
use crate::verdict::{Latency, Outcome};
use ground::Ground;
use ladder::rungs;
use listener::{Heard, Listener};
use outcome::{outcomes, About};
use rayon::prelude::*;
use school::{ByFold, Models, School, Teaching};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use trial::{judge, Trial};

/// What to audit.
pub struct Audit<'a> {
    /// The truth.
    pub trace: &'a Trace,
    /// Defenses by their names, in the order of the results.
    pub defenses: &'a [(String, Box<dyn Defense>)],
    /// Adversaries, in the order of the results.
    pub adversaries: &'a [&'static Row],
    /// How many times a defense is run that draws by chance; others are run once. At least once.
    pub trials: u32,
    /// What all chance comes from.
    pub seed: u64,
    /// Threads; `None` or none: as many as there are processors.
    pub jobs: Option<usize>,
    /// How far from an activity a right claim may be.
    pub tolerance: Duration,
}

/// Told how many trials of how many are done, from any thread.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Asked before every trial, from any thread, whether to begin no more of them.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// How far an audit came that could be stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// The rows of [`run`], of the trials that were run; a defense without any has none.
    pub results: Vec<Outcome>,
    /// How many trials were run, all of them to their end.
    pub done: u64,
    /// How many there would have been.
    pub of: u64,
    /// Defenses by their names of which some trials were not run, in the order of the results.
    pub cut_short: Vec<String>,
    /// What adversaries that were taught believe, beside the others: a rung for each defense and adversary.
    pub ladder: Vec<Rung>,
    /// What was learned, where that is to be kept.
    pub models: Models,
    /// The same by the parts of the trace that were learned from, where each was answered by who learned from the others.
    pub by_fold: ByFold,
    /// Where teaching failed, or rests on little, in words.
    pub caveats: Vec<String>,
}

/// Runs every defense, has every adversary guess, and counts: a row for each defense, adversary and device, those of all
/// devices together first; devices without an activity or a claim have no row.
pub fn run(audit: &Audit, progress: Progress) -> Vec<Outcome> {
    run_until(audit, &Settings::default(), progress, &|| false).results
}

/// [`run`] with adversaries that are steered otherwise, which ends early once `stop` says so: trials that were begun are run to
/// their end. A trial is the same whatever others are run.
pub fn run_until(audit: &Audit, settings: &Settings, progress: Progress, stop: Stop) -> Audited {
    run_taught(audit, settings, &Teaching::none(), progress, stop)
}

/// [`run_until`] with adversaries that are taught before the trials: on wires of the same defenses with coins of their own. What
/// the others are worth does not change by that.
pub fn run_taught(
    audit: &Audit,
    settings: &Settings,
    teaching: &Teaching,
    progress: Progress,
    stop: Stop,
) -> Audited {
    let ground = Ground::new(audit.trace, audit.adversaries, settings, audit.tolerance);
    let tasks: Vec<(usize, u32)> = audit
        .defenses
        .iter()
        .enumerate()
        .flat_map(|(place, (_, defense))| {
            let trials = if defense.is_random() {
                audit.trials.max(1)
            } else {
                1
            };
            (0..trials).map(move |trial| (place, trial))
        })
        .collect();
    let (done, of) = (AtomicU64::new(0), tasks.len() as u64);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(audit.jobs.unwrap_or(0));
    // No threads to be had: one after the other gives the same.
    let pool = pool.build().ok();
    // Who answers for each defense: who was taught on it, or, for a recorded wire, on the defense that made it.
    let places = audit.defenses.iter().enumerate();
    let answers = places.map(|(place, (_, defense))| {
        let made_by = defense.recorded_of();
        let named = |made_by: &str| audit.defenses.iter().position(|(name, _)| name == made_by);
        made_by.and_then(named).unwrap_or(place)
    });
    let answers: Vec<usize> = answers.collect();
    let teach = |(name, defense): &(String, Box<dyn Defense>)| {
        let school = match defense.recorded_of() {
            None => School::teach(&ground, teaching, audit.seed, name, &**defense, stop),
            Some(made_by) => School::without_lessons(&ground, teaching, made_by),
        };
        let wanted = !stop() && (!teaching.pupils.is_empty() || teaching.ladder);
        let listener = wanted.then(|| Listener::new(&school, teaching, audit.seed, name));
        (school, listener)
    };
    let teach_all = || -> Vec<(School, Option<Listener>)> {
        audit
            .defenses
            .par_iter()
            .with_max_len(1)
            .map(teach)
            .collect()
    };
    let schools = match &pool {
        Some(pool) => pool.install(teach_all),
        None => audit.defenses.iter().map(teach).collect(),
    };
    let one = |&(place, number): &(usize, u32)| -> Option<(usize, Trial)> {
        if stop() {
            return None;
        }
        let (name, defense) = audit.defenses.get(place)?;
        let stream = |purpose| streams::stream(audit.seed, &[name, purpose], number);
        let shaped = shaped(audit.trace, name, &**defense, audit.seed, number);
        let away = ground.away(number);
        let away = away.map(|away| defense.shape(away, &mut stream("away")).seen);
        let (school, listener) = schools.get(*answers.get(place)?)?;
        let listener = listener.as_ref().filter(|_| number < listener::TRIALS);
        let mut dealt = stream("shuffle");
        let away = away.as_ref();
        let trial = judge(&ground, &shaped, away, number, school, listener, &mut dealt);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, of);
        Some((place, trial))
    };
    let all =
        || -> Vec<Option<(usize, Trial)>> { tasks.par_iter().with_max_len(1).map(one).collect() };
    let judged = match &pool {
        Some(pool) => pool.install(all),
        None => tasks.iter().map(one).collect(),
    };
    let mut trials: Vec<Vec<Trial>> = Vec::new();
    trials.resize_with(audit.defenses.len(), Vec::new);
    for (place, trial) in judged.into_iter().flatten() {
        if let Some(trials) = trials.get_mut(place) {
            trials.push(trial);
        }
    }
    let mut cut_short: Vec<String> = Vec::new();
    for (place, (name, _)) in audit.defenses.iter().enumerate() {
        let asked = tasks.iter().filter(|(of, _)| *of == place).count();
        if trials.get(place).map_or(0, Vec::len) < asked {
            cut_short.push(name.clone());
        }
    }
    let (mut rungs_of_all, mut models, mut caveats) = (Vec::new(), Models::new(), Vec::new());
    let mut by_fold = ByFold::new();
    let taught = answers.iter().map(|&place| schools.get(place));
    let each = audit.defenses.iter().zip(&trials).zip(taught);
    for (((name, defense), trials), answer) in each {
        let Some((school, listener)) = answer else {
            continue;
        };
        if let Some(listener) = listener {
            let heard = trials.iter().filter_map(|trial| trial.heard.as_ref());
            let heard: Vec<&Heard> = heard.collect();
            let (rungs, says) = rungs(&ground, school, listener, &heard, audit.seed, name);
            rungs_of_all.extend(rungs);
            caveats.extend(says);
        }
        // Who was stopped while learning learned from a part alone, and that is not kept.
        if teaching.keep && defense.recorded_of().is_none() && !trials.is_empty() {
            models.insert(name.clone(), school.whole(audit.seed, name));
            by_fold.insert(name.clone(), school.by_fold());
        }
    }
    let each = audit.defenses.iter().zip(&trials).zip(&answers);
    let results = each.flat_map(|(((name, defense), trials), &answer)| {
        let parameters = defense.parameters().into_iter();
        let about = About {
            defense: name,
            parameters: parameters
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            foretold: defense.foretold(),
            seed: audit.seed,
            taught: schools
                .get(answer)
                .map_or_else(Vec::new, |(school, _)| school.pupils()),
        };
        outcomes(&about, &ground, trials)
    });
    Audited {
        results: results.collect(),
        done: done.load(Ordering::Relaxed),
        of,
        cut_short,
        ladder: rungs_of_all,
        models,
        by_fold,
        caveats,
    }
}

/// What a defense makes of a trace in one trial, counted from 0: the very wire that [`run`] shows to adversaries in that trial.
pub fn shaped(
    trace: &Trace,
    name: &str,
    defense: &dyn Defense,
    seed: u64,
    trial: u32,
) -> ShapedTrace {
    defense.shape(trace, &mut chance(seed, name, trial))
}

/// What a defense draws from in one trial.
pub fn chance(seed: u64, name: &str, trial: u32) -> rand_chacha::ChaCha8Rng {
    streams::stream(seed, &[name, "defense"], trial)
}

/// The same for a defense by anybody, of which only the wire is known: the numbers [`run`] gives in one trial with that wire.
///
/// What cannot be told from outside is left as it is by default: added latency, parameters, what is broken, what a theory
/// foretells; adversaries that need a day away to compare with have no row. All bytes on the wire beyond those without the
/// defense are counted as cover, and where there are fewer, as dropped. Where no flow is told to be shaped, the shaping is
/// read off the wire first.
pub fn score(
    before: &Trace,
    after: &Observation,
    name: &str,
    adversaries: &[&'static Row],
    seed: u64,
    tolerance: Duration,
) -> Vec<Outcome> {
    let told = after.flows.iter().any(|flow| flow.shaping.is_some());
    let seen = match told {
        true => after.clone(),
        false => recover(after.clone()),
    };
    let settings = Settings::default();
    score_with(before, seen, name, adversaries, seed, tolerance, &settings)
}

/// [`score`] with adversaries that are steered otherwise, of a wire that is taken as it is: a flow that is not told to be shaped
/// is not.
pub fn score_with(
    before: &Trace,
    seen: Observation,
    name: &str,
    adversaries: &[&'static Row],
    seed: u64,
    tolerance: Duration,
    settings: &Settings,
) -> Vec<Outcome> {
    let scored = Scored {
        before,
        seen,
        name,
        adversaries,
        seed,
        tolerance,
    };
    score_taught(scored, settings, &Teaching::none()).results
}

/// What to score: see [`score`].
pub struct Scored<'a> {
    /// The truth.
    pub before: &'a Trace,
    /// The wire.
    pub seen: Observation,
    /// What the defense is called.
    pub name: &'a str,
    /// Adversaries, in the order of the results.
    pub adversaries: &'a [&'static Row],
    /// What all chance comes from.
    pub seed: u64,
    /// How far from an activity a right claim may be.
    pub tolerance: Duration,
}

/// [`score_with`] with adversaries that are taught on the same wire: each part of it is answered by who learned from other
/// parts. No other homes are looked at: the defense is not there to defend them. What the others are worth does not change by
/// that.
pub fn score_taught(scored: Scored, settings: &Settings, teaching: &Teaching) -> Audited {
    let Scored {
        before, seen, name, ..
    } = scored;
    let seed = scored.seed;
    let (genuine, carried) = (before.bytes(), seen.bytes());
    let shaped = ShapedTrace {
        seen,
        cost: Cost {
            genuine,
            dropped: genuine.saturating_sub(carried),
            cover: carried.saturating_sub(genuine),
            framing: 0,
        },
        delay: Default::default(),
        periods: Vec::new(),
        broken: Vec::new(),
    };
    let of_activities: Vec<&'static Row> = scored
        .adversaries
        .iter()
        .filter(|row| row.kind == crate::adversary::Kind::Activities)
        .copied()
        .collect();
    let ground = Ground::new(before, &of_activities, settings, scored.tolerance);
    let mut chance = streams::stream(seed, &[name, "shuffle"], 0);
    let wanted = !teaching.pupils.is_empty() || teaching.ladder;
    let school = match wanted {
        true => School::teach_on(&ground, teaching, seed, name, &shaped),
        false => School::nobody(before),
    };
    let listener = wanted.then(|| Listener::new(&school, teaching, seed, name));
    let listener = listener.as_ref();
    let trial = judge(&ground, &shaped, None, 0, &school, listener, &mut chance);
    let about = About {
        defense: name,
        parameters: Default::default(),
        foretold: Default::default(),
        seed,
        taught: school.pupils(),
    };
    let trials = [trial];
    let known = outcomes(&about, &ground, &trials);
    let mut audited = Audited {
        results: known
            .into_iter()
            .map(|row| Outcome {
                added_latency_ms: Latency::default(),
                ..row
            })
            .collect(),
        done: 1,
        of: 1,
        cut_short: Vec::new(),
        ladder: Vec::new(),
        models: Models::new(),
        by_fold: ByFold::new(),
        caveats: Vec::new(),
    };
    if let Some(listener) = listener {
        let heard: Vec<&Heard> = trials.iter().filter_map(|t| t.heard.as_ref()).collect();
        (audited.ladder, audited.caveats) = rungs(&ground, &school, listener, &heard, seed, name);
    }
    if teaching.keep {
        audited
            .models
            .insert(name.to_owned(), school.whole(seed, name));
        audited.by_fold.insert(name.to_owned(), school.by_fold());
    }
    audited
}
