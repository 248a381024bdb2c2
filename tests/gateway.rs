//! The wire's truths, in simulated time: one size, one schedule, whatever is carried and whatever happens on the way.

mod tunnel;

use rand::Rng;
use std::collections::BTreeSet;
use std::time::Duration;
use stp_audit::gateway::relay::Faults;
use stp_audit::gateway::session::{Counts, Limits};
use stp_audit::stp::lane::{Bounds, Quiet};
use stp_audit::stp::shaper::{Admission, Output, Shaper};
use stp_audit::units::{Direction, Timestamp, NANOS};
use tunnel::{
    at, chance, come, follower, home, leader, plan, seeded, Come, Setup, Tunnel, CELL, EVERY, ROOM,
};

const QUIET: Quiet = Quiet::Constant([700_000_000, 900_000_000]);

#[test]
fn every_datagram_has_one_size_and_every_packet_comes_out_once() {
    for quiet in [Quiet::Pass, QUIET] {
        let setup = Setup {
            quiet,
            ..Setup::default()
        };
        let mut tunnel = Tunnel::new(&setup);
        let coming = home(3600.0, 5, true);
        tunnel.run(at(3700.0), &coming);
        assert!(tunnel.sent.len() > 100_000, "{}", tunnel.sent.len());
        let sizes: BTreeSet<usize> = tunnel.sent.iter().map(|sent| sent.2.bytes.len()).collect();
        assert_eq!(sizes, BTreeSet::from([CELL as usize - 28]));
        // Handshakes are among them, all 120 s.
        assert!(tunnel.near().counts().handshakes >= 29);
        let numbers = tunnel.numbers();
        let unlike: BTreeSet<usize> = numbers.iter().copied().collect();
        let counts = (numbers.len(), unlike.len());
        assert_eq!(counts, (coming.len(), coming.len()), "{quiet:?}");
        // In order, of each direction.
        for direction in [Direction::Up, Direction::Down] {
            let of = tunnel.out.iter().zip(&numbers);
            let of = of.filter(|(out, _)| out.1 == direction);
            assert!(
                of.map(|(_, number)| number).is_sorted(),
                "{quiet:?} {direction:?}"
            );
        }
        assert_eq!(tunnel.refused, 0);
        assert_eq!(tunnel.near().parts_lost() + tunnel.far().parts_lost(), 0);
    }
}

/// All cells of the one Shaper as a simulator drives it: when, and genuine bytes.
fn simulated(setup: &Setup, until: Timestamp, coming: &[Come]) -> [Vec<(Timestamp, u32)>; 2] {
    let mut chance = seeded(setup.seed);
    let mut shaper = Shaper::new(plan(setup, at(0.0)), &mut chance).unwrap();
    let mut cells = [Vec::new(), Vec::new()];
    let mut take = |output| {
        if let Output::Cells {
            at,
            direction,
            count,
            every,
            genuine,
        } = output
        {
            let of = &mut cells[usize::from(direction == Direction::Down)];
            of.extend((0..i64::from(count)).map(|n| (Timestamp(at.0 + n * every), genuine)));
        }
    };
    for come in coming {
        let before = Timestamp(come.at.0 - 1);
        while let Some(output) = shaper.poll(before, before, &mut chance) {
            take(output);
        }
        let direction = if come.up {
            Direction::Up
        } else {
            Direction::Down
        };
        let admission = shaper.offer(come.at, direction, come.bytes, come.until, 0, &mut chance);
        assert_ne!(admission, Admission::Refused);
    }
    while let Some(output) = shaper.poll(until, until, &mut chance) {
        take(output);
    }
    cells
}

#[test]
fn the_shaper_in_virtual_time_and_the_tunnel_are_one_cell_by_cell() {
    let mut cells = 0;
    for seed in 1..=4 {
        let setup = Setup {
            seed,
            faults: Faults::none(Duration::ZERO),
            // Keys once, before anything else: a handshake takes the place of what the simulator would send.
            limits: Limits {
                age: Duration::from_secs(1_000_000),
                end: Duration::from_secs(2_000_000),
                ..Limits::default()
            },
            ..Setup::default()
        };
        let coming: Vec<Come> = home(2000.0, 40 + seed, false);
        let mut tunnel = Tunnel::new(&setup);
        tunnel.run(at(2000.0), &coming);
        let [up, down] = simulated(&setup, at(2000.0), &coming);
        let told = |direction| -> Vec<(Timestamp, u32)> {
            let of = tunnel.sent.iter();
            let of = of.filter(|sent| sent.1 == direction && sent.2.padded);
            of.map(|sent| (sent.0, sent.2.genuine)).collect()
        };
        assert!(told(Direction::Up) == up, "{seed}");
        let instants = |cells: &[(Timestamp, u32)]| -> BTreeSet<Timestamp> {
            cells.iter().map(|cell| cell.0).collect()
        };
        let (ours, theirs) = (instants(&told(Direction::Down)), instants(&down));
        // A stretch that is lengthened in the last moment before its end, after the last cell up, is heard of with the next.
        let missing = theirs.difference(&ours).count();
        assert_eq!(ours.difference(&theirs).count(), 0, "{seed}");
        assert!(missing <= 2, "{seed}: {missing} of {}", theirs.len());
        cells += up.len() + down.len();
    }
    assert!(cells > 100_000, "{cells}");
}

#[test]
fn openings_that_cross_and_silent_hours_cost_nothing() {
    let setup = Setup {
        q: 0.0,
        // A round trip longer than the far end's patience: both open at once.
        faults: Faults::none(Duration::from_millis(700)),
        ..Setup::default()
    };
    let mut tunnel = Tunnel::new(&setup);
    // A packet now and then, mostly downwards, for three hours with a renewal every two minutes.
    let coming: Vec<Come> = (1..150)
        .map(|n| come(71.3 * f64::from(n), n % 5 == 0, 100 + n as u32, None))
        .collect();
    tunnel.run(at(10_800.0), &coming);
    assert_eq!(tunnel.numbers().len(), coming.len());
    assert_eq!(tunnel.far().counts().unauthentic, 0);
    let handshakes = tunnel.near().counts().handshakes;
    assert!(handshakes >= 85, "{handshakes}");
}

/// Where stretches of padding begin: cells that follow a pause.
fn begins(cells: &[Timestamp], every: i64) -> Vec<Timestamp> {
    let mut all = Vec::new();
    let mut last = Timestamp(i64::MIN);
    for &cell in cells {
        if cell.0.saturating_sub(last.0) > every {
            all.push(cell);
        }
        last = cell;
    }
    all
}

#[test]
fn both_directions_begin_together_within_one_way_delay() {
    let delay = Duration::from_millis(7);
    let setup = Setup {
        faults: Faults::none(delay),
        ..Setup::default()
    };
    let mut tunnel = Tunnel::new(&setup);
    tunnel.run(at(3600.0), &home(3600.0, 3, true));
    let up = begins(&tunnel.padded(Direction::Up), EVERY[0]);
    let down = begins(&tunnel.padded(Direction::Down), EVERY[1]);
    assert!(up.len() > 50, "{}", up.len());
    for begin in &up {
        assert!(down.contains(&(*begin + delay)), "{begin}");
    }
    // What begins down besides is a stretch that was lengthened in its last moments.
    assert!(down.len() - up.len() <= 2, "{} {}", up.len(), down.len());
}

#[test]
fn busy_and_idle_padding_have_the_same_gaps_also_with_a_full_queue_and_across_a_rekey() {
    let setup = Setup {
        bounds: Bounds {
            packets: 40,
            bytes: 30_000,
            wait: Duration::from_secs(2),
        },
        limits: Limits {
            age: Duration::from_secs(20),
            ..Limits::default()
        },
        ..Setup::default()
    };
    let mut tunnel = Tunnel::new(&setup);
    let mut coming = home(3600.0, 9, true);
    // Far more than cells can carry, at every fiftieth packet of an activity.
    let active = coming.iter().filter(|come| come.until.is_some());
    let floods: Vec<Come> = active.step_by(50).copied().collect();
    for flood in floods {
        coming.extend((0..300).map(|_| Come {
            bytes: 1000,
            ..flood
        }));
    }
    coming.sort_by_key(|come| come.at);
    tunnel.run(at(3700.0), &coming);
    assert!(tunnel.refused > 1000, "{}", tunnel.refused);
    assert!(tunnel.near().counts().handshakes > 100);
    for (direction, every) in [(Direction::Up, EVERY[0]), (Direction::Down, EVERY[1])] {
        let of = tunnel.sent.iter();
        let cells: Vec<_> = of.filter(|s| s.1 == direction && s.2.padded).collect();
        let (mut busy, mut idle) = (0, 0);
        for pair in cells.windows(2) {
            let gap = pair[1].0 .0 - pair[0].0 .0;
            let begin = gap > every;
            // In simulated time there is no other gap at all, but where padding ends and begins.
            assert!(gap == every || begin, "{direction:?}: {gap}");
            let of = if pair[1].2.genuine > 0 {
                &mut busy
            } else {
                &mut idle
            };
            *of += u32::from(!begin);
        }
        assert!(busy > 1000 && idle > 10_000, "{busy} {idle}");
    }
    // What was refused was counted; all else came out.
    assert_eq!(tunnel.numbers().len() + tunnel.refused, coming.len());
}

#[test]
fn padding_depends_on_when_activities_are_and_not_on_what_they_send() {
    let schedule = |bytes: u32, alive: bool| {
        let mut tunnel = Tunnel::new(&Setup::default());
        if !alive {
            tunnel.ends[1] = None;
        }
        let mut coming = home(1200.0, 11, false);
        for come in &mut coming {
            (come.bytes, come.up) = (bytes, true);
        }
        tunnel.run(at(1300.0), &coming);
        tunnel.padded(Direction::Up)
    };
    let little = schedule(40, true);
    assert!(little.len() > 10_000);
    assert!(schedule(190, true) == little);
    // The same with nobody at the other end: no key, nothing delivered, nothing changed.
    assert!(schedule(190, false) == little);
}

#[test]
fn at_a_constant_quiet_rate_background_moves_nothing() {
    let schedule = |background| {
        let setup = Setup {
            quiet: QUIET,
            ..Setup::default()
        };
        let mut tunnel = Tunnel::new(&setup);
        let coming = home(1200.0, 13, background);
        tunnel.run(at(1300.0), &coming);
        let of = |way| tunnel.sent.iter().filter(move |s| s.1 == way).map(|s| s.0);
        let both = of(Direction::Up).chain(of(Direction::Down));
        both.collect::<Vec<_>>()
    };
    let silent = schedule(false);
    assert!(silent.len() > 10_000);
    assert!(schedule(true) == silent);
}

#[test]
fn losses_cost_what_was_lost_and_hardly_move_anything() {
    let mut still = Tunnel::new(&Setup::default());
    let coming = home(6000.0, 17, true);
    still.run(at(6100.0), &coming);
    let cells = |tunnel: &Tunnel| tunnel.padded(Direction::Up).len() as f64;
    for (loss, least) in [(0.001, 0.98), (0.02, 0.8), (0.3, 0.1)] {
        let setup = Setup {
            faults: Faults {
                loss: chance(loss),
                ..Setup::default().faults
            },
            ..Setup::default()
        };
        let mut tunnel = Tunnel::new(&setup);
        tunnel.run(at(6100.0), &coming);
        let numbers = tunnel.numbers();
        let unlike: BTreeSet<usize> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), unlike.len(), "none twice");
        let share = numbers.len() as f64 / coming.len() as f64;
        assert!((least..1.0).contains(&share), "{loss}: {share}");
        // What begins at the device's side is padded whether or not anything arrives.
        let change = cells(&tunnel) / cells(&still) - 1.0;
        assert!(change.abs() < 0.1, "{loss}: {change}");
    }
}

#[test]
fn what_comes_twice_late_altered_or_again_is_delivered_once_or_not_at_all() {
    let setup = Setup {
        faults: Faults {
            duplicate: chance(0.2),
            // 2 s are 100 cells: within the window.
            late: (chance(0.1), Duration::from_secs(2)),
            flip: chance(0.02),
            replay: chance(0.5),
            forge: chance(0.5),
            ..Setup::default().faults
        },
        ..Setup::default()
    };
    let mut tunnel = Tunnel::new(&setup);
    let coming = home(2400.0, 19, true);
    tunnel.run(at(2500.0), &coming);
    let numbers = tunnel.numbers();
    let unlike: BTreeSet<usize> = numbers.iter().copied().collect();
    assert_eq!(numbers.len(), unlike.len(), "none twice");
    let share = numbers.len() as f64 / coming.len() as f64;
    assert!(share > 0.85, "{share}");
    let counts = tunnel.far().counts();
    assert!(
        counts.replayed > 1000 && counts.strange > 1000,
        "{counts:?}"
    );
}

#[test]
fn what_is_later_than_the_window_is_turned_away() {
    let setup = Setup {
        q: 1.0,
        faults: Faults {
            // 80 s are 4000 cells up.
            late: (chance(0.02), Duration::from_secs(80)),
            ..Setup::default().faults
        },
        limits: Limits {
            age: Duration::from_secs(1000),
            end: Duration::from_secs(2000),
            ..Limits::default()
        },
        ..Setup::default()
    };
    let mut tunnel = Tunnel::new(&setup);
    tunnel.run(at(400.0), &[]);
    // 2 % of 20,000 are late, of which (80 - 2048 * 0.02) / 80 by more than 2048 cells.
    let replayed = tunnel.far().counts().replayed as f64;
    assert!((replayed - 400.0 * 0.488).abs() < 60.0, "{replayed}");
}

/// Datagrams that were turned away.
fn turned(counts: Counts) -> u64 {
    counts.size + counts.strange + counts.unauthentic + counts.replayed
}

#[test]
fn a_whole_conversation_said_again_is_neither_delivered_nor_answered() {
    let mut tunnel = Tunnel::new(&Setup::default());
    tunnel.run(at(300.0), &home(280.0, 23, true));
    assert!(tunnel.out.len() > 50);
    let mut sent = tunnel.sent.clone();
    // Without what is still on its way.
    sent.retain(|sent| sent.0 < at(299.9));
    let (near, far) = (tunnel.near().counts(), tunnel.far().counts());
    for (_, direction, datagram) in &sent {
        let to = usize::from(*direction == Direction::Up);
        let end = tunnel.ends[to].as_mut().unwrap();
        assert!(end.receive(at(300.0), &datagram.bytes).is_empty());
    }
    let (near_after, far_after) = (tunnel.near().counts(), tunnel.far().counts());
    assert_eq!(near_after.handshakes, near.handshakes);
    assert_eq!(far_after.handshakes, far.handshakes);
    let total = turned(near_after) + turned(far_after) - turned(near) - turned(far);
    assert_eq!(total as usize, sent.len());
    // Ends that heard it all again and ends that did not send at the same instants.
    let mut other = Tunnel::new(&Setup::default());
    other.run(at(300.0), &home(280.0, 23, true));
    for tunnel in [&mut tunnel, &mut other] {
        tunnel.run(at(600.0), &[]);
    }
    let times = |tunnel: &Tunnel| {
        let times = tunnel.sent.iter().map(|s| (s.0, s.1));
        times.collect::<Vec<_>>()
    };
    assert!(times(&tunnel) == times(&other));
}

#[test]
fn a_hundred_thousand_forged_datagrams_change_nothing() {
    let mut tunnel = Tunnel::new(&Setup {
        q: 1.0,
        ..Setup::default()
    });
    tunnel.run(at(30.0), &[]);
    let real: Vec<Vec<u8>> = tunnel.sent.iter().map(|s| s.2.bytes.clone()).collect();
    let (before, now) = (tunnel.far().counts(), at(30.0));
    let mut chance = seeded(4);
    for n in 0..100_000usize {
        let mut forged = real[n % real.len()].clone();
        match n % 3 {
            0 => chance.fill(&mut forged[..]),
            1 => forged[chance.gen_range(0..CELL as usize - 28)] ^= 1 << (n % 8),
            _ => forged.truncate(n % 200),
        }
        assert!(tunnel.far().receive(now, &forged).is_empty());
    }
    let after = tunnel.far().counts();
    assert_eq!(after.handshakes, before.handshakes);
    assert_eq!(turned(after) - turned(before), 100_000);
    // The next genuine one passes.
    tunnel.run(at(31.0), &[come(30.5, true, 100, Some(31.0))]);
    assert_eq!(tunnel.numbers(), [0]);
}

#[test]
fn an_end_that_is_killed_and_started_again_is_back_within_five_seconds() {
    for killed in [0, 1] {
        let setup = Setup {
            q: 1.0,
            ..Setup::default()
        };
        let mut tunnel = Tunnel::new(&setup);
        let beat = |from: usize, to: usize| -> Vec<Come> {
            let halves = (2 * from + 1..2 * to).map(|n| n as f64 / 2.0);
            let both = halves.flat_map(|s| [true, false].map(|up| come(s, up, 100, None)));
            both.collect()
        };
        tunnel.run(at(30.0), &beat(1, 30));
        tunnel.ends[killed] = None;
        tunnel.run(at(40.0), &beat(30, 40));
        tunnel.ends[killed] = Some(match killed {
            0 => leader(&setup, at(40.0), 1),
            _ => follower(&setup, at(40.0), 1),
        });
        tunnel.run(at(60.0), &beat(40, 60));
        for direction in [Direction::Up, Direction::Down] {
            let mut out = tunnel.out.iter().filter(|o| o.1 == direction).map(|o| o.0);
            let back = out.find(|&out| out >= at(40.0)).unwrap();
            assert!(back < at(45.0), "{killed} {direction:?}: {back}");
        }
        // The one that lived went on as before, to the nanosecond; a follower begins anew with its leader's first stretch.
        let lived = [Direction::Up, Direction::Down][1 - killed];
        let every = EVERY[1 - killed];
        let cells = tunnel.padded(lived);
        let upset = cells.windows(2).filter(|w| w[1].0 - w[0].0 != every);
        let upset = upset.count();
        assert!(
            upset <= if killed == 0 { 3 } else { 0 },
            "{killed}: {upset}"
        );
        // Where cells are filled with zeros the wire has the bare keystream, which would be the same again were a nonce used
        // twice under a key.
        let filling = |bytes: &Vec<u8>| bytes[bytes.len() - 40..bytes.len() - 16].to_vec();
        let unlike: BTreeSet<Vec<u8>> = tunnel.sent.iter().map(|s| filling(&s.2.bytes)).collect();
        assert_eq!(unlike.len(), tunnel.sent.len());
    }
}

#[test]
fn an_end_that_sleeps_for_ten_seconds_does_not_catch_up() {
    for sleeper in [0, 1] {
        let setup = Setup {
            q: 1.0,
            ..Setup::default()
        };
        let mut tunnel = Tunnel::new(&setup);
        tunnel.run(at(20.0), &[]);
        tunnel.asleep[sleeper] = true;
        tunnel.run(at(30.0), &[]);
        tunnel.asleep[sleeper] = false;
        let coming = [come(31.0, true, 90, None), come(31.0, false, 90, None)];
        tunnel.run(at(50.0), &coming);
        let way = [Direction::Up, Direction::Down][sleeper];
        let cells = tunnel.padded(way);
        // One cell as it wakes, then the old beat; none in between.
        let close = cells.windows(2);
        let close = close.filter(|w| w[1].0 - w[0].0 < EVERY[sleeper]);
        assert!(close.count() <= 1, "{sleeper}");
        let slept = |cell: &&Timestamp| **cell > at(20.1) && **cell < at(29.9);
        assert_eq!(cells.iter().filter(slept).count(), 0, "{sleeper}");
        let missed = tunnel.ends[sleeper].as_ref().unwrap().missed() as i64;
        let asleep = 10 * NANOS / EVERY[sleeper];
        assert!((missed - asleep).abs() <= 2, "{sleeper}: {missed}");
        assert_eq!(tunnel.numbers().len(), 2);
    }
}

#[test]
fn a_packet_larger_than_a_cell_and_many_small_ones_in_one() {
    let mut tunnel = Tunnel::new(&Setup {
        q: 1.0,
        ..Setup::default()
    });
    let small = (0..4).map(|_| come(5.001, true, ROOM / 4, None));
    let coming: Vec<Come> = small.chain([come(6.001, true, 1400, None)]).collect();
    tunnel.run(at(9.0), &coming);
    let genuine = tunnel.sent.iter().map(|s| s.2.genuine);
    let genuine: Vec<u32> = genuine.filter(|&genuine| genuine > 0).collect();
    // Four of 50 in one cell of 200, and 1400 in seven.
    assert_eq!(genuine, [ROOM; 8]);
    assert_eq!(tunnel.numbers(), [0, 1, 2, 3, 4]);
}
