//! Adversaries that learn from the very wire they are asked about, as of a defense of which nothing else is known.

mod audits;
mod program;

use audits::{audit, lived, made, seeded, taught, Named};
use program::{line, valid, words};
use rand::Rng;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::Duration;
use stp_audit::adversary::{find_pupil, Settings as Watching};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{score_taught, Audited, Scored};
use stp_audit::defense::tunnel::Recorded;
use stp_audit::defense::Settings;
use stp_audit::flow::key::Endpoint;
use stp_audit::model::HomeModel;
use stp_audit::packet::dissect::Protocol;
use stp_audit::threat::{Observation, SeenFlow, Sighting, Vantage};
use stp_audit::trace::{Activity, Device, Flow, Packet, Source, Trace};
use stp_audit::units::{Direction, Span, Timestamp};
use stp_audit::verdict::ladder::Rung;

const MINUTES: u32 = 720;

fn endpoint(address: [u8; 4], port: u16) -> Endpoint {
    Endpoint {
        address: Ipv4Addr::from(address).into(),
        port,
    }
}

/// Twelve hours of a plug, and a defense by hand: at some time of each minute it is used (15 of 100 minutes), or cover says so
/// (35 of 100). A use is eight seconds of a packet every half second, and cover so many packets of the same.
fn plug(cover: u32) -> (Trace, Observation) {
    let mut chance = seeded(8);
    let half = Duration::from_millis(500);
    let (mut packets, mut activities, mut sightings) = (Vec::new(), Vec::new(), Vec::new());
    for minute in 0..MINUTES {
        let within = chance.gen_range(0..40_000_000_000i64);
        let start = Timestamp::new(i64::from(minute) * 60, within);
        let what = chance.gen_range(0..100);
        let count = match what {
            0..15 => 16,
            15..50 => cover,
            _ => continue,
        };
        for nth in 0..count {
            let at = start + half * nth;
            sightings.push(Sighting::one(at, 0, Direction::Up, 200));
            if what < 15 {
                packets.push(Packet {
                    at,
                    flow: 0,
                    direction: Direction::Up,
                    bytes: 150,
                });
            }
        }
        if what < 15 {
            let span = Span::new(start, start + half * (count - 1));
            activities.push(Activity {
                device: 0,
                span,
                traffic: span,
                label: "on".into(),
            });
        }
    }
    let window = Span::new(
        Timestamp::new(0, 0),
        Timestamp::new(i64::from(MINUTES) * 60, 0),
    );
    let flow = Flow {
        device: Some(0),
        protocol: Protocol::TCP,
        local: endpoint([192, 168, 1, 9], 50_000),
        remote: endpoint([203, 0, 113, 7], 443),
        server: None,
    };
    let seen = Observation {
        vantage: Vantage::Outside,
        window,
        flows: vec![SeenFlow {
            far: flow.far(),
            shaping: None,
        }],
        sightings,
    };
    let trace = Trace {
        window,
        devices: vec![Device {
            id: "plug".into(),
            name: "A plug".into(),
        }],
        flows: vec![flow],
        packets,
        activities,
        source: Source::Labels,
    };
    (trace.checked().unwrap(), seen)
}

fn learned(trace: &Trace, seen: Observation) -> Audited {
    let pupils = [find_pupil("learned").unwrap()];
    let teaching = Teaching {
        pupils: &pupils,
        ladder: true,
        ..Teaching::none()
    };
    let scored = Scored {
        before: trace,
        seen,
        name: "by-hand",
        adversaries: &[],
        seed: 1,
        tolerance: Duration::from_secs(1),
    };
    score_taught(scored, &Watching::default(), &teaching)
}

fn rung(found: &Audited) -> &Rung {
    let [rung] = found.ladder.as_slice() else {
        panic!("{:?}", found.caveats);
    };
    rung
}

/// Who learned of labels dealt anew tells nothing.
fn control_holds(rung: &Rung) {
    let control = rung.shuffled_labels.unwrap();
    assert!((control.auc.value - 0.5).abs() < 0.05, "{control:?}");
    assert!(
        control.auc.low <= 0.5 && control.auc.high >= 0.5,
        "{control:?}"
    );
}

#[test]
fn cover_that_is_always_shorter_is_told() {
    let (trace, seen) = plug(10);
    let found = learned(&trace, seen);
    let rung = rung(&found);
    assert!(rung.auc.value > 0.99, "{:?}", rung.auc);
    let row = found.results.iter().find(|row| row.device == "all");
    let row = row.unwrap();
    assert!(row.confidence.unwrap().low > 0.9, "{row:?}");
    // It claims where it would have been right most surely, which may be little; what it believes tells all.
    assert!(row.recall.unwrap() >= 0.1, "{row:?}");
    let all = rung.confidence_at_full_recall;
    assert!(all.value > 0.9, "{all:?}");
    control_holds(rung);
    let says = found.caveats.join("\n");
    assert!(
        says.contains("learned from the same wire's other eighths; no other coins"),
        "{says}"
    );
}

#[test]
fn cover_like_use_is_not_told_although_the_same_wire_was_learned() {
    let (trace, seen) = plug(16);
    let found = learned(&trace, seen);
    let rung = rung(&found);
    let (asked, genuine) = (rung.questions, rung.genuine);
    assert!(asked > 300 && genuine > 80, "{asked}, {genuine}");
    assert!(
        rung.auc.low <= 0.5 && rung.auc.high >= 0.5,
        "{:?}",
        rung.auc
    );
    assert!((rung.auc.value - 0.5).abs() < 0.08, "{:?}", rung.auc);
    control_holds(rung);
}

#[test]
fn a_recorded_wire_is_answered_by_who_was_taught_on_what_made_it() {
    let trace = |seed| lived(&HomeModel::built_in(), 14_400, seed);
    let (trace, others) = (trace(1), [trace(2), trace(3)]);
    let stp = || made("stp", &Settings::default(), &trace);
    let recorded = || -> Named {
        let shaped = stp().shape(&trace, &mut seeded(5));
        let recorded = Recorded {
            of: "stp".into(),
            shaped,
            parameters: Default::default(),
            foretold: Default::default(),
        };
        ("tape".to_owned(), Box::new(recorded))
    };
    let pupils = [find_pupil("learned").unwrap()];
    let audited = |defenses: &[Named], others| {
        let teaching = Teaching {
            pupils: &pupils,
            others,
            own_days: false,
            keep: true,
            ..Teaching::none()
        };
        taught(audit(&trace, defenses, &[], 2), &teaching)
    };
    let both = audited(&[("stp".to_owned(), stp()), recorded()], &others);
    let names: Vec<&str> = both
        .ladder
        .iter()
        .map(|rung| rung.defense.as_str())
        .collect();
    assert_eq!(names, ["stp", "tape"], "{:?}", both.caveats);
    let [simulated, tape] = [0, 1].map(|nth| &both.ladder[nth].auc);
    assert!(
        simulated.low <= tape.high && tape.low <= simulated.high,
        "{simulated:?} {tape:?}"
    );
    // Only what can be run again is taught.
    assert_eq!(both.models.keys().collect::<Vec<_>>(), ["stp"]);
    // A tape alone teaches nobody, whatever else there is to learn from.
    let alone = audited(&[recorded()], &others);
    let says = alone.caveats.join("\n");
    assert!(
        says.contains("tape: learned was not taught") && says.contains("stp, which made it"),
        "{says}"
    );
    assert!(alone.results.iter().all(|row| row.claims == 0));
    // Nor is the trace itself learned from where it is said not to be.
    let nothing = audited(&[("stp".to_owned(), stp())], &[]);
    let says = nothing.caveats.join("\n");
    assert!(says.contains("0 genuine examples and 0 others"), "{says}");
}

fn caveats(verdict: &Value) -> String {
    verdict["caveats"].to_string()
}

/// Whether two intervals share a number.
fn meet(one: &Value, other: &Value) -> bool {
    let of = |interval: &Value, end: &str| interval[end].as_f64().unwrap();
    of(one, "low") <= of(other, "high") && of(other, "low") <= of(one, "high")
}

#[test]
fn a_defended_wire_is_scored_as_defend_scores_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (plain, shaped, truth, models) =
        (at("p.pcapng"), at("s.pcapng"), at("t.csv"), at("models"));
    let home = "defend --trials 1 --duration 24h --seed 2 --format json --quiet --mode";
    words(
        &format!("{home} none"),
        &["-w", &plain, "--labels-out", &truth],
    )
    .ends(0);
    let defended = words(
        &format!("{home} stp --adversary learned"),
        &["-w", &shaped, "--save-model", &models],
    );
    let defended = defended.ends(0).json();
    let score = |more: &str, files: &[&str]| {
        let given = ["--before", &plain, "--after", &shaped, "--labels", &truth];
        let line = format!("score --seed 2 --format json --quiet {more}");
        let scored = words(&line, &[&given[..], files].concat()).ends(0).json();
        valid(&scored, "verdict.schema.json");
        scored
    };
    let scored = score("--adversary usual,learned", &[]);
    assert_eq!(
        scored["parameters"]["learned_from"],
        "other days, or eighths, of the same wire; no other coins"
    );
    assert!(caveats(&scored).contains("other eighths; no other coins"));
    let told = |verdict: &Value| {
        let rungs = verdict["ladder"].as_array().unwrap();
        let [rung] = rungs.as_slice() else {
            panic!("{rungs:?}");
        };
        let rows = verdict["results"].as_array().unwrap();
        let row = rows
            .iter()
            .find(|row| row["adversary"] == "learned" && row["device"] == "all");
        (rung.clone(), row.unwrap().clone())
    };
    let agree = |one: &Value, other: &Value| {
        let ((rung, row), (other_rung, other_row)) = (told(one), told(other));
        for (one, other) in [
            (&rung["auc"], &other_rung["auc"]),
            (
                &rung["confidence_at"]["top_10_percent"],
                &other_rung["confidence_at"]["top_10_percent"],
            ),
            (&row["confidence"], &other_row["confidence"]),
        ] {
            assert!(meet(one, other), "{one} {other}");
        }
    };
    agree(&defended, &scored);
    // Nobody else is moved by who learns.
    let usual = score("", &[]);
    let others = |verdict: &Value| -> Vec<Value> {
        let rows = verdict["results"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["adversary"] != "learned").cloned();
        rows.map(|mut row| {
            row.as_object_mut().unwrap().remove("headline");
            row
        })
        .collect()
    };
    assert_eq!(others(&usual), others(&scored));
    assert!(usual.get("ladder").is_none() && usual["parameters"].get("trees").is_none());
    // What was learned of other homes answers as it did where it was learned: of the only defense in the file, whatever this
    // one is called.
    let loaded = score("--adversary learned", &["--load-model", &models]);
    assert!(caveats(&loaded).contains("on other wires, of stp"));
    assert_eq!(loaded["parameters"]["learned_from"], "a file");
    agree(&defended, &loaded);
}

#[test]
fn too_little_to_learn_from_is_said_and_nothing_is_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (plain, truth) = (at("p.pcapng"), at("t.csv"));
    words(
        "defend --trials 1 --duration 10m --seed 3 --format json --quiet --mode none",
        &["-w", &plain, "--labels-out", &truth],
    )
    .ends(0);
    let given = ["--before", &plain, "--after", &plain, "--labels", &truth];
    let scored = words(
        "score --format json --quiet --ladder --adversary all",
        &given,
    );
    let scored = scored.ends(0).json();
    valid(&scored, "verdict.schema.json");
    let says = caveats(&scored);
    assert!(says.contains("black-box: learned was not taught, and claims nothing"));
    let rows = scored["results"].as_array().unwrap();
    let learned = rows.iter().find(|row| row["adversary"] == "learned");
    let learned = learned.unwrap();
    assert_eq!(learned["claims"], 0);
    assert!(learned["confidence"].is_null());
    // Who learned nothing learned from nowhere.
    let alone = words("score --format json --quiet --adversary learned", &given);
    assert!(!caveats(&alone.ends(0).json()).contains("learned from the same wire"));
    // What is of no use is refused in words.
    for (more, says) in [
        ("--save-model m", "add --adversary learned"),
        ("--priors hours.csv", "add --adversary priors"),
        (
            "--adversary learned --load-model evening-labels.csv",
            "--save-model wrote",
        ),
        ("--adversary learned --save-model -", "name a file"),
        (
            "--adversary learned --save-model v -o json=v",
            "a file of its own",
        ),
    ] {
        let line_ = format!("score --quiet {more}");
        let refused = words(&line_, &given);
        assert!(refused.err.contains(says), "{more}: {}", refused.err);
        refused.ends(2);
    }
    let helped = line("score --help").ends(0).out;
    for option in ["--ladder", "--priors", "--save-model", "--load-model"] {
        assert!(helped.contains(option), "{option}");
    }
}
