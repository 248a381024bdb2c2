//! The file itself: its parts as RFC 8520 and RFC 8519 name them, why it could not be read or written, and what its
//! values may be.

use crate::device::fingerprint::{Day, Fingerprint};
use crate::flow::home::{is_group, is_private};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How the source of an imported fingerprint begins; the file's `mud-url` follows.
pub const MUD_FILE: &str = "MUD file ";
/// Largest file read, in bytes.
pub const LARGEST: usize = 4 << 20;
/// What stands between that URL and the file's day.
pub(super) const UPDATED: &str = " of ";
/// Where a fingerprint's MUD file is said to lie when nobody has said where it does: a domain kept for documentation
/// (RFC 2606), which no manager can mistake for the maker's.
pub(super) const DOCUMENTATION: &str = "https://mud.example/";
/// When a file whose day nobody knows was last updated: before there were any devices, so that nobody takes it for news.
pub(super) const NO_DAY: Day = Day(jiff::civil::Date::constant(1970, 1, 1));
/// Longest host name (RFC 1035, 253 characters without the final dot).
const LONGEST_NAME: usize = 253;
/// Longest label of one.
const LONGEST_LABEL: usize = 63;
/// Networks wider than these hold millions of other people's servers.
const WIDEST: [u8; 2] = [8, 16];
/// IANA protocol numbers.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Why a MUD file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MudError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is beyond all reason.
    #[error(
        "{path}: larger than {} MiB; MUD files are a few KiB: is it one?",
        LARGEST >> 20
    )]
    TooLarge {
        /// The file.
        path: String,
    },
    /// The file is no JSON, or not shaped like a MUD file.
    #[error("{path}: {error}; a MUD file is JSON with `ietf-mud:mud` and `ietf-access-control-list:acls` (RFC 8520)")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong, with line and column.
        error: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("{path}: {field}: {what} (RFC 8520)")]
    Field {
        /// The file.
        path: String,
        /// The value's place.
        field: String,
        /// What is wrong with it.
        what: String,
    },
    /// The file names no server by which the device could be known.
    #[error("{path}: names no server, address or port that would tell the device{left_out}")]
    Nothing {
        /// The file.
        path: String,
        /// What it does name, in brackets; empty where it names nothing.
        left_out: String,
    },
    /// The fingerprint has nothing that a MUD file can say. An empty one would forbid the device everything.
    #[error("{id}: has no whole name, address or port, and MUD files have no others (RFC 8520); `stp-audit fingerprint show {id}` tells what it has")]
    Unsayable {
        /// The fingerprint's id.
        id: String,
    },
}

/// The file (RFC 8520, section 2).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct File {
    #[serde(rename = "ietf-mud:mud")]
    pub(super) mud: Mud,
    // Drafts up to 2018 called them access-lists, and tools of that time still write it.
    #[serde(
        rename = "ietf-access-control-list:acls",
        alias = "ietf-access-control-list:access-lists",
        default
    )]
    pub(super) acls: Acls,
}

/// What is said of the device, and which access lists are its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Mud {
    pub(super) mud_version: u8,
    pub(super) mud_url: String,
    pub(super) last_update: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_validity: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) is_supported: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) systeminfo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mfg_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from_device_policy: Option<Policy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to_device_policy: Option<Policy>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Policy {
    #[serde(default)]
    pub(super) access_lists: AccessLists,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct AccessLists {
    #[serde(default)]
    pub(super) access_list: Vec<ListName>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ListName {
    pub(super) name: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Acls {
    #[serde(default)]
    pub(super) acl: Vec<Acl>,
}

/// One access list (RFC 8519, section 4.1).
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Acl {
    pub(super) name: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) aces: Aces,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Aces {
    #[serde(default)]
    pub(super) ace: Vec<Ace>,
}

/// One rule of a list.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ace {
    pub(super) name: String,
    #[serde(default)]
    pub(super) matches: Matches,
    pub(super) actions: Actions,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Actions {
    pub(super) forwarding: String,
}

/// What a rule is about. Other matches (Ethernet, ICMP) tell no server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Matches {
    /// Classes of hosts that the home's own manager fills in: controllers, local networks, devices of the same maker.
    #[serde(
        rename = "ietf-mud:mud",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) class: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ipv4: Option<Ip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ipv6: Option<Ip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<Transport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) udp: Option<Transport>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Ip {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<u8>,
    #[serde(
        rename = "ietf-acldns:src-dnsname",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) src_dnsname: Option<String>,
    #[serde(
        rename = "ietf-acldns:dst-dnsname",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) dst_dnsname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_ipv4_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination_ipv4_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_ipv6_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination_ipv6_network: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Transport {
    #[serde(
        rename = "ietf-mud:direction-initiated",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) initiated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_port: Option<PortMatch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) destination_port: Option<PortMatch>,
}

/// One port by an operator, or a range.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PortMatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lower_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upper_port: Option<u16>,
}

/// Which way the traffic of an access list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    FromDevice,
    ToDevice,
}

impl Way {
    pub(super) const BOTH: [Self; 2] = [Self::FromDevice, Self::ToDevice];
}

/// A host name as DNS has them, in lower case; underscores are no letters of host names, but devices ask for them.
pub(super) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}

/// Whether a network is somebody's server rather than the home, a group, or half the internet.
pub(super) fn is_servers(network: IpNet) -> bool {
    let widest = WIDEST[usize::from(network.addr().is_ipv6())];
    let address = network.network();
    network.prefix_len() >= widest && !is_private(address) && !is_group(address)
}

/// Where a fingerprint's MUD file lies, if it came from one.
pub(super) fn url_of(fingerprint: &Fingerprint) -> Option<&str> {
    let said = |source: &'_ String| source.starts_with(MUD_FILE);
    let source = fingerprint.sources.iter().find(|source| said(source))?;
    source.strip_prefix(MUD_FILE)?.split(' ').next()
}

/// The latest day at which any of a fingerprint's facts was true: that of its addresses, else one named by its sources.
pub(super) fn day_of(fingerprint: &Fingerprint) -> Option<Day> {
    let learned = fingerprint.addresses.iter().map(|address| address.learned);
    let told = fingerprint
        .sources
        .iter()
        .flat_map(|source| source.split([' ', ',', ';', '(', ')']))
        .filter_map(day);
    learned.max().or_else(|| told.max())
}

/// A day written `2024-03-05`, and in no other way.
pub(super) fn day(text: &str) -> Option<Day> {
    (text.len() == "2024-03-05".len())
        .then(|| text.parse().ok())
        .flatten()
}
