//! A verdict for people at a terminal: a row for each defense and adversary, then controls, caveats and gates.

use super::ladder::{self, remarks};
use super::rows::{cells, gate_of, number, status, together};
use super::summary;
use crate::report::columns::{Align, Columns};
use crate::report::human::{decimals, line, MISSING};
use crate::report::style::{Paint, Style};
use crate::verdict::{Status, Verdict};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Before the defense of the rows that limits are held against.
const MARK: &str = "* ";
const NO_MARK: &str = "  ";

/// Longest line of parameters, whatever the terminal.
const READABLE: usize = 100;

/// Writes the table.
pub fn write(verdict: &Verdict, style: Style, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", summary::headline(verdict).join("  "))?;
    results(verdict, style, out)?;
    let mut tell = |paint: Paint, text: &str| writeln!(out, "{}", style.paint(paint, text));
    if verdict.results.iter().any(|row| row.headline) {
        tell(Paint::Faint, &format!("{MARK}{}", summary::marked(verdict)))?;
    }
    if verdict.home.devices.len() > 1 {
        tell(Paint::Faint, "Each device by itself: --format csv or json.")?;
    }
    if let Some(text) = summary::truth(verdict) {
        tell(Paint::Doubt, text)?;
    }
    for text in summary::controls(verdict) {
        tell(Paint::Faint, &text)?;
    }
    for text in summary::loopback(verdict) {
        tell(Paint::Faint, &line(&text))?;
    }
    if !verdict.ladder.is_empty() {
        writeln!(out)?;
        ladder(verdict, style, out)?;
        for text in remarks(verdict) {
            writeln!(out, "{}", style.paint(Paint::Faint, &line(&text)))?;
        }
        writeln!(out)?;
    }
    let mut tell = |paint: Paint, text: &str| writeln!(out, "{}", style.paint(paint, text));
    for text in summary::broken(verdict) {
        tell(Paint::Doubt, &text)?;
    }
    for text in &verdict.caveats {
        tell(Paint::Doubt, &line(text))?;
    }
    let width = style
        .width
        .map_or(READABLE, |width| usize::from(width).min(READABLE));
    for text in summary::parameters(verdict) {
        for part in wrapped(&text, width) {
            tell(Paint::Faint, &part)?;
        }
    }
    gates(verdict, style, out)?;
    for text in summary::baseline(verdict) {
        writeln!(out, "{}", style.paint(Paint::Faint, &text))?;
    }
    let paint = match verdict.exit_code {
        0 => Paint::Faint,
        _ => Paint::Doubt,
    };
    writeln!(out, "{}", style.paint(paint, &summary::closing(verdict)))
}

fn results(verdict: &Verdict, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut columns = Columns::new(&[
        ("  DEFENSE", Align::Left),
        ("ADVERSARY", Align::Left),
        ("DEVICE", Align::Left),
        ("CONFIDENCE", Align::Left),
        ("RECALL", Align::Right),
        ("OVERHEAD", Align::Right),
        ("GB/MONTH", Align::Right),
        ("LATENCY P99", Align::Right),
        ("TOP 1/5/10 %", Align::Right),
        ("ACT/PERIOD", Align::Right),
        ("THEORY C, B", Align::Right),
    ]);
    for row in together(verdict) {
        let (mark, paint) = match row.headline {
            true => (MARK, Paint::Known),
            false => (NO_MARK, Paint::Faint),
        };
        let mut cells = cells(row).to_vec();
        if let Some(first) = cells.first_mut() {
            first.insert_str(0, mark);
        }
        columns.row(paint, cells);
    }
    // Four numbers are the question: how often is whom right about what, at which price.
    columns.spare(&[
        "THEORY C, B",
        "ACT/PERIOD",
        "TOP 1/5/10 %",
        "RECALL",
        "LATENCY P99",
        "GB/MONTH",
    ]);
    columns.write(style, out)
}

fn ladder(verdict: &Verdict, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let headings: Vec<(&str, Align)> = ladder::HEADINGS
        .iter()
        .enumerate()
        .map(|(at, name)| match at {
            0 | 1 => (*name, Align::Left),
            _ => (*name, Align::Right),
        })
        .collect();
    let mut columns = Columns::new(&headings);
    for rung in &verdict.ladder {
        columns.row(Paint::Known, ladder::cells(rung).to_vec());
    }
    columns.spare(&["5 %", "10 %", "C AT TOP 1 %", "C AT FULL RECALL"]);
    columns.write(style, out)
}

/// A text in lines of so many characters, cut at blanks; those after the first are set in.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last = String::new();
    for (place, word) in text.split(' ').enumerate() {
        if place == 0 {
            last.push_str(word);
        } else if last.width() + 1 + word.width() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(std::mem::replace(&mut last, format!("    {word}")));
        }
    }
    lines.push(last);
    lines
}

fn gates(verdict: &Verdict, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if verdict.gates.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut columns = Columns::new(&[
        ("GATE", Align::Left),
        ("RULE", Align::Left),
        ("DEFENSE", Align::Left),
        ("LIMIT", Align::Right),
        ("OBSERVED", Align::Right),
        ("BOUND", Align::Right),
        ("", Align::Left),
    ]);
    for gate in &verdict.gates {
        let paint = match gate.status {
            Status::Pass => Paint::Known,
            Status::Inconclusive | Status::Fail => Paint::Doubt,
        };
        let limit = match gate.limit.is_finite() {
            true => decimals(gate.limit, 3),
            false => MISSING.to_owned(),
        };
        columns.row(
            paint,
            vec![
                status(verdict, gate).to_owned(),
                line(&gate.rule),
                gate_of(gate),
                limit,
                number(gate.observed, 3),
                number(gate.bound, 3),
                line(&gate.says),
            ],
        );
    }
    columns.spare(&["BOUND", "OBSERVED", "LIMIT"]);
    columns.write(style, out)
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_lines_are_wrapped_at_blanks() {
        assert_eq!(wrapped("stp: q 0.1, p 0.2.", 80), ["stp: q 0.1, p 0.2."]);
        assert_eq!(
            wrapped("stp: q 0.1, p 0.2.", 11),
            ["stp: q 0.1,", "    p 0.2."]
        );
        // A word longer than a line stands alone.
        assert_eq!(wrapped("a bbbbbbbb c", 6), ["a", "    bbbbbbbb", "    c"]);
        assert_eq!(wrapped("", 6), [""]);
    }
}
