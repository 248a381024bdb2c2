//! What is told while the watch goes on: one event, one JSON object, one line. The schema is `report/event.schema.json`.

use crate::inference::{Activity, Candidate, Evidence};
use crate::units::Timestamp;
use serde::Serialize;

/// Name and version of an event.
pub const SCHEMA: &str = "stp-audit/event/1";

/// Something happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// When it was known: the time that packets tell, never before what is told.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// Known at `at`.
    pub fn new(at: Timestamp, what: What) -> Self {
        Self {
            schema: SCHEMA,
            at,
            what,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The first packet came: what follows rests on these numbers.
    Watching(Watching),
    /// A device that was not known.
    DeviceFound(Named),
    /// A device is now known for something else.
    DeviceChanged {
        /// What it was called.
        was: String,
        /// What it is called, and why.
        #[serde(flatten)]
        is: Named,
    },
    /// A device is no more: silent for the whole window, or found to be a part of another.
    DeviceGone {
        /// Its name.
        device: String,
        /// The device that its flows belong to.
        #[serde(skip_serializing_if = "Option::is_none")]
        into: Option<String>,
    },
    /// Somebody began to use a device; the numbers are those of its traffic so far.
    ActivityStarted(Use),
    /// The use is over.
    ActivityEnded(Use),
    /// Time jumped back by more than an hour: windows begin anew.
    ClockSetBack {
        /// What time it had been.
        was: Timestamp,
    },
    /// The watch is over.
    Ended(Ended),
}

/// What the watch rests on; durations in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Watching {
    /// This program's version.
    pub version: &'static str,
    /// Length of a bin.
    pub bin_s: f64,
    /// Standard deviations over the baseline that make an activity.
    pub sigma: f64,
    /// Gap within which bins are one activity.
    pub merge_s: f64,
    /// How far back the baseline reaches.
    pub window_s: f64,
    /// How long a device is watched before anything is claimed of it.
    pub warm_up_s: f64,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// Its name while the watch lasts; [`What::DeviceChanged`] tells a new one.
    pub device: String,
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
}

/// A device in use.
#[derive(Clone, Debug, Serialize)]
pub struct Use {
    /// Its name.
    pub device: String,
    /// Vendor and product of its likeliest candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The claim.
    #[serde(flatten)]
    pub activity: Activity,
}

/// The watch in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Packet records seen.
    pub packets: u64,
    /// Devices known at the end.
    pub devices: u64,
    /// Activities told.
    pub activities: u64,
    /// Packets whose time was far off and not believed: they count for no activity.
    pub doubted_packets: u64,
    /// Bytes that found no room in the bins of their second.
    pub crowded_bytes: u64,
    /// Devices that found no room.
    pub crowded_devices: u64,
}
