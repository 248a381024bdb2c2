//! A trade-off as one tidy table: a row a point, with the seed and what steered its device.

use crate::report::csv::{io_error, number, text};
use crate::tradeoff::TradeOff;
use csv::Writer;
use std::borrow::Cow;
use std::io::{self, Write};

/// The columns; `parameters` is one JSON object.
pub const COLUMNS: [&str; 14] = [
    "device",
    "p",
    "q",
    "confidence",
    "confidence_low",
    "confidence_high",
    "overhead",
    "overhead_low",
    "overhead_high",
    "activities_per_period",
    "trials",
    "duration_s",
    "seed",
    "parameters",
];

/// Writes heading and rows.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Writer::from_writer(out);
    rows.write_record(COLUMNS).map_err(io_error)?;
    let some = |value: Option<f64>| value.map_or("".into(), |value| number(value, 9));
    for point in &sweep.points {
        let parameters = match sweep.parameters.get(&point.device) {
            Some(parameters) => serde_json::to_string(parameters)?,
            None => String::new(),
        };
        let (c, b) = (point.confidence, point.overhead);
        let cells: [Cow<'_, str>; COLUMNS.len()] = [
            text(&point.device),
            number(point.p, 9),
            number(point.q, 9),
            some(c.map(|c| c.value)),
            some(c.map(|c| c.low)),
            some(c.map(|c| c.high)),
            some(b.map(|b| b.value)),
            some(b.map(|b| b.low)),
            some(b.map(|b| b.high)),
            some(point.activities_per_period),
            sweep.trials.to_string().into(),
            sweep.duration_s.to_string().into(),
            sweep.seed.to_string().into(),
            text(&parameters),
        ];
        let record = rows.write_record(cells.iter().map(|cell| cell.as_bytes()));
        record.map_err(io_error)?;
    }
    rows.flush()
}
