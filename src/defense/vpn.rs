//! A tunnel around the whole home: one flow in which all are merged.
//!
//! The paper, section 5.2: it hides who speaks, not how much, and so protects between not at all and best, depending on the
//! devices and their use. Where the paper calls the overhead negligible, we count it: headers cost little devices, whose
//! packets are of 60 to 100 bytes, a good half. WireGuard's handshakes are counted as well: 148 bytes up and 92 down (and
//! 28 of headers each) at the first packet and at the first one 120 s or more after the last handshake, as its
//! `REKEY_AFTER_TIME` has it. Its passive keepalives, and OpenVPN's hourly handshakes and pings, are not.

use super::framing::{framed, MTU};
use super::settings::{DefenseError, Settings, Tunnel};
use crate::threat::{Cost, Defense, Delay, Observation, SeenFlow, ShapedTrace, Sighting, Vantage};
use crate::trace::Trace;
use crate::units::{Direction, Timestamp};
use rand_chacha::ChaCha8Rng;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a tunnel's far end is called: it tells nothing of a device.
pub const TUNNEL: &str = "tunnel";

const REKEY_AFTER: Duration = Duration::from_secs(120);
const INITIATION: u32 = 148 + 28;
const RESPONSE: u32 = 92 + 28;

struct Vpn {
    tunnel: Tunnel,
}

/// A tunnel around the home.
///
/// # Errors
/// None.
pub fn make(settings: &Settings, _: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    let tunnel = settings.tunnel;
    Ok(Box::new(Vpn { tunnel }))
}

/// What a packet is on the tunnel's wire.
pub(super) fn wrap(
    tunnel: Tunnel,
    at: Timestamp,
    flow: u32,
    direction: Direction,
    inner: u32,
) -> impl Iterator<Item = Sighting> {
    let framed = framed(tunnel, inner);
    let full = (framed.full > 0).then(|| Sighting {
        count: framed.full,
        ..Sighting::one(at, flow, direction, MTU)
    });
    let rest = Sighting::one(at, flow, direction, framed.rest);
    full.into_iter().chain([rest])
}

impl Defense for Vpn {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        let mut sightings = Vec::with_capacity(trace.packets.len());
        let mut handshake: Option<Timestamp> = None;
        for packet in &trace.packets {
            let stale = handshake.is_none_or(|last| packet.at.since(last) >= REKEY_AFTER);
            if self.tunnel == Tunnel::WireGuard && stale {
                handshake = Some(packet.at);
                sightings.push(Sighting::one(packet.at, 0, Direction::Up, INITIATION));
                sightings.push(Sighting::one(packet.at, 0, Direction::Down, RESPONSE));
            }
            sightings.extend(wrap(
                self.tunnel,
                packet.at,
                0,
                packet.direction,
                packet.bytes,
            ));
        }
        let seen = Observation {
            vantage: Vantage::Outside,
            window: trace.window,
            flows: vec![SeenFlow {
                far: TUNNEL.into(),
                shaping: None,
            }],
            sightings,
        };
        let genuine = trace.bytes();
        ShapedTrace {
            cost: Cost {
                genuine,
                framing: seen.bytes().saturating_sub(genuine),
                ..Cost::default()
            },
            seen,
            delay: Delay::default(),
            periods: Vec::new(),
            broken: Vec::new(),
        }
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        BTreeMap::from([("tunnel", json!(self.tunnel))])
    }
}
