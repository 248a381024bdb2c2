//! Which product of the catalog a host behind NAT may be, where it is none of the home's own devices; and what an unknown
//! host's flows have in common.

use super::catalog::{Catalog, FingerprintIndex};
use super::evidence::{Evidence, EvidenceKind};
use super::fingerprint::Fingerprint;
use super::habits::port_of;
use super::identify::identify;
use super::suspicion::{domain, Clue, ClueKind, Suspicion};
use crate::flow::facts::FlowFacts;
use crate::flow::host::Host;
use crate::flow::names::NameKind;
use crate::units::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Services so common that a host seen only there is not worth being called a device.
const EVERYBODYS: [u16; 4] = [53, 123, 5353, 67];
/// Pieces of evidence of one host that are held against the catalog.
pub(super) const EVIDENCE_AT_MOST: usize = 256;
/// Products whose scores are this near the best one's explain a host as well.
const AS_GOOD: f64 = 0.9;

/// With this much against it, in nats, a device of the home's own is not taken for the product it is.
const KIN_AGAINST: f64 = -4.0;

/// What a group of flows was found to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// One fingerprint.
    Settled(FingerprintIndex),
    /// Any of these, in catalog order.
    Ambiguous(Vec<FingerprintIndex>),
    /// No fingerprint knows it; what its flows have in common, in words.
    Unknown(String),
}

/// A host with everything that is suspected of it.
pub(super) struct Case<'a> {
    pub(super) at: usize,
    pub(super) host: &'a Host,
    pub(super) suspects: BTreeMap<FingerprintIndex, Suspicion>,
}

impl Case<'_> {
    pub(super) fn score(&self, index: FingerprintIndex) -> f64 {
        self.suspects.get(&index).map_or(0.0, Suspicion::score)
    }

    pub(super) fn firm(&self, index: FingerprintIndex) -> f64 {
        self.suspects.get(&index).map_or(0.0, Suspicion::firm)
    }

    /// Share of the odds among all suspects and nobody.
    pub(super) fn belief(&self, index: FingerprintIndex) -> f64 {
        let mine = self.score(index);
        let others = self.suspects.values().map(|one| (one.score() - mine).exp());
        1.0 / (others.sum::<f64>() + (-mine).exp())
    }
}

/// What was found about one host.
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) candidates: Vec<(FingerprintIndex, f64)>,
    pub(super) evidence: Vec<Clue>,
}

/// A device of the home's own and the products of the catalog that its names and its network card speak for.
pub(super) struct Kin {
    learned: FingerprintIndex,
    place: FingerprintIndex,
    products: Vec<FingerprintIndex>,
}

/// Which products the home's own devices are.
pub(super) fn kin(learned: &Catalog, products: &Catalog, catalog: &Catalog) -> Vec<Kin> {
    let kin_of = |(index, one): (FingerprintIndex, &Fingerprint)| {
        let names = one
            .names
            .exact
            .iter()
            .chain(&one.names.wildcard)
            .chain(&one.names.hint);
        let piece = |kind, value| Evidence {
            kind,
            value,
            at: Timestamp(0),
        };
        let mut seen: Vec<Evidence> = names
            .map(|name| piece(EvidenceKind::Dns, name.replace('*', "x")))
            .collect();
        seen.extend(
            one.mac
                .oui
                .iter()
                .map(|oui| piece(EvidenceKind::Oui, oui.to_string())),
        );
        let found = identify(products, &seen);
        let best = found.best()?.score;
        let as_good = found
            .candidates
            .iter()
            .filter(|one| one.score >= best * AS_GOOD);
        Some(Kin {
            learned: index,
            place: catalog.place(&one.id)?,
            products: as_good.filter_map(|one| catalog.place(&one.id)).collect(),
        })
    };
    learned.indexed().filter_map(kin_of).collect()
}

impl Finding {
    /// A product that one of the home's own devices is, is that device: it may have used a name it was not learned with.
    pub(super) fn of_kin(
        mut self,
        case: &Case<'_>,
        kin: &[Kin],
        cases: &[Case<'_>],
        settled: &[Option<FingerprintIndex>],
    ) -> Self {
        let set: Vec<FingerprintIndex> = self.candidates.iter().map(|(index, _)| *index).collect();
        let is = |one: &&Kin| set.iter().all(|index| one.products.contains(index));
        let mut able = kin.iter().filter(is);
        let (Some(only), None) = (able.next(), able.next()) else {
            return self;
        };
        let against = case
            .suspects
            .get(&only.learned)
            .map_or(0.0, |one| one.against);
        let elsewhere = cases
            .iter()
            .zip(settled)
            .any(|(other, is)| *is == Some(only.learned) && other.host.differs_from(case.host));
        if against > KIN_AGAINST && !elsewhere {
            let belief = self
                .candidates
                .iter()
                .map(|(_, belief)| *belief)
                .fold(0.0, f64::max);
            self.verdict = Verdict::Settled(only.place);
            self.candidates = vec![(only.place, belief)];
        }
        self
    }
}

/// What product of the catalog a host may be.
pub(super) fn product(
    case: &Case<'_>,
    flows: &[FlowFacts],
    products: &Catalog,
    catalog: &Catalog,
) -> Option<Finding> {
    let seen = evidence(case, flows);
    let kinds: Vec<ClueKind> = seen.iter().map(|(kind, _)| *kind).collect();
    let seen: Vec<Evidence> = seen.into_iter().map(|(_, one)| one).collect();
    let found = identify(products, &seen);
    let best = found.best()?.score;
    let places = found
        .candidates
        .iter()
        .filter(|one| one.score >= best * AS_GOOD);
    let candidates: Vec<(FingerprintIndex, f64)> = places
        .filter_map(|one| Some((catalog.place(&one.id)?, one.score)))
        .collect();
    let mut set: Vec<FingerprintIndex> = candidates.iter().map(|(index, _)| *index).collect();
    set.sort_unstable();
    let clues = found.support.iter().filter_map(|support| {
        let (kind, one) = (kinds.get(support.evidence)?, seen.get(support.evidence)?);
        Some(Clue {
            kind: *kind,
            value: one.value.clone(),
            at: one.at,
            // As odds: a strength of 0.95 is 19 to 1.
            nats: -(1.0 - support.strength).max(1e-3).ln(),
            firm: true,
        })
    });
    Some(Finding {
        verdict: match set.as_slice() {
            [] => return None,
            [only] => Verdict::Settled(*only),
            _ => Verdict::Ambiguous(set),
        },
        candidates,
        evidence: clues.collect(),
    })
}

/// What was seen of a host that products are known by: names, else servers; each once.
fn evidence(case: &Case<'_>, flows: &[FlowFacts]) -> Vec<(ClueKind, Evidence)> {
    let mut seen: BTreeMap<(ClueKind, String), Timestamp> = BTreeMap::new();
    let mut note = |kind: ClueKind, value: String, at: Timestamp| {
        if seen.len() < EVIDENCE_AT_MOST || seen.contains_key(&(kind, value.clone())) {
            let first = seen.entry((kind, value)).or_insert(at);
            *first = (*first).min(at);
        }
    };
    for flow in case.host.flows.iter().filter_map(|&at| flows.get(at)) {
        let at = flow.span.start;
        for name in &flow.asked {
            note(ClueKind::Asked, name.to_string(), at);
        }
        for (kind, name) in &flow.called {
            note(ClueKind::Called(*kind), name.to_string(), at);
        }
        if flow.called.is_empty() {
            // Also those looked up later: a connection older than the capture is looked up anew sooner or later.
            for told in &flow.looked_up {
                note(ClueKind::LookedUp, told.name.to_string(), told.first);
            }
        }
        if let Some(port) = port_of(flow).filter(|port| !EVERYBODYS.contains(&port.number)) {
            note(ClueKind::Address, flow.remote.to_string(), at);
            note(ClueKind::Port, port.to_string(), at);
        }
    }
    let known_as = |kind| match kind {
        ClueKind::Called(NameKind::Sni) => EvidenceKind::Sni,
        ClueKind::Called(NameKind::Quic) => EvidenceKind::Quic,
        ClueKind::Called(NameKind::HttpHost) => EvidenceKind::HttpHost,
        ClueKind::Address => EvidenceKind::Address,
        ClueKind::Port => EvidenceKind::Port,
        _ => EvidenceKind::Dns,
    };
    seen.into_iter()
        .map(|((kind, value), at)| {
            (
                kind,
                Evidence {
                    kind: known_as(kind),
                    value,
                    at,
                },
            )
        })
        .collect()
}

/// A host no fingerprint knows, by what its flows have in common; `None` for one seen only at services that everybody
/// uses, or whose packets all came from outside.
pub(super) fn unknown(case: &Case<'_>, flows: &[FlowFacts]) -> Option<Finding> {
    let worth = |flow: &&FlowFacts| {
        let port = port_of(flow);
        flow.shape.ttl != 0 && port.is_some_and(|port| !EVERYBODYS.contains(&port.number))
    };
    let own: Vec<&FlowFacts> = case
        .host
        .flows
        .iter()
        .filter_map(|&at| flows.get(at))
        .filter(worth)
        .collect();
    let first = own.first()?;
    let called = own
        .iter()
        .flat_map(|flow| flow.called.iter().map(|(_, name)| name));
    let told = own
        .iter()
        .flat_map(|flow| flow.looked_up.iter().map(|told| &told.name));
    let common = if case.host.flows.len() > 1 && case.host.counts() {
        format!("one host, number {}", case.at + 1)
    } else if let Some(name) = called.chain(told).next() {
        domain(name).to_owned()
    } else {
        match first.remote {
            IpAddr::V4(at) => {
                let [a, b, c, _] = at.octets();
                format!("{a}.{b}.{c}.0/24 port {}", first.remote_port)
            }
            IpAddr::V6(at) => {
                let [a, b, c, ..] = at.segments();
                format!("{a:x}:{b:x}:{c:x}::/48 port {}", first.remote_port)
            }
        }
    };
    Some(Finding {
        verdict: Verdict::Unknown(common),
        candidates: Vec::new(),
        evidence: Vec::new(),
    })
}
