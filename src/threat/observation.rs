//! What the wire shows.

use crate::units::{Direction, Rate, Span, Timestamp};
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
}
