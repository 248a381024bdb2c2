//! A fingerprint as a MUD file.

use super::file::{
    day_of, is_host_name, is_servers, url_of, AccessLists, Ace, Aces, Acl, Acls, Actions, File, Ip,
    ListName, Matches, Mud, MudError, Policy, PortMatch, Transport, Way, DOCUMENTATION, NO_DAY,
    TCP, UDP,
};
use crate::device::fingerprint::{Address, Fingerprint, Port};
use ipnet::IpNet;
use std::collections::BTreeSet;

/// Hours a manager may keep the file: the standard's own default (RFC 8520, section 3.5).
const CACHE_VALIDITY: u8 = 48;
/// Longest `systeminfo`, in characters (RFC 8520, section 3.7).
const LONGEST_SYSTEMINFO: usize = 60;
/// Longest name of an access list, in characters (RFC 8519), less what is put behind the fingerprint's id.
const LONGEST_ID: usize = 48;

/// A MUD file, and what the fingerprint has that it cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The file: JSON, indented, ending in a line feed. The same fingerprint gives the same bytes.
    pub json: String,
    /// What was left out or had to be guessed, a phrase each.
    pub remarks: Vec<String>,
}

/// Something a device exchanges packets with.
enum Peer<'a> {
    Name(&'a str),
    Network(&'a Address),
    Port(Port),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Writes a fingerprint as a MUD file: traffic from and to its names, addresses and ports is accepted.
///
/// The day is that of the fingerprint's facts, never today's. Where the fingerprint did not come from a MUD file, its URL
/// is one kept for documentation.
///
/// # Errors
/// [`MudError::Unsayable`] where nothing of the fingerprint can be said.
pub fn export(fingerprint: &Fingerprint) -> Result<Exported, MudError> {
    let names: BTreeSet<&str> = hosts(fingerprint)
        .filter(|name| is_host_name(name))
        .collect();
    let mut addresses: Vec<&Address> = fingerprint.addresses.iter().collect();
    addresses.retain(|address| is_servers(address.prefix));
    addresses.sort_by_key(|address| address.prefix);
    let ports: BTreeSet<&Port> = fingerprint.ports.iter().collect();
    let peers: Vec<Peer<'_>> = names
        .into_iter()
        .map(Peer::Name)
        .chain(addresses.into_iter().map(Peer::Network))
        .chain(ports.into_iter().map(|port| Peer::Port(*port)))
        .collect();
    if peers.is_empty() {
        return Err(MudError::Unsayable {
            id: fingerprint.id.clone(),
        });
    }
    let mut acls = Vec::new();
    let [from_device_policy, to_device_policy] =
        Way::BOTH.map(|way| policy(fingerprint, way, &peers, &mut acls));
    let day = day_of(fingerprint).unwrap_or(NO_DAY);
    let file = File {
        mud: Mud {
            mud_version: 1,
            mud_url: url_of(fingerprint).map_or_else(
                || format!("{DOCUMENTATION}{}", fingerprint.id),
                str::to_owned,
            ),
            last_update: format!("{day}T00:00:00+00:00"),
            cache_validity: Some(CACHE_VALIDITY),
            // The leaf is mandatory, and no fingerprint knows the maker's plans.
            is_supported: Some(true),
            systeminfo: Some(
                fingerprint
                    .name()
                    .chars()
                    .take(LONGEST_SYSTEMINFO)
                    .collect(),
            ),
            mfg_name: Some(fingerprint.vendor.clone()),
            model_name: fingerprint.product.clone(),
            from_device_policy: Some(from_device_policy),
            to_device_policy: Some(to_device_policy),
        },
        acls: Acls { acl: acls },
    };
    let malformed = |error| MudError::Malformed {
        path: fingerprint.id.clone(),
        error,
    };
    let json = serde_json::to_string_pretty(&file).map_err(malformed)?;
    Ok(Exported {
        json: json + "\n",
        remarks: remarks(fingerprint),
    })
}

/// Whole names: its own, and those it shares with others, without which a home that enforced the file would break it.
fn hosts(fingerprint: &Fingerprint) -> impl Iterator<Item = &str> {
    let names = &fingerprint.names;
    names.exact.iter().chain(&names.hint).map(String::as_str)
}

/// The access lists of one way, one a family of addresses, and the policy that names them.
fn policy(fingerprint: &Fingerprint, way: Way, peers: &[Peer<'_>], acls: &mut Vec<Acl>) -> Policy {
    let mut access_list = Vec::new();
    for family in [Family::V4, Family::V6] {
        let mut ace = Vec::new();
        for peer in peers {
            rules(peer, family, way, &mut ace);
        }
        if ace.is_empty() {
            continue;
        }
        let (end, kind) = match family {
            Family::V4 => ("v4", "ipv4-acl-type"),
            Family::V6 => ("v6", "ipv6-acl-type"),
        };
        let way = match way {
            Way::FromDevice => "from",
            Way::ToDevice => "to",
        };
        let id: String = fingerprint.id.chars().take(LONGEST_ID).collect();
        let name = format!("{id}-{way}-{end}");
        access_list.push(ListName { name: name.clone() });
        acls.push(Acl {
            name,
            kind: Some(kind.to_owned()),
            aces: Aces { ace },
        });
    }
    Policy {
        access_lists: AccessLists { access_list },
    }
}

/// The rules that accept the packets exchanged with a peer.
fn rules(peer: &Peer<'_>, family: Family, way: Way, list: &mut Vec<Ace>) {
    let any = [None];
    let mut accept = |ip: &dyn Fn() -> Ip, port: Option<Port>| {
        let matches = matches(ip(), family, way, port);
        list.push(Ace {
            name: format!("rule-{}", list.len() + 1),
            matches,
            actions: Actions {
                forwarding: "accept".to_owned(),
            },
        });
    };
    match peer {
        // Of a name nobody knows which ports are its own.
        Peer::Name(name) => accept(&|| named(name, way), None),
        Peer::Port(port) => accept(&Ip::default, Some(*port)),
        Peer::Network(address) if family_of(address.prefix) == family => {
            let ports: Vec<Option<Port>> = address.ports.iter().copied().map(Some).collect();
            let ports = if ports.is_empty() { &any[..] } else { &ports };
            for port in ports {
                accept(&|| network(address.prefix, way), *port);
            }
        }
        Peer::Network(_) => {}
    }
}

fn family_of(prefix: IpNet) -> Family {
    match prefix {
        IpNet::V4(_) => Family::V4,
        IpNet::V6(_) => Family::V6,
    }
}

fn named(name: &str, way: Way) -> Ip {
    let mut ip = Ip::default();
    let place = match way {
        Way::FromDevice => &mut ip.dst_dnsname,
        Way::ToDevice => &mut ip.src_dnsname,
    };
    *place = Some(name.to_owned());
    ip
}

fn network(prefix: IpNet, way: Way) -> Ip {
    let mut ip = Ip::default();
    let place = match (family_of(prefix), way) {
        (Family::V4, Way::FromDevice) => &mut ip.destination_ipv4_network,
        (Family::V4, Way::ToDevice) => &mut ip.source_ipv4_network,
        (Family::V6, Way::FromDevice) => &mut ip.destination_ipv6_network,
        (Family::V6, Way::ToDevice) => &mut ip.source_ipv6_network,
    };
    *place = Some(prefix.trunc().to_string());
    ip
}

fn matches(mut ip: Ip, family: Family, way: Way, port: Option<Port>) -> Matches {
    let mut matches = Matches::default();
    if let Some(port) = port {
        ip.protocol = Some(if port.udp { UDP } else { TCP });
        let server = Some(PortMatch {
            operator: Some("eq".to_owned()),
            port: Some(port.number),
            ..PortMatch::default()
        });
        let mut transport = Transport {
            // Who begins is asked of TCP alone (RFC 8520, section 8).
            initiated: (!port.udp).then(|| "from-device".to_owned()),
            ..Transport::default()
        };
        match way {
            Way::FromDevice => transport.destination_port = server,
            Way::ToDevice => transport.source_port = server,
        }
        match port.udp {
            true => matches.udp = Some(transport),
            false => matches.tcp = Some(transport),
        }
    }
    match family {
        Family::V4 => matches.ipv4 = Some(ip),
        Family::V6 => matches.ipv6 = Some(ip),
    }
    matches
}

/// What the file does not say, or says more widely than the fingerprint.
fn remarks(fingerprint: &Fingerprint) -> Vec<String> {
    let mut remarks = Vec::new();
    let names = &fingerprint.names;
    let unsaid: Vec<&str> = names
        .suffix
        .iter()
        .chain(&names.wildcard)
        .map(String::as_str)
        .chain(hosts(fingerprint).filter(|name| !is_host_name(name)))
        .collect();
    if let Some(first) = unsaid.first() {
        let more = match unsaid.len() {
            1 => String::new(),
            all => format!(" and {} more", all - 1),
        };
        remarks.push(format!(
            "left out: {first}{more}; MUD files name whole hosts, not domains or patterns"
        ));
    }
    let local = fingerprint.addresses.iter();
    let local = local.filter(|one| !is_servers(one.prefix)).count();
    if local > 0 {
        remarks.push(format!(
            "left out: {local} addresses that are the home's own, or too wide to be a server's"
        ));
    }
    if !(fingerprint.mac == Default::default()
        && fingerprint.dhcp == Default::default()
        && fingerprint.habits.is_empty())
    {
        remarks.push("left out: hardware addresses, DHCP words and habits".to_owned());
    }
    if !fingerprint.ports.is_empty() {
        let ports: Vec<String> = fingerprint.ports.iter().map(ToString::to_string).collect();
        remarks.push(format!(
            "{}: accepted with any host, as the fingerprint does not tie them to one",
            ports.join(", ")
        ));
    }
    let days: BTreeSet<_> = fingerprint
        .addresses
        .iter()
        .map(|one| one.learned)
        .collect();
    if days.len() > 1 {
        remarks.push(format!(
            "addresses were learned on {} days; last-update is the latest",
            days.len()
        ));
    }
    if day_of(fingerprint).is_none() {
        remarks.push(format!(
            "nobody noted when its facts were learned: last-update is {NO_DAY}"
        ));
    }
    remarks
}
