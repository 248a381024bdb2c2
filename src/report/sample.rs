//! A small home made by hand, for the tests of every format.
//!
//! One known device, one of two, one unknown; hostile names throughout, as a capture may bring them.

use crate::inference::*;
use crate::units::Timestamp;
use std::collections::BTreeMap;

/// 2018-03-01 18:00:00 UTC and `seconds` more.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_519_927_200 + seconds, 0)
}

/// An evening behind NAT: 2 h 4 min, three devices, five flows.
pub fn evening() -> Inference {
    Inference {
        schema: SCHEMA,
        version: "0.1.0",
        inputs: vec![Input {
            path: "evening.pcapng".into(),
            sha256: Some("00".repeat(32)),
            format: "pcapng".into(),
            packets: 418_122,
            first: Some(at(0)),
            last: Some(at(7_440)),
            truncated: false,
            truncation: None,
        }],
        window: Some(Window {
            first: at(0),
            last: at(7_440),
        }),
        census: Census {
            read: 418_122,
            ipv4: 418_000,
            ipv6: 100,
            ip_bytes: 123_456_789,
            dns_messages: 1_200,
            skipped: counts(&[("arp", 20), ("ether type 0x88cc", 2)]),
            ..Census::default()
        },
        names: Names {
            dns: vec!["api.xbcs.net".into(), "nexus.dropcam.com".into()],
            sni: vec!["nexus.dropcam.com".into()],
            quic: vec![],
        },
        vantage: "wan".into(),
        home: vec!["203.0.113.9".into()],
        parameters: parameters(),
        devices: vec![wemo(), nest(), unknown("unknown-1")],
        flows: flows(),
        truth: None,
        caveats: vec![],
    }
}

/// The same evening at the LAN, held against labels, with all that can be said besides.
pub fn scored() -> Inference {
    let mut home = evening();
    home.vantage = "lan".into();
    home.home.clear();
    for (device, last) in home.devices.iter_mut().zip(1..) {
        device.address = Some(format!("192.168.1.{last}"));
        device.mac = Some(format!("ec:1a:59:00:00:0{last}"));
    }
    home.inputs.push(Input {
        path: "rest.pcap".into(),
        sha256: None,
        format: "pcap in gzip".into(),
        packets: 7,
        first: None,
        last: None,
        truncated: true,
        truncation: Some("ends within record 8, at byte 1,234".into()),
    });
    home.census.damaged = counts(&[("dns: cut", 3)]);
    home.census.evicted = counts(&[("flows", 1_000_000)]);
    home.census.length_from_wire = 5;
    home.parameters.count_silent = false;
    home.parameters.baseline = "robust".into();
    home.parameters.window_s = Some(3_600.0);
    home.caveats = vec!["the clock ran backwards 2 times".into()];
    home.truth = Some(Truth {
        overall: tally(5, 4, 3, 4, 3),
        devices: vec![
            DeviceTruth {
                device: home.devices[0].id.clone(),
                tally: tally(5, 4, 3, 4, 3),
            },
            DeviceTruth {
                device: home.devices[1].id.clone(),
                tally: tally(0, 0, 0, 0, 0),
            },
        ],
        left_out: vec!["1 label lies outside the capture".into()],
    });
    home.devices[0].activities[0].label = Some("switched on".into());
    home
}

/// An evening whose every text wants to be something else.
pub fn hostile() -> Inference {
    let mut home = scored();
    home.inputs[0].path = "=1+1|x\n# heading.pcap".into();
    home.devices[0].id = "@SUM(A1)".into();
    home.devices[0].candidates[0].name = "=cmd|' /C calc'!A0".into();
    home.devices[0].evidence[0].value = "a|b`c<script>[x](http://e.example)".into();
    home.devices[0].activities[0].label = Some("+on,\"now\"\r\n-off".into());
    home.devices[0].activities[0].sigma = f64::INFINITY;
    home.devices[0].activities[1].peak_bytes_per_s = f64::NAN;
    home.flows[0].domain = Some("-2+3\\|cmd".into());
    home.flows[1].domain = Some("-2.5".into());
    home.caveats = vec!["<b>|\x1b[31m".into()];
    home
}

/// Nothing was read.
pub fn empty() -> Inference {
    Inference {
        inputs: vec![],
        window: None,
        census: Census::default(),
        names: Names::default(),
        home: vec![],
        devices: vec![],
        flows: vec![],
        ..evening()
    }
}

fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    rows.iter()
        .map(|(name, n)| ((*name).to_owned(), *n))
        .collect()
}

fn parameters() -> Parameters {
    Parameters {
        bin_s: 1.0,
        sigma: 3.0,
        weak_sigma: 3.0,
        merge_s: 30.0,
        shapes: ["spike", "hill", "depression"].map(String::from).to_vec(),
        direction: "both".into(),
        baseline: "mean".into(),
        count_silent: true,
        ignore_periodic: false,
        window_s: None,
        tolerance_s: 60.0,
        filter: None,
        home: vec![],
        fingerprints: 180,
        flows_listed: 16_384,
        seed: 1,
    }
}

fn tally(labels: u64, in_window: u64, hit: u64, claims: u64, correct: u64) -> Tally {
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    Tally {
        labels,
        in_window,
        hit,
        missed: in_window - hit,
        claims,
        correct,
        one_to_one: hit.min(correct),
        precision: share(correct, claims),
        recall: share(hit, in_window),
    }
}

fn candidate(id: &str, name: &str, score: f64) -> Candidate {
    Candidate {
        id: id.into(),
        name: name.into(),
        score,
    }
}

fn evidence(kind: &str, value: &str, seconds: i64) -> Evidence {
    Evidence {
        kind: kind.into(),
        value: value.into(),
        at: at(seconds),
    }
}

fn wemo() -> Device {
    let activity = |start: i64, sigma: f64| Activity {
        start: at(start),
        end: at(start + 2),
        shape: "spike".into(),
        direction: "both".into(),
        peak_bytes_per_s: 4_321.0,
        sigma,
        label: None,
    };
    Device {
        id: "belkin-wemo-switch".into(),
        candidates: vec![candidate(
            "belkin-wemo-switch",
            "Belkin WeMo Switch",
            0.949_6,
        )],
        evidence: vec![
            evidence("dns", "api.xbcs.net", 12),
            evidence("oui", "ec:1a:59", 13),
        ],
        address: None,
        mac: None,
        flows: 1,
        up_bytes: 120_000,
        down_bytes: 98_500,
        activities: vec![activity(600, 12.345_6), activity(3_600, 3.0)],
    }
}

fn nest() -> Device {
    Device {
        id: "nest-cam".into(),
        candidates: vec![
            candidate("nest-cam-indoor", "Nest Cam Indoor", 0.45),
            candidate("nest-cam-iq", "Nest Cam IQ", 0.45),
            candidate("nest-protect", "Nest Protect", 0.05),
        ],
        evidence: vec![evidence("sni", "nexus.dropcam.com", 30)],
        address: None,
        mac: None,
        flows: 2,
        up_bytes: 98_765_432,
        down_bytes: 1_234_567,
        activities: vec![Activity {
            start: at(1_000),
            end: at(1_090),
            shape: "hill".into(),
            direction: "up".into(),
            peak_bytes_per_s: 250_000.5,
            sigma: 4.2,
            label: None,
        }],
    }
}

/// A device nobody knows, of two flows.
pub fn unknown(id: &str) -> Device {
    Device {
        id: id.into(),
        candidates: vec![],
        evidence: vec![],
        address: None,
        mac: None,
        flows: 2,
        up_bytes: 900,
        down_bytes: 12_345,
        activities: vec![],
    }
}

fn flows() -> Vec<Flow> {
    let flow =
        |remote: &str, port: u16, domain: Option<&str>, device: Option<&str>, start: i64| Flow {
            protocol: "tcp".into(),
            local: "203.0.113.9".into(),
            local_port: 40_000 + port,
            remote: remote.into(),
            remote_port: port,
            domain: domain.map(Into::into),
            device: device.map(Into::into),
            packets: 120,
            up_bytes: 60_000,
            down_bytes: 49_250,
            first: at(start),
            last: at(start + 300),
            folded: None,
        };
    vec![
        flow(
            "198.51.100.7",
            443,
            Some("api.xbcs.net"),
            Some("belkin-wemo-switch"),
            12,
        ),
        flow(
            "198.51.100.8",
            443,
            Some("nexus.dropcam.com"),
            Some("nest-cam"),
            30,
        ),
        Flow {
            protocol: "udp".into(),
            local: "2001:db8::1".into(),
            folded: Some(12),
            ..flow("2001:db8::53", 123, Some("time.example.com"), None, 40)
        },
        flow("198.51.100.9", 8_883, None, Some("unknown-1"), 50),
        Flow {
            protocol: "icmp".into(),
            local_port: 0,
            ..flow("198.51.100.10", 0, None, Some("unknown-1"), 60)
        },
    ]
}
