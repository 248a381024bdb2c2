//! Reports of a verdict: how well each defense holds, and how the limits were kept.

pub mod csv;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod page;
mod rows;
pub mod sarif;
mod summary;
pub mod table;

#[cfg(test)]
pub(crate) mod sample;

pub use crate::verdict::gates::failing_lines;
pub use page::{Page, RatePlot};

use super::format::Format;
use super::shown::{lacking, Shown};
use super::style::Style;
use std::io::{self, Write};

/// The formats a verdict has.
pub const FORMATS: [Format; 8] = [
    Format::Table,
    Format::Json,
    Format::Jsonl,
    Format::Csv,
    Format::Md,
    Format::Junit,
    Format::Sarif,
    Format::Html,
];

impl Shown for Page<'_> {
    fn formats(&self) -> &'static [Format] {
        &FORMATS
    }

    fn write(&self, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let verdict = &page::cleaned(self.verdict);
        match format {
            Format::Table => table::write(verdict, style, out),
            Format::Json => json::write(verdict, out),
            Format::Jsonl => jsonl::write(verdict, out),
            Format::Csv => csv::write(verdict, out),
            Format::Md => markdown::write(verdict, out),
            Format::Junit => junit::write(verdict, out),
            Format::Sarif => sarif::write(verdict, out),
            Format::Html => html::write(&Page { verdict, ..*self }, out),
            Format::Svg => Err(lacking(format, &FORMATS)),
        }
    }
}
