//! A MUD file as a fingerprint.

use super::file::{
    day, is_host_name, is_servers, Ace, Acl, File, Ip, Matches, Mud, MudError, Policy, PortMatch,
    Transport, Way, DOCUMENTATION, LARGEST, MUD_FILE, NO_DAY, TCP, UDP, UPDATED,
};
use crate::device::catalog::{Catalog, NameMatch, Rule};
use crate::device::fingerprint::{Address, Day, Fingerprint, Port};
use crate::device::naming::{is_everybodys, kind, slug};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::net::IpAddr;

/// Names, and networks, kept of one file.
const KEPT: usize = 4096;
/// Ports of a range that are listed one by one; a wider range is no service.
const LONGEST_RANGE: u16 = 16;
/// Ports that nearly every device uses with a server it names: they tell nothing more.
const COMMON_PORTS: [u16; 6] = [53, 67, 80, 123, 443, 5353];
/// Longest vendor, product or note kept, in characters.
const LONGEST_TEXT: usize = 100;
/// Longest URL, in bytes: the option that carries it in DHCP (RFC 8520, section 10) holds no more.
const LONGEST_URL: usize = 255;
/// Bytes of a pattern or hint below which it would match nearly everything.
const SHORTEST_HINT: usize = 4;

/// A fingerprint made of a MUD file, and what the file has that it cannot keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The fingerprint. Its id is told by the file, so two files may make the same one.
    pub fingerprint: Fingerprint,
    /// What was left out, a phrase each.
    pub remarks: Vec<String>,
}

/// Reads a MUD file; `path` names it in errors, `catalog` knows the names that everybody asks for.
///
/// # Errors
/// A file that cannot be read, is larger than [`LARGEST`], is no MUD file, or names nothing to know a device by.
pub fn import(from: impl Read, path: &str, catalog: &Catalog) -> Result<Imported, MudError> {
    let file = parse(from, path)?;
    let field = |field: &str, what: String| MudError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        what,
    };
    let mud = &file.mud;
    if mud.mud_version != 1 {
        let what = format!("{} is unknown; there is 1", mud.mud_version);
        return Err(field("mud-version", what));
    }
    let url = url(mud).map_err(|what| field("mud-url", what))?;
    let updated = updated(mud).map_err(|what| field("last-update", what))?;

    let mut said = Said::default();
    let lists: HashMap<&str, &Acl> = file
        .acls
        .acl
        .iter()
        .map(|acl| (acl.name.as_str(), acl))
        .collect();
    let policies = [&mud.from_device_policy, &mud.to_device_policy];
    for (way, policy) in Way::BOTH.into_iter().zip(policies) {
        for name in policy.iter().flat_map(names_of).collect::<BTreeSet<_>>() {
            let acl = lists.get(name).ok_or_else(|| {
                let what = format!("there is no access list {name:?}, which a policy names");
                field("ietf-access-control-list:acls", what)
            })?;
            for ace in &acl.aces.ace {
                said.rule(ace, way).map_err(|what| {
                    field(&format!("list {:?}, rule {:?}", acl.name, ace.name), what)
                })?;
            }
        }
    }
    let remarks = said.remarks();
    if said.names.is_empty() && said.networks.is_empty() && said.ports.is_empty() {
        let left_out = match remarks.is_empty() {
            true => String::new(),
            false => format!(" ({})", remarks.join("; ")),
        };
        return Err(MudError::Nothing {
            path: path.to_owned(),
            left_out,
        });
    }
    let mut fingerprint = described(mud, url, updated);
    for name in &said.names {
        let list = match is_hint(catalog, name) {
            true => &mut fingerprint.names.hint,
            false => &mut fingerprint.names.exact,
        };
        list.push(name.clone());
    }
    fingerprint.addresses = said.addresses(updated.unwrap_or(NO_DAY));
    fingerprint.ports = said.ports.into_iter().collect();
    Ok(Imported {
        fingerprint,
        remarks,
    })
}

fn parse(from: impl Read, path: &str) -> Result<File, MudError> {
    let path = || path.to_owned();
    let mut bytes = Vec::new();
    from.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| MudError::Unreadable {
            path: path(),
            error,
        })?;
    if bytes.len() > LARGEST {
        return Err(MudError::TooLarge { path: path() });
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(text).map_err(|error| MudError::Malformed {
        path: path(),
        error,
    })
}

fn url(mud: &Mud) -> Result<&str, String> {
    let url = mud.mud_url.as_str();
    let plain = url.bytes().all(|b| b.is_ascii_graphic());
    let host = host(url).is_some_and(|host| !host.is_empty());
    match plain && host && url.len() <= LONGEST_URL {
        true => Ok(url),
        false => Err("write a URL, as https://example.com/lamp.json".to_owned()),
    }
}

/// The host of a URL.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(host.rsplit('@').next().unwrap_or(host))
}

/// The day of the file; `None` for the one that stands for "unknown".
fn updated(mud: &Mud) -> Result<Option<Day>, String> {
    let (date, _) = mud
        .last_update
        .split_once('T')
        .ok_or("write a date and time, as 2019-01-28T11:20:51+01:00")?;
    let day = day(date).ok_or_else(|| format!("{date:?} is no day; write 2019-01-28"))?;
    Ok(Some(day).filter(|day| *day != NO_DAY))
}

fn names_of(policy: &Policy) -> impl Iterator<Item = &str> {
    let lists = policy.access_lists.access_list.iter();
    lists.map(|list| list.name.as_str())
}

/// Who the device is, as far as the file says.
fn described(mud: &Mud, url: &str, updated: Option<Day>) -> Fingerprint {
    let text = |text: &Option<String>| text.as_deref().map(tidy).filter(|text| !text.is_empty());
    let (maker, model, info) = (
        text(&mud.mfg_name),
        text(&mud.model_name),
        text(&mud.systeminfo),
    );
    // `systeminfo` repeats the maker where the file is for all of a maker's devices.
    let new = |info: &String| {
        maker
            .as_ref()
            .is_none_or(|maker| !maker.starts_with(info.as_str()))
    };
    let product = model.or_else(|| info.clone().filter(new));
    let vendor = maker.unwrap_or_else(|| tidy(host(url).unwrap_or(url)));
    let mut fingerprint = Fingerprint {
        vendor,
        product,
        ..Fingerprint::default()
    };
    let name = fingerprint.name();
    fingerprint.id = id(url, &name);
    fingerprint.kind = kind(&format!("{name} {}", info.as_deref().unwrap_or_default())).to_owned();
    let day = updated.map_or_else(String::new, |day| format!("{UPDATED}{day}"));
    fingerprint.sources = vec![format!("{MUD_FILE}{url}{day}")];
    fingerprint.note = info.filter(|info| !name.contains(info.as_str()));
    fingerprint
}

/// The id that a file of our own bears in its URL; else one made of the device's name.
fn id(url: &str, name: &str) -> String {
    match url.strip_prefix(DOCUMENTATION) {
        Some(id) if !id.is_empty() && slug(id) == id && id.len() <= LONGEST_TEXT => id.to_owned(),
        _ => slug(name),
    }
}

/// A text of one line, of bounded length, without control characters.
fn tidy(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let text: String = words.join(" ").chars().take(LONGEST_TEXT).collect();
    text.trim_end().to_owned()
}

/// Whether a name only hints: everybody asks for it, and no fingerprint has it for its own.
fn is_hint(catalog: &Catalog, name: &str) -> bool {
    let owned = match catalog.by_name(name) {
        NameMatch::Known(known) => known.rule == Rule::Exact,
        _ => false,
    };
    let telling = name.bytes().filter(|&b| b != b'.').count();
    !owned && telling >= SHORTEST_HINT && is_everybodys(catalog, name)
}

/// What the rules of a file say of the device's peers.
#[derive(Debug, Default)]
struct Said {
    names: BTreeSet<String>,
    networks: BTreeMap<IpNet, Reach>,
    ports: BTreeSet<Port>,
    left_out: BTreeMap<&'static str, u64>,
}

/// The ports on which a network is reached.
#[derive(Debug, Default)]
struct Reach {
    any: bool,
    ports: BTreeSet<Port>,
}

/// The ports of a rule.
enum Ports {
    /// The rule is for all ports, or for more than can be listed.
    Any,
    /// The rule's protocol has no ports: ICMP, say.
    None,
    These(Vec<Port>),
}

impl Said {
    /// Takes in one rule; an error tells what is wrong with it.
    fn rule(&mut self, ace: &Ace, way: Way) -> Result<(), String> {
        let matches = &ace.matches;
        let verb = ace.actions.forwarding.rsplit(':').next();
        if verb != Some("accept") {
            self.leave_out("rules that forbid something");
        } else if matches.class.is_some() {
            self.leave_out("rules for local networks and controllers");
        } else {
            let ips: Vec<&Ip> = matches.ipv4.iter().chain(&matches.ipv6).collect();
            if ips.is_empty() {
                self.leave_out("rules without an IP address");
            }
            for ip in ips {
                self.peer(ip, matches, way)?;
            }
        }
        Ok(())
    }

    fn peer(&mut self, ip: &Ip, matches: &Matches, way: Way) -> Result<(), String> {
        let ports = self.ports_of(ip, matches, way);
        let (name, v4, v6) = match way {
            Way::FromDevice => (
                &ip.dst_dnsname,
                &ip.destination_ipv4_network,
                &ip.destination_ipv6_network,
            ),
            Way::ToDevice => (
                &ip.src_dnsname,
                &ip.source_ipv4_network,
                &ip.source_ipv6_network,
            ),
        };
        if let Some(network) = v4.as_ref().or(v6.as_ref()) {
            let network = prefix(network)?;
            self.network(network, &ports);
        } else if let Some(name) = name {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            // The standard lets an address stand in a name's place (`inet:host`, RFC 6991).
            match name.parse::<IpAddr>() {
                Ok(address) => self.network(IpNet::from(address), &ports),
                Err(_) => self.name(name, &ports),
            }
        } else if let Ports::These(ports) = ports {
            self.ports.extend(ports);
        } else {
            self.leave_out("rules for any host");
        }
        Ok(())
    }

    fn name(&mut self, name: String, ports: &Ports) {
        if !is_host_name(&name) {
            return self.leave_out("names that are no host's");
        }
        if self.names.len() >= KEPT && !self.names.contains(&name) {
            return self.leave_out("names beyond the first 4096");
        }
        self.names.insert(name);
        if let Ports::These(ports) = ports {
            let telling = |port: &&Port| !COMMON_PORTS.contains(&port.number);
            self.ports.extend(ports.iter().filter(telling));
        }
    }

    fn network(&mut self, network: IpNet, ports: &Ports) {
        if !is_servers(network) {
            return self.leave_out("networks that are local, or too wide to be a server's");
        }
        if self.networks.len() >= KEPT && !self.networks.contains_key(&network) {
            return self.leave_out("networks beyond the first 4096");
        }
        let reach = self.networks.entry(network).or_default();
        match ports {
            Ports::Any => reach.any = true,
            Ports::None => {}
            Ports::These(ports) => reach.ports.extend(ports),
        }
    }

    /// The ports of a rule at the other end; at the device itself where that is the one that serves.
    fn ports_of(&mut self, ip: &Ip, matches: &Matches, way: Way) -> Ports {
        let (transport, udp) = match (&matches.tcp, &matches.udp) {
            (Some(tcp), _) => (tcp, false),
            (None, Some(udp)) => (udp, true),
            (None, None)
                if ip
                    .protocol
                    .is_none_or(|number| [TCP, UDP].contains(&number)) =>
            {
                return Ports::Any
            }
            (None, None) => return Ports::None,
        };
        let Transport {
            source_port,
            destination_port,
            ..
        } = transport;
        let (far, near) = match way {
            Way::FromDevice => (destination_port, source_port),
            Way::ToDevice => (source_port, destination_port),
        };
        let Some(wanted) = far.as_ref().or(near.as_ref()) else {
            return Ports::Any;
        };
        let Some(range) = range(wanted) else {
            self.leave_out("ranges of ports");
            return Ports::Any;
        };
        let port = |number| Port { udp, number };
        Ports::These(range.filter(|&number| number > 0).map(port).collect())
    }

    fn leave_out(&mut self, what: &'static str) {
        *self.left_out.entry(what).or_default() += 1;
    }

    fn remarks(&self) -> Vec<String> {
        let phrase = |(what, count): (&&str, &u64)| format!("left out: {count} {what}");
        self.left_out.iter().map(phrase).collect()
    }

    fn addresses(&self, learned: Day) -> Vec<Address> {
        let address = |(prefix, reach): (&IpNet, &Reach)| Address {
            prefix: *prefix,
            learned,
            ports: match reach.any {
                true => Vec::new(),
                false => reach.ports.iter().copied().collect(),
            },
        };
        self.networks.iter().map(address).collect()
    }
}

/// A network, or one address.
fn prefix(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>();
    network
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|network| network.trunc())
        .map_err(|_| format!("{text:?} is no network; write 192.0.2.0/24"))
}

/// The ports of a match, where they are few.
fn range(wanted: &PortMatch) -> Option<std::ops::RangeInclusive<u16>> {
    let operator = wanted.operator.as_deref().unwrap_or("eq");
    match (wanted.port, wanted.lower_port) {
        (Some(port), _) if operator.rsplit(':').next() == Some("eq") => Some(port..=port),
        (None, Some(lower)) => {
            let upper = wanted.upper_port.unwrap_or(lower);
            let few = upper >= lower && upper - lower < LONGEST_RANGE;
            few.then_some(lower..=upper)
        }
        _ => None,
    }
}
