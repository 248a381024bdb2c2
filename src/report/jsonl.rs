//! A result as events, one JSON object a line, for tools that read line by line.
//!
//! The order is fixed: `report`, `parameters`, `input`..., `census`, `name`..., `device`..., `activity`..., `flow`...,
//! `truth`..., `caveat`.... An event's fields are those of the JSON document; an `activity` bears its `device`, the first
//! `truth` is that of all devices and the others bear their `device`.

use super::json::Identified;
use super::view::View;
use crate::inference::{
    Activity, Census, Flow, Inference, Input, Names, Parameters, Tally, Window,
};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Report {
        schema: &'a str,
        version: &'a str,
        vantage: &'a str,
        home: &'a [String],
        window: Option<Window>,
    },
    Parameters(&'a Parameters),
    Input(&'a Input),
    Census(&'a Census),
    Name {
        kind: &'a str,
        name: &'a str,
    },
    Device(Identified<'a>),
    Activity {
        device: &'a str,
        #[serde(flatten)]
        activity: &'a Activity,
    },
    Flow(&'a Flow),
    Truth {
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<&'a str>,
        #[serde(flatten)]
        tally: &'a Tally,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<&'a [String]>,
    },
    Caveat {
        text: &'a str,
    },
}

/// Writes the view, one event a line.
pub fn write(view: View, inference: &Inference, out: &mut dyn Write) -> io::Result<()> {
    let mut tell = |event: Event<'_>| {
        serde_json::to_writer(&mut *out, &event)?;
        out.write_all(b"\n")
    };
    tell(Event::Report {
        schema: view.schema(),
        version: inference.version,
        vantage: &inference.vantage,
        home: &inference.home,
        window: inference.window,
    })?;
    tell(Event::Parameters(&inference.parameters))?;
    for input in &inference.inputs {
        tell(Event::Input(input))?;
    }
    tell(Event::Census(&inference.census))?;
    if view != View::Flows {
        for (kind, name) in names(&inference.names) {
            tell(Event::Name { kind, name })?;
        }
        for device in &inference.devices {
            tell(Event::Device(Identified::of(device)))?;
        }
    }
    if view == View::Infer {
        for device in &inference.devices {
            for activity in &device.activities {
                tell(Event::Activity {
                    device: &device.id,
                    activity,
                })?;
            }
        }
    }
    if view != View::Devices {
        for flow in &inference.flows {
            tell(Event::Flow(flow))?;
        }
    }
    if let Some(truth) = inference.truth.as_ref().filter(|_| view == View::Infer) {
        tell(Event::Truth {
            device: None,
            tally: &truth.overall,
            left_out: Some(&truth.left_out),
        })?;
        for one in &truth.devices {
            tell(Event::Truth {
                device: Some(&one.device),
                tally: &one.tally,
                left_out: None,
            })?;
        }
    }
    for text in &inference.caveats {
        tell(Event::Caveat { text })?;
    }
    Ok(())
}

fn names(names: &Names) -> impl Iterator<Item = (&'static str, &str)> {
    let Names { dns, sni, quic } = names;
    [("dns", dns), ("sni", sni), ("quic", quic)]
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use serde_json::Value;

    fn events(view: View, inference: &Inference) -> Vec<Value> {
        let mut out = Vec::new();
        write(view, inference, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with('\n'));
        let parse = |line| serde_json::from_str(line).unwrap();
        text.lines().map(parse).collect()
    }

    /// The types in order, each run of the same once.
    fn types(events: &[Value]) -> Vec<&str> {
        let mut types: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        types.dedup();
        types
    }

    #[test]
    fn events_come_in_a_fixed_order() {
        let home = sample::scored();
        assert_eq!(
            types(&events(View::Infer, &home)),
            [
                "report",
                "parameters",
                "input",
                "census",
                "name",
                "device",
                "activity",
                "flow",
                "truth",
                "caveat"
            ]
        );
        assert_eq!(
            types(&events(View::Devices, &home)),
            [
                "report",
                "parameters",
                "input",
                "census",
                "name",
                "device",
                "caveat"
            ]
        );
        assert_eq!(
            types(&events(View::Flows, &home)),
            ["report", "parameters", "input", "census", "flow", "caveat"]
        );
    }

    #[test]
    fn nothing_of_the_document_is_lost() {
        let home = sample::scored();
        let document = serde_json::to_value(&home).unwrap();
        let events = events(View::Infer, &home);
        let of = |kind: &str| -> Vec<Value> {
            let mut found: Vec<Value> = events
                .iter()
                .filter(|e| e["type"] == kind)
                .cloned()
                .collect();
            for event in &mut found {
                event.as_object_mut().unwrap().remove("type");
            }
            found
        };
        assert_eq!(Value::from(of("input")), document["inputs"]);
        assert_eq!(Value::from(of("flow")), document["flows"]);
        assert_eq!(of("census"), [document["census"].clone()]);
        assert_eq!(of("parameters"), [document["parameters"].clone()]);

        let mut devices = of("device");
        for device in &mut devices {
            let id = device["id"].clone();
            let mut own: Vec<Value> = of("activity")
                .into_iter()
                .filter(|a| a["device"] == id)
                .collect();
            for activity in &mut own {
                activity.as_object_mut().unwrap().remove("device");
            }
            device["activities"] = own.into();
        }
        assert_eq!(Value::from(devices), document["devices"]);

        let mut truths = of("truth");
        let mut overall = truths.remove(0);
        overall["devices"] = truths.into();
        assert_eq!(overall, document["truth"]);
    }

    #[test]
    fn a_hostile_name_cannot_begin_a_line() {
        let honest = events(View::Infer, &sample::scored()).len();
        assert_eq!(events(View::Infer, &sample::hostile()).len(), honest);
    }
}
