//! Adversaries against toy defenses written for this test: what the theory foretells is what they find.

mod audits;
mod toys;

use audits::{adversaries, audit, of_all, Named};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use stp_audit::adversary::{find, Row, ADVERSARIES};
use stp_audit::audit::{run, score, Audit};
use stp_audit::threat::*;
use stp_audit::trace::Trace;
use stp_audit::units::{Direction, Rate, Span, Timestamp, NANOS};
use stp_audit::verdict::{Latency, Outcome};
use toys::defenses::{Constant, Merge, Open, Stp};
use toys::home::{home, Model, CAMERA};

fn named(name: &str, defense: impl Defense + 'static) -> Named {
    (name.into(), Box::new(defense))
}

/// The row of all devices of each adversary against one defense.
fn against(
    trace: &Trace,
    defense: impl Defense + 'static,
    names: &[&str],
    trials: u32,
) -> Vec<Outcome> {
    let defenses = [named("toy", defense)];
    of_all(&audit(trace, &defenses, &adversaries(names), trials))
}

fn value(row: &Outcome) -> f64 {
    row.confidence.expect(&row.adversary).value
}

/// Sparse use: a detector of outliers needs outliers.
const RARE: Model = Model { p: 0.001, ..CAMERA };

#[test]
fn an_undefended_home_is_an_open_book() {
    let trace = home(&[RARE], 100_000, 1);
    let rows = against(
        &trace,
        Open,
        &["threshold", "device-rate", "every-padded-period"],
        1,
    );
    for row in &rows[..2] {
        assert!(value(row) > 0.98, "{row:?}");
        assert!(row.recall.unwrap() > 0.95, "{row:?}");
    }
    assert!(rows.iter().filter(|row| row.headline).count() == 1 && !rows[2].headline);
    // Nothing is padded: no claims, which is not a confidence of zero.
    assert_eq!((rows[2].claims, rows[2].confidence), (0, None));
    assert_eq!(rows[2].activities_per_period, None);
    assert_eq!(rows[0].overhead.ratio, Some(1.0));
}

/// terms.md: under the paper's rule .96 and .60; under that of phantoms 1 - (1 - p / (p + q))^2, within .05.
#[test]
fn long_runs_betray_activities_unless_cover_has_their_law() {
    let mut table =
        String::from("p      q      rule      run-length  foretold  every-padded-period\n");
    for (p, phantoms, foretold, within) in [
        (0.01, false, 0.96, 0.02),
        (0.001, false, 0.60, 0.05),
        (0.01, true, 0.75, 0.05),
        (0.001, true, 1.0 - (1.0 - 1.0f64 / 11.0).powi(2), 0.05),
    ] {
        let trace = home(&[Model { p, ..CAMERA }], 200_000, 7);
        let names = ["every-padded-period", "run-length"];
        let rows = against(&trace, Stp { q: 0.01, phantoms }, &names, 20);
        let [every, long] = [&rows[0], &rows[1]];
        table += &format!(
            "{p:<5}  0.01   {:8}  {:.2}        {foretold:.2}      {:.2}\n",
            if phantoms { "phantoms" } else { "paper" },
            value(long),
            value(every),
        );
        assert!((value(long) - foretold).abs() <= within, "{table}");
        // The leak shows in the control: lift above 1 for who sees it, 1 for who claims all.
        let [every, long] = [every.shuffled.unwrap(), long.shuffled.unwrap()];
        assert_eq!((every.lift, every.low, every.high), (1.0, 1.0, 1.0));
        match phantoms {
            false => assert!(long.low > 1.1, "{long:?}"),
            true => assert!(long.low < 1.0 && 1.0 < long.high, "{long:?}"),
        }
        for of in [every, long] {
            assert!(
                of.dealt.low < 1.0 + 1e-9 && of.dealt.high > 1.0 - 1e-9,
                "{of:?}"
            );
            assert_eq!(of.trials, 20);
        }
    }
    insta::assert_snapshot!(table);
}

/// Figure 4's published c is activities per padded period; genuine periods per padded period is the claimer's precision.
#[test]
fn who_claims_every_period_is_right_as_often_as_periods_are_genuine() {
    let trace = home(&[CAMERA], 100_000, 3);
    let rows = against(
        &trace,
        Stp {
            q: 1.0,
            phantoms: false,
        },
        &["every-padded-period"],
        3,
    );
    let row = &rows[0];
    assert!((value(row) - row.genuine_periods_per_period.unwrap()).abs() < 1e-12);
    // terms.md, Nest at q = 1: .137 activities per period, .225 genuine ones. Every second is padded: so is c_min.
    assert!(
        (row.activities_per_period.unwrap() - 0.142).abs() < 0.015,
        "{row:?}"
    );
    assert!((value(row) - 0.225).abs() < 0.03, "{row:?}");
    assert!(
        (value(row) - row.c_min.periods_touched.unwrap()).abs() < 0.002,
        "{row:?}"
    );
    let endless = against(
        &trace,
        Constant,
        &["every-padded-period", "run-length", "threshold"],
        1,
    );
    assert!((value(&endless[0]) - endless[0].c_min.periods_touched.unwrap()).abs() < 0.01);
    assert_eq!((endless[1].claims, endless[2].claims), (0, 0));
}

/// p = .001, q = .01: a day at home is about 2.8 standard deviations from a day away: an area of Phi(2.8 / sqrt 2) = .976.
#[test]
fn days_at_home_are_told_from_days_away_by_counting() {
    let trace = home(&[RARE], 5 * 86_400, 5);
    let row = &against(
        &trace,
        Stp {
            q: 0.01,
            phantoms: false,
        },
        &["count"],
        40,
    )[0];
    let area = row.auc.unwrap();
    assert!((area.value - 0.97).abs() < 0.025, "{area:?}");
    assert_eq!((row.claims, row.confidence, row.headline), (0, None, false));
    let row = &against(&trace, Constant, &["count"], 1)[0];
    assert_eq!(row.auc.unwrap().value, 0.5);
    let row = &against(&trace, Open, &["count"], 1)[0];
    assert_eq!(row.auc.unwrap().value, 1.0);
}

/// What a tunnel does hide: which of two devices alike it was.
#[test]
fn a_tunnel_hides_one_of_two_alike() {
    let one = Model {
        p: 0.0005,
        ..CAMERA
    };
    let two = Model {
        name: "camera-2",
        ..one
    };
    let trace = home(&[one, two], 86_400, 11);
    let row = &against(&trace, Merge, &["device-rate"], 1)[0];
    assert!((value(row) - 0.5).abs() < 0.15, "{row:?}");
    assert!(value(row) > row.c_min.periods_touched.unwrap());
    // Undefended their servers tell them apart.
    let row = &against(&trace, Open, &["device-rate"], 1)[0];
    assert!(value(row) > 0.98, "{row:?}");
}

/// The paper's three cases in which a tunnel does not help (section 5.2).
#[test]
fn a_tunnel_helps_no_single_sparse_or_dominating_device() {
    let plug = Model {
        name: "plug",
        p: 0.0005,
        seconds: (1, 1),
        packets: 3,
        up: 150,
        down: 120,
        background: 60,
    };
    let speaker = Model {
        name: "speaker",
        p: 0.0005,
        seconds: (2, 5),
        packets: 10,
        up: 300,
        down: 1200,
        background: 0,
    };
    let busy = Model {
        p: 0.02,
        seconds: (1, 4),
        packets: 2,
        ..plug
    };
    let video = Model {
        packets: 50,
        up: 1400,
        background: 1000,
        ..RARE
    };
    for (case, models, watched, least) in [
        ("single", vec![plug], "plug", 0.9),
        (
            "sparse",
            vec![
                Model {
                    p: 0.0005,
                    ..CAMERA
                },
                plug,
                speaker,
            ],
            "all",
            0.9,
        ),
        ("dominating", vec![video, busy], "camera", 0.9),
    ] {
        let trace = home(&models, 86_400, 11);
        let defenses = [named("vpn", Merge)];
        let adversaries = [find("device-rate").unwrap()];
        let rows = run(&audit(&trace, &defenses, &adversaries, 1), &|_, _| ());
        let row = rows.iter().find(|row| row.device == watched).unwrap();
        let min = row.c_min.periods_touched.unwrap();
        println!(
            "{case}: c {:.3}, recall {:.3}, c_min {min:.4}",
            value(row),
            row.recall.unwrap()
        );
        assert!(min < value(row) && value(row) <= 1.0, "{case}: {row:?}");
        assert!(
            value(row) >= least && row.recall.unwrap() > 0.5,
            "{case}: {row:?}"
        );
    }
}

fn everyone() -> Vec<&'static Row> {
    ADVERSARIES.iter().collect()
}

#[test]
fn threads_change_nothing() {
    let trace = home(&[CAMERA], 20_000, 2);
    let defenses = [
        named("none", Open),
        named(
            "stp",
            Stp {
                q: 0.01,
                phantoms: true,
            },
        ),
        named("ilp", Constant),
    ];
    let everyone = everyone();
    let of = |jobs| {
        let audit = Audit {
            jobs: Some(jobs),
            ..audit(&trace, &defenses, &everyone, 8)
        };
        run(&audit, &|_, _| ())
    };
    let one = of(1);
    assert_eq!(one, of(2));
    assert_eq!(one, of(5));
    // A row more moves none that was there.
    let fewer = [named(
        "stp",
        Stp {
            q: 0.01,
            phantoms: true,
        },
    )];
    let alone = run(&audit(&trace, &fewer, &everyone[1..3], 8), &|_, _| ());
    for row in &alone {
        assert!(one.contains(row), "{row:?}");
    }
}

#[test]
fn progress_is_told_to_the_end() {
    let trace = home(&[CAMERA], 5_000, 2);
    let defenses = [
        named("none", Open),
        named(
            "stp",
            Stp {
                q: 0.1,
                phantoms: false,
            },
        ),
    ];
    let told = std::sync::Mutex::new(Vec::new());
    let adversaries = [find("run-length").unwrap()];
    run(&audit(&trace, &defenses, &adversaries, 4), &|done, of| {
        told.lock().unwrap().push((done, of));
    });
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
}

/// A black box gives the numbers that the defense itself gave, from single packets and without being told its parameters.
#[test]
fn a_black_box_scores_as_its_defense_did() {
    let trace = home(&[CAMERA], 40_000, 4);
    for defense in [
        Box::new(Stp {
            q: 0.01,
            phantoms: false,
        }) as Box<dyn Defense>,
        Box::new(Stp {
            q: 0.03,
            phantoms: true,
        }),
        Box::new(Open),
        Box::new(Merge),
        Box::new(Constant),
    ] {
        let wire = std::sync::Arc::new(std::sync::Mutex::new(None));
        let defenses = [named("box", Tapped(defense, wire.clone()))];
        let adversaries: Vec<_> = everyone()
            .into_iter()
            .filter(|row| row.name != "count")
            .collect();
        let defended = run(&audit(&trace, &defenses, &adversaries, 1), &|_, _| ());
        let mut after: Observation = wire.lock().unwrap().take().unwrap();
        after.flows.iter_mut().for_each(|flow| flow.shaping = None);
        let trains = after.sightings.clone();
        let singles = trains.iter().flat_map(|train| {
            let one = |at| Sighting::one(at, train.flow, train.direction, train.bytes);
            train.instants().map(one).collect::<Vec<_>>()
        });
        after.sightings = singles.collect();
        let scored = score(&trace, &after, "box", &adversaries, 1, Duration::ZERO);
        let bare = |rows: &[Outcome]| -> Vec<Outcome> {
            let bare = |row: &Outcome| Outcome {
                parameters: BTreeMap::new(),
                // Of a black box unknown.
                added_latency_ms: Latency::default(),
                ..row.clone()
            };
            rows.iter().map(bare).collect()
        };
        assert_eq!(bare(&scored), bare(&defended));
        assert!(scored.iter().any(|row| row.claims > 0));
    }
}

/// Keeps what the wire showed.
struct Tapped(
    Box<dyn Defense>,
    std::sync::Arc<std::sync::Mutex<Option<Observation>>>,
);

impl Defense for Tapped {
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace {
        let shaped = self.0.shape(trace, chance);
        *self.1.lock().unwrap() = Some(shaped.seen.clone());
        shaped
    }

    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value> {
        self.0.parameters()
    }

    fn is_random(&self) -> bool {
        self.0.is_random()
    }
}

/// Any wire, the strangest times, sizes, flows and shapes among them.
fn any_wire() -> impl Strategy<Value = Observation> {
    let instant = || {
        prop_oneof![
            Just(i64::MIN),
            Just(i64::MAX),
            any::<i64>(),
            0..1_000 * NANOS
        ]
    };
    let rate = || (0.001f64..12.5e9).prop_map(|rate| Rate::new(rate).unwrap());
    let period = prop_oneof![
        Just(None),
        Just(Some(Duration::from_nanos(1))),
        Just(Some(Duration::MAX)),
        (0u64..100).prop_map(|s| Some(Duration::from_secs(s))),
    ];
    let shaping =
        (period, rate(), rate(), 0u32..3).prop_map(|(period, up, down, cell_bytes)| Shaping {
            period,
            up,
            down,
            cell_bytes,
        });
    let flow = (0..3, proptest::option::of(shaping)).prop_map(|(far, shaping)| SeenFlow {
        far: ["camera.example", "tunnel", ""][far as usize].into(),
        shaping,
    });
    let every = prop_oneof![Just(0), Just(-1), Just(i64::MAX), 0..30 * NANOS];
    let sighting = (
        instant(),
        0u32..4,
        any::<bool>(),
        0u32..4,
        0u32..2_000,
        every,
    );
    let sighting = sighting.prop_map(|(at, flow, up, bytes, count, every)| Sighting {
        at: Timestamp(at),
        flow,
        direction: if up { Direction::Up } else { Direction::Down },
        bytes,
        count,
        every,
    });
    let flows = prop::collection::vec(flow, 0..4);
    let sightings = prop::collection::vec(sighting, 0..40);
    (instant(), instant(), flows, sightings).prop_map(|(from, to, flows, mut sightings)| {
        sightings.sort_by_key(|sighting| sighting.at);
        Observation {
            vantage: Vantage::Outside,
            window: Span::new(Timestamp(from), Timestamp(to)),
            flows,
            sightings,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the wire, nobody panics, runs for ever, or believes in what is no number.
    #[test]
    fn strange_wires_are_guests(seen in any_wire()) {
        let trace = home(&[CAMERA], 1_000, 1);
        let everyone = everyone();
        let (packets, bytes) = (seen.packets(), seen.bytes());
        let recovered = stp_audit::adversary::recover::recover(seen.clone());
        prop_assert_eq!((recovered.packets(), recovered.bytes()), (packets, bytes));
        for seen in [seen, recovered] {
            let rows = score(&trace, &seen, "strange", &everyone, 1, Duration::from_secs(1));
            for row in rows {
                prop_assert!(row.correct <= row.claims && row.hit <= row.activities);
                prop_assert!(row.confidence.is_none_or(|c| c.low <= c.value && c.value <= c.high));
            }
            let knowledge = std::sync::Arc::new(Knowledge::study(&trace));
            let count = (find("count").unwrap().make)(knowledge, &Default::default());
            prop_assert!(count.guess(&seen).iter().all(|guess| guess.belief.is_finite()));
        }
    }
}
