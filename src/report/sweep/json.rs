//! A trade-off as one JSON document; its schema is [`SCHEMA`].

use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../sweep.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, sweep)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::Format;
    use crate::report::shown::Shown;
    use crate::report::style::Style;
    use crate::report::sweep::sample;
    use serde_json::{json, Value};

    #[test]
    fn every_sample_is_valid_and_what_is_wrong_is_not() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let document = |sweep: &TradeOff| -> Value {
            let mut out = Vec::new();
            let style = Style::default();
            sweep.write(Format::Json, style, &mut out).unwrap();
            serde_json::from_slice(&out).unwrap()
        };
        for sweep in [sample::sweep(), sample::hostile(), sample::empty()] {
            let document = document(&sweep);
            let faults: Vec<String> = validator
                .iter_errors(&document)
                .map(|fault| format!("{}: {fault}", fault.instance_path))
                .collect();
            assert!(faults.is_empty(), "{faults:#?}");
        }
        let good = document(&sample::sweep());
        assert_eq!(good["points"][0]["confidence"], Value::Null);
        for (place, value) in [
            ("/schema", json!("stp-audit/sweep/2")),
            ("/points/0/q", json!(1.5)),
            ("/points/1/overhead/value", json!(null)),
            ("/parameters/echo", json!(3)),
            ("/trials", json!(0.5)),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value;
            assert!(!validator.is_valid(&bad), "{place}");
        }
    }
}
