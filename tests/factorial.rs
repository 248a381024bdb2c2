//! The chains of all devices together: laws they keep, what they tell that a forest does not, and models that are taken from
//! one capture to another.

mod audits;
mod program;

use audits::{add_device, audit, bare, defenses, lived, seeded, taught};
use program::run;
use proptest::prelude::*;
use rand::Rng;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use stp_audit::adversary::pupil::Choice;
use stp_audit::adversary::{find_pupil, Schooling};
use stp_audit::audit::saved::{pack, read as read_models};
use stp_audit::audit::school::{Models, Teaching};
use stp_audit::audit::{Audit, Audited};
use stp_audit::flow::key::Endpoint;
use stp_audit::learning::factorial::model::{Chain, Factorial, Level};
use stp_audit::learning::factorial::series::Step;
use stp_audit::learning::forest::Growth;
use stp_audit::model::HomeModel;
use stp_audit::trace::{Activity, Packet, Trace};
use stp_audit::units::{Direction, Span, Timestamp, NANOS};

/// Bytes up and down of one use of each device of [`home`].
const DEVICES: [(&str, [u32; 2]); 3] = [
    ("lamp", [2_400, 600]),
    ("speaker", [3_000, 6_400]),
    ("lock", [14_000, 1_400]),
];

/// A home that is used about every third minute, for a second and a half each time, with a heartbeat of every device. Where
/// `together`, half of the uses are of lamp and speaker at once; otherwise no two devices ever are.
fn home(hours: i64, seed: u64, together: bool) -> Trace {
    let mut chance = seeded(seed);
    let seconds = hours * 3_600;
    let mut trace = bare(seconds * NANOS);
    for (device, (name, _)) in DEVICES.iter().enumerate() {
        let end = |net: u8, port| Endpoint {
            address: [net, 0, 2, device as u8 + 1].into(),
            port,
        };
        add_device(&mut trace, name, [end(10, 40_000), end(192, 443)]);
        for second in (device as i64 * 7..seconds).step_by(20) {
            trace.packets.push(Packet {
                at: Timestamp(second * NANOS),
                flow: device as u32,
                direction: Direction::Up,
                bytes: 60,
            });
        }
    }
    for minute in 0..seconds / 60 - 1 {
        if !chance.gen_bool(0.3) {
            continue;
        }
        let used = match together && chance.gen_bool(0.5) {
            true => vec![0, 1],
            false => vec![chance.gen_range(0..3usize)],
        };
        let begin = minute * 60 + chance.gen_range(0..50);
        for device in used {
            let start = Timestamp(begin * NANOS + chance.gen_range(0..NANOS));
            for nth in 0..4 {
                let at = start + Duration::from_millis(nth * 500);
                for (direction, bytes) in [Direction::Up, Direction::Down]
                    .into_iter()
                    .zip(DEVICES[device].1)
                {
                    let bytes = f64::from(bytes) / 4.0 * chance.gen_range(0.85..1.15);
                    trace.packets.push(Packet {
                        at,
                        flow: device as u32,
                        direction,
                        bytes: bytes as u32,
                    });
                }
            }
            let span = Span::new(start, start + Duration::from_millis(1_500));
            trace.activities.push(Activity {
                device,
                span,
                traffic: span,
                label: "used".into(),
            });
        }
    }
    trace.checked().unwrap()
}

fn audited(
    trace: &Trace,
    names: &[&str],
    teaching: &Teaching,
    choice: Choice,
    jobs: usize,
) -> Audited {
    let defenses = defenses(names, trace);
    let audit = Audit {
        jobs: Some(jobs),
        ..audit(trace, &defenses, &[], 1)
    };
    let pupils = [find_pupil("device-from-rates").unwrap()];
    let teaching = Teaching {
        pupils: &pupils,
        schooling: Schooling {
            choice,
            growth: Growth {
                trees: 20,
                ..Growth::default()
            },
            ..Schooling::default()
        },
        keep: true,
        ..*teaching
    };
    taught(audit, &teaching)
}

fn of(others: &[Trace]) -> Teaching<'_> {
    Teaching {
        others,
        ..Teaching::none()
    }
}

/// Confidence and recall by device, in percent; 0 of who claims nothing.
fn by_device(found: &Audited) -> BTreeMap<String, [f64; 2]> {
    let rows = found.results.iter();
    let of = rows.filter(|row| row.adversary == "device-from-rates");
    of.map(|row| {
        let confidence = row.confidence.map_or(0.0, |of| of.value);
        (
            row.device.clone(),
            [confidence, row.recall.unwrap_or(0.0)].map(|of| of * 100.0),
        )
    })
    .collect()
}

/// Both ways, and the better one for each device, a line a device.
fn compared(trace: &Trace, other: &[Trace]) -> (String, [BTreeMap<String, [f64; 2]>; 3]) {
    let choices = [Choice::Forest, Choice::Chains, Choice::Better];
    let all = choices.map(|choice| audited(trace, &["vpn"], &of(other), choice, 2));
    let rows = [&all[0], &all[1], &all[2]].map(by_device);
    let mut text = String::from(
        "confidence / recall in %: forest, factorial, the better one; areas on days held back\n",
    );
    let ways = &all[2].ladder[0].ways;
    for device in rows[0].keys() {
        write!(text, "{device:14}").unwrap();
        for rows in &rows {
            let [confidence, recall] = rows[device];
            write!(text, " {confidence:5.1} / {recall:5.1}  ").unwrap();
        }
        if let Some(of) = ways.iter().find(|of| of.device == *device) {
            for (way, area) in &of.areas {
                let star = if of.taken.contains_key(way) { "*" } else { "" };
                write!(text, "  {way}{star} {area:.4}").unwrap();
            }
        }
        text.push('\n');
    }
    (text, rows)
}

#[test]
fn two_at_once_are_told_though_they_were_never_seen_together() {
    let (taught, shown) = (home(24, 1, false), home(12, 2, true));
    let (text, [forest, factorial, _]) = compared(&shown, &[taught]);
    println!("{text}");
    for device in ["lamp", "speaker"] {
        let ([c, recall], [_, of_forest]) = (factorial[device], forest[device]);
        assert!(recall > 90.0 && c > 90.0, "{text}");
        assert!(recall >= of_forest, "{text}");
    }
    // The lamp beside the speaker is what the forest cannot know.
    assert!(factorial["lamp"][1] > forest["lamp"][1] + 20.0, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn both_ways_on_made_up_homes() {
    let lived = |home: &HomeModel, days: u64, seed| lived(home, days * 86_400, seed);
    let mut all = String::new();
    for (home, days) in [(HomeModel::built_in(), 1), (HomeModel::habits(), 7)] {
        let (shown, taught) = (lived(&home, days, 1), lived(&home, 2 * days, 2));
        let (text, [_, _, better]) = compared(&shown, &[taught]);
        writeln!(all, "{}\n{text}", home.id).unwrap();
        println!("{all}");
        // Far better than a guess: nobody is in use for more than a fifth of the time.
        assert!(better["all"][0] > 50.0 && better["all"][1] > 50.0, "{all}");
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_same_numbers_for_any_threads_and_from_a_file_and_a_hostile_file_is_refused() {
    let (shown, taught) = (home(6, 3, true), [home(24, 1, false)]);
    let once = audited(&shown, &["vpn", "stp"], &of(&taught), Choice::Chains, 1);
    let again = audited(&shown, &["vpn", "stp"], &of(&taught), Choice::Chains, 3);
    assert_eq!(once, again);
    let model = &once.models["vpn"]["device-from-rates"];
    assert!(model.together.is_some());
    let file = tempfile::NamedTempFile::new().unwrap();
    let read = |models: &Models| {
        std::fs::write(file.path(), pack(models).unwrap()).unwrap();
        read_models(file.path())
    };
    let models = read(&once.models).unwrap();
    assert!(
        models == once.models,
        "models are read back to the last bit"
    );
    let known = Teaching {
        known: Some(&models),
        ..Teaching::none()
    };
    let known = audited(&shown, &["vpn", "stp"], &known, Choice::Chains, 2);
    assert_eq!(known.results, once.results);
    // Each of these is no model that could have been learned.
    type Spoils = fn(&mut Factorial);
    let spoils: [(&str, Spoils); 8] = [
        ("that cannot be", |of| of.chains[0].begins = 1.0),
        ("that cannot be", |of| of.chains[1].ends = -0.5),
        ("that cannot be", |of| of.background[0].mean[1] = 1e300),
        ("that cannot be", |of| of.beside.share = 2.0),
        ("that cannot be", |of| of.anything.variance[0] = -1.0),
        ("two chains", |of| of.chains[1].part = of.chains[0].part),
        ("levels", |of| of.chains[0].levels.clear()),
        ("chains where", |of| {
            let chain = of.chains[0].clone();
            of.chains = (0..2_000)
                .map(|part| Chain {
                    part,
                    ..chain.clone()
                })
                .collect();
        }),
    ];
    for (why, spoil) in spoils {
        let mut models = once.models.clone();
        let model = models.get_mut("vpn").unwrap().get_mut("device-from-rates");
        spoil(model.unwrap().together.as_mut().unwrap());
        let refused = read(&models).unwrap_err().to_string();
        assert!(
            refused.contains(why) && refused.contains("train anew"),
            "{refused}"
        );
    }
    let mut models = once.models.clone();
    models
        .get_mut("vpn")
        .unwrap()
        .get_mut("device-from-rates")
        .unwrap()
        .together = None;
    let refused = read(&models).unwrap_err().to_string();
    assert!(refused.contains("no chain"), "{refused}");
}

/// `defend` with JSON on standard output.
fn defend(words: &[&str]) -> serde_json::Value {
    let told = ["--trials", "1", "--format", "json", "--quiet"];
    let typed = [&["defend"], words, &told].concat();
    run(typed).ends(0).json()
}

#[test]
fn what_one_labelled_capture_taught_answers_on_another_with_fewer_devices() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (a, b) = ([at("a.pcapng"), at("a.csv")], [at("b.pcapng"), at("b.csv")]);
    // Of two days too little is learned of what is seldom used.
    for (seed, long, [capture, labels]) in [("1", "96h", &a), ("2", "12h", &b)] {
        let home = [
            "--duration",
            long,
            "--seed",
            seed,
            "--mode",
            "none",
            "--p",
            "0.001",
        ];
        defend(&[&home[..], &["-w", capture, "--labels-out", labels]].concat());
    }
    let (models, fewer) = (at("models"), at("fewer"));
    let attack = ["--mode", "vpn", "--adversary", "device-from-rates"];
    let of = |[capture, labels]: &[String; 2], more: &[&str]| {
        defend(&[&[capture, "--labels", labels], &attack[..], more].concat())
    };
    // The camera, which is the second of seven, is not there: all others are called otherwise than in the capture that taught.
    let without = ["-f", "not host 192.168.77.11"];
    of(&a, &["--save-model", &models]);
    let known = of(&b, &[&without[..], &["--load-model", &models]].concat());
    let own = of(&b, &[&without[..], &["--save-model", &fewer]].concat());
    let rows = |found: &serde_json::Value| -> BTreeMap<String, [f64; 2]> {
        let rows = found["results"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["adversary"] == "device-from-rates");
        rows.map(|row| {
            let number = |of: &serde_json::Value| of.as_f64().unwrap_or(0.0) * 100.0;
            let both = [number(&row["confidence"]["value"]), number(&row["recall"])];
            (row["device"].as_str().unwrap().to_owned(), both)
        })
        .collect()
    };
    let caveats = |of: &serde_json::Value| of["caveats"].to_string();
    assert!(
        !caveats(&known).contains("know nothing"),
        "{}",
        caveats(&known)
    );
    let (known, own) = (rows(&known), rows(&own));
    assert_eq!(known.len(), 7, "six devices, and all together: {known:?}");
    let mut text =
        String::from("confidence / recall in %: taught on another capture, on this one\n");
    for (device, [c, recall]) in &known {
        let [own_c, own_recall] = own[device];
        writeln!(
            text,
            "{device:10} {c:5.1} / {recall:5.1}   {own_c:5.1} / {own_recall:5.1}"
        )
        .unwrap();
    }
    println!("{text}");
    for [c, recall] in known.values() {
        assert!(*c > 75.0 && *recall > 60.0, "{text}");
    }
    // And of the camera a model that was taught without it knows nothing, and says so.
    let strangers = of(&a, &["--load-model", &fewer]);
    let says = caveats(&strangers);
    assert!(says.contains("know nothing of unknown-"), "{says}");
    assert_eq!(
        rows(&strangers).values().filter(|of| of[0] == 0.0).count(),
        1
    );
    insta::assert_snapshot!(text);
}

fn level(mean: [f64; 2]) -> Level {
    Level {
        share: 1.0,
        mean,
        variance: mean.map(|of| of * of / 25.0),
    }
}

fn model(chances: &[(f64, f64)], sent: &[[f64; 2]]) -> Factorial {
    let idle = level([200.0, 200.0]);
    let chains = chances.iter().zip(sent).zip(0..);
    Factorial {
        background: vec![idle.clone()],
        beside: idle,
        anything: Level {
            share: 1.0,
            mean: [9.0; 2],
            variance: [16.0; 2],
        },
        chains: chains
            .map(|((&(begins, ends), &sent), part)| Chain {
                part,
                begins,
                ends,
                levels: vec![level(sent)],
            })
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn posteriors_are_chances_whatever_is_seen(
        chances in prop::collection::vec((0.001f64..0.5, 0.01f64..0.5), 1..7),
        sent in prop::collection::vec((0.0f64..1e9, 0.0f64..1e9), 7),
        seen in prop::collection::vec((1i64..4, 0.0f64..1e12, 0.0f64..1e12), 1..60),
    ) {
        let sent: Vec<[f64; 2]> = sent.into_iter().map(|(up, down)| [up, down]).collect();
        let model = model(&chances, &sent);
        prop_assert_eq!(model.check(), Ok(()));
        let mut index = 0;
        let steps: Vec<Step> = seen
            .into_iter()
            .map(|(on, up, down)| {
                index += on;
                Step { index, bytes: [up, down] }
            })
            .collect();
        let found = model.posterior(&steps);
        prop_assert_eq!(found.shape(), &[steps.len(), chances.len()][..]);
        prop_assert!(found.iter().all(|of| (0.0..=1.0).contains(of)), "{found:?}");
        prop_assert!(model.log_likelihood(&steps).is_finite());
    }

    #[test]
    fn chains_that_are_far_apart_are_told_as_each_by_itself(
        chances in prop::collection::vec((0.01f64..0.3, 0.1f64..0.5), 2),
        used in prop::collection::vec((any::<bool>(), any::<bool>(), 0.8f64..1.2, 0.8f64..1.2), 2..40),
    ) {
        // One sends up alone, the other down alone, each a thousand times as much as there is otherwise.
        let sent = [[200_000.0, 0.0], [0.0, 200_000.0]];
        // Nothing is left to chance: what may be anything goes along with both at once.
        let sure = |chances: &[(f64, f64)], sent: &[[f64; 2]]| {
            let mut model = model(chances, sent);
            model.anything.variance = [1e18; 2];
            model
        };
        let both = sure(&chances, &sent);
        let steps = |which: [bool; 2]| -> Vec<Step> {
            used.iter()
                .zip(0..)
                .map(|(&(a, b, up, down), index)| {
                    let of = |used: bool, chain: usize, by: f64| {
                        by * if used && which[chain] { 200_200.0 } else { 200.0 }
                    };
                    Step { index, bytes: [of(a, 0, up), of(b, 1, down)] }
                })
                .collect()
        };
        let together = both.posterior(&steps([true, true]));
        for chain in 0..2 {
            let alone = sure(&chances[chain..=chain], &sent[chain..=chain]);
            let alone = alone.posterior(&steps([chain == 0, chain == 1]));
            for (together, alone) in together.column(chain).iter().zip(alone.column(0)) {
                prop_assert!((together - alone).abs() < 1e-5, "{together} and {alone}");
            }
        }
    }
}
