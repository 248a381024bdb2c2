//! Stochastic traffic padding: activities are padded, and other times by chance.
//!
//! The paper, section 6, in virtual time: the [`Shaper`] that a trace is replayed through is the one a gateway drives. Each
//! device is padded by itself and seen as one flow, or the home as one device in one tunnel (sections 6.4 and 7.1). What is
//! automatic is worked out from the trace: T, rates and p by `fit`, q by `solve`. A device that was never used has nothing to
//! hide, and is left as it is unless T, both rates and q are all given.
//!
//! Where we differ from the paper, besides what [`crate::stp::shaper`] tells: padding stops with the trace, in the middle of
//! a period if need be, unless something still waits.

use super::fit::{fit, Fit};
use super::habits::{decision, has_room, per_day, reserve};
use super::replay::{Replay, ACTIVE};
use super::service::serve;
use super::settings::{
    DefenseError, HabitsFrom, Padding, QuietTraffic, Rates, Scope, Settings, TimeModel, Trigger,
    ENTRIES_AT_MOST, PACKETS_AT_MOST,
};
use super::solve::{q_for_cap, Expected, Promise, MONTH};
use super::stream::{activity_spans, bytes_within, measure, streams_of_flows, touched};
use super::vpn::wrap;
use super::wire::{merged, Delays, Trains};
use crate::stp::decision::Draws;
use crate::stp::lane::{Bounds, Quiet, CELL_HEADER_BYTES};
use crate::stp::lowering::RatePolicy;
use crate::stp::shaper::{Admission, Plan, Shaper};
use crate::threat::{
    Cost, Defense, Foretold, Observation, PaddedPeriod, SeenFlow, ShapedTrace, Shaping, Sighting,
    Vantage,
};
use crate::trace::Trace;
use crate::units::{Probability, Rate, Span, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// What lowering multiplies a rate with.
const LOWERED_BY: f64 = 0.9;

/// Packets through which a cap is kept in a round: large traces, which vary little, get a few trials, small ones many.
const CAP_PACKETS: usize = 4_000_000;
/// Trials of a round, and rounds at most.
const CAP_TRIALS: std::ops::RangeInclusive<usize> = 8..=48;
const CAP_ROUNDS: usize = 6;
/// A cap is used up when so much of it is.
const CAP_NEAR: f64 = 0.97;

/// How one stream is padded, how often, and what that promises.
pub(super) struct Padded {
    pub(super) fit: Fit,
    promise: Promise,
    q: Probability,
}

pub(super) struct Stp {
    pub(super) settings: Settings,
    pub(super) padded: Vec<Padded>,
    /// Which of them pads a stream of the trace.
    pub(super) of_stream: Vec<Option<usize>>,
    /// Bytes of what is not padded at all.
    beside: f64,
    /// How many days the trace is long that it was made for.
    days: f64,
}

/// Stochastic traffic padding as the settings say.
///
/// # Errors
/// Settings out of range, nothing to work out automatic ones from, promises that no q keeps, or more packets than can be
/// worked with.
pub fn make(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    Ok(Box::new(made(settings, trace)?))
}

/// The same, as what it is.
pub(super) fn made(settings: &Settings, trace: &Trace) -> Result<Stp, DefenseError> {
    settings.check()?;
    let all_given = matches!(
        (settings.period, settings.rate_up, settings.rate_down),
        (Some(_), Some(_), Some(_))
    ) && matches!(settings.padding, Padding::Q(_));
    let mut streams = measure(trace, settings);
    serve(trace, settings, &mut streams);
    let mut of_stream = vec![None; streams.len()];
    let mut fits = Vec::new();
    let (mut packets, mut periods) = (trace.packets.len() as f64, 0.0);
    let mut beside = trace.bytes() as f64;
    for (stream, place) in streams.into_iter().zip(&mut of_stream) {
        // Nor is there anything to pad of one whose uses left no byte, as those that stayed at home.
        if (stream.spans.is_empty() || stream.bytes == 0) && !all_given {
            continue;
        }
        beside -= stream.bytes as f64;
        let fit = fit(settings, trace, stream)?;
        let at_most = fit.at_most(trace);
        packets += at_most.0;
        periods += at_most.1;
        *place = Some(fits.len());
        fits.push(fit);
    }
    if fits.is_empty() {
        return Err(DefenseError::NoActivity { what: "q" });
    }
    for (what, count, most) in [
        ("packets on the wire", packets, PACKETS_AT_MOST),
        ("periods of padding", periods, ENTRIES_AT_MOST),
    ] {
        if count > most {
            return Err(DefenseError::TooMany { what, count, most });
        }
    }
    let promises = promises(settings, trace, &fits, &of_stream);
    let qs = choose(settings, trace, &fits, &promises, beside)?;
    let padded = fits.into_iter().zip(promises).zip(qs);
    let mut stp = Stp {
        settings: settings.clone(),
        padded: padded
            .map(|((fit, promise), q)| Padded { fit, promise, q })
            .collect(),
        of_stream,
        beside,
        days: trace.seconds().max(1.0) / 86_400.0,
    };
    if let Padding::DataCap(cap) = settings.padding {
        stp.keep(cap, trace)?;
    }
    for one in &stp.padded {
        if let Some(periods) = stp.per_day(one) {
            has_room(periods, one.fit.period)?;
        }
    }
    Ok(stp)
}

/// What theory promises of each.
fn promises(
    settings: &Settings,
    trace: &Trace,
    fits: &[Fit],
    of_stream: &[Option<usize>],
) -> Vec<Promise> {
    // Equation 2 asks what passes in periods with an activity.
    let spans: Vec<Vec<Span>> = of_stream
        .iter()
        .map(|place| match place.and_then(|place| fits.get(place)) {
            Some(fit) if settings.model == TimeModel::Grid => {
                touched(&fit.stream.spans, trace.window.start, fit.period).0
            }
            _ => Vec::new(),
        })
        .collect();
    let bytes = match settings.model {
        TimeModel::Grid => bytes_within(trace, settings.scope, &spans),
        TimeModel::PerSecond => vec![0; spans.len()],
    };
    let of_fits = of_stream.iter().zip(bytes);
    let of_fits = of_fits.filter_map(|(place, bytes)| Some((fits.get((*place)?)?, bytes)));
    of_fits
        .map(|(fit, bytes)| fit.promise(settings, trace, bytes))
        .collect()
}

/// q of each.
fn choose(
    settings: &Settings,
    trace: &Trace,
    fits: &[Fit],
    promises: &[Promise],
    beside: f64,
) -> Result<Vec<Probability>, DefenseError> {
    let each = |solve: &dyn Fn(&Promise, &str) -> Result<Probability, DefenseError>| {
        let pairs = promises.iter().zip(fits);
        pairs
            .map(|(promise, fit)| solve(promise, &fit.stream.id))
            .collect()
    };
    match settings.padding {
        Padding::Q(q) => Ok(vec![q; fits.len()]),
        Padding::DataCap(cap) => {
            let q = q_for_cap(promises, beside, trace.seconds().max(1.0), cap)?;
            Ok(vec![q; fits.len()])
        }
        Padding::TargetConfidence(c) => each(&|promise, of| promise.q_for_confidence(c, of)),
        Padding::Knee => each(&|promise, of| promise.knee(of)),
    }
}

impl Stp {
    /// Lowers or raises q until what is carried, by trial, comes to a cap of bytes in 30 days and not more: a forecast is off
    /// by some hundredths, and a cap is a cap.
    ///
    /// # Errors
    /// A cap that not even q = 0 keeps; what it needs is named.
    fn keep(&mut self, cap: f64, trace: &Trace) -> Result<(), DefenseError> {
        let promises: Vec<Promise> = self.padded.iter().map(|one| one.promise.clone()).collect();
        let seconds = trace.seconds().max(1.0);
        let mut best: Option<Probability> = None;
        let (mut aim, mut least) = (cap, f64::INFINITY);
        let trials = CAP_PACKETS / trace.packets.len().max(1);
        let trials = trials.clamp(*CAP_TRIALS.start(), *CAP_TRIALS.end());
        for _ in 0..CAP_ROUNDS {
            let q = q_for_cap(&promises, self.beside, seconds, aim).unwrap_or(Probability::NEVER);
            self.padded.iter_mut().for_each(|one| one.q = q);
            let carried = (0..trials).map(|trial| {
                let mut chance = ChaCha8Rng::seed_from_u64(trial as u64);
                self.shape(trace, &mut chance).cost.carried() as f64
            });
            let month = carried.sum::<f64>() / trials as f64 / seconds * MONTH;
            least = least.min(month);
            if month <= cap && best.is_none_or(|best| q > best) {
                best = Some(q);
            }
            let near = month <= cap && month > CAP_NEAR * cap;
            let end = q == Probability::ALWAYS && month <= cap;
            if near || end || q == Probability::NEVER && month > cap {
                break;
            }
            // A hair below, so that the next is not just above.
            aim *= (1.0 + CAP_NEAR) / 2.0 * cap / month.max(1.0);
        }
        let q = best.ok_or_else(|| DefenseError::OutOfReach {
            what: "a data cap",
            wanted: format!("{:.3} GB a month", cap / 1e9),
            reach: format!(
                "with as little padding as there can be it comes to {:.3} GB a month; raise the cap, or lower the rates or the period",
                least / 1e9
            ),
        })?;
        self.padded.iter_mut().for_each(|one| one.q = q);
        Ok(())
    }

    /// What a stream's shaper is told, and the chance it draws from: a stream of chance for each, so that what happens to one
    /// device does not move another's padding.
    pub(super) fn plan(
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
    fn per_day(&self, one: &Padded) -> Option<u64> {
        let Expected {
            padded, genuine, ..
        } = one.promise.expected(one.q);
        per_day(
            &self.settings,
            one.fit.busiest_day,
            (padded - genuine) / self.days,
        )
    }

    fn replay<'a>(
        &self,
        one: &Padded,
        flow: usize,
        spans: &'a [Span],
        start: Timestamp,
        chance: &mut ChaCha8Rng,
    ) -> Option<Replay<'a>> {
        let (plan, mut own) = self.plan(one, start, chance)?;
        let shaper = Shaper::new(plan, &mut own).ok()?;
        Some(Replay {
            wake: shaper.wake(),
            shaper,
            chance: own,
            flow: u32::try_from(flow).ok()?,
            cell_bytes: one.fit.cell_bytes,
            spans,
            place: 0,
            periods: Vec::new(),
            cover: 0,
            framing: 0,
        })
    }

    /// Flows on the wire: those that are padded, then every flow that is not.
    pub(super) fn flows(&self, trace: &Trace) -> Vec<SeenFlow> {
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

    /// A value of every stream: of one, or of all alike, as it is; otherwise by the stream's id.
    fn told(&self, value: impl Fn(&Padded) -> Value) -> Value {
        let all: Vec<Value> = self.padded.iter().map(&value).collect();
        match all.first() {
            Some(first) if all.iter().all(|other| other == first) => first.clone(),
            _ => {
                let ids = self.padded.iter().map(|one| one.fit.stream.id.clone());
                Value::Object(ids.zip(all).collect())
            }
        }
    }
}

impl Defense for Stp {
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace {
        let scope = self.settings.scope;
        let spans = activity_spans(trace, scope);
        let empty: &[Span] = &[];
        let window = trace.window;
        let mut replays: Vec<Replay> = Vec::with_capacity(self.padded.len());
        let mut of_stream: Vec<Option<usize>> = vec![None; self.of_stream.len()];
        for (stream, place) in self.of_stream.iter().enumerate() {
            let Some(one) = place.and_then(|place| self.padded.get(place)) else {
                continue;
            };
            let spans = spans.get(stream).map_or(empty, Vec::as_slice);
            let replay = self.replay(one, replays.len(), spans, window.start, chance);
            // `make` has checked all that a shaper would refuse.
            if let (Some(replay), Some(place)) = (replay, of_stream.get_mut(stream)) {
                *place = Some(replays.len());
                replays.push(replay);
            }
        }
        // Whose shaper each flow's packets pass.
        let of_flows: Vec<Option<usize>> = streams_of_flows(trace, scope)
            .into_iter()
            .map(|stream| of_stream.get(stream?).copied().flatten())
            .collect();
        let beside = u32::try_from(self.padded.len()).unwrap_or(u32::MAX);

        let mut trains = Trains::default();
        let mut through: Vec<Sighting> = Vec::with_capacity(trace.packets.len());
        let mut delays = Delays::default();
        let (mut prompt, mut dropped, mut genuine) = (0usize, 0u64, 0u64);
        for (index, packet) in trace.packets.iter().enumerate() {
            genuine += u64::from(packet.bytes);
            let place = of_flows.get(packet.flow as usize).copied().flatten();
            let Some(replay) = place.and_then(|place| replays.get_mut(place)) else {
                prompt += 1;
                let flow = beside.saturating_add(packet.flow);
                through.push(Sighting::one(
                    packet.at,
                    flow,
                    packet.direction,
                    packet.bytes,
                ));
                continue;
            };
            // Cells that are due at the very instant may carry it already.
            let before = Timestamp(packet.at.0.saturating_sub(1));
            let ran = replay.wake.is_some_and(|wake| wake <= before);
            if ran {
                replay.run(before, &mut trains, &mut delays);
            }
            let activity = replay.activity(packet.at);
            let until = match self.settings.trigger {
                Trigger::Activity => activity.map(|span| span.end),
                Trigger::Any => Some(activity.map_or(packet.at, |span| span.end)),
            };
            let mark = if activity.is_some() { ACTIVE } else { 0 };
            let tag = u32::try_from(index).unwrap_or(ACTIVE - 1) | mark;
            let idle = until.is_none() && replay.shaper.is_idle();
            if idle && ran {
                replay.wake = replay.shaper.wake();
            }
            let due = replay.wake.is_some_and(|wake| wake <= packet.at);
            let admission = if idle && !due {
                // As the shaper would say.
                Admission::Through
            } else {
                let (at, way) = (packet.at, packet.direction);
                let chance = &mut replay.chance;
                let shaper = &mut replay.shaper;
                let admission = shaper.offer(at, way, packet.bytes, until, tag, chance);
                replay.wake = shaper.wake();
                admission
            };
            match admission {
                Admission::Queued => {}
                Admission::Refused => dropped += u64::from(packet.bytes),
                Admission::Through => {
                    prompt += 1;
                    let (at, flow, way) = (packet.at, replay.flow, packet.direction);
                    if self.settings.quiet != QuietTraffic::Packets {
                        let cell = replay.cell_bytes;
                        let count = packet.bytes.div_ceil(cell - CELL_HEADER_BYTES).max(1);
                        let cells = Sighting {
                            count,
                            ..Sighting::one(at, flow, way, cell)
                        };
                        replay.framing += cells.total_bytes() - u64::from(packet.bytes);
                        through.push(cells);
                        continue;
                    }
                    match scope {
                        Scope::PerDevice => {
                            through.push(Sighting::one(at, flow, way, packet.bytes));
                        }
                        Scope::Home => {
                            let wrapped = wrap(self.settings.tunnel, at, flow, way, packet.bytes);
                            for sighting in wrapped {
                                replay.framing += sighting.total_bytes();
                                through.push(sighting);
                            }
                            replay.framing -= u64::from(packet.bytes);
                        }
                    }
                }
            }
        }
        for replay in &mut replays {
            replay.run(window.end, &mut trains, &mut delays);
            while let (true, Some(next)) = (replay.shaper.is_waiting(), replay.shaper.wake()) {
                replay.run(next, &mut trains, &mut delays);
            }
        }
        delays.prompt(prompt);

        let mut cost = Cost {
            genuine,
            dropped,
            ..Cost::default()
        };
        let mut periods = Vec::with_capacity(replays.iter().map(|r| r.periods.len()).sum());
        for (replay, one) in replays.iter().zip(&self.padded) {
            cost.cover += replay.cover;
            cost.framing += replay.framing;
            let mut place = 0;
            for &(start, carried) in &replay.periods {
                let span = Span::new(start, start + one.fit.period);
                // Its last instant belongs to the next one.
                while replay.spans.get(place).is_some_and(|s| s.end < span.start) {
                    place += 1;
                }
                let under = replay.spans.get(place).is_some_and(|s| s.start < span.end);
                periods.push(PaddedPeriod {
                    flow: replay.flow,
                    span,
                    genuine: under || carried,
                });
            }
        }
        periods.sort_by_key(|period| (period.span, period.flow));
        let trains = trains.finish();
        let mut window = window;
        for train in &trains {
            window.extend(train.end());
        }
        let sightings = merged(through, trains);
        ShapedTrace {
            seen: Observation {
                vantage: Vantage::Outside,
                window,
                flows: self.flows(trace),
                sightings,
            },
            cost,
            delay: delays.finish(),
            periods,
            broken: Vec::new(),
        }
    }

    fn is_random(&self) -> bool {
        let certain = |q: Probability| q == Probability::NEVER;
        if self.settings.daily_budget.is_some()
            || matches!(self.settings.habits, HabitsFrom::Learned { .. })
        {
            return true;
        }
        !self.padded.iter().all(|one| certain(one.q))
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        let settings = &self.settings;
        let rate = |way: usize| {
            move |one: &Padded| json!(one.fit.rates.get(way).map(|rate| Rate::bytes_per_s(*rate)))
        };
        let q_from = match settings.padding {
            Padding::Q(_) => "given".to_owned(),
            Padding::TargetConfidence(c) => format!("target confidence {c}"),
            Padding::DataCap(bytes) => format!("data cap of {} GB a month", bytes / 1e9),
            Padding::Knee => "knee of c / b".to_owned(),
        };
        let automatic = |given: bool| if given { "given" } else { "trace" };
        let mut all = BTreeMap::from([
            (
                "period_s",
                self.told(|one| json!(one.fit.period.as_secs_f64())),
            ),
            ("period_from", json!(automatic(settings.period.is_some()))),
            ("rate_up_bytes_per_s", self.told(rate(0))),
            ("rate_down_bytes_per_s", self.told(rate(1))),
            (
                "rates_from",
                json!(automatic(
                    settings.rate_up.is_some() && settings.rate_down.is_some()
                )),
            ),
            ("cell_bytes", self.told(|one| json!(one.fit.cell_bytes))),
            ("p", self.told(|one| json!(one.fit.p))),
            ("q", self.told(|one| json!(one.q))),
            ("q_from", json!(q_from)),
            ("model", json!(settings.model)),
            ("rule", json!(settings.rule)),
            ("durations", json!(settings.durations)),
            ("decision", json!(settings.decision)),
            ("shape", json!(settings.shape)),
            ("scope", json!(settings.scope)),
            ("trigger", json!(settings.trigger)),
        ]);
        match &settings.habits {
            HabitsFrom::Learned { after } => {
                all.insert("habits_from", json!(format!("learned after {after}")));
            }
            habits if self.padded.iter().any(|one| one.fit.habits.is_some()) => {
                let trace = *habits == HabitsFrom::Trace;
                all.insert("habits_from", json!(if trace { "trace" } else { "file" }));
            }
            _ => {}
        }
        let states = |one: &Padded| {
            let moods = one.fit.habits.as_ref()?.moods.as_ref()?;
            Some(moods.model.states())
        };
        if self.padded.iter().any(|one| states(one).is_some()) {
            all.insert("hidden_states", self.told(|one| json!(states(one))));
        }
        if settings.daily_budget.is_some() {
            let periods = self.told(|one| json!(self.per_day(one)));
            all.insert("daily_periods", periods);
            let lacks = |one: &Padded| {
                self.per_day(one)
                    .is_some_and(|periods| periods < one.fit.busiest_day)
            };
            if self.padded.iter().any(lacks) {
                let busiest = self.told(|one| json!(one.fit.busiest_day));
                all.insert("busiest_day_periods", busiest);
            }
        }
        if settings.quiet != QuietTraffic::Packets {
            all.insert("quiet_traffic", json!(settings.quiet));
        }
        if settings.scope == Scope::Home {
            all.insert("tunnel", json!(settings.tunnel));
        }
        if let Rates::Lowering { start, every } = settings.rates {
            all.insert("rates_lowered_every_s", json!(every.as_secs_f64()));
            all.insert("rates_start_at_times", json!(start));
        }
        all
    }

    fn foretold(&self) -> Foretold {
        let settings = &self.settings;
        if settings.daily_budget.is_some() || matches!(settings.habits, HabitsFrom::Learned { .. })
        {
            // The theory is about draws with chance q, all the time.
            return Foretold::default();
        }
        let expected = self.padded.iter().map(|one| one.promise.expected(one.q));
        let beside = Expected {
            carried: self.beside,
            bytes: self.beside,
            ..Expected::default()
        };
        let all = expected.fold(beside, Expected::and);
        Foretold {
            confidence: all.confidence(),
            overhead: all.overhead(),
        }
    }
}
