//! Gates over what passes, breaks, straddles, is missing or is no number, each case worked by hand.

use super::*;
use crate::stats::{wilson, Interval};
use crate::units::Timestamp;
use crate::verdict::{CMin, Home, Latency, Overhead, PrecisionAt, SCHEMA};
use std::collections::BTreeMap;

fn share(low: f64, value: f64, high: f64) -> Option<Interval> {
    let mut interval = wilson(1, 2).unwrap();
    (interval.low, interval.value, interval.high) = (low, value, high);
    Some(interval)
}

fn row(defense: &str, adversary: &str, confidence: Option<Interval>) -> Outcome {
    Outcome {
        defense: defense.into(),
        vantage: "outside".into(),
        adversary: adversary.into(),
        device: "all".into(),
        parameters: BTreeMap::new(),
        trials: 10,
        headline: false,
        claims: if confidence.is_some() { 100 } else { 0 },
        correct: 50,
        activities: 200,
        hit: 50,
        confidence,
        recall: None,
        precision_at: PrecisionAt::default(),
        auc: None,
        activities_per_period: None,
        genuine_periods_per_period: None,
        c_min: CMin::default(),
        shuffled: None,
        overhead: Overhead {
            ratio: Some(4.0),
            low: Some(3.8),
            high: Some(4.2),
            ..Overhead::default()
        },
        added_latency_ms: Latency {
            p99: Some(180.5),
            ..Latency::default()
        },
        theory: None,
        broken: Vec::new(),
        silent_because: None,
    }
}

fn verdict(results: Vec<Outcome>) -> Verdict {
    Verdict {
        schema: SCHEMA,
        version: "0.1.0",
        command: "defend".into(),
        seed: 1,
        inputs: Vec::new(),
        home: Home {
            truth: "labels".into(),
            first: Timestamp(0),
            last: Timestamp(1),
            packets: 1,
            bytes: 1,
            devices: Vec::new(),
            activities: 20,
        },
        parameters: BTreeMap::new(),
        adversaries: vec!["a".into(), "b".into()],
        results,
        gates: Vec::new(),
        baseline: None,
        verdict: String::new(),
        exit_code: 99,
        not_run: Vec::new(),
        loopback: None,
        ladder: Vec::new(),
        caveats: Vec::new(),
    }
}

fn judged(results: Vec<Outcome>, limits: &Limits) -> Verdict {
    let mut verdict = verdict(results);
    judge(&mut verdict, limits, None, None);
    verdict
}

fn at_most(confidence: f64) -> Limits {
    Limits::default().with_max_confidence(confidence).unwrap()
}

/// Two rows of one defense: `a` with this confidence, `b` silent.
fn one(confidence: Option<Interval>) -> Vec<Outcome> {
    vec![row("stp", "a", confidence), row("stp", "b", None)]
}

#[test]
fn confidence_is_held_by_the_whole_interval() {
    use Status::{Fail, Inconclusive, Pass};
    let nan = f64::NAN;
    let few = |mut rows: Vec<Outcome>| {
        for row in &mut rows {
            // Four activities in each of ten trials.
            row.activities = 49;
        }
        rows
    };
    let with_headline = |mut rows: Vec<Outcome>, at: usize| {
        rows[at].headline = true;
        rows
    };
    let two = |a, b| vec![row("stp", "a", a), row("stp", "b", b)];
    let unheard = |mut rows: Vec<Outcome>| {
        rows[0].claims = 7;
        rows
    };
    type Case = (
        &'static str,
        Vec<Outcome>,
        Status,
        Option<f64>,
        Option<f64>,
        u8,
    );
    let cases: Vec<Case> = vec![
        (
            "within",
            one(share(0.5, 0.55, 0.59)),
            Pass,
            Some(0.55),
            Some(0.59),
            0,
        ),
        (
            "at the limit",
            one(share(0.5, 0.55, 0.6)),
            Pass,
            Some(0.55),
            Some(0.6),
            0,
        ),
        (
            "beyond",
            one(share(0.61, 0.7, 0.8)),
            Fail,
            Some(0.7),
            Some(0.61),
            1,
        ),
        (
            "from the limit on",
            one(share(0.6, 0.7, 0.8)),
            Inconclusive,
            Some(0.7),
            Some(0.8),
            5,
        ),
        (
            "value within, interval not",
            one(share(0.4, 0.5, 0.7)),
            Inconclusive,
            Some(0.5),
            Some(0.7),
            5,
        ),
        (
            "value beyond, interval not",
            one(share(0.5, 0.65, 0.7)),
            Inconclusive,
            Some(0.65),
            Some(0.7),
            5,
        ),
        ("no claims", one(None), Pass, None, None, 0),
        (
            "no claims, one not run",
            vec![row("stp", "a", None)],
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "no claims, few activities",
            few(one(None)),
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "claims without a number",
            unheard(one(None)),
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "not a number",
            one(share(nan, nan, nan)),
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "half a number",
            one(share(0.1, 0.2, nan)),
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "few, and within",
            few(one(share(0.5, 0.55, 0.59))),
            Inconclusive,
            Some(0.55),
            Some(0.59),
            5,
        ),
        (
            "few, and beyond",
            few(one(share(0.61, 0.7, 0.8))),
            Inconclusive,
            Some(0.7),
            Some(0.61),
            5,
        ),
        (
            "another is no number",
            with_headline(two(share(0.1, 0.2, 0.3), share(nan, 0.1, 0.2)), 0),
            Inconclusive,
            None,
            None,
            5,
        ),
        (
            "another than the headline may be beyond",
            with_headline(two(share(0.1, 0.2, 0.3), share(0.1, 0.15, 0.7)), 0),
            Inconclusive,
            Some(0.15),
            Some(0.7),
            5,
        ),
        (
            "all within",
            with_headline(two(share(0.1, 0.2, 0.3), share(0.1, 0.15, 0.59)), 0),
            Pass,
            Some(0.2),
            Some(0.3),
            0,
        ),
        (
            "unmarked, the highest counts",
            two(share(0.1, 0.2, 0.3), share(0.1, 0.5, 0.7)),
            Inconclusive,
            Some(0.5),
            Some(0.7),
            5,
        ),
        (
            "surely beyond, if not the highest",
            with_headline(two(share(0.2, 0.99, 1.0), share(0.8, 0.9, 0.95)), 0),
            Fail,
            Some(0.9),
            Some(0.8),
            1,
        ),
    ];
    for (what, rows, status, observed, bound, exit) in cases {
        let verdict = judged(rows, &at_most(0.6));
        let gate = &verdict.gates[0];
        assert_eq!(verdict.gates.len(), 1, "{what}");
        assert_eq!(
            (gate.status, gate.bound),
            (status, bound),
            "{what}: {}",
            gate.says
        );
        assert_eq!(gate.observed, observed, "{what}");
        assert_eq!(verdict.exit_code, exit, "{what}");
        assert!(!gate.says.is_empty(), "{what}");
    }
}

#[test]
fn overhead_is_held_by_its_interval_and_latency_by_its_99_percent() {
    use Status::{Fail, Inconclusive, Pass};
    let overhead = |change: &dyn Fn(&mut Outcome), limit: f64| {
        let mut rows = one(share(0.1, 0.2, 0.3));
        rows.iter_mut().for_each(change);
        let limits = Limits::default().with_max_overhead(limit).unwrap();
        judged(rows, &limits).gates[0].status
    };
    let as_is = |_: &mut Outcome| {};
    assert_eq!(overhead(&as_is, 4.2), Pass);
    assert_eq!(overhead(&as_is, 4.0), Inconclusive);
    assert_eq!(overhead(&as_is, 3.7), Fail);
    let bytes = |ratio, ends: Option<f64>, trials| {
        move |row: &mut Outcome| {
            row.overhead.ratio = ratio;
            (row.overhead.low, row.overhead.high) = (ends, ends);
            row.trials = trials;
        }
    };
    assert_eq!(
        overhead(&bytes(None, None, 1), 9.0),
        Inconclusive,
        "no bytes"
    );
    assert_eq!(overhead(&bytes(Some(f64::NAN), None, 1), 9.0), Inconclusive);
    assert_eq!(
        overhead(&bytes(Some(f64::INFINITY), None, 1), 9.0),
        Inconclusive
    );
    assert_eq!(
        overhead(&bytes(Some(2.0), None, 1), 9.0),
        Pass,
        "one run is counted"
    );
    assert_eq!(overhead(&bytes(Some(2.0), None, 1), 1.0), Fail);
    assert_eq!(
        overhead(&bytes(Some(2.0), None, 9), 9.0),
        Inconclusive,
        "runs without interval"
    );
    assert_eq!(
        overhead(&bytes(Some(2.0), Some(f64::NAN), 9), 9.0),
        Inconclusive
    );
    let few = |row: &mut Outcome| row.activities = 0;
    assert_eq!(overhead(&few, 9.0), Inconclusive, "never a pass on too few");
    assert_eq!(overhead(&few, 3.0), Fail, "bytes are counted all the same");

    let latency = |p99: f64, millis| {
        let mut rows = one(None);
        rows[0].added_latency_ms.p99 = Some(p99);
        let limit = Duration::from_millis(millis);
        let limits = Limits::default().with_max_added_latency(limit).unwrap();
        judged(rows, &limits).gates[0].status
    };
    assert_eq!(latency(180.5, 181), Pass);
    assert_eq!(latency(180.5, 180), Fail);
    assert_eq!(latency(0.0, 0), Pass);
    assert_eq!(latency(f64::NAN, 180), Inconclusive);
}

#[test]
fn every_defense_has_its_gates_and_the_worst_decides() {
    let limits = at_most(0.6).with_max_overhead(4.2).unwrap();
    let rows = |last: Option<Interval>| {
        let mut rows = vec![
            row("vpn", "a", share(0.5, 0.55, 0.7)),
            row("vpn", "b", None),
        ];
        rows.extend(one(share(0.1, 0.2, 0.3)));
        rows.extend([row("none", "a", last), row("none", "b", None)]);
        rows
    };
    let verdict = judged(rows(share(0.9, 0.95, 1.0)), &limits);
    let told: Vec<(&str, &str, Status)> = verdict
        .gates
        .iter()
        .map(|gate| (gate.rule.as_str(), gate.defense.as_str(), gate.status))
        .collect();
    assert_eq!(
        told,
        [
            (MAX_CONFIDENCE, "vpn", Status::Inconclusive),
            (MAX_OVERHEAD, "vpn", Status::Pass),
            (MAX_CONFIDENCE, "stp", Status::Pass),
            (MAX_OVERHEAD, "stp", Status::Pass),
            (MAX_CONFIDENCE, "none", Status::Fail),
            (MAX_OVERHEAD, "none", Status::Pass),
        ]
    );
    assert_eq!(
        (verdict.verdict.as_str(), verdict.exit_code),
        ("limit broken", 1)
    );
    let verdict = judged(rows(share(0.1, 0.2, 0.3)), &limits);
    assert_eq!(
        (verdict.verdict.as_str(), verdict.exit_code),
        ("inconclusive", 5)
    );
    let verdict = judged(rows(share(0.1, 0.2, 0.3)), &Limits::default());
    assert_eq!(
        (verdict.verdict.as_str(), verdict.exit_code),
        ("no limits set", 0)
    );
}

#[test]
fn a_defense_seen_from_two_places_has_two_gates() {
    let mut rows = one(None);
    rows.extend(one(share(0.9, 0.95, 1.0)));
    rows[2].vantage = "inside".into();
    rows[3].vantage = "inside".into();
    let verdict = judged(rows, &at_most(0.6));
    let told = verdict.gates.iter().map(|g| (g.defense.as_str(), g.status));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("stp (outside)", Status::Pass),
            ("stp (inside)", Status::Fail)
        ]
    );
}

#[test]
fn nothing_passes_on_an_empty_or_partial_result() {
    let verdict = judged(Vec::new(), &at_most(0.6));
    assert_eq!((verdict.gates.len(), verdict.exit_code), (1, 5));
    let mut devices = one(share(0.1, 0.2, 0.3));
    devices
        .iter_mut()
        .for_each(|row| row.device = "plug".into());
    assert_eq!(judged(devices, &at_most(0.6)).exit_code, 5);
    let cut = Some("home.pcap ends within a record");
    for (limits, rows, exit) in [
        (at_most(0.6), one(share(0.1, 0.2, 0.3)), 5),
        (at_most(0.6), one(None), 5),
        (at_most(0.6), one(share(0.7, 0.8, 0.9)), 1),
        (Limits::default(), one(share(0.1, 0.2, 0.3)), 5),
    ] {
        let mut verdict = self::verdict(rows);
        judge(&mut verdict, &limits, None, cut);
        assert_eq!(verdict.exit_code, exit, "{:?}", verdict.gates);
    }
}

#[test]
fn limits_out_of_range_are_refused_with_the_range() {
    let none = Limits::default;
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let error = none().with_max_confidence(bad).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("max-confidence {bad} is out of range; write a number from 0 to 1, as 0.6")
        );
    }
    for bad in [f64::NAN, -1.0, 0.0, 1e7, f64::INFINITY] {
        let error = none().with_max_overhead(bad).unwrap_err().to_string();
        assert!(
            error.ends_with("above 0 and up to 1000000, as 5; 1 is free"),
            "{error}"
        );
    }
    let long = Duration::from_secs(86_401);
    assert_eq!(
        none().with_max_added_latency(long).unwrap_err().to_string(),
        "max-added-latency 86401s is out of range; write a time from 0 to 1 day, as 200ms"
    );
    assert!(none().with_min_activities(0).is_err());
    assert!(none().with_max_confidence(0.0).unwrap().any());
    assert!(!none().with_min_activities(7).unwrap().any());
}

#[test]
fn the_same_again_is_no_news_and_worse_is() {
    let limits = at_most(0.6);
    let then = judged(one(share(0.65, 0.7, 0.75)), &limits);
    assert_eq!(then.exit_code, 1);
    let text = Saved::of(&then).text().unwrap();
    let saved = Saved::parse(text.as_bytes(), "b.json").unwrap();
    let now = |rows| {
        let mut verdict = verdict(rows);
        judge(&mut verdict, &limits, Some(&saved), None);
        verdict
    };
    let lists = |verdict: &Verdict| {
        let baseline = verdict.baseline.clone().unwrap();
        [baseline.new, baseline.fixed, baseline.persistent].map(|ids| ids.join(" "))
    };
    let (leak, limit) = ("stp/outside/a/all", "max-confidence/stp");
    let both = format!("{limit} {leak}");

    let same = now(one(share(0.65, 0.7, 0.75)));
    assert_eq!(lists(&same), ["", "", both.as_str()]);
    assert_eq!(
        (same.verdict.as_str(), same.exit_code),
        ("within limits", 0)
    );
    assert_eq!(same.gates[0].status, Status::Fail, "it is broken still");
    assert!(accepted(&same, &same.gates[0]) && !accepted(&same, &same.gates[1]));
    assert!(same.caveats.iter().any(|text| text.contains("accepted")));

    let worse = now(one(share(0.76, 0.8, 0.85)));
    assert_eq!(lists(&worse), [both.as_str(), "", ""]);
    assert_eq!(worse.exit_code, 1);
    assert!(!accepted(&worse, &worse.gates[0]));

    let better = now(one(share(0.2, 0.3, 0.4)));
    assert_eq!(lists(&better), ["", both.as_str(), ""]);
    assert_eq!(better.exit_code, 0);

    let silent = now(one(None));
    assert_eq!(lists(&silent), ["", both.as_str(), ""]);
    assert_eq!(silent.exit_code, 0);

    let unsure = now(one(share(0.5, 0.62, 0.75)));
    assert_eq!(lists(&unsure), ["", "", both.as_str()]);
    assert_eq!(unsure.exit_code, 5);

    let other = now(vec![
        row("stp", "a", None),
        row("stp", "b", share(0.1, 0.2, 0.3)),
    ]);
    assert_eq!(lists(&other), ["stp/outside/b/all", both.as_str(), ""]);
    assert_eq!(other.exit_code, 1);

    let mut few = one(share(0.76, 0.8, 0.85));
    few.iter_mut().for_each(|row| row.activities = 10);
    assert_eq!(now(few).exit_code, 5, "too few to tell");
    assert_eq!(now(Vec::new()).exit_code, 5, "nothing was audited");

    let gone = now(vec![row("vpn", "a", None), row("vpn", "b", None)]);
    assert_eq!(
        lists(&gone),
        ["", "", ""],
        "what was not run is not known to be fixed"
    );
    assert!(gone
        .caveats
        .iter()
        .any(|text| text.ends_with("not run now: stp")));
}

#[test]
fn each_device_is_held_by_itself() {
    let of = |device: &str, activities, confidence| Outcome {
        device: device.into(),
        activities,
        ..row("stp", "a", confidence)
    };
    let mut rows = one(share(0.3, 0.35, 0.4));
    // Ten trials: twenty uses of the plug, forty of the camera, four of the bell; nobody claims the lamp.
    rows.push(of("plug", 200, share(0.2, 0.25, 0.3)));
    rows.push(of("camera", 400, share(0.7, 0.8, 0.9)));
    rows.push(of("bell", 40, share(0.1, 0.2, 0.3)));
    rows.push(of("lamp", 100, None));
    for other in ["plug", "camera", "bell", "lamp"] {
        rows.push(Outcome {
            adversary: "b".into(),
            ..of(other, 100, None)
        });
    }
    for row in &mut rows {
        row.activities = if row.device == "bell" {
            40
        } else {
            row.activities
        };
    }
    assert_eq!(judged(rows.clone(), &at_most(0.5)).exit_code, 0);
    let found = judged(rows.clone(), &at_most(0.5).with_each_device(true));
    let told: Vec<(Option<&str>, Status)> = found
        .gates
        .iter()
        .map(|gate| (gate.device.as_deref(), gate.status))
        .collect();
    assert_eq!(
        told,
        [
            (None, Status::Pass),
            (Some("plug"), Status::Pass),
            (Some("camera"), Status::Fail),
            (Some("bell"), Status::Inconclusive),
            (Some("lamp"), Status::Pass),
        ]
    );
    assert_eq!(found.exit_code, 1);
    assert!(found.gates[3]
        .says
        .contains("4 genuine activities are too few"));
    // What a defense costs is of the home, and held once.
    let limits = at_most(1.0).with_max_overhead(5.0).unwrap();
    let costs = judged(rows.clone(), &limits.with_each_device(true));
    let costs = costs.gates.iter().filter(|gate| gate.rule == MAX_OVERHEAD);
    assert_eq!(costs.count(), 1);
    // Nothing passes on a part.
    let mut part = verdict(rows.clone());
    judge(
        &mut part,
        &at_most(0.95).with_each_device(true),
        None,
        Some("stopped"),
    );
    assert!(part
        .gates
        .iter()
        .all(|gate| gate.status == Status::Inconclusive));
    // A broken one is known again by its device.
    let saved = Saved::of(&found).text().unwrap();
    let saved = Saved::parse(saved.as_bytes(), "baseline.json").unwrap();
    let mut again = verdict(rows);
    judge(
        &mut again,
        &at_most(0.5).with_each_device(true),
        Some(&saved),
        None,
    );
    let persistent = &again.baseline.as_ref().unwrap().persistent;
    assert!(
        persistent.contains(&"max-confidence/stp/camera".to_owned()),
        "{persistent:?}"
    );
    assert_eq!(
        again
            .gates
            .iter()
            .filter(|gate| accepted(&again, gate))
            .count(),
        1
    );
}

#[test]
fn the_silence_of_who_could_not_speak_passes_no_gate() {
    let limits = at_most(0.5);
    let silent = |adversary: &str| row("stp", adversary, None);
    let run = |rows: Vec<Outcome>| {
        let judged = judged(rows, &limits);
        let [gate] = judged.gates.as_slice() else {
            panic!("{:?}", judged.gates);
        };
        (gate.status, gate.says.clone())
    };
    // Who claims nothing though it could keeps the limit.
    assert_eq!(run(vec![silent("a"), silent("b")]).0, Status::Pass);
    // Who only tells days apart could not.
    let days = |adversary: &str| Outcome {
        auc: share(0.4, 0.5, 0.6),
        ..silent(adversary)
    };
    let (status, says) = run(vec![days("a"), days("b")]);
    assert_eq!(status, Status::Inconclusive);
    assert!(says.contains("claims activities"), "{says}");
    assert_eq!(run(vec![silent("a"), days("b")]).0, Status::Pass);
    // Nor could who was not taught.
    let untaught = Outcome {
        silent_because: Some("it was not taught: too few".into()),
        ..silent("b")
    };
    let (status, says) = run(vec![silent("a"), untaught]);
    assert_eq!(status, Status::Inconclusive);
    assert!(says.contains("b (it was not taught: too few)"), "{says}");
}
