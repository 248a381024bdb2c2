//! How well devices are named by DNS alone: those of the studies the catalog was made from, each study left out in turn,
//! and those of studies it never saw. Wrong names cost more than missing ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;
use stp_audit::device::catalog::{Catalog, NameMatch};
use stp_audit::device::fingerprint::Fingerprint;
use stp_audit::device::identify::{identify, Evidence, EvidenceKind, Identification};
use stp_audit::units::Timestamp;

/// Names rightly at least this part of the devices whose vendor the catalog knows.
const KNOWN_AT_LEAST: f64 = 0.8;

/// Names at most this part of the devices whose vendor it does not know.
const UNKNOWN_AT_MOST: f64 = 0.15;

fn by_dns(catalog: &Catalog, names: &[String]) -> Identification {
    let evidence = |name: &String| Evidence {
        kind: EvidenceKind::Dns,
        value: name.clone(),
        at: Timestamp::default(),
    };
    identify(catalog, &names.iter().map(evidence).collect::<Vec<_>>())
}

/// Devices tried, by whether the catalog knows their vendor, and how it did.
#[derive(Debug, Default)]
struct Tally {
    known: usize,
    right: usize,
    wrong: usize,
    unknown: usize,
    named: usize,
    misses: Vec<String>,
}

impl Tally {
    fn add(&mut self, catalog: &Catalog, label: &str, vendor: &str, names: &[String]) {
        let answer = by_dns(catalog, names);
        let said = answer
            .best()
            .and_then(|best| catalog.get(best.index))
            .map(|f| f.vendor.as_str());
        if catalog.iter().any(|f| f.vendor == vendor) {
            self.known += 1;
            self.right += usize::from(said == Some(vendor));
            self.wrong += usize::from(said.is_some_and(|said| said != vendor));
        } else {
            self.unknown += 1;
            self.named += usize::from(said.is_some());
        }
        if said != Some(vendor) && !(said.is_none() && vendor.is_empty()) {
            self.misses.push(format!("{label} ({vendor}): {said:?}"));
        }
    }

    fn show(&self, what: &str) {
        println!(
            "{what}: vendor known {}, named rightly {}, wrongly {}; vendor not known {}, named {}; {}",
            self.known,
            self.right,
            self.wrong,
            self.unknown,
            self.named,
            self.misses.join("; ")
        );
    }

    fn check(&self) {
        assert!(
            self.right as f64 >= KNOWN_AT_LEAST * self.known as f64,
            "{self:?}"
        );
        assert!(
            self.named as f64 <= UNKNOWN_AT_MOST * self.unknown as f64,
            "{self:?}"
        );
    }
}

#[derive(Deserialize)]
struct Study {
    devices: BTreeMap<String, Vec<String>>,
}

/// Study, device, names it asked for.
type Studies = BTreeMap<String, Study>;

/// Study, device, vendor.
type Makers = BTreeMap<String, BTreeMap<String, String>>;

/// The shared studies and who makes their devices; none, with a word, where the data is absent.
fn studies() -> Option<(Studies, Makers)> {
    let data = std::env::var_os("STP_AUDIT_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(data.join("domains/device-domains.json")) else {
        println!(
            "skipped: no domains/device-domains.json under {}",
            data.display()
        );
        return None;
    };
    let makers = toml::from_str(include_str!("data/studies.toml")).expect("studies.toml");
    Some((
        serde_json::from_str(&text).expect("device-domains.json"),
        makers,
    ))
}

#[test]
fn every_device_of_the_shared_studies_is_named_by_its_vendor() {
    let Some((studies, makers)) = studies() else {
        return;
    };
    let catalog = Catalog::embedded().expect("embedded catalog");
    let mut tally = Tally::default();
    for (study, devices) in &makers {
        for (device, vendor) in devices {
            tally.add(&catalog, device, vendor, &studies[study].devices[device]);
        }
    }
    tally.show("all studies, none left out");
    assert_eq!(
        (tally.right, tally.wrong, tally.named),
        (tally.known, 0, 0),
        "{:?}",
        tally.misses
    );
}

#[test]
fn a_study_left_out_is_named_from_the_others() {
    let Some((studies, makers)) = studies() else {
        return;
    };
    let catalog = Catalog::embedded().expect("embedded catalog");
    let mut all = Tally::default();
    for (study, devices) in &makers {
        let reduced = without(&catalog, study, &studies);
        let mut tally = Tally::default();
        for (device, vendor) in devices {
            for tally in [&mut tally, &mut all] {
                tally.add(&reduced, device, vendor, &studies[study].devices[device]);
            }
        }
        tally.show(study);
    }
    all.show("all, each study left out in turn");
    all.check();
}

/// The catalog as it would be had a study not been read: without the files that name no other source, and without the names
/// and patterns that match something in that study and nothing in any other. Vendors' own domains stay where another
/// source vouches for the file: they are read off a vendor's pages, not off a capture.
fn without(catalog: &Catalog, left_out: &str, studies: &Studies) -> Catalog {
    let names_of = |mine: bool| -> BTreeSet<String> {
        let chosen = studies
            .iter()
            .filter(|(study, _)| (study.as_str() == left_out) == mine);
        chosen
            .flat_map(|(_, s)| s.devices.values().flatten())
            .map(|n| n.to_ascii_lowercase())
            .collect()
    };
    let (here, elsewhere) = (names_of(true), names_of(false));
    let source = match left_out {
        "iot_sentinel" => "IoT Sentinel",
        "iotls" => "IoTLS",
        "iotrim" => "IoTrim",
        "smart_home_firewall" => "smart-home-firewall",
        "tj_oconnor" => "tj-oconnor",
        "unsw_mud" => "UNSW",
        other => panic!("no source is known for the study {other}"),
    };
    let hits = |pattern: &str, names: &BTreeSet<String>| {
        let file = format!("vendor = \"x\"\nkind = \"x\"\n[names]\nwildcard = [{pattern:?}]\n");
        let Ok(one) = Fingerprint::from_toml("x", &file, "x") else {
            return names.contains(pattern);
        };
        let one = Catalog::new(vec![one], vec![]);
        names
            .iter()
            .any(|name| one.by_name(name) != NameMatch::Unknown)
    };
    let only_here = |name: &String| hits(name, &here) && !hits(name, &elsewhere);
    let kept = catalog
        .iter()
        .filter(|f| !f.sources.iter().all(|s| s.contains(source)))
        .cloned()
        .map(|mut f| {
            f.names.exact.retain(|name| !only_here(name));
            f.names.wildcard.retain(|name| !only_here(name));
            f.names.hint.retain(|name| !only_here(name));
            f.addresses
                .retain(|a| !here.contains(&a.prefix.addr().to_string()));
            f
        });
    // A file left with nothing to say no longer makes its vendor known.
    let says = |f: &Fingerprint| {
        !(f.names.exact.is_empty()
            && f.names.suffix.is_empty()
            && f.names.wildcard.is_empty()
            && f.names.hint.is_empty())
    };
    Catalog::new(kept.filter(says).collect(), catalog.shared().to_vec())
}

#[derive(Deserialize)]
struct HeldOut {
    study: Vec<HeldOutStudy>,
}

#[derive(Deserialize)]
struct HeldOutStudy {
    name: String,
    #[allow(dead_code, reason = "for the reader of the file")]
    source: String,
    devices: Vec<HeldOutDevice>,
}

#[derive(Deserialize)]
struct HeldOutDevice {
    device: String,
    /// Empty where it is a person's own: no vendor's thing.
    vendor: String,
    names: Vec<String>,
}

#[test]
fn studies_never_seen_are_named_rightly_or_not_at_all() {
    let held_out: HeldOut =
        toml::from_str(include_str!("data/held-out.toml")).expect("held-out.toml");
    let catalog = Catalog::embedded().expect("embedded catalog");
    let mut all = Tally::default();
    for study in &held_out.study {
        let mut tally = Tally::default();
        for device in &study.devices {
            for tally in [&mut tally, &mut all] {
                tally.add(&catalog, &device.device, &device.vendor, &device.names);
            }
        }
        tally.show(&study.name);
    }
    all.show("all held out");
    all.check();
    assert!(all.known >= 40 && all.unknown >= 12, "too few to judge by");
}

/// The paper's Table 2: device and the query that identifies it.
const TABLE_2: [(&str, &str); 12] = [
    ("Amcrest Security Camera", "dh.amcrestsecurity.com"),
    ("Amazon Echo", "device-metrics-us.amazon.com"),
    ("Belkin WeMo Switch", "prod1-fs-xbcs-net-1101221371"),
    ("D-Link Wi-Fi Camera", "signal.auto.mydlink.com"),
    ("Nest Cam Indoor", "nexus.dropcam.com"),
    ("Nest Cam IQ", "nexus.dropcam.com"),
    ("Orvibo Smart Socket", "wiwo.orvibo.com"),
    ("Philips Hue Bridge", "diagnostics.meethue.com"),
    ("Samsung SmartThings Hub", "dc.connect.smartthings.com"),
    ("Hello Sense Sleep Monitor", "sense-in.hello.is"),
    ("TP-Link Smart Plug HS100", "devs.tplinkcloud.com"),
    ("Wink Hub", "agent-v1-production.wink.com"),
];

#[test]
fn the_papers_table_2_names_its_devices() {
    let catalog = Catalog::embedded().expect("embedded catalog");
    for (device, query) in TABLE_2 {
        let answer = by_dns(&catalog, &[query.to_owned()]);
        let best = answer
            .best()
            .unwrap_or_else(|| panic!("{query} names nobody"));
        // Where the paper's query is shared by several products, ours and the paper's are among the equals.
        let equal: Vec<_> = answer
            .candidates
            .iter()
            .filter(|c| c.score > best.score * 0.999)
            .collect();
        assert!(equal.iter().any(|c| c.name == device), "{query}: {equal:?}");
        assert!(
            equal.iter().all(|c| catalog
                .find(&c.id)
                .is_some_and(|f| device.starts_with(&f.vendor))),
            "{equal:?}"
        );
    }
}

#[test]
fn a_rented_cloud_names_nobody_but_is_told() {
    let catalog = Catalog::embedded().expect("embedded catalog");
    let answer = by_dns(
        &catalog,
        &[
            "a3.tuyaus.com".to_owned(),
            "m2.tuyaus.com".to_owned(),
            "pool.ntp.org".to_owned(),
        ],
    );
    assert_eq!(
        (answer.name(), answer.platform.as_deref()),
        (None, Some("Tuya"))
    );
}
