//! Where results go, for every command that has some.

use crate::report::{audit, sweep, Format, Output};
use clap::Args;

/// Where results go
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format on standard output
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// One more report of the same run (repeat): json=result.json, md=-
    #[arg(long, short = 'o', value_name = "FORMAT=PATH")]
    pub output: Vec<Output>,
}

/// Where verdicts go
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct VerdictOutputArgs {
    /// Format on standard output: table, json, jsonl, csv, md, junit, sarif or html
    #[arg(long, default_value = "table", value_name = "FORMAT", value_parser = of_verdicts)]
    pub format: Format,
    /// One more report of the same run (repeat): json=v.json, junit=v.xml, html=report.html, md=-
    #[arg(long, short = 'o', value_name = "FORMAT=PATH", value_parser = report_of_verdicts)]
    pub output: Vec<Output>,
}

/// Where trade-offs go
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct SweepOutputArgs {
    /// Format on standard output: table, json, jsonl, csv, md, svg or html
    #[arg(long, default_value = "table", value_name = "FORMAT", value_parser = of_sweeps)]
    pub format: Format,
    /// One more report of the same run (repeat): csv=curve.csv, svg=curve.svg, json=-
    #[arg(long, short = 'o', value_name = "FORMAT=PATH", value_parser = report_of_sweeps)]
    pub output: Vec<Output>,
}

fn of_verdicts(text: &str) -> Result<Format, String> {
    Format::read(text, &audit::FORMATS)
}

fn report_of_verdicts(text: &str) -> Result<Output, String> {
    Output::read(text, &audit::FORMATS)
}

fn of_sweeps(text: &str) -> Result<Format, String> {
    Format::read(text, &sweep::FORMATS)
}

fn report_of_sweeps(text: &str) -> Result<Output, String> {
    Output::read(text, &sweep::FORMATS)
}
