//! No defense: what the wire shows of an unprotected home.
//!
//! What every other defense is held against: here an adversary is right almost always (the paper, section 5: "With no
//! defense, adversary confidence = 1 for all devices we tested").

use super::settings::{DefenseError, Settings};
use crate::threat::{Cost, Defense, Delay, Observation, SeenFlow, ShapedTrace, Sighting, Vantage};
use crate::trace::Trace;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;

struct Undefended;

/// Leaves a trace as it is.
///
/// # Errors
/// None.
pub fn make(_: &Settings, _: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    Ok(Box::new(Undefended))
}

/// What the wire shows of those flows of a trace that `shown` lets pass, unmodified.
pub(super) fn as_it_is(
    trace: &Trace,
    vantage: Vantage,
    shown: impl Fn(usize) -> bool,
) -> Observation {
    let flows = trace.flows.iter().map(|flow| SeenFlow {
        far: flow.far(),
        shaping: None,
    });
    let passes: Vec<bool> = (0..trace.flows.len()).map(shown).collect();
    let seen = trace
        .packets
        .iter()
        .filter(|packet| passes.get(packet.flow as usize) == Some(&true));
    Observation {
        vantage,
        window: trace.window,
        flows: flows.collect(),
        sightings: seen
            .map(|p| Sighting::one(p.at, p.flow, p.direction, p.bytes))
            .collect(),
    }
}

impl Defense for Undefended {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        ShapedTrace {
            seen: as_it_is(trace, Vantage::Outside, |_| true),
            cost: Cost {
                genuine: trace.bytes(),
                ..Cost::default()
            },
            delay: Delay::default(),
            periods: Vec::new(),
            broken: Vec::new(),
        }
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        BTreeMap::new()
    }
}
