//! The threat model in types: who knows what.
//!
//! A [`Trace`] is the truth. A [`Defense`] turns it into what the wire shows, an [`Observation`], and into what that cost,
//! which the home alone knows. An [`Adversary`] is given the observation and nothing else, besides what it had learned
//! before ([`Knowledge`]: the paper's adversary "can obtain and independently evaluate smart home devices", section 2),
//! and answers with [`Guess`]es. If an adversary seems to need more, the threat model is changing.

use crate::trace::{disjoint, holds, Trace};
use crate::units::{nanos, Direction, Rate, Span, Timestamp, NANOS};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where an observer of a defended home stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// Where the defense does not reach: at the home's own network, or behind the tunnel's far end.
    Inside,
    /// Where all traffic has passed the defense: the paper's external adversary.
    Outside,
}

/// What a padded flow lets anybody read off: how it is shaped, never why. That an adversary knows the defense and its
/// parameters, all but the coins it throws, is Kerckhoffs's principle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shaping {
    /// T: length of a period of padding. `None` where padding never ends (ILP).
    pub period: Option<Duration>,
    /// R_u: upload rate while padded.
    pub up: Rate,
    /// R_d: download rate while padded.
    pub down: Rate,
    /// Bytes of each packet while padded.
    pub cell_bytes: u32,
}

/// A flow on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenFlow {
    /// What the far end can be called by: a name heard in the clear, an address; a tunnel's end tells nothing of a device.
    pub far: String,
    /// How it is shaped, where it is.
    pub shaping: Option<Shaping>,
}

/// A train of equal packets at equal distances; most often of one.
///
/// Cover traffic comes in long trains: a padded day is one entry, not a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When the first packet passed.
    pub at: Timestamp,
    /// Its flow: a place in [`Observation::flows`].
    pub flow: u32,
    /// Which way, seen from the home.
    pub direction: Direction,
    /// Bytes of each IP packet.
    pub bytes: u32,
    /// How many packets.
    pub count: u32,
    /// Nanoseconds from one to the next.
    pub every: i64,
}

impl Sighting {
    /// A single packet.
    pub fn one(at: Timestamp, flow: u32, direction: Direction, bytes: u32) -> Self {
        Self {
            at,
            flow,
            direction,
            bytes,
            count: 1,
            every: 0,
        }
    }

    /// When its last packet passed.
    pub fn end(&self) -> Timestamp {
        let last = i64::from(self.count.saturating_sub(1));
        Timestamp(self.at.0.saturating_add(self.every.saturating_mul(last)))
    }

    /// Bytes of all its packets.
    pub fn total_bytes(&self) -> u64 {
        u64::from(self.bytes) * u64::from(self.count)
    }

    /// How many of its packets pass before `at`.
    pub fn count_before(&self, at: Timestamp) -> u32 {
        if at <= self.at {
            return 0;
        }
        if self.every <= 0 {
            return self.count;
        }
        let passed =
            (at.0.saturating_sub(self.at.0).saturating_sub(1) / self.every).saturating_add(1);
        u32::try_from(passed).unwrap_or(u32::MAX).min(self.count)
    }

    /// The instants of its packets.
    pub fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let (at, every) = (self.at.0, self.every);
        (0..i64::from(self.count))
            .map(move |n| Timestamp(at.saturating_add(every.saturating_mul(n))))
    }
}

/// What an adversary sees, and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Where it stands.
    pub vantage: Vantage,
    /// From when to when it watches.
    pub window: Span,
    /// Flows on the wire.
    pub flows: Vec<SeenFlow>,
    /// Packets on the wire, ascending by [`Sighting::at`].
    pub sightings: Vec<Sighting>,
}

impl Observation {
    /// Bytes on the wire.
    pub fn bytes(&self) -> u64 {
        self.sightings.iter().map(Sighting::total_bytes).sum()
    }

    /// Packets on the wire.
    pub fn packets(&self) -> u64 {
        self.sightings
            .iter()
            .map(|sighting| u64::from(sighting.count))
            .sum()
    }
}

/// What a defense costs, in bytes of IP packets. Conserved exactly: what the wire carries is
/// `genuine - dropped + cover + framing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What the devices and their servers sent.
    pub genuine: u64,
    /// Of that, what never left.
    pub dropped: u64,
    /// Dummy packets.
    pub cover: u64,
    /// Headers and filling added to genuine bytes.
    pub framing: u64,
}

impl Cost {
    /// Bytes on the wire.
    pub fn carried(&self) -> u64 {
        (self.genuine - self.dropped.min(self.genuine)) + self.cover + self.framing
    }

    /// b: bytes with the defense over bytes without (the paper, section 5); `None` where there are none without.
    pub fn overhead(&self) -> Option<f64> {
        (self.genuine > 0).then(|| self.carried() as f64 / self.genuine as f64)
    }
}

/// How much later genuine packets pass than they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delay {
    /// Half are no later than this.
    pub p50: Duration,
    /// 99 % are no later than this.
    pub p99: Duration,
    /// The latest.
    pub max: Duration,
}

impl Delay {
    /// Of the delays of all genuine packets in nanoseconds, in any order; nothing delayed where there are none.
    pub fn of(delays: &mut [u64]) -> Self {
        let mut at = |share: f64| {
            // Nearest rank: the smallest value that so large a share does not exceed.
            let rank = (share * delays.len() as f64).ceil() as usize;
            match rank
                .max(1)
                .checked_sub(1)
                .filter(|&rank| rank < delays.len())
            {
                Some(rank) => Duration::from_nanos(*delays.select_nth_unstable(rank).1),
                None => Duration::ZERO,
            }
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// A period of padding as the home knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddedPeriod {
    /// Flow on the wire: a place in [`Observation::flows`].
    pub flow: u32,
    /// From its begin to its end, T later.
    pub span: Span,
    /// Whether traffic of an activity is under it.
    pub genuine: bool,
}

/// A defended trace: what the wire shows, and what only the home knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapedTrace {
    /// What an adversary sees.
    pub seen: Observation,
    /// What it cost.
    pub cost: Cost,
    /// How much later genuine packets passed.
    pub delay: Delay,
    /// Periods of padding, ascending by begin; none where the defense knows no periods.
    pub periods: Vec<PaddedPeriod>,
    /// What does not work any more: names and addresses that devices cannot reach, each once.
    pub broken: Vec<String>,
}

/// A way to hide what people do.
pub trait Defense: Send + Sync {
    /// What the wire shows of a trace. All chance is drawn from `chance`, so that the same seed gives the same wire.
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace;

    /// Everything that steers it, for the report: names as in the report, numbers with their unit in the name.
    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value>;

    /// Whether two seeds give two wires, so that several trials tell more than one.
    fn is_random(&self) -> bool {
        false
    }

    /// Of a wire that was made once and cannot be made of other days: the name of the defense that made it, by whose wires
    /// adversaries are taught. `None` of a defense that can be run again.
    ///
    /// Who was taught on a recorded wire and is asked about the same would be asked what it was told.
    fn recorded_of(&self) -> Option<&str> {
        None
    }

    /// What its theory promises, where it has one.
    fn foretold(&self) -> Foretold {
        Foretold::default()
    }
}

/// What a defense's theory promises.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foretold {
    /// c, of an adversary who claims every padded period.
    pub confidence: Option<f64>,
    /// b.
    pub overhead: Option<f64>,
}

/// A claim: somebody used a device then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// When.
    pub span: Span,
    /// Which device: a place in [`Knowledge::devices`]; `None` where the adversary cannot tell or does not care.
    pub device: Option<usize>,
    /// How sure the adversary is, compared with its other guesses; the surest are looked at first. Any scale.
    pub belief: f64,
}

/// One who watches and claims.
pub trait Adversary: Send + Sync {
    /// What it claims to have happened.
    fn guess(&self, seen: &Observation) -> Vec<Guess>;
}

/// What an adversary learned beforehand, from devices of the same kind that it bought and watched undefended.
///
/// It is learned from the very trace under audit: an adversary who knows these devices as well as can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knowledge {
    /// Each device, in the order of [`Trace::devices`].
    pub devices: Vec<KnownDevice>,
    /// What the devices together look like when nobody uses any, as within a tunnel: their bursts, evenly from all.
    pub idle: Vec<Signature>,
    /// How many bursts those stand for.
    pub idle_bursts: u64,
}

/// What is known of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownDevice {
    /// What its far ends are called, as [`SeenFlow::far`] calls them.
    pub servers: BTreeSet<String>,
    /// What its activities look like.
    pub signatures: Vec<Signature>,
    /// What it looks like when nobody uses it: its bursts between activities, evenly from all.
    pub idle: Vec<Signature>,
    /// How many bursts those stand for.
    pub idle_bursts: u64,
}

/// Bursts of an idle device that are remembered.
const IDLE_AT_MOST: usize = 256;
/// Silent seconds within a burst at most: a request and its answer may be two seconds apart, two activities rarely are.
pub const GAP_S: i64 = 2;

/// What one activity looks like on an undefended wire.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signature {
    /// How long its traffic lasts.
    pub seconds: f64,
    /// Bytes from the device.
    pub up_bytes: u64,
    /// Bytes to the device.
    pub down_bytes: u64,
    /// Packets from the device: a tunnel adds to each.
    pub up_packets: u64,
    /// Packets to the device.
    pub down_packets: u64,
    /// Most bytes from the device in any second of it.
    pub peak_up_bytes_per_s: u64,
    /// Most bytes to the device in any second of it.
    pub peak_down_bytes_per_s: u64,
}

impl Knowledge {
    /// Learns from an undefended trace.
    pub fn study(trace: &Trace) -> Self {
        let mut devices = vec![KnownDevice::default(); trace.devices.len()];
        for flow in &trace.flows {
            if let Some(known) = flow.device.and_then(|device| devices.get_mut(device)) {
                known.servers.insert(flow.far());
            }
        }
        for activity in &trace.activities {
            if let Some(known) = devices.get_mut(activity.device) {
                known
                    .signatures
                    .push(signature(trace, activity.device, activity.traffic));
            }
        }
        let mut bursts = idle(trace);
        let (idle, idle_bursts) = bursts.pop().unwrap_or_default();
        for (known, (idle, count)) in devices.iter_mut().zip(bursts) {
            (known.idle, known.idle_bursts) = (idle, count);
        }
        Self {
            devices,
            idle,
            idle_bursts,
        }
    }

    /// The one device that speaks to a far end; `None` where several do, or none.
    pub fn device_of(&self, far: &str) -> Option<usize> {
        let mut speak = self
            .devices
            .iter()
            .enumerate()
            .filter(|(_, known)| known.servers.contains(far));
        match (speak.next(), speak.next()) {
            (Some((device, _)), None) => Some(device),
            _ => None,
        }
    }
}

/// The bursts of each device outside its activities, and of all together outside all, and how many there were. Seconds are counted from the trace's begin.
fn idle(trace: &Trace) -> Vec<(Vec<Signature>, u64)> {
    let mut all = vec![Bursts::default(); trace.devices.len()];
    for (device, bursts) in all.iter_mut().enumerate() {
        bursts.busy = disjoint(trace.activities_of(device).map(|a| a.traffic).collect());
    }
    let mut together = Bursts {
        busy: disjoint(trace.activities.iter().map(|a| a.traffic).collect()),
        ..Bursts::default()
    };
    let origin = trace.window.start.0;
    for packet in &trace.packets {
        let Some(bursts) = trace.device_of(packet).and_then(|of| all.get_mut(of)) else {
            continue;
        };
        let second = packet.at.0.saturating_sub(origin) / NANOS;
        for bursts in [bursts, &mut together] {
            if !holds(&bursts.busy, packet.at) {
                bursts.add(second, packet.direction, packet.bytes);
            }
        }
    }
    all.push(together);
    all.into_iter().map(Bursts::finish).collect()
}

/// The bursts of one device while its packets pass.
#[derive(Clone, Default)]
struct Bursts {
    busy: Vec<Span>,
    kept: Vec<Signature>,
    /// One of so many is kept, as a power of two.
    every: u32,
    count: u64,
    /// First and last second of the one that runs, and bytes of that last second up and down.
    open: Option<(i64, i64, Signature)>,
    second: [u64; 2],
}

impl Bursts {
    fn add(&mut self, second: i64, direction: Direction, bytes: u32) {
        let goes_on = |last: i64| second.saturating_sub(last) <= GAP_S + 1;
        if !self.open.is_some_and(|(_, last, _)| goes_on(last)) {
            self.close();
            self.second = [0; 2];
        }
        let (first, last, of) = self
            .open
            .get_or_insert((second, second, Signature::default()));
        if *last != second {
            self.second = [0; 2];
        }
        *last = second;
        of.seconds = second.saturating_sub(*first) as f64;
        let (up, down) = direction.split(u64::from(bytes));
        of.up_bytes += up;
        of.down_bytes += down;
        match direction {
            Direction::Up => of.up_packets += 1,
            Direction::Down => of.down_packets += 1,
        }
        let [now_up, now_down] = &mut self.second;
        *now_up += up;
        *now_down += down;
        of.peak_up_bytes_per_s = of.peak_up_bytes_per_s.max(*now_up);
        of.peak_down_bytes_per_s = of.peak_down_bytes_per_s.max(*now_down);
    }

    fn close(&mut self) {
        let Some((_, _, of)) = self.open.take() else {
            return;
        };
        let every = 1u64.checked_shl(self.every).unwrap_or(u64::MAX);
        if self.count.checked_rem(every) == Some(0) {
            self.kept.push(of);
        }
        self.count += 1;
        if self.kept.len() > IDLE_AT_MOST {
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every += 1;
        }
    }

    fn finish(mut self) -> (Vec<Signature>, u64) {
        self.close();
        (self.kept, self.count)
    }
}

fn signature(trace: &Trace, device: usize, span: Span) -> Signature {
    let from = trace
        .packets
        .partition_point(|packet| packet.at < span.start);
    let to = trace
        .packets
        .partition_point(|packet| packet.at <= span.end);
    let within = trace.packets.get(from..to).unwrap_or_default();
    let mut seconds: BTreeMap<i64, [u64; 2]> = BTreeMap::new();
    let (mut up_packets, mut down_packets) = (0, 0);
    for packet in within.iter().filter(|p| trace.device_of(p) == Some(device)) {
        let second = packet.at.0.saturating_sub(span.start.0) / nanos(Duration::from_secs(1));
        let [up, down] = seconds.entry(second).or_default();
        match packet.direction {
            Direction::Up => {
                *up += u64::from(packet.bytes);
                up_packets += 1;
            }
            Direction::Down => {
                *down += u64::from(packet.bytes);
                down_packets += 1;
            }
        }
    }
    let of = |way: usize| {
        seconds
            .values()
            .map(move |both| both.get(way).copied().unwrap_or(0))
    };
    Signature {
        seconds: span.duration().as_secs_f64(),
        up_bytes: of(0).sum(),
        down_bytes: of(1).sum(),
        up_packets,
        down_packets,
        peak_up_bytes_per_s: of(0).max().unwrap_or(0),
        peak_down_bytes_per_s: of(1).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_train_tells_its_packets() {
        let train = Sighting {
            count: 4,
            every: 10,
            ..Sighting::one(Timestamp(100), 0, Direction::Up, 50)
        };
        let instants: Vec<i64> = train.instants().map(|at| at.0).collect();
        assert_eq!(instants, [100, 110, 120, 130]);
        assert_eq!((train.end(), train.total_bytes()), (Timestamp(130), 200));
        let before =
            [99, 100, 101, 110, 111, 130, 131, 999].map(|at| train.count_before(Timestamp(at)));
        assert_eq!(before, [0, 0, 1, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn delays_are_told_by_nearest_rank() {
        let mut delays: Vec<u64> = (1..=200).rev().collect();
        let delay = Delay::of(&mut delays);
        let ns = [delay.p50, delay.p99, delay.max].map(|d| d.as_nanos());
        assert_eq!(ns, [100, 198, 200]);
        assert_eq!(Delay::of(&mut []), Delay::default());
    }

    #[test]
    fn overhead_is_bytes_with_over_bytes_without() {
        let cost = Cost {
            genuine: 1000,
            dropped: 100,
            cover: 500,
            framing: 100,
        };
        assert_eq!((cost.carried(), cost.overhead()), (1500, Some(1.5)));
        assert_eq!(Cost::default().overhead(), None);
    }
}
