//! What speaks for each learned fingerprint, and what against it, given the flows of one host.
//!
//! A learned fingerprint is of one particular device of the home, so that addresses, looks and paces count as names do.
//! Evidence is weighed in nats: how much better the fingerprint explains what was seen than chance does, in natural
//! logarithms, so that independent clues add up. Names weigh most, then addresses, then the looks of connections, prefixes
//! and ports. Each distinct clue counts once, however often it was seen. The weights are rules of thumb set on one
//! evening of one home and held against others: they order the evidence, they are no measured probabilities.

use super::catalog::{Catalog, FingerprintIndex, NameMatch, Rule};
use super::fingerprint::{Address, Fingerprint, Port};
use super::habits::{port_of, Habits, Service};
use crate::flow::facts::FlowFacts;
use crate::flow::host::{Host, Tie};
use crate::flow::names::NameKind;
use crate::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Nats of evidence that single a device out (names not shared, addresses, looks; not time servers or paces) before it is
/// named: 400 to 1.
pub const ENOUGH: f64 = 6.0;
/// Flows of one host that are looked at; a host with more repeats itself.
const FLOWS_AT_MOST: usize = 512;

/// How something was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClueKind {
    /// It asked a DNS server for this name.
    Asked,
    /// It called its server by this name: TLS, QUIC or HTTP.
    Called(NameKind),
    /// A look-up of this name gave its server's address.
    LookedUp,
    /// Its server is under a domain that it was seen to use.
    Domain,
    /// Its server has this address.
    Address,
    /// Its server is in this prefix.
    Prefix,
    /// A connection looks as the device's connections to this port do.
    Looks,
    /// Its connections open as the device's do.
    Stack,
    /// Its packet counter runs at the device's pace.
    Pace,
    /// Its server has this port.
    Port,
}

impl ClueKind {
    /// The word reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => NameKind::Dns.as_str(),
            Self::Called(kind) => kind.as_str(),
            Self::LookedUp => "dns_answer",
            Self::Domain => "domain",
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Looks => "looks",
            Self::Stack => "stack",
            Self::Pace => "pace",
            Self::Port => "port",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Clue {
    /// How.
    pub kind: ClueKind,
    /// What.
    pub value: String,
    /// When first.
    pub at: Timestamp,
    /// How much it says, in nats.
    pub nats: f64,
    /// Whether it can single a device out.
    pub firm: bool,
}

/// All that was found about one fingerprint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suspicion {
    /// What speaks for it, the strongest first.
    pub clues: Vec<Clue>,
    /// What speaks against it, in nats, negative or 0.
    pub against: f64,
}

impl Suspicion {
    /// For and against, in nats.
    pub fn score(&self) -> f64 {
        self.against + self.clues.iter().map(|clue| clue.nats).sum::<f64>()
    }

    /// Evidence that singles a device out, less what speaks against it.
    pub fn firm(&self) -> f64 {
        let firm = self.clues.iter().filter(|clue| clue.firm);
        self.against + firm.map(|clue| clue.nats).sum::<f64>()
    }
}

/// The learned fingerprints of a catalog, indexed by what suspicion needs.
#[derive(Debug)]
pub struct Dossier<'a> {
    /// The learned ones alone: of a name they and others know, theirs is the meaning here.
    catalog: &'a Catalog,
    /// Fingerprints learned from a home's devices.
    learned: Vec<(FingerprintIndex, &'a Fingerprint, BTreeSet<&'a str>)>,
    /// Domains that learned devices use.
    domains: HashMap<&'a str, BTreeSet<FingerprintIndex>>,
    /// Networks, by prefix length, and ports that learned devices use.
    networks: HashMap<(IpAddr, u8, Port), BTreeSet<FingerprintIndex>>,
}

impl<'a> Dossier<'a> {
    /// Indexes a catalog of learned fingerprints alone; others in it are passed over.
    pub fn new(catalog: &'a Catalog) -> Self {
        let mut dossier = Self {
            catalog,
            learned: Vec::new(),
            domains: HashMap::new(),
            networks: HashMap::new(),
        };
        for (index, fingerprint) in catalog.indexed().filter(|(_, one)| is_learned(one)) {
            let asks = fingerprint.habits.asks.iter().map(String::as_str).collect();
            dossier.learned.push((index, fingerprint, asks));
            for name in &fingerprint.names.exact {
                dossier
                    .domains
                    .entry(domain(name))
                    .or_default()
                    .insert(index);
            }
            for address in &fingerprint.addresses {
                for (port, bits) in address
                    .ports
                    .iter()
                    .flat_map(|port| networks_of(address).map(move |n| (*port, n)))
                {
                    dossier
                        .networks
                        .entry((bits.0, bits.1, port))
                        .or_default()
                        .insert(index);
                }
            }
        }
        dossier
    }

    /// What is found about every fingerprint that something speaks for, or against.
    pub fn suspect(
        &self,
        host: &Host,
        flows: &[FlowFacts],
    ) -> BTreeMap<FingerprintIndex, Suspicion> {
        let mut found = Found::default();
        for flow in host
            .flows
            .iter()
            .take(FLOWS_AT_MOST)
            .filter_map(|&index| flows.get(index))
        {
            self.names(flow, &mut found);
            self.addresses(flow, &mut found);
            for (index, fingerprint, _) in &self.learned {
                looks(*index, &fingerprint.habits, flow, &mut found);
            }
        }
        if let Some(pace) = host.counter.and_then(|seen| seen.pace()) {
            for (index, fingerprint, _) in &self.learned {
                if let Some(known) = fingerprint.habits.counter_pace.filter(|known| *known > 0.0) {
                    // Use makes a counter run faster than it was learned; nothing makes it run much slower.
                    let nats = match (pace / known).ln() {
                        off if off.abs() < 0.04 => 3.0,
                        off if off.abs() < 0.12 => 1.5,
                        off if off.abs() < 0.4 => 0.0,
                        off if off > 0.0 => -1.5,
                        _ => -3.0,
                    };
                    let value = || format!("{pace:.3} numbers/s");
                    found.add(
                        *index,
                        ClueKind::Pace,
                        host.span.start,
                        nats,
                        false,
                        "pace",
                        value,
                    );
                }
            }
        }
        self.strangers(host, flows, &mut found);
        found.close()
    }

    /// What a learned device would not do: keep to one counter where it was seen to use none, and use many names it was never
    /// heard with. It may well use a new one; ten of them are another device.
    fn strangers(&self, host: &Host, flows: &[FlowFacts], found: &mut Found) {
        let own = || {
            host.flows
                .iter()
                .take(FLOWS_AT_MOST)
                .filter_map(|&at| flows.get(at))
        };
        let mut domains: BTreeMap<&str, bool> = BTreeMap::new();
        for name in own().flat_map(|flow| {
            flow.asked
                .iter()
                .chain(flow.called.iter().map(|(_, name)| name))
        }) {
            let telling = || {
                !matches!(self.catalog.by_name(name), NameMatch::Shared(_)) && !is_time_server(name)
            };
            domains.entry(domain(name)).or_insert_with(telling);
        }
        for (index, fingerprint, _) in &self.learned {
            if fingerprint.habits.random_numbers && host.ties.contains(&Tie::Counter) {
                found.against(*index, "counter", -8.0);
            }
            let mine = |domain: &str| {
                self.domains
                    .get(domain)
                    .is_some_and(|of| of.contains(index))
            };
            let strange = domains
                .iter()
                .filter(|(domain, telling)| **telling && !mine(domain))
                .count();
            found.against(*index, "names", -(strange.saturating_sub(1).min(8) as f64));
        }
    }

    fn names(&self, flow: &FlowFacts, found: &mut Found) {
        let at = flow.span.start;
        for name in &flow.asked {
            self.name(name, ClueKind::Asked, 1.0, at, found);
        }
        for (kind, name) in &flow.called {
            self.name(name, ClueKind::Called(*kind), 1.0, at, found);
        }
        // What the flow itself calls its server is surer than who else was told its address.
        if flow.called.is_empty() {
            for told in &flow.looked_up {
                let trust = if told.first <= at { 1.0 } else { 0.6 };
                self.name(
                    &told.name,
                    ClueKind::LookedUp,
                    trust,
                    told.first.max(at),
                    found,
                );
            }
        }
    }

    fn name(&self, name: &str, kind: ClueKind, trust: f64, at: Timestamp, found: &mut Found) {
        let mut known = Vec::new();
        match self.catalog.by_name(name) {
            NameMatch::Known(match_) => {
                let full = match match_.rule {
                    Rule::Exact => 7.0,
                    Rule::Wildcard => 6.5,
                    Rule::Suffix => 6.0,
                    Rule::Hint => 1.5,
                };
                let firm = match_.rule != Rule::Hint;
                for &index in &match_.fingerprints {
                    // A learned device that only connects there, and was never heard asking, is less likely the asker.
                    let asks = self
                        .learned
                        .iter()
                        .find(|(one, ..)| *one == index)
                        .is_none_or(|(_, _, asks)| asks.contains(name));
                    let share = if kind == ClueKind::Asked && !asks {
                        0.55
                    } else {
                        1.0
                    };
                    found.add(
                        index,
                        kind,
                        at,
                        full * share * trust,
                        firm,
                        match_.pattern,
                        || name.to_owned(),
                    );
                }
                known = match_.fingerprints;
            }
            // A rented cloud is shared by makers, but in one home it may well tell its devices apart.
            NameMatch::Shared(shared) if shared.platform.is_none() => return,
            NameMatch::Shared(_) => {}
            NameMatch::Unknown => {}
        }
        let domain = domain(name);
        for index in self
            .domains
            .get(domain)
            .into_iter()
            .flatten()
            .filter(|index| !known.contains(index))
        {
            found.add(
                *index,
                ClueKind::Domain,
                at,
                5.0 * trust,
                true,
                domain,
                || name.to_owned(),
            );
        }
    }

    fn addresses(&self, flow: &FlowFacts, found: &mut Found) {
        let Some(port) = port_of(flow).filter(|port| port.number != 53) else {
            return;
        };
        let at = flow.span.start;
        let mut known: &[FingerprintIndex] = &[];
        if let Some((prefix, owners)) = self.catalog.by_address(flow.remote) {
            known = owners;
            let fits = |address: &&Address| {
                address.prefix.trunc() == prefix
                    && (address.ports.is_empty() || address.ports.contains(&port))
            };
            for &index in owners {
                let fingerprint = self.catalog.get(index);
                let Some(address) = fingerprint.and_then(|one| one.addresses.iter().find(fits))
                else {
                    continue;
                };
                let whole = prefix.prefix_len() == prefix.max_prefix_len();
                let nats = match (whole, prefix.prefix_len()) {
                    // Many devices keep time by the same few servers.
                    (true, _) if port == NTP => 6.0,
                    (true, _) => 6.0 - age(address, at),
                    (false, length) if length >= 24 => 2.0,
                    _ => 0.7,
                };
                // A server that goes by another name is a shared front, or has changed hands.
                let called = flow.called.iter().map(|(_, name)| name);
                let told = flow
                    .looked_up
                    .iter()
                    .filter(|told| told.first <= at)
                    .map(|told| &told.name);
                let names = || called.clone().chain(told.clone());
                let mine = |name: &str| matches!(self.catalog.by_name(name), NameMatch::Known(known) if known.fingerprints.contains(&index));
                let strange = names().next().is_some() && !names().any(|name| mine(name));
                let nats = if strange { nats.min(2.5) } else { nats };
                let kind = if whole {
                    ClueKind::Address
                } else {
                    ClueKind::Prefix
                };
                found.add(index, kind, at, nats, true, &prefix.to_string(), || {
                    format!("{}:{}", flow.remote, port.number)
                });
            }
        }
        for (length, nats) in [(24, 2.0), (16, 0.7)] {
            let network = network(flow.remote, length);
            let near = self
                .networks
                .get(&(network, length, port))
                .into_iter()
                .flatten();
            let mut any = false;
            for index in near.filter(|index| !known.contains(index)) {
                any = true;
                found.add(*index, ClueKind::Prefix, at, nats, true, "near", || {
                    format!("{network}/{length} {port}")
                });
            }
            if any {
                break;
            }
        }
    }
}

const NTP: Port = Port {
    udp: true,
    number: 123,
};

/// Whether a fingerprint was learned from one particular device.
pub fn is_learned(fingerprint: &Fingerprint) -> bool {
    !fingerprint.habits.is_empty()
}

/// What the looks of one flow say of one device.
fn looks(index: FingerprintIndex, habits: &Habits, flow: &FlowFacts, found: &mut Found) {
    if flow.shape.ttl == 0 {
        return;
    }
    if habits.has_ttl(flow.protocol, flow.shape.ttl) == Some(false) {
        return found.against(index, "ttl", -8.0);
    }
    let Some(port) = port_of(flow) else {
        return;
    };
    let like = |service: &Service| service.likeness(flow);
    let best = habits
        .services
        .iter()
        .enumerate()
        .filter_map(|(at, one)| like(one).map(|nats| (nats, at)));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((nats, at)) if nats > 0.0 => {
            let firm = nats > 1.0;
            let one = habits.services.get(at);
            let sizes = one.map(|one| {
                one.sent
                    .iter()
                    .take(3)
                    .map(u16::to_string)
                    .collect::<Vec<_>>()
                    .join("/")
            });
            let value = || {
                format!(
                    "{port} ttl {} sizes {}",
                    flow.shape.ttl,
                    sizes.unwrap_or_default()
                )
            };
            found.add(
                index,
                ClueKind::Looks,
                flow.span.start,
                nats,
                firm,
                &at.to_string(),
                value,
            );
        }
        Some((nats, _)) => found.against(index, "looks", nats),
        None if !port.udp
            && habits
                .timestamps()
                .is_some_and(|has| has != flow.shape.clock.is_some()) =>
        {
            found.against(index, "timestamps", -6.0);
        }
        None => {}
    }
    if let (false, Some(same)) = (port.udp, habits.has_syn(flow.shape.syn)) {
        if same {
            found.add(
                index,
                ClueKind::Stack,
                flow.span.start,
                1.5,
                false,
                "syn",
                || "SYN".to_owned(),
            );
        } else {
            found.against(index, "syn", -1.5);
        }
    }
}

/// Clues by fingerprint, kind and pattern: the same clue seen again counts once, at its strongest.
#[derive(Default)]
struct Found {
    clues: BTreeMap<(FingerprintIndex, ClueKind, String), Clue>,
    against: BTreeMap<(FingerprintIndex, &'static str), f64>,
}

impl Found {
    #[allow(clippy::too_many_arguments)] // one line a clue; a struct for it would only repeat Clue
    fn add(
        &mut self,
        index: FingerprintIndex,
        kind: ClueKind,
        at: Timestamp,
        nats: f64,
        firm: bool,
        pattern: &str,
        value: impl FnOnce() -> String,
    ) {
        if nats < 0.0 {
            return self.against(index, "pace", nats);
        }
        if nats == 0.0 {
            return;
        }
        let clue = self.clues.entry((index, kind, pattern.to_owned()));
        let clue = clue.or_insert_with(|| Clue {
            kind,
            value: value(),
            at,
            nats,
            firm,
        });
        clue.at = clue.at.min(at);
        clue.nats = clue.nats.max(nats);
        clue.firm |= firm;
    }

    fn against(&mut self, index: FingerprintIndex, what: &'static str, nats: f64) {
        let so_far = self.against.entry((index, what)).or_insert(0.0);
        *so_far = so_far.min(nats);
    }

    fn close(self) -> BTreeMap<FingerprintIndex, Suspicion> {
        let mut all: BTreeMap<FingerprintIndex, Suspicion> = BTreeMap::new();
        for ((index, ..), clue) in self.clues {
            let suspicion = all.entry(index).or_default();
            suspicion.clues.push(clue);
        }
        for ((index, _), nats) in self.against {
            all.entry(index).or_default().against += nats;
        }
        for suspicion in all.values_mut() {
            suspicion.clues.sort_by(|a, b| b.nats.total_cmp(&a.nats));
        }
        all
    }
}

/// What an address loses with its age: a third of its weight in four months.
fn age(address: &Address, at: Timestamp) -> f64 {
    let day = jiff::Timestamp::from_nanosecond(i128::from(at.0))
        .map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
    let days = day
        .ok()
        .and_then(|day| day.since(address.learned.0).ok())
        .map_or(0, |since| since.get_days().abs());
    (f64::from(days) / 60.0).min(2.0)
}

/// Time servers, also those no list has: their names say so, and asking one tells nothing.
pub fn is_time_server(name: &str) -> bool {
    name.split('.')
        .any(|label| label == "time" || label == "ntp" || label.starts_with("ntp"))
}

/// The domain somebody registered: the last two labels, three where the last two are a country's `co.uk`.
pub fn domain(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (last, second, third) = (dots.next(), dots.next(), dots.next());
    let (Some(last), Some(second)) = (last, second) else {
        return name;
    };
    let country = name.len() - last == 3 && last - second <= 4;
    let from = if country {
        third.map_or(0, |third| third + 1)
    } else {
        second + 1
    };
    name.get(from..).unwrap_or(name)
}

/// An IPv4 address's network; an IPv6 address's with four times... the whole address where the length does not fit.
fn network(address: IpAddr, length: u8) -> IpAddr {
    let length = if address.is_ipv4() {
        length
    } else {
        length * 2
    };
    ipnet::IpNet::new(address, length).map_or(address, |net| net.network())
}

fn networks_of(address: &Address) -> impl Iterator<Item = (IpAddr, u8)> {
    let whole = (address.prefix.prefix_len() == address.prefix.max_prefix_len())
        .then_some(address.prefix.addr());
    whole
        .into_iter()
        .flat_map(|at| [24, 16].map(|length| (network(at, length), length)))
}
