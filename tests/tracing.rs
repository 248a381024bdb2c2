//! A capture as a trace: nothing lost and nothing added, beside what `infer` tells of the same capture.

mod audits;
mod program;

use audits::traced;
use program::{fixtures, real};
use std::collections::BTreeMap;
use std::path::Path;
use stp_audit::cli::tracing::{AtHome, Traced};
use stp_audit::trace::Source;
use stp_audit::units::Direction;

/// Flows, packets, bytes up and bytes down by device; those of no device under "".
type Sums = BTreeMap<String, (u64, u64, u64, u64)>;

fn sums_of_trace(traced: &Traced) -> Sums {
    let trace = &traced.trace;
    let name = |device: Option<usize>| device.map_or("", |device| &trace.devices[device].id);
    let mut sums = Sums::new();
    for flow in &trace.flows {
        sums.entry(name(flow.device).into()).or_default().0 += 1;
    }
    for packet in &trace.packets {
        let sum = sums
            .entry(name(trace.device_of(packet)).into())
            .or_default();
        sum.1 += 1;
        match packet.direction {
            Direction::Up => sum.2 += u64::from(packet.bytes),
            Direction::Down => sum.3 += u64::from(packet.bytes),
        }
    }
    sums
}

fn sums_of_infer(input: &Path, more: &[&str]) -> Sums {
    let report = program::infer(input, more).report.unwrap();
    let mut sums = Sums::new();
    for flow in report["flows"].as_array().unwrap() {
        let sum = sums
            .entry(flow["device"].as_str().unwrap_or("").into())
            .or_default();
        let number = |field: &str| flow[field].as_u64().unwrap();
        sum.0 += 1;
        sum.1 += number("packets");
        sum.2 += number("up_bytes");
        sum.3 += number("down_bytes");
    }
    sums
}

fn agree(input: &Path, more: &[&str]) -> Traced {
    let traced = traced(input, more, AtHome::Kept);
    assert_eq!(
        sums_of_trace(&traced),
        sums_of_infer(input, more),
        "{input:?}"
    );
    let packets = &traced.trace.packets;
    assert!(packets.is_sorted_by_key(|packet| packet.at));
    traced
}

#[test]
fn sums_are_those_of_infer() {
    for name in ["evening-wan.pcapng", "evening-lan.pcapng"] {
        let traced = agree(&fixtures().join(name), &[]);
        let shown = &traced.read.observed.window;
        assert_eq!(Some(traced.trace.window), *shown, "{name}");
        assert_eq!(traced.trace.source, Source::Inferred);
        let said = traced.caveats.join("\n");
        assert!(said.contains("without --labels"), "{said}");
    }
}

#[test]
fn sums_are_those_of_infer_on_real_captures() {
    for name in [
        "plug-lifecycle/plug.pcap",
        "camera-week/camera.pcap",
        "plug-taps/wan.pcap",
        "home-lan/home-lan.pcapng",
        "home-nat/home-wan.pcap",
    ] {
        if let Some(input) = real(name) {
            let traced = agree(&input, &[]);
            println!("{name}: {}", traced.caveats.join("\n  "));
        }
    }
}

/// Where flows are folded, their packets keep a flow, and the sums of all hold.
#[test]
fn packets_of_folded_flows_keep_a_flow() {
    let input = fixtures().join("evening-lan.pcapng");
    let few = traced(&input, &["--max-flows", "64"], AtHome::Kept);
    let all = traced(&input, &[], AtHome::Kept);
    assert!(few.trace.flows.len() < all.trace.flows.len());
    assert!(few.trace.flows.iter().any(|flow| flow.local.port == 0));
    let total = |traced: &Traced| (traced.trace.packets.len(), traced.trace.bytes());
    let lost = few.read.observed.lost;
    assert!(lost.folded > 0 && lost.packets == 0, "{lost:?}");
    assert_eq!(total(&few), total(&all));
    let said = few.caveats.join("\n");
    assert!(said.contains("folded"), "{said}");
}

#[test]
fn labels_become_activities_with_the_traffic_claimed_near_them() {
    let input = fixtures().join("evening-lan.pcapng");
    let labels = fixtures().join("evening-labels.csv");
    let traced = traced(
        &input,
        &["--labels", labels.to_str().unwrap()],
        AtHome::LeftOut,
    );
    let trace = &traced.trace;
    assert_eq!(trace.source, Source::Labels);
    let lines = std::fs::read_to_string(&labels).unwrap().lines().count() - 1;
    let left_out = traced.caveats.iter().filter(|said| said.contains("abel"));
    println!("{:?}", left_out.collect::<Vec<_>>());
    assert_eq!(trace.activities.len(), lines);
    for activity in &trace.activities {
        assert!(trace.window.start <= activity.traffic.start);
        assert!(activity.traffic.end <= trace.window.end);
    }
    // Most were seen: their traffic is a claim near the label, and not the label itself.
    let seen = trace
        .activities
        .iter()
        .filter(|one| one.traffic != one.span);
    assert!(seen.count() * 2 > lines);
}

/// What stays at home is left out for an observer outside, and said.
#[test]
fn what_stays_at_home_is_left_out() {
    let input = fixtures().join("evening-lan.pcapng");
    let all = traced(&input, &[], AtHome::Kept);
    let leaves = traced(&input, &[], AtHome::LeftOut);
    let private = |address: std::net::IpAddr| stp_audit::flow::home::is_private(address);
    assert!(all
        .trace
        .flows
        .iter()
        .any(|flow| private(flow.remote.address)));
    assert!(!leaves
        .trace
        .flows
        .iter()
        .any(|flow| private(flow.remote.address)));
    let share = 100.0 * (1.0 - leaves.trace.bytes() as f64 / all.trace.bytes() as f64);
    let said = leaves.caveats.join("\n");
    assert!(
        said.contains(&format!("{share:.1} % of the bytes stay at home")),
        "{said}"
    );
    assert_eq!(leaves.trace.window, all.trace.window);
}
