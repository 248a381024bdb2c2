//! What was seen of a device, and how strongly each piece of it speaks for a fingerprint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::catalog::{Catalog, FingerprintIndex, NameMatch, Rule};
use crate::units::Timestamp;

/// The kinds of things seen of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// A name it asked a resolver for.
    Dns,
    /// The server name of a TLS handshake.
    Sni,
    /// The server name of a QUIC handshake.
    Quic,
    /// The Host header of an HTTP request.
    HttpHost,
    /// A name it gives itself on the local network.
    Mdns,
    /// The vendor class of its DHCP requests.
    DhcpVendor,
    /// The host name of its DHCP requests.
    DhcpHost,
    /// The maker of its network card, `ec:1a:59` or the whole address.
    Oui,
    /// A server's address.
    Address,
    /// A server's address, of which only the network is known.
    Prefix,
    /// A port, `tcp/8883`.
    Port,
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dns => "dns",
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::HttpHost => "http_host",
            Self::Mdns => "mdns",
            Self::DhcpVendor => "dhcp_vendor",
            Self::DhcpHost => "dhcp_host",
            Self::Oui => "oui",
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Port => "port",
        })
    }
}

/// One thing seen of a device. The value is what the wire said, hostile bytes and all: escape it when printing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// What sort of thing.
    pub kind: EvidenceKind,
    /// The thing.
    pub value: String,
    /// When it was first seen.
    pub at: Timestamp,
}

/// How strongly a rule speaks, and why so: a whole name was seen from that very device in a study; a domain is the vendor's
/// but may serve its telephone application too; an address moves to another tenant of the cloud within weeks; a network card
/// names who built the card; a port is shared with thousands. Of hints it takes three to say anything.
fn strength(rule: Rule) -> f64 {
    match rule {
        Rule::Exact => 0.95,
        Rule::Wildcard => 0.92,
        Rule::Suffix => 0.9,
        Rule::Hint => 0.17,
    }
}
const PAGE: f64 = 0.5;
const ADDRESS: f64 = 0.6;
const PREFIX: f64 = 0.25;
const CARD: f64 = 0.5;
const DHCP_VENDOR: f64 = 0.6;
const HOST_NAME: f64 = 0.8;
const PORT: f64 = 0.05;

/// A rule that knows something seen, and what it was: all the names under one pattern are one item.
pub(super) struct Item {
    /// Whose rule it is.
    pub(super) owners: Vec<FingerprintIndex>,
    /// How strongly it speaks.
    pub(super) strength: f64,
    /// Whether it only hints.
    pub(super) hint: bool,
    /// Places in the evidence.
    pub(super) from: Vec<usize>,
}

/// The evidence, sorted by what it is good for.
pub(super) struct Seen {
    pub(super) items: Vec<Item>,
    /// The rented cloud it talks to.
    pub(super) platform: Option<String>,
    /// Distinct domains that speak for a person's own device.
    pub(super) personal: f64,
    /// Distinct domains nobody knows.
    pub(super) strange: f64,
}

pub(super) fn read(catalog: &Catalog, evidence: &[Evidence]) -> Seen {
    let mut items: BTreeMap<(EvidenceKind, String), Item> = BTreeMap::new();
    let mut platforms: BTreeSet<&str> = BTreeSet::new();
    let (mut personal, mut strange) = (BTreeSet::new(), BTreeSet::new());
    for (at, seen) in evidence.iter().enumerate() {
        let mut add = |kind, key: &str, owners: &[FingerprintIndex], strength, hint| {
            if !owners.is_empty() {
                let owners = products_first(catalog, owners);
                let new = || Item {
                    owners,
                    strength,
                    hint,
                    from: Vec::new(),
                };
                items
                    .entry((kind, key.to_owned()))
                    .or_insert_with(new)
                    .from
                    .push(at);
            }
        };
        let value = seen.value.as_str();
        // Some put an address where a name belongs: take it for the address it is.
        let kind = if is_name(seen.kind) && value.parse::<IpAddr>().is_ok() {
            EvidenceKind::Address
        } else {
            seen.kind
        };
        match kind {
            EvidenceKind::Dns | EvidenceKind::Sni | EvidenceKind::Quic | EvidenceKind::HttpHost => {
                match catalog.by_name(value) {
                    NameMatch::Known(known) => {
                        let page = known.rule == Rule::Suffix && is_page(value);
                        let key = if page { value } else { known.pattern };
                        let strength = if page { PAGE } else { strength(known.rule) };
                        let hint = known.rule == Rule::Hint;
                        add(EvidenceKind::Dns, key, &known.fingerprints, strength, hint);
                    }
                    NameMatch::Shared(shared) => {
                        platforms.extend(shared.platform.as_deref());
                        if shared.personal {
                            personal.insert(domain(value));
                        }
                    }
                    NameMatch::Unknown if value.contains('.') => {
                        strange.insert(domain(value));
                    }
                    NameMatch::Unknown => {}
                }
            }
            EvidenceKind::Mdns | EvidenceKind::DhcpHost => {
                let host = value.strip_suffix(".local").unwrap_or(value);
                add(
                    EvidenceKind::DhcpHost,
                    host,
                    &catalog.by_host_name(host),
                    HOST_NAME,
                    false,
                );
            }
            EvidenceKind::DhcpVendor => add(
                kind,
                value,
                &catalog.by_vendor_class(value),
                DHCP_VENDOR,
                false,
            ),
            EvidenceKind::Oui => {
                if let Some(mac) = mac(value) {
                    add(kind, value, catalog.by_mac(mac), CARD, false);
                }
            }
            EvidenceKind::Address | EvidenceKind::Prefix => {
                let address = value.split('/').next().and_then(|text| text.parse().ok());
                if let Some((prefix, owners)) =
                    address.and_then(|address| catalog.by_address(address))
                {
                    let whole = prefix.prefix_len() == prefix.max_prefix_len()
                        && kind == EvidenceKind::Address;
                    let strength = if whole { ADDRESS } else { PREFIX };
                    add(
                        EvidenceKind::Address,
                        &prefix.to_string(),
                        owners,
                        strength,
                        false,
                    );
                }
            }
            EvidenceKind::Port => {
                if let Ok(port) = value.parse() {
                    add(kind, value, catalog.by_port(port), PORT, true);
                }
            }
        }
    }
    Seen {
        items: items.into_values().collect(),
        platform: platforms.into_iter().next().map(str::to_owned),
        personal: personal.len() as f64,
        strange: strange.len() as f64,
    }
}

/// Whether a name under a vendor's domain is of its web pages, which people read and few things do.
fn is_page(name: &str) -> bool {
    const PAGES: [&str; 9] = [
        "www",
        "shop",
        "store",
        "support",
        "help",
        "forum",
        "community",
        "blog",
        "news",
    ];
    let first = name.split('.').next().unwrap_or_default();
    PAGES.iter().any(|page| first.eq_ignore_ascii_case(page))
}

fn is_name(kind: EvidenceKind) -> bool {
    matches!(
        kind,
        EvidenceKind::Dns | EvidenceKind::Sni | EvidenceKind::Quic | EvidenceKind::HttpHost
    )
}

/// Owners without the vendor-wide fingerprints of vendors whose own products own the rule too.
fn products_first(catalog: &Catalog, owners: &[FingerprintIndex]) -> Vec<FingerprintIndex> {
    let found: Vec<_> = owners
        .iter()
        .filter_map(|&index| Some((index, catalog.get(index)?)))
        .collect();
    let product_of = |vendor: &str| {
        found
            .iter()
            .any(|(_, f)| f.vendor == vendor && !f.is_vendor_wide())
    };
    let kept = found
        .iter()
        .filter(|(_, f)| !f.is_vendor_wide() || !product_of(&f.vendor));
    kept.map(|&(index, _)| index).collect()
}

/// The domain a name lies in: its last two labels, three under the likes of `co.uk`. Good enough to count by.
fn domain(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = name.rsplit('.').take(3).collect();
    let take = match labels.as_slice() {
        [top, second, ..] if top.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let mut kept: Vec<&str> = labels.into_iter().take(take).collect();
    kept.reverse();
    kept.join(".")
}

/// A hardware address from its text; the maker's half alone will do.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut pairs = 0;
    for (byte, pair) in mac.iter_mut().zip(text.split([':', '-'])) {
        *byte = u8::from_str_radix(pair, 16).ok()?;
        pairs += 1;
    }
    (pairs >= 3).then_some(mac)
}
