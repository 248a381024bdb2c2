//! A trade-off as events, one JSON object a line: `report`, `point`..., `caveat`.... Fields are those of the JSON document.

use crate::tradeoff::{Point, TradeOff};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Report {
        schema: &'a str,
        version: &'a str,
        seed: u64,
        trials: u32,
        duration_s: u64,
        parameters: &'a BTreeMap<String, BTreeMap<String, Value>>,
    },
    Point(&'a Point),
    Caveat {
        text: &'a str,
    },
}

/// Writes one event a line.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    let mut tell = |event: Event<'_>| {
        serde_json::to_writer(&mut *out, &event)?;
        out.write_all(b"\n")
    };
    tell(Event::Report {
        schema: sweep.schema,
        version: sweep.version,
        seed: sweep.seed,
        trials: sweep.trials,
        duration_s: sweep.duration_s,
        parameters: &sweep.parameters,
    })?;
    for point in &sweep.points {
        tell(Event::Point(point))?;
    }
    for text in &sweep.caveats {
        tell(Event::Caveat { text })?;
    }
    Ok(())
}
