//! A device model from a capture whose activities are known: they are replayed with their real packet sizes and times.

use super::device::{fitted, DeviceModel, Recorded, RecordedPacket, RECORDED_AT_MOST};
use crate::trace::{Activity, Packet, Trace};
use std::collections::BTreeMap;

/// Why a trace gives no model of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The trace does not have it.
    #[error("there is no device {index}: the trace has {devices}, counted from 0")]
    NoDevice {
        /// The place named.
        index: usize,
        /// How many there are.
        devices: usize,
    },
    /// It is never used.
    #[error(
        "{device}: no activity to learn from; name its activities in a file and give it with --labels, or choose another device"
    )]
    NoActivities {
        /// The device.
        device: String,
    },
    /// It is used, but says nothing then.
    #[error(
        "{device}: none of its {activities} activities has a packet of it; do the labels' times and names match the capture?"
    )]
    NoPackets {
        /// The device.
        device: String,
        /// How many activities it has.
        activities: usize,
    },
    /// Too much for the memory.
    #[error(
        "{device}: its activities have more than {RECORDED_AT_MOST} packets together; learn from a part of the capture, or from shorter activities"
    )]
    Many {
        /// The device.
        device: String,
    },
}

impl DeviceModel {
    /// Learns from a trace: the packets of a device (a place in [`Trace::devices`]) within the span of each activity's
    /// traffic. T and R are just above what they need. Background is not learned.
    ///
    /// # Errors
    /// No such device, no activity of it, no packet in any of its activities, or too many.
    pub fn of_trace(trace: &Trace, device: usize) -> Result<Self, ModelError> {
        let known = trace.devices.get(device).ok_or(ModelError::NoDevice {
            index: device,
            devices: trace.devices.len(),
        })?;
        let named = || known.id.clone();
        let of: Vec<Packet> = trace
            .packets
            .iter()
            .filter(|packet| trace.device_of(packet) == Some(device))
            .copied()
            .collect();
        let (mut activities, mut seen, mut recorded) = (Vec::new(), 0usize, 0usize);
        for activity in trace.activities_of(device) {
            seen += 1;
            let packets = within(&of, activity);
            recorded = recorded.saturating_add(packets.len());
            if recorded > RECORDED_AT_MOST {
                return Err(ModelError::Many { device: named() });
            }
            activities.extend(replay(packets, &activity.label));
        }
        if seen == 0 {
            return Err(ModelError::NoActivities { device: named() });
        }
        if activities.is_empty() {
            return Err(ModelError::NoPackets {
                device: named(),
                activities: seen,
            });
        }
        let (period, rate_up, rate_down) = fitted(&activities);
        Ok(Self {
            id: named(),
            name: known.name.clone(),
            activities,
            server: server(trace, &of),
            background: None,
            period,
            rate_up,
            rate_down,
            calibrated: Vec::new(),
        })
    }
}

/// Of the packets, ascending in time, those within the traffic of an activity.
fn within<'a>(packets: &'a [Packet], activity: &Activity) -> &'a [Packet] {
    let from = packets.partition_point(|packet| packet.at < activity.traffic.start);
    let to = packets.partition_point(|packet| packet.at <= activity.traffic.end);
    packets.get(from..to).unwrap_or_default()
}

/// From the first byte to the last; `None` without any.
fn replay(packets: &[Packet], label: &str) -> Option<Recorded> {
    let (first, last) = (packets.first()?, packets.last()?);
    Some(Recorded {
        duration: last.at.since(first.at),
        packets: packets
            .iter()
            .map(|packet| RecordedPacket {
                after: packet.at.since(first.at),
                direction: packet.direction,
                bytes: packet.bytes,
            })
            .collect(),
        label: label.to_owned(),
    })
}

/// The far end with the most bytes; the first by name among equals.
fn server(trace: &Trace, packets: &[Packet]) -> String {
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for packet in packets {
        *bytes.entry(packet.flow).or_default() += u64::from(packet.bytes);
    }
    let mut far: BTreeMap<String, u64> = BTreeMap::new();
    for (flow, bytes) in bytes {
        if let Some(flow) = trace.flows.get(flow as usize) {
            *far.entry(flow.far()).or_default() += bytes;
        }
    }
    // Backwards, for the last of several greatest is taken.
    let busiest = far.into_iter().rev().max_by_key(|(_, bytes)| *bytes);
    busiest.map(|(name, _)| name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::tiny;
    use crate::units::Direction;
    use std::time::Duration;

    #[test]
    fn activities_are_taken_with_their_packets() {
        let trace = tiny(
            &[
                (0, true, 40),
                (5, true, 500),
                (7, false, 600),
                (9, true, 50),
                (20, false, 70),
            ],
            &[(4, 8), (15, 16), (20, 20)],
        );
        let model = DeviceModel::of_trace(&trace, 0).unwrap();
        // The activity without packets is not among them.
        let found: Vec<(u64, usize, u64)> = model
            .activities
            .iter()
            .map(|a| (a.duration.as_secs(), a.packets.len(), a.bytes()))
            .collect();
        assert_eq!(found, [(2, 2, 1_100), (0, 1, 70)]);
        assert_eq!(model.activities[0].packets[1].after, Duration::from_secs(2));
        assert_eq!(model.activities[0].packets[1].direction, Direction::Down);
        assert_eq!(model.server, "203.0.113.7");
        assert_eq!(model.period, Duration::from_secs(3));
        assert_eq!(model.rate_up.bytes_per_s(), 525.0);
        assert_eq!(model.rate_down.bytes_per_s(), 630.0);
        assert!(model.calibrated.is_empty());
    }

    #[test]
    fn nothing_to_learn_from_is_an_error() {
        let idle = tiny(&[(0, true, 40)], &[]);
        assert!(matches!(
            DeviceModel::of_trace(&idle, 0),
            Err(ModelError::NoActivities { .. })
        ));
        assert!(matches!(
            DeviceModel::of_trace(&idle, 1),
            Err(ModelError::NoDevice {
                index: 1,
                devices: 1
            })
        ));
        let silent = tiny(&[(0, true, 40)], &[(5, 8)]);
        let error = DeviceModel::of_trace(&silent, 0).unwrap_err();
        assert!(error.to_string().contains("none of its 1 activities"));
    }
}
