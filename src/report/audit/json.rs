//! A verdict as one JSON document; its schema is [`SCHEMA`].

use crate::verdict::Verdict;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../verdict.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, verdict)?;
    writeln!(out)
}
