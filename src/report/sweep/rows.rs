//! One point as the texts of a row, and what is said of the whole sweep; for every format that people read.

use crate::report::human::{counted, decimals, line, MISSING};
use crate::tradeoff::{Point, TradeOff};
use crate::verdict::Interval;

/// Headings of [`cells`].
pub const HEADINGS: [&str; 6] = ["Device", "p", "q", "Confidence", "Overhead", "Act./period"];

/// The texts of a point.
pub fn cells(point: &Point) -> [String; HEADINGS.len()] {
    let interval = |interval: Option<Interval>, scale: f64, places: usize, unit: &str| {
        interval.map_or(MISSING.to_owned(), |i| {
            let of = |number: f64| decimals(number * scale, places);
            format!("{}{unit} [{}-{}]", of(i.value), of(i.low), of(i.high))
        })
    };
    [
        line(&point.device),
        chance(point.p),
        chance(point.q),
        interval(point.confidence, 100.0, 1, " %"),
        interval(point.overhead, 1.0, 2, ""),
        point
            .activities_per_period
            .map_or(MISSING.to_owned(), |n| decimals(n, 3)),
    ]
}

/// A chance with as many places as it has, six at most.
fn chance(chance: f64) -> String {
    let text = decimals(chance, 6);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// What was swept.
pub fn headline(sweep: &TradeOff) -> String {
    format!(
        "{}, {} of {} s each, seed {}. Chances are those of a second.",
        counted(sweep.points.len() as u64, "point"),
        counted(sweep.trials.into(), "trial"),
        sweep.duration_s,
        sweep.seed
    )
}

/// What steered each device, and the reasons to doubt.
pub fn remarks(sweep: &TradeOff) -> Vec<String> {
    let parameters = sweep.parameters.iter().map(|(device, parameters)| {
        let pairs = parameters.iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => format!("{} {}", line(name), line(text)),
            value => format!("{} {}", line(name), line(&value.to_string())),
        });
        format!(
            "{}: {}.",
            line(device),
            pairs.collect::<Vec<_>>().join(", ")
        )
    });
    let caveats = sweep.caveats.iter().map(|text| line(text));
    parameters.chain(caveats).collect()
}
