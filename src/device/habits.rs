//! How a device behaves on the wire beyond names and addresses: the looks of its connections and the pace of its packet
//! counter. Firmware fixes them for months, while a server's addresses move within weeks; so they are what tells a device
//! whose traffic bears no name.

use super::port::Port;
use crate::flow::facts::FlowFacts;
use crate::flow::shape::{Shape, SizeSketch};
use crate::packet::dissect::Protocol;
use serde::{Deserialize, Serialize};

/// Ports that nearly every device uses: using one tells nothing.
const COMMON_PORTS: [u16; 5] = [53, 80, 123, 443, 8080];
/// Protocols whose messages are alike whoever sends them, DNS and NTP: only the sender's TTL is looked at.
const ALIKE: [u16; 2] = [53, 123];

/// What was learned of a device's behaviour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Habits {
    /// Names it was heard asking a DNS server for itself; its other names were told by others' look-ups or by its own TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<String>,
    /// IPv4 identification numbers used a second, where it numbers all its packets from one counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_pace: Option<f64>,
    /// Whether it numbers packets at random or by connection, so that no counter is its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub random_numbers: bool,
    /// Kinds of connections it keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
}

impl Habits {
    /// Whether nothing was learned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether all TCP it was seen to use has, or lacks, timestamps; `None` where it used none or both.
    pub fn timestamps(&self) -> Option<bool> {
        let mut seen = self
            .services
            .iter()
            .filter(|service| !service.port.udp)
            .map(|service| service.timestamps);
        let first = seen.next()?;
        seen.all(|one| one == first).then_some(first)
    }

    /// Whether it was seen to send a transport's packets with an initial TTL; `None` where it sent none at all.
    pub fn has_ttl(&self, protocol: Protocol, ttl: u8) -> Option<bool> {
        let udp = match protocol {
            Protocol::TCP => false,
            Protocol::UDP => true,
            _ => return None,
        };
        let mut any = false;
        for service in &self.services {
            if service.port.udp == udp {
                any = true;
                if service.ttl == ttl {
                    return Some(true);
                }
            }
        }
        any.then_some(false)
    }

    /// Whether one of its connections opened with this SYN; `None` where no SYN of it is known, or 0 is asked for.
    pub fn has_syn(&self, syn: u32) -> Option<bool> {
        let mut known = self
            .services
            .iter()
            .filter_map(|service| service.syn)
            .peekable();
        known.peek()?;
        (syn != 0).then(|| known.any(|one| one == syn))
    }
}

/// One kind of connection a device keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The server's port.
    pub port: Port,
    /// Initial TTL: 32, 64, 128 or 255.
    pub ttl: u8,
    /// Whether the device sends TCP timestamps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timestamps: bool,
    /// Largest receive window it advertised, unscaled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window: u16,
    /// What its SYN looks like: see [`Shape::syn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn: Option<u32>,
    /// Payload sizes it sends, the commonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<u16>,
    /// Payload sizes it receives, the commonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub received: Vec<u16>,
    /// Seconds between payloads sent, on average, where the connection lasted ten minutes or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<f64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u16) -> bool {
    *n == 0
}

impl Service {
    /// What one flow teaches; `None` where it has no port of TCP or UDP, or the device said nothing in it.
    pub fn of(flow: &FlowFacts) -> Option<Self> {
        let shape = &flow.shape;
        let port = port_of(flow)?;
        let sizes = |sketch: &SizeSketch| sketch.sizes().map(|(size, _)| size).collect();
        let alike = ALIKE.contains(&port.number);
        (shape.ttl != 0).then(|| Self {
            port,
            ttl: shape.ttl,
            timestamps: shape.clock.is_some(),
            window: shape.window,
            syn: (shape.syn != 0).then_some(shape.syn),
            sent: if alike {
                Vec::new()
            } else {
                sizes(&shape.sent)
            },
            received: if alike {
                Vec::new()
            } else {
                sizes(&shape.received)
            },
            every_s: if alike { None } else { every(flow) },
        })
    }

    /// Whether the two are one kind of connection, so that one description does for both.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.port, self.ttl, self.timestamps) == (other.port, other.ttl, other.timestamps)
            && apart(self.window, other.window) <= 0.05
            && self.sent.first() == other.sent.first()
    }

    /// Takes over what another of the same kind knows better.
    pub fn merge(&mut self, other: &Self) {
        self.syn = self.syn.or(other.syn);
        self.every_s = self.every_s.or(other.every_s);
        for (mine, theirs) in [
            (&mut self.sent, &other.sent),
            (&mut self.received, &other.received),
        ] {
            for size in theirs {
                if mine.len() < SIZES_AT_MOST && !mine.contains(size) {
                    mine.push(*size);
                }
            }
        }
    }

    /// How much better this kind of connection explains a flow than chance does, in nats; negative where it rather excludes
    /// it; `None` for another port or transport.
    ///
    /// The weights were set on one evening of a fourteen-device home and held against another: a rule of thumb, not a
    /// measured likelihood.
    pub fn likeness(&self, flow: &FlowFacts) -> Option<f64> {
        let shape = &flow.shape;
        if port_of(flow)? != self.port || shape.ttl == 0 {
            return None;
        }
        if shape.ttl != self.ttl {
            return Some(-8.0);
        }
        let mut nats = 0.7;
        if ALIKE.contains(&self.port.number) {
            return Some(nats);
        }
        if !COMMON_PORTS.contains(&self.port.number) {
            nats += 2.0;
        }
        if !self.port.udp {
            if shape.clock.is_some() != self.timestamps {
                return Some(-6.0);
            }
            nats += if self.timestamps { 0.7 } else { 0.0 };
            nats += match apart(shape.window, self.window) {
                apart if apart <= 0.01 => 2.5,
                apart if apart <= 0.12 => 1.0,
                _ => -3.0,
            };
            if let (Some(syn), true) = (self.syn, shape.syn != 0) {
                nats += if syn == shape.syn { 2.0 } else { -3.0 };
            }
        }
        nats += self.sizes(shape);
        if let (Some(mine), Some(its)) = (self.every_s, every(flow)) {
            nats += match (its / mine).ln().abs() {
                off if off < 0.15 => 2.0,
                off if off < 0.8 => 0.0,
                _ => -1.0,
            };
        }
        Some(nats)
    }

    /// How well the payload sizes agree: the share of the flow's payloads whose size this kind of connection uses.
    fn sizes(&self, shape: &Shape) -> f64 {
        let share = |sketch: &SizeSketch, mine: &[u16]| {
            let (mut known, mut all) = (0.0, 0.0);
            for (size, count) in sketch.sizes() {
                all += f64::from(count);
                known += if mine.contains(&size) {
                    f64::from(count)
                } else {
                    0.0
                };
            }
            (all > 0.0).then(|| known / all)
        };
        if self.sent.is_empty() && self.received.is_empty() {
            return 0.0;
        }
        let shares: Vec<f64> = [
            share(&shape.sent, &self.sent),
            share(&shape.received, &self.received),
        ]
        .into_iter()
        .flatten()
        .collect();
        if shares.is_empty() {
            return 0.0;
        }
        let agreed = match shares.iter().sum::<f64>() / shares.len() as f64 {
            share if share >= 0.8 => 5.0,
            share if share >= 0.5 => 3.0,
            share if share >= 0.25 => 0.0,
            // Use changes the mix of sizes: a camera that streams today hardly sends yesterday's heartbeats.
            _ => -1.5,
        };
        // Few payloads agree by chance.
        agreed
            * match shape.sent.total() + shape.received.total() {
                0..=2 => 0.25,
                3..=7 => 0.5,
                _ => 1.0,
            }
    }
}

/// Payload sizes kept a direction.
const SIZES_AT_MOST: usize = 8;

/// The server's port of a TCP or UDP flow.
pub fn port_of(flow: &FlowFacts) -> Option<Port> {
    let udp = match flow.protocol {
        Protocol::TCP => false,
        Protocol::UDP => true,
        _ => return None,
    };
    (flow.remote_port != 0).then_some(Port {
        udp,
        number: flow.remote_port,
    })
}

/// Seconds between payloads sent, in a flow of ten minutes and five payloads or more.
fn every(flow: &FlowFacts) -> Option<f64> {
    let seconds = flow.span.duration().as_secs_f64();
    let sent = flow.shape.sent.total();
    (seconds >= 600.0 && sent >= 5).then(|| round(seconds / f64::from(sent)))
}

/// To thousandths: more digits than it repeats with.
fn round(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}

/// How far two windows are apart, as a share of the larger.
fn apart(a: u16, b: u16) -> f64 {
    f64::from(a.abs_diff(b)) / f64::from(a.max(b).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Span, Timestamp};

    /// A flow of TCP 8883 that sent `sizes` every minute.
    fn flow(ttl: u8, window: u16, sizes: &[u16]) -> FlowFacts {
        let mut shape = Shape {
            ttl,
            window,
            ..Shape::default()
        };
        for size in sizes {
            shape.sent.add(u32::from(*size));
        }
        let end = Timestamp::new(60 * sizes.len() as i64, 0);
        FlowFacts {
            flow: 0,
            protocol: Protocol::TCP,
            mac: None,
            remote: [192, 0, 2, 1].into(),
            remote_port: 8883,
            span: Span::new(Timestamp(0), end),
            sent: sizes.len() as u64,
            bytes: 1_000,
            shape,
            counter: Default::default(),
            asked: vec![],
            called: vec![],
            looked_up: vec![],
            asker: None,
        }
    }

    #[test]
    fn a_connection_is_like_itself() {
        let heartbeat = flow(255, 4380, &[31; 20]);
        let service = Service::of(&heartbeat).unwrap();
        // TTL 0.7, rare port 2, window 2.5, sizes 5, pace 2.
        assert_eq!(service.likeness(&heartbeat), Some(12.2));
        // Three payloads weigh half, and last too short to tell a pace.
        assert_eq!(service.likeness(&flow(255, 4380, &[31; 3])), Some(7.7));
    }

    #[test]
    fn another_ttl_or_clock_excludes_and_another_port_says_nothing() {
        let service = Service::of(&flow(255, 4380, &[31; 20])).unwrap();
        assert_eq!(service.likeness(&flow(64, 4380, &[31; 20])), Some(-8.0));
        let mut other = flow(255, 4380, &[31; 20]);
        other.remote_port = 443;
        assert_eq!(service.likeness(&other), None);
        let mut clocked = flow(255, 4380, &[31; 20]);
        let reading = crate::flow::shape::ClockReading {
            ticks: 1,
            at: Timestamp(0),
        };
        clocked.shape.clock = Some((reading, reading));
        assert_eq!(service.likeness(&clocked), Some(-6.0));
    }

    #[test]
    fn other_sizes_and_windows_weigh_against() {
        let service = Service::of(&flow(255, 4380, &[31; 20])).unwrap();
        // 0.7 + 2 - 3 (window) - 1.5 (sizes) + 2 (pace).
        let nats = service.likeness(&flow(255, 65_535, &[900; 20])).unwrap();
        assert!((nats - 0.2).abs() < 1e-9, "{nats}");
    }

    #[test]
    fn habits_read_back_from_their_file_are_the_same() {
        let habits = Habits {
            asks: vec!["a.example".into()],
            counter_pace: Some(0.25),
            random_numbers: false,
            services: vec![Service::of(&flow(255, 4380, &[31; 20])).unwrap()],
        };
        let text = toml::to_string(&habits).unwrap();
        assert_eq!(toml::from_str::<Habits>(&text).unwrap(), habits);
        assert!(Habits::default().is_empty());
    }
}
