//! Fingerprints from and to MUD files: what the maker of a device says it talks to (RFC 8520).
//!
//! A MUD file holds access lists (RFC 8519, with the names of RFC 8520, section 8) for the traffic from and to a device.
//! They name whole hosts, networks and ports, so a fingerprint's exact names, hints, addresses and ports pass there and
//! back; domains, patterns, hardware addresses, DHCP words and habits have no place in them.

mod export;
mod import;
#[cfg(test)]
mod tests;

pub use export::{export, Exported};
pub use import::{import, Imported, LARGEST};

use super::fingerprint::{Day, Fingerprint};
use crate::flow::home::{is_group, is_private};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// How the source of an imported fingerprint begins; the file's `mud-url` follows.
pub const MUD_FILE: &str = "MUD file ";
/// What stands between that URL and the file's day.
const UPDATED: &str = " of ";
/// Where a fingerprint's MUD file is said to lie when nobody has said where it does: a domain kept for documentation
/// (RFC 2606), which no manager can mistake for the maker's.
const DOCUMENTATION: &str = "https://mud.example/";
/// When a file whose day nobody knows was last updated: before there were any devices, so that nobody takes it for news.
const NO_DAY: Day = Day(jiff::civil::Date::constant(1970, 1, 1));
/// Longest host name (RFC 1035, 253 characters without the final dot).
const LONGEST_NAME: usize = 253;
/// Longest label of one.
const LONGEST_LABEL: usize = 63;
/// Networks wider than these hold millions of other people's servers.
const WIDEST: [u8; 2] = [8, 16];
/// IANA protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

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
struct File {
    #[serde(rename = "ietf-mud:mud")]
    mud: Mud,
    // Drafts up to 2018 called them access-lists, and tools of that time still write it.
    #[serde(
        rename = "ietf-access-control-list:acls",
        alias = "ietf-access-control-list:access-lists",
        default
    )]
    acls: Acls,
}

/// What is said of the device, and which access lists are its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mud {
    mud_version: u8,
    mud_url: String,
    last_update: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_validity: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_supported: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    systeminfo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mfg_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_device_policy: Option<Policy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to_device_policy: Option<Policy>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    #[serde(default)]
    access_lists: AccessLists,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct AccessLists {
    #[serde(default)]
    access_list: Vec<ListName>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ListName {
    name: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Acls {
    #[serde(default)]
    acl: Vec<Acl>,
}

/// One access list (RFC 8519, section 4.1).
#[derive(Debug, Serialize, Deserialize)]
struct Acl {
    name: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default)]
    aces: Aces,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Aces {
    #[serde(default)]
    ace: Vec<Ace>,
}

/// One rule of a list.
#[derive(Debug, Serialize, Deserialize)]
struct Ace {
    name: String,
    #[serde(default)]
    matches: Matches,
    actions: Actions,
}

#[derive(Debug, Serialize, Deserialize)]
struct Actions {
    forwarding: String,
}

/// What a rule is about. Other matches (Ethernet, ICMP) tell no server.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Matches {
    /// Classes of hosts that the home's own manager fills in: controllers, local networks, devices of the same maker.
    #[serde(
        rename = "ietf-mud:mud",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    class: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv4: Option<Ip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv6: Option<Ip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp: Option<Transport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    udp: Option<Transport>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ip {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(
        rename = "ietf-acldns:src-dnsname",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    src_dnsname: Option<String>,
    #[serde(
        rename = "ietf-acldns:dst-dnsname",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    dst_dnsname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_ipv4_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination_ipv4_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_ipv6_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination_ipv6_network: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Transport {
    #[serde(
        rename = "ietf-mud:direction-initiated",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    initiated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_port: Option<PortMatch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination_port: Option<PortMatch>,
}

/// One port by an operator, or a range.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PortMatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lower_port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upper_port: Option<u16>,
}

/// Which way the traffic of an access list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    FromDevice,
    ToDevice,
}

impl Way {
    const BOTH: [Self; 2] = [Self::FromDevice, Self::ToDevice];
}

/// A host name as DNS has them, in lower case; underscores are no letters of host names, but devices ask for them.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}

/// Whether a network is somebody's server rather than the home, a group, or half the internet.
fn is_servers(network: IpNet) -> bool {
    let widest = WIDEST[usize::from(network.addr().is_ipv6())];
    let address = network.network();
    network.prefix_len() >= widest && !is_private(address) && !is_group(address)
}

/// Where a fingerprint's MUD file lies, if it came from one.
fn url_of(fingerprint: &Fingerprint) -> Option<&str> {
    let said = |source: &'_ String| source.starts_with(MUD_FILE);
    let source = fingerprint.sources.iter().find(|source| said(source))?;
    source.strip_prefix(MUD_FILE)?.split(' ').next()
}

/// The latest day at which any of a fingerprint's facts was true: that of its addresses, else one named by its sources.
fn day_of(fingerprint: &Fingerprint) -> Option<Day> {
    let learned = fingerprint.addresses.iter().map(|address| address.learned);
    let told = fingerprint
        .sources
        .iter()
        .flat_map(|source| source.split([' ', ',', ';', '(', ')']))
        .filter_map(day);
    learned.max().or_else(|| told.max())
}

/// A day written `2024-03-05`, and in no other way.
fn day(text: &str) -> Option<Day> {
    (text.len() == "2024-03-05".len())
        .then(|| text.parse().ok())
        .flatten()
}
