//! A verdict as one JSON document; its schema is [`SCHEMA`].

use crate::verdict::Verdict;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../verdict.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, verdict)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::audit::page::cleaned;
    use crate::report::audit::sample;
    use serde_json::{json, Value};

    fn document(verdict: &Verdict) -> Value {
        let mut out = Vec::new();
        write(&cleaned(verdict), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn validator() -> jsonschema::Validator {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    #[test]
    fn every_sample_is_valid() {
        let validator = validator();
        for verdict in [sample::verdict(), sample::hostile(), sample::empty()] {
            let document = document(&verdict);
            let faults: Vec<String> = validator
                .iter_errors(&document)
                .map(|fault| format!("{}: {fault}", fault.instance_path))
                .collect();
            assert!(faults.is_empty(), "{faults:#?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let validator = validator();
        let good = document(&sample::verdict());
        for (place, value) in [
            ("/schema", json!("stp-audit/verdict/2")),
            ("/seed", json!(-1)),
            ("/home/truth", json!("rumour")),
            ("/home/first", json!("yesterday")),
            ("/results/0/vantage", json!("moon")),
            ("/results/0/confidence/value", json!(1.5)),
            ("/results/0/confidence/high", json!(null)),
            ("/results/0/claims", json!(null)),
            ("/gates/0/status", json!("maybe")),
            ("/gates/0/rule", json!("max-fun")),
            ("/exit_code", json!(6)),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
            assert!(!validator.is_valid(&bad), "{place}");
        }
        let mut more = good;
        more["results"][0]["mood"] = json!("good");
        assert!(!validator.is_valid(&more));
    }

    #[test]
    fn what_is_absent_is_null_and_what_is_no_number_too() {
        let row = &document(&sample::hostile())["results"][0];
        for place in [
            "/confidence",
            "/recall",
            "/overhead/ratio",
            "/overhead/gb_per_month",
            "/precision_at/top_1_percent",
            "/added_latency_ms/p99",
        ] {
            assert_eq!(row.pointer(place), Some(&Value::Null), "{place}");
        }
        let silent = &document(&sample::verdict())["results"][2];
        assert_eq!(silent["confidence"], Value::Null);
        assert!(silent.get("auc").is_none());
    }
}
