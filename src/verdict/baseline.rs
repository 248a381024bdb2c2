//! Baselines: what an earlier verdict found, kept in a small file, so that a check breaks only on what is new.
//!
//! A finding is a headline leak (the adversary who is right most often about a defense, with the interval of its
//! confidence) or a broken limit. A leak is *new* when the lower end of its interval is above the upper end the baseline
//! has for the same defense and adversary, where an adversary the baseline does not have was right about nothing; it is
//! *fixed* when its upper end is below the baseline's lower end, or nothing is claimed any more; and *persistent* between.
//! A limit that broke in the baseline and breaks again is persistent unless it breaks by more than it did.

use super::held::{held, sound, Held, ALL};
use super::limits::BASELINE;
use super::passes::{unknown, Passes};
use super::{Baseline, Gate, Status, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

/// Name and version of the file.
pub const SCHEMA: &str = "stp-audit/baseline/1";
/// Longest file read: thousands of times what is ever written.
const LONGEST: u64 = 16 << 20;

/// What an earlier verdict found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    schema: String,
    version: String,
    command: String,
    seed: u64,
    inputs: Vec<String>,
    activities: u64,
    findings: Vec<Finding>,
    broken: Vec<Broken>,
    /// Where it was read from.
    #[serde(skip)]
    path: String,
}

/// How one adversary fared against one defense.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    id: String,
    defense: String,
    vantage: String,
    adversary: String,
    device: String,
    headline: bool,
    confidence: f64,
    low: f64,
    high: f64,
}

/// A limit that was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Broken {
    id: String,
    limit: f64,
    observed: f64,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It cannot be read.
    #[error("{path}: the baseline cannot be read; write one first by --save-baseline {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is far longer than any baseline.
    #[error("{path}: longer than {LONGEST} bytes, which no baseline is; give a file written by --save-baseline")]
    Long {
        /// The file.
        path: String,
    },
    /// It is not JSON, or JSON of something else.
    #[error("{path}: line {line}: no baseline ({what}); write it anew by --save-baseline {path}")]
    Malformed {
        /// The file.
        path: String,
        /// Where.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// Of another version.
    #[error("{path}: schema `{found}` is not {SCHEMA}; write it anew by --save-baseline {path}")]
    Version {
        /// The file.
        path: String,
        /// What it calls itself.
        found: String,
    },
    /// A finding that cannot be.
    #[error("{path}: {place}: {what}; write it anew by --save-baseline {path}")]
    Impossible {
        /// The file.
        path: String,
        /// Which finding.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Saved {
    /// What a verdict found, to be kept. Ask for it after the gates were judged, so that it knows the broken limits.
    pub fn of(verdict: &Verdict) -> Self {
        let mut findings = Vec::new();
        for held in &held(verdict) {
            let worst = held.worst().map(|(row, _)| row.adversary.as_str());
            for row in &held.rows {
                let Some(c) = row.confidence.filter(sound) else {
                    continue;
                };
                findings.push(Finding {
                    id: leak_id(held, &row.adversary),
                    defense: row.defense.clone(),
                    vantage: row.vantage.clone(),
                    adversary: row.adversary.clone(),
                    device: row.device.clone(),
                    headline: worst == Some(row.adversary.as_str()),
                    confidence: c.value,
                    low: c.low,
                    high: c.high,
                });
            }
        }
        let mut seen = BTreeSet::new();
        findings.retain(|finding| seen.insert(finding.id.clone()));
        let mut broken: Vec<Broken> = Vec::new();
        for gate in verdict.gates.iter().filter(|gate| breaks(gate)) {
            let id = broken_id(gate);
            let observed = gate.observed.unwrap_or(gate.limit);
            match broken.iter_mut().find(|other| other.id == id) {
                Some(other) => other.observed = other.observed.max(observed),
                None => broken.push(Broken {
                    id,
                    limit: gate.limit,
                    observed,
                }),
            }
        }
        Self {
            schema: SCHEMA.to_owned(),
            version: verdict.version.to_owned(),
            command: verdict.command.clone(),
            seed: verdict.seed,
            inputs: verdict.inputs.clone(),
            activities: verdict.home.activities,
            findings,
            broken,
            path: String::new(),
        }
    }

    /// The file's text: JSON of two-space indents, a line feed at its end.
    ///
    /// # Errors
    /// None that is known: texts and numbers alone are written.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What cannot be read, is no baseline, or holds a finding that cannot be.
    pub fn load(path: &Path) -> Result<Self, BaselineError> {
        let shown = path.display().to_string();
        let unreadable = |source| BaselineError::Unreadable {
            path: shown.clone(),
            source,
        };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
        if read.map_err(unreadable)? as u64 > LONGEST {
            return Err(BaselineError::Long { path: shown });
        }
        Self::parse(&bytes, &shown)
    }

    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Saved::load`].
    pub fn parse(bytes: &[u8], path: &str) -> Result<Self, BaselineError> {
        let malformed = |error: serde_json::Error| BaselineError::Malformed {
            path: path.to_owned(),
            line: error.line(),
            what: error.to_string(),
        };
        // A file of another version has other fields: that it is one is said first.
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(malformed)?;
        if let Some(found) = value.get("schema").and_then(|schema| schema.as_str()) {
            if found != SCHEMA {
                return Err(BaselineError::Version {
                    path: path.to_owned(),
                    found: found
                        .chars()
                        .take(80)
                        .flat_map(char::escape_debug)
                        .collect(),
                });
            }
        }
        let mut saved: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        saved.path = path.to_owned();
        saved.check()?;
        Ok(saved)
    }

    fn check(&self) -> Result<(), BaselineError> {
        let wrong = |place: String, what| {
            Err(BaselineError::Impossible {
                path: self.path.clone(),
                place,
                what,
            })
        };
        let mut seen = BTreeSet::new();
        for (n, finding) in self.findings.iter().enumerate() {
            let place = format!("findings[{n}]");
            let ends = [0.0, finding.low, finding.confidence, finding.high, 1.0];
            if !ends.is_sorted() {
                return wrong(place, "a confidence lies from 0 to 1, between low and high");
            }
            if finding.id != id(&finding.defense, &finding.vantage, &finding.adversary) {
                return wrong(
                    place,
                    "the id does not name its defense, vantage and adversary",
                );
            }
            if !seen.insert(&finding.id) {
                return wrong(place, "the id is there twice");
            }
        }
        for (n, broken) in self.broken.iter().enumerate() {
            let place = format!("broken[{n}]");
            if !(broken.limit.is_finite() && broken.observed.is_finite()) {
                return wrong(place, "limit and observed are numbers");
            }
            if !seen.insert(&broken.id) {
                return wrong(place, "the id is there twice");
            }
        }
        Ok(())
    }

    fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }
}

fn id(defense: &str, vantage: &str, adversary: &str) -> String {
    format!("{defense}/{vantage}/{adversary}/{ALL}")
}

fn leak_id(held: &Held<'_>, adversary: &str) -> String {
    id(held.defense, held.vantage, adversary)
}

/// What names a broken limit, whatever the numbers: stable from run to run.
pub fn broken_id(gate: &Gate) -> String {
    match &gate.device {
        Some(device) => format!("{}/{}/{device}", gate.rule, gate.defense),
        None => format!("{}/{}", gate.rule, gate.defense),
    }
}

/// Whether a limit broke; a gate of the baseline is no limit.
fn breaks(gate: &Gate) -> bool {
    gate.status == Status::Fail && gate.rule != BASELINE
}

/// The headline of one defense held against what the baseline has of the same adversary.
pub(super) fn gate(held: &Held<'_>, passes: &Passes, saved: &Saved) -> Gate {
    let of = |adversary: &str| saved.finding(&leak_id(held, adversary));
    let Some((row, c)) = held.worst() else {
        return passes.silence(unknown(BASELINE, passes, 0.0));
    };
    let known = of(&row.adversary);
    let gate = Gate {
        adversary: Some(row.adversary.clone()),
        ..unknown(BASELINE, passes, known.map_or(0.0, |known| known.high))
    };
    if !sound(&c) {
        let says = format!("the confidence of {} is no number", row.adversary);
        return Gate { says, ..gate };
    }
    let shown = |x: f64| format!("{:.1} %", x * 100.0);
    let held_against = match known {
        None => format!("the baseline has no claims of {} here", row.adversary),
        Some(known) => format!(
            "the baseline has {} to {}",
            shown(known.low),
            shown(known.high)
        ),
    };
    // What is not surely worse is no news: an interval that straddles the old one is the old finding still.
    let status = match c.low > gate.limit {
        true => Status::Fail,
        false => Status::Pass,
    };
    let word = match status {
        Status::Fail => "new",
        _ => "not new",
    };
    let says = format!(
        "{word}: {} is right {} ({} to {}); {held_against}",
        row.adversary,
        shown(c.value),
        shown(c.low),
        shown(c.high)
    );
    passes.doubt(Gate {
        observed: Some(c.value),
        bound: Some(c.low),
        status,
        says,
        ..gate
    })
}

/// New, fixed and persistent findings, by id and in order.
pub(super) fn difference(all: &[Held<'_>], gates: &[Gate], saved: &Saved) -> Baseline {
    let mut new = BTreeSet::new();
    let mut fixed = BTreeSet::new();
    let mut persistent = BTreeSet::new();
    for held in all {
        let worst = held.worst().filter(|(_, c)| sound(c));
        if let Some((row, c)) = worst {
            let id = leak_id(held, &row.adversary);
            let upper = saved.finding(&id).map_or(0.0, |known| known.high);
            let lower = saved.finding(&id).map_or(0.0, |known| known.low);
            if c.low > upper {
                new.insert(id);
            } else if c.high < lower {
                fixed.insert(id);
            } else if c.value > 0.0 || saved.finding(&id).is_some() {
                persistent.insert(id);
            }
        }
        // Headlines of then that are no headlines now; those of defenses that were not run are not known to be fixed.
        let then = saved.findings.iter().filter(|known| {
            known.headline && known.defense == held.defense && known.vantage == held.vantage
        });
        for known in then {
            let row = held
                .rows
                .iter()
                .find(|row| row.adversary == known.adversary);
            match row.map(|row| row.confidence) {
                Some(None) => {
                    fixed.insert(known.id.clone());
                }
                Some(Some(c)) if sound(&c) && c.high < known.low => {
                    fixed.insert(known.id.clone());
                }
                _ if new.contains(&known.id) => {}
                _ => {
                    persistent.insert(known.id.clone());
                }
            }
        }
    }
    for gate in gates.iter().filter(|gate| gate.rule != BASELINE) {
        let id = broken_id(gate);
        let known = saved.broken.iter().find(|broken| broken.id == id);
        match (known, gate.status) {
            (Some(_), Status::Pass) => fixed.insert(id),
            (Some(known), Status::Fail) if gate.bound.is_none_or(|b| b > known.observed) => {
                new.insert(id)
            }
            (Some(_), _) => persistent.insert(id),
            (None, Status::Fail) => new.insert(id),
            (None, _) => false,
        };
    }
    persistent.retain(|id| !new.contains(id));
    fixed.retain(|id| !new.contains(id) && !persistent.contains(id));
    Baseline {
        path: saved.path.clone(),
        new: new.into_iter().collect(),
        fixed: fixed.into_iter().collect(),
        persistent: persistent.into_iter().collect(),
    }
}

/// Reasons to doubt the comparison.
pub(super) fn doubts(verdict: &Verdict, saved: &Saved) -> Vec<String> {
    let mut doubts = Vec::new();
    if saved.inputs != verdict.inputs {
        doubts.push("the baseline was saved from other inputs".to_owned());
    }
    let run: BTreeSet<&str> = verdict
        .results
        .iter()
        .map(|row| row.defense.as_str())
        .collect();
    let then: BTreeSet<&str> = saved.findings.iter().map(|f| f.defense.as_str()).collect();
    let missing: Vec<&str> = then.difference(&run).copied().collect();
    if !missing.is_empty() {
        doubts.push(format!(
            "in the baseline, but not run now: {}",
            missing.join(", ")
        ));
    }
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
  "schema": "stp-audit/baseline/1", "version": "0.1.0", "command": "defend", "seed": 1, "inputs": [], "activities": 9,
  "findings": [{"id": "stp/outside/a/all", "defense": "stp", "vantage": "outside", "adversary": "a", "device": "all",
                "headline": true, "confidence": 0.5, "low": 0.4, "high": 0.6}],
  "broken": [{"id": "max-overhead/stp", "limit": 4, "observed": 5}]
}"#;

    #[test]
    fn what_is_written_is_read_back() {
        let saved = Saved::parse(GOOD.as_bytes(), "b.json").unwrap();
        let again = Saved::parse(saved.text().unwrap().as_bytes(), "b.json").unwrap();
        assert_eq!(saved, again);
        assert!(saved.text().unwrap().ends_with("}\n"));
    }

    #[test]
    fn a_file_that_is_no_baseline_says_what_where_and_what_to_try() {
        let tail = "write it anew by --save-baseline b.json";
        for (from, to, told) in [
            (
                GOOD,
                "",
                "b.json: line 1: no baseline (EOF while parsing a value at line 1 column 0)",
            ),
            (
                GOOD,
                "{\n!",
                "b.json: line 2: no baseline (key must be a string at line 2 column 1)",
            ),
            (
                "baseline/1",
                "verdict/1",
                "b.json: schema `stp-audit/verdict/1` is not stp-audit/baseline/1",
            ),
            (
                "\"seed\": 1",
                "\"seed\": -1",
                "b.json: line 2: no baseline (invalid value: integer `-1`, expected u64 at line 2",
            ),
            (
                "\"seed\": 1, ",
                "",
                "b.json: line 6: no baseline (missing field `seed`",
            ),
            (
                "\"headline\"",
                "\"title\"",
                "b.json: line 4: no baseline (unknown field `title`",
            ),
            (
                "0.6",
                "1.6",
                "b.json: findings[0]: a confidence lies from 0 to 1",
            ),
            (
                "0.4",
                "0.55",
                "b.json: findings[0]: a confidence lies from 0 to 1",
            ),
            (
                "stp/outside/a/all",
                "x",
                "b.json: findings[0]: the id does not name",
            ),
            (
                "max-overhead/stp",
                "stp/outside/a/all",
                "b.json: broken[0]: the id is there twice",
            ),
        ] {
            let error = Saved::parse(GOOD.replace(from, to).as_bytes(), "b.json").unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(told) && text.ends_with(tail), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Saved::load(Path::new("/nowhere/b.json")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/b.json: the baseline cannot be read; write one first by --save-baseline /nowhere/b.json"
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}
