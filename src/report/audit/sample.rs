//! Verdicts for the tests of every format.

use crate::stats::wilson;
use crate::units::Timestamp;
use crate::verdict::baseline::Saved;
use crate::verdict::gates::{judge, Limits};
use crate::verdict::{
    CMin, Dealt, Home, Latency, Outcome, Overhead, PrecisionAt, Shuffled, Theory, Verdict, SCHEMA,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A row: defense, adversary, claims of which so many are correct.
pub fn row(defense: &str, adversary: &str, claims: u64, correct: u64) -> Outcome {
    Outcome {
        defense: defense.into(),
        vantage: "outside".into(),
        adversary: adversary.into(),
        device: "all".into(),
        parameters: BTreeMap::new(),
        trials: 1,
        headline: false,
        claims,
        correct,
        activities: 40,
        hit: correct.min(40),
        confidence: wilson(correct, claims),
        recall: Some(correct.min(40) as f64 / 40.0),
        precision_at: PrecisionAt::default(),
        auc: None,
        activities_per_period: None,
        genuine_periods_per_period: None,
        c_min: CMin {
            time_fraction: Some(0.004),
            activities_per_period: Some(0.04),
            periods_touched: Some(0.039),
        },
        shuffled: None,
        overhead: Overhead {
            ratio: Some(1.0),
            genuine_bytes: 12_345_678.0,
            gb_per_month: 1.234_5,
            ..Overhead::default()
        },
        added_latency_ms: Latency {
            p50: Some(0.0),
            p99: Some(0.0),
            max: Some(0.0),
        },
        theory: None,
        broken: Vec::new(),
        silent_because: None,
    }
}

/// An undefended home, a firewall and stochastic traffic padding; limits that pass, break and cannot be told.
pub fn verdict() -> Verdict {
    let mut verdict = unjudged();
    let limits = Limits::default()
        .with_max_confidence(0.6)
        .and_then(|limits| limits.with_max_overhead(4.0))
        .and_then(|limits| limits.with_max_added_latency(Duration::from_millis(200)))
        .unwrap();
    let mut then = unjudged();
    then.results.retain(|row| row.defense != "none");
    judge(&mut then, &Limits::default(), None, None);
    let text = Saved::of(&then).text().unwrap();
    let saved = Saved::parse(text.as_bytes(), "baseline.json").unwrap();
    judge(&mut verdict, &limits, Some(&saved), None);
    verdict
}

/// The same before it was held against limits.
pub fn unjudged() -> Verdict {
    let mut none = row("none", "threshold", 38, 36);
    none.headline = true;
    none.precision_at = PrecisionAt {
        top_1_percent: Some(1.0),
        top_5_percent: Some(1.0),
        top_10_percent: Some(0.75),
    };
    let mut plug = row("none", "threshold", 20, 19);
    plug.device = "plug".into();
    let mut firewall = row("firewall", "threshold", 0, 0);
    firewall.broken = vec!["api.xbcs.net".into(), "192.0.2.7".into()];
    firewall.overhead.ratio = Some(0.0);
    let silent = ["threshold", "every-padded-period", "run-length"].map(|adversary| Outcome {
        adversary: adversary.into(),
        ..firewall.clone()
    });
    let mut periods = row("stp", "every-padded-period", 4_000, 2_044);
    let mut runs = row("stp", "run-length", 500, 300);
    runs.headline = true;
    for row in [&mut periods, &mut runs] {
        row.trials = 50;
        row.activities = 2_000;
        row.hit = 2_000;
        row.parameters =
            BTreeMap::from([("period_s".into(), json!(10)), ("q".into(), json!(0.01))]);
        row.activities_per_period = Some(0.5);
        row.genuine_periods_per_period = Some(0.511);
        row.overhead = Overhead {
            ratio: Some(4.0),
            low: Some(3.8),
            high: Some(4.2),
            cover_bytes: 30_000_000.0,
            framing_bytes: 7_037_034.0,
            gb_per_month: 4.938,
            ..row.overhead.clone()
        };
        row.added_latency_ms = Latency {
            p50: Some(12.0),
            p99: Some(180.5),
            max: Some(400.25),
        };
        row.theory = Some(Theory {
            confidence: Some(0.5025),
            overhead: Some(3.98),
        });
    }
    periods.shuffled = Some(Shuffled {
        confidence: 0.51,
        lift: 1.002,
        low: 0.97,
        high: 1.03,
        trials: 16,
        chance: 0.508,
        dealt: Dealt {
            lift: 1.001,
            low: 0.96,
            high: 1.04,
        },
    });
    runs.auc = wilson(95, 100);
    Verdict {
        schema: SCHEMA,
        version: "0.1.0",
        command: "defend".into(),
        seed: 1,
        inputs: vec!["captures/evening.pcapng".into()],
        home: Home {
            truth: "inferred".into(),
            first: Timestamp::new(1_519_927_200, 0),
            last: Timestamp::new(1_519_934_640, 0),
            packets: 418_122,
            bytes: 12_345_678,
            devices: vec!["plug".into(), "cam".into()],
            activities: 40,
        },
        parameters: BTreeMap::from([("tolerance_s".into(), json!(60))]),
        adversaries: ["threshold", "every-padded-period", "run-length"]
            .map(String::from)
            .to_vec(),
        results: [vec![none, plug], silent.to_vec(), vec![periods, runs]].concat(),
        gates: Vec::new(),
        baseline: None,
        verdict: String::new(),
        exit_code: 0,
        not_run: Vec::new(),
        loopback: None,
        ladder: Vec::new(),
        caveats: vec!["the clock ran backwards 2 times".into()],
    }
}

/// A verdict whose every text wants to be something else, and whose numbers are none.
pub fn hostile() -> Verdict {
    let mut verdict = verdict();
    verdict.inputs = vec!["=1+1|x\n# heading <b>&\u{1b}[31m.pcap".into()];
    verdict.home.devices = vec!["<script>alert(1)</script>".into()];
    let nasty = "</td><script src=//e.example>|`[x](http://e.example)\r\n\u{202e}\u{0}]]>";
    for row in &mut verdict.results {
        // Reports for people show what is said of all devices together.
        if row.device != "all" {
            row.device = nasty.into();
        }
        row.broken = vec![nasty.into(), "=cmd|' /C calc'!A0".into()];
        row.parameters = BTreeMap::from([("=x".into(), json!(nasty))]);
    }
    let row = &mut verdict.results[0];
    row.defense = "@SUM(A1)<img src=x>".into();
    row.adversary = "-2+3|`x`".into();
    row.recall = Some(f64::NAN);
    row.overhead.ratio = Some(f64::INFINITY);
    row.overhead.gb_per_month = f64::NAN;
    row.added_latency_ms.p99 = Some(f64::NAN);
    row.precision_at.top_1_percent = Some(f64::NAN);
    if let Some(c) = &mut row.confidence {
        c.high = f64::NAN;
    }
    verdict.gates[0].says = nasty.into();
    verdict.gates[0].bound = Some(f64::NAN);
    verdict.caveats = vec![nasty.into()];
    verdict
}

/// Nothing was audited.
pub fn empty() -> Verdict {
    let mut verdict = Verdict {
        inputs: Vec::new(),
        results: Vec::new(),
        adversaries: Vec::new(),
        parameters: BTreeMap::new(),
        caveats: Vec::new(),
        home: Home {
            truth: "generated".into(),
            packets: 0,
            bytes: 0,
            devices: Vec::new(),
            activities: 0,
            ..unjudged().home
        },
        ..unjudged()
    };
    judge(&mut verdict, &Limits::default(), None, None);
    verdict
}
