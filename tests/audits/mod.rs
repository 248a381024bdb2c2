//! Homes, defended and watched as `defend` does it: what tests of defenses and adversaries share.

#![allow(dead_code)] // Each test that shares this uses a part of it.

use clap::Parser;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::time::Duration;
use stp_audit::adversary::{self, Settings as Watching};
use stp_audit::audit::school::Teaching;
use stp_audit::audit::{run, run_taught, Audit, Audited};
use stp_audit::cli::args::{Cli, Command};
use stp_audit::cli::tracing::{trace, AtHome, Traced};
use stp_audit::defense::{self, Settings};
use stp_audit::flow::key::Endpoint;
use stp_audit::model::{generate, HomeModel};
use stp_audit::packet::dissect::Protocol;
use stp_audit::threat::Defense;
use stp_audit::trace::{Device, Flow, Source, Trace};
use stp_audit::units::{Span, Timestamp};
use stp_audit::verdict::Outcome;

pub fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// So many seconds at a made-up home.
pub fn lived(home: &HomeModel, seconds: u64, seed: u64) -> Trace {
    let lived = generate(home, seconds, &mut seeded(seed));
    lived.checked().unwrap()
}

/// A home without a device, to be filled by hand, from 0 on.
pub fn bare(nanoseconds: i64) -> Trace {
    Trace {
        window: Span::new(Timestamp(0), Timestamp(nanoseconds)),
        devices: Vec::new(),
        flows: Vec::new(),
        packets: Vec::new(),
        activities: Vec::new(),
        source: Source::Generated,
    }
}

/// One device more, with one flow, between these ends, to a server of its own: NAME.example.
pub fn add_device(trace: &mut Trace, name: &str, [local, remote]: [Endpoint; 2]) {
    trace.flows.push(Flow {
        device: Some(trace.devices.len()),
        protocol: Protocol::TCP,
        local,
        remote,
        server: Some(format!("{name}.example")),
    });
    trace.devices.push(Device {
        id: name.into(),
        name: name.into(),
    });
}

/// The trace of a capture, as the program reads it with more arguments of `infer`.
pub fn traced(capture: &Path, more: &[&str], at_home: AtHome) -> Traced {
    let typed = ["stp-audit", "infer", capture.to_str().unwrap(), "--quiet"];
    let cli = Cli::try_parse_from(typed.iter().chain(more)).unwrap();
    let Some(Command::Infer(args)) = &cli.command else {
        panic!("infer was typed");
    };
    trace(
        &args.inputs,
        &args.capture,
        &args.activity.detect,
        at_home,
        &cli.common,
    )
    .unwrap()
}

/// The same of a capture with labels, what devices say among themselves left out.
pub fn labelled(capture: &Path, labels: &Path, more: &[&str]) -> Trace {
    let labels = ["--labels", labels.to_str().unwrap()];
    traced(capture, &[&labels, more].concat(), AtHome::LeftOut).trace
}

/// A defense and its name.
pub type Named = (String, Box<dyn Defense>);

/// A defense of the list, made for a home.
pub fn made(name: &str, settings: &Settings, trace: &Trace) -> Box<dyn Defense> {
    (defense::find(name).unwrap().make)(settings, trace).unwrap()
}

/// Defenses of the list as they are when nothing is said of them.
pub fn defenses(names: &[&str], trace: &Trace) -> Vec<Named> {
    let usual = Settings::default();
    let named = |name: &&str| ((*name).to_owned(), made(name, &usual, trace));
    names.iter().map(named).collect()
}

/// Adversaries of the list.
pub fn adversaries(names: &[&str]) -> Vec<&'static adversary::Row> {
    let found = names.iter().map(|name| adversary::find(name).unwrap());
    found.collect()
}

/// An audit on two threads, of the first seed, in which a claim has to touch its activity.
pub fn audit<'a>(
    trace: &'a Trace,
    defenses: &'a [Named],
    adversaries: &'a [&'static adversary::Row],
    trials: u32,
) -> Audit<'a> {
    Audit {
        trace,
        defenses,
        adversaries,
        trials,
        seed: 1,
        jobs: Some(2),
        tolerance: Duration::ZERO,
    }
}

/// The rows of all devices together.
pub fn of_all(audit: &Audit) -> Vec<Outcome> {
    let mut rows = run(audit, &|_, _| ());
    rows.retain(|row| row.device == "all");
    rows
}

/// What comes of an audit with adversaries that are taught; claims may be a second off.
pub fn taught(audit: Audit, teaching: &Teaching) -> Audited {
    let audit = Audit {
        tolerance: Duration::from_secs(1),
        ..audit
    };
    let (watching, to_the_end) = (Watching::default(), || false);
    run_taught(&audit, &watching, teaching, &|_, _| {}, &to_the_end)
}
