//! Fingerprints of a home's own devices, learned from a capture at its LAN in which hardware addresses tell who is who.
//!
//! What is kept is what another capture may show again: names, server addresses with their day, the looks of connections,
//! the pace of the packet counter, the maker's half of the hardware address. What would tell the very home or its people is
//! left out: whole hardware addresses, host names, and the part of a server name that looks like a serial number.

use super::catalog::Catalog;
use super::fingerprint::{Address, Day, Fingerprint, Names, Oui, Port};
use super::habits::{port_of, Habits, Service};
use super::naming::{is_everybodys, kind, slug};
use crate::flow::counter::{CounterSlot, CounterTracks};
use crate::flow::facts::FlowFacts;
use crate::flow::home::{is_group, is_private};
use crate::units::{Mac, Timestamp};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::IpAddr;

/// How the source of a learned fingerprint begins; the day of the capture follows.
pub const LEARNED_FROM: &str = "learned from a LAN capture of ";
/// Addresses kept of a device: those of the most bytes.
const ADDRESSES_AT_MOST: usize = 64;
/// Kinds of connections kept of a device: those seen first.
const SERVICES_AT_MOST: usize = 32;
/// Names kept of a device.
const NAMES_AT_MOST: usize = 256;
/// A name label that holds this many digits or hexadecimal digits in a row is a serial number, not a server.
const SERIAL: usize = 8;

/// Why devices could not be learned.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The list of devices is no CSV.
    #[error("{path}: {error}; write one line a device, `24:ce:33:24:b5:cb,Kitchen Plug`")]
    Csv {
        /// The list.
        path: String,
        /// What is wrong.
        error: csv::Error,
    },
    /// A line names no device.
    #[error("{path}: line {line}: {what}; write `24:ce:33:24:b5:cb,Kitchen Plug`")]
    Line {
        /// The list.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        what: String,
    },
    /// The list names nobody.
    #[error("{path}: no device in it; write one line a device, `24:ce:33:24:b5:cb,Kitchen Plug`")]
    Empty {
        /// The list.
        path: String,
    },
}

/// Reads a list of devices: hardware address, name; a first line without an address is a heading. Lines naming one device
/// twice make its later addresses other cards of the same device.
pub fn read_macs(from: impl Read, path: &str) -> Result<BTreeMap<Mac, String>, LearnError> {
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(from);
    let mut devices = BTreeMap::new();
    for (number, row) in (1u64..).zip(rows.records()) {
        let row = row.map_err(|error| LearnError::Csv {
            path: path.to_owned(),
            error,
        })?;
        let line = |what: String| LearnError::Line {
            path: path.to_owned(),
            line: row.position().map_or(number, csv::Position::line),
            what,
        };
        let (Some(mac), Some(name)) = (row.get(0), row.get(1)) else {
            return Err(line("two columns are needed".to_owned()));
        };
        match mac.trim_start_matches('\u{feff}').parse::<Mac>() {
            Ok(mac) if name.is_empty() => return Err(line(format!("{mac} has no name"))),
            Ok(mac) => drop(devices.insert(mac, name.to_owned())),
            Err(_) if number == 1 => {}
            Err(what) => return Err(line(what)),
        }
    }
    if devices.is_empty() {
        return Err(LearnError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(devices)
}

/// Learns a fingerprint of each listed device that took part in a flow, in order of name.
///
/// `facts` are those of a LAN capture ([`crate::flow::facts::facts`]) watched with all traits, `tracks` its counters;
/// `catalog` knows the names that everybody asks for.
pub fn learn(
    facts: &[FlowFacts],
    tracks: &CounterTracks,
    devices: &BTreeMap<Mac, String>,
    catalog: &Catalog,
) -> Vec<Fingerprint> {
    let mut own: BTreeMap<&str, (BTreeSet<Mac>, Vec<&FlowFacts>)> = BTreeMap::new();
    for fact in facts {
        if let Some((mac, name)) = fact.mac.and_then(|mac| devices.get_key_value(&mac)) {
            let device = own.entry(name).or_default();
            device.0.insert(*mac);
            device.1.push(fact);
        }
    }
    let mut ids = BTreeSet::new();
    own.into_iter()
        .map(|(name, (macs, flows))| {
            let mut fingerprint = learn_one(name, &macs, &flows, tracks, catalog);
            let plain = fingerprint.id.clone();
            let mut number = 2;
            while !ids.insert(fingerprint.id.clone()) {
                fingerprint.id = format!("{plain}-{number}");
                number += 1;
            }
            fingerprint
        })
        .collect()
}

fn learn_one(
    name: &str,
    macs: &BTreeSet<Mac>,
    flows: &[&FlowFacts],
    tracks: &CounterTracks,
    catalog: &Catalog,
) -> Fingerprint {
    let (vendor, product) = match name.split_once(' ') {
        Some((vendor, product)) => (vendor.to_owned(), Some(product.to_owned())),
        None => (name.to_owned(), None),
    };
    let day = flows
        .iter()
        .map(|flow| flow.span.end)
        .max()
        .map(day_of)
        .unwrap_or_default();
    let mut names = Learned {
        catalog,
        macs,
        names: Names::default(),
        asks: BTreeSet::new(),
    };
    for flow in flows {
        flow.asked.iter().for_each(|name| names.add(name, true));
        flow.called
            .iter()
            .for_each(|(_, name)| names.add(name, false));
        flow.looked_up
            .iter()
            .for_each(|told| names.add(&told.name, false));
    }
    let ouis = macs
        .iter()
        .filter(|mac| !mac.is_local() && !mac.is_group())
        .map(|mac| Oui(mac.oui()));
    let mut fingerprint = Fingerprint {
        id: slug(name),
        vendor,
        product,
        kind: kind(name).to_owned(),
        sources: day
            .map(|day| format!("{LEARNED_FROM}{day}"))
            .into_iter()
            .collect(),
        ports: ports(flows),
        addresses: day.map_or_else(Vec::new, |day| addresses(flows, day, catalog)),
        ..Fingerprint::default()
    };
    fingerprint.mac.oui = ouis.collect::<BTreeSet<Oui>>().into_iter().collect();
    fingerprint.habits = Habits {
        asks: names.asks.iter().take(NAMES_AT_MOST).cloned().collect(),
        counter_pace: pace(flows, tracks),
        random_numbers: random_numbers(flows, tracks),
        services: services(flows),
    };
    fingerprint.names = names.names;
    for list in [
        &mut fingerprint.names.exact,
        &mut fingerprint.names.wildcard,
        &mut fingerprint.names.hint,
    ] {
        list.sort();
        list.dedup();
        list.truncate(NAMES_AT_MOST);
    }
    fingerprint
}

/// The names of one device while they are learned.
struct Learned<'a> {
    catalog: &'a Catalog,
    macs: &'a BTreeSet<Mac>,
    names: Names,
    asks: BTreeSet<String>,
}

impl Learned<'_> {
    fn add(&mut self, name: &str, asked: bool) {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        // Reverse look-ups name the home's own addresses, single labels its own hosts; escaped bytes are no server's.
        let local = [".arpa", ".local", ".lan", ".home"]
            .iter()
            .any(|end| name.ends_with(end));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if local || !name.contains('.') || !name.bytes().all(plain) || name.starts_with('.') {
            return;
        }
        let blurred: Vec<&str> = name
            .split('.')
            .map(|label| if self.is_serial(label) { "*" } else { label })
            .collect();
        let blurred = blurred.join(".");
        let everybodys = is_everybodys(self.catalog, &name);
        if blurred.bytes().filter(|&b| b != b'*' && b != b'.').count() < 4 {
            return;
        }
        if everybodys {
            self.names.hint.push(blurred.clone());
        } else if blurred.contains('*') {
            self.names.wildcard.push(blurred.clone());
        } else {
            self.names.exact.push(blurred.clone());
        }
        if asked {
            self.asks.insert(blurred);
        }
    }

    /// Whether a label holds the device's hardware address or something as long that only numbers it.
    fn is_serial(&self, label: &str) -> bool {
        let digits = |label: &str, is: fn(&u8) -> bool| {
            label
                .as_bytes()
                .split(|b| !is(b))
                .map(<[u8]>::len)
                .max()
                .unwrap_or(0)
        };
        let of_mac = self.macs.iter().any(|mac| {
            let hex = mac.to_string().replace(':', "");
            let joined = label.replace(['-', '_'], "");
            hex.get(6..).is_some_and(|end| joined.contains(end))
        });
        // Hexadecimal runs without a digit are words: "feedface" is rare, "facade" is not.
        let hex_run = digits(label, u8::is_ascii_hexdigit) >= SERIAL
            && label.bytes().filter(u8::is_ascii_digit).count() >= 3;
        of_mac || digits(label, u8::is_ascii_digit) >= SERIAL || hex_run
    }
}

/// The TCP and UDP ports of its servers, without the ones everybody uses.
fn ports(flows: &[&FlowFacts]) -> Vec<Port> {
    let rare =
        |port: &Port| ![53, 67, 80, 123, 443, 5353].contains(&port.number) && port.number < 32_768;
    let of_servers = flows
        .iter()
        .filter(|flow| is_server(flow.remote))
        .filter_map(|flow| port_of(flow));
    of_servers
        .filter(rare)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn is_server(address: IpAddr) -> bool {
    !is_private(address) && !is_group(address)
}

/// The addresses of its servers, the busiest first kept, sorted. Resolvers are the home's choice, and pools of time servers
/// answer anybody with somebody else every time: neither is kept.
fn addresses(flows: &[&FlowFacts], day: Day, catalog: &Catalog) -> Vec<Address> {
    let mut servers: BTreeMap<IpAddr, (u64, BTreeSet<Port>)> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| is_server(flow.remote)) {
        let Some(port) = port_of(flow).filter(|port| ![53, 67, 5353].contains(&port.number)) else {
            continue;
        };
        let pool = port.number == 123
            && flow
                .looked_up
                .iter()
                .any(|told| is_everybodys(catalog, &told.name));
        if !pool {
            let server = servers.entry(flow.remote).or_default();
            server.0 += flow.bytes;
            server.1.insert(port);
        }
    }
    let mut busiest: Vec<(IpAddr, (u64, BTreeSet<Port>))> = servers.into_iter().collect();
    busiest.sort_by_key(|(address, (bytes, _))| (std::cmp::Reverse(*bytes), *address));
    busiest.truncate(ADDRESSES_AT_MOST);
    busiest.sort_by_key(|(address, _)| *address);
    let address = |(address, (_, ports)): (IpAddr, (u64, BTreeSet<Port>))| Address {
        prefix: IpNet::from(address),
        learned: day,
        ports: ports.into_iter().collect(),
    };
    busiest.into_iter().map(address).collect()
}

/// The kinds of its connections to servers and resolvers.
fn services(flows: &[&FlowFacts]) -> Vec<Service> {
    let mut kinds: Vec<Service> = Vec::new();
    // Resolvers are inside the home; other flows within it never show at the WAN.
    let outward =
        |flow: &&&FlowFacts| is_server(flow.remote) || matches!(flow.remote_port, 53 | 123);
    for service in flows
        .iter()
        .filter(outward)
        .filter_map(|flow| Service::of(flow))
    {
        if let Some(kind) = kinds.iter_mut().find(|kind| kind.is_like(&service)) {
            kind.merge(&service);
        } else if kinds.len() < SERVICES_AT_MOST {
            kinds.push(service);
        }
    }
    kinds
}

/// The pace of its packet counter, where one line bears most of its packets and several of its flows; a line of one flow may
/// be that connection's own, and its pace is that of its payloads.
fn pace(flows: &[&FlowFacts], tracks: &CounterTracks) -> Option<f64> {
    let sent: u64 = flows.iter().map(|flow| flow.sent).sum();
    let mut lines: BTreeMap<u32, usize> = BTreeMap::new();
    for seen in flows.iter().filter_map(|flow| tracks.seen(flow.counter)) {
        *lines.entry(seen.track).or_default() += 1;
    }
    let shared = lines.into_iter().filter(|(_, flows)| *flows > 1);
    let seen = shared.filter_map(|(line, _)| tracks.track(line));
    let longest = seen.max_by_key(|line| line.packets)?;
    let pace = longest
        .pace()
        .filter(|_| u64::from(longest.packets) * 10 >= sent * 8)?;
    // Four digits are more than it repeats with.
    Some((pace * 10_000.0).round() / 10_000.0)
}

/// Whether its packets are numbered at random: of four packets and more, in three flows and more, hardly any continues another.
fn random_numbers(flows: &[&FlowFacts], tracks: &CounterTracks) -> bool {
    let own: Vec<&&FlowFacts> = flows
        .iter()
        .filter(|flow| flow.counter != CounterSlot::default())
        .collect();
    let lines: BTreeSet<Option<u32>> = own
        .iter()
        .map(|flow| tracks.seen(flow.counter).map(|seen| seen.track))
        .collect();
    own.len() >= 3 && lines.len() * 10 >= own.len() * 9
}

fn day_of(at: Timestamp) -> Option<Day> {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok()?;
    Some(Day(at.to_zoned(jiff::tz::TimeZone::UTC).date()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_devices_is_read_with_or_without_a_heading() {
        let with = "MAC Address,Device Name\n24:ce:33:24:b5:cb,Kitchen Plug\n".as_bytes();
        let devices = read_macs(with, "macs.csv").unwrap();
        assert_eq!(devices.into_values().collect::<Vec<_>>(), ["Kitchen Plug"]);
        let bare = "24-CE-33-24-B5-CB, Kitchen Plug \n".as_bytes();
        assert_eq!(read_macs(bare, "macs.csv").unwrap().len(), 1);
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number() {
        let text = "mac,name\n24:ce:33:24:b5:cb,Plug\nkitchen,Lamp\n".as_bytes();
        let error = read_macs(text, "macs.csv").unwrap_err().to_string();
        assert!(error.starts_with("macs.csv: line 3:"), "{error}");
        let error = read_macs("mac,name\n".as_bytes(), "macs.csv")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no device"), "{error}");
    }

    #[test]
    fn serials_and_the_homes_own_names_are_not_kept() {
        let macs = BTreeSet::from(["24:ce:33:24:b5:cb".parse().unwrap()]);
        let catalog = Catalog::default();
        let mut learned = Learned {
            catalog: &catalog,
            macs: &macs,
            names: Names::default(),
            asks: BTreeSet::new(),
        };
        for name in [
            "api.vendor.com",
            "plug-24b5cb.vendor.com",
            "d123456789.vendor.com",
            "9.1.168.192.in-addr.arpa",
            "kitchen",
            "0.vendor.pool.ntp.org",
        ] {
            learned.add(name, name.starts_with("api"));
        }
        assert_eq!(learned.names.exact, ["api.vendor.com"]);
        assert_eq!(learned.names.wildcard, ["*.vendor.com", "*.vendor.com"]);
        assert_eq!(learned.names.hint, ["0.vendor.pool.ntp.org"]);
        assert_eq!(
            learned.asks.into_iter().collect::<Vec<_>>(),
            ["api.vendor.com"]
        );
    }
}
