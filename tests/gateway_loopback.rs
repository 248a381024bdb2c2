//! The tunnel over real UDP sockets on 127.0.0.1: what the relay sees is the schedule, and what goes in comes out.

mod tunnel;

use std::collections::BTreeSet;
use std::time::Duration;
use stp_audit::gateway::relay::{Faults, Relay};
use stp_audit::gateway::run::{loopback, Arrival, Pace, Tunnel};
use stp_audit::units::{Direction, Timestamp};
use tunnel::{at, follower, leader, seeded, Setup, CELL, EVERY};

#[test]
fn what_goes_in_comes_out_over_real_sockets() {
    // Two minutes of the trace in six seconds of the clock.
    let scale = 20.0;
    let setup = Setup {
        q: 0.05,
        ..Setup::default()
    };
    let arrivals: Vec<Arrival> = (0..600)
        .map(|n| Arrival {
            at: at(1.0 + f64::from(n) * 0.19),
            direction: [Direction::Up, Direction::Down][n as usize % 2],
            flow: n % 3,
            bytes: 40 + n * 2,
            // A burst of ten packets is an activity, the next twenty are background.
            activity: (n % 30 < 10).then(|| at(1.0 + f64::from(n) * 0.19)),
        })
        .collect();
    let tunnel = Tunnel {
        near: leader(&setup, at(0.0), 0),
        far: follower(&setup, at(0.0), 0),
        relay: Relay::new(Faults::none(Duration::ZERO), seeded(1)),
        arrivals,
    };
    let pace = Pace {
        origin: at(0.0),
        end: at(120.0),
        linger: Duration::from_secs(60),
        scale,
    };
    let outcome = loopback(vec![tunnel], pace).unwrap().remove(0);
    assert_eq!((outcome.offered, outcome.delivered), (600, 600));
    let wrong = [
        outcome.altered,
        outcome.repeated,
        outcome.disordered,
        outcome.refused,
    ];
    assert_eq!(wrong, [0; 4]);
    let sizes: BTreeSet<usize> = outcome.seen.iter().map(|seen| seen.payload_bytes).collect();
    assert_eq!(sizes, BTreeSet::from([CELL as usize - 28]));
    assert!(outcome.periods.len() > 3 && outcome.handshakes >= 1);
    // While padded, as many cells as the plan has: both ends' count, less what was missed, within a few at each end.
    for (direction, every) in [(Direction::Up, EVERY[0]), (Direction::Down, EVERY[1])] {
        let seen: Vec<Timestamp> = outcome
            .seen
            .iter()
            .filter(|s| s.direction == direction)
            .map(|s| s.at)
            .collect();
        for begin in &outcome.periods {
            // From a second after its begin, for eight.
            let from = seen.partition_point(|&at| at < *begin + Duration::from_secs(1));
            let to = seen.partition_point(|&at| at < *begin + Duration::from_secs(9));
            if *begin + Duration::from_secs(9) > pace.end {
                continue;
            }
            let planned = 8_000_000_000 / every;
            let count = (to - from) as i64;
            assert!(
                count <= planned + 2 + 60,
                "{direction:?}: {count} of {planned}"
            );
            assert!(
                count + outcome.missed as i64 >= planned - 2,
                "{direction:?}: {count} of {planned}, {} missed",
                outcome.missed
            );
        }
    }
}
