//! One trial: a wire is shown to every adversary, and what they claim is counted.

use super::ladder::{Heard, Listener};
use super::school::School;
use crate::adversary::wire::{whose, Watcher, Wire};
use crate::adversary::{padding, Kind, Row, Settings};
use crate::score::chance::{chance, Chance};
use crate::score::delay::delayed;
use crate::score::periods::{mark, Marked};
use crate::score::shuffle::{shuffle_all, Shuffles};
use crate::score::tally::{tally, Tally};
use crate::score::truth::Truth;
use crate::threat::{Cost, Delay, Guess, Knowledge, Observation, ShapedTrace, Vantage};
use crate::trace::Trace;
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How often genuine marks are shuffled among the padded periods, in each trial.
const SHUFFLES: usize = 200;
/// Marks dealt in all trials of a defense, about. Two weeks of a busy home have six thousand genuine periods: the control is
/// then had from the first sixteen trials, claims and all, which tells it as well; the first trial always has one.
const DEALT_AT_MOST: u64 = 20_000_000;

/// What all trials share.
pub struct Ground<'a> {
    /// The truth as it is.
    pub trace: &'a Trace,
    /// The truth as guesses are held against it.
    pub truth: Truth,
    /// The adversaries, prepared.
    pub watchers: Vec<(&'static Row, Box<dyn Watcher>)>,
    /// What is known of the devices beforehand.
    pub knowledge: Arc<Knowledge>,
    /// How far from an activity a right claim may be.
    pub tolerance: Duration,
    away: Option<Trace>,
    bin: Duration,
}

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

impl<'a> Ground<'a> {
    /// Prepares adversaries with what they learn from the undefended trace.
    pub fn new(
        trace: &'a Trace,
        adversaries: &[&'static Row],
        settings: &Settings,
        tolerance: Duration,
    ) -> Self {
        let knowledge = Arc::new(Knowledge::study(trace));
        let days = adversaries.iter().any(|row| row.kind == Kind::Days);
        Self {
            trace,
            truth: Truth::of(trace, tolerance),
            watchers: adversaries
                .iter()
                .map(|&row| (row, (row.make)(Arc::clone(&knowledge), settings)))
                .collect(),
            away: days.then(|| trace.away()),
            knowledge,
            tolerance,
            bin: settings.bin,
        }
    }

    /// The same home without anybody in it, where an adversary wants to be shown that.
    pub fn away(&self) -> Option<&Trace> {
        self.away.as_ref()
    }

    /// Of the trial of that number, from 0: shows a wire to every adversary, and the wire of the days away to those that tell days.
    pub fn judge(
        &self,
        shaped: &ShapedTrace,
        away: Option<&Observation>,
        number: u32,
        school: &School,
        listener: Option<&Listener>,
        rng: &mut ChaCha8Rng,
    ) -> Trial {
        let seen = &shaped.seen;
        let wire = self.wire(seen);
        let away = away.map(|away| self.wire(away));
        let mut marked = self.periods(shaped, &wire, &self.truth);
        let carried = delayed(&mut marked, &self.truth);
        let truth = match carried.is_empty() {
            true => Cow::Borrowed(&self.truth),
            false => Cow::Owned(self.truth.with(&carried)),
        };
        let taught = school.courses.iter().map(|course| match &course.taught {
            Some(taught) => taught.guess_on(&wire),
            None => Vec::new(),
        });
        let guesses: Vec<Vec<Guess>> = self
            .watchers
            .iter()
            .map(|(_, adversary)| adversary.guess_on(&wire))
            .chain(taught)
            .collect();
        let heard = listener.map(|listener| listener.hear(self, school, &wire, &truth, number));
        // All against the same shuffles: a new adversary does not move the others.
        let of_activities: Vec<&[Guess]> = guesses
            .iter()
            .enumerate()
            .map(|(place, guesses)| match self.watchers.get(place) {
                Some((row, _)) if row.kind == Kind::Days => &[],
                _ => &guesses[..],
            })
            .collect();
        let devices = self.truth.devices.len();
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
            let days = self.watchers.get(place);
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
            periods: self.count(&marked),
            chance: self.chances(seen),
            judged: judged.collect(),
            heard,
        }
    }

    /// The truth as claims about a wire are held against it, where a defense may have held activities back.
    pub fn truth_on<'t>(
        &self,
        shaped: &ShapedTrace,
        wire: &Wire,
        truth: &'t Truth,
    ) -> Cow<'t, Truth> {
        let mut marked = self.periods(shaped, wire, truth);
        let carried = delayed(&mut marked, truth);
        match carried.is_empty() {
            true => Cow::Borrowed(truth),
            false => Cow::Owned(truth.with(&carried)),
        }
    }

    /// What is seen, ready for being looked at by all of them.
    pub fn wire<'s>(&self, seen: &'s Observation) -> Wire<'s> {
        Wire::new(seen, &self.knowledge, self.bin)
    }

    /// The padded periods: the home's own record, or, of a black box, those that can be read off the wire; marked alike.
    fn periods(&self, shaped: &ShapedTrace, wire: &Wire, truth: &Truth) -> Vec<Marked> {
        let whose = whose(&shaped.seen, &self.knowledge);
        let spans = match shaped.periods.is_empty() {
            true => padding::periods(wire.padding()),
            false => shaped.periods.iter().map(|p| (p.flow, p.span)).collect(),
        };
        mark(spans, &whose, truth)
    }

    fn count(&self, marked: &[Marked]) -> Vec<Periods> {
        let mut rows = vec![Periods::default(); self.truth.devices.len().saturating_add(1)];
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
    fn chances(&self, seen: &Observation) -> Vec<Chance> {
        let whose = whose(seen, &self.knowledge);
        let of = |device: Option<usize>| {
            let used = self.truth.used(device)?;
            let flows = seen.flows.iter().zip(&whose);
            let periods = flows
                .filter(|(_, whose)| device.is_none() || whose.is_none() || **whose == device)
                .filter_map(|(flow, _)| flow.shaping?.period);
            let longest = || {
                self.trace
                    .longest_activity(|of| device.is_none_or(|d| d == of))
            };
            let period = periods.max().or_else(longest).unwrap_or_default();
            let period = period.max(Duration::from_secs(1));
            Some(chance(used, self.truth.window, period))
        };
        let devices = (0..self.truth.devices.len()).map(Some);
        std::iter::once(None)
            .chain(devices)
            .filter_map(of)
            .collect()
    }
}

fn beliefs(guesses: &[Guess]) -> Vec<f64> {
    guesses.iter().map(|guess| guess.belief).collect()
}
