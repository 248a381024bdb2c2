//! From a capture to a [`Trace`]: what `infer` finds, packet by packet, and when devices were truly used.
//!
//! The capture is read once. Packets are kept while the observer watches ([`super::recording`]) and are told their flow and
//! direction when home and devices are known. Activities are labels where there are any; otherwise `infer`'s own claims on
//! the undefended capture take their place, and a caveat says so.

use crate::activity::claim::Activity as Claim;
use crate::activity::labels::Label;
use crate::capture::comment;
use crate::cli::args::{CaptureArgs, Common, DetectArgs};
use crate::cli::ending::named;
use crate::cli::exit::{input, usage};
use crate::cli::infer::{catalog, labels, options, settings};
use crate::cli::outcome::{describe, domain, doubts};
use crate::cli::reading::{read_and_keep, Read};
use crate::cli::recording::{Recorder, Recording};
use crate::cli::shaping::watched;
use crate::device::inventory::{take, Inventory};
use crate::flow::home::{is_group, is_private, Home, Side};
use crate::flow::key::{End, FlowKey};
use crate::flow::observer::{BinsFrom, Observed};
use crate::packet::name::escape;
use crate::report::name::device_name;
use crate::trace::{Activity, Device, Flow, Packet, Source, Trace, TraceError};
use crate::units::{Direction, Span};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

/// A capture, understood.
pub struct Traced {
    /// What truly happened.
    pub trace: Trace,
    /// How far from an activity a claim may lie.
    pub tolerance: Duration,
    /// How the reading went.
    pub read: Read,
    /// The home.
    pub home: Home,
    /// Reasons to doubt the trace, in words.
    pub caveats: Vec<String>,
}

/// What becomes of traffic that stays at home: between devices, to the router, to groups. No observer outside sees it, and no
/// tunnel carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtHome {
    /// It is left out.
    LeftOut,
    /// It is part of the trace, as for an observer at the LAN.
    Kept,
}

impl AtHome {
    /// Kept where somebody asks for it.
    pub fn of(keep_local: bool) -> Self {
        match keep_local {
            true => Self::Kept,
            false => Self::LeftOut,
        }
    }
}

/// Reads captures as one trace.
///
/// # Errors
/// What `infer` fails on; too many packets, or none that belongs to the home.
pub fn trace(
    inputs: &[PathBuf],
    capture: &CaptureArgs,
    detect: &DetectArgs,
    at_home: AtHome,
    common: &Common,
) -> anyhow::Result<Traced> {
    let parameters = detect
        .parameters()
        .map_err(|error| usage(error.to_string()))?;
    let catalog = catalog(&capture.fingerprints)?;
    let labels = detect.labels.as_deref().map(labels).transpose()?;

    let mut recorder = Recorder::default();
    let mut read = read_and_keep(
        inputs,
        &options(capture, false),
        settings(capture, detect.bin, BinsFrom::Clock),
        common,
        Some(&mut recorder),
    )?;
    read.must_have_packets()?;
    let recording = recorder.finish();
    if recording.full {
        return Err(input(TraceError::Many.to_string()));
    }
    let home = Home::find(&read.observed.flows, capture.vantage.told(), &capture.home);
    let inventory = take(&mut read.observed, &home, &catalog);
    let packets = read.observed.window.unwrap_or(Span::at(Default::default()));
    let window = window_of(inputs, packets);
    let mut claims = Vec::new();
    for device in &inventory.devices {
        claims.push(crate::activity::detect(&device.series, window, &parameters)?.activities);
    }

    let mut caveats = doubts(&read, capture.max_flows);
    let tolerance = match &labels {
        Some(labels) => detect.of_labels(labels),
        None => detect.of_packets(),
    };
    let (activities, source) = match &labels {
        Some(labels) => (
            labelled(
                labels,
                &claims,
                |name| named(&inventory, name),
                window,
                tolerance,
                &mut caveats,
            ),
            Source::Labels,
        ),
        None => {
            caveats.push(
                "without --labels the activities are infer's own claims on the undefended capture, \
                 not what truly happened"
                    .into(),
            );
            (claimed(&claims, window), Source::Inferred)
        }
    };
    let found = Found {
        observed: &read.observed,
        home: &home,
        inventory: &inventory,
    };
    let (flows, packets) = found.flows(recording, at_home, &mut caveats);
    if packets.is_empty() && at_home == AtHome::LeftOut {
        return Err(input(
            "no packet leaves the home, so an observer outside sees none; --keep-local keeps what stays at home",
        ));
    }
    let trace = Trace {
        window,
        devices: devices(&inventory),
        flows,
        packets,
        activities,
        source,
    };
    let trace = trace.checked().map_err(|error| input(error.to_string()))?;
    Ok(Traced {
        trace,
        tolerance,
        read,
        home,
        caveats,
    })
}

/// From when to when captures with packets in that time were watched: as they tell, where they do, or from the first packet to
/// the last one.
pub fn window_of(inputs: &[PathBuf], packets: Span) -> Span {
    let told = inputs.iter().filter_map(|path| comment(path));
    let told = told.filter_map(|comment| watched(&comment, packets));
    told.fold(packets, Span::union)
}

fn devices(inventory: &Inventory) -> Vec<Device> {
    inventory
        .devices
        .iter()
        .map(|device| Device {
            id: device.id.clone(),
            name: device_name(&describe(device, &[])),
        })
        .collect()
}

/// Labels inside the window as activities. Their traffic is what the label tells; else what `infer` claims of that device
/// within the tolerance of the label, for a label may be as coarse as a minute; where nothing is claimed, all of the label.
fn labelled(
    labels: &[Label],
    claims: &[Vec<Claim>],
    device_of: impl Fn(&str) -> Option<usize>,
    window: Span,
    tolerance: Duration,
    caveats: &mut Vec<String>,
) -> Vec<Activity> {
    let mut activities = Vec::new();
    let mut strangers = BTreeSet::new();
    let mut outside = 0u64;
    for label in labels {
        let Some(device) = device_of(&label.device) else {
            strangers.insert(&label.device);
            continue;
        };
        if !label.span.touches(window, Duration::ZERO) {
            outside += 1;
            continue;
        }
        let near = claims.get(device).map_or(&[][..], Vec::as_slice);
        let near = near
            .iter()
            .map(|claim| claim.span)
            .filter(|claim| claim.touches(label.span, tolerance));
        let traffic = label.traffic.or_else(|| near.reduce(Span::union));
        let traffic = traffic.unwrap_or(label.span);
        activities.push(Activity {
            device,
            span: label.span,
            traffic: within(traffic, window),
            label: label.activity.clone(),
        });
    }
    if outside > 0 {
        caveats.push(format!("{outside} labels lie outside the capture"));
    }
    caveats.extend(strangers.into_iter().map(|name| {
        format!(
            "labels of `{}`: no such device in the capture; name it by id, name, address or MAC",
            escape(name.as_bytes())
        )
    }));
    activities
}

/// Claims as activities, for want of labels.
fn claimed(claims: &[Vec<Claim>], window: Span) -> Vec<Activity> {
    let of_device = |(device, claims): (usize, &Vec<Claim>)| {
        let activity = |claim: &Claim| Activity {
            device,
            span: claim.span,
            traffic: within(claim.span, window),
            label: claim.shape.to_string(),
        };
        claims.iter().map(activity).collect::<Vec<_>>()
    };
    claims.iter().enumerate().flat_map(of_device).collect()
}

/// The part of a span inside a window; one outside becomes the nearest end.
fn within(span: Span, window: Span) -> Span {
    Span::new(
        span.start.clamp(window.start, window.end),
        span.end.clamp(window.start, window.end),
    )
}

/// What `infer` found.
struct Found<'a> {
    observed: &'a Observed,
    home: &'a Home,
    inventory: &'a Inventory,
}

/// What becomes of packets, by their flow.
#[derive(Clone, Copy)]
enum Fate {
    /// They are of this flow of the trace, whose home's end is this.
    Kept(u32, End),
    StayAtHome,
    PassBy,
    Lost,
}

impl Found<'_> {
    /// Flows with their device, and packets with their flow and direction. Packets of a flow that was folded for lack of
    /// room are of the folded one; those of flows that were lost, and those that pass the home by, are left out and counted.
    fn flows(
        &self,
        recording: Recording,
        at_home: AtHome,
        caveats: &mut Vec<String>,
    ) -> (Vec<Flow>, Vec<Packet>) {
        let (flows, fates) = self.fates(at_home);
        let mut place: HashMap<FlowKey, usize> = HashMap::new();
        for (index, (key, flow)) in self.observed.flows.iter().enumerate() {
            // Where a flow was folded under a key that lives, as those without ports may be, the living one has it.
            if flow.folded == 0 || !place.contains_key(key) {
                place.insert(*key, index);
            }
        }
        let fate = |key: &FlowKey| {
            let folded = |end: End| {
                let index = *place.get(&key.without_port(end))?;
                let (_, flow) = self.observed.flows.get(index)?;
                (flow.folded > 0 && flow.local == end).then_some(index)
            };
            let index = place.get(key).copied();
            let index = index.or_else(|| folded(End::A)).or_else(|| folded(End::B));
            let fate = index.and_then(|index| fates.get(index)).copied();
            fate.unwrap_or(Fate::Lost)
        };
        let fates: Vec<Fate> = recording.keys.iter().map(fate).collect();

        let (mut bytes, mut bytes_at_home) = (0u64, 0u64);
        let (mut pass_by, mut lost) = (0u64, recording.keyless);
        let mut packets = recording.packets;
        packets.retain_mut(|packet| {
            bytes += u64::from(packet.bytes);
            match fates.get(packet.flow as usize) {
                Some(Fate::Kept(place, local)) => {
                    let by_a = packet.direction == Direction::Up;
                    packet.direction = match by_a == (*local == End::A) {
                        true => Direction::Up,
                        false => Direction::Down,
                    };
                    packet.flow = *place;
                    return true;
                }
                Some(Fate::StayAtHome) => bytes_at_home += u64::from(packet.bytes),
                Some(Fate::PassBy) => pass_by += 1,
                Some(Fate::Lost) | None => lost += 1,
            }
            false
        });
        if bytes_at_home > 0 {
            caveats.push(format!(
                "{:.1} % of the bytes stay at home, between devices or to the router, and are left out, as no observer \
                 outside sees them; --keep-local keeps them",
                bytes_at_home as f64 / bytes as f64 * 100.0
            ));
        }
        if pass_by > 0 {
            caveats.push(format!(
                "{pass_by} packets are between others, neither end at home: left out"
            ));
        }
        if lost > 0 {
            caveats.push(format!(
                "{lost} packets of flows that found no room are left out: raise --max-flows, or leave the flood out by -f"
            ));
        }
        (flows, packets)
    }

    /// The flows of the trace, and what becomes of the packets of every observed flow.
    fn fates(&self, at_home: AtHome) -> (Vec<Flow>, Vec<Fate>) {
        let mut flows: Vec<Flow> = Vec::new();
        let mut fates = Vec::with_capacity(self.observed.flows.len());
        let owners = &self.inventory.owners;
        for ((key, flow), owner) in self.observed.flows.iter().zip(owners) {
            let side = self.home.side(key, flow);
            let remote = key.end(owner.local.other());
            let stays = matches!(side, Side::Both(_))
                || is_group(remote.address)
                || is_private(remote.address);
            let Ok(place) = u32::try_from(flows.len()) else {
                fates.push(Fate::Lost);
                continue;
            };
            if side == Side::Neither {
                fates.push(Fate::PassBy);
                continue;
            }
            if stays && at_home == AtHome::LeftOut {
                fates.push(Fate::StayAtHome);
                continue;
            }
            fates.push(Fate::Kept(place, owner.local));
            flows.push(Flow {
                device: owner.device,
                protocol: key.protocol(),
                local: key.end(owner.local),
                remote,
                server: domain(key, flow, owner.local, &self.observed.names),
            });
        }
        (flows, fates)
    }
}
