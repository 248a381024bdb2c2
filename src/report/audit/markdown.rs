//! A verdict as Markdown, short enough for the step summary of a CI run: the verdict first, then gates, then results.

use super::ladder;
use super::rows::{cells, gate_of, number, status, together, HEADINGS};
use super::summary;
use crate::report::human::decimals;
use crate::report::markdown::{escape, table};
use crate::verdict::Verdict;
use std::io::{self, Write};

/// Writes the page.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let title = escape(&verdict.verdict);
    writeln!(out, "# How well the defenses hold: {title}\n")?;
    writeln!(out, "{}\n", escape(&summary::headline(verdict).join(", ")))?;
    if let Some(text) = summary::truth(verdict) {
        writeln!(out, "**{}**\n", escape(text))?;
    }
    let gates: Vec<Vec<String>> = verdict
        .gates
        .iter()
        .map(|gate| {
            vec![
                format!("**{}**", status(verdict, gate)),
                escape(&gate.rule),
                escape(&gate_of(gate)),
                decimals(gate.limit, 3),
                number(gate.observed, 3),
                number(gate.bound, 3),
                escape(&gate.says),
            ]
        })
        .collect();
    let headings = [
        "Gate",
        "Rule",
        "Defense",
        "Limit:",
        "Observed:",
        "Bound:",
        "Says",
    ];
    table(out, &headings, &gates)?;
    list(&summary::baseline(verdict), "", out)?;

    let headings: Vec<String> = HEADINGS
        .iter()
        .enumerate()
        .map(|(at, name)| match at {
            0..=2 => (*name).to_owned(),
            _ => format!("{name}:"),
        })
        .collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = together(verdict)
        .map(|row| {
            let cells = cells(row).into_iter().map(|cell| escape(&cell));
            match row.headline {
                true => cells.map(|cell| format!("**{cell}**")).collect(),
                false => cells.collect(),
            }
        })
        .collect();
    table(out, &headings, &rows)?;
    if verdict.results.iter().any(|row| row.headline) {
        writeln!(out, "{}\n", summary::marked(verdict))?;
    }
    list(&summary::controls(verdict), "Controls", out)?;
    list(&summary::loopback(verdict), "Loopback", out)?;
    let rungs: Vec<Vec<String>> = verdict
        .ladder
        .iter()
        .map(|rung| {
            ladder::cells(rung)
                .iter()
                .map(|cell| escape(cell))
                .collect()
        })
        .collect();
    if !rungs.is_empty() {
        let headings = ladder::HEADINGS
            .iter()
            .enumerate()
            .map(|(at, name)| match at {
                0 | 1 => (*name).to_owned(),
                _ => format!("{name}:"),
            });
        let headings: Vec<String> = headings.collect();
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        table(out, &headings, &rungs)?;
        list(&ladder::remarks(verdict), "", out)?;
    }
    let mut doubts = summary::broken(verdict);
    doubts.extend(verdict.caveats.iter().cloned());
    list(&doubts, "Caveats", out)?;
    list(&summary::parameters(verdict), "Parameters", out)?;
    writeln!(out, "{}", escape(&summary::closing(verdict)))
}

/// A list under a heading; nothing where it is empty.
fn list(texts: &[String], heading: &str, out: &mut dyn Write) -> io::Result<()> {
    if texts.is_empty() {
        return Ok(());
    }
    if !heading.is_empty() {
        writeln!(out, "## {heading}\n")?;
    }
    for text in texts {
        writeln!(out, "- {}", escape(text))?;
    }
    writeln!(out)
}
