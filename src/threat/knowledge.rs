//! What one who watches had learned before: what each device looks like, in use and idle.

use crate::trace::{disjoint, holds, Trace};
use crate::units::{nanos, Direction, Span, NANOS};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    /// What its far ends are called, as [`SeenFlow::far`](super::SeenFlow::far) calls them.
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
