//! A wire for tests: a padded flow with a heartbeat beside it, and a tunnel.

use crate::threat::{Knowledge, KnownDevice, Observation, SeenFlow, Shaping, Sighting, Vantage};
use crate::units::{Direction, Rate, Span, Timestamp, NANOS};
use std::sync::Arc;
use std::time::Duration;

/// A padded flow of the only device, cells of 100 bytes each second upwards, T 4 s: a run of two periods from 10 s and
/// one from 30 s; a heartbeat of 60 bytes at 20 s. And a tunnel: two packets at 50 s and 51 s, one at 60 s.
pub(crate) fn seen() -> Observation {
    let cells = |at: i64, count: u32| Sighting {
        count,
        every: NANOS,
        ..Sighting::one(Timestamp::new(at, 0), 0, Direction::Up, 100)
    };
    let one = |at: i64, flow, direction, bytes| {
        Sighting::one(Timestamp::new(at, 0), flow, direction, bytes)
    };
    let shaping = Shaping {
        period: Some(Duration::from_secs(4)),
        up: Rate::new(100.0).unwrap(),
        // Less than a cell in T.
        down: Rate::new(1.0).unwrap(),
        cell_bytes: 100,
    };
    let flow = |far: &str, shaping| SeenFlow {
        far: far.into(),
        shaping,
    };
    Observation {
        vantage: Vantage::Outside,
        window: Span::new(Timestamp(0), Timestamp::new(100, 0)),
        flows: vec![flow("plug.example", Some(shaping)), flow("tunnel", None)],
        sightings: vec![
            cells(10, 8),
            one(20, 0, Direction::Up, 60),
            cells(30, 4),
            one(50, 1, Direction::Up, 1_200),
            one(51, 1, Direction::Down, 90),
            one(60, 1, Direction::Up, 500),
        ],
    }
}

pub(crate) fn knowledge() -> Arc<Knowledge> {
    Arc::new(Knowledge {
        devices: vec![KnownDevice {
            servers: [String::from("plug.example")].into(),
            ..KnownDevice::default()
        }],
        ..Knowledge::default()
    })
}
