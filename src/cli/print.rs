//! Words for standard output.

use crate::cli::exit::Exit;
use std::io::Write;

/// Prints to standard output; that the reader has gone is no error.
pub fn print(text: impl AsRef<str>) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}
