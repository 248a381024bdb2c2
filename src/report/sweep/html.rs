//! A trade-off as one page of HTML: the curve and its points, whole in one file.

use super::rows::{cells, headline, remarks, HEADINGS};
use crate::report::page;
use crate::report::plot;
use crate::tradeoff::TradeOff;
use minijinja::context;
use std::io::{self, Write};

/// The page.
const TEMPLATE: &str = include_str!("page.html");

/// Writes the page.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    let rows = sweep.points.iter().map(|point| cells(point).to_vec());
    let filled = context! {
        headline => headline(sweep),
        curve => page::inline(&plot::curves(sweep, None)?),
        remarks => remarks(sweep),
        headings => HEADINGS.to_vec(),
        rows => rows.collect::<Vec<Vec<String>>>(),
        version => sweep.version,
    };
    page::fill(TEMPLATE, filled, out)
}
