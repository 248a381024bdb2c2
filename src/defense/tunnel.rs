//! Stochastic traffic padding that is really run: what each tunnel of a home is told, and what its wire showed.
//!
//! The simulator of [`super::stp`] and the gateway drive the same shaper by the same plan and from the same chance; here is
//! where a trace's packets are dealt out to tunnels, and where what a relay saw becomes an observation, to be judged as any
//! other.

use super::settings::{DefenseError, Settings, Trigger};
use super::stp::made;
use super::stream::{activity_spans, streams_of_flows};
use crate::gateway::run::{Arrival, Outcome};
use crate::gateway::wire::OUTER_BYTES;
use crate::stp::shaper::Plan;
use crate::threat::{
    Cost, Defense, Delay, Foretold, Observation, PaddedPeriod, SeenFlow, ShapedTrace, Sighting,
    Vantage,
};
use crate::trace::{Packet, Trace};
use crate::units::Span;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A tunnel of a home.
pub struct Tunnel {
    /// What its leader is told.
    pub plan: Plan,
    /// What the leader draws from.
    pub chance: ChaCha8Rng,
    /// The packets that come to its ends, ascending in time.
    pub arrivals: Vec<Arrival>,
    /// T, which the plan has as well.
    period: Duration,
    /// When activities run under it, apart from one another and ascending.
    spans: Vec<Span>,
}

/// The tunnels of a home.
pub struct Tunnels {
    /// The same in virtual time.
    pub simulator: Box<dyn Defense>,
    /// Each, in the order of its flow on the wire.
    pub tunnels: Vec<Tunnel>,
    flows: Vec<SeenFlow>,
    /// Packets that pass no tunnel, as the wire shows them: of devices that are never used.
    beside: Vec<Sighting>,
}

/// What tunnels are judged by, once they are run: their plans are used up then.
pub struct Judged {
    flows: Vec<SeenFlow>,
    beside: Vec<Sighting>,
    tunnels: Vec<(Duration, Vec<Span>)>,
}

/// The tunnels that pad a trace: whatever is automatic is worked out from `fitted`, the whole of which `lived` may be a part,
/// with the same devices and flows.
///
/// # Errors
/// As [`super::stp::make`].
pub fn make(
    settings: &Settings,
    fitted: &Trace,
    lived: &Trace,
    chance: &mut ChaCha8Rng,
) -> Result<Tunnels, DefenseError> {
    let stp = made(settings, fitted)?;
    let start = lived.window.start;
    let mut spans = activity_spans(lived, settings.scope);
    let mut tunnels = Vec::new();
    let mut place_of: Vec<Option<usize>> = vec![None; stp.of_stream.len()];
    // In the order in which the simulator draws.
    for (stream, place) in stp.of_stream.iter().enumerate() {
        let one = place.and_then(|place| stp.padded.get(place));
        let Some((one, (plan, own))) =
            one.and_then(|one| Some((one, stp.plan(one, start, chance)?)))
        else {
            continue;
        };
        if let Some(of) = place_of.get_mut(stream) {
            *of = Some(tunnels.len());
        }
        tunnels.push(Tunnel {
            plan,
            chance: own,
            arrivals: Vec::new(),
            period: one.fit.period,
            spans: spans
                .get_mut(stream)
                .map(std::mem::take)
                .unwrap_or_default(),
        });
    }
    let of_flows: Vec<Option<usize>> = streams_of_flows(lived, settings.scope)
        .into_iter()
        .map(|stream| place_of.get(stream?).copied().flatten())
        .collect();
    let first_plain = u32::try_from(tunnels.len()).unwrap_or(u32::MAX);
    let mut beside = Vec::new();
    for packet in &lived.packets {
        let place = of_flows.get(packet.flow as usize).copied().flatten();
        match place.and_then(|place| tunnels.get_mut(place)) {
            Some(tunnel) => tunnel
                .arrivals
                .push(arrival(packet, &tunnel.spans, settings.trigger)),
            None => {
                let flow = first_plain.saturating_add(packet.flow);
                beside.push(Sighting::one(
                    packet.at,
                    flow,
                    packet.direction,
                    packet.bytes,
                ));
            }
        }
    }
    Ok(Tunnels {
        flows: stp.flows(lived),
        simulator: Box::new(stp),
        tunnels,
        beside,
    })
}

/// A packet as it comes to an end of a tunnel: the very knowledge that the simulator's shaper is given.
fn arrival(packet: &Packet, spans: &[Span], trigger: Trigger) -> Arrival {
    let upto = spans.partition_point(|span| span.start <= packet.at);
    let last = upto.checked_sub(1).and_then(|last| spans.get(last));
    let until = last
        .filter(|span| span.contains(packet.at))
        .map(|span| span.end);
    Arrival {
        at: packet.at,
        direction: packet.direction,
        flow: packet.flow,
        bytes: packet.bytes,
        activity: match trigger {
            Trigger::Activity => until,
            Trigger::Any => Some(until.unwrap_or(packet.at)),
        },
    }
}

impl Tunnels {
    /// The tunnels to be run, what they are judged by afterwards, and the simulator.
    pub fn split(self) -> (Vec<Tunnel>, Judged, Box<dyn Defense>) {
        let told = self.tunnels.iter();
        let judged = Judged {
            flows: self.flows,
            beside: self.beside,
            tunnels: told.map(|one| (one.period, one.spans.clone())).collect(),
        };
        (self.tunnels, judged, self.simulator)
    }
}

impl Judged {
    /// What the wire showed of a trace, from what became of each tunnel, in their order.
    pub fn observed(self, lived: &Trace, outcomes: &[Outcome]) -> ShapedTrace {
        let mut cost = Cost {
            genuine: lived.bytes(),
            ..Cost::default()
        };
        let mut sightings = self.beside;
        let mut delays: Vec<u64> = vec![0; sightings.len()];
        let mut periods = Vec::new();
        let mut window = lived.window;
        for (place, (outcome, (period, spans))) in outcomes.iter().zip(&self.tunnels).enumerate() {
            let flow = u32::try_from(place).unwrap_or(u32::MAX);
            let (mut carried, mut cell) = (0u64, 0u64);
            for seen in &outcome.seen {
                let bytes = seen.payload_bytes.saturating_add(OUTER_BYTES);
                let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                window.extend(seen.at);
                sightings.push(Sighting::one(seen.at, flow, seen.direction, bytes));
                cell = u64::from(bytes);
                carried = carried.saturating_add(cell);
            }
            let cover = outcome.empty.saturating_mul(cell);
            let genuine = outcome.offered_bytes.saturating_sub(outcome.dropped_bytes);
            cost.dropped = cost.dropped.saturating_add(outcome.dropped_bytes);
            cost.cover = cost.cover.saturating_add(cover);
            let framing = carried.saturating_sub(genuine).saturating_sub(cover);
            cost.framing = cost.framing.saturating_add(framing);
            delays.extend(outcome.delays.iter().flatten());
            for &start in &outcome.periods {
                let span = Span::new(start, start + *period);
                // Its last instant belongs to the next one.
                let under = |of: &Span| of.start < span.end && of.end >= span.start;
                periods.push(PaddedPeriod {
                    flow,
                    span,
                    genuine: spans.iter().any(under),
                });
            }
        }
        sightings.sort_by_key(|sighting| sighting.at);
        periods.sort_by_key(|period| (period.span, period.flow));
        ShapedTrace {
            seen: Observation {
                vantage: Vantage::Outside,
                window,
                flows: self.flows,
                sightings,
            },
            cost,
            delay: Delay::of(&mut delays),
            periods,
            broken: Vec::new(),
        }
    }
}

/// A wire that was really there, as a defense: it shows what it showed.
pub struct Recorded {
    /// The defense that made it.
    pub of: String,
    /// What it showed.
    pub shaped: ShapedTrace,
    /// What steered it.
    pub parameters: BTreeMap<&'static str, Value>,
    /// What its theory promises.
    pub foretold: Foretold,
}

impl Defense for Recorded {
    fn shape(&self, _: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        self.shaped.clone()
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        self.parameters.clone()
    }

    fn foretold(&self) -> Foretold {
        self.foretold
    }

    fn recorded_of(&self) -> Option<&str> {
        Some(&self.of)
    }
}

/// How long after a trace's end what waits may still take to pass: all of it at the slower rate, a few periods, and a minute.
pub fn linger(tunnels: &[Tunnel]) -> Duration {
    let longest = tunnels.iter().map(|tunnel| tunnel.period).max();
    longest.unwrap_or_default().saturating_mul(4) + Duration::from_secs(60)
}
