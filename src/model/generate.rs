//! From a home that is made up to a trace of it: activities begin by chance and are replayed packet by packet.

use super::arrivals::Geometric;
use super::device::{DeviceModel, Recorded, RecordedPacket};
use super::home::{HomeModel, Resident};
use super::household::{begins, Day};
use crate::flow::key::Endpoint;
use crate::packet::dissect::Protocol;
use crate::trace::{Activity, Device, Flow, Packet, Source, Trace, PACKETS_AT_MOST};
use crate::units::{nanos, Span, Timestamp, NANOS};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// When generated traces begin: 2020-01-01 00:00:00 UTC. Any instant would do, so long as it is always the same.
pub const BEGIN: Timestamp = Timestamp(1_577_836_800 * NANOS);
/// Most packets of a generated trace.
pub const GENERATED_AT_MOST: usize = PACKETS_AT_MOST / 5;
/// Longest trace in seconds: ten years.
pub const SECONDS_AT_MOST: u64 = 315_360_000;
/// No background is denser than this.
const EVERY_AT_LEAST: Duration = Duration::from_millis(1);

/// Lives in a home for so many seconds (at most [`SECONDS_AT_MOST`]).
///
/// In each second in which a device is not used, a use begins with its chance p, at any instant of that second, drawn evenly:
/// nobody switches a light on the second, and who did would be known by it. Which use is replayed is drawn evenly, and no other
/// of that device begins before the first whole second after its last byte, so that no two share an instant; from last byte to
/// next begin it is 1 / p seconds on average. A use that begins within the window is replayed
/// to its end, and the window grows to hold it. Each device has chance of its own, so that one added at the end of the list
/// changes no other. Devices that have a part in people's lives are used as those are lived, day by day, at any instant of a
/// second; one that is still busy is used once it is free. A trace that would have more than [`GENERATED_AT_MOST`] packets ends earlier: see its window.
///
/// Without devices, or in too short a time, the trace has no packets.
pub fn generate(home: &HomeModel, seconds: u64, chance: &mut ChaCha8Rng) -> Trace {
    let mut end = BEGIN + Duration::from_secs(seconds.min(SECONDS_AT_MOST));
    let share = GENERATED_AT_MOST / home.devices.len().max(1);
    let mut trace = Trace {
        window: Span::new(BEGIN, end),
        devices: Vec::new(),
        flows: Vec::new(),
        packets: Vec::new(),
        activities: Vec::new(),
        source: Source::Generated,
    };
    let mut days: Option<Vec<Day>> = None;
    for (index, resident) in home.devices.iter().enumerate() {
        if resident.habit.is_some() && days.is_none() {
            let mut lives = ChaCha8Rng::seed_from_u64(chance.next_u64());
            let count = seconds.min(SECONDS_AT_MOST).div_ceil(86_400);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            days = Some(Day::days(BEGIN, count, &mut lives));
        }
        let mut own = ChaCha8Rng::seed_from_u64(chance.next_u64());
        let mut life = Life {
            place: index,
            end,
            left: share,
            trace: &mut trace,
        };
        life.heartbeats(&resident.model, &mut own);
        match (resident.habit, &days) {
            (Some(habit), Some(days)) => {
                let begins = begins(habit, days, BEGIN, &mut own);
                life.habits(&resident.model, &begins, &mut own);
            }
            _ => life.activities(resident, &mut own),
        }
        end = life.end;
        trace.devices.push(Device {
            id: resident.model.id.clone(),
            name: resident.model.name.clone(),
        });
        trace.flows.push(flow(&resident.model, index));
    }
    cut(&mut trace, end);
    trace
}

/// Takes away what begins at or after the end; a use is taken away whole.
fn cut(trace: &mut Trace, end: Timestamp) {
    trace
        .activities
        .retain(|activity| activity.span.start < end);
    let mut window = Span::new(BEGIN, end.max(BEGIN));
    // To where each device still speaks: its last use runs on past the end.
    let mut until = vec![end; trace.devices.len()];
    for activity in &trace.activities {
        window.extend(activity.span.end);
        if let Some(until) = until.get_mut(activity.device) {
            *until = (*until).max(activity.span.end + Duration::from_nanos(1));
        }
    }
    // Each device has one flow, at its own place.
    let ends = |packet: &Packet| until.get(packet.flow as usize).copied();
    trace
        .packets
        .retain(|packet| ends(packet).is_some_and(|until| packet.at < until));
    trace.packets.sort_by_key(|packet| packet.at);
    trace
        .activities
        .sort_by_key(|activity| (activity.span, activity.device));
    trace.window = window;
}

/// One device while its packets are made.
struct Life<'a> {
    place: usize,
    end: Timestamp,
    /// Packets it may still send.
    left: usize,
    trace: &'a mut Trace,
}

impl Life<'_> {
    /// Sends packets, if there is room for all of them; ends the trace otherwise.
    fn send(&mut self, begin: Timestamp, packets: &[RecordedPacket]) -> bool {
        let Some(left) = self.left.checked_sub(packets.len()) else {
            self.end = self.end.min(begin);
            return false;
        };
        self.left = left;
        let flow = u32::try_from(self.place).unwrap_or(u32::MAX);
        self.trace
            .packets
            .extend(packets.iter().map(|packet| Packet {
                at: begin + packet.after,
                flow,
                direction: packet.direction,
                bytes: packet.bytes,
            }));
        true
    }

    /// The background, from a random instant of its first turn on.
    fn heartbeats(&mut self, model: &DeviceModel, chance: &mut ChaCha8Rng) {
        let Some(background) = &model.background else {
            return;
        };
        let every = background.every.max(EVERY_AT_LEAST);
        let mut at = BEGIN + Duration::from_nanos(chance.gen_range(0..nanos(every)).unsigned_abs());
        // No packets in an exchange: none at all, and no end of the loop by the bound on packets.
        while at < self.end && !background.packets.is_empty() && self.send(at, &background.packets)
        {
            at = at + every;
        }
    }

    /// Uses as people's lives have them.
    fn habits(&mut self, model: &DeviceModel, begins: &[Timestamp], chance: &mut ChaCha8Rng) {
        let mut free = BEGIN;
        for begin in begins {
            let begin = free.max(*begin);
            let Some(use_) = model
                .activities
                .get(chance.gen_range(0..model.activities.len().max(1)))
            else {
                return;
            };
            if begin >= self.end || !self.send(begin, &use_.packets) {
                return;
            }
            self.used(begin, use_);
            free = begin + use_.duration + Duration::from_secs(1);
        }
    }

    /// Notes a use.
    fn used(&mut self, begin: Timestamp, use_: &Recorded) {
        let span = Span::new(begin, begin + use_.duration);
        self.trace.activities.push(Activity {
            device: self.place,
            span,
            traffic: span,
            label: use_.label.clone(),
        });
    }

    fn activities(&mut self, resident: &Resident, chance: &mut ChaCha8Rng) {
        let arrivals = Geometric::new(resident.activity);
        let recorded = &resident.model.activities;
        let mut idle = 0u64;
        while !recorded.is_empty() {
            let second = idle.saturating_add(arrivals.draw(chance));
            let within = Duration::from_nanos(chance.gen_range(0..NANOS).unsigned_abs());
            let begin = BEGIN + Duration::from_secs(second.min(SECONDS_AT_MOST)) + within;
            let Some(use_) = recorded.get(chance.gen_range(0..recorded.len())) else {
                return;
            };
            if begin >= self.end || !self.send(begin, &use_.packets) {
                return;
            }
            self.used(begin, use_);
            // The second of its last byte is not idle.
            let busy = within.saturating_add(use_.duration).as_secs();
            idle = second.saturating_add(busy).saturating_add(1);
        }
    }
}

fn flow(model: &DeviceModel, index: usize) -> Flow {
    // More devices than addresses share the last one, and are told apart by their ports.
    let host = |first: u8| {
        first
            .saturating_add(u8::try_from(index).unwrap_or(u8::MAX))
            .min(254)
    };
    let port = u16::try_from(index).unwrap_or(u16::MAX);
    Flow {
        device: Some(index),
        protocol: Protocol::TCP,
        local: Endpoint {
            address: IpAddr::V4(Ipv4Addr::new(192, 168, 77, host(10))),
            port: 40_000u16.saturating_add(port),
        },
        remote: Endpoint {
            address: IpAddr::V4(Ipv4Addr::new(198, 51, 100, host(10))),
            port: 443,
        },
        server: Some(model.server.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Probability;

    fn chance(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    #[test]
    fn the_same_seed_is_the_same_day() {
        let home = HomeModel::built_in();
        let day = |seed| generate(&home, 86_400, &mut chance(seed));
        let trace = day(1);
        assert_eq!(trace, day(1));
        assert_ne!(trace, day(2));
        assert_eq!(trace.clone().checked().unwrap(), trace);
        assert!(home.name.contains("synthetic"));
    }

    #[test]
    fn a_device_more_changes_no_other() {
        let home = HomeModel::built_in();
        let fewer = HomeModel {
            devices: home.devices[..3].to_vec(),
            ..home.clone()
        };
        let (all, some) = (
            generate(&home, 20_000, &mut chance(3)),
            generate(&fewer, 20_000, &mut chance(3)),
        );
        let of: Vec<Packet> = all.packets.into_iter().filter(|p| p.flow < 3).collect();
        assert_eq!(of, some.packets);
    }

    #[test]
    fn activities_are_replayed_whole_and_never_at_once() {
        for home in HomeModel::all() {
            // People with habits do not wash every day.
            let seconds = if home.id == "habits" { 400_000 } else { 40_000 };
            let trace = generate(&home, seconds, &mut chance(5));
            for (index, resident) in home.devices.iter().enumerate() {
                let mut free = BEGIN;
                for activity in trace.activities_of(index) {
                    assert!(activity.span.start >= free);
                    free = activity.span.end;
                    let packets: Vec<RecordedPacket> = trace
                        .packets
                        .iter()
                        .filter(|p| p.flow as usize == index && activity.traffic.contains(p.at))
                        .map(|p| RecordedPacket {
                            after: p.at.since(activity.span.start),
                            direction: p.direction,
                            bytes: p.bytes,
                        })
                        .collect();
                    let whole = resident.model.activities.iter().any(|recorded| {
                        recorded
                            .packets
                            .iter()
                            .all(|packet| packets.contains(packet))
                    });
                    assert!(whole, "{}: {activity:?}", home.id);
                }
                assert!(free > BEGIN, "{}: {index} is never used", home.id);
            }
        }
    }

    #[test]
    fn arrivals_come_at_their_chance() {
        let home = HomeModel::single_device();
        let trace = generate(&home, 3_000_000, &mut chance(8));
        // A turn is 299 seconds in vain, those that a use ends beyond its own, and its own. As a use begins at any instant of a
        // second, it ends as many seconds on as it is long, on average: 7.75 s / 7 (of 1.25 s three of four times 1, else 2).
        let expected = 3_000_000.0 / (299.0 + 7.75 / 7.0 + 1.0);
        let found = trace.activities.len() as f64;
        assert!(
            (found - expected).abs() < 5.0 * expected.sqrt(),
            "{found}, not {expected}"
        );
    }

    #[test]
    fn uses_begin_at_any_instant_of_a_second_and_idle_time_is_what_chance_says() {
        let home = HomeModel::single_device();
        let trace = generate(&home, 3_000_000, &mut chance(8));
        let count = trace.activities.len() as f64;
        let mut tenths = [0u32; 10];
        for activity in &trace.activities {
            let within = activity.span.start.0.rem_euclid(NANOS);
            tenths[(within * 10 / NANOS) as usize] += 1;
        }
        // A tenth each, within four standard deviations of it.
        let deviation = (count * 0.1 * 0.9).sqrt();
        for tenth in tenths {
            assert!(
                (f64::from(tenth) - count / 10.0).abs() < 4.0 * deviation,
                "{tenths:?}"
            );
        }
        // From last byte to next begin 1 / p = 300 s; as idle times are as wide as they are long, within four standard errors.
        let pairs = trace.activities.windows(2);
        let idle = pairs.map(|pair| pair[1].span.start.since(pair[0].span.end).as_secs_f64());
        let mean = idle.sum::<f64>() / (count - 1.0);
        assert!((mean - 300.0).abs() < 4.0 * 300.0 / count.sqrt(), "{mean}");
        // Never two in one second, nor one before the last byte of another.
        for pair in trace.activities.windows(2) {
            let second = |at: Timestamp| at.0.div_euclid(NANOS);
            assert!(second(pair[1].span.start) > second(pair[0].span.end));
        }
    }

    #[test]
    fn too_many_packets_end_the_trace_early() {
        let mut home = HomeModel::single_device();
        home.devices[0].model.background = Some(crate::model::Background {
            every: Duration::ZERO,
            packets: vec![
                RecordedPacket {
                    after: Duration::ZERO,
                    direction: crate::units::Direction::Up,
                    bytes: 40,
                };
                1_000
            ],
        });
        home.devices[0].activity = Probability::NEVER;
        let trace = generate(&home, u64::MAX, &mut chance(1));
        assert_eq!(trace.packets.len(), GENERATED_AT_MOST);
        // 20,000 exchanges, a millisecond apart.
        assert_eq!(trace.seconds().round(), 20.0);
        let none = HomeModel {
            devices: Vec::new(),
            ..home
        };
        assert!(generate(&none, 10, &mut chance(1)).packets.is_empty());
    }
}
