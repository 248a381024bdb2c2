//! What is said of a verdict in words, the same in every format that people read. Plain lines, not yet escaped for any.

use super::rows::{self, gate_of};
use crate::report::human::{self, bytes, counted, decimals, line, listed};
use crate::verdict::loopback::{Loopback, Tail};
use crate::verdict::{Outcome, Verdict};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of what does not work any more that are listed.
const BROKEN: usize = 6;
/// Sizes of datagrams that are listed.
const SIZES: usize = 8;
/// Findings of a kind that are listed.
const FINDINGS: usize = 20;

/// What was audited, in parts.
pub fn headline(verdict: &Verdict) -> Vec<String> {
    let home = &verdict.home;
    if verdict.results.is_empty() && !verdict.not_run.is_empty() {
        return vec![
            "nothing was audited".to_owned(),
            format!("seed {}", verdict.seed),
        ];
    }
    let mut parts = match verdict.inputs.is_empty() {
        true => vec!["a generated home".to_owned()],
        false => {
            let inputs: Vec<String> = verdict.inputs.iter().map(|input| line(input)).collect();
            vec![listed(&inputs, 3, ", ")]
        }
    };
    parts.extend([
        human::duration(home.last.since(home.first)),
        counted(home.packets, "packet"),
        bytes(home.bytes),
        counted(home.devices.len() as u64, "device"),
        human::activities(home.activities),
        format!("seed {}", verdict.seed),
    ]);
    parts
}

/// Where the truth comes from, where that is not somebody who wrote it down.
pub fn truth(verdict: &Verdict) -> Option<&'static str> {
    match verdict.home.truth.as_str() {
        "inferred" => Some("The truth is inferred: the activities are what infer claims of the undefended traffic, and nobody wrote them down. Give --labels to audit against what happened."),
        "generated" => Some("The home is synthetic: its packets and activities were generated."),
        _ => None,
    }
}

/// The controls: what shuffled marks and the undefended trace give, and who tells days apart.
pub fn controls(verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows::together(verdict) {
        if let Some(s) = row.shuffled {
            // What prints as 1 is 1.
            let tells = match (s.low < 1.005, s.high > 0.995) {
                (true, true) => "as it must be where claims know nothing but where padding is",
                (false, _) => "above 1: something besides padding itself tells genuine from cover",
                (_, false) => "below 1: what these claims go by misleads",
            };
            lines.push(format!(
                "Control, what is genuine dealt anew among padded periods, in {}: {}: confidence {} %, lift {}, {tells}. Single marks over chance {}{}.",
                counted(u64::from(s.trials), "trial"),
                who(row),
                decimals(s.confidence * 100.0, 1),
                ratio([s.lift, s.low, s.high]),
                ratio([s.dealt.lift, s.dealt.low, s.dealt.high]),
                match s.dealt.low < 1.005 && s.dealt.high > 0.995 {
                    true => "",
                    false => ": the control is wrong, do not rely on it",
                },
            ));
        }
    }
    let undefended = verdict
        .results
        .iter()
        .find(|r| r.defense == "none" && r.headline);
    if let Some(row) = undefended {
        lines.push(format!(
            "Control, undefended: {} is right about {}.",
            line(&row.adversary),
            rows::confidence(row)
        ));
    }
    let told = |row: &Outcome| row.auc.is_some() && !rows::too_few_days(row);
    if verdict.results.iter().any(told) {
        lines.push(
            "AUC: the chance to tell a day at home from a day away, over trials; 0.5 is guessing."
                .to_owned(),
        );
    }
    if rows::together(verdict).any(rows::too_few_days) {
        lines.push(
            "Too few days: one day at home, or one away, tells nothing of how days differ; give a capture of two days or more."
                .to_owned(),
        );
    }
    lines
}

/// What was really run, beside what the simulator says.
pub fn loopback(verdict: &Verdict) -> Vec<String> {
    let Some(run) = &verdict.loopback else {
        return Vec::new();
    };
    let number = |of: Option<f64>, digits| of.map_or("-".to_owned(), |of| decimals(of, digits));
    let tail = |of: Tail, digits| {
        let each = [of.p50, of.p99, of.max].map(|of| number(of, digits));
        each.join(" / ")
    };
    let sizes: Vec<String> = run.datagram_sizes.iter().map(u64::to_string).collect();
    let apart: Vec<&str> = run
        .agreement
        .iter()
        .filter(|one| one.meet == Some(false))
        .map(|one| one.adversary.as_str())
        .collect();
    let agrees = match (run.agrees, apart.is_empty()) {
        (true, _) => "they agree".to_owned(),
        (false, true) => "they do not agree".to_owned(),
        (false, false) => format!("they do not agree: {}", apart.join(", ")),
    };
    let mut lines = vec![
        format!(
            "Loopback: {} over UDP, {}, {} times as fast as the clock{}: {} of {} packets delivered, {} dropped{}, {} altered, {} repeated, {} out of order.",
            counted(run.tunnels, "tunnel"),
            human::duration(std::time::Duration::from_secs_f64(run.seconds)),
            decimals(run.time_scale, 1),
            if run.real_time { ", under SCHED_FIFO" } else { "" },
            run.delivered,
            run.offered,
            run.dropped,
            match run.unfinished {
                0 => String::new(),
                some => format!(", {some} still on their way"),
            },
            run.altered,
            run.repeated,
            run.disordered,
        ),
        format!(
            "Loopback, on the wire: {}, of {} bytes; {}, {} missed.",
            counted(run.datagrams, "datagram"),
            listed(&sizes, SIZES, ", "),
            counted(run.handshakes, "handshake"),
            counted(run.missed_cells, "cell"),
        ),
        captured(run),
        format!(
            "Loopback, p50 / p99 / max: cells late by {} us; packets later by {} ms up, {} ms down.",
            tail(run.schedule_error_us, 0),
            tail(run.added_latency_ms.up, 1),
            tail(run.added_latency_ms.down, 1),
        ),
        format!(
            "Loopback, wire and simulator of the same seed: overhead {} and {}; {agrees}.",
            number(run.overhead_wire, 3),
            number(run.overhead_simulated, 3),
        ),
    ];
    lines.extend(
        run.leaks
            .iter()
            .map(|leak| format!("What such a wire shows: {leak}.")),
    );
    lines
}

/// What a capture on lo saw of a loopback, or why there was none.
fn captured(run: &Loopback) -> String {
    let Some(seen) = &run.capture else {
        let why = run.no_capture.as_deref().unwrap_or("nobody asked for one");
        return format!(
            "Loopback, by libpcap on lo: nothing was captured; {}.",
            line(why)
        );
    };
    let sizes: Vec<String> = seen.datagram_sizes.iter().map(u64::to_string).collect();
    let apart = |of: Option<f64>| of.map_or("-".to_owned(), |of| decimals(of, 0));
    format!(
        "Loopback, by libpcap on lo: {}, of {} bytes; {}; its times and the relay's are {} / {} / {} us apart{}.",
        counted(seen.datagrams, "datagram"),
        listed(&sizes, SIZES, ", "),
        match seen.agrees {
            true => "the very ones that the relay saw",
            false => "not the same that the relay saw",
        },
        apart(seen.apart_us.p50),
        apart(seen.apart_us.p99),
        apart(seen.apart_us.max),
        match seen.dropped {
            0 => String::new(),
            some => format!("; the kernel had no room for {some}"),
        },
    )
}

/// A ratio and its interval.
fn ratio([value, low, high]: [f64; 3]) -> String {
    let of = |number| decimals(number, 2);
    format!("{} [{}-{}]", of(value), of(low), of(high))
}

/// What does not work any more, a line a defense.
pub fn broken(verdict: &Verdict) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let rows = verdict.results.iter().filter(|row| !row.broken.is_empty());
    rows.filter(|row| seen.insert((&row.defense, &row.vantage)))
        .map(|row| {
            let names: Vec<String> = row.broken.iter().map(|name| line(name)).collect();
            format!(
                "{} cuts off {}.",
                rows::place(row),
                listed(&names, BROKEN, ", ")
            )
        })
        .collect()
}

/// What steered the audit and each defense: a line for what is the same of all devices, then a line a device.
pub fn parameters(verdict: &Verdict) -> Vec<String> {
    let mut lines = told(&line(&verdict.command), &verdict.parameters);
    let mut seen = BTreeSet::new();
    for row in &verdict.results {
        for text in told(&line(&row.defense), &row.parameters) {
            if seen.insert(text.clone()) {
                lines.push(text);
            }
        }
    }
    lines
}

/// Parameters of one name: first those that have one value, then, for each device (or check), those that differ.
fn told(name: &str, parameters: &BTreeMap<String, Value>) -> Vec<String> {
    let mut same = Vec::new();
    let mut each: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (parameter, value) in parameters {
        match value {
            Value::Object(of) => {
                for (device, value) in of {
                    let pair = format!("{} {}", line(parameter), line(&short(value)));
                    each.entry(device).or_default().push(pair);
                }
            }
            value => same.push(format!("{} {}", line(parameter), line(&short(value)))),
        }
    }
    let mut lines = Vec::new();
    if !same.is_empty() {
        lines.push(format!("{name}: {}.", same.join(", ")));
    }
    for (device, pairs) in each {
        lines.push(format!("{name}, {}: {}.", line(device), pairs.join(", ")));
    }
    lines
}

/// A parameter as people read it: numbers to four digits, what differs by device as `device number`.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 && number != 0.0 => {
                let whole = number.abs().log10().floor() as i32;
                let places = usize::try_from(3 - whole).unwrap_or(0);
                let text = decimals(number, places);
                match text.contains('.') {
                    true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                    false => text,
                }
            }
            _ => number.to_string(),
        },
        Value::Object(of) => {
            let each = of
                .iter()
                .map(|(name, value)| format!("{name} {}", short(value)));
            format!("({})", each.collect::<Vec<_>>().join(", "))
        }
        Value::Array(all) => {
            format!("({})", all.iter().map(short).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// How the findings differ from the baseline's, a line a kind.
pub fn baseline(verdict: &Verdict) -> Vec<String> {
    let Some(baseline) = &verdict.baseline else {
        return Vec::new();
    };
    let told = |kind: &str, ids: &[String]| {
        let shown: Vec<String> = ids.iter().map(|id| line(id)).collect();
        match ids.is_empty() {
            true => format!("{kind}: none."),
            false => format!("{kind}: {}.", listed(&shown, FINDINGS, ", ")),
        }
    };
    vec![
        format!("Held against the baseline {}.", line(&baseline.path)),
        told("New", &baseline.new),
        told("Fixed", &baseline.fixed),
        told("Persistent", &baseline.persistent),
    ]
}

/// The gates that did not pass, one line each, broken ones first: for standard error where standard output shows something
/// else than the table. Nothing in them can break a line.
pub fn failing_lines(verdict: &Verdict) -> Vec<String> {
    let words = [
        ("fail", "broken"),
        ("inconclusive", "inconclusive"),
        ("known", "known to the baseline"),
    ];
    let told = |(status, word): (&str, &str)| {
        let gates = verdict.gates.iter();
        let gates = gates.filter(|gate| rows::status(verdict, gate) == status);
        gates
            .map(|gate| {
                let text = format!("{word}: {}: {}: {}", gate.rule, gate_of(gate), gate.says);
                line(&text)
            })
            .collect::<Vec<String>>()
    };
    let not_run = verdict.not_run.iter();
    let not_run = not_run.map(|check| line(&format!("not run: {}: {}", check.check, check.reason)));
    not_run.chain(words.into_iter().flat_map(told)).collect()
}

/// The last line.
pub fn closing(verdict: &Verdict) -> String {
    let not_run = match verdict.not_run.len() {
        0 => String::new(),
        checks => format!("Could not be run: {}. ", counted(checks as u64, "check")),
    };
    format!(
        "{not_run}Verdict: {} (exit code {}). stp-audit {}.",
        line(&verdict.verdict),
        verdict.exit_code,
        verdict.version
    )
}

/// What the marked rows are.
const MARKED: &str =
    "Marked: the adversary who is right most often about a defense. Limits are held against all of them.";

/// What the marked rows are, and why one that is not marked may show a higher confidence.
pub fn marked(verdict: &Verdict) -> String {
    let rows = || rows::together(verdict);
    let value = |row: &Outcome| row.confidence.map(|confidence| confidence.value);
    let higher = rows().filter(|row| row.headline).any(|worst| {
        let same =
            rows().filter(|row| (&row.defense, &row.vantage) == (&worst.defense, &worst.vantage));
        same.filter_map(value).any(|of| Some(of) > value(worst))
    });
    match higher {
        true => format!("{MARKED} Who made fewer than ten claims may have been lucky, and stands behind who made more."),
        false => MARKED.to_owned(),
    }
}

fn who(row: &Outcome) -> String {
    format!("{} against {}", line(&row.adversary), rows::place(row))
}
