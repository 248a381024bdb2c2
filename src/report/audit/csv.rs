//! The results of a verdict as one tidy table: a row for each defense, adversary and device.
//!
//! Shares are from 0 to 1, what is absent is empty, parameters are one JSON object in a cell. Gates are no results: they
//! are in every other format, and the broken ones go to standard error.

use crate::report::csv::{io_error, number, text};
use crate::verdict::{Outcome, Verdict};
use csv::Writer;
use std::borrow::Cow;
use std::io::{self, Write};

/// The columns.
pub const COLUMNS: [&str; 43] = [
    "defense",
    "vantage",
    "adversary",
    "device",
    "headline",
    "trials",
    "claims",
    "correct",
    "activities",
    "hit",
    "confidence",
    "confidence_low",
    "confidence_high",
    "confidence_method",
    "recall",
    "top_1_percent",
    "top_5_percent",
    "top_10_percent",
    "auc",
    "auc_low",
    "auc_high",
    "activities_per_period",
    "genuine_periods_per_period",
    "c_min_time_fraction",
    "c_min_activities_per_period",
    "c_min_periods_touched",
    "shuffled_confidence",
    "shuffled_lift",
    "overhead",
    "overhead_low",
    "overhead_high",
    "genuine_bytes",
    "cover_bytes",
    "framing_bytes",
    "dropped_bytes",
    "gb_per_month",
    "added_latency_ms_p50",
    "added_latency_ms_p99",
    "added_latency_ms_max",
    "theory_confidence",
    "theory_overhead",
    "seed",
    "parameters",
];

/// Writes heading and rows.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Writer::from_writer(out);
    rows.write_record(COLUMNS).map_err(io_error)?;
    for row in &verdict.results {
        let parameters = serde_json::to_string(&row.parameters)?;
        let cells = cells(row, verdict.seed, &parameters);
        let record = rows.write_record(cells.iter().map(|cell| cell.as_bytes()));
        record.map_err(io_error)?;
    }
    rows.flush()
}

fn cells<'a>(row: &'a Outcome, seed: u64, parameters: &'a str) -> [Cow<'a, str>; COLUMNS.len()] {
    let some = |value: Option<f64>, places| value.map_or("".into(), |value| number(value, places));
    let whole = |count: u64| Cow::Owned(count.to_string());
    let share = |value: Option<f64>| some(value, 6);
    let (c, auc, cost) = (row.confidence, row.auc, &row.overhead);
    [
        text(&row.defense),
        text(&row.vantage),
        text(&row.adversary),
        text(&row.device),
        row.headline.to_string().into(),
        whole(row.trials.into()),
        whole(row.claims),
        whole(row.correct),
        whole(row.activities),
        whole(row.hit),
        share(c.map(|c| c.value)),
        share(c.map(|c| c.low)),
        share(c.map(|c| c.high)),
        c.map_or("".into(), |c| text(c.method)),
        share(row.recall),
        share(row.precision_at.top_1_percent),
        share(row.precision_at.top_5_percent),
        share(row.precision_at.top_10_percent),
        share(auc.map(|auc| auc.value)),
        share(auc.map(|auc| auc.low)),
        share(auc.map(|auc| auc.high)),
        share(row.activities_per_period),
        share(row.genuine_periods_per_period),
        share(row.c_min.time_fraction),
        share(row.c_min.activities_per_period),
        share(row.c_min.periods_touched),
        share(row.shuffled.map(|s| s.confidence)),
        share(row.shuffled.map(|s| s.lift)),
        share(cost.ratio),
        share(cost.low),
        share(cost.high),
        number(cost.genuine_bytes, 1),
        number(cost.cover_bytes, 1),
        number(cost.framing_bytes, 1),
        number(cost.dropped_bytes, 1),
        number(cost.gb_per_month, 6),
        some(row.added_latency_ms.p50, 3),
        some(row.added_latency_ms.p99, 3),
        some(row.added_latency_ms.max, 3),
        share(row.theory.and_then(|theory| theory.confidence)),
        share(row.theory.and_then(|theory| theory.overhead)),
        whole(seed),
        text(parameters),
    ]
}
