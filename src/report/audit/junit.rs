//! A verdict as JUnit XML (the Jenkins dialect): a test case for each gate, and one for each defense that was audited.
//!
//! A broken gate is a failure. An inconclusive one is an *error*, not a skip: CI systems show skipped tests as green or not
//! at all, and a limit that could not be held against anything must not look as if it had been kept. A limit that
//! broke in the baseline too, and is accepted by it, is a skip: it must not fail a run that exits with 0. A defense's own case
//! says what was found and is in error where nothing was, so that a run without limits has its results in the report too.

use super::rows::{cells, gate_of, HEADINGS};
use super::summary;
use crate::report::human::line;
use crate::verdict::gates::accepted;
use crate::verdict::held::held;
use crate::verdict::{Status, Verdict};
use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};
use std::io::{self, Write};

/// Writes the report. It has no times and no clock: the same verdict gives the same bytes.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("stp-audit");
    if !verdict.not_run.is_empty() {
        report.add_test_suite(not_run(verdict));
    }
    report.add_test_suite(gates(verdict));
    report.add_test_suite(defenses(verdict));
    let text = report.to_string().map_err(broken)?;
    out.write_all(text.trim_end().as_bytes())?;
    writeln!(out)
}

/// An error for each check that could not be run.
fn not_run(verdict: &Verdict) -> TestSuite {
    let mut suite = TestSuite::new("checks");
    for check in &verdict.not_run {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("not run").set_message(line(&check.reason));
        let mut case = TestCase::new(line(&check.check), status);
        case.set_classname("stp-audit.checks");
        suite.add_test_case(case);
    }
    suite
}

fn gates(verdict: &Verdict) -> TestSuite {
    let mut suite = TestSuite::new("gates");
    suite.add_properties([
        Property::new("version", verdict.version),
        Property::new("seed", verdict.seed.to_string()),
        Property::new("truth", line(&verdict.home.truth)),
        Property::new("verdict", line(&verdict.verdict)),
    ]);
    suite.add_properties(
        summary::parameters(verdict)
            .into_iter()
            .map(|text| Property::new("parameters", text)),
    );
    for gate in &verdict.gates {
        let says = line(&gate.says);
        let of = |kind, word: &str| {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(word).set_message(says.clone());
            status
        };
        let status = match gate.status {
            Status::Pass => TestCaseStatus::success(),
            Status::Fail if accepted(verdict, gate) => {
                let mut status = TestCaseStatus::skipped();
                status
                    .set_type("known to the baseline")
                    .set_message(says.clone());
                status
            }
            Status::Fail => of(NonSuccessKind::Failure, "limit broken"),
            Status::Inconclusive => of(NonSuccessKind::Error, "inconclusive"),
        };
        let name = format!("{} of {}", line(&gate.rule), gate_of(gate));
        let mut case = TestCase::new(name, status);
        case.set_classname("stp-audit.gates");
        case.set_system_out(says.clone());
        suite.add_test_case(case);
    }
    suite
}

fn defenses(verdict: &Verdict) -> TestSuite {
    let mut suite = TestSuite::new("defenses");
    for held in held(verdict) {
        let status = match held.activities() {
            0 => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                let message = "no genuine activity: nothing could be told about it";
                status.set_type("inconclusive").set_message(message);
                status
            }
            _ => TestCaseStatus::success(),
        };
        let name = match held.vantage {
            "outside" => line(held.defense),
            vantage => format!("{} ({})", line(held.defense), line(vantage)),
        };
        let mut case = TestCase::new(name, status);
        case.set_classname("stp-audit.defenses");
        let told = verdict
            .results
            .iter()
            .filter(|row| row.defense == held.defense && row.vantage == held.vantage)
            .map(|row| {
                let cells = cells(row);
                let pairs = HEADINGS.iter().zip(&cells).skip(1);
                let pairs: Vec<String> =
                    pairs.map(|(name, cell)| format!("{name} {cell}")).collect();
                pairs.join("; ")
            });
        case.set_system_out(told.collect::<Vec<_>>().join("\n"));
        suite.add_test_case(case);
    }
    let mut doubts = summary::truth(verdict)
        .map(str::to_owned)
        .into_iter()
        .collect::<Vec<_>>();
    doubts.extend(summary::controls(verdict));
    doubts.extend(verdict.caveats.iter().map(|text| line(text)));
    if !doubts.is_empty() {
        suite.set_system_err(doubts.join("\n"));
    }
    suite
}

fn broken(error: SerializeError) -> io::Error {
    io::Error::other(error)
}
