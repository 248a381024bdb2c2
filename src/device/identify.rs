//! Which device it is, from all that was seen of it: a *set* of candidates, each with a score and the evidence for it.
//!
//! The paper (section 6.2, Table 2) names a device by one identifying DNS query. Real homes are less tidy: many devices ask
//! for the same names, products of one vendor share a cloud, and a telephone asks for every vendor's cloud. So evidence is
//! weighed in two steps:
//!
//! 1. **Vendor.** Each distinct rule that knows something seen speaks for its vendors with a strength (see `evidence.rs`),
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

use super::catalog::{Catalog, FingerprintIndex};
use super::evidence::{read, Item, Seen};
pub use super::evidence::{Evidence, EvidenceKind};
use super::fingerprint::Fingerprint;

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
    let rented = f64::from(u8::from(platform.is_some()));
    let against_all = personal * PERSONAL + (strange * STRANGE).min(STRANGE_AT_MOST);
    let mut candidates = Vec::new();
    for vendor in all {
        let (mut doubt, mut agree, mut conflict) = (1.0, 0.0, against_all);
        for (item, vendors) in items.iter().zip(&vendors) {
            if vendors.contains(vendor) {
                // Hints are names that everybody might ask for: what asks for servers of nobody we know, or
                // lives on a rented cloud, is rather somebody else's thing that asks for them too.
                let damped = if item.hint {
                    item.strength / (1.0 + 4.0 * (strange + rented))
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
            candidates.extend(split(catalog, evidence, &items, vendor, trust));
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

/// What a strength adds to the balance: -ln(1 - strength), so that independent pieces add up.
fn mass(strength: f64) -> f64 {
    -(1.0 - strength.min(0.999)).ln()
}

/// Splits the trust in a vendor among its fingerprints.
///
/// A card, or what a device calls itself at home, says whose it is, not which: where only the vendor-wide fingerprint lists
/// it, and a product's own servers were seen, it bears on the vendor alone.
fn split(
    catalog: &Catalog,
    evidence: &[Evidence],
    items: &[Item],
    vendor: &str,
    trust: f64,
) -> Vec<Candidate> {
    let is_wide =
        |index: &FingerprintIndex| catalog.get(*index).is_some_and(Fingerprint::is_vendor_wide);
    let is_badge = |item: &Item| {
        item.from
            .iter()
            .filter_map(|at| evidence.get(*at))
            .all(|one| {
                use EvidenceKind as Kind;
                matches!(
                    one.kind,
                    Kind::Oui | Kind::DhcpHost | Kind::DhcpVendor | Kind::Mdns
                )
            })
    };
    let all: Vec<(&Item, Vec<FingerprintIndex>)> = items
        .iter()
        .map(|item| {
            let mine = item.owners.iter().copied();
            let mine = mine.filter(|index| catalog.get(*index).is_some_and(|f| f.vendor == vendor));
            (item, mine.collect())
        })
        .collect();
    let product_seen = all
        .iter()
        .any(|(item, mine)| !is_badge(item) && mine.iter().any(|index| !is_wide(index)));
    let mut masses: BTreeMap<FingerprintIndex, f64> = BTreeMap::new();
    for (item, mine) in &all {
        if product_seen && is_badge(item) && mine.iter().all(is_wide) {
            continue;
        }
        for index in mine {
            *masses.entry(*index).or_default() += mass(item.strength / mine.len() as f64);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::catalog::Shared;
    use crate::device::fingerprint::Fingerprint;
    use crate::units::Timestamp;

    fn fingerprint(id: &str, vendor: &str, product: &str, names: &str) -> Fingerprint {
        let product = if product.is_empty() {
            String::new()
        } else {
            format!("product = {product:?}\n")
        };
        let text = format!("vendor = {vendor:?}\nkind = \"x\"\n{product}{names}");
        Fingerprint::from_toml(id, &text, id).unwrap()
    }

    fn catalog() -> Catalog {
        let shared: Vec<Shared> =
            toml::from_str::<std::collections::BTreeMap<String, Vec<Shared>>>(
                r#"
            [[shared]]
            why = "time servers"
            suffix = ["pool.ntp.org"]
            [[shared]]
            why = "Tuya"
            platform = "Tuya"
            suffix = ["tuyaus.com"]
            [[shared]]
            why = "social networks"
            personal = true
            suffix = ["instagram.com", "whatsapp.net", "facebook.com", "snapchat.com"]
            "#,
            )
            .unwrap()
            .remove("shared")
            .unwrap();
        Catalog::new(
            vec![
                fingerprint("nest", "Nest", "", "[names]\nsuffix = [\"nest.com\"]"),
                fingerprint("nest-cam-indoor", "Nest", "Cam Indoor", "[names]\nexact = [\"nexus.dropcam.com\"]"),
                fingerprint("nest-cam-iq", "Nest", "Cam IQ", "[names]\nexact = [\"nexus.dropcam.com\", \"iq.dropcam.com\"]"),
                fingerprint("wemo", "Belkin", "WeMo Switch", "[names]\nsuffix = [\"xbcs.net\"]\n[mac]\noui = [\"ec:1a:59\"]\n[dhcp]\nhost_name = [\"wemo*\"]"),
                fingerprint("ring", "Ring", "", "[names]\nsuffix = [\"ring.com\"]\n[[addresses]]\nprefix = \"192.0.2.7/32\"\nlearned = \"2024-03-05\""),
                fingerprint("hub", "Hub", "", "[names]\nhint = [\"a.search.com\", \"b.search.com\", \"c.search.com\", \"d.search.com\"]"),
            ],
            shared,
        )
    }

    fn seen(things: &[(EvidenceKind, &str)]) -> Vec<Evidence> {
        let evidence = |&(kind, value): &(EvidenceKind, &str)| Evidence {
            kind,
            value: value.to_owned(),
            at: Timestamp(0),
        };
        things.iter().map(evidence).collect()
    }

    fn names(names: &[&str]) -> Identification {
        let evidence: Vec<_> = names
            .iter()
            .map(|&name| (EvidenceKind::Dns, name))
            .collect();
        identify(&catalog(), &seen(&evidence))
    }

    fn scores(answer: &Identification) -> Vec<(&str, f64)> {
        let rounded = |c: &Candidate| (c.score * 100.0).round() / 100.0;
        answer
            .candidates
            .iter()
            .map(|c| (c.id.as_str(), rounded(c)))
            .collect()
    }

    #[test]
    fn a_unique_name_settles_it() {
        // A vendor's domain speaks with 0.9; nothing speaks against.
        assert_eq!(
            scores(&names(&["api.xbcs.net", "0.pool.ntp.org"])),
            [("wemo", 0.9)]
        );
        // Two names under one rule are one piece of evidence.
        assert_eq!(
            scores(&names(&["api.xbcs.net", "nat.xbcs.net"])),
            [("wemo", 0.9)]
        );
    }

    #[test]
    fn products_that_share_a_name_stay_candidates() {
        let both = names(&["nexus.dropcam.com"]);
        // 0.95 for the vendor, half of it each.
        assert_eq!(
            scores(&both),
            [("nest-cam-indoor", 0.48), ("nest-cam-iq", 0.48)]
        );
        assert_eq!(both.name().as_deref(), Some("Nest Cam {Indoor|IQ}"));
        // A name of its own settles it: 1 - 0.05^2 = 0.9975 for the vendor; masses 0.64 against 0.64 + 3.0, odds 0.9 against
        // 37, of which 97 % is the IQ's and the Indoor's 2 % is cut.
        assert_eq!(
            scores(&names(&["nexus.dropcam.com", "iq.dropcam.com"])),
            [("nest-cam-iq", 0.97)]
        );
        // What no product explains is the vendor's.
        assert_eq!(names(&["home.nest.com"]).name().as_deref(), Some("Nest"));
    }

    #[test]
    fn what_everybody_asks_for_names_nobody() {
        let tuya = names(&["a3.tuyaus.com", "pool.ntp.org"]);
        assert_eq!(
            (scores(&tuya), tuya.platform.as_deref()),
            (vec![], Some("Tuya"))
        );
        assert_eq!(names(&[]), Identification::default());
        // Two hints are too few (1 - 0.83^2 = 0.31), three are enough (0.43), but not on a rented cloud.
        assert_eq!(scores(&names(&["a.search.com", "b.search.com"])), []);
        let three = ["a.search.com", "b.search.com", "c.search.com"];
        assert_eq!(scores(&names(&three)), [("hub", 0.43)]);
        assert_eq!(
            scores(&names(&[&three[..], &["a3.tuyaus.com"]].concat())),
            []
        );
    }

    #[test]
    fn a_telephone_is_no_plug() {
        // Two vendors' applications: each agrees with half of the evidence, 0.9 * 0.5^1.5 = 0.32.
        assert_eq!(scores(&names(&["api.xbcs.net", "api.ring.com"])), []);
        // One application among messengers and a news reader's strangers: agreement 2.3 / (2.3 + 3 * 0.5 + 5 * 0.15).
        let phone = [
            "api.ring.com",
            "i.instagram.com",
            "e2.whatsapp.net",
            "graph.facebook.com",
            "a.one.org",
            "b.two.org",
            "c.three.org",
            "d.four.org",
            "e.five.org",
        ];
        assert_eq!(scores(&names(&phone[..4])), [("ring", 0.42)]);
        assert_eq!(scores(&names(&phone)), []);
        // A vendor's web pages say half as much as its servers: 0.5 alone, nothing among strangers.
        assert_eq!(scores(&names(&["www.ring.com"])), [("ring", 0.5)]);
        assert_eq!(
            scores(&names(&[
                "www.ring.com",
                "a.one.org",
                "b.two.org",
                "c.three.org"
            ])),
            []
        );
    }

    #[test]
    fn weak_evidence_adds_up() {
        let catalog = catalog();
        let card = (EvidenceKind::Oui, "EC:1A:59:00:00:01");
        // A card alone: 0.5. With a host name: 1 - 0.5 * 0.2 = 0.9.
        assert_eq!(scores(&identify(&catalog, &seen(&[card]))), [("wemo", 0.5)]);
        let both = [(EvidenceKind::DhcpHost, "WeMo-1234"), card];
        let answer = identify(&catalog, &seen(&both));
        assert_eq!(scores(&answer), [("wemo", 0.9)]);
        assert_eq!(
            answer
                .support
                .iter()
                .map(|s| (s.evidence, s.strength))
                .collect::<Vec<_>>(),
            [(0, 0.8), (1, 0.5)]
        );
        // The order of the evidence changes nothing.
        assert_eq!(
            identify(&catalog, &seen(&[both[1], both[0]])).candidates,
            answer.candidates
        );
        assert_eq!(
            scores(&identify(
                &catalog,
                &seen(&[(EvidenceKind::Address, "192.0.2.7")])
            )),
            [("ring", 0.6)]
        );
        assert_eq!(
            scores(&identify(
                &catalog,
                &seen(&[(EvidenceKind::Dns, "192.0.2.7")])
            )),
            [("ring", 0.6)]
        );
        assert_eq!(
            scores(&identify(
                &catalog,
                &seen(&[(EvidenceKind::Prefix, "192.0.2.7/24")])
            )),
            []
        );
    }

    #[test]
    fn hostile_values_name_nobody() {
        let catalog = catalog();
        let long = "x.".repeat(10_000);
        for value in [
            "",
            ".",
            "..",
            "\u{7f}\u{0}",
            "::::",
            "/",
            "tcp/0",
            "tcp/99999",
            "ff",
            "é:é:é",
            long.as_str(),
        ] {
            for kind in [
                EvidenceKind::Dns,
                EvidenceKind::Oui,
                EvidenceKind::Address,
                EvidenceKind::Port,
                EvidenceKind::Mdns,
            ] {
                assert_eq!(
                    scores(&identify(&catalog, &seen(&[(kind, value)]))),
                    [],
                    "{kind} {value:?}"
                );
            }
        }
    }
}
