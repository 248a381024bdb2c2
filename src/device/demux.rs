//! Whose flow is it: every flow behind one public address goes to a device, or to nobody.
//!
//! Flows of one host go together ([`crate::flow::host`]), and the host goes to the fingerprint that explains it clearly
//! better than any other ([`super::suspicion`]), the surest host first. A fingerprint learned from one particular device stands
//! for that one: two hosts that were certainly there at the same time cannot both be it, so the twin of a device that has
//! been found can only be the other. Where nothing stands out the answer is a set of candidates, or nothing: a wrong
//! answer costs more than a missing one.

use super::catalog::{Catalog, FingerprintIndex};
use super::habits::port_of;
use super::suspicion::{domain, Clue, Dossier, Suspicion, ENOUGH};
use crate::flow::facts::FlowFacts;
use crate::flow::host::Host;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How many nats the best fingerprint must be ahead of the next to be the answer (20 to 1).
pub const MARGIN: f64 = 3.0;
/// Services so common that a host seen only there is not worth being called a device.
const EVERYBODYS: [u16; 4] = [53, 123, 5353, 67];

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
    /// Candidates, best first, with how far each is believed, 0 to 1: its share of the odds among all suspects and nobody.
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

    /// Share of the odds among all suspects and nobody.
    fn belief(&self, index: FingerprintIndex) -> f64 {
        let mine = self.score(index);
        let all = self
            .suspects
            .values()
            .map(|one| (one.score() - mine).exp())
            .sum::<f64>();
        1.0 / (all + (-mine).exp())
    }
}

/// Gives every flow to a device, or to none: flows in no attribution are unassigned.
///
/// `hosts` are those of [`crate::flow::host::gather`] over the same flows. Attributions are in order of their first flow.
pub fn demultiplex(flows: &[FlowFacts], hosts: &[Host], catalog: &Catalog) -> Vec<Attribution> {
    let dossier = Dossier::new(catalog);
    let cases: Vec<Case<'_>> = hosts
        .iter()
        .enumerate()
        .map(|(at, host)| Case {
            at,
            host,
            suspects: dossier.suspect(host, flows),
        })
        .collect();
    let settled = settle(&cases, &dossier);
    let mut groups = Groups {
        flows,
        cases: &cases,
        all: Vec::new(),
    };
    for (case, index) in cases.iter().zip(&settled) {
        if let Some(index) = index {
            groups.add(Verdict::Settled(*index), case);
        }
    }
    for (case, _) in cases
        .iter()
        .zip(&settled)
        .filter(|(_, index)| index.is_none())
    {
        let set = candidates(case, &cases, &settled, &dossier);
        // Of several candidates, one that is already known to be in the home is the simplest explanation.
        let at_home: Vec<FingerprintIndex> = set
            .iter()
            .copied()
            .filter(|index| settled.contains(&Some(*index)))
            .collect();
        let learned = set.iter().any(|&index| dossier.is_learned(index));
        match (set.as_slice(), at_home.as_slice()) {
            ([], _) => {
                if let Some(common) = in_common(case, flows) {
                    groups.add(Verdict::Unknown(common), case);
                }
            }
            // Two devices of the home's own that cannot be told apart: saying either would be a guess.
            _ if learned => {}
            ([only], _) | (_, [only]) => groups.add(Verdict::Settled(*only), case),
            _ => groups.add(Verdict::Ambiguous(set), case),
        }
    }
    groups.close()
}

/// Decides the hosts one fingerprint clearly explains, the surest first.
fn settle(cases: &[Case<'_>], dossier: &Dossier<'_>) -> Vec<Option<FingerprintIndex>> {
    let mut settled: Vec<Option<FingerprintIndex>> = vec![None; cases.len()];
    let suspected = |case: &&Case<'_>| case.suspects.values().any(|one| one.firm() >= ENOUGH);
    // Only hosts that count their packets can be told to be different, so only among these does one decision bear on
    // another; there are few of them, and the many others are decided each by itself.
    let (mut open, free): (Vec<usize>, Vec<usize>) = cases
        .iter()
        .filter(suspected)
        .map(|case| case.at)
        .partition(|&at| counts(cases, at));
    let decide = |open: &[usize], which: &[usize], settled: &[Option<FingerprintIndex>]| {
        let sure = which.iter().filter_map(|&at| {
            let (ahead, index) = lead(cases.get(at)?, cases, open, settled, dossier)?;
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
        let Some(&(_, at, index)) = sure
            .iter()
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        else {
            return settled;
        };
        if let Some(slot) = settled.get_mut(at) {
            *slot = Some(index);
        }
        open.retain(|one| *one != at);
    }
}

fn counts(cases: &[Case<'_>], at: usize) -> bool {
    cases.get(at).is_some_and(|case| case.host.counts())
}

/// The best fingerprint for a host and how far it is ahead: of the next for this host, and of what the same choice would be
/// worth to a rival host that cannot be the same device.
fn lead(
    case: &Case<'_>,
    cases: &[Case<'_>],
    open: &[usize],
    settled: &[Option<FingerprintIndex>],
    dossier: &Dossier<'_>,
) -> Option<(f64, FingerprintIndex)> {
    let ranked = ranked(case, cases, settled, dossier);
    let &(best, first) = ranked.first()?;
    if case.suspects.get(&first)?.firm() < ENOUGH {
        return None;
    }
    let second = ranked.get(1).map(|&(_, index)| index);
    let ahead_for = |case: &Case<'_>| {
        let other = second.map_or(0.0, |index| case.score(index)).max(0.0);
        case.score(first) - other
    };
    let mut ahead = ahead_for(case).min(best);
    if dossier.is_learned(first) {
        let rivals = open
            .iter()
            .filter(|&&at| at != case.at)
            .filter_map(|&at| cases.get(at));
        for rival in rivals.filter(|rival| rival.host.differs_from(case.host)) {
            let wants = rival
                .suspects
                .get(&first)
                .is_some_and(|one| one.firm() >= ENOUGH);
            let its_best = rival
                .suspects
                .values()
                .map(Suspicion::score)
                .fold(f64::MIN, f64::max);
            if wants && rival.score(first) >= its_best - 1e-9 {
                ahead = ahead.min(ahead_for(case) - ahead_for(rival));
            }
        }
    }
    Some((ahead, first))
}

/// A host's suspects by score, best first, without learned devices that certainly are another host.
fn ranked(
    case: &Case<'_>,
    cases: &[Case<'_>],
    settled: &[Option<FingerprintIndex>],
    dossier: &Dossier<'_>,
) -> Vec<(f64, FingerprintIndex)> {
    let taken = |index: FingerprintIndex| {
        dossier.is_learned(index)
            && case.host.counts()
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

/// The fingerprints that explain an undecided host about equally well.
fn candidates(
    case: &Case<'_>,
    cases: &[Case<'_>],
    settled: &[Option<FingerprintIndex>],
    dossier: &Dossier<'_>,
) -> Vec<FingerprintIndex> {
    let ranked = ranked(case, cases, settled, dossier);
    let Some(&(best, first)) = ranked.first() else {
        return Vec::new();
    };
    if case
        .suspects
        .get(&first)
        .is_none_or(|one| one.firm() < ENOUGH)
    {
        return Vec::new();
    }
    let mut set: Vec<FingerprintIndex> = ranked
        .iter()
        .take_while(|(score, _)| best - score < MARGIN)
        .map(|(_, index)| *index)
        .collect();
    set.sort_unstable();
    set
}

/// What the flows of a host no fingerprint knows have in common, in words; `None` for one seen only at services that
/// everybody uses, or whose packets all came from outside.
fn in_common(case: &Case<'_>, flows: &[FlowFacts]) -> Option<String> {
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
    if case.host.flows.len() > 1 && case.host.counts() {
        return Some(format!("host {}", case.at));
    }
    let name = own
        .iter()
        .flat_map(|flow| {
            let called = flow.called.iter().map(|(_, name)| name);
            called.chain(flow.looked_up.iter().map(|told| &told.name))
        })
        .next();
    Some(match (name, first.remote) {
        (Some(name), _) => domain(name).to_owned(),
        (None, IpAddr::V4(at)) => {
            let [a, b, c, _] = at.octets();
            format!("{a}.{b}.{c}.0/24 port {}", first.remote_port)
        }
        (None, IpAddr::V6(at)) => {
            let [a, b, c, ..] = at.segments();
            format!("{a:x}:{b:x}:{c:x}::/48 port {}", first.remote_port)
        }
    })
}

/// Hosts gathered into devices.
struct Groups<'a> {
    flows: &'a [FlowFacts],
    cases: &'a [Case<'a>],
    all: Vec<(Verdict, Vec<usize>)>,
}

impl Groups<'_> {
    /// Adds a host to the device of the same verdict, unless it is certainly a second one of that kind.
    fn add(&mut self, verdict: Verdict, case: &Case<'_>) {
        let cases = self.cases;
        let other = |at: &usize| {
            cases
                .get(*at)
                .is_some_and(|there| there.host.differs_from(case.host))
        };
        let same = self
            .all
            .iter_mut()
            .find(|(is, hosts)| *is == verdict && !hosts.iter().any(other));
        match same {
            Some((_, hosts)) => hosts.push(case.at),
            None => self.all.push((verdict, vec![case.at])),
        }
    }

    fn close(self) -> Vec<Attribution> {
        let mut all: Vec<Attribution> = self
            .all
            .into_iter()
            .map(|(verdict, hosts)| attribution(verdict, hosts, self.cases))
            .collect();
        all.retain(|one| one.flows.iter().all(|&at| at < self.flows.len()));
        all.sort_by_key(|one| one.flows.first().copied());
        all
    }
}

fn attribution(verdict: Verdict, mut hosts: Vec<usize>, cases: &[Case<'_>]) -> Attribution {
    hosts.sort_unstable();
    let of_group = || hosts.iter().filter_map(|&at| cases.get(at));
    let mut flows: Vec<usize> = of_group()
        .flat_map(|case| case.host.flows.iter().copied())
        .collect();
    flows.sort_unstable();
    let named: Vec<FingerprintIndex> = match &verdict {
        Verdict::Settled(index) => vec![*index],
        Verdict::Ambiguous(set) => set.clone(),
        Verdict::Unknown(_) => Vec::new(),
    };
    let believed = |index: FingerprintIndex| {
        of_group()
            .map(|case| case.belief(index))
            .fold(0.0, f64::max)
    };
    let mut candidates: Vec<(FingerprintIndex, f64)> = named
        .iter()
        .map(|&index| (index, believed(index)))
        .collect();
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut evidence: Vec<Clue> = Vec::new();
    if let Some((first, _)) = candidates.first() {
        for clue in of_group()
            .filter_map(|case| case.suspects.get(first))
            .flat_map(|one| &one.clues)
        {
            match evidence
                .iter_mut()
                .find(|known| known.kind == clue.kind && known.value == clue.value)
            {
                Some(known) => known.at = known.at.min(clue.at),
                None => evidence.push(clue.clone()),
            }
        }
    }
    evidence.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.at.cmp(&b.at)));
    Attribution {
        verdict,
        hosts,
        flows,
        candidates,
        evidence,
    }
}
