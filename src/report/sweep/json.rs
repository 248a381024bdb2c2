//! A trade-off as one JSON document; its schema is [`SCHEMA`].

use crate::report::json::pretty;
use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the document.
pub const SCHEMA: &str = include_str!("../sweep.schema.json");

/// Writes the document, of two-space indents and a line feed at its end.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    pretty(sweep, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::Format;
    use crate::report::schema::Schema;
    use crate::report::shown::Shown;
    use crate::report::style::Style;
    use crate::report::sweep::sample;
    use serde_json::{json, Value};

    #[test]
    fn every_sample_is_valid_and_what_is_wrong_is_not() {
        let schema = Schema::of(SCHEMA);
        let document = |sweep: &TradeOff| -> Value {
            let mut out = Vec::new();
            let style = Style::default();
            sweep.write(Format::Json, style, &mut out).unwrap();
            serde_json::from_slice(&out).unwrap()
        };
        for sweep in [sample::sweep(), sample::hostile(), sample::empty()] {
            schema.must_allow(&document(&sweep));
        }
        let good = document(&sample::sweep());
        assert_eq!(good["points"][0]["confidence"], Value::Null);
        let wrong = [
            ("/schema", json!("stp-audit/sweep/2")),
            ("/points/0/q", json!(1.5)),
            ("/points/1/overhead/value", json!(null)),
            ("/parameters/echo", json!(3)),
            ("/trials", json!(0.5)),
        ];
        schema.must_refuse(&good, &wrong);
    }
}
