//! What a device's uses look like on the wire, and how it is padded.

use crate::trace::PACKETS_AT_MOST;
use crate::units::{Direction, Rate};
use std::time::Duration;

/// R is kept "slightly above" the highest rate of any use (the paper, section 6.1): by a twentieth.
const RATE_MARGIN: f64 = 1.05;
/// What a second is, for the highest rate.
const SECOND: Duration = Duration::from_secs(1);

/// A packet of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPacket {
    /// How long after the first byte of the use.
    pub after: Duration,
    /// Which way.
    pub direction: Direction,
    /// Bytes of the IP packet.
    pub bytes: u32,
}

/// One use of a device, to be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// From its first byte to its last.
    pub duration: Duration,
    /// Its packets, ascending in time.
    pub packets: Vec<RecordedPacket>,
    /// What it was.
    pub label: String,
}

impl Recorded {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.packets.iter().map(|p| u64::from(p.bytes)).sum()
    }

    /// Most bytes in this direction within any second, wherever it begins.
    pub fn peak_bytes_per_s(&self, direction: Direction) -> u64 {
        let of: Vec<&RecordedPacket> = self
            .packets
            .iter()
            .filter(|packet| packet.direction == direction)
            .collect();
        let (mut most, mut within, mut first) = (0, 0u64, of.iter());
        for packet in &of {
            within += u64::from(packet.bytes);
            while let Some(old) = first.as_slice().first() {
                if packet.after.saturating_sub(old.after) < SECOND {
                    break;
                }
                within = within.saturating_sub(u64::from(old.bytes));
                first.next();
            }
            most = most.max(within);
        }
        most
    }
}

/// What a device says when nobody uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Background {
    /// From one exchange to the next.
    pub every: Duration,
    /// The packets of an exchange.
    pub packets: Vec<RecordedPacket>,
}

/// A device as a simulation knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceModel {
    /// Its short name, as on the command line: `wemo`.
    pub id: String,
    /// What it is, for people.
    pub name: String,
    /// Its recorded uses; each is as likely to be replayed as any other.
    pub activities: Vec<Recorded>,
    /// The server it speaks with.
    pub server: String,
    /// What it says when nobody uses it; the paper's simulator has none (D_notA = 0).
    pub background: Option<Background>,
    /// T: length of a period of padding.
    pub period: Duration,
    /// R_u: upload rate while padded.
    pub rate_up: Rate,
    /// R_d: download rate while padded.
    pub rate_down: Rate,
    /// What of this was chosen so that a published result comes out, by its name in reports; the rest follows.
    pub calibrated: Vec<&'static str>,
}

impl DeviceModel {
    /// R T: bytes of a padded period, both ways.
    pub fn padded_bytes(&self) -> f64 {
        (self.rate_up.bytes_per_s() + self.rate_down.bytes_per_s()) * self.period.as_secs_f64()
    }

    /// D_A: mean bytes of a use, both ways; `None` without one.
    pub fn mean_bytes(&self) -> Option<f64> {
        let bytes: u64 = self.activities.iter().map(Recorded::bytes).sum();
        (!self.activities.is_empty()).then(|| bytes as f64 / self.activities.len() as f64)
    }

    /// Mean length of a use; `None` without one.
    pub fn mean_seconds(&self) -> Option<f64> {
        let seconds = self.activities.iter().map(|a| a.duration.as_secs_f64());
        (!self.activities.is_empty()).then(|| seconds.sum::<f64>() / self.activities.len() as f64)
    }
}

/// T, R_u and R_d above all that was recorded: the next whole second after the longest use, and a twentieth above the most
/// bytes that any second has (the paper, section 6.1).
pub fn fitted(activities: &[Recorded]) -> (Duration, Rate, Rate) {
    let longest = activities.iter().map(|activity| activity.duration).max();
    let period = Duration::from_secs(longest.unwrap_or_default().as_secs().saturating_add(1));
    let most = |direction| {
        let peaks = activities.iter().map(|a| a.peak_bytes_per_s(direction));
        rate(peaks.max().unwrap_or(0) as f64 * RATE_MARGIN)
    };
    (period, most(Direction::Up), most(Direction::Down))
}

/// The nearest rate that is one: a direction without traffic is padded with a byte a second.
pub(super) fn rate(bytes_per_s: f64) -> Rate {
    Rate::new(bytes_per_s.max(1.0)).unwrap_or(Rate::MOST)
}

/// Packets of nearly one size at one distance, the first at the begin and the last at the end, that carry so many bytes.
pub(super) fn evenly(
    direction: Direction,
    bytes: u32,
    packet: u32,
    duration: Duration,
) -> Vec<RecordedPacket> {
    let count = bytes.div_ceil(packet.max(1)).max(2);
    let (size, more) = (bytes / count, bytes % count);
    (0..count)
        .map(|n| RecordedPacket {
            after: duration.saturating_mul(n) / (count - 1),
            direction,
            bytes: size + u32::from(n < more),
        })
        .collect()
}

/// A use at one rate: bytes in total, of which so many go up, in packets of about these sizes.
pub(super) fn steady(
    label: &str,
    duration: Duration,
    (up, down): (u32, u32),
    (up_packet, down_packet): (u32, u32),
) -> Recorded {
    let mut packets = evenly(Direction::Up, up, up_packet, duration);
    packets.extend(evenly(Direction::Down, down, down_packet, duration));
    // Stable: at one instant the request comes before the answer.
    packets.sort_by_key(|packet| packet.after);
    Recorded {
        duration,
        packets,
        label: label.to_owned(),
    }
}

/// Most packets that the uses of one model may have together.
pub const RECORDED_AT_MOST: usize = PACKETS_AT_MOST / 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ms: u64, direction: Direction, bytes: u32) -> RecordedPacket {
        RecordedPacket {
            after: Duration::from_millis(ms),
            direction,
            bytes,
        }
    }

    #[test]
    fn the_busiest_second_begins_anywhere() {
        let recorded = Recorded {
            duration: Duration::from_millis(2_100),
            packets: vec![
                packet(0, Direction::Up, 100),
                packet(600, Direction::Up, 200),
                packet(900, Direction::Down, 5_000),
                packet(1_000, Direction::Up, 300),
                packet(1_599, Direction::Up, 400),
                packet(2_100, Direction::Up, 50),
            ],
            label: "on".into(),
        };
        // From .6 s: 200 + 300 + 400.
        assert_eq!(recorded.peak_bytes_per_s(Direction::Up), 900);
        assert_eq!(recorded.peak_bytes_per_s(Direction::Down), 5_000);
        let (period, up, down) = fitted(&[recorded]);
        assert_eq!(period, Duration::from_secs(3));
        assert_eq!((up.bytes_per_s(), down.bytes_per_s()), (945.0, 5_250.0));
    }

    #[test]
    fn even_packets_carry_all_bytes_from_begin_to_end() {
        let packets = evenly(Direction::Up, 1_001, 300, Duration::from_secs(3));
        let sizes: Vec<(u64, u32)> = packets
            .iter()
            .map(|p| (p.after.as_secs(), p.bytes))
            .collect();
        assert_eq!(sizes, [(0, 251), (1, 250), (2, 250), (3, 250)]);
    }

    #[test]
    fn a_silent_direction_still_has_a_rate() {
        let (_, _, down) = fitted(&[Recorded {
            duration: Duration::ZERO,
            packets: vec![packet(0, Direction::Up, 60)],
            label: String::new(),
        }]);
        assert_eq!(down.bytes_per_s(), 1.0);
    }
}
