//! What all trials of an audit share: the truth, the adversaries, and how a wire is looked at.

use crate::adversary::wire::{whose, Watcher, Wire};
use crate::adversary::{padding, Kind, Row, Settings};
use crate::score::delay::delayed;
use crate::score::periods::{mark, Marked};
use crate::score::truth::Truth;
use crate::threat::{Knowledge, Observation, ShapedTrace};
use crate::trace::Trace;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Days at home that are held against as many away in all trials of a defense, about: a year of them tells a home apart as
/// well as several would. The first trial always has both.
const DAYS_AT_MOST: u64 = 365;

const DAY_S: f64 = 86_400.0;

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

    /// The same home without anybody in it, where an adversary wants to be shown that in the trial of that number, from 0.
    pub fn away(&self, number: u32) -> Option<&Trace> {
        let days = (self.trace.seconds() / DAY_S).max(1.0) as u64;
        let before = days.saturating_mul(u64::from(number));
        self.away.as_ref().filter(|_| before < DAYS_AT_MOST)
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

    /// The padded periods: the home's own record, or, of a black box, those that can be read off the wire; marked alike. Which
    /// of them go on with the one before is read off the wire either way: where padding begins again sooner than a cell is due,
    /// nobody sees a break.
    pub fn periods(&self, shaped: &ShapedTrace, wire: &Wire, truth: &Truth) -> Vec<Marked> {
        let whose = whose(&shaped.seen, &self.knowledge);
        let spans = match shaped.periods.is_empty() {
            true => padding::periods(wire.padding()),
            false => shaped.periods.iter().map(|p| (p.flow, p.span)).collect(),
        };
        let mut marked = mark(spans, &whose, truth);
        for padding in wire.padding() {
            let of = |period: &Marked| period.flow.cmp(&padding.flow);
            let first = marked.partition_point(|period| of(period).is_lt());
            let after = marked.partition_point(|period| of(period).is_le());
            let periods = marked.get_mut(first..after).unwrap_or_default();
            for run in &padding.runs {
                let span = padding.span(run);
                let begun = periods.partition_point(|period| period.span.start <= span.start);
                let rest = periods.get_mut(begun..).unwrap_or_default().iter_mut();
                for period in rest.take_while(|period| period.span.start < span.end) {
                    period.goes_on = true;
                }
            }
        }
        marked
    }
}
