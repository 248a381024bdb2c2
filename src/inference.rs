//! The result of `infer`: which devices live in a home, which flows are theirs, when they were used.
//!
//! One value, read by every report. Field names are those of the JSON report and bear their units; names and other bytes
//! from the capture are escaped already, so that they are safe to print.

use crate::activity::claim;
use crate::device::inventory;
use crate::packet::name::escape;
use crate::units::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Name and version of the JSON report.
pub const SCHEMA: &str = "stp-audit/infer/1";

/// Everything that was inferred.
#[derive(Clone, Debug, Serialize)]
pub struct Inference {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// The captures read.
    pub inputs: Vec<Input>,
    /// From the first packet to the last.
    pub window: Option<Window>,
    /// Counts of frames by what became of them.
    pub census: Census,
    /// Distinct names overheard.
    pub names: Names,
    /// Where the observer stands: `lan` or `wan`.
    pub vantage: String,
    /// The home's public addresses; empty at a LAN.
    pub home: Vec<String>,
    /// Everything that steers the inference.
    pub parameters: Parameters,
    /// Devices, the busiest first among the identified, then the unknown.
    pub devices: Vec<Device>,
    /// Flows by start.
    pub flows: Vec<Flow>,
    /// Claims held against labels, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Reasons to doubt a number, in words.
    pub caveats: Vec<String>,
}

/// First and last packet.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Window {
    /// First.
    pub first: Timestamp,
    /// Last.
    pub last: Timestamp,
}

/// One capture read.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// As given; `-` is standard input.
    pub path: String,
    /// SHA-256 of the stored bytes, in hex; computed only for reports that show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// `pcap`, `pcapng`, with what is wrapped around it; `live` of an interface.
    pub format: String,
    /// Packet records.
    pub packets: u64,
    /// First record's time.
    pub first: Option<Timestamp>,
    /// Last record's time.
    pub last: Option<Timestamp>,
    /// Whether the file ends, or is damaged, within a record.
    pub truncated: bool,
    /// Where and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<String>,
}

/// Counts of frames.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Census {
    /// Packet records in the files.
    pub read: u64,
    /// Left out by the capture filter.
    pub filtered_out: u64,
    /// Frames whose outermost IP header is version 4.
    pub ipv4: u64,
    /// Frames whose outermost IP header is version 6.
    pub ipv6: u64,
    /// Sum of the outermost IP packets' lengths.
    pub ip_bytes: u64,
    /// DNS messages over port 53.
    pub dns_messages: u64,
    /// Multicast DNS and LLMNR messages.
    pub local_dns_messages: u64,
    /// DNS messages over TCP of which a segment held only a part.
    pub dns_split: u64,
    /// DNS messages of which nothing or only a part could be read.
    pub dns_damaged: u64,
    /// Packets whose IP header gave no length: the frame's was taken.
    pub length_from_wire: u64,
    /// Fragments after the first.
    pub later_fragments: u64,
    /// IP within IP.
    pub tunnelled: u64,
    /// Frames without a readable IP header, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// IP packets with a damaged inside, by damage.
    pub damaged: BTreeMap<String, u64>,
    /// What found no room in the tables, by table.
    pub evicted: BTreeMap<String, u64>,
}

/// Distinct names overheard, sorted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Names {
    /// Asked by DNS.
    pub dns: Vec<String>,
    /// Server names of TLS.
    pub sni: Vec<String>,
    /// Server names of QUIC.
    pub quic: Vec<String>,
}

/// What steered the inference; durations in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Length of a bin.
    pub bin_s: f64,
    /// Standard deviations over the baseline that make an activity.
    pub sigma: f64,
    /// Standard deviations that suffice near a stronger bin.
    pub weak_sigma: f64,
    /// Gap within which bins are one activity.
    pub merge_s: f64,
    /// Shapes looked for.
    pub shapes: Vec<String>,
    /// Directions looked at: `up`, `down` or `both`.
    pub direction: String,
    /// `mean` (and standard deviation) or `robust` (median and MAD).
    pub baseline: String,
    /// Whether silent bins count towards the baseline.
    pub count_silent: bool,
    /// Whether periodic traffic was taken off first.
    pub ignore_periodic: bool,
    /// Length of the stretches with a baseline each; absent where it is the whole capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// How far from a label a claim may lie.
    pub tolerance_s: f64,
    /// Capture filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Prefixes of the home, where they were told.
    pub home: Vec<String>,
    /// Fingerprints in the catalog.
    pub fingerprints: usize,
    /// Flows listed one by one at most.
    pub flows_listed: usize,
    /// Seed; `infer` draws no random number.
    pub seed: u64,
}

/// A device, or what is taken for one.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// Its name within this report.
    pub id: String,
    /// What it may be, the likeliest first; empty where it is unknown.
    pub candidates: Vec<Candidate>,
    /// What speaks for it, the strongest first.
    pub evidence: Vec<Evidence>,
    /// Its address at the LAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// How many flows are its own.
    pub flows: u64,
    /// Bytes it sent.
    pub up_bytes: u64,
    /// Bytes sent to it.
    pub down_bytes: u64,
    /// When it was used.
    pub activities: Vec<Activity>,
}

/// A fingerprint that a device may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The fingerprint's id.
    pub id: String,
    /// Vendor and product.
    pub name: String,
    /// How well the evidence supports it, 0 to 1.
    #[serde(serialize_with = "three_decimals")]
    pub score: f64,
}

impl Candidate {
    /// As it is reported.
    pub fn of(candidate: &inventory::Candidate) -> Self {
        Self {
            id: candidate.id.clone(),
            name: candidate.name.clone(),
            score: round(candidate.score, 3),
        }
    }
}

/// A sign that a device is what it is said to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// `dns`, `sni`, `quic`, `http_host`, `mdns`, `dhcp_vendor`, `dhcp_host`, `oui`, `address`, ...
    pub kind: String,
    /// The name, address or prefix.
    pub value: String,
    /// When it was first seen.
    pub at: Timestamp,
}

impl Evidence {
    /// As it is reported.
    pub fn of(sign: &inventory::Sign) -> Self {
        Self {
            kind: sign.kind.clone(),
            value: sign.value.clone(),
            at: sign.at,
        }
    }
}

/// A claim that a device was used.
#[derive(Clone, Debug, Serialize)]
pub struct Activity {
    /// Begin of its first bin.
    pub start: Timestamp,
    /// End of its last bin.
    pub end: Timestamp,
    /// `spike`, `hill` or `depression`.
    pub shape: String,
    /// `up`, `down` or `both`.
    pub direction: String,
    /// Bytes per second of its highest bin.
    #[serde(serialize_with = "two_decimals")]
    pub peak_bytes_per_s: f64,
    /// Standard deviations over the baseline.
    #[serde(serialize_with = "two_decimals")]
    pub sigma: f64,
    /// What the truth calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Activity {
    /// As it is reported.
    pub fn of(activity: &claim::Activity) -> Self {
        Self {
            start: activity.span.start,
            end: activity.span.end,
            shape: activity.shape.to_string(),
            direction: activity.direction.to_string(),
            peak_bytes_per_s: round(activity.peak_bytes_per_s, 1),
            sigma: round(activity.sigma, 2),
            label: activity
                .label
                .as_ref()
                .map(|label| escape(label.as_bytes()).into_owned()),
        }
    }
}

/// Rounded to so many decimals, and finite: JSON knows no infinity.
pub fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() {
        rounded
    } else {
        f64::MAX.copysign(value)
    }
}

/// One flow.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// `tcp`, `udp`, `icmp`, ...
    pub protocol: String,
    /// The home's end.
    pub local: String,
    /// Its port; 0 where there is none, or where flows were folded.
    pub local_port: u16,
    /// The other end.
    pub remote: String,
    /// Its port.
    pub remote_port: u16,
    /// The name of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whose it is: an id of `devices`; absent where it is unassigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Packets both ways.
    pub packets: u64,
    /// Bytes from the home.
    pub up_bytes: u64,
    /// Bytes to the home.
    pub down_bytes: u64,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// How many flows this row stands for, where flows were folded; absent for a flow of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folded: Option<u64>,
}

/// Claims held against labels.
#[derive(Clone, Debug, Serialize)]
pub struct Truth {
    /// Over all devices.
    #[serde(flatten)]
    pub overall: Tally,
    /// One row a labelled device.
    pub devices: Vec<DeviceTruth>,
    /// Labels left out, and why, in words.
    pub left_out: Vec<String>,
}

/// How many claims and labels agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Label rows in the file.
    pub labels: u64,
    /// Of those, how many lie within the capture.
    pub in_window: u64,
    /// Labels that a claim overlaps within the tolerance.
    pub hit: u64,
    /// Labels that no claim does.
    pub missed: u64,
    /// Claims made.
    pub claims: u64,
    /// Claims that overlap a label within the tolerance.
    pub correct: u64,
    /// Pairs when each claim and each label may be used once.
    pub one_to_one: u64,
    /// correct / claims: adversary confidence. `None`, `null` in JSON, without a claim.
    #[serde(serialize_with = "four_decimals_or_none")]
    pub precision: Option<f64>,
    /// hit / in_window. `None`, `null` in JSON, without a label in the window.
    #[serde(serialize_with = "four_decimals_or_none")]
    pub recall: Option<f64>,
}

/// The tally of one device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceTruth {
    /// The device's id.
    pub device: String,
    /// Its tally.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What was measured to a few digits is written with a few: 3.0000000000000004 claims a precision that is not there.
/// A number that is infinite or none at all is written as `null`, never as a number.
fn rounded<S: Serializer>(number: f64, unit: f64, serializer: S) -> Result<S::Ok, S::Error> {
    // Numbers too large to have decimals overflow when scaled, and are whole anyway.
    let scaled = number * unit;
    let number = if scaled.is_finite() {
        scaled.round() / unit
    } else {
        number
    };
    match number.is_finite() {
        // Adding zero turns -0.0 into 0.0.
        true => serializer.serialize_f64(number + 0.0),
        false => serializer.serialize_none(),
    }
}

fn two_decimals<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    rounded(*number, 100.0, serializer)
}

fn three_decimals<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    rounded(*number, 1_000.0, serializer)
}

fn four_decimals_or_none<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => rounded(*number, 10_000.0, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(sigma: f64) -> String {
        let activity = Activity {
            start: Timestamp(0),
            end: Timestamp(0),
            shape: "spike".into(),
            direction: "up".into(),
            peak_bytes_per_s: f64::MAX,
            sigma,
            label: None,
        };
        let json = serde_json::to_value(activity).unwrap();
        assert_eq!(json["peak_bytes_per_s"], f64::MAX);
        json["sigma"].to_string()
    }

    #[test]
    fn numbers_are_rounded_and_never_infinite() {
        assert_eq!(json(3.000_000_000_000_000_4), "3.0");
        assert_eq!(json(12.345_678), "12.35");
        assert_eq!(json(-0.001), "0.0");
        assert_eq!(json(f64::NAN), "null");
        assert_eq!(json(f64::INFINITY), "null");
    }
}
