//! A verdict as one JSON document; its schema is [`SCHEMA`].

use crate::report::json::pretty;
use crate::verdict::Verdict;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../verdict.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    pretty(verdict, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::audit::page::cleaned;
    use crate::report::audit::sample;
    use crate::report::schema::Schema;
    use serde_json::{json, Value};

    fn document(verdict: &Verdict) -> Value {
        let mut out = Vec::new();
        write(&cleaned(verdict), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_sample_is_valid() {
        let schema = Schema::of(SCHEMA);
        for verdict in [sample::verdict(), sample::hostile(), sample::empty()] {
            schema.must_allow(&document(&verdict));
        }
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let schema = Schema::of(SCHEMA);
        let good = document(&sample::verdict());
        let wrong = [
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
        ];
        schema.must_refuse(&good, &wrong);
        let mut more = good;
        more["results"][0]["mood"] = json!("good");
        assert!(!schema.allows(&more));
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
