//! From what was found to what is reported: one [`Inference`], every name escaped, every doubt said.

use crate::activity::claim::Activity;
use crate::activity::parameters::Parameters;
use crate::activity::truth::{Scores, Truth};
use crate::cli::args::{Common, InferArgs};
use crate::cli::reading::Read;
use crate::device::catalog::Catalog;
use crate::device::inventory::{Device, Inventory};
use crate::flow::home::{Home, Vantage};
use crate::flow::key::FlowKey;
use crate::flow::names::{NameBook, NameKind};
use crate::flow::table::Flow;
use crate::inference::{self, round, Inference};
use crate::packet::name::escape;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that was found.
pub struct Findings<'a> {
    /// What was typed.
    pub args: &'a InferArgs,
    /// What every command understands.
    pub common: &'a Common,
    /// The detector's parameters.
    pub parameters: &'a Parameters,
    /// The catalog.
    pub catalog: &'a Catalog,
    /// What was read.
    pub read: &'a Read,
    /// The home.
    pub home: &'a Home,
    /// Its devices and flows.
    pub inventory: &'a Inventory,
    /// Claims, a list a device.
    pub activities: &'a [Vec<Activity>],
    /// How far from a label a claim may lie.
    pub tolerance: Duration,
    /// Claims held against labels.
    pub scores: Option<&'a Scores>,
}

/// The report of these findings.
pub fn inference(found: Findings<'_>) -> Inference {
    let observed = &found.read.observed;
    let distinct = |kind| {
        let names = observed.names.distinct(kind);
        names.iter().map(|name| name.to_string()).collect()
    };
    Inference {
        schema: inference::SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        inputs: inputs(found.read),
        window: observed.window.map(|window| inference::Window {
            first: window.start,
            last: window.end,
        }),
        census: census(found.read),
        names: inference::Names {
            dns: distinct(NameKind::Dns),
            sni: distinct(NameKind::Sni),
            quic: distinct(NameKind::Quic),
        },
        vantage: match found.home.vantage {
            Vantage::Lan => "lan".into(),
            Vantage::Wan => "wan".into(),
        },
        home: found
            .home
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        parameters: parameters(&found),
        devices: found
            .inventory
            .devices
            .iter()
            .zip(found.activities)
            .map(|(device, activities)| describe(device, activities))
            .collect(),
        flows: flows(&found),
        truth: found.scores.map(|scores| truth(scores, found.inventory)),
        caveats: caveats(&found),
    }
}

fn inputs(read: &Read) -> Vec<inference::Input> {
    read.inputs
        .iter()
        .map(|input| inference::Input {
            path: input.path.clone(),
            sha256: input.sha256.clone(),
            format: input.format.clone(),
            packets: input.packets,
            first: input.first,
            last: input.last,
            truncated: input.truncated.is_some(),
            truncation: input
                .truncated
                .as_ref()
                .map(|truncated| truncated.message.clone()),
        })
        .collect()
}

fn census(read: &Read) -> inference::Census {
    let observed = &read.observed;
    let census = &observed.census;
    let lost = observed.lost;
    let evicted = [
        ("flows folded", lost.folded),
        ("flows lost", lost.flows),
        ("packets of lost flows", lost.packets),
        ("bytes of lost flows", lost.bytes),
        ("bytes in no bin", lost.unbinned_bytes),
        ("names", observed.names.evicted),
        ("handshakes", observed.hellos_dropped),
        ("flows without a counter", observed.tracks.left_alone()),
    ];
    inference::Census {
        read: read.inputs.iter().map(|input| input.packets).sum(),
        filtered_out: read.inputs.iter().map(|input| input.filtered_out).sum(),
        ipv4: census.ipv4,
        ipv6: census.ipv6,
        ip_bytes: census.ip_bytes,
        dns_messages: census.dns_messages,
        local_dns_messages: census.local_dns_messages,
        dns_split: census.dns_split,
        dns_damaged: census.dns_damaged,
        length_from_wire: census.length_from_wire,
        later_fragments: census.later_fragments,
        tunnelled: census.tunnelled,
        skipped: spelled(&census.skipped),
        damaged: spelled(&census.damaged),
        evicted: evicted
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(table, count)| (table.to_string(), count))
            .collect(),
    }
}

fn spelled<K: ToString>(counts: &BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts
        .iter()
        .map(|(reason, count)| (reason.to_string(), *count))
        .collect()
}

fn parameters(found: &Findings<'_>) -> inference::Parameters {
    let (args, told) = (found.args, found.parameters);
    let seconds = |span: Duration| span.as_secs_f64();
    inference::Parameters {
        bin_s: seconds(args.activity.detect.bin),
        sigma: told.sigma,
        weak_sigma: told.effective_weak_sigma(),
        merge_s: seconds(told.merge),
        shapes: told.shapes.iter().map(ToString::to_string).collect(),
        direction: told.direction.to_string(),
        baseline: told.baseline.to_string(),
        count_silent: told.count_silent,
        ignore_periodic: told.ignore_periodic,
        window_s: told.window.map(seconds),
        tolerance_s: seconds(found.tolerance),
        filter: args.capture.filter.clone(),
        home: args.capture.home.iter().map(ToString::to_string).collect(),
        fingerprints: found.catalog.len(),
        flows_listed: args.capture.max_flows,
        seed: found.common.seed,
    }
}

/// A device and its claims, as reports show them.
pub fn describe(device: &Device, activities: &[Activity]) -> inference::Device {
    inference::Device {
        id: device.id.clone(),
        candidates: device
            .candidates
            .iter()
            .map(inference::Candidate::of)
            .collect(),
        evidence: device
            .evidence
            .iter()
            .map(inference::Evidence::of)
            .collect(),
        address: device.address.map(|address| address.to_string()),
        mac: device.mac.map(|mac| mac.to_string()),
        flows: device.flows,
        up_bytes: device.up,
        down_bytes: device.down,
        activities: activities.iter().map(inference::Activity::of).collect(),
    }
}

fn flows(found: &Findings<'_>) -> Vec<inference::Flow> {
    let observed = &found.read.observed;
    observed
        .flows
        .iter()
        .zip(&found.inventory.owners)
        .map(|((key, flow), owner)| {
            let (local, remote) = (key.end(owner.local), key.end(owner.local.other()));
            let sent = |end: crate::flow::key::End| flow.sent[end.index()].bytes;
            inference::Flow {
                protocol: key.protocol().to_string(),
                local: local.address.to_string(),
                local_port: local.port,
                remote: remote.address.to_string(),
                remote_port: remote.port,
                domain: domain(key, flow, owner.local, &observed.names),
                device: owner
                    .device
                    .and_then(|device| found.inventory.devices.get(device))
                    .map(|device| device.id.clone()),
                packets: flow.packets(),
                up_bytes: sent(owner.local),
                down_bytes: sent(owner.local.other()),
                first: flow.span.start,
                last: flow.span.end,
                folded: (flow.folded > 0).then_some(flow.folded),
            }
        })
        .collect()
}

/// The server's name: as the flow called it, else as it was looked up, before the flow began if possible.
pub fn domain(
    key: &FlowKey,
    flow: &Flow,
    local: crate::flow::key::End,
    names: &NameBook,
) -> Option<String> {
    let called = flow
        .names
        .iter()
        .find(|heard| {
            matches!(
                heard.kind,
                NameKind::Sni | NameKind::Quic | NameKind::HttpHost
            )
        })
        .map(|heard| heard.name.to_string());
    let near = key.end(local).address;
    called
        .or_else(|| {
            flow.looked_up
                .iter()
                .filter(|answer| !answer.alias)
                .max_by_key(|answer| answer.last)
                .map(|answer| answer.name.to_string())
        })
        .or_else(|| {
            names
                .of_address(key.end(local.other()).address)
                .iter()
                .find(|answer| !answer.alias && answer.asker == near)
                .map(|answer| answer.name.to_string())
        })
}

fn truth(scores: &Scores, inventory: &Inventory) -> inference::Truth {
    let mut left_out = Vec::new();
    let outside = scores.overall.outside();
    if outside > 0 {
        left_out.push(format!("{outside} labels lie outside the capture"));
    }
    for name in &scores.unknown {
        left_out.push(format!(
            "labels of `{}`: no such device in the capture; name it by id, name, address or MAC",
            escape(name.as_bytes())
        ));
    }
    if scores.unjudged > 0 {
        left_out.push(format!(
            "{} claims of devices without a label: not judged",
            scores.unjudged
        ));
    }
    inference::Truth {
        overall: tally(&scores.overall),
        devices: inventory
            .devices
            .iter()
            .zip(&scores.devices)
            .filter_map(|(device, truth)| {
                Some(inference::DeviceTruth {
                    device: device.id.clone(),
                    tally: tally(truth.as_ref()?),
                })
            })
            .collect(),
        left_out,
    }
}

fn tally(truth: &Truth) -> inference::Tally {
    inference::Tally {
        labels: truth.labels as u64,
        in_window: truth.in_window as u64,
        hit: truth.hit as u64,
        missed: truth.missed() as u64,
        claims: truth.claims as u64,
        correct: truth.correct as u64,
        one_to_one: truth.one_to_one as u64,
        precision: truth.precision().map(|share| round(share, 4)),
        recall: truth.recall().map(|share| round(share, 4)),
    }
}

/// Reasons to doubt whatever comes of a reading with room for so many flows.
pub fn doubts(read: &Read, max_flows: usize) -> Vec<String> {
    let observed = &read.observed;
    let mut caveats = read.truncations();
    caveats.extend(read.failure.clone());
    if let Some(signal) = read.signal {
        caveats.push(format!(
            "stopped by signal {signal}: what follows in the input was not read"
        ));
    }
    for input in &read.inputs {
        caveats.extend(
            input
                .warnings
                .iter()
                .map(|warning| format!("{}: {warning}", input.path)),
        );
    }
    if observed.census.length_from_wire > 0 {
        caveats.push(format!(
            "{} packets bear no length of their own (segmentation offload): the frame's was taken",
            observed.census.length_from_wire
        ));
    }
    if observed.lost.folded > 0 {
        caveats.push(format!(
            "{} flows were folded by server to bound the table: raise --max-flows (now {}) to list them",
            observed.lost.folded, max_flows
        ));
    }
    if observed.lost.flows > 0 {
        caveats.push(format!(
            "{} flows of {} packets found no room at all; they look like a flood of spoofed addresses",
            observed.lost.flows, observed.lost.packets
        ));
    }
    if observed.lost.unbinned_bytes > 0 {
        caveats.push(format!(
            "{} bytes are in no rate bin, as there were too many bins: use a longer --bin",
            observed.lost.unbinned_bytes
        ));
    }
    if observed.retired.flows > 0 {
        caveats.push(format!(
            "{} flows of {} packets and {} bytes were let go, as nothing of them came for the whole window; they are in the counts and in nothing else",
            observed.retired.flows, observed.retired.packets, observed.retired.bytes
        ));
    }
    caveats
}

/// Reasons to doubt a number.
fn caveats(found: &Findings<'_>) -> Vec<String> {
    let observed = &found.read.observed;
    let mut caveats = doubts(found.read, found.args.capture.max_flows);
    let regular: Vec<&str> = found
        .inventory
        .devices
        .iter()
        .zip(found.activities)
        .filter(|(_, activities)| !found.parameters.ignore_periodic && is_regular(activities))
        .map(|(device, _)| device.id.as_str())
        .collect();
    if !regular.is_empty() {
        caveats.push(format!(
            "the activities of {} come at a steady rhythm, as a device's own heartbeat does: try --ignore-periodic",
            regular.join(", ")
        ));
    }
    let window = observed
        .window
        .map(|window| window.duration())
        .unwrap_or_default();
    if window < found.args.activity.detect.bin * 30 {
        caveats.push("fewer than 30 bins: a baseline over so little time means little".into());
    }
    caveats
}

/// Whether claims come at a steady rhythm: of twenty gaps or more, half lie within a tenth of their median.
fn is_regular(activities: &[Activity]) -> bool {
    let mut gaps: Vec<f64> = activities
        .windows(2)
        .map(|pair| match pair {
            [a, b] => b.span.start.since(a.span.start).as_secs_f64(),
            _ => 0.0,
        })
        .collect();
    gaps.sort_by(f64::total_cmp);
    let Some(median) = gaps.get(gaps.len() / 2).copied() else {
        return false;
    };
    let near = gaps
        .iter()
        .filter(|gap| (**gap - median).abs() <= median / 10.0);
    gaps.len() >= 20 && near.count() * 2 >= gaps.len()
}
