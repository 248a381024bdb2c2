//! What the wire shows, written as a capture: other tools open it, and what is read back is what was written.

mod program;

use clap::Parser;
use program::fixtures;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use stp_audit::activity::read_labels;
use stp_audit::cli::args::{Cli, Command};
use stp_audit::cli::observing::observe;
use stp_audit::cli::tracing::{trace, AtHome, Traced};
use stp_audit::cli::wire;
use stp_audit::threat::{Observation, SeenFlow, Sighting, Vantage};
use stp_audit::trace::Trace;
use stp_audit::units::Direction;

struct Typed {
    cli: Cli,
}

impl Typed {
    fn new(input: &Path) -> Self {
        let typed = ["stp-audit", "infer", input.to_str().unwrap(), "--quiet"];
        Self {
            cli: Cli::try_parse_from(typed).unwrap(),
        }
    }

    fn with<T>(&self, of: impl Fn(&stp_audit::cli::args::InferArgs) -> T) -> T {
        match &self.cli.command {
            Some(Command::Infer(args)) => of(args),
            _ => panic!("infer was typed"),
        }
    }

    fn traced(&self) -> Traced {
        let common = &self.cli.common;
        self.with(|args| {
            trace(
                &args.inputs,
                &args.capture,
                &args.activity.detect,
                AtHome::LeftOut,
                common,
            )
            .unwrap()
        })
    }

    fn observed(&self, file: &Path, before: &Traced) -> Observation {
        let (common, files) = (&self.cli.common, [file.to_owned()]);
        let of = |args: &stp_audit::cli::args::InferArgs| {
            observe(
                &files,
                &args.capture,
                &args.activity.detect,
                false,
                before,
                common,
            )
            .unwrap()
        };
        let observed = self.with(of);
        assert_eq!(observed.caveats, [""; 0]);
        assert!(observed.told);
        observed.seen
    }
}

/// Everything as it is, each flow by its far end's name.
fn undefended(trace: &Trace, vantage: Vantage) -> Observation {
    let flow = |flow: &stp_audit::trace::Flow| SeenFlow {
        far: flow.far(),
        shaping: None,
    };
    let sighting = |packet: &stp_audit::trace::Packet| {
        Sighting::one(packet.at, packet.flow, packet.direction, packet.bytes)
    };
    Observation {
        vantage,
        window: trace.window,
        flows: trace.flows.iter().map(flow).collect(),
        sightings: trace.packets.iter().map(sighting).collect(),
    }
}

/// A tunnel that is padded in trains, from the trace's begin on.
fn tunnel(trace: &Trace) -> Observation {
    let train = |after: i64, direction, bytes, count, every| Sighting {
        at: stp_audit::units::Timestamp(trace.window.start.0 + after),
        flow: 0,
        direction,
        bytes,
        count,
        every,
    };
    Observation {
        vantage: Vantage::Outside,
        window: trace.window,
        flows: vec![SeenFlow {
            far: "tunnel".into(),
            shaping: None,
        }],
        sightings: vec![
            train(0, Direction::Up, 600, 1_000, 20_000_003),
            train(1, Direction::Down, 1_400, 700, 30_000_007),
            train(5_000_000_000, Direction::Up, 600, 100, 1_000_001),
        ],
    }
}

/// Each packet with its flow's far end, in order; flows may be numbered otherwise.
fn packets(seen: &Observation) -> Vec<(i64, String, Direction, u32)> {
    let far = |flow: u32| seen.flows[flow as usize].far.clone();
    let mut all: Vec<_> = seen
        .sightings
        .iter()
        .flat_map(|one| {
            let of = move |at: stp_audit::units::Timestamp| {
                (at.0, far(one.flow), one.direction, one.bytes)
            };
            one.instants().map(of).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all
}

fn written(folder: &Path, seen: &Observation, before: &Traced) -> PathBuf {
    let path = folder.join("shaped.pcapng");
    let count = wire::write(&path, seen, &before.trace, &before.home.addresses, "a test").unwrap();
    assert_eq!(count, seen.packets());
    path
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        let typed = Typed::new(&fixtures().join(name));
        let before = typed.traced();
        for seen in [
            undefended(&before.trace, Vantage::Outside),
            undefended(&before.trace, Vantage::Inside),
        ] {
            let path = written(folder.path(), &seen, &before);
            let back = typed.observed(&path, &before);
            assert_eq!(back.window, seen.window);
            let fars = |seen: &Observation| {
                let mut fars: Vec<_> = seen.flows.iter().map(|flow| flow.far.clone()).collect();
                fars.sort();
                fars
            };
            assert_eq!(fars(&back), fars(&seen), "{name}");
            assert!(
                packets(&back) == packets(&seen),
                "{name} {:?}",
                seen.vantage
            );
        }
        // A tunnel's end is called by its address.
        let mut seen = tunnel(&before.trace);
        let back = typed.observed(&written(folder.path(), &seen, &before), &before);
        seen.flows[0].far = "203.0.113.254".into();
        assert_eq!(packets(&back), packets(&seen), "{name}");
        assert_eq!(back.vantage, Vantage::Outside);
    }
}

/// Counts and sums of tshark; a line says where it is absent.
#[test]
fn tshark_opens_it_without_complaint() {
    if Process::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let typed = Typed::new(&fixtures().join("evening-lan.pcapng"));
    let before = typed.traced();
    for seen in [
        undefended(&before.trace, Vantage::Outside),
        tunnel(&before.trace),
    ] {
        let path = written(folder.path(), &seen, &before);
        let mut tshark = Process::new("tshark");
        let fields = [
            "frame.len",
            "ip.len",
            "ipv6.plen",
            "_ws.malformed",
            "ip.checksum.status",
            "tcp.checksum.status",
            "udp.checksum.status",
        ];
        tshark.args(["-n", "-o", "ip.check_checksum:TRUE", "-T", "fields"]);
        for field in fields {
            tshark.args(["-e", field]);
        }
        let output = tshark.arg("-r").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("tshark: "), "{said}");
        let (mut count, mut bytes) = (0u64, 0u64);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let length: u64 = fields[0].parse().unwrap();
            let told: u64 = match (fields[1], fields[2]) {
                ("", v6) => v6.parse::<u64>().unwrap() + 40,
                (v4, _) => v4.split(',').next().unwrap().parse().unwrap(),
            };
            assert_eq!(told, length, "{line}");
            assert_eq!(fields[3], "", "malformed: {line}");
            assert!(
                fields[4..].iter().all(|status| *status != "0"),
                "bad checksum: {line}"
            );
            count += 1;
            bytes += length;
        }
        assert_eq!((count, bytes), (seen.packets(), seen.bytes()));
    }
}

#[test]
fn labels_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let before = Typed::new(&fixtures().join("evening-lan.pcapng")).traced();
    let path = folder.path().join("labels.csv");
    wire::write_labels(&path, &before.trace, before.tolerance).unwrap();
    let labels = read_labels(std::fs::File::open(&path).unwrap(), "labels.csv").unwrap();
    assert_eq!(labels.len(), before.trace.activities.len());
    assert!(!labels.is_empty());
    for (label, activity) in labels.iter().zip(&before.trace.activities) {
        assert_eq!(label.span, activity.span);
        assert_eq!(label.device, before.trace.devices[activity.device].id);
        assert_eq!(label.activity, activity.label);
        assert_eq!(label.tolerance, Some(before.tolerance));
    }
}

#[test]
fn too_much_is_refused_before_a_byte_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let before = Typed::new(&fixtures().join("evening-lan.pcapng")).traced();
    let path = folder.path().join("shaped.pcapng");
    let mut seen = tunnel(&before.trace);
    seen.sightings[0].count = u32::MAX;
    let error = wire::write(&path, &seen, &before.trace, &[], "").unwrap_err();
    assert!(error.to_string().contains("at most 50000000"), "{error}");
    assert!(!path.exists());
}
