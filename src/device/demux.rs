//! Whose flow is it: every flow behind one public address goes to a device, or to nobody.
//!
//! Flows of one host go together ([`crate::flow::host`]). First the devices the home's own fingerprints were learned from
//! are looked for: a host goes to the one that explains it clearly better than any other ([`super::suspicion`]), the surest
//! host first. Such a fingerprint stands for one device: two hosts that were certainly there at the same time cannot both
//! be it, so the twin of a device that has been found can only be the other. What is left is held against the products of
//! the catalog ([`super::identify`]). Where nothing stands out the answer is a set of candidates, or nothing: a wrong answer
//! costs more than a missing one.

use super::catalog::{Catalog, FingerprintIndex};
use super::evidence::{Evidence, EvidenceKind};
use super::habits::port_of;
use super::identify::identify;
use super::suspicion::{domain, is_learned, Clue, ClueKind, Dossier, Suspicion, ENOUGH};
use crate::flow::facts::FlowFacts;
use crate::flow::host::Host;
use crate::flow::names::NameKind;
use crate::units::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many nats the best fingerprint must be ahead of the next to be the answer (20 to 1).
pub const MARGIN: f64 = 3.0;
/// Services so common that a host seen only there is not worth being called a device.
const EVERYBODYS: [u16; 4] = [53, 123, 5353, 67];
/// Pieces of evidence of one host that are held against the catalog.
const EVIDENCE_AT_MOST: usize = 256;
/// Products whose scores are this near the best one's explain a host as well.
const AS_GOOD: f64 = 0.9;

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

/// Flows that belong to one device.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// What it is.
    pub verdict: Verdict,
    /// Indices of its hosts.
    pub hosts: Vec<usize>,
    /// Indices of its flows, rising.
    pub flows: Vec<usize>,
    /// Candidates, best first, with how far each is believed, 0 to 1.
    pub candidates: Vec<(FingerprintIndex, f64)>,
    /// What speaks for the best candidate, strongest first.
    pub evidence: Vec<Clue>,
}

/// A host with everything that is suspected of it.
struct Case<'a> {
    at: usize,
    host: &'a Host,
    suspects: BTreeMap<FingerprintIndex, Suspicion>,
}

impl Case<'_> {
    fn score(&self, index: FingerprintIndex) -> f64 {
        self.suspects.get(&index).map_or(0.0, Suspicion::score)
    }

    fn firm(&self, index: FingerprintIndex) -> f64 {
        self.suspects.get(&index).map_or(0.0, Suspicion::firm)
    }

    /// Share of the odds among all suspects and nobody.
    fn belief(&self, index: FingerprintIndex) -> f64 {
        let mine = self.score(index);
        let others = self.suspects.values().map(|one| (one.score() - mine).exp());
        1.0 / (others.sum::<f64>() + (-mine).exp())
    }
}

/// What was found about one host.
struct Finding {
    verdict: Verdict,
    candidates: Vec<(FingerprintIndex, f64)>,
    evidence: Vec<Clue>,
}

/// Gives every flow to a device, or to none: flows in no attribution are unassigned.
///
/// `hosts` are those of [`crate::flow::host::gather`] over the same flows. Attributions are in order of their first flow.
pub fn demultiplex(flows: &[FlowFacts], hosts: &[Host], catalog: &Catalog) -> Vec<Attribution> {
    let learned = catalog.subset(is_learned);
    let products = catalog.subset(|one| !is_learned(one));
    let dossier = Dossier::new(&learned);
    let cases: Vec<Case<'_>> = hosts
        .iter()
        .enumerate()
        .map(|(at, host)| Case {
            at,
            host,
            suspects: dossier.suspect(host, flows),
        })
        .collect();
    let settled = settle(&cases);
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let mut ambiguous: Vec<(usize, Finding)> = Vec::new();
    for (case, index) in cases.iter().zip(&settled) {
        match index {
            Some(index) => findings
                .extend(own_device(case, *index, &learned, catalog).map(|one| (case.at, one))),
            // Devices of the home's own that cannot be told apart: saying either would be a guess.
            None if in_doubt(case, &cases, &settled) => {}
            None => match product(case, flows, &products, catalog) {
                Some(one) if matches!(one.verdict, Verdict::Ambiguous(_)) => {
                    ambiguous.push((case.at, one))
                }
                Some(one) => findings.push((case.at, one)),
                None => findings.extend(unknown(case, flows).map(|one| (case.at, one))),
            },
        }
    }
    for (at, mut one) in ambiguous {
        // Of several products, one that is already known to be in the home is the simplest explanation.
        let at_home = |index: &FingerprintIndex| {
            findings
                .iter()
                .any(|(_, known)| known.verdict == Verdict::Settled(*index))
        };
        if let Verdict::Ambiguous(set) = &one.verdict {
            if let &[only] = set
                .iter()
                .copied()
                .filter(at_home)
                .collect::<Vec<_>>()
                .as_slice()
            {
                one.candidates.retain(|(index, _)| *index == only);
                one.verdict = Verdict::Settled(only);
            }
        }
        findings.push((at, one));
    }
    group(findings, hosts)
}

/// Decides the hosts one learned fingerprint clearly explains, the surest first.
fn settle(cases: &[Case<'_>]) -> Vec<Option<FingerprintIndex>> {
    let mut settled: Vec<Option<FingerprintIndex>> = vec![None; cases.len()];
    let suspected = |case: &&Case<'_>| case.suspects.values().any(|one| one.firm() >= ENOUGH);
    // Only hosts that count their packets can be told to be different, so only among these does one decision bear on
    // another; there are few of them, and the many others are decided each by itself.
    let (mut open, free): (Vec<usize>, Vec<usize>) = cases
        .iter()
        .filter(suspected)
        .map(|case| case.at)
        .partition(|&at| cases.get(at).is_some_and(|case| case.host.counts()));
    let decide = |open: &[usize], which: &[usize], settled: &[Option<FingerprintIndex>]| {
        let sure = which.iter().filter_map(|&at| {
            let (ahead, index) = lead(cases.get(at)?, cases, open, settled)?;
            (ahead >= MARGIN).then_some((ahead, at, index))
        });
        sure.collect::<Vec<_>>()
    };
    for (_, at, index) in decide(&[], &free, &settled) {
        if let Some(slot) = settled.get_mut(at) {
            *slot = Some(index);
        }
    }
    loop {
        let sure = decide(&open, &open, &settled);
        let surest = sure
            .iter()
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some(&(_, at, index)) = surest else {
            return settled;
        };
        if let Some(slot) = settled.get_mut(at) {
            *slot = Some(index);
        }
        open.retain(|one| *one != at);
    }
}

/// The best fingerprint for a host and how far it is ahead: of the next for this host, and of what the same choice would be
/// worth to a rival host that cannot be the same device.
fn lead(
    case: &Case<'_>,
    cases: &[Case<'_>],
    open: &[usize],
    settled: &[Option<FingerprintIndex>],
) -> Option<(f64, FingerprintIndex)> {
    let ranked = ranked(case, cases, settled);
    let &(best, first) = ranked.first()?;
    if case.firm(first) < ENOUGH {
        return None;
    }
    let second = ranked.get(1).map(|&(_, index)| index);
    let ahead_for = |case: &Case<'_>| {
        let other = second.map_or(0.0, |index| case.score(index)).max(0.0);
        case.score(first) - other
    };
    let mut ahead = ahead_for(case).min(best);
    let rivals = open
        .iter()
        .filter(|&&at| at != case.at)
        .filter_map(|&at| cases.get(at));
    for rival in rivals.filter(|rival| rival.host.differs_from(case.host)) {
        let its_best = rival
            .suspects
            .values()
            .map(Suspicion::score)
            .fold(f64::MIN, f64::max);
        if rival.firm(first) >= ENOUGH && rival.score(first) >= its_best - 1e-9 {
            ahead = ahead.min(ahead_for(case) - ahead_for(rival));
        }
    }
    Some((ahead, first))
}

/// A host's suspects by score, best first, without those that certainly are another host.
fn ranked(
    case: &Case<'_>,
    cases: &[Case<'_>],
    settled: &[Option<FingerprintIndex>],
) -> Vec<(f64, FingerprintIndex)> {
    let taken = |index: FingerprintIndex| {
        case.host.counts()
            && cases
                .iter()
                .zip(settled)
                .any(|(other, is)| *is == Some(index) && other.host.differs_from(case.host))
    };
    let mut ranked: Vec<(f64, FingerprintIndex)> = case
        .suspects
        .iter()
        .map(|(index, one)| (one.score(), *index))
        .filter(|(_, index)| !taken(*index))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked
}

/// Whether an undecided host may well be one of the home's own devices.
fn in_doubt(case: &Case<'_>, cases: &[Case<'_>], settled: &[Option<FingerprintIndex>]) -> bool {
    let ranked = ranked(case, cases, settled);
    ranked
        .first()
        .is_some_and(|(_, first)| case.firm(*first) >= ENOUGH)
}

/// One of the home's own devices.
fn own_device(
    case: &Case<'_>,
    index: FingerprintIndex,
    learned: &Catalog,
    catalog: &Catalog,
) -> Option<Finding> {
    let place = catalog.place(&learned.get(index)?.id)?;
    Some(Finding {
        verdict: Verdict::Settled(place),
        candidates: vec![(place, case.belief(index))],
        evidence: case
            .suspects
            .get(&index)
            .map(|one| one.clues.clone())
            .unwrap_or_default(),
    })
}

/// What product of the catalog a host may be.
fn product(
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
            for told in flow.looked_up.iter().filter(|told| told.first <= at) {
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
fn unknown(case: &Case<'_>, flows: &[FlowFacts]) -> Option<Finding> {
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

/// Gathers hosts of one verdict into devices; hosts that certainly differ are several devices of that kind.
fn group(mut findings: Vec<(usize, Finding)>, hosts: &[Host]) -> Vec<Attribution> {
    findings.sort_by_key(|(at, _)| *at);
    let mut of_verdict: BTreeMap<Verdict, Vec<usize>> = BTreeMap::new();
    let mut all: Vec<Attribution> = Vec::new();
    for (at, finding) in findings {
        let Some(host) = hosts.get(at) else {
            continue;
        };
        let apart = |other: &usize| {
            hosts
                .get(*other)
                .is_some_and(|other| other.differs_from(host))
        };
        let known = of_verdict.entry(finding.verdict.clone()).or_default();
        let same = known.iter().copied().find(|&device| {
            all.get(device)
                .is_some_and(|one| !host.counts() || !one.hosts.iter().any(apart))
        });
        match same.and_then(|device| all.get_mut(device)) {
            Some(device) => device.join(at, host, finding),
            None => {
                known.push(all.len());
                all.push(Attribution {
                    verdict: finding.verdict,
                    hosts: vec![at],
                    flows: host.flows.clone(),
                    candidates: finding.candidates,
                    evidence: finding.evidence,
                });
            }
        }
    }
    for one in &mut all {
        one.flows.sort_unstable();
        one.candidates
            .sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        one.evidence
            .sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.at.cmp(&b.at)));
    }
    all.sort_by_key(|one| one.flows.first().copied());
    all
}

impl Attribution {
    fn join(&mut self, at: usize, host: &Host, finding: Finding) {
        self.hosts.push(at);
        self.flows.extend(&host.flows);
        for (index, belief) in finding.candidates {
            match self
                .candidates
                .iter_mut()
                .find(|(known, _)| *known == index)
            {
                Some((_, known)) => *known = known.max(belief),
                None => self.candidates.push((index, belief)),
            }
        }
        for clue in finding.evidence {
            let same = |one: &&mut Clue| one.kind == clue.kind && one.value == clue.value;
            if let Some(known) = self.evidence.iter_mut().find(same) {
                known.at = known.at.min(clue.at);
            } else if self.evidence.len() < EVIDENCE_AT_MOST {
                self.evidence.push(clue);
            }
        }
    }
}
