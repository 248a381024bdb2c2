//! How well the tunnel keeps time, what it costs, and how much it carries: printed, for the reader to judge.
//!
//! `cargo run --release --example shaper [SECONDS]`. Three measurements, each over UDP on 127.0.0.1: cells of 40 KB/s both
//! ways together, padded all the time; 10^5 datagrams with genuine traffic in every other second, and whether the gaps
//! between them tell which; and one thread that seals, sends, hears and opens cells as fast as it can.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rustix::time::{clock_gettime, ClockId};
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use stp_audit::gateway::endpoint::{Endpoint, Identity};
use stp_audit::gateway::keys::Pair;
use stp_audit::gateway::relay::{Faults, Relay};
use stp_audit::gateway::run::{loopback, Arrival, Outcome, Pace, Tunnel};
use stp_audit::gateway::session::Limits;
use stp_audit::stp::cadence::Cadence;
use stp_audit::stp::decision::{Draws, TimeModel};
use stp_audit::stp::durations::DurationLaw;
use stp_audit::stp::follower::Follows;
use stp_audit::stp::lane::{Bounds, Quiet};
use stp_audit::stp::lowering::RatePolicy;
use stp_audit::stp::shaper::{ExtensionRule, Plan};
use stp_audit::units::{Direction, Probability, Timestamp};

const T: Duration = Duration::from_secs(10);
const ORIGIN: Timestamp = Timestamp(1_000_000_000);

/// Two ends that pad all the time, with cells so many nanoseconds apart.
fn ends(cell_bytes: u32, every: i64) -> (Endpoint, Endpoint) {
    let cadence = Cadence::Constant { every };
    let draws = Draws {
        model: TimeModel::PerSecond,
        chance: Probability::ALWAYS,
        period: T,
        origin: ORIGIN,
    };
    let plan = Plan {
        period: T,
        cell_bytes,
        cadences: [cadence.clone(), cadence.clone()],
        model: TimeModel::PerSecond,
        rule: ExtensionRule::Phantom,
        durations: DurationLaw::Fixed,
        decision: (stp_audit::stp::DECISIONS[0].make)(draws, None),
        rates: RatePolicy::Fixed,
        origin: ORIGIN,
        waiting_at_most: Bounds::NONE,
        quiet: Quiet::Pass,
    };
    let follows = Follows {
        period: T,
        cell_bytes,
        cadence,
        waiting_at_most: Bounds::NONE,
        quiet: Quiet::Pass,
        origin: ORIGIN,
    };
    let mut secrets = ChaCha8Rng::from_entropy();
    let pairs = [(); 2].map(|()| Pair::generate(&mut secrets).expect("a key"));
    let [near, far] = pairs;
    let (near_public, far_public) = (near.public, far.public);
    let identity = |own, peer| Identity {
        own,
        peer,
        limits: Limits::default(),
        secrets: ChaCha8Rng::from_entropy(),
    };
    let near = Endpoint::leader(
        plan,
        ChaCha8Rng::seed_from_u64(1),
        identity(near, far_public),
    );
    let far = Endpoint::follower(follows, identity(far, near_public));
    (near.expect("a leader"), far.expect("a follower"))
}

fn run(cell_bytes: u32, every: i64, seconds: u64, arrivals: Vec<Arrival>) -> Outcome {
    let (near, far) = ends(cell_bytes, every);
    let relay = Relay::new(Faults::none(Duration::ZERO), ChaCha8Rng::seed_from_u64(1));
    let tunnel = Tunnel {
        near,
        far,
        relay,
        arrivals,
    };
    let pace = Pace {
        origin: ORIGIN,
        end: ORIGIN + Duration::from_secs(seconds),
        linger: Duration::from_secs(5),
        scale: 1.0,
    };
    loopback(vec![tunnel], pace).expect("sockets").remove(0)
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Nearest rank, in microseconds.
fn rank(sorted: &[u64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .map_or(f64::NAN, |ns| *ns as f64 / 1e3)
}

fn pacing(seconds: u64) {
    // 20 KB/s each way in cells of 1000 bytes.
    let every = 50_000_000;
    let (cpu, clock) = (cpu_seconds(), Instant::now());
    let mut outcome = run(1000, every, seconds, Vec::new());
    let share = (cpu_seconds() - cpu) / clock.elapsed().as_secs_f64() * 100.0;
    outcome.lateness.sort_unstable();
    let late = |share| rank(&outcome.lateness, share);
    let up: Vec<i64> = outcome
        .seen
        .iter()
        .filter(|seen| seen.direction == Direction::Up)
        .map(|seen| seen.at.0)
        .collect();
    let span = up
        .last()
        .zip(up.first())
        .map_or(0, |(last, first)| last - first);
    let planned = span as f64 / every as f64;
    println!(
        "pacing, 40 KB/s for {seconds} s{}: late by p50 {:.0} us, p99 {:.0} us, max {:.0} us; {} missed; rate off by {:.3} %; both ends and the relay take {share:.2} % of a core",
        if outcome.real_time { " under SCHED_FIFO" } else { "" },
        late(0.5),
        late(0.99),
        late(1.0),
        outcome.missed,
        ((up.len() as f64 - 1.0) / planned - 1.0) * 100.0,
    );
}

fn gaps(seconds: u64) {
    // A cell a millisecond each way; 300 packets in every other second, once there are keys.
    let arrivals: Vec<Arrival> = (2..seconds)
        .step_by(2)
        .flat_map(|second| (0..300).map(move |n| second as i64 * 1_000_000_000 + n * 3_300_000))
        .map(|after| Arrival {
            at: Timestamp(ORIGIN.0 + after),
            direction: Direction::Up,
            flow: 0,
            bytes: 400,
            activity: None,
        })
        .collect();
    let offered = arrivals.len();
    let outcome = run(600, 1_000_000, seconds, arrivals);
    let up = outcome
        .seen
        .iter()
        .filter(|seen| seen.direction == Direction::Up);
    let up: Vec<i64> = up.map(|seen| seen.at.0).collect();
    let (mut busy, mut idle) = (Vec::new(), Vec::new());
    for pair in up.windows(2) {
        let second = (pair[1] - ORIGIN.0) / 1_000_000_000;
        let of = if second % 2 == 0 {
            &mut busy
        } else {
            &mut idle
        };
        of.push(pair[1] - pair[0]);
    }
    busy.sort_unstable();
    idle.sort_unstable();
    let below =
        |all: &[i64], x: i64| all.partition_point(|gap| *gap <= x) as f64 / all.len() as f64;
    let points = busy.iter().chain(&idle);
    let distance = points
        .map(|&x| (below(&busy, x) - below(&idle, x)).abs())
        .fold(0.0, f64::max);
    let (n, m) = (busy.len() as f64, idle.len() as f64);
    // Of the Kolmogorov-Smirnov law, its leading term.
    let p = (2.0 * (-2.0 * distance * distance * n * m / (n + m)).exp()).min(1.0);
    println!(
        "gaps: {} datagrams, {} of {offered} packets delivered; busy and idle seconds: distance {distance:.4}, p {p:.3}; {} missed",
        outcome.seen.len(),
        outcome.delivered,
        outcome.missed
    );
}

fn throughput() {
    let (cell, every) = (1500u32, 20_000);
    let (mut near, mut far) = ends(cell, every);
    let socket = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let (a, b) = (socket(), socket());
    a.connect(b.local_addr().expect("an address"))
        .expect("connected");
    b.connect(a.local_addr().expect("an address"))
        .expect("connected");
    let mut buffer = [0; 2048];
    let mut number = 0u32;
    let mut packet = vec![0; 1440];
    packet[..4].copy_from_slice(&[0x45, 0, 5, 160]);
    // In its own time: a cell whenever the last one has passed. Both ways until there are keys, then up alone.
    let mut now = ORIGIN;
    let (mut cells, mut out) = (0u64, 0u64);
    let mut begun = None;
    while cells < 200_000 {
        now = now + Duration::from_nanos(every as u64);
        if begun.is_some() {
            packet[12..16].copy_from_slice(&number.to_be_bytes());
            number += 1;
            let _ = near.offer(now, packet.clone(), None);
        }
        while let Some(datagram) = near.poll(now) {
            a.send(&datagram.bytes).expect("sent");
            let length = b.recv(&mut buffer).expect("heard");
            out += far.receive(now, &buffer[..length]).len() as u64;
            cells += u64::from(begun.is_some());
        }
        if begun.is_none() {
            while let Some(datagram) = far.poll(now) {
                near.receive(now, &datagram.bytes);
            }
            begun = (near.counts().handshakes > 0).then(Instant::now);
        }
    }
    let seconds = begun.map_or(f64::NAN, |begun| begun.elapsed().as_secs_f64());
    println!(
        "throughput, one thread seals, sends, hears and opens cells of {cell} bytes: {:.0} cells/s, {:.0} Mbit/s; {out} packets",
        cells as f64 / seconds,
        cells as f64 * f64::from(cell) * 8.0 / seconds / 1e6
    );
}

fn main() {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    pacing(seconds);
    gaps(50);
    throughput();
}
