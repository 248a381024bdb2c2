//! Which device it is, from all that was seen of it: a *set* of candidates, each with a score and the evidence for it.
//!
//! The paper (section 6.2, Table 2) names a device by one identifying DNS query. Real homes are less tidy: many devices ask
//! for the same names, products of one vendor share a cloud, and a telephone asks for every vendor's cloud. So evidence is
//! weighed in two steps:
//!
//! 1. **Vendor.** Each distinct rule that knows something seen speaks for its vendors with a strength (see [`strength`]),
//!    divided by the number of vendors that share the rule. Independent pieces combine as 1 - product(1 - strength). What
//!    speaks for *other* vendors, or for a person's own device, speaks against: the result is multiplied by the share of
//!    evidence that agrees, to the power 3/2, so that of two vendors that contradict each other neither is named. One
//!    unique name settles it; a telephone with three vendors' applications is none of them.
//! 2. **Product.** Within the vendor each rule is divided by the number of products that share it; the vendor's score is
//!    split in proportion to exp(mass) - 1, the odds that the evidence gives each product. Equal products stay equal, a
//!    unique name takes nearly all. The vendor-wide fingerprint stands for what no product's own names explain.
//!
//! Pure: no clock, no chance, and the same answer for any order of the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::catalog::{Catalog, FingerprintIndex, NameMatch, Rule};
use crate::units::Timestamp;

/// Below this a vendor is not named: the evidence speaks as much against it as for it (0.95 times 1/2 to the power 3/2).
pub const THRESHOLD: f64 = 0.35;

/// Hints speak against a vendor half as loud as they are: a thing may ask a search engine whether the world is there.
const HINT_AGAINST: f64 = 0.5;

/// Candidates with less than this part of the best one's score are left out.
const CUT: f64 = 0.1;

/// Evidence mass a person's own device shows by each messenger, social network or phone service it asks for.
const PERSONAL: f64 = 0.5;

/// Evidence mass of each domain nobody knows, and of all of them together at most: a thing knows few servers; dozens of
/// strange ones mean a person browses.
const STRANGE: f64 = 0.15;
const STRANGE_AT_MOST: f64 = 6.0;

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

/// A fingerprint that the evidence speaks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its place in the catalog.
    pub index: FingerprintIndex,
    /// Its id.
    pub id: String,
    /// Vendor and product.
    pub name: String,
    /// 0 to 1. The scores of one vendor's candidates add up to the trust in the vendor.
    pub score: f64,
}

/// What one piece of evidence said.
#[derive(Clone, Debug, PartialEq)]
pub struct Support {
    /// Its place in the evidence given.
    pub evidence: usize,
    /// How strongly it speaks, 0 to 1, before it is divided among those who share it.
    pub strength: f64,
    /// For whom.
    pub fingerprints: Vec<FingerprintIndex>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identification {
    /// Best first; several where the evidence fits several; none where it fits nobody.
    pub candidates: Vec<Candidate>,
    /// What spoke for anybody, strongest first.
    pub support: Vec<Support>,
    /// The rented cloud it talks to, where that is all that is known: "Tuya".
    pub platform: Option<String>,
}

impl Identification {
    /// The best candidate.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// The name a person reads: `Belkin WeMo Switch`; `Nest Cam {Indoor|IQ}` where two or three fit equally well; none where
    /// nothing fits.
    pub fn name(&self) -> Option<String> {
        let best = self.best()?;
        let equal: Vec<&str> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.score > best.score * 0.9)
            .map(|candidate| candidate.name.as_str())
            .collect();
        Some(match equal.as_slice() {
            [_] | [] => best.name.clone(),
            several => braces(several),
        })
    }
}

/// Weighs what was seen of one device against the catalog.
pub fn identify(catalog: &Catalog, evidence: &[Evidence]) -> Identification {
    let Seen {
        items,
        platform,
        personal,
        strange,
    } = read(catalog, evidence);
    let vendor_of =
        |index: &FingerprintIndex| catalog.get(*index).map_or("", |f| f.vendor.as_str());
    let vendors: Vec<BTreeSet<&str>> = items
        .iter()
        .map(|item| item.owners.iter().map(vendor_of).collect())
        .collect();
    let all: BTreeSet<&str> = vendors.iter().flatten().copied().collect();
    let against_all = personal * PERSONAL + (strange * STRANGE).min(STRANGE_AT_MOST);
    let mut candidates = Vec::new();
    for vendor in all {
        let (mut doubt, mut agree, mut conflict) = (1.0, 0.0, against_all);
        for (item, vendors) in items.iter().zip(&vendors) {
            if vendors.contains(vendor) {
                // Hints are names that everybody might ask for: beside strange servers they say less.
                let damped = if item.hint {
                    item.strength / (1.0 + 2.0 * strange)
                } else {
                    item.strength
                };
                doubt *= 1.0 - damped / vendors.len() as f64;
                agree += mass(item.strength);
            } else {
                conflict += mass(item.strength) * if item.hint { HINT_AGAINST } else { 1.0 };
            }
        }
        let agreement = if agree > 0.0 {
            agree / (agree + conflict)
        } else {
            0.0
        };
        let trust = (1.0 - doubt) * agreement.powf(1.5);
        if trust >= THRESHOLD {
            candidates.extend(split(catalog, &items, vendor, trust));
        }
    }
    // Of equal candidates the one more studies have met comes first: it is the commoner in homes.
    let met = |candidate: &Candidate| catalog.get(candidate.index).map_or(0, |f| f.sources.len());
    let rounded = |candidate: &Candidate| (candidate.score * 1e9).round();
    candidates.sort_by(|a, b| {
        rounded(b)
            .total_cmp(&rounded(a))
            .then_with(|| met(b).cmp(&met(a)))
            .then_with(|| a.index.cmp(&b.index))
    });
    let least = candidates.first().map_or(0.0, |best| best.score * CUT);
    candidates.retain(|candidate| candidate.score >= least);
    let mut support: Vec<Support> = items
        .into_iter()
        .flat_map(
            |Item {
                 owners,
                 strength,
                 from,
                 ..
             }| {
                from.into_iter().map(move |evidence| Support {
                    evidence,
                    strength,
                    fingerprints: owners.clone(),
                })
            },
        )
        .collect();
    support.sort_by(|a, b| {
        b.strength
            .total_cmp(&a.strength)
            .then_with(|| a.evidence.cmp(&b.evidence))
    });
    Identification {
        candidates,
        support,
        platform,
    }
}

/// How strongly a rule speaks, and why so: a whole name was seen from that very device in a study; a domain is the vendor's
/// but may serve its telephone application too; an address moves to another tenant of the cloud within weeks; a network card
/// names who built the card; a port is shared with thousands.
fn strength(rule: Rule) -> f64 {
    match rule {
        Rule::Exact => 0.95,
        Rule::Wildcard => 0.92,
        Rule::Suffix => 0.9,
        Rule::Hint => 0.25,
    }
}
const ADDRESS: f64 = 0.6;
const PREFIX: f64 = 0.25;
const CARD: f64 = 0.5;
const DHCP_VENDOR: f64 = 0.6;
const HOST_NAME: f64 = 0.8;
const PORT: f64 = 0.05;

/// What a strength adds to the balance: -ln(1 - strength), so that independent pieces add up.
fn mass(strength: f64) -> f64 {
    -(1.0 - strength.min(0.999)).ln()
}

/// A rule that knows something seen, and what it was: all the names under one pattern are one item.
struct Item {
    owners: Vec<FingerprintIndex>,
    strength: f64,
    hint: bool,
    from: Vec<usize>,
}

/// The evidence, sorted by what it is good for.
struct Seen {
    items: Vec<Item>,
    platform: Option<String>,
    /// Distinct domains that speak for a person's own device.
    personal: f64,
    /// Distinct domains nobody knows.
    strange: f64,
}

fn read(catalog: &Catalog, evidence: &[Evidence]) -> Seen {
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
                        let hint = known.rule == Rule::Hint;
                        add(
                            EvidenceKind::Dns,
                            known.pattern,
                            &known.fingerprints,
                            strength(known.rule),
                            hint,
                        );
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

/// Splits the trust in a vendor among its fingerprints.
fn split(catalog: &Catalog, items: &[Item], vendor: &str, trust: f64) -> Vec<Candidate> {
    let mut masses: BTreeMap<FingerprintIndex, f64> = BTreeMap::new();
    for item in items {
        let mine = item
            .owners
            .iter()
            .filter(|&&index| catalog.get(index).is_some_and(|f| f.vendor == vendor));
        let mine: Vec<_> = mine.collect();
        for &&index in &mine {
            *masses.entry(index).or_default() += mass(item.strength / mine.len() as f64);
        }
    }
    // exp would overflow; beyond this the loser's share is nothing anyway.
    let odds = |mass: f64| mass.min(50.0).exp_m1();
    let total: f64 = masses.values().map(|&mass| odds(mass)).sum();
    masses
        .into_iter()
        .filter_map(|(index, mass)| {
            let fingerprint = catalog.get(index)?;
            let score = trust * odds(mass) / total;
            Some(Candidate {
                index,
                id: fingerprint.id.clone(),
                name: fingerprint.name(),
                score,
            })
        })
        .collect()
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

/// `Nest Cam {Indoor|IQ}` from what several names have in common word by word; four or more are counted, not listed.
fn braces(names: &[&str]) -> String {
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split(' ').collect()).collect();
    let shortest = words.iter().map(Vec::len).min().unwrap_or(0);
    let same = |at: &usize| {
        words
            .iter()
            .all(|w| w.get(*at) == words.first().and_then(|first| first.get(*at)))
    };
    let common = (0..shortest).take_while(same).count();
    let head = words.first().map(|first| {
        first
            .iter()
            .take(common)
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    });
    let head = head.unwrap_or_default();
    let rests: Vec<String> = words
        .iter()
        .map(|w| w.iter().skip(common).copied().collect::<Vec<_>>().join(" "))
        .collect();
    let body = if rests.len() > 3 {
        format!("{} products", rests.len())
    } else {
        rests.join("|")
    };
    if head.is_empty() {
        format!("{{{body}}}")
    } else {
        format!("{head} {{{body}}}")
    }
}
