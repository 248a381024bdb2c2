//! What is audited is what is shipped: the defense `stp` in virtual time and the tunnel's two ends, driven by the same plans
//! and chance over the packets of the built-in home, send the same cells.

mod tunnel;

use std::collections::BTreeSet;
use std::time::Duration;
use stp_audit::defense::settings::{QuietTraffic, Settings};
use stp_audit::defense::tunnel::make;
use stp_audit::gateway::endpoint::Endpoint;
use stp_audit::gateway::relay::{Faults, Relay};
use stp_audit::gateway::session::Limits;
use stp_audit::model::{generate, HomeModel};
use stp_audit::stp::follower::Follows;
use stp_audit::units::{Direction, Timestamp};
use tunnel::{identity, seeded, Come, Setup, Tunnel};

#[test]
fn the_defense_and_the_tunnels_of_a_home_send_the_same_cells() {
    let trace = generate(&HomeModel::built_in(), 4 * 3600, &mut seeded(3));
    let trace = trace.checked().unwrap();
    let settings = Settings {
        quiet: QuietTraffic::Pass,
        ..Settings::default()
    };
    let tunnels = make(&settings, &trace, &trace, &mut seeded(9)).unwrap();
    let (tunnels, _, simulator) = tunnels.split();
    assert!(tunnels.len() > 3);
    let shaped = simulator.shape(&trace, &mut seeded(9));
    let setup = Setup {
        limits: Limits {
            age: Duration::from_secs(1_000_000),
            end: Duration::from_secs(2_000_000),
            ..Limits::default()
        },
        ..Setup::default()
    };
    let (mut cells, mut missing) = (0, 0);
    for (flow, of) in tunnels.into_iter().enumerate() {
        let follows = Follows {
            period: of.plan.period,
            cell_bytes: of.plan.cell_bytes,
            cadence: of.plan.cadences[1].clone(),
            waiting_at_most: of.plan.waiting_at_most,
            quiet: of.plan.quiet,
            origin: of.plan.origin,
        };
        let near = Endpoint::leader(of.plan, of.chance, identity(true, &setup, 0)).unwrap();
        let far = Endpoint::follower(follows, identity(false, &setup, 0)).unwrap();
        let relay = Relay::new(Faults::none(Duration::ZERO), seeded(1));
        let mut tunnel = Tunnel::of(near, far, relay);
        let arrivals = of.arrivals.iter();
        let coming: Vec<Come> = arrivals
            .map(|arrival| Come {
                at: arrival.at,
                up: arrival.direction == Direction::Up,
                bytes: arrival.bytes,
                until: arrival.activity,
            })
            .collect();
        tunnel.run(trace.window.end, &coming);
        for direction in [Direction::Up, Direction::Down] {
            let seen = shaped.seen.sightings.iter();
            let seen = seen.filter(|s| s.flow as usize == flow && s.direction == direction);
            // A stretch may be drained beyond the end of the trace, for which the tunnel was not run.
            let simulated: BTreeSet<Timestamp> = seen
                .flat_map(|s| s.instants())
                .filter(|at| *at <= trace.window.end)
                .collect();
            let padded: BTreeSet<Timestamp> = tunnel.padded(direction).into_iter().collect();
            assert!(padded.is_subset(&simulated), "{flow} {direction:?}");
            let sent: BTreeSet<Timestamp> = tunnel
                .sent
                .iter()
                .filter(|sent| sent.1 == direction)
                .map(|sent| sent.0)
                .collect();
            cells += simulated.len();
            // Background that found no cell before the end of padding goes after it; a stretch that is lengthened in its last
            // moments is heard of late.
            missing += simulated.difference(&sent).count();
        }
        assert_eq!(tunnel.numbers().len(), coming.len(), "{flow}");
    }
    assert!(cells > 20_000, "{cells}");
    assert!(missing * 200 < cells, "{missing} of {cells}");
}
