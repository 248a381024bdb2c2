//! A firewall on the home's router that lets nothing of the devices out.
//!
//! The paper, section 5.1: outside it there is nothing left to infer from, within the home everything is as it was, and
//! features break that users expect to work. We name what broke: every server the blocked devices spoke to. It blocks
//! everything, or, where devices are named, those alone: flows that no device is known for then pass.

use super::none::as_it_is;
use super::settings::{DefenseError, Settings};
use crate::threat::{Cost, Defense, Delay, ShapedTrace, Vantage};
use crate::trace::Trace;
use rand_chacha::ChaCha8Rng;
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};

struct Firewall {
    vantage: Vantage,
    /// Of each device of the trace: whether it is blocked.
    blocked: Vec<bool>,
    /// Whether everything is.
    all: bool,
    names: Vec<String>,
}

/// The firewall, seen from outside.
///
/// # Errors
/// A device to block that the trace does not have.
pub fn outside(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    make(settings, trace, Vantage::Outside)
}

/// The firewall, seen from within the home: nothing is dropped before the observer sees it.
///
/// # Errors
/// A device to block that the trace does not have.
pub fn inside(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    make(settings, trace, Vantage::Inside)
}

fn make(
    settings: &Settings,
    trace: &Trace,
    vantage: Vantage,
) -> Result<Box<dyn Defense>, DefenseError> {
    let mut blocked = vec![settings.block.is_empty(); trace.devices.len()];
    for id in &settings.block {
        let index = trace.devices.iter().position(|device| device.id == *id);
        match index.and_then(|index| blocked.get_mut(index)) {
            Some(blocked) => *blocked = true,
            None => {
                let known: Vec<&str> = trace.devices.iter().map(|d| d.id.as_str()).collect();
                return Err(DefenseError::NoDevice {
                    id: id.clone(),
                    known: known.join(", "),
                });
            }
        }
    }
    let names = trace.devices.iter().zip(&blocked);
    let names = names.filter(|(_, &blocked)| blocked);
    Ok(Box::new(Firewall {
        vantage,
        all: settings.block.is_empty(),
        names: names.map(|(device, _)| device.id.clone()).collect(),
        blocked,
    }))
}

impl Defense for Firewall {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        let blocked = |flow: usize| {
            let device = trace.flows.get(flow).and_then(|flow| flow.device);
            self.all || device.is_some_and(|device| self.blocked.get(device) == Some(&true))
        };
        let outside = self.vantage == Vantage::Outside;
        let seen = as_it_is(trace, self.vantage, |flow| !(outside && blocked(flow)));
        let genuine = trace.bytes();
        let broken: BTreeSet<String> = trace
            .flows
            .iter()
            .enumerate()
            .filter(|(index, _)| blocked(*index))
            .map(|(_, flow)| flow.far())
            .collect();
        ShapedTrace {
            cost: Cost {
                genuine,
                dropped: genuine.saturating_sub(seen.bytes()),
                ..Cost::default()
            },
            seen,
            delay: Delay::default(),
            periods: Vec::new(),
            broken: broken.into_iter().collect(),
        }
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        BTreeMap::from([("blocked", json!(self.names))])
    }
}
