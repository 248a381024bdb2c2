//! A tunnel in simulated time: both ends, the relay between them, and what comes to them.

#![allow(dead_code)] // Each test that shares this uses a part of it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use stp_audit::gateway::endpoint::{Datagram, Endpoint, Identity, Offered};
use stp_audit::gateway::keys::Pair;
use stp_audit::gateway::relay::{Faults, Relay};
use stp_audit::gateway::session::Limits;
use stp_audit::stp::cadence::Cadence;
use stp_audit::stp::decision::{Draws, TimeModel};
use stp_audit::stp::durations::DurationLaw;
use stp_audit::stp::follower::Follows;
use stp_audit::stp::lane::{Bounds, Quiet};
use stp_audit::stp::lowering::RatePolicy;
use stp_audit::stp::shaper::{ExtensionRule, Plan};
use stp_audit::units::{Direction, Probability, Timestamp};

/// Cells up and down, nanoseconds apart: never at the same instant but at the begin of padding.
pub const EVERY: [i64; 2] = [20_000_000, 15_000_000];
pub const CELL: u32 = 260;
pub const T: Duration = Duration::from_secs(10);
/// Bytes that a cell carries.
pub const ROOM: u32 = CELL - 60;

/// An instant: seconds after the begin, which is no whole second.
pub fn at(seconds: f64) -> Timestamp {
    Timestamp(1_700_000_000_123_456_789 + (seconds * 1e9) as i64)
}

pub fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn chance(p: f64) -> Probability {
    Probability::new(p).unwrap()
}

/// What both ends are told.
#[derive(Clone)]
pub struct Setup {
    pub q: f64,
    pub quiet: Quiet,
    pub bounds: Bounds,
    pub limits: Limits,
    pub faults: Faults,
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            q: 0.02,
            quiet: Quiet::Pass,
            bounds: Bounds::NONE,
            limits: Limits::default(),
            faults: Faults::none(Duration::from_millis(7)),
            seed: 1,
        }
    }
}

pub fn plan(setup: &Setup, origin: Timestamp) -> Plan {
    let draws = Draws {
        model: TimeModel::PerSecond,
        chance: chance(setup.q),
        period: T,
        origin,
    };
    Plan {
        period: T,
        cell_bytes: CELL,
        cadences: EVERY.map(|every| Cadence::Constant { every }),
        model: TimeModel::PerSecond,
        rule: ExtensionRule::Phantom,
        durations: DurationLaw::Empirical([3, 8, 14].map(Duration::from_secs).to_vec()),
        decision: (stp_audit::stp::find("bernoulli").unwrap().make)(draws, None),
        rates: RatePolicy::Fixed,
        origin,
        waiting_at_most: setup.bounds,
        quiet: setup.quiet,
    }
}

pub fn identity(near: bool, setup: &Setup, life: u64) -> Identity {
    let pairs = [1, 2].map(|seed| Pair::generate(&mut seeded(seed)).unwrap());
    let [near_pair, far_pair] = pairs;
    let (own, peer) = if near {
        (near_pair, far_pair)
    } else {
        (far_pair, near_pair)
    };
    Identity {
        own,
        peer: peer.public,
        limits: setup.limits,
        secrets: seeded(1000 * life + u64::from(near)),
    }
}

pub fn leader(setup: &Setup, origin: Timestamp, life: u64) -> Endpoint {
    let plan = plan(setup, origin);
    Endpoint::leader(plan, seeded(setup.seed), identity(true, setup, life)).unwrap()
}

pub fn follower(setup: &Setup, origin: Timestamp, life: u64) -> Endpoint {
    let follows = Follows {
        period: T,
        cell_bytes: CELL,
        cadence: Cadence::Constant { every: EVERY[1] },
        waiting_at_most: setup.bounds,
        quiet: setup.quiet,
        origin,
    };
    Endpoint::follower(follows, identity(false, setup, life)).unwrap()
}

/// A genuine packet that comes.
#[derive(Clone, Copy, Debug)]
pub struct Come {
    pub at: Timestamp,
    pub up: bool,
    pub bytes: u32,
    pub until: Option<Timestamp>,
}

pub fn come(second: f64, up: bool, bytes: u32, until: Option<f64>) -> Come {
    Come {
        at: at(second),
        up,
        bytes,
        until: until.map(at),
    }
}

/// A home for so many seconds: activities of 1 to 6 s about every 50 s, begun from either side, and a heartbeat.
pub fn home(seconds: f64, seed: u64, background: bool) -> Vec<Come> {
    let mut chance = seeded(seed);
    let mut all = Vec::new();
    let mut now = 5.0;
    while now < seconds {
        let until = now + chance.gen_range(1.0..6.0);
        let first = chance.gen_bool(0.7);
        all.push(come(now, first, chance.gen_range(40..900), Some(until)));
        let mut then = now;
        while then < until {
            then += chance.gen_range(0.05..0.4);
            let (up, bytes) = (chance.gen(), chance.gen_range(40..1400));
            all.push(come(then.min(until), up, bytes, Some(until)));
        }
        now = until + chance.gen_range(20.0..80.0);
    }
    let mut now = 3.3;
    while background && now < seconds {
        all.push(come(now, chance.gen(), chance.gen_range(40..600), None));
        now += chance.gen_range(2.0..9.0);
    }
    all.sort_by_key(|come| come.at);
    all
}

/// An IP packet of that length that bears its number.
pub fn packet(number: usize, bytes: u32) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..bytes)
        .map(|n| (n as usize * 31 + number * 7) as u8)
        .collect();
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(bytes as u16).to_be_bytes());
    packet[12..20].copy_from_slice(&(number as u64).to_be_bytes());
    packet
}

/// A datagram on its way: when it arrives, its place among those, at which end, what.
type Flight = (Timestamp, u64, usize, Vec<u8>);

/// Both ends and the relay between.
pub struct Tunnel {
    pub ends: [Option<Endpoint>; 2],
    pub relay: Relay,
    /// What was sent: when, which way, what.
    pub sent: Vec<(Timestamp, Direction, Datagram)>,
    /// What came out: when, which way, the packet.
    pub out: Vec<(Timestamp, Direction, Vec<u8>)>,
    pub refused: usize,
    /// While an end sleeps it neither hears nor sends.
    pub asleep: [bool; 2],
    flights: BinaryHeap<Reverse<Flight>>,
    count: u64,
    number: usize,
}

impl Tunnel {
    pub fn new(setup: &Setup) -> Self {
        let near = leader(setup, at(0.0), 0);
        let far = follower(setup, at(0.0), 0);
        Self::of(near, far, Relay::new(setup.faults, seeded(setup.seed + 77)))
    }

    /// Between any two ends.
    pub fn of(near: Endpoint, far: Endpoint, relay: Relay) -> Self {
        Self {
            ends: [Some(near), Some(far)],
            relay,
            sent: Vec::new(),
            out: Vec::new(),
            refused: 0,
            asleep: [false; 2],
            flights: BinaryHeap::new(),
            count: 0,
            number: 0,
        }
    }

    /// All that happens up to an instant, with what comes until then, ascending.
    pub fn run(&mut self, until: Timestamp, coming: &[Come]) {
        let mut coming = coming.iter().copied().peekable();
        loop {
            let awake = self
                .ends
                .iter()
                .zip(self.asleep)
                .filter(|(_, asleep)| !asleep);
            let wakes = awake.filter_map(|(end, _)| end.as_ref()?.wake());
            let flight = self.flights.peek().map(|Reverse(flight)| flight.0);
            let next = coming.peek().map(|come| come.at);
            let Some(now) = wakes.chain(flight).chain(next).min() else {
                return;
            };
            let now = now.max(self.sent.last().map_or(Timestamp(i64::MIN), |sent| sent.0));
            if now > until {
                return;
            }
            while let Some(come) = coming.next_if(|come| come.at <= now) {
                self.offer(come);
            }
            while self.step(now) {}
        }
    }

    pub fn offer(&mut self, come: Come) {
        let packet = packet(self.number, come.bytes);
        self.number += 1;
        let end = self.ends[usize::from(!come.up)].as_mut();
        match end.map(|end| end.offer(come.at, packet, come.until)) {
            Some(Offered::Taken) => {}
            _ => self.refused += 1,
        }
    }

    /// Whether anything happened.
    fn step(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        for (index, direction) in [Direction::Up, Direction::Down].into_iter().enumerate() {
            if self.asleep[index] {
                continue;
            }
            let Some(end) = &mut self.ends[index] else {
                continue;
            };
            while let Some(datagram) = end.poll(now) {
                any = true;
                for onward in self.relay.pass(now, direction, &datagram.bytes) {
                    self.count += 1;
                    let flight = (onward.at, self.count, 1 - index, onward.bytes);
                    self.flights.push(Reverse(flight));
                }
                self.sent.push((now, direction, datagram));
            }
        }
        while self
            .flights
            .peek()
            .is_some_and(|Reverse(flight)| flight.0 <= now)
        {
            let Some(Reverse((_, _, to, bytes))) = self.flights.pop() else {
                break;
            };
            any = true;
            let Some(end) = self.ends[to].as_mut().filter(|_| !self.asleep[to]) else {
                continue;
            };
            let direction = [Direction::Down, Direction::Up][to];
            for packet in end.receive(now, &bytes) {
                self.out.push((now, direction, packet));
            }
        }
        any
    }

    pub fn near(&mut self) -> &mut Endpoint {
        self.ends[0].as_mut().unwrap()
    }

    pub fn far(&mut self) -> &mut Endpoint {
        self.ends[1].as_mut().unwrap()
    }

    /// When cells of padding went, that way.
    pub fn padded(&self, direction: Direction) -> Vec<Timestamp> {
        let of = self
            .sent
            .iter()
            .filter(|sent| sent.1 == direction && sent.2.padded);
        of.map(|sent| sent.0).collect()
    }

    /// Numbers of the packets that came out, in order, once each is seen to be as it went in.
    pub fn numbers(&self) -> Vec<usize> {
        self.out
            .iter()
            .map(|(_, _, out)| {
                let number = u64::from_be_bytes(out[12..20].try_into().unwrap()) as usize;
                assert_eq!(*out, packet(number, out.len() as u32), "byte for byte");
                number
            })
            .collect()
    }
}
