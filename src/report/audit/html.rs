//! A verdict as one page of HTML with its pictures: the table, the rates of each device before and after, the curve.

use super::ladder;
use super::page::Page;
use super::rows::{cells, gate_of, number, status, together, HEADINGS};
use super::summary;
use crate::report::human::{decimals, line};
use crate::report::page::{fill, inline};
use crate::report::plot::{self, recalls};
use minijinja::context;
use minijinja::value::Value;
use std::io::{self, Write};

/// The page.
const TEMPLATE: &str = include_str!("page.html");

/// Writes the page.
pub fn write(page: &Page<'_>, out: &mut dyn Write) -> io::Result<()> {
    let verdict = page.verdict;
    let gates = verdict.gates.iter().map(|gate| {
        context! {
            status => status(verdict, gate),
            rule => line(&gate.rule),
            defense => gate_of(gate),
            limit => decimals(gate.limit, 3),
            observed => number(gate.observed, 3),
            bound => number(gate.bound, 3),
            says => line(&gate.says),
        }
    });
    let rows = together(verdict).map(|row| {
        context! { headline => row.headline, cells => cells(row).to_vec() }
    });
    let mut doubts = summary::broken(verdict);
    doubts.extend(verdict.caveats.iter().map(|text| line(text)));
    let plots = page
        .plots
        .iter()
        .map(|plot| Ok(inline(&plot::rates(plot)?)));
    let plots: Vec<Value> = plots.collect::<io::Result<_>>()?;
    let curve = page.curve.map(|sweep| plot::curves(sweep, page.chosen));
    let curve = curve.transpose()?.map(|svg| inline(&svg));
    let ladder = verdict
        .ladder
        .iter()
        .map(|rung| ladder::cells(rung).to_vec());
    let recalls = ladder::curves(verdict)
        .into_iter()
        .map(|(defense, curves)| {
            let title = format!("{defense}: who is right, by how much is claimed");
            Ok(inline(&recalls::recalls(
                &title,
                "adversary confidence c",
                &curves,
            )?))
        });
    let recalls: Vec<Value> = recalls.collect::<io::Result<_>>()?;
    let class = match verdict.exit_code {
        0 => "pass",
        1 => "fail",
        _ => "inconclusive",
    };
    let filled = context! {
        verdict => line(&verdict.verdict),
        class,
        headline => summary::headline(verdict).join(", "),
        truth => summary::truth(verdict),
        gates => gates.collect::<Vec<Value>>(),
        baseline => summary::baseline(verdict),
        headings => HEADINGS.to_vec(),
        rows => rows.collect::<Vec<Value>>(),
        marked => summary::marked(verdict),
        controls => summary::controls(verdict),
        doubts,
        curve,
        plots,
        ladder_headings => ladder::HEADINGS.to_vec(),
        ladder => ladder.collect::<Vec<_>>(),
        ladder_says => ladder::remarks(verdict),
        recalls,
        parameters => summary::parameters(verdict),
        closing => summary::closing(verdict),
    };
    fill(TEMPLATE, filled, out)
}
