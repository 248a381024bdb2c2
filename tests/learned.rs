//! Adversaries that learn: what they make of defended and undefended homes, held against who knows nothing.

mod audits;
mod program;

use audits::{adversaries, audit, defenses, labelled, lived, made, seeded, taught};
use program::{valid, words as typed};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use stp_audit::adversary::packet_pairs::words;
use stp_audit::adversary::wire::whose;
use stp_audit::adversary::{find, find_pupil, Schooling};
use stp_audit::audit::saved::{pack, read as read_models, BYTES_AT_MOST};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{Audit, Audited};
use stp_audit::defense::Settings;
use stp_audit::learning::examples::Example;
use stp_audit::learning::forest::Growth;
use stp_audit::learning::pairs::Signatures;
use stp_audit::model::HomeModel;
use stp_audit::stats::wilson;
use stp_audit::threat::{Knowledge, Observation};
use stp_audit::trace::Trace;
use stp_audit::units::NANOS;
use stp_audit::verdict::ladder::Rung;

/// Six hours of three devices of the built-in home, used ten times as often.
fn home(seed: u64, seconds: u64) -> Trace {
    let mut home = HomeModel::built_in();
    home.devices.truncate(3);
    for resident in &mut home.devices {
        resident.activity = stp_audit::units::Probability::clamped(resident.activity.get() * 10.0);
    }
    lived(&home, seconds, seed)
}

fn small() -> Schooling {
    Schooling {
        growth: Growth {
            trees: 10,
            depth: 6,
            ..Growth::default()
        },
        ..Schooling::default()
    }
}

struct Asked<'a> {
    pupils: &'a [&'a str],
    ladder: bool,
    others: &'a [Trace],
    jobs: usize,
}

fn audited(trace: &Trace, names: &[&str], asked: &Asked, teaching: &Teaching) -> Audited {
    let defenses = defenses(names, trace);
    let adversaries = adversaries(&["threshold", "every-padded-period", "run-length"]);
    let audit = Audit {
        jobs: Some(asked.jobs),
        ..audit(trace, &defenses, &adversaries, 2)
    };
    let pupils: Vec<_> = asked
        .pupils
        .iter()
        .map(|p| find_pupil(p).unwrap())
        .collect();
    let teaching = Teaching {
        pupils: &pupils,
        others: asked.others,
        ladder: asked.ladder,
        ..*teaching
    };
    taught(audit, &teaching)
}

fn none() -> Teaching<'static> {
    Teaching {
        schooling: small(),
        ..Teaching::none()
    }
}

fn rung<'a>(found: &'a Audited, defense: &str, adversary: &str) -> &'a Rung {
    let mut rungs = found.ladder.iter();
    rungs
        .find(|rung| rung.defense == defense && rung.adversary == adversary)
        .unwrap_or_else(|| panic!("{defense}, {adversary}: {:?}", found.caveats))
}

fn table(found: &Audited) -> String {
    let mut table = String::new();
    for rung in &found.ladder {
        writeln!(
            table,
            "{:6}{:20}AUC {:.3} [{:.3}, {:.3}]  lift {:5.2} [{:.2}, {:.2}]  c at full recall {:5.1} %, top 1/5/10 % \
             {:5.1}/{:5.1}/{:5.1} %  base {:4.1} %",
            rung.defense,
            rung.adversary,
            rung.auc.value,
            rung.auc.low,
            rung.auc.high,
            rung.lift.value,
            rung.lift.low,
            rung.lift.high,
            rung.confidence_at_full_recall.value * 100.0,
            rung.confidence_at.top_1_percent.value * 100.0,
            rung.confidence_at.top_5_percent.value * 100.0,
            rung.confidence_at.top_10_percent.value * 100.0,
            rung.base_rate * 100.0,
        )
        .unwrap();
    }
    table
}

#[test]
fn the_ladder_of_another_home_and_its_controls() {
    let (trace, others) = (home(1, 21_600), [home(2, 21_600), home(3, 21_600)]);
    let asked = Asked {
        pupils: &["learned"],
        ladder: true,
        others: &others,
        jobs: 2,
    };
    let found = audited(&trace, &["none", "stp"], &asked, &none());
    insta::assert_snapshot!(table(&found));
    // Undefended: confidence near 1.
    let undefended = rung(&found, "none", "learned");
    assert!(undefended.confidence_at_full_recall.value > 0.9);
    let mut rows = found.results.iter();
    let row = rows
        .find(|row| row.defense == "none" && row.adversary == "learned")
        .unwrap();
    assert!(row.confidence.unwrap().value > 0.95, "{row:?}");
    // Labels dealt anew teach nothing: 1 is within the interval, and a half.
    for defense in ["none", "stp"] {
        let control = rung(&found, defense, "learned").shuffled_labels.unwrap();
        assert!(
            control.lift.low <= 1.0 && control.lift.high >= 1.0,
            "{defense}: {control:?}"
        );
        assert!(
            control.auc.low <= 0.5 && control.auc.high >= 0.5,
            "{defense}: {control:?}"
        );
    }
    // Who claims all earns the base rate, and believes in none more than in another.
    let all = rung(&found, "stp", "every-padded-period");
    assert!((all.auc.value - 0.5).abs() < 1e-9 && (all.lift.value - 1.0).abs() < 1e-9);
    assert!((all.confidence_at_full_recall.value - all.base_rate).abs() < 1e-9);
    let learned = rung(&found, "stp", "learned");
    assert!(learned.auc.value > rung(&found, "stp", "run-length").auc.value);
    assert_eq!(learned.examples.len(), 4);
    assert!(learned.bayes_error.is_some() && !learned.curve.is_empty());
    // The headline is the most that anybody reaches.
    let of_stp = || {
        found
            .results
            .iter()
            .filter(|row| row.defense == "stp" && row.device == "all")
    };
    let most = of_stp()
        .filter(|row| row.claims >= 10)
        .filter_map(|row| row.confidence);
    let most = most.map(|of| of.value).fold(0.0, f64::max);
    let headline = of_stp().find(|row| row.headline).unwrap();
    assert_eq!(headline.confidence.unwrap().value, most);
}

/// The same home, but everything its people do they begin on the second.
fn on_the_second(mut trace: Trace) -> Trace {
    for activity in &mut trace.activities {
        let late = activity.span.start.0.rem_euclid(NANOS);
        let of_it = trace.packets.iter_mut().filter(|packet| {
            packet.flow as usize == activity.device && activity.traffic.contains(packet.at)
        });
        of_it.for_each(|packet| packet.at.0 -= late);
        for span in [&mut activity.span, &mut activity.traffic] {
            (span.start.0, span.end.0) = (span.start.0 - late, span.end.0 - late);
        }
    }
    trace.packets.sort_by_key(|packet| packet.at);
    trace.checked().unwrap()
}

#[test]
fn who_begins_on_the_second_is_known_by_it_and_nobody_else() {
    let area = |of: fn(Trace) -> Trace| {
        let (trace, others) = (of(home(1, 21_600)), [2, 3].map(|n| of(home(n, 21_600))));
        let asked = Asked {
            pupils: &["learned"],
            ladder: true,
            others: &others,
            jobs: 2,
        };
        rung(
            &audited(&trace, &["stp"], &asked, &none()),
            "stp",
            "learned",
        )
        .auc
    };
    let (usual, known) = (area(|trace| trace), area(on_the_second));
    println!("AUC {usual:?} at any instant, {known:?} on the second");
    assert!(known.low > 0.9, "{known:?}");
    assert!(usual.high < known.low - 0.1, "{usual:?}, {known:?}");
}

#[test]
fn people_with_habits_are_told_by_nearly_every_claim_until_their_home_is_defended() {
    // Ten days; among thousands of heartbeats one burst in two hundred is a use.
    let lived = |seed| lived(&HomeModel::habits(), 10 * 86_400, seed);
    let (trace, others) = (lived(1), [lived(2)]);
    let asked = Asked {
        pupils: &["learned", "packet-pairs"],
        ladder: false,
        others: &others,
        jobs: 2,
    };
    let found = audited(&trace, &["none"], &asked, &Teaching::none());
    let of = |name: &str| {
        let mut rows = found.results.iter();
        let row = rows.find(|row| row.adversary == name && row.device == "all");
        let row = row.unwrap();
        (row.confidence.unwrap().value, row.recall.unwrap())
    };
    let all = ["learned", "packet-pairs"].map(|name| (name, of(name)));
    println!("{all:?}");
    for (name, (confidence, recall)) in all {
        assert!(confidence > 0.95 && recall > 0.4, "{name}: {all:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_numbers_for_any_number_of_threads_and_from_a_file() {
    let (trace, others) = (home(1, 10_800), [home(2, 21_600)]);
    let asked = |jobs| Asked {
        pupils: &["learned", "packet-pairs", "priors", "device-from-rates"],
        ladder: false,
        others: &others,
        jobs,
    };
    let keep = Teaching {
        keep: true,
        ..none()
    };
    let once = audited(&trace, &["vpn", "stp"], &asked(1), &keep);
    assert_eq!(once, audited(&trace, &["vpn", "stp"], &asked(3), &keep));
    let packed = pack(&once.models).unwrap();
    assert!(packed.len() < BYTES_AT_MOST);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), packed).unwrap();
    let models = read_models(file.path()).unwrap();
    assert!(
        models == once.models,
        "models are read back to the last bit"
    );
    let known = Teaching {
        known: Some(&models),
        ..none()
    };
    let again = audited(&trace, &["vpn", "stp"], &asked(2), &known);
    assert_eq!(again.results, once.results);
    // Adversaries that learn nothing are worth the same with and without.
    let alone = Asked {
        pupils: &[],
        ..asked(2)
    };
    let alone = audited(&trace, &["vpn", "stp"], &alone, &none());
    let mut usual = once.results.clone();
    usual.retain(|row| find(&row.adversary).is_some());
    let plain = |mut rows: Vec<stp_audit::verdict::Outcome>| {
        rows.iter_mut().for_each(|row| row.headline = false);
        rows
    };
    assert_eq!(plain(usual), plain(alone.results));
    // A file that was spoilt is refused in words.
    let mut bytes = pack(&models).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(file.path(), bytes).unwrap();
    let refused = read_models(file.path()).unwrap_err().to_string();
    assert!(refused.contains("--load-model"), "{refused}");
}

#[test]
fn what_the_traffic_adds_to_priors_and_which_devices_a_tunnel_shows() {
    let (trace, others) = (home(4, 21_600), [home(5, 43_200)]);
    let asked = Asked {
        pupils: &["priors", "device-from-rates"],
        ladder: false,
        others: &others,
        jobs: 2,
    };
    let found = audited(&trace, &["none", "vpn"], &asked, &none());
    let adds = rung(&found, "none", "priors").priors.unwrap();
    // This home keeps no hours: the hour alone is near a coin, the traffic tells nearly all.
    assert!((adds.auc_alone - 0.5).abs() < 0.15, "{adds:?}");
    assert!(
        adds.auc_with_traffic > 0.95 && adds.adds_bits.low > 0.0,
        "{adds:?}"
    );
    // In the tunnel nobody is named; by its rates each device's use is claimed far more often rightly than by chance.
    let of = |device: &str| {
        let mut rows = found.results.iter();
        let row = rows.find(|row| {
            row.defense == "vpn" && row.adversary == "device-from-rates" && row.device == device
        });
        let row = row.unwrap();
        let claims = row.confidence.map(|of| of.value);
        (claims, row.recall, row.c_min.time_fraction.unwrap())
    };
    let mut text = String::new();
    for device in &trace.devices {
        let (confidence, recall, chance) = of(&device.id);
        let percent = |of: Option<f64>| of.map_or("-".into(), |of| format!("{:.1}", of * 100.0));
        writeln!(
            text,
            "{:6} confidence {} %, recall {} %, at random {:.1} %",
            device.id,
            percent(confidence),
            percent(recall),
            chance * 100.0
        )
        .unwrap();
        assert!(confidence.unwrap_or(0.0) > 2.0 * chance, "{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_single_class_is_refused_in_words() {
    // A firewall lets nothing through: there is nothing to learn of.
    let (trace, others) = (home(1, 10_800), [home(2, 10_800)]);
    let asked = Asked {
        pupils: &["learned"],
        ladder: true,
        others: &others,
        jobs: 1,
    };
    let found = audited(&trace, &["firewall"], &asked, &none());
    let says = found.caveats.join("\n");
    assert!(says.contains("firewall: learned was not taught"), "{says}");
    let mut rows = found.results.iter();
    let row = rows.find(|row| row.adversary == "learned").unwrap();
    assert_eq!((row.claims, row.confidence), (0, None));
}

/// The words of each activity on a wire, and its label.
fn activities(seen: &Observation, trace: &Trace) -> Vec<(String, Vec<f64>)> {
    let knowledge = Arc::new(Knowledge::study(trace));
    let whose = whose(seen, &knowledge);
    let of = |activity: &stp_audit::trace::Activity| {
        let span = activity.span;
        let theirs = seen.sightings.iter().filter(|sighting| {
            let whose = whose.get(sighting.flow as usize).copied().flatten();
            whose.is_none_or(|device| device == activity.device)
                && sighting.at <= span.end
                && sighting.end() >= span.start
        });
        (activity.label.clone(), words(theirs, span))
    };
    trace.activities.iter().map(of).collect()
}

/// Each activity named by what was learned of the others: right, of how many, and what the commonest kind earns.
fn leave_one_out(
    all: &[(String, Vec<f64>)],
    kind: &dyn Fn(&str) -> Option<String>,
) -> (u64, u64, f64) {
    let mut kinds: Vec<String> = all.iter().filter_map(|(label, _)| kind(label)).collect();
    let commonest = kinds
        .iter()
        .map(|of| kinds.iter().filter(|k| *k == of).count())
        .max();
    let chance = commonest.unwrap_or(0) as f64 / kinds.len().max(1) as f64;
    kinds.sort();
    kinds.dedup();
    let examples: Vec<Example> = all
        .iter()
        .filter_map(|(label, row)| {
            let class = kinds.binary_search(&kind(label)?).unwrap() as u16 + 1;
            Some(Example {
                row: row.clone(),
                class,
                group: 0,
            })
        })
        .collect();
    let mut right = 0;
    for (place, example) in examples.iter().enumerate() {
        let others = examples
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let learned = Signatures::learn(others.map(|(_, other)| other), |_| 1.0).unwrap();
        right += u64::from(learned.name(&example.row).unwrap().class == example.class);
    }
    (right, examples.len() as u64, chance)
}

#[test]
fn kinds_of_a_real_plug_are_told_by_lengths_until_it_is_padded() {
    let Some(data) = std::env::var_os("STP_AUDIT_DATA") else {
        return;
    };
    let folder = Path::new(&data).join("plug-lifecycle");
    let (capture, labels) = (folder.join("plug.pcap"), folder.join("labels.csv"));
    let plug = labelled(&capture, &labels, &[]);
    let mut text = String::new();
    for name in ["none", "stp"] {
        let defense = made(name, &Settings::default(), &plug);
        let seen = defense.shape(&plug, &mut seeded(1)).seen;
        let all = activities(&seen, &plug);
        let switch = |label: &str| label.starts_with("on_") || label.starts_with("off_");
        let part = |label: &str, place: usize| {
            let part = label.split('_').nth(place).map(String::from);
            part.filter(|_| switch(label))
        };
        for (what, place) in [("on or off", 0), ("how: local, remote, voice, physical", 1)] {
            let (right, of, chance) = leave_one_out(&all, &|label| part(label, place));
            let interval = wilson(right, of).unwrap();
            writeln!(
                text,
                "{name:5} {what:36} {right} of {of} right: {:.1} % [{:.1}, {:.1}], the commonest kind {:.1} %",
                interval.value * 100.0,
                interval.low * 100.0,
                interval.high * 100.0,
                chance * 100.0
            )
            .unwrap();
            if name == "stp" {
                assert!(interval.low <= chance, "{text}");
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn on_the_command_line_models_are_kept_and_read_back_and_reports_keep_their_schema() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let hours: Vec<String> = (0..24).map(|hour| format!("{hour},0.{hour:02}")).collect();
    std::fs::write(at("priors.csv"), hours.join("\n")).unwrap();
    let run = |more: &[&str]| {
        let home =
            "defend --mode none,stp --duration 3h --trials 2 --adversary all --format json --quiet";
        typed(home, more)
    };
    let (priors, models) = (at("priors.csv"), at("models"));
    let taught = run(&["--ladder", "--priors", &priors, "--save-model", &models]);
    let taught = taught.ends(0).json();
    valid(&taught, "verdict.schema.json");
    assert!(taught["ladder"].as_array().unwrap().len() >= 12);
    // What was kept answers as what was learned just then.
    let known = run(&["--load-model", &models]).ends(0).json();
    assert_eq!(known["results"], taught["results"]);
    // What is of no use is refused.
    let refused = run(&["--load-model", &priors]).ends(2);
    assert!(
        refused.err.contains("--save-model wrote"),
        "{}",
        refused.err
    );
}
