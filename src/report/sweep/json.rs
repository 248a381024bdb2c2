//! A trade-off as one JSON document; its schema is [`SCHEMA`].

use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../sweep.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, sweep)?;
    writeln!(out)
}
