//! A result as one JSON document; its schema is [`SCHEMA`].

use super::view::View;
use crate::inference::{
    Candidate, Census, Device, Evidence, Flow, Inference, Input, Names, Parameters, Window,
};
use serde::Serialize;
use std::io::{self, Write};

/// The JSON Schema (draft 2020-12) of the documents of every view.
pub const SCHEMA: &str = include_str!("infer.schema.json");

/// Writes the view as a document of two-space indents and a line feed at its end.
pub fn write(view: View, inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    match view {
        View::Infer => pretty(inference, out),
        View::Devices | View::Flows => pretty(&Document::of(view, inference), out),
    }
}

/// Writes any document so.
pub(super) fn pretty(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

/// The document of `infer` without the lists that a view leaves out; the order of its fields is the same.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    inputs: &'a [Input],
    window: Option<Window>,
    census: &'a Census,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<&'a Names>,
    vantage: &'a str,
    home: &'a [String],
    parameters: &'a Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<Identified<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flows: Option<&'a [Flow]>,
    caveats: &'a [String],
}

impl<'a> Document<'a> {
    fn of(view: View, inference: &'a Inference) -> Self {
        // Every field is named, so that a new one cannot be forgotten here.
        let Inference {
            schema: _,
            version,
            inputs,
            window,
            census,
            names,
            vantage,
            home,
            parameters,
            devices,
            flows,
            truth: _,
            caveats,
        } = inference;
        let devices_wanted = view != View::Flows;
        Self {
            schema: view.schema(),
            version,
            inputs,
            window: *window,
            census,
            names: devices_wanted.then_some(names),
            vantage,
            home,
            parameters,
            devices: devices_wanted.then(|| devices.iter().map(Identified::of).collect()),
            flows: (view == View::Flows).then_some(flows),
            caveats,
        }
    }
}

/// A device without its activities.
#[derive(Serialize)]
pub(super) struct Identified<'a> {
    id: &'a str,
    candidates: &'a [Candidate],
    evidence: &'a [Evidence],
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<&'a str>,
    flows: u64,
    up_bytes: u64,
    down_bytes: u64,
}

impl<'a> Identified<'a> {
    pub(super) fn of(device: &'a Device) -> Self {
        let Device {
            id,
            candidates,
            evidence,
            address,
            mac,
            flows,
            up_bytes,
            down_bytes,
            activities: _,
        } = device;
        Self {
            id,
            candidates,
            evidence,
            address: address.as_deref(),
            mac: mac.as_deref(),
            flows: *flows,
            up_bytes: *up_bytes,
            down_bytes: *down_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::schema::Schema;
    use serde_json::{json, Value};

    fn text(view: View, inference: &Inference) -> String {
        let mut out = Vec::new();
        write(view, inference, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn document(view: View, inference: &Inference) -> Value {
        serde_json::from_str(&text(view, inference)).unwrap()
    }

    #[test]
    fn every_view_of_every_sample_is_valid() {
        let schema = Schema::of(SCHEMA);
        for view in View::ALL {
            for home in [
                sample::evening(),
                sample::scored(),
                sample::hostile(),
                sample::empty(),
            ] {
                schema.must_allow(&document(view, &home));
            }
        }
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let schema = Schema::of(SCHEMA);
        let wrong = [
            ("/schema", json!("stp-audit/infer/2")),
            ("/vantage", json!("moon")),
            ("/inputs/0/sha256", json!("abc")),
            ("/window/first", json!("yesterday")),
            ("/devices/0/up_bytes", json!(-1)),
            ("/devices/0/candidates/0/score", json!(1.5)),
            ("/devices/0/activities/0/shape", json!("valley")),
            ("/flows/0/remote_port", json!(65_536)),
            ("/truth/recall", json!(2)),
        ];
        let good = document(View::Infer, &sample::scored());
        schema.must_refuse(&good, &wrong);
        let mut stranger = good.clone();
        stranger["devices"][0]["colour"] = json!("green");
        assert!(!schema.allows(&stranger), "a field nobody knows");
    }

    #[test]
    fn the_schema_asks_for_every_field_that_is_always_there() {
        let schema = Schema::of(SCHEMA);
        let good = document(View::Infer, &sample::evening());
        for field in good.as_object().unwrap().keys() {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().remove(field);
            assert!(!schema.allows(&bad), "{field}");
        }
    }

    #[test]
    fn infer_is_the_inference_itself() {
        let home = sample::scored();
        let whole = serde_json::to_string_pretty(&home).unwrap() + "\n";
        assert_eq!(text(View::Infer, &home), whole);
    }

    #[test]
    fn the_other_views_leave_lists_out_and_change_nothing_else() {
        let home = sample::scored();
        let mut devices = document(View::Infer, &home);
        devices["schema"] = json!("stp-audit/devices/1");
        for list in ["flows", "truth"] {
            devices.as_object_mut().unwrap().remove(list);
        }
        for device in devices["devices"].as_array_mut().unwrap() {
            device.as_object_mut().unwrap().remove("activities");
        }
        assert_eq!(document(View::Devices, &home), devices);

        let mut flows = document(View::Infer, &home);
        flows["schema"] = json!("stp-audit/flows/1");
        for list in ["names", "devices", "truth"] {
            flows.as_object_mut().unwrap().remove(list);
        }
        assert_eq!(document(View::Flows, &home), flows);
    }

    #[test]
    fn figures_are_short_and_finite() {
        let home = document(View::Infer, &sample::hostile());
        assert_eq!(home["devices"][0]["candidates"][0]["score"], 0.95);
        assert_eq!(home["devices"][0]["activities"][0]["sigma"], Value::Null);
        assert_eq!(
            home["devices"][0]["activities"][1]["peak_bytes_per_s"],
            Value::Null
        );
        let text = text(View::Infer, &sample::hostile());
        assert!(!text.contains("NaN") && !text.contains("inf\""), "{text}");
    }
}
