//! One result as the texts of a row, for every format that people read.

use crate::report::human::{decimals, line, percent, MISSING};
use crate::stats::TOO_FEW_DAYS;
use crate::verdict::gates::accepted;
use crate::verdict::{Gate, Interval, Outcome, Status, Verdict};

/// Headings of [`cells`].
pub const HEADINGS: [&str; 11] = [
    "Defense",
    "Adversary",
    "Device",
    "Confidence",
    "Recall",
    "Overhead",
    "GB/month",
    "Latency p99",
    "Top 1/5/10 %",
    "Act./period",
    "Theory c, b",
];

/// What the rows about all devices together are called.
const ALL: &str = "all";

/// The rows that people are shown: the devices of a home together. Seven defenses, five adversaries and a dozen devices are
/// more rows than anybody reads; JSON and CSV have one for each device.
pub fn together(verdict: &Verdict) -> impl Iterator<Item = &Outcome> {
    verdict.results.iter().filter(|row| row.device == ALL)
}

/// The texts of a result: plain, with nothing in them that breaks a line.
pub fn cells(row: &Outcome) -> [String; HEADINGS.len()] {
    let top = &row.precision_at;
    let top = [top.top_1_percent, top.top_5_percent, top.top_10_percent];
    let top = match top.iter().all(Option::is_none) {
        true => MISSING.to_owned(),
        false => top
            .map(|share| number(share.map(|s| s * 100.0), 0))
            .join("/"),
    };
    let theory = row
        .theory
        .filter(|t| t.confidence.is_some() || t.overhead.is_some());
    let theory = theory.map_or(MISSING.to_owned(), |theory| {
        let c = percent(theory.confidence, MISSING);
        format!("{c}, {}", number(theory.overhead, 2))
    });
    [
        place(row),
        line(&row.adversary),
        line(&row.device),
        confidence(row),
        percent(row.recall, MISSING),
        number(row.overhead.ratio, 2),
        decimals(row.overhead.gb_per_month, 2),
        row.added_latency_ms
            .p99
            .map_or(MISSING.to_owned(), |p99| format!("{} ms", decimals(p99, 1))),
        top,
        number(row.activities_per_period, 3),
        theory,
    ]
}

/// The defense, and where the adversary stands if that is not where all traffic has passed it.
pub fn place(row: &Outcome) -> String {
    match row.vantage.as_str() {
        "outside" => line(&row.defense),
        vantage => format!("{} ({})", line(&row.defense), line(vantage)),
    }
}

/// `51.1 % [48.0-54.2]`; of who tells days apart `AUC 0.97 [0.95-0.99]`, or `too few days`; `no claims` where there are none.
pub fn confidence(row: &Outcome) -> String {
    match (row.confidence, row.claims) {
        (Some(c), _) => interval(c),
        (None, 0) if too_few_days(row) => "too few days".to_owned(),
        (None, 0) if row.auc.is_some() => row.auc.map_or(MISSING.to_owned(), |auc| {
            let of = |area: f64| decimals(area, 2);
            format!("AUC {} [{}-{}]", of(auc.value), of(auc.low), of(auc.high))
        }),
        (None, 0) => "no claims".to_owned(),
        (None, _) => MISSING.to_owned(),
    }
}

/// Whether days were to be told apart and were too few for it.
pub fn too_few_days(row: &Outcome) -> bool {
    row.auc.is_some_and(|auc| auc.method == TOO_FEW_DAYS)
}

/// `51.1 % [48.0-54.2]`.
pub fn interval(c: Interval) -> String {
    let of = |share: f64| decimals(share * 100.0, 1);
    format!("{} % [{}-{}]", of(c.value), of(c.low), of(c.high))
}

/// A number, or a dash.
pub fn number(number: Option<f64>, places: usize) -> String {
    number.map_or(MISSING.to_owned(), |number| decimals(number, places))
}

/// What a gate is about: a defense, and the device where it is about one by itself.
pub fn gate_of(gate: &Gate) -> String {
    match &gate.device {
        Some(device) => format!("{}, device {}", line(&gate.defense), line(device)),
        None => line(&gate.defense),
    }
}

/// The word for a gate's status: `known` where it broke in the baseline as well and is accepted by it.
pub fn status(verdict: &Verdict, gate: &Gate) -> &'static str {
    match gate.status {
        Status::Pass => "pass",
        Status::Inconclusive => "inconclusive",
        Status::Fail if accepted(verdict, gate) => "known",
        Status::Fail => "fail",
    }
}
