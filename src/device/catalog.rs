//! All fingerprints at hand, indexed by what the wire shows: a name, an address, a port, a network card.
//!
//! Those under `fingerprints/` travel in the binary; more are read from folders. A name answers with the *most specific*
//! rule that knows it, so that `august.pubnub.com` is August's although `pubnub.com` is everybody's.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use include_dir::{include_dir, Dir};
use ipnet::IpNet;

use super::fingerprint::{line_of, Fingerprint, FingerprintError, Oui, Port};
pub use super::load::Shared;
use super::load::{read_dir, SharedFile, Stored};
use super::pattern::{matches, normalise};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fingerprints");

/// The file of names that tell nothing by themselves.
pub(super) const SHARED_NAMES: &str = "shared-names";

/// Names of local networks that resolvers put behind a name which did not resolve: `api.xbcs.net.belkin`.
const SEARCH_DOMAINS: [&str; 12] = [
    ".belkin",
    ".lan",
    ".local",
    ".home",
    ".localdomain",
    ".internal",
    ".home.arpa",
    ".fritz.box",
    ".router",
    ".gateway",
    ".domain",
    ".dlink",
];

/// A place in the catalog: cheap to copy, valid for the catalog that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FingerprintIndex(u32);

/// How a name was recognised, from strongest to weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The whole name is listed.
    Exact,
    /// A pattern matches the whole name.
    Wildcard,
    /// It lies under a listed domain.
    Suffix,
    /// It is listed as one that others ask for too.
    Hint,
}

/// What the catalog makes of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum NameMatch<'a> {
    /// Fingerprints ask for it.
    Known(Known<'a>),
    /// Everybody asks for it.
    Shared(&'a Shared),
    /// Nothing is known of it.
    Unknown,
}

/// The most specific rule that knows a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Known<'a> {
    /// How.
    pub rule: Rule,
    /// The rule's text; two names that match one pattern are one piece of evidence, not two.
    pub pattern: &'a str,
    /// Whose, in catalog order, never empty.
    pub fingerprints: Vec<FingerprintIndex>,
}

/// Fingerprints and the ways to find them.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    fingerprints: Vec<Fingerprint>,
    shared: Vec<Shared>,
    names: HashMap<Box<str>, Owners, foldhash::fast::FixedState>,
    suffixes: HashMap<Box<str>, Owners, foldhash::fast::FixedState>,
    patterns: Vec<Pattern>,
    addresses: HashMap<IpNet, Vec<FingerprintIndex>, foldhash::fast::FixedState>,
    /// Prefix lengths in use, longest first, for IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
    ouis: HashMap<Oui, Vec<FingerprintIndex>, foldhash::fast::FixedState>,
    ports: HashMap<Port, Vec<FingerprintIndex>, foldhash::fast::FixedState>,
}

/// Whose a listed name or domain is.
#[derive(Clone, Debug, Default)]
struct Owners {
    firm: Vec<FingerprintIndex>,
    hinted: Vec<FingerprintIndex>,
    shared: Option<usize>,
}

/// A pattern and whose it is. `literal` counts the bytes that are no wildcard: the more, the more it says.
#[derive(Clone, Debug)]
struct Pattern {
    text: Box<str>,
    literal: usize,
    owners: Owners,
}

impl Catalog {
    /// The fingerprints the binary carries.
    ///
    /// A test reads every one of them, so an error here means a binary built from an untested tree.
    pub fn embedded() -> Result<Self, FingerprintError> {
        let files = EMBEDDED.files().filter_map(|file| {
            let path = file.path();
            let stem = path.file_stem()?.to_str()?;
            let text = file.contents_utf8()?;
            (path.extension()? == "toml")
                .then(|| (stem.to_owned(), text.to_owned(), path.display().to_string()))
        });
        Self::from_files(files)
    }

    /// The fingerprints of a folder, without those of the binary.
    pub fn from_dir(dir: &Path) -> Result<Self, FingerprintError> {
        Self::from_files(read_dir(dir)?)
    }

    /// These fingerprints and those of a folder; where both have an id, the folder's counts.
    pub fn load_dir(self, dir: &Path) -> Result<Self, FingerprintError> {
        let more = Self::from_dir(dir)?;
        let mut fingerprints = self.fingerprints;
        fingerprints.retain(|old| more.find(&old.id).is_none());
        fingerprints.extend(more.fingerprints);
        let mut shared = self.shared;
        shared.extend(more.shared);
        Ok(Self::new(fingerprints, shared))
    }

    /// A catalog of exactly these fingerprints.
    pub fn new(mut fingerprints: Vec<Fingerprint>, shared: Vec<Shared>) -> Self {
        fingerprints.sort_by(|a, b| a.id.cmp(&b.id));
        fingerprints.dedup_by(|a, b| a.id == b.id);
        let mut catalog = Self {
            fingerprints,
            shared,
            ..Self::default()
        };
        catalog.index();
        catalog
    }

    /// The fingerprints that `keep` says yes to, with all shared names.
    pub fn subset(&self, keep: impl Fn(&Fingerprint) -> bool) -> Self {
        let kept = self.fingerprints.iter().filter(|one| keep(one));
        Self::new(kept.cloned().collect(), self.shared.clone())
    }

    /// The place of the fingerprint of an id.
    pub fn place(&self, id: &str) -> Option<FingerprintIndex> {
        let at = self
            .fingerprints
            .binary_search_by(|f| f.id.as_str().cmp(id))
            .ok()?;
        u32::try_from(at).ok().map(FingerprintIndex)
    }

    /// What the catalog makes of a name as seen on the wire: any case, with or without the final dot, perhaps with a local
    /// network's domain behind it.
    pub fn by_name(&self, name: &str) -> NameMatch<'_> {
        let Some(name) = normalise(name) else {
            return NameMatch::Unknown;
        };
        let found = self.look_up(&name);
        if found != NameMatch::Unknown {
            return found;
        }
        // "api.xbcs.net.belkin" is unknown: try what stands before the local domain.
        let shortened = SEARCH_DOMAINS
            .iter()
            .find_map(|domain| name.strip_suffix(domain));
        shortened.map_or(NameMatch::Unknown, |rest| self.look_up(rest))
    }

    /// Fingerprints whose server prefix holds `address`, by the longest such prefix, with that prefix.
    pub fn by_address(&self, address: IpAddr) -> Option<(IpNet, &[FingerprintIndex])> {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        let lengths = if address.is_ipv4() {
            &self.lengths[0]
        } else {
            &self.lengths[1]
        };
        lengths.iter().find_map(|&length| {
            let prefix = IpNet::new(address, length).ok()?.trunc();
            self.addresses
                .get(&prefix)
                .map(|found| (prefix, found.as_slice()))
        })
    }

    /// Fingerprints that use a port.
    pub fn by_port(&self, port: Port) -> &[FingerprintIndex] {
        self.ports.get(&port).map_or(&[], Vec::as_slice)
    }

    /// Fingerprints whose network cards begin so. Addresses a device made up itself (locally administered) name nobody.
    pub fn by_mac(&self, mac: [u8; 6]) -> &[FingerprintIndex] {
        let [a, b, c, ..] = mac;
        if a & 0b11 != 0 {
            return &[];
        }
        self.ouis.get(&Oui([a, b, c])).map_or(&[], Vec::as_slice)
    }

    /// Fingerprints that give this DHCP vendor class (option 60).
    pub fn by_vendor_class(&self, class: &str) -> Vec<FingerprintIndex> {
        self.by_dhcp(class, |fingerprint| &fingerprint.dhcp.vendor_class)
    }

    /// Fingerprints that give this DHCP or mDNS host name.
    pub fn by_host_name(&self, host: &str) -> Vec<FingerprintIndex> {
        self.by_dhcp(host, |fingerprint| &fingerprint.dhcp.host_name)
    }

    /// The fingerprint at a place.
    pub fn get(&self, index: FingerprintIndex) -> Option<&Fingerprint> {
        self.fingerprints.get(index.0 as usize)
    }

    /// The fingerprint of an id.
    pub fn find(&self, id: &str) -> Option<&Fingerprint> {
        self.fingerprints
            .binary_search_by(|f| f.id.as_str().cmp(id))
            .ok()
            .and_then(|at| self.fingerprints.get(at))
    }

    /// All of them, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.fingerprints.iter()
    }

    /// The names that tell nothing by themselves.
    pub fn shared(&self) -> &[Shared] {
        &self.shared
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    fn from_files(files: impl IntoIterator<Item = Stored>) -> Result<Self, FingerprintError> {
        let mut fingerprints = Vec::new();
        let mut shared = Vec::new();
        for (stem, text, path) in files {
            if stem == SHARED_NAMES {
                let file: SharedFile =
                    toml::from_str(&text).map_err(|error| FingerprintError::Malformed {
                        path,
                        line: line_of(&text, &error),
                        what: error.message().to_owned(),
                    })?;
                shared.extend(file.shared);
            } else {
                fingerprints.push(Fingerprint::from_toml(&stem, &text, &path)?);
            }
        }
        Ok(Self::new(fingerprints, shared))
    }

    fn by_dhcp(
        &self,
        text: &str,
        list: impl Fn(&Fingerprint) -> &Vec<String>,
    ) -> Vec<FingerprintIndex> {
        let text = text.to_ascii_lowercase();
        let mine = |fingerprint: &Fingerprint| {
            list(fingerprint)
                .iter()
                .any(|pattern| matches(pattern, &text))
        };
        self.indexed()
            .filter(|(_, fingerprint)| mine(fingerprint))
            .map(|(index, _)| index)
            .collect()
    }

    /// All of them with their places, in order of id.
    pub fn indexed(&self) -> impl Iterator<Item = (FingerprintIndex, &Fingerprint)> {
        (0u32..).map(FingerprintIndex).zip(&self.fingerprints)
    }

    /// The most specific rule for a normalised name: listed names first, then whichever domain or pattern spells out most
    /// of it; where a fingerprint and the shared names say equally much, the fingerprint.
    fn look_up(&self, name: &str) -> NameMatch<'_> {
        if let Some((pattern, owners)) = self.names.get_key_value(name) {
            return self.answer(Rule::Exact, pattern, owners);
        }
        let mut best: Option<(usize, Rule, &str, &Owners)> = None;
        let mut rest = name;
        loop {
            if let Some((pattern, owners)) = self.suffixes.get_key_value(rest) {
                best = Some((rest.len(), Rule::Suffix, pattern, owners));
                break;
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => break,
            }
        }
        for pattern in &self.patterns {
            let longer = best.is_none_or(|(literal, ..)| pattern.literal > literal);
            if longer && matches(&pattern.text, name) {
                best = Some((
                    pattern.literal,
                    Rule::Wildcard,
                    &pattern.text,
                    &pattern.owners,
                ));
            }
        }
        best.map_or(NameMatch::Unknown, |(_, rule, pattern, owners)| {
            self.answer(rule, pattern, owners)
        })
    }

    fn answer<'a>(&'a self, rule: Rule, pattern: &'a str, owners: &Owners) -> NameMatch<'a> {
        if !owners.firm.is_empty() {
            NameMatch::Known(Known {
                rule,
                pattern,
                fingerprints: owners.firm.clone(),
            })
        } else if !owners.hinted.is_empty() {
            NameMatch::Known(Known {
                rule: Rule::Hint,
                pattern,
                fingerprints: owners.hinted.clone(),
            })
        } else {
            owners
                .shared
                .and_then(|at| self.shared.get(at))
                .map_or(NameMatch::Unknown, NameMatch::Shared)
        }
    }

    fn index(&mut self) {
        let mut patterns: BTreeMap<String, Owners> = BTreeMap::new();
        let (fingerprints, shared) = (
            std::mem::take(&mut self.fingerprints),
            std::mem::take(&mut self.shared),
        );
        for (at, fingerprint) in (0u32..).map(FingerprintIndex).zip(&fingerprints) {
            for name in &fingerprint.names.exact {
                self.names
                    .entry(name.as_str().into())
                    .or_default()
                    .firm
                    .push(at);
            }
            for name in &fingerprint.names.suffix {
                self.suffixes
                    .entry(name.as_str().into())
                    .or_default()
                    .firm
                    .push(at);
            }
            for pattern in &fingerprint.names.wildcard {
                patterns.entry(pattern.clone()).or_default().firm.push(at);
            }
            for name in &fingerprint.names.hint {
                if name.contains(['*', '?']) {
                    patterns.entry(name.clone()).or_default().hinted.push(at);
                } else {
                    self.names
                        .entry(name.as_str().into())
                        .or_default()
                        .hinted
                        .push(at);
                }
            }
            for address in &fingerprint.addresses {
                let owners = self.addresses.entry(address.prefix.trunc()).or_default();
                if owners.last() != Some(&at) {
                    owners.push(at);
                }
            }
            for oui in &fingerprint.mac.oui {
                self.ouis.entry(*oui).or_default().push(at);
            }
            for port in &fingerprint.ports {
                self.ports.entry(*port).or_default().push(at);
            }
        }
        for (at, entry) in shared.iter().enumerate() {
            for name in &entry.exact {
                self.names
                    .entry(name.to_ascii_lowercase().into())
                    .or_default()
                    .shared
                    .get_or_insert(at);
            }
            for name in &entry.suffix {
                self.suffixes
                    .entry(name.to_ascii_lowercase().into())
                    .or_default()
                    .shared
                    .get_or_insert(at);
            }
            for pattern in &entry.wildcard {
                patterns
                    .entry(pattern.to_ascii_lowercase())
                    .or_default()
                    .shared
                    .get_or_insert(at);
            }
        }
        self.patterns = patterns
            .into_iter()
            .map(|(text, owners)| {
                let literal = text.bytes().filter(|b| !matches!(b, b'*' | b'?')).count();
                Pattern {
                    text: text.into(),
                    literal,
                    owners,
                }
            })
            .collect();
        for prefix in self.addresses.keys() {
            let lengths = if prefix.addr().is_ipv4() {
                &mut self.lengths[0]
            } else {
                &mut self.lengths[1]
            };
            lengths.push(prefix.prefix_len());
        }
        for lengths in &mut self.lengths {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
        }
        (self.fingerprints, self.shared) = (fingerprints, shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(id: &str, text: &str) -> Fingerprint {
        Fingerprint::from_toml(
            id,
            &format!("vendor = \"{id}\"\nkind = \"plug\"\n{text}"),
            id,
        )
        .unwrap()
    }

    fn shared(why: &str, suffix: &str) -> Shared {
        Shared {
            why: why.to_owned(),
            suffix: vec![suffix.to_owned()],
            ..Shared::default()
        }
    }

    fn owners<'a>(catalog: &'a Catalog, name: &str) -> Vec<&'a str> {
        match catalog.by_name(name) {
            NameMatch::Known(known) => known
                .fingerprints
                .iter()
                .map(|&at| catalog.get(at).unwrap().id.as_str())
                .collect(),
            NameMatch::Shared(shared) => vec![shared.why.as_str()],
            NameMatch::Unknown => vec![],
        }
    }

    #[test]
    fn the_most_specific_rule_answers() {
        let catalog = Catalog::new(
            vec![
                fingerprint(
                    "august",
                    "[names]\nexact = [\"august.pubnub.com\"]\nsuffix = [\"august.com\"]",
                ),
                fingerprint("netgear", "[names]\nsuffix = [\"netgear.com\"]"),
                fingerprint("arlo", "[names]\nsuffix = [\"arlo.netgear.com\"]"),
                fingerprint(
                    "wemo",
                    "[names]\nsuffix = [\"xbcs.net\"]\nwildcard = [\"prod1-fs-xbcs-net-*\"]",
                ),
            ],
            vec![
                shared("many makers", "pubnub.com"),
                shared("cloud", "amazonaws.com"),
            ],
        );
        assert_eq!(owners(&catalog, "august.pubnub.com"), ["august"]);
        assert_eq!(owners(&catalog, "other.pubnub.com"), ["many makers"]);
        assert_eq!(owners(&catalog, "updates.arlo.netgear.com"), ["arlo"]);
        assert_eq!(owners(&catalog, "www.netgear.com"), ["netgear"]);
        assert_eq!(owners(&catalog, "notnetgear.com"), [""; 0]);
        // The paper's Table 2 cuts the WeMo's name short: a pattern over a cloud's own name.
        assert_eq!(owners(&catalog, "prod1-fs-xbcs-net-1101221371"), ["wemo"]);
        assert_eq!(
            owners(
                &catalog,
                "prod1-fs-xbcs-net-1101221371.us-east-1.elb.amazonaws.com"
            ),
            ["wemo"]
        );
        assert_eq!(owners(&catalog, "x.us-east-1.elb.amazonaws.com"), ["cloud"]);
        assert_eq!(owners(&catalog, "API.XBCS.NET."), ["wemo"]);
        assert_eq!(owners(&catalog, "api.xbcs.net.belkin"), ["wemo"]);
        for hostile in [
            "",
            ".",
            "..",
            "...com",
            "\u{0}",
            &"a.".repeat(500),
            &"*".repeat(255),
        ] {
            assert_eq!(owners(&catalog, hostile), [""; 0], "{hostile:?}");
        }
    }

    #[test]
    fn the_longest_prefix_answers() {
        let address = |id, prefix: &str| {
            fingerprint(
                id,
                &format!("[[addresses]]\nprefix = \"{prefix}\"\nlearned = \"2024-03-05\""),
            )
        };
        let catalog = Catalog::new(
            vec![
                address("host", "192.0.2.7/32"),
                address("net", "192.0.2.0/24"),
            ],
            vec![],
        );
        let found = |text: &str| {
            let (prefix, owners) = catalog.by_address(text.parse().unwrap())?;
            Some((
                prefix.prefix_len(),
                catalog.get(owners[0]).unwrap().id.clone(),
            ))
        };
        assert_eq!(found("192.0.2.7"), Some((32, "host".to_owned())));
        assert_eq!(found("::ffff:192.0.2.7"), Some((32, "host".to_owned())));
        assert_eq!(found("192.0.2.8"), Some((24, "net".to_owned())));
        assert_eq!(found("192.0.3.8"), None);
        assert_eq!(found("2001:db8::1"), None);
    }

    #[test]
    fn made_up_hardware_addresses_name_nobody() {
        let catalog = Catalog::new(
            vec![fingerprint(
                "a",
                "[mac]\noui = [\"ec:1a:59\", \"ee:1a:59\"]",
            )],
            vec![],
        );
        assert_eq!(catalog.by_mac([0xec, 0x1a, 0x59, 1, 2, 3]).len(), 1);
        assert_eq!(catalog.by_mac([0xee, 0x1a, 0x59, 1, 2, 3]).len(), 0);
    }

    #[test]
    fn every_embedded_fingerprint_reads() {
        let catalog = Catalog::embedded().unwrap();
        assert!(catalog.len() > 200, "{} fingerprints", catalog.len());
        for fingerprint in catalog.iter() {
            assert!(
                !fingerprint.sources.is_empty(),
                "{}: no source",
                fingerprint.id
            );
        }
    }

    #[test]
    fn a_folder_overrides_what_the_binary_carries() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("a.toml"),
            "vendor = \"Mine\"\nkind = \"plug\"\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("notes.txt"), "not a fingerprint").unwrap();
        let catalog = Catalog::new(vec![fingerprint("a", ""), fingerprint("b", "")], vec![]);
        let catalog = catalog.load_dir(dir.path()).unwrap();
        assert_eq!(catalog.find("a").unwrap().vendor, "Mine");
        assert_eq!(catalog.len(), 2);
        std::fs::write(dir.path().join("c.toml"), "vendor = 3\n").unwrap();
        let error = Catalog::default()
            .load_dir(dir.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("c.toml: line 1"), "{error}");
        assert!(Catalog::from_dir(&dir.path().join("none"))
            .unwrap_err()
            .to_string()
            .contains("none"));
    }
}
