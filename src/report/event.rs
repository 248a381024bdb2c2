//! What happens while a watch goes on, one JSON object a line; its schema is [`SCHEMA`].

use crate::live::event::Event;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of an event.
pub const SCHEMA: &str = include_str!("event.schema.json");

/// Writes events, a line each. Names from the capture come escaped.
///
/// # Errors
/// What the writer says.
pub fn write(events: &[Event], out: &mut dyn Write) -> io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
