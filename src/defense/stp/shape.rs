//! A trace replayed through the shapers of its streams: what the wire shows, and what that costs.

use super::padded::{Padded, Stp};
use super::parameters::parameters;
use crate::defense::replay::{Replay, ACTIVE};
use crate::defense::settings::{HabitsFrom, QuietTraffic, Scope, Trigger};
use crate::defense::solve::Expected;
use crate::defense::stream::{activity_spans, streams_of_flows};
use crate::defense::vpn::wrap;
use crate::defense::wire::{merged, Delays, Trains};
use crate::stp::lane::CELL_HEADER_BYTES;
use crate::stp::shaper::{Admission, Shaper};
use crate::threat::{
    Cost, Defense, Foretold, Observation, PaddedPeriod, ShapedTrace, Sighting, Vantage,
};
use crate::trace::Trace;
use crate::units::{Probability, Span, Timestamp};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;

impl Stp {
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
        parameters(self)
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
