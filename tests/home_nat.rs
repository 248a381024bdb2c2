//! One home, two captures: fingerprints learned at its LAN find its devices behind NAT on another evening, also when every
//! server has moved to another address. Needs the real captures of `STP_AUDIT_DATA`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use stp_audit::capture::{Options, Reader};
use stp_audit::device::catalog::Catalog;
use stp_audit::device::demux::{demultiplex, Verdict};
use stp_audit::device::fingerprint::Fingerprint;
use stp_audit::device::learn::{learn, read_macs};
use stp_audit::flow::facts::{facts, FlowFacts};
use stp_audit::flow::home::{Home, Vantage};
use stp_audit::flow::host::gather;
use stp_audit::flow::key::End;
use stp_audit::flow::observer::{Observed, Observer, Settings};
use stp_audit::packet::dissect::Protocol;

fn data() -> Option<PathBuf> {
    let folder = match std::env::var_os("STP_AUDIT_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    let there = folder.join("home-nat/home-wan.pcap").exists();
    if !there {
        println!("skipped: no captures at {}", folder.display());
    }
    there.then_some(folder)
}

fn watch(path: PathBuf, traits: bool) -> Observed {
    let mut reader = Reader::open(&[path], &Options::default()).unwrap();
    let mut observer = Observer::new(Settings {
        traits,
        ..Settings::default()
    });
    while let Some(frame) = reader.next().unwrap() {
        observer.watch(&frame);
    }
    observer.finish()
}

/// The evening behind NAT, with the true device of each flow.
struct Evening {
    facts: Vec<FlowFacts>,
    observed: Observed,
    truth: Vec<String>,
}

fn behind_nat(data: &Path) -> Evening {
    let observed = watch(data.join("home-nat/home-wan.pcap"), false);
    let home = Home::find(&observed.flows, None, &[]);
    assert_eq!(home.vantage, Vantage::Wan);
    let mut rows = BTreeMap::new();
    let mut file = csv::Reader::from_path(data.join("home-nat/truth.csv")).unwrap();
    for row in file.records() {
        let row = row.unwrap();
        let remote: IpAddr = row[2].parse().unwrap();
        let port = |at: usize| row[at].parse::<u16>().unwrap();
        rows.insert(
            (row[0].to_owned(), port(1), remote, port(3)),
            row[4].to_owned(),
        );
    }
    let facts = facts(&observed.flows, &home, &observed.names);
    let of = |fact: &FlowFacts| {
        let (key, _) = &observed.flows[fact.flow];
        let mut ends = [End::A, End::B].map(|end| key.end(end)).into_iter();
        let local = ends.find(|end| home.addresses.contains(&end.address));
        let (local, remote) = match fact.protocol {
            Protocol::ICMP => (0, 0),
            _ => (local.unwrap().port, fact.remote_port),
        };
        rows.get(&(fact.protocol.to_string(), local, fact.remote, remote))
    };
    let truth = facts.iter().map(|fact| of(fact).unwrap().clone()).collect();
    Evening {
        facts,
        observed,
        truth,
    }
}

/// The home's fingerprints, as written to their files and read back.
fn learned(data: &Path) -> Vec<Fingerprint> {
    let observed = watch(data.join("home-lan/home-lan.pcapng"), true);
    let home = Home::find(&observed.flows, None, &[]);
    assert_eq!(home.vantage, Vantage::Lan);
    let macs = std::fs::File::open(data.join("home-lan/macs.csv")).unwrap();
    let devices = read_macs(macs, "macs.csv").unwrap();
    let facts = facts(&observed.flows, &home, &observed.names);
    let catalog = Catalog::embedded().unwrap();
    learn(&facts, &observed.tracks, &devices, &catalog)
        .iter()
        .map(|one| Fingerprint::from_toml(&one.id, &one.to_toml(), "learned").unwrap())
        .collect()
}

/// Bytes and flows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amount(u64, usize);

impl Amount {
    fn add(&mut self, fact: &FlowFacts) {
        self.0 += fact.bytes;
        self.1 += 1;
    }
}

#[derive(Debug, Default)]
struct Score {
    right: Amount,
    wrong: Amount,
    all: Amount,
}

impl Score {
    fn bytes(&self, of: Amount) -> f64 {
        of.0 as f64 / self.all.0 as f64
    }

    fn flows(&self, of: Amount) -> f64 {
        of.1 as f64 / self.all.1 as f64
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "bytes {:6.2} % right {:.2} % wrong, flows {:2} right {} wrong of {}",
            100.0 * self.bytes(self.right),
            100.0 * self.bytes(self.wrong),
            self.right.1,
            self.wrong.1,
            self.all.1
        )
    }
}

fn score(evening: &Evening, facts: &[FlowFacts], catalog: &Catalog) -> Score {
    let hosts = gather(facts, &evening.observed.tracks);
    let mut named = vec![None; facts.len()];
    for found in demultiplex(facts, &hosts, catalog) {
        if let Verdict::Settled(index) = found.verdict {
            for flow in found.flows {
                named[flow] = catalog.get(index).map(Fingerprint::name);
            }
        }
    }
    let mut score = Score::default();
    for ((fact, truth), name) in facts.iter().zip(&evening.truth).zip(named) {
        score.all.add(fact);
        match name {
            Some(name) if name == *truth => score.right.add(fact),
            Some(_) => score.wrong.add(fact),
            None => {}
        }
    }
    score
}

/// Fingerprints without addresses: what is left when every server has moved.
fn moved(mut fingerprints: Vec<Fingerprint>) -> Vec<Fingerprint> {
    for one in &mut fingerprints {
        one.addresses.clear();
    }
    fingerprints
}

/// The learned fingerprints by themselves, and beside the built-in ones.
fn catalogs(learned: &[Fingerprint]) -> [(&'static str, Catalog); 2] {
    let dir = tempfile::tempdir().unwrap();
    for one in learned {
        std::fs::write(dir.path().join(format!("{}.toml", one.id)), one.to_toml()).unwrap();
    }
    [
        ("alone", Catalog::from_dir(dir.path()).unwrap()),
        (
            "beside built-in",
            Catalog::embedded().unwrap().load_dir(dir.path()).unwrap(),
        ),
    ]
}

#[test]
fn learned_fingerprints_find_the_home_behind_nat() {
    let Some(data) = data() else { return };
    let evening = behind_nat(&data);
    assert_eq!(evening.facts.len(), 55);
    for (what, catalog) in catalogs(&learned(&data)) {
        let score = score(&evening, &evening.facts, &catalog);
        println!("learned, {what}: {score}");
        assert!(score.bytes(score.right) >= 0.97, "{score}");
        assert!(score.flows(score.right) >= 0.55, "{score}");
        assert!(score.bytes(score.wrong) <= 0.01, "{score}");
    }
}

#[test]
fn they_find_it_when_every_server_has_moved() {
    let Some(data) = data() else { return };
    let evening = behind_nat(&data);
    for (what, catalog) in catalogs(&moved(learned(&data))) {
        let score = score(&evening, &evening.facts, &catalog);
        println!("moved, {what}: {score}");
        assert!(score.bytes(score.right) >= 0.97, "{score}");
        assert!(score.flows(score.right) >= 0.55, "{score}");
        assert_eq!(score.wrong, Amount::default(), "{score}");
    }
}

/// Evidence is taken away in every combination: what is left may find less, but must not lead astray.
#[test]
fn with_less_evidence_they_abstain() {
    let Some(data) = data() else { return };
    let evening = behind_nat(&data);
    let learned = learned(&data);
    for without in 0..16u8 {
        let without = |bit: u8| without & bit != 0;
        let mut fingerprints = learned.clone();
        let mut facts = evening.facts.clone();
        let mut left = vec!["addresses", "counters", "names", "looks"];
        if without(1) {
            left.retain(|word| *word != "addresses");
            fingerprints = moved(fingerprints);
        }
        if without(2) {
            left.retain(|word| *word != "counters");
            for fact in &mut facts {
                fact.counter = Default::default();
            }
        }
        if without(4) {
            left.retain(|word| *word != "names");
            for fact in &mut facts {
                fact.asked.clear();
                fact.called.clear();
                fact.looked_up.clear();
                fact.asker = None;
            }
        }
        if without(8) {
            left.retain(|word| *word != "looks");
            for one in &mut fingerprints {
                one.habits.services.clear();
            }
        }
        for (what, catalog) in catalogs(&fingerprints) {
            let score = score(&evening, &facts, &catalog);
            println!("{score}  {what:15} {}", left.join(" "));
            assert!(score.bytes(score.wrong) <= 0.01, "{score}");
        }
    }
}

/// A device that was never learned is nobody's, not somebody else's.
#[test]
fn a_device_not_learned_stays_unassigned() {
    let Some(data) = data() else { return };
    let evening = behind_nat(&data);
    let learned = learned(&data);
    for all in [learned.clone(), moved(learned)] {
        for left_out in 0..all.len() {
            let mut fingerprints = all.clone();
            let one = fingerprints.remove(left_out);
            let [(_, alone), _] = catalogs(&fingerprints);
            let score = score(&evening, &evening.facts, &alone);
            assert_eq!(
                score.wrong,
                Amount::default(),
                "without {}: {score}",
                one.name()
            );
        }
    }
}
