//! A trade-off as a page of Markdown.

use super::rows::{cells, headline, remarks, HEADINGS};
use crate::report::markdown::{escape, table};
use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// Writes the page.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Privacy against bandwidth\n\n{}\n", headline(sweep))?;
    let headings = HEADINGS.map(|name| match name {
        "Device" => name.to_owned(),
        name => format!("{name}:"),
    });
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = sweep
        .points
        .iter()
        .map(|point| cells(point).iter().map(|cell| escape(cell)).collect())
        .collect();
    table(out, &headings, &rows)?;
    for text in remarks(sweep) {
        writeln!(out, "- {}", escape(&text))?;
    }
    writeln!(out, "\nstp-audit {}.", sweep.version)
}
