//! A trade-off for people at a terminal: a row a point.

use super::rows::{cells, headline, remarks};
use crate::report::columns::{Align, Columns};
use crate::report::style::{Paint, Style};
use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// Writes the table.
pub fn write(sweep: &TradeOff, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", headline(sweep))?;
    let mut columns = Columns::new(&[
        ("DEVICE", Align::Left),
        ("P", Align::Right),
        ("Q", Align::Right),
        ("CONFIDENCE", Align::Right),
        ("OVERHEAD", Align::Right),
        ("ACT/PERIOD", Align::Right),
    ]);
    for point in &sweep.points {
        columns.row(Paint::Known, cells(point).to_vec());
    }
    columns.spare(&["ACT/PERIOD"]);
    columns.write(style, out)?;
    for text in remarks(sweep) {
        writeln!(out, "{}", style.paint(Paint::Faint, &text))?;
    }
    let closing = "-o svg=curve.svg draws the curve; -o csv=curve.csv lists it.";
    writeln!(out, "{}", style.paint(Paint::Faint, closing))
}
