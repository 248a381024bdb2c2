//! What guesses are held against: when devices were truly used, laid out for looking up.

use crate::threat::Guess;
use crate::trace::{disjoint, Trace};
use crate::units::Span;
use std::time::Duration;

/// When one device, or any, was used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Used {
    /// Each activity: its span and that of its traffic, each end moved outwards by the tolerance, and the padded period that
    /// carried it where a defense held it back; elsewhere its traffic once more.
    pub activities: Vec<[Span; 3]>,
    /// The traffic of each, without tolerance.
    pub each: Vec<Span>,
    /// The same instants, [`disjoint`].
    pub busy: Vec<Span>,
    /// The traffic alone, without tolerance, disjoint: what a padded period must cover to be genuine.
    pub traffic: Vec<Span>,
}

/// An activity that was held back, and what carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its device.
    pub device: usize,
    /// Which of the device's [activities](Used::activities).
    pub activity: usize,
    /// The padded period, from its begin to its last instant.
    pub period: Span,
}

/// The truth of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// From when to when.
    pub window: Span,
    /// Of each device.
    pub devices: Vec<Used>,
    /// Of all together.
    pub all: Used,
}

impl Truth {
    /// Of a trace, when guesses may be off by `tolerance`.
    pub fn of(trace: &Trace, tolerance: Duration) -> Self {
        let used = |of: &dyn Fn(usize) -> bool| {
            let activities = trace.activities.iter().filter(|a| of(a.device));
            let widen = |span: Span| Span::new(span.start - tolerance, span.end + tolerance);
            let activities: Vec<_> = activities.collect();
            let wide: Vec<[Span; 3]> = activities
                .iter()
                .map(|activity| (widen(activity.span), widen(activity.traffic)))
                .map(|(span, traffic)| [span, traffic, traffic])
                .collect();
            let each: Vec<Span> = activities.iter().map(|a| a.traffic).collect();
            Used {
                busy: disjoint(wide.concat()),
                traffic: disjoint(each.clone()),
                activities: wide,
                each,
            }
        };
        Self {
            window: trace.window,
            devices: (0..trace.devices.len())
                .map(|device| used(&|of| of == device))
                .collect(),
            all: used(&|_| true),
        }
    }

    /// The truth of a wire that held some activities back: a guess is right as well that meets the period that carried one.
    #[must_use]
    pub fn with(&self, delayed: &[Carried]) -> Self {
        let mut wider = self.clone();
        for carried in delayed {
            let Some(used) = wider.devices.get_mut(carried.device) else {
                continue;
            };
            if let Some([.., last]) = used.activities.get_mut(carried.activity) {
                *last = carried.period;
            }
            used.busy.push(carried.period);
            wider.all.busy.push(carried.period);
        }
        for used in wider.devices.iter_mut().chain([&mut wider.all]) {
            used.busy = disjoint(std::mem::take(&mut used.busy));
        }
        wider
    }

    /// Of a device; of all where it is `None`; of a device that does not exist there is nothing.
    pub fn used(&self, device: Option<usize>) -> Option<&Used> {
        match device {
            None => Some(&self.all),
            Some(device) => self.devices.get(device),
        }
    }

    /// Whether a guess is right: it touches an activity of its device, or of any where it names none, within the tolerance.
    pub fn bears_out(&self, guess: &Guess) -> bool {
        self.used(guess.device)
            .is_some_and(|used| meets(&used.busy, guess.span))
    }
}

/// Whether one of the [`disjoint`] spans shares an instant with `span`.
pub fn meets(spans: &[Span], span: Span) -> bool {
    let after = spans.partition_point(|of| of.end < span.start);
    spans.get(after).is_some_and(|of| of.start <= span.end)
}
