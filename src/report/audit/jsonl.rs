//! A verdict as events, one JSON object a line, for tools that read line by line.
//!
//! The order is fixed: `report`, `result`..., `gate`..., `baseline`, `not_run`..., `loopback`, `rung`..., `caveat`...,
//! `verdict`. An event's fields are those of
//! the JSON document.

use crate::verdict::ladder::Rung;
use crate::verdict::loopback::Loopback;
use crate::verdict::{Baseline, Gate, Home, NotRun, Outcome, Verdict};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Report {
        schema: &'a str,
        version: &'a str,
        command: &'a str,
        seed: u64,
        inputs: &'a [String],
        home: &'a Home,
        parameters: &'a BTreeMap<String, Value>,
        adversaries: &'a [String],
    },
    Result(&'a Outcome),
    Gate(&'a Gate),
    Baseline(&'a Baseline),
    NotRun(&'a NotRun),
    Loopback(&'a Loopback),
    Rung(&'a Rung),
    Caveat {
        text: &'a str,
    },
    Verdict {
        verdict: &'a str,
        exit_code: u8,
    },
}

/// Writes one event a line.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    // Every field is named, so that a new one cannot be forgotten here.
    let Verdict {
        schema,
        version,
        command,
        seed,
        inputs,
        home,
        parameters,
        adversaries,
        results,
        gates,
        baseline,
        verdict,
        exit_code,
        not_run,
        loopback,
        ladder,
        caveats,
    } = verdict;
    let mut tell = |event: Event<'_>| {
        serde_json::to_writer(&mut *out, &event)?;
        out.write_all(b"\n")
    };
    tell(Event::Report {
        schema,
        version,
        command,
        seed: *seed,
        inputs,
        home,
        parameters,
        adversaries,
    })?;
    for row in results {
        tell(Event::Result(row))?;
    }
    for gate in gates {
        tell(Event::Gate(gate))?;
    }
    if let Some(baseline) = baseline {
        tell(Event::Baseline(baseline))?;
    }
    for check in not_run {
        tell(Event::NotRun(check))?;
    }
    if let Some(loopback) = loopback {
        tell(Event::Loopback(loopback))?;
    }
    for rung in ladder {
        tell(Event::Rung(rung))?;
    }
    for text in caveats {
        tell(Event::Caveat { text })?;
    }
    tell(Event::Verdict {
        verdict,
        exit_code: *exit_code,
    })
}
