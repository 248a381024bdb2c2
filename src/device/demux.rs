//! Whose flow is it: every flow behind one public address goes to a device, or to nobody.
//!
//! Flows of one host go together ([`crate::flow::host`]). First the devices the home's own fingerprints were learned from
//! are looked for: a host goes to the one that explains it clearly better than any other ([`super::suspicion`]), the surest
//! host first. Such a fingerprint stands for one device: two hosts that were certainly there at the same time cannot both
//! be it, so the twin of a device that has been found can only be the other. What is left is held against the products of
//! the catalog ([`super::product`]). Where nothing stands out the answer is a set of candidates, or nothing: a wrong answer
//! costs more than a missing one.

use super::catalog::{Catalog, FingerprintIndex};
pub use super::product::Verdict;
use super::product::{kin, product, unknown, Case, Finding, EVIDENCE_AT_MOST};
use super::suspicion::{is_learned, Clue, Dossier, Suspicion, ENOUGH};
use crate::flow::facts::FlowFacts;
use crate::flow::host::Host;
use std::collections::BTreeMap;

/// How many nats the best fingerprint must be ahead of the next to be the answer (20 to 1).
pub const MARGIN: f64 = 3.0;
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
    let kin = kin(&learned, &products, catalog);
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let mut ambiguous: Vec<(usize, Finding)> = Vec::new();
    for (case, index) in cases.iter().zip(&settled) {
        match index {
            Some(index) => findings
                .extend(own_device(case, *index, &learned, catalog).map(|one| (case.at, one))),
            // Devices of the home's own that cannot be told apart: saying either would be a guess.
            None if in_doubt(case, &cases, &settled) => {}
            None => match product(case, flows, &products, catalog) {
                Some(one) => {
                    let one = one.of_kin(case, &kin, &cases, &settled);
                    match one.verdict {
                        Verdict::Ambiguous(_) => ambiguous.push((case.at, one)),
                        _ => findings.push((case.at, one)),
                    }
                }
                None => findings.extend(unknown(case, flows).map(|one| (case.at, one))),
            },
        }
    }
    narrow(&mut ambiguous, hosts, catalog);
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

/// Hosts that may be the same products of one vendor are taken for one device, so that what the one is not, the others are
/// not either; unless they are certainly different hosts.
fn narrow(ambiguous: &mut [(usize, Finding)], hosts: &[Host], catalog: &Catalog) {
    struct Common {
        set: Vec<FingerprintIndex>,
        members: Vec<usize>,
    }
    let vendor = |index: &FingerprintIndex| catalog.get(*index).map(|one| one.vendor.as_str());
    let apart = |a: usize, b: usize| match (hosts.get(a), hosts.get(b)) {
        (Some(a), Some(b)) => a.differs_from(b),
        _ => true,
    };
    let mut all: Vec<Common> = Vec::new();
    let mut order: Vec<usize> = (0..ambiguous.len()).collect();
    let set_of = |(_, one): &(usize, Finding)| match &one.verdict {
        Verdict::Ambiguous(set) => set.clone(),
        _ => Vec::new(),
    };
    order.sort_by_key(|&place| ambiguous.get(place).map_or(0, |one| set_of(one).len()));
    for place in order {
        let Some(one) = ambiguous.get(place) else {
            continue;
        };
        let (host, set) = (one.0, set_of(one));
        let one_vendor = set
            .iter()
            .all(|index| vendor(index) == set.first().and_then(vendor));
        let shared = |common: &Common| -> Vec<FingerprintIndex> {
            let both = common.set.iter().filter(|index| set.contains(index));
            both.copied().collect()
        };
        let known = all.iter_mut().find(|common| {
            one_vendor
                && !shared(common).is_empty()
                && common.members.iter().all(|&member| {
                    ambiguous
                        .get(member)
                        .is_some_and(|(other, _)| !apart(host, *other))
                })
        });
        match known {
            Some(common) => {
                common.set = shared(common);
                common.members.push(place);
            }
            None => all.push(Common {
                set,
                members: vec![place],
            }),
        }
    }
    for common in all {
        for member in common.members {
            if let Some((_, one)) = ambiguous.get_mut(member) {
                one.candidates
                    .retain(|(index, _)| common.set.contains(index));
                one.verdict = match common.set.as_slice() {
                    &[only] => Verdict::Settled(only),
                    _ => Verdict::Ambiguous(common.set.clone()),
                };
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::fingerprint::Fingerprint;
    use crate::flow::names::NameKind;
    use crate::flow::track::TrackSeen;
    use crate::packet::dissect::Protocol;
    use crate::units::{Span, Timestamp};

    /// Two twin plugs and a camera, as learned: the second plug was never heard to ask for the twins' server.
    const TWIN_A: &str = r#"
vendor = "Plug"
product = "A"
kind = "plug"
[names]
exact = ["a3.vendor.example"]
[habits]
asks = ["a3.vendor.example"]
counter_pace = 0.34
[[habits.services]]
port = "tcp/8886"
ttl = 255
window = 4380
sent = [69, 165]
"#;
    const CAMERA: &str = r#"
vendor = "Camera"
kind = "camera"
[[habits.services]]
port = "tcp/443"
ttl = 64
timestamps = true
window = 3555
sent = [90, 218, 74]
"#;

    fn catalog() -> Catalog {
        let twin_b = TWIN_A
            .replace("\"A\"", "\"B\"")
            .replace("asks = [\"a3.vendor.example\"]\n", "")
            .replace("0.34", "0.24");
        let product = "vendor = \"Belkin\"\nproduct = \"WeMo\"\nkind = \"plug\"\n[names]\nsuffix = [\"xbcs.net\"]\n";
        let read = |id, text: &str| Fingerprint::from_toml(id, text, id).unwrap();
        let all = vec![
            read("twin-a", TWIN_A),
            read("twin-b", &twin_b),
            read("camera", CAMERA),
            read("wemo", product),
        ];
        Catalog::new(all, Vec::new())
    }

    fn flow(protocol: Protocol, port: u16, ttl: u8, window: u16, sizes: &[u32]) -> FlowFacts {
        let mut fact = FlowFacts {
            flow: 0,
            protocol,
            mac: None,
            remote: [198, 51, 100, 9].into(),
            remote_port: port,
            span: Span::new(Timestamp(0), Timestamp::new(3_600, 0)),
            sent: 10,
            bytes: 1_000,
            shape: Default::default(),
            counter: Default::default(),
            asked: vec![],
            called: vec![],
            looked_up: vec![],
            asker: None,
        };
        fact.shape.ttl = ttl;
        fact.shape.window = window;
        sizes.iter().for_each(|size| fact.shape.sent.add(*size));
        fact
    }

    fn heartbeat() -> FlowFacts {
        flow(Protocol::TCP, 8886, 255, 4380, &[69; 60])
    }

    /// A host of some flows whose counter ran an hour at a pace; 0 for none.
    fn host(flows: &[usize], pace: f64) -> Host {
        let span = Span::new(Timestamp(0), Timestamp::new(3_600, 0));
        Host {
            flows: flows.to_vec(),
            span,
            ties: vec![],
            counter: (pace > 0.0).then_some(TrackSeen {
                first: span.start,
                last: span.end,
                packets: 100,
                misses: 0,
                advanced: (pace * 3_600.0) as u64,
            }),
        }
    }

    fn names(found: &[Attribution], catalog: &Catalog) -> Vec<(Vec<usize>, String)> {
        let name = |one: &Attribution| match &one.verdict {
            Verdict::Settled(index) => catalog.get(*index).unwrap().id.clone(),
            Verdict::Ambiguous(set) => format!("{} candidates", set.len()),
            Verdict::Unknown(common) => format!("? {common}"),
        };
        found
            .iter()
            .map(|one| (one.flows.clone(), name(one)))
            .collect()
    }

    fn found(flows: &[FlowFacts], hosts: &[Host]) -> Vec<(Vec<usize>, String)> {
        let catalog = catalog();
        names(&demultiplex(flows, hosts, &catalog), &catalog)
    }

    #[test]
    fn the_twin_of_a_device_that_was_found_is_the_other() {
        let mut asks = flow(Protocol::UDP, 53, 255, 0, &[31]);
        asks.asked = vec!["a3.vendor.example".into()];
        let flows = [heartbeat(), heartbeat(), asks];
        // Neither pace is known: only the question tells the first host, and only the first tells the second.
        let hosts = [host(&[0], 0.29), host(&[1, 2], 0.29)];
        assert_eq!(
            found(&flows, &hosts),
            [(vec![0], "twin-b".into()), (vec![1, 2], "twin-a".into())]
        );
    }

    #[test]
    fn twins_that_nothing_tells_apart_stay_unassigned() {
        let flows = [heartbeat(), heartbeat()];
        assert_eq!(found(&flows, &[host(&[0], 0.29), host(&[1], 0.29)]), []);
        assert_eq!(found(&flows, &[host(&[0], 0.0), host(&[1], 0.0)]), []);
    }

    #[test]
    fn the_pace_of_the_counter_tells_twins_apart() {
        let flows = [heartbeat(), heartbeat()];
        let hosts = [host(&[0], 0.24), host(&[1], 0.34)];
        assert_eq!(
            found(&flows, &hosts),
            [(vec![0], "twin-b".into()), (vec![1], "twin-a".into())]
        );
    }

    #[test]
    fn looks_alone_find_a_device_and_another_stack_refutes_it() {
        let mut camera = flow(Protocol::TCP, 443, 64, 3555, &[90; 40]);
        let reading = crate::flow::shape::ClockReading {
            ticks: 7,
            at: Timestamp(0),
        };
        camera.shape.clock = Some((reading, reading));
        let mut no_clock = camera.clone();
        no_clock.shape.clock = None;
        let flows = [camera, no_clock];
        let hosts = [host(&[0], 0.0), host(&[1], 0.0)];
        let found = found(&flows, &hosts);
        assert_eq!(found[0], (vec![0], "camera".into()));
        assert_eq!(found[1], (vec![1], "? 198.51.100.0/24 port 443".into()));
    }

    #[test]
    fn what_is_no_device_of_the_home_is_a_product_or_unknown_or_nothing() {
        let mut wemo = flow(Protocol::TCP, 8443, 64, 9_000, &[500; 9]);
        wemo.called = vec![(NameKind::Sni, "api.xbcs.net".into())];
        let mut strange = wemo.clone();
        strange.called = vec![(NameKind::Sni, "x.nobody.co.uk".into())];
        let time = flow(Protocol::UDP, 123, 64, 0, &[48]);
        let flows = [wemo, strange, time];
        let hosts = [host(&[0], 0.0), host(&[1], 0.0), host(&[2], 0.0)];
        let expected = [
            (vec![0], "wemo".to_owned()),
            (vec![1], "? nobody.co.uk".to_owned()),
        ];
        assert_eq!(found(&flows, &hosts), expected);
    }

    #[test]
    fn two_products_of_one_kind_at_a_time_are_two_devices() {
        let mut wemo = flow(Protocol::TCP, 8443, 64, 9_000, &[500; 9]);
        wemo.called = vec![(NameKind::Sni, "api.xbcs.net".into())];
        let flows = [wemo.clone(), wemo.clone(), wemo];
        let hosts = [host(&[0], 0.5), host(&[1], 0.7), host(&[2], 0.0)];
        let expected = [
            (vec![0, 2], "wemo".to_owned()),
            (vec![1], "wemo".to_owned()),
        ];
        assert_eq!(found(&flows, &hosts), expected);
    }
}
