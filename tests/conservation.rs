//! Laws of every defense, over random traces: bytes add up exactly, nothing is lost or overtakes, the wire is in order, and
//! the same seed gives the same wire.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use stp_audit::defense::settings::{
    DailyBudget, Durations, HabitsFrom, Padding, Rates, Scope, Settings, Shape, TimeModel, Trigger,
    Tunnel,
};
use stp_audit::defense::{find, DefenseError, DEFENSES};
use stp_audit::flow::key::Endpoint;
use stp_audit::packet::dissect::Protocol;
use stp_audit::stp::cadence::Cadence;
use stp_audit::stp::decision::Draws;
use stp_audit::stp::durations::DurationLaw;
use stp_audit::stp::lane::{Bounds, Quiet};
use stp_audit::stp::lowering::RatePolicy;
use stp_audit::stp::shaper::{Admission, ExtensionRule, Output, Plan, Shaper};
use stp_audit::threat::{ShapedTrace, Sighting, Vantage};
use stp_audit::trace::{Activity, Device, Flow, Packet, Source, Trace};
use stp_audit::units::{Direction, Probability, Rate, Span, Timestamp};

fn endpoint(last: u8, port: u16) -> Endpoint {
    Endpoint {
        address: [192, 0, 2, last].into(),
        port,
    }
}

/// Instants of about five minutes, often the same ones.
fn instant() -> impl Strategy<Value = i64> {
    let second = 1_000_000_000i64;
    prop_oneof![
        (0..30i64).prop_map(move |n| n * 10 * second),
        0..300 * second,
        (0..20i64).prop_map(move |n| 100 * second + n),
    ]
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..1500u32, 1 => Just(0u32), 1 => Just(65_535u32), 1 => Just(200_000u32)]
}

fn trace() -> impl Strategy<Value = Trace> {
    let flows = prop::collection::vec(prop::option::of(0..3usize), 1..6);
    let packets = prop::collection::vec((instant(), 0..6u32, any::<bool>(), size()), 1..150);
    let activities = prop::collection::vec((0..3usize, instant(), 0..20_000_000_000i64), 0..6);
    (flows, packets, activities).prop_map(|(flows, packets, activities)| {
        let count = flows.len() as u32;
        let device = |n: usize| Device {
            id: format!("device-{n}"),
            name: String::new(),
        };
        Trace {
            window: Span::at(Timestamp(packets[0].0)),
            devices: (0..3).map(device).collect(),
            flows: (1..)
                .zip(flows)
                .map(|(n, device)| Flow {
                    device,
                    protocol: Protocol::TCP,
                    local: endpoint(1, 1000),
                    remote: endpoint(n, 443),
                    server: (n % 2 == 0).then(|| format!("server-{n}.example")),
                })
                .collect(),
            packets: packets
                .into_iter()
                .map(|(at, flow, up, bytes)| Packet {
                    at: Timestamp(at),
                    flow: flow % count,
                    direction: if up { Direction::Up } else { Direction::Down },
                    bytes,
                })
                .collect(),
            activities: activities
                .into_iter()
                .map(|(device, at, length)| {
                    let span = Span::new(Timestamp(at), Timestamp(at + length));
                    Activity {
                        device,
                        span,
                        traffic: span,
                        label: "used".into(),
                    }
                })
                .collect(),
            source: Source::Generated,
        }
        .checked()
        .unwrap()
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let one = |all: &'static [bool]| prop::sample::select(all);
    let bools = || one(&[false, true]);
    let padding = prop_oneof![
        (0..=10u32).prop_map(|n| Padding::Q(Probability::new(f64::from(n) / 10.0).unwrap())),
        (0.05..1.0f64).prop_map(Padding::TargetConfidence),
        (1e6..1e12f64).prop_map(Padding::DataCap),
        Just(Padding::Knee),
    ];
    let given = (
        prop::option::of(1..40u64),
        prop::option::of(200.0..50_000.0f64),
        prop::option::of(200.0..50_000.0f64),
        prop::option::of(100..1500u32),
    );
    let durations = prop::sample::select(vec![
        Durations::Fixed,
        Durations::Empirical,
        Durations::LogNormal,
    ]);
    let choices = (
        bools(),
        bools(),
        bools(),
        bools(),
        bools(),
        bools(),
        bools(),
    );
    (padding, given, durations, choices).prop_map(
        |(padding, (period, up, down, cell_bytes), durations, choices)| {
            let (grid, paper, replay, home, any, open, lowering) = choices;
            Settings {
                period: period.map(Duration::from_secs),
                rate_up: up.and_then(Rate::new),
                rate_down: down.and_then(Rate::new),
                ilp_rate: up.and_then(Rate::new),
                rates: match lowering && !replay {
                    false => Rates::Fixed,
                    true => Rates::Lowering {
                        start: 3.0,
                        every: Duration::from_secs(20),
                    },
                },
                cell_bytes,
                padding,
                durations,
                model: if grid {
                    TimeModel::Grid
                } else {
                    TimeModel::PerSecond
                },
                rule: if paper {
                    ExtensionRule::Paper
                } else {
                    ExtensionRule::Phantom
                },
                shape: if replay {
                    Shape::Replay
                } else {
                    Shape::Constant
                },
                scope: if home { Scope::Home } else { Scope::PerDevice },
                trigger: if any { Trigger::Any } else { Trigger::Activity },
                tunnel: if open {
                    Tunnel::OpenVpn
                } else {
                    Tunnel::WireGuard
                },
                ..Settings::default()
            }
        },
    )
}

fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// What holds of every defended trace.
fn lawful(name: &str, trace: &Trace, shaped: &ShapedTrace) {
    let (seen, cost) = (&shaped.seen, &shaped.cost);
    assert_eq!(cost.genuine, trace.bytes(), "{name}");
    assert!(cost.dropped <= cost.genuine, "{name}");
    assert_eq!(
        seen.bytes(),
        cost.genuine - cost.dropped + cost.cover + cost.framing,
        "{name}: {cost:?}"
    );
    assert!(
        seen.sightings.is_sorted_by_key(|sighting| sighting.at),
        "{name}"
    );
    for sighting in &seen.sightings {
        assert!(
            sighting.count > 0 && sighting.every >= 0,
            "{name}: {sighting:?}"
        );
        assert!(
            (sighting.flow as usize) < seen.flows.len(),
            "{name}: {sighting:?}"
        );
        assert!(seen.window.contains(sighting.at) && seen.window.contains(sighting.end()));
    }
    assert!(seen.window.start == trace.window.start && seen.window.end >= trace.window.end);
    assert!(shaped.delay.p50 <= shaped.delay.p99 && shaped.delay.p99 <= shaped.delay.max);

    // Periods of one flow neither overlap nor run backwards, and every cell lies in one.
    let mut periods: BTreeMap<u32, Vec<Span>> = BTreeMap::new();
    for period in &shaped.periods {
        periods.entry(period.flow).or_default().push(period.span);
    }
    for spans in periods.values() {
        assert!(
            spans.windows(2).all(|two| two[0].end <= two[1].start),
            "{name}"
        );
    }
    assert!(
        shaped.periods.is_sorted_by_key(|period| period.span.start),
        "{name}"
    );
    let within = |flow: &u32, at: Timestamp| {
        let spans = periods.get(flow).map_or(&[][..], Vec::as_slice);
        spans.iter().any(|span| span.start <= at && at < span.end)
    };
    if name == "stp" {
        let trains = seen.sightings.iter().filter(|sighting| sighting.count > 1);
        let cells: Vec<&Sighting> = trains.filter(|train| train.every > 0).collect();
        assert!(cells
            .iter()
            .all(|train| train.instants().all(|at| within(&train.flow, at))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn bytes_add_up_and_the_wire_is_in_order(
        trace in trace(),
        settings in settings(),
        seed in any::<u64>(),
    ) {
        for row in DEFENSES {
            let defense = match (row.make)(&settings, &trace) {
                Ok(defense) => defense,
                Err(error) => {
                    let excused = matches!(
                        error,
                        DefenseError::NoActivity { .. }
                            | DefenseError::OutOfReach { .. }
                            | DefenseError::Together(_)
                            | DefenseError::TooMany { .. }
                    );
                    let excused = excused && row.name.starts_with(['s', 'i']);
                    prop_assert!(excused, "{}: {error}", row.name);
                    continue;
                }
            };
            let shaped = defense.shape(&trace, &mut seeded(seed));
            lawful(row.name, &trace, &shaped);
            prop_assert_eq!(&defense.shape(&trace, &mut seeded(seed)), &shaped);
            if !defense.is_random() {
                prop_assert_eq!(&defense.shape(&trace, &mut seeded(!seed)), &shaped);
            }
            if row.name != "firewall" {
                prop_assert_eq!(shaped.cost.dropped, 0);
            }
            let theory = defense.foretold();
            for told in [theory.confidence, theory.overhead].into_iter().flatten() {
                prop_assert!(told.is_finite() && told >= 0.0);
            }
            prop_assert!(theory.confidence.is_none_or(|c| c <= 1.0 + 1e-12));
        }
    }

    /// Whatever says when padding begins, and whether or not the day's number is held.
    #[test]
    fn bytes_add_up_whatever_is_followed(
        trace in trace(),
        settings in settings(),
        decision in prop::sample::select(vec!["bernoulli", "hourly", "hmm"]),
        learned in prop::option::of(1..4u32),
        daily_budget in prop::option::of(prop_oneof![
            Just(DailyBudget::Auto),
            (1..300u64).prop_map(DailyBudget::Periods),
        ]),
        seed in any::<u64>(),
    ) {
        let settings = Settings {
            decision: decision.into(),
            habits: match learned {
                Some(after) => HabitsFrom::Learned { after },
                None => HabitsFrom::Trace,
            },
            daily_budget,
            ..settings
        };
        let defense = match (find("stp").unwrap().make)(&settings, &trace) {
            Ok(defense) => defense,
            Err(error) => {
                let excused = matches!(
                    error,
                    DefenseError::NoActivity { .. }
                        | DefenseError::OutOfReach { .. }
                        | DefenseError::Together(_)
                        | DefenseError::Range { what: "a daily budget of periods", .. }
                        | DefenseError::TooMany { .. }
                );
                prop_assert!(excused, "{error}");
                return Ok(());
            }
        };
        let shaped = defense.shape(&trace, &mut seeded(seed));
        lawful("stp", &trace, &shaped);
        prop_assert_eq!(shaped.cost.dropped, 0);
        prop_assert_eq!(&defense.shape(&trace, &mut seeded(seed)), &shaped);
    }

    #[test]
    fn a_firewall_lets_nothing_of_the_devices_out(trace in trace()) {
        let make = |name: &str| (find(name).unwrap().make)(&Settings::default(), &trace).unwrap();
        let outside = make("firewall").shape(&trace, &mut seeded(0));
        prop_assert!(outside.seen.sightings.iter().all(|s| trace.flows[s.flow as usize].device.is_none()));
        let inside = make("firewall-inside").shape(&trace, &mut seeded(0));
        let plain = make("none").shape(&trace, &mut seeded(0));
        prop_assert_eq!(inside.seen.sightings, plain.seen.sightings);
        prop_assert_eq!(inside.seen.vantage, Vantage::Inside);
        prop_assert_eq!(&inside.broken, &outside.broken);
        let named = trace.flows.iter().filter(|f| f.device.is_some()).all(|f| outside.broken.contains(&f.far()));
        prop_assert!(named);
    }

    /// Of the shaper itself: every packet passes exactly once, whole, no earlier than it came, and none overtakes another.
    #[test]
    fn no_byte_is_lost_and_none_overtakes(
        mut offers in prop::collection::vec((instant(), any::<bool>(), size(), any::<bool>()), 1..200),
        grid in any::<bool>(),
        paper in any::<bool>(),
        q in 0.0..1.0f64,
        seed in any::<u64>(),
        fine in any::<bool>(),
    ) {
        offers.sort_by_key(|offer| offer.0);
        let period = Duration::from_secs(10);
        let mut chance = seeded(seed);
        let model = if grid { TimeModel::Grid } else { TimeModel::PerSecond };
        let rate = Rate::new(20_000.0).unwrap();
        let plan = Plan {
            period,
            cell_bytes: 300,
            cadences: [
                Cadence::constant(rate, period, 300),
                Cadence::replay(&[5, 0, 1, 9], rate, period, 300).unwrap(),
            ],
            model,
            rule: if paper { ExtensionRule::Paper } else { ExtensionRule::Phantom },
            durations: DurationLaw::Empirical([2, 12].map(Duration::from_secs).to_vec()),
            decision: (stp_audit::stp::find("bernoulli").unwrap().make)(
                Draws {
                    model,
                    chance: Probability::new(q).unwrap(),
                    period,
                    origin: Timestamp(0),
                },
                None,
            ),
            rates: RatePolicy::Fixed,
            origin: Timestamp(0),
            waiting_at_most: Bounds::NONE,
            quiet: Quiet::Pass,
        };
        let mut shaper = Shaper::new(plan, &mut chance).unwrap();
        let mut passed: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        let mut carried = [0u64; 2];
        let mut last_cell = [Timestamp(i64::MIN); 2];
        let mut through = [0u64; 2];
        let mut poll = |shaper: &mut Shaper, now: Timestamp, chance: &mut ChaCha8Rng, passed: &mut [Vec<u32>; 2]| {
            let ahead = now;
            while let Some(output) = shaper.poll(now, ahead, chance) {
                let Output::Cells { at, direction, count, every, genuine } = output else { continue };
                let way = usize::from(direction == Direction::Down);
                assert!(at > last_cell[way] && at <= now);
                last_cell[way] = Timestamp(at.0 + every * (i64::from(count) - 1));
                carried[way] += u64::from(genuine);
                assert!(genuine <= 240);
                while let Some(done) = shaper.delivered() {
                    assert!(done.at >= done.since && done.at == at);
                    passed[way].push(done.tag);
                }
            }
        };
        let mut offered: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        for (tag, &(at, up, bytes, active)) in (0u32..).zip(&offers) {
            let now = Timestamp(at);
            if fine {
                // As a gateway would: woken for each event.
                while let Some(next) = shaper.wake().filter(|&next| next < now) {
                    poll(&mut shaper, next, &mut chance, &mut passed);
                }
            }
            poll(&mut shaper, Timestamp(at - 1), &mut chance, &mut passed);
            let way = usize::from(!up);
            let direction = if up { Direction::Up } else { Direction::Down };
            offered[way].push(tag);
            match shaper.offer(now, direction, bytes, active.then_some(now), tag, &mut chance) {
                Admission::Through => {
                    passed[way].push(tag);
                    through[way] += u64::from(bytes);
                }
                Admission::Queued => {}
                Admission::Refused => panic!("refused"),
            }
        }
        while let (true, Some(next)) = (shaper.is_waiting(), shaper.wake()) {
            poll(&mut shaper, next, &mut chance, &mut passed);
        }
        prop_assert_eq!(passed, offered);
        for way in 0..2 {
            let all: u64 = offers.iter().filter(|o| usize::from(!o.1) == way).map(|o| u64::from(o.2)).sum();
            prop_assert_eq!(carried[way] + through[way], all);
        }
    }
}

#[test]
fn hostile_traces_are_refused_before_anything_is_allocated() {
    let packet = |at: i64| Packet {
        at: Timestamp(at),
        flow: 0,
        direction: Direction::Up,
        bytes: 100,
    };
    let span = Span::new(Timestamp(0), Timestamp(1_000_000_000));
    let made = |first: i64, last: i64, period: Duration| {
        let trace = Trace {
            window: Span::at(Timestamp(first)),
            devices: vec![Device {
                id: "plug".into(),
                name: String::new(),
            }],
            flows: vec![Flow {
                device: Some(0),
                protocol: Protocol::TCP,
                local: endpoint(1, 1),
                remote: endpoint(2, 2),
                server: None,
            }],
            packets: vec![packet(first), packet(last)],
            activities: vec![Activity {
                device: 0,
                span,
                traffic: span,
                label: String::new(),
            }],
            source: Source::Labels,
        };
        let settings = Settings {
            period: Some(period),
            padding: Padding::Q(Probability::ALWAYS),
            ..Settings::default()
        };
        let trace = trace.checked().unwrap();
        let make = |name: &str| (find(name).unwrap().make)(&settings, &trace).err();
        (make("stp"), make("ilp"), make("ilp-random"))
    };
    let second = Duration::from_secs(1);
    // From 1677 to 2262.
    let (stp, ilp, random) = made(i64::MIN, i64::MAX, second);
    assert!(
        matches!(
            stp,
            Some(DefenseError::TooLate { .. } | DefenseError::TooMany { .. })
        ),
        "{stp:?}"
    );
    assert!(ilp.is_some() && random.is_some());
    // Thirty years.
    let (stp, ilp, random) = made(0, 946_684_800_000_000_000, second);
    for error in [stp, ilp, random] {
        assert!(
            matches!(error, Some(DefenseError::TooMany { .. })),
            "{error:?}"
        );
    }
    // A day of milliseconds: too many periods.
    let (stp, ilp, _) = made(0, 86_400_000_000_000, Duration::from_millis(1));
    assert!(matches!(stp, Some(DefenseError::TooMany { .. })), "{stp:?}");
    assert_eq!(ilp, None);
}
