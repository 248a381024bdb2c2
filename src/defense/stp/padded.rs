//! How each stream of a trace is padded, and what that makes its shaper do.

use crate::defense::fit::Fit;
use crate::defense::habits::{decision, per_day, reserve};
use crate::defense::settings::{QuietTraffic, Rates, Settings};
use crate::defense::solve::{Expected, Promise};
use crate::stp::decision::Draws;
use crate::stp::lane::{Bounds, Quiet};
use crate::stp::lowering::RatePolicy;
use crate::stp::shaper::Plan;
use crate::threat::{SeenFlow, Shaping};
use crate::trace::Trace;
use crate::units::{Probability, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What lowering multiplies a rate with.
const LOWERED_BY: f64 = 0.9;

/// How one stream is padded, how often, and what that promises.
pub struct Padded {
    pub fit: Fit,
    pub(super) promise: Promise,
    pub(super) q: Probability,
}

/// The defense.
pub struct Stp {
    pub(super) settings: Settings,
    pub padded: Vec<Padded>,
    /// Which of them pads a stream of the trace.
    pub of_stream: Vec<Option<usize>>,
    /// Bytes of what is not padded at all.
    pub(super) beside: f64,
    /// How many days the trace is long that it was made for.
    pub(super) days: f64,
}

impl Stp {
    /// What a stream's shaper is told, and the chance it draws from: a stream of chance for each, so that what happens to one
    /// device does not move another's padding.
    pub fn plan(
        &self,
        one: &Padded,
        start: Timestamp,
        chance: &mut ChaCha8Rng,
    ) -> Option<(Plan, ChaCha8Rng)> {
        let own = ChaCha8Rng::seed_from_u64(chance.gen());
        let rates = match self.settings.rates {
            Rates::Fixed => RatePolicy::Fixed,
            Rates::Lowering { every, .. } => RatePolicy::Lowering {
                start: one.fit.rates,
                every,
                factor: LOWERED_BY,
                margin: self.settings.rate_margin,
            },
        };
        let plan = Plan {
            period: one.fit.period,
            cell_bytes: one.fit.cell_bytes,
            cadences: one.fit.cadences.clone(),
            model: self.settings.model,
            rule: self.settings.rule,
            durations: one.fit.law.clone(),
            decision: decision(
                &self.settings,
                one.fit.habits.as_ref(),
                Draws {
                    model: self.settings.model,
                    chance: one.q,
                    period: one.fit.period,
                    origin: start,
                },
                self.per_day(one).map(|per_day| {
                    let spans = &one.fit.stream.spans;
                    // Days begin when the shaper does, which need not be when the trace began that this was made for.
                    let reserve = reserve(&self.settings, spans, start, one.fit.period);
                    (per_day, reserve)
                }),
            )?,
            rates,
            origin: start,
            waiting_at_most: Bounds::NONE,
            quiet: match self.settings.quiet {
                QuietTraffic::Constant => Quiet::Constant([one.fit.quiet_every; 2]),
                QuietTraffic::Packets | QuietTraffic::Pass => Quiet::Pass,
            },
        };
        Some((plan, own))
    }

    /// How many periods a day are padded, where that number is held.
    pub(super) fn per_day(&self, one: &Padded) -> Option<u64> {
        let Expected {
            padded, genuine, ..
        } = one.promise.expected(one.q);
        per_day(
            &self.settings,
            one.fit.busiest_day,
            (padded - genuine) / self.days,
        )
    }

    /// Flows on the wire: those that are padded, then every flow that is not.
    pub fn flows(&self, trace: &Trace) -> Vec<SeenFlow> {
        let padded = self.padded.iter().map(|one| SeenFlow {
            far: one.fit.stream.far.clone(),
            shaping: Some(Shaping {
                period: Some(one.fit.period),
                up: one.fit.rates[0],
                down: one.fit.rates[1],
                cell_bytes: one.fit.cell_bytes,
            }),
        });
        let plain = trace.flows.iter().map(|flow| SeenFlow {
            far: flow.far(),
            shaping: None,
        });
        padded.chain(plain).collect()
    }
}
