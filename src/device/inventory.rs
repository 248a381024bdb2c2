//! The devices of a home, whatever the vantage: who they are, why we say so, which flows and rates are theirs.
//!
//! At the LAN a device is a hardware address (or an address, where the link shows none), and names are evidence for what
//! it is. At the WAN all flows bear one address, and [`super::demux`] tells them apart first.

use super::catalog::Catalog;
use super::demux::{demultiplex, Attribution, Verdict};
use super::evidence::{Evidence, EvidenceKind};
use super::identify::identify;
use crate::flow::facts::facts;
use crate::flow::home::{is_group, Home, Side, Vantage};
use crate::flow::host::gather;
use crate::flow::key::{End, FlowKey};
use crate::flow::names::{NameKind, Sighting};
use crate::flow::observer::{Observed, Sights};
use crate::flow::table::Flow;
use crate::rate::{Cells, RateSeries};
use crate::units::{Mac, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Pieces of evidence shown of one device, the strongest first.
const SHOWN: usize = 16;
/// Server addresses of one device that are asked of the catalog; the first seen ones.
const SERVERS: usize = 512;

/// A fingerprint that a device may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The fingerprint's id.
    pub id: String,
    /// Vendor and product.
    pub name: String,
    /// How well the evidence supports it, 0 to 1.
    pub score: f64,
}

/// A sign that a device is what it is said to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Sign {
    /// What sort of sign.
    pub kind: String,
    /// The sign.
    pub value: String,
    /// When it was first seen.
    pub at: Timestamp,
}

/// A device, or what is taken for one.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name within the inventory: the fingerprint's, numbered where several devices share it; `unknown-1`, ...
    pub id: String,
    /// What it may be, the likeliest first; empty where it is unknown.
    pub candidates: Vec<Candidate>,
    /// What speaks for it, the strongest first; of an unknown device, what there is to know.
    pub evidence: Vec<Sign>,
    /// Its address at the LAN.
    pub address: Option<IpAddr>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Every address it used.
    pub addresses: Vec<IpAddr>,
    /// How many flows are its own.
    pub flows: u64,
    /// Bytes it sent.
    pub up: u64,
    /// Bytes sent to it.
    pub down: u64,
    /// Its rates.
    pub series: RateSeries,
}

/// All devices and all flows of a home.
#[derive(Debug)]
pub struct Inventory {
    /// The identified, the busiest first; then the unknown.
    pub devices: Vec<Device>,
    /// Of every observed flow, the home's end and whose it is, as a place in `devices`.
    pub owners: Vec<Owner>,
}

/// Whose a flow is.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The home's end.
    pub local: End,
    /// The device, as a place in [`Inventory::devices`].
    pub device: Option<usize>,
}

/// A device in the making; flows are places in the list it was drawn from.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it may be, the likeliest first; empty where it is unknown.
    pub candidates: Vec<Candidate>,
    /// What speaks for it, the strongest first; of an unknown device, what there is to know.
    pub evidence: Vec<Sign>,
    /// Its address at the LAN.
    pub address: Option<IpAddr>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Every address it used.
    pub addresses: Vec<IpAddr>,
    /// Flows whose rates are its own, with its end; those it shares with another device at home among them.
    pub rates: Vec<(usize, End)>,
    /// Flows that are listed as its own.
    pub own: Vec<usize>,
}

/// Takes the inventory of a home from what was observed.
///
/// The flows' rates move into their devices' series, lest a long capture's be held twice: the flows' own are empty then.
pub fn take(observed: &mut Observed, home: &Home, catalog: &Catalog) -> Inventory {
    let drafts = drafts(observed.sights(), home, catalog);
    finish(drafts, observed, home)
}

/// The devices that the sights tell of, in no order that lasts, without names and rates: what can be said at any time.
pub fn drafts(observed: Sights<'_>, home: &Home, catalog: &Catalog) -> Vec<Draft> {
    match home.vantage {
        Vantage::Lan => inside(observed, home, catalog),
        Vantage::Wan => outside(observed, home, catalog),
    }
}

/// What a host at the LAN is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostKey {
    Mac(Mac),
    Address(IpAddr),
}

fn inside(observed: Sights<'_>, home: &Home, catalog: &Catalog) -> Vec<Draft> {
    let cards = cards(observed.flows, home);
    let key_of = |key: &FlowKey, flow: &Flow, end: End| -> Option<HostKey> {
        let address = key.end(end).address;
        if is_group(address) || address.is_unspecified() {
            return None;
        }
        match flow.macs[end.index()].or_else(|| cards.get(&address).copied()) {
            // What comes from the router's card with an address of the home is the router's own, no device's.
            Some(mac) if home.is_router(mac) => None,
            Some(mac) if !mac.is_group() => Some(HostKey::Mac(mac)),
            _ => Some(HostKey::Address(address)),
        }
    };
    let mut hosts: BTreeMap<HostKey, Draft> = BTreeMap::new();
    for (at, (key, flow)) in observed.flows.iter().enumerate() {
        let (own, other) = match home.side(key, flow) {
            Side::One(end) => (end, None),
            // What never speaks is no device: the network's broadcast address, or one that is not there.
            Side::Both(end) => (
                end,
                Some(end.other()).filter(|end| flow.sent[end.index()].packets > 0),
            ),
            Side::Neither => continue,
        };
        for (end, is_own) in [(Some(own), true), (other, false)] {
            let Some((end, host)) = end.and_then(|end| Some((end, key_of(key, flow, end)?))) else {
                continue;
            };
            let address = key.end(end).address;
            let draft = hosts.entry(host).or_insert_with(|| Draft::new(host));
            if !draft.addresses.contains(&address) && draft.addresses.len() < SHOWN {
                draft.addresses.push(address);
            }
            draft.rates.push((at, end));
            if is_own {
                draft.own.push(at);
            }
        }
    }
    let mut drafts: Vec<Draft> = hosts.into_values().collect();
    for draft in &mut drafts {
        draft.recognise(observed, catalog);
    }
    drafts
}

/// Which card an address is on, from the flows that show it.
fn cards(flows: &[(FlowKey, Flow)], home: &Home) -> BTreeMap<IpAddr, Mac> {
    let mut cards = BTreeMap::new();
    for (key, flow) in flows {
        for end in [End::A, End::B] {
            if let Some(mac) =
                flow.macs[end.index()].filter(|mac| !mac.is_group() && !home.is_router(*mac))
            {
                cards.entry(key.end(end).address).or_insert(mac);
            }
        }
    }
    cards
}

impl Draft {
    fn new(host: HostKey) -> Self {
        let (mac, address) = match host {
            HostKey::Mac(mac) => (Some(mac), None),
            HostKey::Address(address) => (None, Some(address)),
        };
        Self {
            candidates: Vec::new(),
            evidence: Vec::new(),
            address,
            mac,
            addresses: Vec::new(),
            rates: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Says what a host at the LAN is, from its names, its card and its servers.
    fn recognise(&mut self, observed: Sights<'_>, catalog: &Catalog) {
        // Private IPv4 first: the address people know a device by.
        self.addresses
            .sort_by_key(|address| (address.is_ipv6(), *address));
        self.address = self.addresses.first().copied().or(self.address);
        let mut seen: BTreeMap<(EvidenceKind, String), Timestamp> = BTreeMap::new();
        let mut note = |kind, value: String, at: Timestamp| {
            let first = seen.entry((kind, value)).or_insert(at);
            *first = (*first).min(at);
        };
        let mut heard: Vec<&Sighting> = Vec::new();
        for address in &self.addresses {
            heard.extend(observed.names.of_host(*address));
        }
        heard.extend(self.mac.iter().flat_map(|mac| observed.names.of_mac(*mac)));
        for sighting in heard {
            if let Some(kind) = evidence_kind(sighting.kind) {
                note(kind, sighting.name.to_string(), sighting.at);
            }
        }
        let start = self
            .own
            .iter()
            .filter_map(|at| observed.flows.get(*at))
            .map(|(_, flow)| flow.span.start)
            .min()
            .unwrap_or(Timestamp(0));
        if let Some(mac) = self.mac.filter(|mac| !mac.is_local()) {
            note(EvidenceKind::Oui, mac.to_string(), start);
        }
        let mut servers = BTreeSet::new();
        for (at, end) in &self.rates {
            if let Some((key, flow)) = observed.flows.get(*at) {
                let far = key.end(end.other());
                if servers.len() < SERVERS && !is_group(far.address) && servers.insert(far.address)
                {
                    note(
                        EvidenceKind::Address,
                        far.address.to_string(),
                        flow.span.start,
                    );
                }
            }
        }
        let evidence: Vec<Evidence> = seen
            .into_iter()
            .map(|((kind, value), at)| Evidence { kind, value, at })
            .collect();
        let found = identify(catalog, &evidence);
        self.candidates = found
            .candidates
            .into_iter()
            .map(|candidate| Candidate {
                id: candidate.id,
                name: candidate.name,
                score: candidate.score,
            })
            .collect();
        // What a card or a server says of devices that the answer left out is no evidence for the answer.
        self.evidence = found
            .support
            .iter()
            .filter_map(|support| evidence.get(support.evidence))
            .take(SHOWN)
            .map(|evidence| Sign {
                kind: evidence.kind.to_string(),
                value: evidence.value.clone(),
                at: evidence.at,
            })
            .collect();
        if self.candidates.is_empty() {
            self.evidence = platform(found.platform, start)
                .into_iter()
                .chain(names_at_all(&evidence))
                .take(SHOWN)
                .collect();
        }
    }
}

fn platform(platform: Option<String>, at: Timestamp) -> Option<Sign> {
    platform.map(|value| Sign {
        kind: "platform".into(),
        value,
        at,
    })
}

/// What an unknown device asked for, in order of time: where its owner would begin to look.
fn names_at_all(evidence: &[Evidence]) -> Vec<Sign> {
    let mut names: Vec<&Evidence> = evidence
        .iter()
        .filter(|one| !matches!(one.kind, EvidenceKind::Address | EvidenceKind::Oui))
        .collect();
    names.sort_by(|a, b| (a.at, &a.value).cmp(&(b.at, &b.value)));
    names
        .into_iter()
        .map(|one| Sign {
            kind: one.kind.to_string(),
            value: one.value.clone(),
            at: one.at,
        })
        .collect()
}

/// How the catalog speaks of a name; aliases on the way to an address are the resolver's words, not the device's.
fn evidence_kind(kind: NameKind) -> Option<EvidenceKind> {
    Some(match kind {
        NameKind::Dns | NameKind::Llmnr => EvidenceKind::Dns,
        NameKind::DnsAlias => return None,
        NameKind::Sni => EvidenceKind::Sni,
        NameKind::Quic => EvidenceKind::Quic,
        NameKind::HttpHost => EvidenceKind::HttpHost,
        NameKind::Mdns => EvidenceKind::Mdns,
        NameKind::DhcpVendor => EvidenceKind::DhcpVendor,
        NameKind::DhcpHost => EvidenceKind::DhcpHost,
    })
}

fn outside(observed: Sights<'_>, home: &Home, catalog: &Catalog) -> Vec<Draft> {
    let facts = facts(observed.flows, home, observed.names);
    let hosts = gather(&facts, observed.tracks);
    let attributions = demultiplex(&facts, &hosts, catalog);
    attributions
        .into_iter()
        .map(|attribution| {
            let mut draft = Draft::new(HostKey::Address(IpAddr::from([0, 0, 0, 0])));
            draft.address = None;
            draft.own = attribution
                .flows
                .iter()
                .filter_map(|fact| facts.get(*fact))
                .map(|fact| fact.flow)
                .collect();
            draft.rates = draft
                .own
                .iter()
                .filter_map(|at| match observed.flows.get(*at) {
                    Some((key, flow)) => match home.side(key, flow) {
                        Side::One(end) => Some((*at, end)),
                        _ => None,
                    },
                    None => None,
                })
                .collect();
            draft.candidates = candidates(&attribution, catalog);
            draft.evidence = signs(&attribution, observed, &draft.own);
            draft
        })
        .collect()
}

/// The fingerprints of an attribution, the likeliest first.
fn candidates(attribution: &Attribution, catalog: &Catalog) -> Vec<Candidate> {
    let candidate = |(index, score): &(_, f64)| {
        let fingerprint = catalog.get(*index)?;
        Some(Candidate {
            id: fingerprint.id.clone(),
            name: fingerprint.name(),
            score: *score,
        })
    };
    attribution
        .candidates
        .iter()
        .filter_map(candidate)
        .collect()
}

fn signs(attribution: &Attribution, observed: Sights<'_>, own: &[usize]) -> Vec<Sign> {
    let start = own
        .iter()
        .filter_map(|at| observed.flows.get(*at))
        .map(|(_, flow)| flow.span.start)
        .min()
        .unwrap_or(Timestamp(0));
    match &attribution.verdict {
        Verdict::Unknown(common) => vec![Sign {
            kind: "common".into(),
            value: match own.len() {
                // The words tell one unknown host from another; a reader needs to know what ties its flows.
                2.. if common.starts_with("one host") => {
                    format!("{} flows on one packet counter", own.len())
                }
                _ => common.clone(),
            },
            at: start,
        }],
        _ => attribution
            .evidence
            .iter()
            .take(SHOWN)
            .map(|clue| Sign {
                kind: clue.kind.as_str().into(),
                value: clue.value.clone(),
                at: clue.at,
            })
            .collect(),
    }
}

/// Sums up, sorts and names.
fn finish(drafts: Vec<Draft>, observed: &mut Observed, home: &Home) -> Inventory {
    let mut owners: Vec<Owner> = observed
        .flows
        .iter()
        .map(|(key, flow)| Owner {
            local: match home.side(key, flow) {
                Side::One(end) | Side::Both(end) => end,
                Side::Neither => flow.local,
            },
            device: None,
        })
        .collect();
    let mut uses = vec![0u8; observed.flows.len()];
    for (at, _) in drafts.iter().flat_map(|draft| &draft.rates) {
        if let Some(uses) = uses.get_mut(*at) {
            *uses = uses.saturating_add(1);
        }
    }
    let mut devices: Vec<(Device, Vec<usize>)> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let flows = || {
            draft
                .rates
                .iter()
                .filter_map(|(at, end)| Some((&observed.flows.get(*at)?.1, *end)))
        };
        let sent =
            |by: fn(End) -> End| flows().map(move |(flow, end)| flow.sent[by(end).index()].bytes);
        let device = Device {
            id: String::new(),
            candidates: draft.candidates,
            evidence: draft.evidence,
            address: draft.address,
            mac: draft.mac,
            addresses: draft.addresses,
            flows: draft.own.len() as u64,
            up: sent(|end| end).sum(),
            down: sent(End::other).sum(),
            series: RateSeries::sum(
                observed.grid,
                flows().map(|(flow, end)| (&flow.cells, end == End::B)),
            ),
        };
        for (at, _) in &draft.rates {
            if let (Some(uses), Some((_, flow))) = (uses.get_mut(*at), observed.flows.get_mut(*at))
            {
                *uses = uses.saturating_sub(1);
                if *uses == 0 {
                    flow.cells = Cells::default();
                }
            }
        }
        devices.push((device, draft.own));
    }
    devices.sort_by(|(a, own_a), (b, own_b)| {
        let rank = |device: &Device, own: &[usize]| {
            (
                device.candidates.is_empty(),
                std::cmp::Reverse(device.up + device.down),
                own.first().copied(),
            )
        };
        rank(a, own_a).cmp(&rank(b, own_b))
    });
    let mut ids = Ids::default();
    let devices = devices
        .into_iter()
        .enumerate()
        .map(|(place, (mut device, own))| {
            device.id = ids.next(&device.candidates);
            for at in own {
                if let Some(owner) = owners.get_mut(at) {
                    owner.device = Some(place);
                }
            }
            device
        })
        .collect();
    Inventory { devices, owners }
}

/// Names devices, each differently.
#[derive(Debug, Default)]
pub struct Ids {
    given: BTreeMap<String, usize>,
}

impl Ids {
    /// A name that was not given before, after what the device may be.
    pub fn next(&mut self, candidates: &[Candidate]) -> String {
        let base = id_base(candidates);
        let number = self.given.entry(base.clone()).or_default();
        *number += 1;
        match *number {
            1 if base != UNKNOWN => base,
            number => format!("{base}-{number}"),
        }
    }
}

/// What a device is called of which nothing is known; it always bears a number.
const UNKNOWN: &str = "unknown";

/// What a device is called after what it may be, before it is told from others of the same name.
pub fn id_base(candidates: &[Candidate]) -> String {
    match candidates {
        [] => UNKNOWN.into(),
        [one] => one.id.clone(),
        [first, ..] => {
            let nearly: Vec<&str> = candidates
                .iter()
                .take_while(|candidate| candidate.score > first.score * 0.5)
                .map(|candidate| candidate.id.as_str())
                .collect();
            match nearly.as_slice() {
                [one] => (*one).to_string(),
                [one, two] => format!("{one}-or-{two}"),
                [one, .., _] => format!("{one}-or-{}-others", nearly.len() - 1),
                [] => first.id.clone(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: &str, score: f64) -> Candidate {
        Candidate {
            id: id.into(),
            name: id.into(),
            score,
        }
    }

    #[test]
    fn every_device_has_an_id_of_its_own() {
        let mut ids = Ids::default();
        assert_eq!(ids.next(&[candidate("wemo", 0.9)]), "wemo");
        assert_eq!(ids.next(&[candidate("wemo", 0.9)]), "wemo-2");
        assert_eq!(ids.next(&[]), "unknown-1");
        assert_eq!(ids.next(&[]), "unknown-2");
        assert_eq!(
            ids.next(&[candidate("cam-indoor", 0.5), candidate("cam-iq", 0.5)]),
            "cam-indoor-or-cam-iq"
        );
        assert_eq!(ids.next(&[candidate("a", 0.9), candidate("b", 0.1)]), "a");
    }
}
