//! A verdict on its way: held against limits and a baseline on disk, delivered in every format at once, as its schema says.

use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use stp_audit::report::audit::{failing_lines, Page, RatePlot, FORMATS};
use stp_audit::report::{audit, deliver, sweep, ColorChoice, Format, Output, Plan};
use stp_audit::stats::{ratio, wilson};
use stp_audit::tradeoff::{self, Point, TradeOff};
use stp_audit::units::Timestamp;
use stp_audit::verdict::baseline::Saved;
use stp_audit::verdict::gates::{judge, Limits};
use stp_audit::verdict::{
    self, CMin, Dealt, Home, Latency, Outcome, Overhead, PrecisionAt, Shuffled, Theory, Verdict,
};

/// One defense, two adversaries: the first is right about `correct` of 100 claims, the second says nothing.
fn verdict(correct: u64) -> Verdict {
    let row = |adversary: &str, claims: u64, correct: u64| Outcome {
        defense: "stp".into(),
        vantage: "outside".into(),
        adversary: adversary.into(),
        device: "all".into(),
        parameters: BTreeMap::from([("period_s".into(), json!(10))]),
        trials: 2,
        headline: claims > 0,
        claims,
        correct,
        activities: 80,
        hit: correct.min(80),
        confidence: wilson(correct, claims),
        recall: Some(0.5),
        precision_at: PrecisionAt::default(),
        auc: wilson(3, 4),
        activities_per_period: Some(0.4),
        genuine_periods_per_period: Some(0.5),
        c_min: CMin::default(),
        shuffled: Some(Shuffled {
            confidence: 0.5,
            lift: 1.0,
            low: 0.9,
            high: 1.1,
            trials: 2,
            chance: 0.5,
            dealt: Dealt {
                lift: 1.0,
                low: 0.9,
                high: 1.1,
            },
        }),
        overhead: Overhead {
            ratio: Some(4.0),
            low: Some(3.8),
            high: Some(4.2),
            genuine_bytes: 1e6,
            cover_bytes: 2e6,
            framing_bytes: 1e6,
            dropped_bytes: 0.0,
            gb_per_month: 4.0,
        },
        added_latency_ms: Latency {
            p50: Some(1.0),
            p99: Some(2.0),
            max: Some(3.0),
        },
        theory: Some(Theory {
            confidence: Some(0.5),
            overhead: None,
        }),
        broken: vec!["192.0.2.7".into()],
        silent_because: Some("too few examples".into()),
    };
    Verdict {
        schema: verdict::SCHEMA,
        version: "0.1.0",
        command: "defend".into(),
        seed: 1,
        inputs: vec!["./captures/an evening.pcapng".into()],
        home: Home {
            truth: "labels".into(),
            first: Timestamp::new(1_519_927_200, 0),
            last: Timestamp::new(1_519_934_640, 0),
            packets: 7,
            bytes: 1_000_000,
            devices: vec!["plug".into()],
            activities: 40,
        },
        parameters: BTreeMap::new(),
        adversaries: vec!["threshold".into(), "run-length".into()],
        results: vec![row("threshold", 100, correct), row("run-length", 0, 0)],
        gates: Vec::new(),
        baseline: None,
        verdict: String::new(),
        exit_code: 0,
        not_run: Vec::new(),
        loopback: None,
        ladder: Vec::new(),
        caveats: vec!["a caveat".into()],
    }
}

fn curve() -> TradeOff {
    let point = |n: u32| {
        let q = f64::from(n) / 20.0;
        let bytes = 2.0 + 16.0 * q;
        Point {
            device: "nest".into(),
            p: 0.01,
            q,
            confidence: wilson(100, 100 + u64::from(n) * 50),
            overhead: ratio(&[(bytes, 1.0), (bytes * 1.1, 1.0)]),
            activities_per_period: None,
        }
    };
    TradeOff {
        schema: tradeoff::SCHEMA,
        version: "0.1.0",
        seed: 1,
        trials: 50,
        duration_s: 10_000,
        parameters: BTreeMap::from([("nest".into(), BTreeMap::new())]),
        points: (0..=20).map(point).collect(),
        caveats: Vec::new(),
    }
}

fn check(schema: &str, text: &str) -> Value {
    let schema = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{}: {fault}", fault.instance_path))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    document
}

#[test]
fn a_verdict_is_delivered_in_every_format_at_once() {
    let mut verdict = verdict(70);
    let limits = Limits::default().with_max_confidence(0.5).unwrap();
    judge(&mut verdict, &limits, None, None);
    let sweep = curve();
    let seconds = |from: i32, to: i32| (from..to).map(f64::from);
    let plot = RatePlot {
        device: "plug".into(),
        before: seconds(0, 7_440)
            .map(|s| (s, if s % 600.0 < 5.0 { 9e3 } else { 60.0 }))
            .collect(),
        after: seconds(0, 7_440)
            .map(|s| (s, if s % 300.0 < 30.0 { 1e4 } else { 0.0 }))
            .collect(),
        padded: (0..24)
            .map(|n| {
                (
                    f64::from(n) * 300.0,
                    f64::from(n) * 300.0 + 30.0,
                    n % 2 == 0,
                )
            })
            .collect(),
    };
    let page = Page {
        verdict: &verdict,
        plots: &[plot],
        curve: Some(&sweep),
        chosen: Some((4.0, 0.55)),
    };
    let folder = tempfile::tempdir().unwrap();
    let outputs: Vec<Output> = FORMATS
        .iter()
        .map(|format| {
            let text = format!("{format}={}/v.{format}", folder.path().display());
            Output::read(&text, &FORMATS).unwrap()
        })
        .collect();
    let null = Output::read("json=/dev/null", &FORMATS).unwrap();
    let plan = Plan::new(Format::Table, &[outputs, vec![null]].concat()).unwrap();
    deliver(&page, &plan, ColorChoice::Never).unwrap();

    let read =
        |format: Format| fs::read_to_string(folder.path().join(format!("v.{format}"))).unwrap();
    let document = check(audit::json::SCHEMA, &read(Format::Json));
    assert_eq!(document["exit_code"], 1);
    for format in FORMATS {
        let text = read(format);
        // The seed and the parameters are in every artefact, and so is the adversary who broke the limit.
        for word in ["threshold", "period_s", "seed"] {
            let escaped = word.replace('_', "\\_");
            assert!(
                text.contains(word) || text.contains(&escaped),
                "{format}: {word}"
            );
        }
    }
    let html = read(Format::Html);
    assert_eq!(html.matches("<svg").count(), 2);
    assert!(html.contains("chosen"));
    let sarif: Value = serde_json::from_str(&read(Format::Sarif)).unwrap();
    let uri = "/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri";
    assert_eq!(sarif.pointer(uri).unwrap(), "captures/an%20evening.pcapng");
}

#[test]
fn every_promised_field_is_there() {
    let mut verdict = verdict(70);
    let limits = Limits::default().with_max_confidence(0.5).unwrap();
    judge(&mut verdict, &limits, None, None);
    let document = serde_json::to_value(&verdict).unwrap();
    let fields = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let row = &document["results"][0];
    for (place, promised) in [
        (&document, "seed adversaries results gates verdict exit_code"),
        (row, "defense adversary device parameters claims correct activities confidence activities_per_period recall c_min overhead added_latency_ms theory"),
        (&row["confidence"], "value low high level method"),
        (&row["c_min"], "time_fraction activities_per_period periods_touched"),
        (&row["overhead"], "ratio genuine_bytes cover_bytes framing_bytes dropped_bytes gb_per_month"),
        (&row["added_latency_ms"], "p50 p99 max"),
        (&row["theory"], "confidence overhead"),
        (&document["gates"][0], "rule limit observed bound status"),
    ] {
        let there = fields(place);
        for field in promised.split(' ') {
            assert!(there.contains(field), "{field} is not among {there:?}");
        }
    }
}

#[test]
fn a_baseline_goes_over_the_disk_and_only_news_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.json");
    let limits = Limits::default().with_max_confidence(0.5).unwrap();
    let mut then = verdict(70);
    judge(&mut then, &limits, None, None);
    assert_eq!((then.exit_code, failing_lines(&then).len()), (1, 1));
    fs::write(&path, Saved::of(&then).text().unwrap()).unwrap();

    let saved = Saved::load(&path).unwrap();
    for (correct, exit_code) in [(70, 0), (75, 0), (90, 1), (30, 0)] {
        let mut now = verdict(correct);
        judge(&mut now, &limits, Some(&saved), None);
        assert_eq!(now.exit_code, exit_code, "{correct}: {:?}", now.baseline);
        check(audit::json::SCHEMA, &serde_json::to_string(&now).unwrap());
        let baseline = now.baseline.unwrap();
        assert_eq!(baseline.path, path.display().to_string());
        assert_eq!(baseline.new.is_empty(), exit_code == 0);
        assert_eq!(baseline.fixed.is_empty(), correct != 30);
    }
}

#[test]
fn a_sweep_is_delivered_as_a_curve() {
    let folder = tempfile::tempdir().unwrap();
    let outputs: Vec<Output> = ["svg", "json", "csv", "html"]
        .iter()
        .map(|format| {
            let text = format!("{format}={}/s.{format}", folder.path().display());
            Output::read(&text, &sweep::FORMATS).unwrap()
        })
        .collect();
    let plan = Plan::new(Format::Csv, &outputs).unwrap();
    let plan = plan.among(&sweep::FORMATS).unwrap();
    deliver(&curve(), &plan, ColorChoice::Never).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let document = check(sweep::json::SCHEMA, &read("s.json"));
    assert_eq!(document["points"].as_array().unwrap().len(), 21);
    assert_eq!(read("s.csv").lines().count(), 22);
    let svg = read("s.svg");
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("nest, p 0.01"), "{svg}");
    assert!(read("s.html").contains("<svg"));
    assert_eq!(
        Output::read("junit=x", &sweep::FORMATS).unwrap_err(),
        "`junit` is no format; there are table, json, jsonl, csv, md, svg, html"
    );
}
