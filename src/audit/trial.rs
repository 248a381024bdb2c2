//! One trial: a wire is shown to every adversary, and what they claim is counted.

use super::ground::Ground;
use super::listener::{Heard, Listener};
use super::school::School;
use crate::adversary::wire::{whose, Watcher};
use crate::adversary::Kind;
use crate::score::chance::{chance, Chance};
use crate::score::delay::delayed;
use crate::score::periods::Marked;
use crate::score::shuffle::{shuffle_all, Shuffles};
use crate::score::tally::{tally, Tally};
use crate::threat::{Cost, Delay, Guess, Observation, ShapedTrace, Vantage};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::time::Duration;

/// How often genuine marks are shuffled among the padded periods, in each trial.
const SHUFFLES: usize = 200;
/// Marks dealt in all trials of a defense, about. Two weeks of a busy home have six thousand genuine periods: the control is
/// then had from the first eight trials, claims and all, which tells it as well; the first trial always has one.
const DEALT_AT_MOST: u64 = 10_000_000;

/// Padded periods of one device, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Periods {
    /// How many.
    pub padded: u64,
    /// Of them with traffic of an activity under them.
    pub genuine: u64,
}

/// What is kept of a trial. Where there are rows, the first is of all devices together and the others are of each.
pub struct Trial {
    /// Where the adversaries stand.
    pub vantage: Vantage,
    /// How long they watch.
    pub watched: Duration,
    /// What the defense cost.
    pub cost: Cost,
    /// What it delayed.
    pub delay: Delay,
    /// What it broke.
    pub broken: Vec<String>,
    /// Padded periods, by row.
    pub periods: Vec<Periods>,
    /// What guessing at random earns, by row; that of all: claims that name nobody.
    pub chance: Vec<Chance>,
    /// What came of each adversary, those that were taught last.
    pub judged: Vec<Judged>,
    /// What they believe of each period, where somebody was taught.
    pub heard: Option<Heard>,
}

/// What came of an adversary in a trial.
pub struct Judged {
    /// Counts by row; no claims of those that tell days.
    pub tallies: Vec<Tally>,
    /// The control by row; none where nothing is padded.
    pub shuffles: Vec<Shuffles>,
    /// Of those that tell days: what they hold of each day at home, and of each day away.
    pub days: Option<(Vec<f64>, Vec<f64>)>,
}

/// Of the trial of that number, from 0: shows a wire to every adversary, and the wire of the days away to those that tell days.
pub fn judge(
    ground: &Ground,
    shaped: &ShapedTrace,
    away: Option<&Observation>,
    number: u32,
    school: &School,
    listener: Option<&Listener>,
    rng: &mut ChaCha8Rng,
) -> Trial {
    let seen = &shaped.seen;
    let wire = ground.wire(seen);
    let away = away.map(|away| ground.wire(away));
    let mut marked = ground.periods(shaped, &wire, &ground.truth);
    let carried = delayed(&mut marked, &ground.truth);
    let truth = match carried.is_empty() {
        true => Cow::Borrowed(&ground.truth),
        false => Cow::Owned(ground.truth.with(&carried)),
    };
    let mut guesses: Vec<Vec<Guess>> = ground
        .watchers
        .iter()
        .map(|(row, adversary)| match (row.kind, &away) {
            // Nothing to hold its days against.
            (Kind::Days, None) => Vec::new(),
            _ => adversary.guess_on(&wire),
        })
        .collect();
    let heard = match listener {
        Some(listener) => {
            let (heard, claims) = listener.hear(ground, school, &wire, &truth, number, &guesses);
            guesses.extend(claims);
            Some(heard)
        }
        None => {
            let courses = school.courses.iter();
            guesses.extend(courses.map(|course| match &course.taught {
                Some(taught) => taught.guess_on(&wire),
                None => Vec::new(),
            }));
            None
        }
    };
    // All against the same shuffles: a new adversary does not move the others.
    let of_activities: Vec<&[Guess]> = guesses
        .iter()
        .enumerate()
        .map(|(place, guesses)| match ground.watchers.get(place) {
            Some((row, _)) if row.kind == Kind::Days => &[],
            _ => &guesses[..],
        })
        .collect();
    let devices = ground.truth.devices.len();
    let genuine = marked.iter().filter(|period| period.genuine).count() as u64;
    let before = genuine * SHUFFLES as u64 * u64::from(number);
    let mut shuffles = match marked.is_empty() || before > DEALT_AT_MOST {
        true => Vec::new(),
        false => shuffle_all(&of_activities, &marked, devices, SHUFFLES, rng),
    }
    .into_iter();
    let judged = of_activities.iter().zip(&guesses).enumerate();
    let judged = judged.map(|(place, (claims, guesses))| {
        let shuffles = shuffles.next().unwrap_or_default();
        let tallies = tally(claims, &truth);
        let days = ground.watchers.get(place);
        match days.filter(|(row, _)| row.kind == Kind::Days) {
            None => Judged {
                tallies,
                shuffles,
                days: None,
            },
            Some((_, adversary)) => Judged {
                tallies,
                shuffles: Vec::new(),
                days: away.as_ref().map(|away| {
                    let away = adversary.guess_on(away);
                    (beliefs(guesses), beliefs(&away))
                }),
            },
        }
    });
    Trial {
        vantage: seen.vantage,
        watched: seen.window.duration(),
        cost: shaped.cost,
        delay: shaped.delay,
        broken: shaped.broken.clone(),
        periods: count(ground, &marked),
        chance: chances(ground, seen),
        judged: judged.collect(),
        heard,
    }
}

fn count(ground: &Ground, marked: &[Marked]) -> Vec<Periods> {
    let mut rows = vec![Periods::default(); ground.truth.devices.len().saturating_add(1)];
    for period in marked {
        let own = period.device.map(|device| device.saturating_add(1));
        for row in [Some(0), own].into_iter().flatten() {
            if let Some(row) = rows.get_mut(row) {
                row.padded += 1;
                row.genuine += u64::from(period.genuine);
            }
        }
    }
    rows
}

/// By row, with the longest T of the flows that may be the device's; where none has a T, with the longest activity, as T
/// would be chosen.
fn chances(ground: &Ground, seen: &Observation) -> Vec<Chance> {
    let whose = whose(seen, &ground.knowledge);
    let of = |device: Option<usize>| {
        let used = ground.truth.used(device)?;
        let flows = seen.flows.iter().zip(&whose);
        let periods = flows
            .filter(|(_, whose)| device.is_none() || whose.is_none() || **whose == device)
            .filter_map(|(flow, _)| flow.shaping?.period);
        let longest = || {
            ground
                .trace
                .longest_activity(|of| device.is_none_or(|d| d == of))
        };
        let period = periods.max().or_else(longest).unwrap_or_default();
        let period = period.max(Duration::from_secs(1));
        Some(chance(used, ground.truth.window, period))
    };
    let devices = (0..ground.truth.devices.len()).map(Some);
    std::iter::once(None)
        .chain(devices)
        .filter_map(of)
        .collect()
}

fn beliefs(guesses: &[Guess]) -> Vec<f64> {
    guesses.iter().map(|guess| guess.belief).collect()
}
