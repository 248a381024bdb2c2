//! What stochastic traffic padding promises for a q, and which q keeps a promise.
//!
//! On the grid the paper's equations say it ([`crate::theory`]), but for what waiting does to them ([`super::waits`]). Per
//! second they do not: there a period begins when the
//! first of activity and cover does, and later activities may come under it. With p and q a second, d the mean length of an
//! activity and T of a period:
//! - a period that begins out of silence is begun by cover with chance a = q(1-p) / (p + q(1-p)), and no activity comes
//!   under it with chance a (1-p)^T;
//! - an activity is running at its end with chance u, of which d / (d + (1-p)/p) because another began; cover goes on there
//!   with chance v, because a draw said so: of phantom activities of mean length d' with 1 - (1-q)^d', under the paper's
//!   rule with q. Either goes on as well with 1 - 1/n where it began the padding and takes n periods on average. So another
//!   period follows with chance e = 1 - (1-u)(1-v);
//! - c = (1-e) (1 - a (1-p)^T) + u + (1-u) v (1 - (1-p)^T), and stretches last T / (1-e) on average, with -1 / ln(1-h)
//!   between them, h = p + q - pq; under the paper's rule, which draws for whole seconds, (1-h) / h.
//!
//! It is a renewal argument that takes the ends of periods for random instants: good to a few hundredths.

use super::settings::{DefenseError, ExtensionRule};
use super::waits::Waits;
use crate::theory::{knee_of, Periods};
use crate::units::Probability;

/// Seconds of the month that data caps are for.
pub(super) const MONTH: f64 = 30.0 * 86_400.0;

/// What is promised for one stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Promise {
    /// Equations 1 and 2, with what waits.
    Grid(Grid),
    /// The renewal argument.
    PerSecond(Renewal),
}

/// What happens on the grid.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    /// How activities lie on it.
    pub(super) waits: Waits,
    /// Chance that cover goes on for another period.
    pub(super) cover_beyond: f64,
    /// What equation 2 speaks of.
    pub(super) periods: Periods,
    /// How many periods there are.
    pub(super) count: f64,
}

impl Grid {
    fn expected(&self, padding: Probability) -> Expected {
        let (p, q) = (self.periods.activity.get(), padding.get());
        let cover = 1.0 - (1.0 - q) * (1.0 - q * self.cover_beyond);
        let (padded, genuine) = self.waits.expected(self.count, cover);
        let Periods {
            padded_bytes,
            active_bytes,
            idle_bytes,
            ..
        } = self.periods;
        Expected {
            padded,
            genuine,
            carried: padded * padded_bytes + (self.count - padded).max(0.0) * idle_bytes,
            bytes: self.count * (p * active_bytes + (1.0 - p) * idle_bytes),
        }
    }
}

/// What the renewal argument is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Renewal {
    /// p: chance of an idle second that an activity begins.
    pub(super) activity: Probability,
    /// d in seconds.
    pub(super) activity_s: f64,
    /// How many periods an activity takes on average.
    pub(super) activity_periods: f64,
    /// T in seconds.
    pub(super) period_s: f64,
    pub(super) rule: ExtensionRule,
    /// Mean length of cover in seconds, and in whole periods.
    pub(super) cover_s: f64,
    pub(super) cover_periods: f64,
    /// Bytes a second while padded, both ways.
    pub(super) padded_rate: f64,
    /// Bytes a second on the wire while idle and not padded.
    pub(super) idle_rate: f64,
    /// Seconds, and bytes without the defense, of the whole.
    pub(super) seconds: f64,
    pub(super) bytes: f64,
}

/// What a q comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Expected {
    /// Periods padded.
    pub(super) padded: f64,
    /// Of them, those with an activity under them.
    pub(super) genuine: f64,
    /// Bytes on the wire.
    pub(super) carried: f64,
    /// Bytes without the defense.
    pub(super) bytes: f64,
}

impl Expected {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            padded: self.padded + other.padded,
            genuine: self.genuine + other.genuine,
            carried: self.carried + other.carried,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) fn confidence(&self) -> Option<f64> {
        (self.padded > 0.0).then(|| self.genuine / self.padded)
    }

    pub(super) fn overhead(&self) -> Option<f64> {
        (self.bytes > 0.0).then(|| self.carried / self.bytes)
    }
}

impl Renewal {
    fn expected(&self, padding: Probability) -> Expected {
        let (p, q) = (self.activity.get(), padding.get());
        let chance_within = 1.0 - (1.0 - p).powf(self.period_s);
        let busy = |chance: f64, length: f64| match chance > 0.0 {
            true => length / (length + (1.0 - chance) / chance),
            false => 0.0,
        };
        let begins = p + q - p * q;
        let by_cover = match begins > 0.0 {
            true => q * (1.0 - p) / begins,
            false => 0.0,
        };
        // What began this padding may be longer than T itself.
        let goes_on = |begun: f64, periods: f64| begun * (1.0 - 1.0 / periods.max(1.0));
        let u = 1.0
            - (1.0 - busy(p, self.activity_s))
                * (1.0 - goes_on(1.0 - by_cover, self.activity_periods));
        let again = match self.rule {
            // Some draw of the last d seconds said yes; with q = 1 the one right at the end does, however short d is.
            ExtensionRule::Phantom => 1.0 - (1.0 - q).powf(self.cover_s.max(1e-9)),
            ExtensionRule::Paper => q,
        };
        let v = 1.0 - (1.0 - again) * (1.0 - goes_on(by_cover, self.cover_periods));
        if begins <= 0.0 {
            return Expected {
                carried: self.idle_rate * self.seconds,
                bytes: self.bytes,
                ..Expected::default()
            };
        }
        let ends = (1.0 - u) * (1.0 - v);
        let first = 1.0 - by_cover * (1.0 - chance_within);
        let c = ends * first + u + (1.0 - u) * v * chance_within;
        // Stretches over stretches and gaps, both times the chance of an end.
        let gap = match self.rule {
            // Both are Poisson processes, of which a second has a begin with chance h.
            ExtensionRule::Phantom => -ends / (-begins).ln_1p(),
            ExtensionRule::Paper => (1.0 - begins) / begins * ends,
        };
        let padded_share = self.period_s / (self.period_s + gap);
        let padded = padded_share * self.seconds / self.period_s;
        let rate = padded_share * self.padded_rate + (1.0 - padded_share) * self.idle_rate;
        Expected {
            padded,
            genuine: padded * c,
            carried: rate * self.seconds,
            bytes: self.bytes,
        }
    }
}

impl Promise {
    /// What that q comes to.
    pub(super) fn expected(&self, padding: Probability) -> Expected {
        match self {
            Self::PerSecond(renewal) => renewal.expected(padding),
            Self::Grid(grid) => grid.expected(padding),
        }
    }

    fn c(&self, padding: Probability) -> f64 {
        self.expected(padding).confidence().unwrap_or(1.0)
    }

    /// The q for a wanted c.
    ///
    /// # Errors
    /// A c below what q = 1 gives; what it gives is named.
    pub(super) fn q_for_confidence(
        &self,
        wanted: f64,
        of: &str,
    ) -> Result<Probability, DefenseError> {
        let solved = match self.c(Probability::ALWAYS) > wanted {
            true => None,
            // c falls as q grows.
            false => Some(bisect(|q| self.c(q) <= wanted)),
        };
        solved.ok_or_else(|| DefenseError::OutOfReach {
            what: "a target confidence",
            wanted: wanted.to_string(),
            reach: format!(
                "padding {of} all the time (q = 1) comes to {:.3}; take that or more, or a shorter period",
                self.c(Probability::ALWAYS)
            ),
        })
    }

    /// The q at the knee of c / b.
    pub(super) fn knee(&self, of: &str) -> Result<Probability, DefenseError> {
        let knee = knee_of(|q| {
            let expected = self.expected(q);
            Some(expected.confidence()? / expected.overhead()?)
        });
        knee.ok_or_else(|| DefenseError::OutOfReach {
            what: "a knee",
            wanted: "c / b".into(),
            reach: format!("{of} sends nothing or is never used; give --q"),
        })
    }
}

/// The q, the same for all, with which all of them together keep a cap of bytes in 30 days; `beside` is what is not padded.
///
/// # Errors
/// A cap that not even q = 0 keeps; what it needs is named.
pub(super) fn q_for_cap(
    promises: &[Promise],
    beside: f64,
    seconds: f64,
    cap: f64,
) -> Result<Probability, DefenseError> {
    let month = |q: Probability| {
        let all = promises.iter().map(|promise| promise.expected(q).carried);
        (all.sum::<f64>() + beside) / seconds * MONTH
    };
    if month(Probability::ALWAYS) <= cap {
        return Ok(Probability::ALWAYS);
    }
    let least = month(Probability::NEVER);
    if least > cap {
        return Err(DefenseError::OutOfReach {
            what: "a data cap",
            wanted: format!("{:.3} GB a month", cap / 1e9),
            reach: format!(
                "padding activities alone (q = 0) comes to {:.3} GB a month; raise the cap, or lower the rates or the period",
                least / 1e9
            ),
        });
    }
    let above = bisect(|q| month(q) > cap);
    // The last q below.
    Ok(Probability::clamped(above.get() * (1.0 - 1e-12)))
}

/// The least q for which something holds that holds for all above it, and for 1.
fn bisect(holds: impl Fn(Probability) -> bool) -> Probability {
    if holds(Probability::NEVER) {
        return Probability::NEVER;
    }
    let (mut below, mut above) = (0.0, 1.0);
    for _ in 0..100 {
        let middle = (below + above) / 2.0;
        match holds(Probability::clamped(middle)) {
            true => above = middle,
            false => below = middle,
        }
    }
    Probability::clamped(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Span, Timestamp};
    use std::time::Duration;

    fn chance(number: f64) -> Probability {
        Probability::new(number).unwrap()
    }

    fn nest(rule: ExtensionRule) -> Renewal {
        Renewal {
            activity: chance(0.01),
            activity_s: 11.0,
            activity_periods: 1.0,
            period_s: 15.0,
            rule,
            cover_s: 11.0,
            cover_periods: 1.0,
            padded_rate: 1000.0,
            idle_rate: 10.0,
            seconds: 10_000.0,
            bytes: 500_000.0,
        }
    }

    #[test]
    fn the_ends_of_the_curve_are_known() {
        for rule in [ExtensionRule::Paper, ExtensionRule::Phantom] {
            let promise = Promise::PerSecond(nest(rule));
            let never = promise.expected(Probability::NEVER);
            assert!((never.confidence().unwrap() - 1.0).abs() < 1e-12);
            let always = promise.expected(Probability::ALWAYS);
            // Padded all the time: 1000 B/s for 10,000 s over 500,000. c: u = 11 / (11 + 99), 1 - .99^15 = .13994.
            assert_eq!(always.overhead(), Some(20.0));
            let c = 0.1 + 0.9 * (1.0 - 0.99f64.powi(15));
            assert!((always.confidence().unwrap() - c).abs() < 1e-12);
        }
    }

    #[test]
    fn a_wanted_confidence_is_met_or_what_can_be_is_named() {
        let promise = Promise::PerSecond(nest(ExtensionRule::Phantom));
        for wanted in [0.3, 0.5, 0.9] {
            let q = promise.q_for_confidence(wanted, "it").unwrap();
            assert!((promise.c(q) - wanted).abs() < 1e-6);
        }
        let error = promise.q_for_confidence(0.2, "the camera").unwrap_err();
        assert!(error.to_string().contains("0.226"), "{error}");
        // An activity in each of 30 periods, two apart.
        let spans: Vec<Span> = (0..30)
            .map(|n| Span::at(Timestamp::new(n * 30 + 5, 0)))
            .collect();
        let grid = Promise::Grid(Grid {
            waits: Waits::of(&spans, Timestamp(0), Duration::from_secs(10)),
            cover_beyond: 0.0,
            periods: Periods {
                activity: chance(0.3),
                padded_bytes: 1.0,
                active_bytes: 0.9,
                idle_bytes: 0.0,
            },
            count: 100.0,
        });
        let error = grid.q_for_confidence(0.2, "the camera").unwrap_err();
        assert!(error.to_string().contains("0.300"), "{error}");
    }

    #[test]
    fn a_cap_is_kept_or_what_is_needed_is_named() {
        let one = Promise::PerSecond(nest(ExtensionRule::Phantom));
        let all = [one.clone(), one];
        // Always: 2 * 1000 B/s * 2,592,000 s = 5.184 GB.
        let q = |cap| q_for_cap(&all, 0.0, 10_000.0, cap);
        assert_eq!(q(5.2e9), Ok(Probability::ALWAYS));
        let some = q(3e9).unwrap();
        let month: f64 = all.iter().map(|p| p.expected(some).carried).sum::<f64>() / 1e4 * MONTH;
        assert!(month <= 3e9 && month > 2.999e9, "{month}");
        assert!(q(1e6)
            .unwrap_err()
            .to_string()
            .contains("GB a month; raise the cap"));
    }
}
