//! A verdict as SARIF 2.1.0 (OASIS, 2020), for code scanning: a rule a kind of gate, a result for each gate that did not
//! pass.
//!
//! Gates that passed are left out: some readers show every result as an alert. Locations are relative to the repository: the
//! first input that is named by a relative path within it, or the `[[check]]` of `stp-audit.toml` that sets the limit. Fingerprints
//! are made of rule, defense, adversary and device alone, so that a finding stays the same one when its numbers move, or the
//! file of checks.

use super::rows::gate_of;
use crate::report::human::line;
use crate::verdict::gates::{accepted, RULES};
use crate::verdict::{Gate, NotRun, Status, Verdict};
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, Message, MultiformatMessageString, Notification,
    PhysicalLocation, PropertyBag, Region, ReportingDescriptor, Result as Finding, ResultLevel,
    Run, Sarif, Tool, ToolComponent,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The file that says what is checked.
const CONFIGURATION: &str = "stp-audit.toml";
/// Where SARIF's own schema is.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// The name of our fingerprint, with the version of how it is made.
const FINGERPRINT: &str = "stpAudit/v1";

/// Writes the log, of two-space indents and a line feed at its end.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &log(verdict))?;
    writeln!(out)
}

fn log(verdict: &Verdict) -> Sarif {
    let driver = ToolComponent::builder()
        .name("stp-audit")
        .version(verdict.version)
        .semantic_version(verdict.version)
        .rules(rules())
        .build();
    let results: Vec<Finding> = verdict
        .gates
        .iter()
        .filter(|gate| gate.status != Status::Pass)
        .map(|gate| finding(gate, verdict))
        .collect();
    let not_run = &verdict.not_run;
    let mut invocation = Invocation::builder()
        .execution_successful(not_run.is_empty())
        .exit_code(i64::from(verdict.exit_code))
        .exit_code_description(line(&verdict.verdict))
        .build();
    if !not_run.is_empty() {
        let told = |check: &NotRun| {
            let text = format!("{} was not run: {}", check.check, check.reason);
            Notification::builder()
                .message(Message::builder().text(plain(&text)).build())
                .locations(vec![location(verdict, Some(check.line))])
                .build()
        };
        invocation.tool_execution_notifications = Some(not_run.iter().map(told).collect());
    }
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .invocations(vec![invocation])
        .results(results)
        .properties(steered(verdict))
        .build();
    Sarif::builder()
        .schema(SCHEMA)
        .version(serde_json::json!("2.1.0"))
        .runs(vec![run])
        .build()
}

fn rules() -> Vec<ReportingDescriptor> {
    let said = |text: &str| MultiformatMessageString::builder().text(text).build();
    let rule = |(id, about): &(&str, &str)| {
        let short = about.split_once(": ").or(about.split_once(". "));
        let short = short.map_or(*about, |(short, _)| short);
        ReportingDescriptor::builder()
            .id(*id)
            .name(*id)
            .short_description(said(&format!("{}.", short.trim_end_matches('.'))))
            .full_description(said(about))
            .help(said(about))
            .build()
    };
    RULES.iter().map(rule).collect()
}

fn finding(gate: &Gate, verdict: &Verdict) -> Finding {
    let adversary = gate.adversary.as_deref().unwrap_or("");
    let known = accepted(verdict, gate);
    let (level, word) = match gate.status {
        Status::Fail if known => (ResultLevel::Note, "broken as in the baseline"),
        Status::Fail => (ResultLevel::Error, "broken"),
        Status::Inconclusive | Status::Pass => (ResultLevel::Warning, "inconclusive"),
    };
    let text = format!("{}: {} is {word}: {}", gate_of(gate), gate.rule, gate.says);
    let mut parts = vec![gate.rule.as_str(), &gate.defense, adversary];
    // Of all devices together as it ever was, so that findings of earlier runs are known again.
    parts.extend(gate.device.as_deref());
    let index = RULES.iter().position(|(id, _)| *id == gate.rule);
    let mut finding = Finding::builder()
        .rule_id(gate.rule.as_str())
        .level(level)
        .message(Message::builder().text(plain(&text)).build())
        .locations(vec![location(verdict, gate.line)])
        .partial_fingerprints(BTreeMap::from([(
            FINGERPRINT.to_owned(),
            fingerprint(&parts),
        )]))
        .build();
    // Either all results of a run say it, or none (section 3.27.24).
    finding.baseline_state = verdict.baseline.as_ref().map(|_| match known {
        true => "unchanged".into(),
        false => "new".into(),
    });
    finding.rule_index = index.and_then(|index| i64::try_from(index).ok());
    finding
}

/// A line of the artifact; the first where none is known, as of a capture, which has none.
fn location(verdict: &Verdict, line: Option<usize>) -> Location {
    let line = line.and_then(|line| i64::try_from(line).ok()).unwrap_or(1);
    let place = PhysicalLocation::builder()
        .artifact_location(
            ArtifactLocation::builder()
                .uri(artifact(verdict))
                .uri_base_id("%SRCROOT%")
                .build(),
        )
        .region(Region::builder().start_line(line).build())
        .build();
    Location::builder().physical_location(place).build()
}

/// Seed and parameters, of the audit and of each defense.
fn steered(verdict: &Verdict) -> PropertyBag {
    let parameters = serde_json::to_value(&verdict.parameters).unwrap_or_default();
    let seed = serde_json::json!(verdict.seed);
    let mut defenses = serde_json::Map::new();
    for row in &verdict.results {
        let parameters = || serde_json::to_value(&row.parameters).unwrap_or_default();
        defenses.entry(&row.defense).or_insert_with(parameters);
    }
    let defenses = serde_json::Value::from(defenses);
    let additional = [
        ("defenses", defenses),
        ("parameters", parameters),
        ("seed", seed),
    ];
    let additional = additional.map(|(name, value)| (name.to_owned(), value));
    PropertyBag::builder()
        .additional_properties(BTreeMap::from(additional))
        .build()
}

/// A message in which no sign is markup: in SARIF's plain texts, brackets make links (section 3.11.6).
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in line(text).chars() {
        if matches!(character, '\\' | '[' | ']') {
            safe.push('\\');
        }
        safe.push(character);
    }
    safe
}

/// SHA-256 of the parts, each told apart from the next.
fn fingerprint(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the findings are about, relative to the root of the repository.
fn artifact(verdict: &Verdict) -> String {
    let within = verdict.inputs.iter().find_map(|input| relative(input));
    let configuration = verdict.parameters.get("config");
    let configuration = configuration.and_then(|path| relative(path.as_str()?));
    let place = match verdict.command.as_str() {
        "check" => configuration,
        _ => within,
    };
    match place {
        Some(path) => path,
        None => CONFIGURATION.to_owned(),
    }
}

/// The URI of a relative path that stays within the repository; `None` for any other, and for standard input.
fn relative(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    if path == "-" || path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return None;
    }
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    if parts.is_empty() || parts.contains(&"..") {
        return None;
    }
    let parts: Vec<String> = parts.into_iter().map(encoded).collect();
    Some(parts.join("/"))
}

/// A part of a URI's path (RFC 3986): what is not unreserved is percent-encoded.
fn encoded(part: &str) -> String {
    let mut uri = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
