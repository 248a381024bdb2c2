//! Stochastic traffic padding held against what is published, and against what its own theory foretells.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use stp_audit::defense::settings::{DailyBudget, Durations, Padding, Scope, Settings, TimeModel};
use stp_audit::defense::{find, DEFENSES};
use stp_audit::flow::key::Endpoint;
use stp_audit::model::generate;
use stp_audit::model::home::HomeModel;
use stp_audit::packet::dissect::Protocol;
use stp_audit::stp::shaper::ExtensionRule;
use stp_audit::threat::{Defense, ShapedTrace};
use stp_audit::trace::{Activity, Device, Flow, Packet, Source, Trace};
use stp_audit::units::{Direction, Probability, Rate, Span, Timestamp};

const SECOND: i64 = 1_000_000_000;

fn trace(seconds: i64, packets: Vec<Packet>, activities: Vec<Span>) -> Trace {
    let end = |last, port| Endpoint {
        address: [192, 0, 2, last].into(),
        port,
    };
    Trace {
        window: Span::new(Timestamp(0), Timestamp(seconds * SECOND - 1)),
        devices: vec![Device {
            id: "camera".into(),
            name: "A camera".into(),
        }],
        flows: vec![Flow {
            device: Some(0),
            protocol: Protocol::TCP,
            local: end(1, 5000),
            remote: end(2, 443),
            server: None,
        }],
        packets,
        activities: activities
            .into_iter()
            .map(|span| Activity {
                device: 0,
                span,
                traffic: span,
                label: "motion".into(),
            })
            .collect(),
        source: Source::Generated,
    }
    .checked()
    .unwrap()
}

/// A camera as in the paper, section 6.2: an activity begins with chance p an idle second and lasts 8 to 15 s, with a
/// packet of 1000 bytes up and one of 200 down a second.
fn nest(p: f64, seconds: i64) -> Trace {
    let mut chance = ChaCha8Rng::seed_from_u64(77);
    let (mut packets, mut activities) = (Vec::new(), Vec::new());
    let mut now = 0;
    loop {
        let idle = (1.0 - chance.gen::<f64>()).ln() / (1.0 - p).ln();
        now += (idle * SECOND as f64) as i64;
        let length = chance.gen_range(8 * SECOND..15 * SECOND);
        if now + length >= seconds * SECOND {
            break;
        }
        let mut at = now;
        while at <= now + length {
            for (direction, bytes) in [(Direction::Up, 1000), (Direction::Down, 200)] {
                packets.push(Packet {
                    at: Timestamp(at),
                    flow: 0,
                    direction,
                    bytes,
                });
            }
            at += SECOND;
        }
        activities.push(Span::new(Timestamp(now), Timestamp(now + length)));
        now += length;
    }
    trace(seconds, packets, activities)
}

fn q(number: f64) -> Padding {
    Padding::Q(Probability::new(number).unwrap())
}

fn stp(settings: &Settings, trace: &Trace) -> Box<dyn Defense> {
    (find("stp").unwrap().make)(settings, trace).unwrap()
}

fn shape(defense: &dyn Defense, trace: &Trace, seed: u64) -> ShapedTrace {
    defense.shape(trace, &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Share of padded periods that are genuine, and bytes with over bytes without; over trials.
fn measured(settings: &Settings, trace: &Trace, trials: u64) -> (f64, f64) {
    let defense = stp(settings, trace);
    let (mut padded, mut genuine, mut carried) = (0, 0, 0);
    for seed in 0..trials {
        let shaped = shape(&*defense, trace, seed);
        padded += shaped.periods.len();
        genuine += shaped.periods.iter().filter(|p| p.genuine).count();
        carried += shaped.seen.bytes();
    }
    let c = genuine as f64 / padded as f64;
    (c, carried as f64 / trials as f64 / trace.bytes() as f64)
}

/// Of runs of two periods and more: the share that hides an activity.
fn long_runs_genuine(settings: &Settings, trace: &Trace) -> f64 {
    let (mut long, mut genuine) = (0, 0);
    let defense = stp(settings, trace);
    for seed in 0..4 {
        let shaped = shape(&*defense, trace, seed);
        for run in shaped.periods.chunk_by(|a, b| a.span.end == b.span.start) {
            if run.len() >= 2 {
                long += 1;
                genuine += usize::from(run.iter().any(|period| period.genuine));
            }
        }
    }
    assert!(long > 500, "{long} runs");
    f64::from(u32::try_from(genuine).unwrap()) / f64::from(long)
}

#[test]
fn run_lengths_tell_under_the_papers_rule_and_not_under_ours() {
    for (p, published) in [(0.01, 0.96), (0.001, 0.60)] {
        // 4,000 activities or so.
        let trace = nest(p, (4000.0 / p) as i64);
        // T as long as the longest activity: 15 s.
        let settings = |rule, durations| Settings {
            period_margin: 1.0,
            padding: q(0.01),
            rule,
            durations,
            ..Settings::default()
        };
        let paper = long_runs_genuine(&settings(ExtensionRule::Paper, Durations::Fixed), &trace);
        assert!((paper - published).abs() < 0.05, "p {p}: {paper}");
        let phantom = settings(ExtensionRule::Phantom, Durations::Empirical);
        let phantom = long_runs_genuine(&phantom, &trace);
        // Two activities or phantoms under it, each of which is genuine with chance p / (p + q).
        let expected = 1.0 - (1.0 - p / (p + 0.01f64)).powi(2);
        println!("p {p}: paper {paper:.3} published {published}, phantom {phantom:.3} expected {expected:.3}");
        assert!(
            (phantom - expected).abs() < 0.05,
            "p {p}: {phantom}, {expected}"
        );
    }
}

/// Uses of 1.2 s about every 400 s, of 500 bytes at their begin and at their end.
fn switch(seconds: i64) -> Trace {
    let mut chance = ChaCha8Rng::seed_from_u64(78);
    let (mut packets, mut activities) = (Vec::new(), Vec::new());
    let mut now = chance.gen_range(0..800 * SECOND);
    while now < (seconds - 2) * SECOND {
        let end = now + 6 * SECOND / 5;
        packets.extend([now, end].map(|at| Packet {
            at: Timestamp(at),
            flow: 0,
            direction: Direction::Up,
            bytes: 500,
        }));
        activities.push(Span::new(Timestamp(now), Timestamp(end)));
        now = end + chance.gen_range(3 * SECOND..800 * SECOND);
    }
    trace(seconds, packets, activities)
}

/// A period of 2 s that cover began was once extended by more cover far oftener than one that an activity began: a begin
/// right after a second of its own had a chance beside that of any second. Of two periods less was genuine than of one.
#[test]
fn cover_goes_on_as_often_whatever_began_the_padding() {
    let trace = switch(1_200_000);
    let settings = Settings {
        period: Some(Duration::from_secs(2)),
        rate_up: Rate::new(4000.0),
        rate_down: Rate::new(2000.0),
        padding: q(0.02),
        ..Settings::default()
    };
    let defense = stp(&settings, &trace);
    // By what is under the first period of a stretch, cover or an activity: how many there were, and of how many the second
    // had nothing under it but cover.
    let mut counts = [[0u32; 2]; 2];
    for seed in 0..4 {
        let shaped = shape(&*defense, &trace, seed);
        for run in shaped.periods.chunk_by(|a, b| a.span.end == b.span.start) {
            let [count, more] = &mut counts[usize::from(run[0].genuine)];
            *count += 1;
            *more += u32::from(run.get(1).is_some_and(|second| !second.genuine));
        }
    }
    let [cover, activity] = counts.map(|[count, more]| f64::from(more) / f64::from(count));
    println!("{counts:?}: {cover:.4} of those that cover began, {activity:.4} of others");
    // Something of at least 1.2 s that began in the last 1.2 s at the most: 2.4 %, a little more as bytes wait for cells.
    assert!((0.023..0.030).contains(&activity), "{activity}");
    assert!((cover / activity - 1.0).abs() < 0.15, "{cover} {activity}");
}

/// Of devices whose uses are over before their last bytes have gone, as a bulb's single burst: cover that lasts only as long
/// as uses do would be extended less often than they are.
#[test]
fn bytes_that_still_wait_do_not_tell_either() {
    for mut device in HomeModel::built_in().devices {
        let id = device.model.id.clone();
        // A heartbeat that still waits extends padding as well, be it cover or not.
        device.model.background = None;
        let home = HomeModel {
            devices: Vec::new(),
            ..HomeModel::single_device()
        };
        let p = Probability::new(0.002).unwrap();
        let home = home.with(device.model, p);
        let trace = generate(&home, 1_500_000, &mut ChaCha8Rng::seed_from_u64(5));
        let settings = Settings {
            padding: q(0.01),
            ..Settings::default()
        };
        let share = long_runs_genuine(&settings, &trace);
        // Of two that began independently, at least one genuine.
        let expected = 1.0 - (1.0f64 - 0.002 / 0.012).powi(2);
        println!("{id}: {share:.3} of long runs are genuine, {expected:.3} expected");
        assert!((share - expected).abs() < 0.05, "{id}: {share} {expected}");
    }
}

#[test]
fn what_the_renewal_argument_foretells_comes_true() {
    for p in [0.01, 0.001] {
        let trace = nest(p, 100_000);
        for rule in [ExtensionRule::Paper, ExtensionRule::Phantom] {
            for chance in [0.001, 0.01, 0.1, 1.0] {
                let settings = Settings {
                    padding: q(chance),
                    rule,
                    ..Settings::default()
                };
                let told = stp(&settings, &trace).foretold();
                let (c, b) = measured(&settings, &trace, 5);
                let (told_c, told_b) = (told.confidence.unwrap(), told.overhead.unwrap());
                println!("p {p} q {chance} {rule:?}: c {c:.3} told {told_c:.3}, b {b:.2} told {told_b:.2}");
                assert!(
                    (c - told_c).abs() < 0.05,
                    "{rule:?} q {chance}: {c} {told_c}"
                );
                assert!(
                    (b / told_b - 1.0).abs() < 0.06,
                    "{rule:?} q {chance}: {b} {told_b}"
                );
            }
        }
    }
}

#[test]
fn on_the_grid_equations_1_and_2_come_true() {
    // 20,000 periods of 10 s, of which 2 % have an activity of 3 s; in each, a packet of background.
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let (mut packets, mut activities) = (Vec::new(), Vec::new());
    for period in 0..20_000 {
        let begin = period * 10 * SECOND;
        let packet = |at, bytes| Packet {
            at: Timestamp(at),
            flow: 0,
            direction: Direction::Up,
            bytes,
        };
        packets.push(packet(begin + SECOND, 300));
        if chance.gen_bool(0.02) {
            let from = begin + 4 * SECOND;
            packets.extend((0..4).map(|n| packet(from + n * SECOND, 1000)));
            activities.push(Span::new(Timestamp(from), Timestamp(from + 3 * SECOND)));
        }
    }
    let trace = trace(200_000, packets, activities);
    for rule in [ExtensionRule::Paper, ExtensionRule::Phantom] {
        for chance in [0.0, 0.02, 0.1, 0.5, 1.0] {
            let settings = Settings {
                model: TimeModel::Grid,
                rule,
                period: Some(Duration::from_secs(10)),
                rate_up: Rate::new(2000.0),
                rate_down: Rate::new(1000.0),
                padding: q(chance),
                ..Settings::default()
            };
            let told = stp(&settings, &trace).foretold();
            let (c, b) = measured(&settings, &trace, 16);
            let (told_c, told_b) = (told.confidence.unwrap(), told.overhead.unwrap());
            println!("q {chance} {rule:?}: c {c:.4} told {told_c:.4}, b {b:.3} told {told_b:.3}");
            assert!((c - told_c).abs() < 0.02, "{c} {told_c}");
            assert!((b / told_b - 1.0).abs() < 0.02, "{b} {told_b}");
        }
    }
}

#[test]
fn promises_are_kept() {
    let trace = nest(0.002, 100_000);
    let with = |padding| Settings {
        padding,
        ..Settings::default()
    };
    for wanted in [0.2, 0.5, 0.9] {
        let (c, _) = measured(&with(Padding::TargetConfidence(wanted)), &trace, 5);
        assert!((c - wanted).abs() < 0.05, "{c} of {wanted}");
    }
    for cap in [0.5e9, 1e9] {
        let (_, b) = measured(&with(Padding::DataCap(cap)), &trace, 5);
        let month = b * trace.bytes() as f64 / 100_000.0 * 2_592_000.0;
        assert!(
            month / cap > 0.93 && month / cap < 1.05,
            "{month:e} of {cap:e}"
        );
    }
    let knee = stp(&with(Padding::Knee), &trace);
    let told = knee.parameters();
    assert_eq!(told["q_from"], "knee of c / b");
    let knee = told["q"].as_f64().unwrap();
    assert!(knee > 0.0 && knee < 0.2, "{knee}");
    // What cannot be had is refused, and what can be is named.
    let error = |padding| {
        let made = (find("stp").unwrap().make)(&with(padding), &trace);
        made.err().unwrap().to_string()
    };
    assert!(error(Padding::TargetConfidence(0.01)).contains("q = 1"));
    assert!(error(Padding::DataCap(1e6)).contains("raise the cap"));
}

/// A heartbeat that comes just before each period would end finds no cell and passes as it is: were it to wait, each would
/// extend padding to the next, for ever.
#[test]
fn a_heartbeat_in_step_with_padding_does_not_keep_it_on() {
    let packet = |at, bytes| Packet {
        at: Timestamp(at),
        flow: 0,
        direction: Direction::Up,
        bytes,
    };
    // Used once, from 100 to 103 s; T 10 s; beats a millisecond before 110, 120, ... 20,000 s.
    let mut packets: Vec<Packet> = (0..4).map(|n| packet((100 + n) * SECOND, 500)).collect();
    packets.extend((11..2_000).map(|n| packet(n * 10 * SECOND - SECOND / 1_000, 90)));
    let used = Span::new(Timestamp(100 * SECOND), Timestamp(103 * SECOND));
    let trace = trace(20_000, packets, vec![used]);
    for scope in [Scope::PerDevice, Scope::Home] {
        let settings = Settings {
            scope,
            period: Some(Duration::from_secs(10)),
            rate_up: Rate::new(2000.0),
            rate_down: Rate::new(1000.0),
            padding: q(0.0),
            ..Settings::default()
        };
        let shaped = shape(&*stp(&settings, &trace), &trace, 1);
        assert_eq!(shaped.periods.len(), 1, "{scope:?}");
        // 30,000 bytes of padding, and 1,989 beats of 90 as they are, or in a tunnel's frames.
        assert!(
            shaped.seen.bytes() < 30_000 + 1_989 * 200,
            "{}",
            shaped.seen.bytes()
        );
        assert_eq!(shaped.cost.dropped, 0);
    }
}

/// `cargo test --release --test stochastic_padding -- --ignored --nocapture`: a million packets through every defense.
#[test]
#[ignore = "measures; run it on a release build"]
fn a_million_packets() {
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    let mut packets = Vec::with_capacity(1_000_000);
    let mut activities = Vec::new();
    // A day: background at random, and an activity of 12 s every 500 s in which half of all packets are.
    let day = 86_400 * SECOND;
    for n in 0..1_000_000u32 {
        let at = match n % 2 {
            0 => chance.gen_range(0..day),
            _ => chance.gen_range(0..172) * 500 * SECOND + chance.gen_range(0..12 * SECOND),
        };
        packets.push(Packet {
            at: Timestamp(at),
            flow: 0,
            direction: if n % 3 == 0 {
                Direction::Up
            } else {
                Direction::Down
            },
            bytes: chance.gen_range(60..1500),
        });
    }
    for n in 0..172 {
        let from = n * 500 * SECOND;
        activities.push(Span::new(Timestamp(from), Timestamp(from + 12 * SECOND)));
    }
    let trace = trace(86_400, packets, activities);
    for row in DEFENSES {
        let start = std::time::Instant::now();
        let defense = (row.make)(&Settings::default(), &trace).unwrap();
        let made = start.elapsed();
        let mut best = Duration::MAX;
        for seed in 0..5 {
            let start = std::time::Instant::now();
            let shaped = shape(&*defense, &trace, seed);
            best = best.min(start.elapsed());
            if seed == 0 {
                println!(
                    "{}: {} entries, {} packets, {:?}, {:?}",
                    row.name,
                    shaped.seen.sightings.len(),
                    shaped.seen.packets(),
                    shaped.cost,
                    shaped.delay
                );
            }
        }
        println!("{}: made in {made:?}, shaped in {best:?}", row.name);
    }
}

/// The days of a daily budget begin when its shaper does. What is kept back for activities at ten in the morning is kept back
/// until then, whatever the time of day at which a trace begins that is not the one the defense was made for.
#[test]
fn a_budget_keeps_back_by_the_time_of_day_and_not_by_the_age_of_the_trace() {
    const DAY: i64 = 86_400;
    // Five minutes at 10:00 on every other day, 20 periods of 15 s; a packet each second.
    let mut packets = Vec::new();
    let mut spans = Vec::new();
    for day in (0..12).step_by(2) {
        let begin = day * DAY + 36_000;
        packets.extend((begin..begin + 299).map(|second| Packet {
            at: Timestamp(second * SECOND),
            flow: 0,
            direction: Direction::Up,
            bytes: 500,
        }));
        let at = |second: i64| Timestamp(second * SECOND);
        spans.push(Span::new(at(begin), at(begin + 298)));
    }
    let known = trace(12 * DAY, packets, spans);
    let settings = Settings {
        period: Some(Duration::from_secs(15)),
        padding: q(0.0),
        daily_budget: Some(DailyBudget::Periods(24)),
        ..Settings::default()
    };
    let defense = stp(&settings, &known);
    for hour in [0, 6, 12, 18] {
        let mut lived = known.clone();
        let start = Timestamp(hour * 3_600 * SECOND);
        lived.window = Span::new(start, lived.window.end);
        lived.packets.retain(|packet| packet.at >= start);
        lived.activities.retain(|one| one.span.start >= start);
        let shaped = shape(&*defense, &lived, 3);
        let mut counts = [0; 11];
        for period in &shaped.periods {
            let day = (period.span.start.0 - start.0) / (DAY * SECOND);
            if let Some(count) = counts.get_mut(usize::try_from(day).unwrap()) {
                *count += 1;
            }
        }
        assert_eq!(counts, [24; 11], "from {hour} o'clock on");
    }
}
