//! A schema held against documents, for the tests of all that is written as JSON.

use serde_json::Value;

/// A JSON Schema (draft 2020-12), formats minded.
pub struct Schema(jsonschema::Validator);

impl Schema {
    /// A text that is one.
    pub fn of(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap();
        jsonschema::draft202012::meta::validate(&schema).expect("the schema is a schema");
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        Self(options.build(&schema).unwrap())
    }

    /// Whether it allows a document.
    pub fn allows(&self, document: &Value) -> bool {
        self.0.is_valid(document)
    }

    /// Sees that it allows a document; what is wrong is named.
    pub fn must_allow(&self, document: &Value) {
        let faults: Vec<String> = self
            .0
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path))
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Sees that it allows a document, and none in which one of these places holds something else.
    pub fn must_refuse(&self, good: &Value, changes: &[(&str, Value)]) {
        self.must_allow(good);
        for (place, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
            assert!(!self.allows(&bad), "{place}");
        }
    }
}
