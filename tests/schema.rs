//! JSON reports of real runs are what their schema says, and hold every field that checks may rely on.

mod program;

use jsonschema::Validator;
use program::{fixtures, line, real, run};
use serde_json::Value;
use std::collections::BTreeSet;

fn validator() -> Validator {
    let schema = serde_json::from_str(stp_audit::report::json::SCHEMA).unwrap();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn check(validator: &Validator, what: &str, document: &Value) {
    let faults: Vec<String> = validator
        .iter_errors(document)
        .map(|fault| format!("{}: {fault}", fault.instance_path))
        .collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}");
}

/// The fields of a document, as `devices[].evidence[].kind`.
fn fields(document: &Value, at: &str, all: &mut BTreeSet<String>) {
    match document {
        Value::Object(map) => {
            for (name, value) in map {
                let at = match at {
                    "" => name.clone(),
                    at => format!("{at}.{name}"),
                };
                fields(value, &at, all);
                all.insert(at);
            }
        }
        Value::Array(values) => {
            for value in values {
                fields(value, &format!("{at}[]"), all);
            }
        }
        _ => {}
    }
}

/// What the JSON of `infer` holds, whatever else it does: the promise to those who read it by program.
const PROMISED: &[(&str, &[&str])] = &[
    ("", &["schema", "vantage", "parameters"]),
    (
        "inputs[].",
        &[
            "path",
            "sha256",
            "format",
            "packets",
            "first",
            "last",
            "truncated",
        ],
    ),
    (
        "census.",
        &[
            "read",
            "ipv4",
            "ipv6",
            "ip_bytes",
            "dns_messages",
            "skipped.arp",
        ],
    ),
    ("names.", &["dns", "sni", "quic"]),
    (
        "devices[].",
        &[
            "id",
            "address",
            "mac",
            "flows",
            "up_bytes",
            "down_bytes",
            "candidates[].id",
        ],
    ),
    ("devices[].candidates[].", &["id", "name", "score"]),
    ("devices[].evidence[].", &["kind", "value", "at"]),
    (
        "devices[].activities[].",
        &[
            "start",
            "end",
            "shape",
            "direction",
            "peak_bytes_per_s",
            "sigma",
            "label",
        ],
    ),
    (
        "flows[].",
        &[
            "protocol",
            "local",
            "local_port",
            "remote",
            "remote_port",
            "domain",
            "device",
            "packets",
            "up_bytes",
            "down_bytes",
            "first",
            "last",
        ],
    ),
    (
        "truth.",
        &[
            "labels",
            "in_window",
            "hit",
            "missed",
            "claims",
            "correct",
            "precision",
            "recall",
        ],
    ),
    (
        "truth.devices[].",
        &[
            "labels",
            "in_window",
            "hit",
            "missed",
            "claims",
            "correct",
            "precision",
            "recall",
        ],
    ),
];

#[test]
fn the_fixtures_reports_are_as_the_schema_says() {
    let validator = validator();
    for command in ["infer", "devices", "flows"] {
        for rest in [
            "evening-lan.pcapng",
            "evening-wan.pcapng",
            "evening-wan.pcapng --labels evening-labels.csv --window 10m --ignore-periodic",
            "evening-lan.pcapng --max-flows 16 --vantage wan --home 192.168.1.0/24",
            "evening-lan.pcapng -f udp",
            "malformed/record-cut.pcap --allow-truncated",
            "malformed/1970-and-2106.pcap",
            "formats/pcapng-simple.pcapng",
            "formats/pcap.pcap.gz formats/link-ipv6.pcap",
        ] {
            let words = format!("{command} {rest} --format json");
            let document = line(&words).ends(0).json();
            assert_eq!(document["schema"], format!("stp-audit/{command}/1"));
            let scored = command == "infer" && rest.contains("--labels");
            assert_eq!(document["truth"].is_object(), scored, "{words}");
            check(&validator, &words, &document);
        }
    }
    // Nothing read is a document too.
    let document = line("infer malformed/header-only.pcap --format json")
        .ends(3)
        .json();
    check(&validator, "header-only", &document);
}

#[test]
fn reports_of_malformed_captures_are_as_the_schema_says() {
    let validator = validator();
    let mut reported = 0;
    for entry in std::fs::read_dir(fixtures().join("malformed")).unwrap() {
        let path = entry.unwrap().path();
        let run = run(["infer", path.to_str().unwrap(), "--format", "json"]);
        // What is no capture at all has no report, but a message.
        if run.out.is_empty() {
            assert!(!run.err.is_empty(), "{}", path.display());
        } else {
            check(&validator, &path.display().to_string(), &run.json());
            reported += 1;
        }
    }
    assert!(reported > 40, "{reported}");
}

#[test]
fn the_schema_refuses_what_is_not_a_report() {
    let validator = validator();
    let good = line("infer evening-wan.pcapng --format json").json();
    let spoilt = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    };
    for document in [
        Value::Null,
        spoilt("/schema", "stp-audit/infer/2".into()),
        spoilt("/vantage", "sky".into()),
        spoilt("/devices/0/flows", (-1).into()),
        spoilt("/devices/0/candidates/0/score", 1.5.into()),
        spoilt("/flows/0/local_port", 65_536.into()),
        spoilt("/flows/0/first", "yesterday".into()),
        spoilt("/inputs/0/sha256", "abc".into()),
    ] {
        assert!(!validator.is_valid(&document));
    }
}

#[test]
fn every_promised_field_is_there() {
    let document =
        line("infer evening-lan.pcapng --labels evening-labels.csv --format json").json();
    let mut there = BTreeSet::new();
    fields(&document, "", &mut there);
    for (prefix, names) in PROMISED {
        for name in *names {
            let field = format!("{prefix}{name}");
            assert!(there.contains(&field), "{field} is missing");
        }
    }
}

#[test]
fn bytes_and_counts_agree_within_a_report() {
    for file in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        let document = line(&format!("infer {file} --format json")).json();
        let list = |name: &str| document[name].as_array().unwrap().clone();
        let sum = |rows: &[Value], fields: &[&str]| -> u64 {
            let of = |row: &Value| fields.iter().map(|f| row[f].as_u64().unwrap()).sum::<u64>();
            rows.iter().map(of).sum()
        };
        let census = &document["census"];
        let flows = list("flows");
        let packets = census["ipv4"].as_u64().unwrap() + census["ipv6"].as_u64().unwrap();
        assert_eq!(sum(&flows, &["packets"]), packets, "{file}");
        let bytes = sum(&flows, &["up_bytes", "down_bytes"]);
        assert_eq!(bytes, census["ip_bytes"].as_u64().unwrap(), "{file}");
        let ids: BTreeSet<String> = list("devices")
            .iter()
            .map(|device| device["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            ids.len(),
            list("devices").len(),
            "{file}: an id is given twice"
        );
        for flow in &flows {
            if let Some(device) = flow.get("device") {
                assert!(ids.contains(device.as_str().unwrap()), "{file}: {device}");
            }
        }
    }
}

#[test]
fn reports_of_real_captures_are_as_the_schema_says() {
    let validator = validator();
    for name in [
        "plug-lifecycle/plug.pcap",
        "camera-week/camera.pcap",
        "plug-taps/wan.pcap",
        "home-lan/home-lan.pcapng",
        "home-nat/home-wan.pcap",
        "setup/HueBridge/Setup-A-1-STA.pcap",
        "protocols/nest_log_sink.pcap",
        "hostile/dns-label-nul-dot-quote-nl.pcap",
        "hostile/ts-far-future.pcap",
    ] {
        let Some(path) = real(name) else { continue };
        for command in ["infer", "devices", "flows"] {
            let run = run([command, path.to_str().unwrap(), "--format", "json"]).ends(0);
            check(&validator, name, &run.json());
        }
    }
}
