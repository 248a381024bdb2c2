//! Names in the clear: who asked for what, which address was the answer, which server a flow named.

use crate::flow::bounded::Bounded;
use crate::flow::key::FlowKey;
use crate::units::{Mac, Timestamp};
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Distinct names remembered by name; later ones still serve as evidence but are not listed.
const NAMES_AT_MOST: usize = 32_768;
/// Hosts whose questions are kept.
const HOSTS_AT_MOST: usize = 2_048;
/// Names kept of one host.
const NAMES_A_HOST: usize = 1_024;
/// Names kept of all hosts together.
const SIGHTINGS_AT_MOST: usize = 65_536;
/// Addresses whose names are kept.
const ADDRESSES_AT_MOST: usize = 16_384;
/// Names kept of one address: a CDN's address answers to many.
const NAMES_AN_ADDRESS: usize = 8;

/// How a name was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// Asked of a DNS server.
    Dns,
    /// What a DNS answer said the asked name stands for (CNAME, DNAME, HTTPS target).
    DnsAlias,
    /// Server name of a TLS ClientHello.
    Sni,
    /// Server name of a QUIC Initial.
    Quic,
    /// Host header of a plain HTTP request.
    HttpHost,
    /// Announced or asked by multicast DNS.
    Mdns,
    /// Asked by LLMNR.
    Llmnr,
    /// DHCP vendor class.
    DhcpVendor,
    /// DHCP host name.
    DhcpHost,
}

impl NameKind {
    /// The word reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::DnsAlias => "dns_alias",
            Self::Sni => "sni",
            Self::Quic => "quic",
            Self::HttpHost => "http_host",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
            Self::DhcpVendor => "dhcp_vendor",
            Self::DhcpHost => "dhcp_host",
        }
    }
}

/// A name, how it was seen, and when first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How.
    pub kind: NameKind,
    /// The name, escaped: safe to print.
    pub name: Arc<str>,
    /// When first.
    pub at: Timestamp,
}

/// That a name's answer held an address.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The name asked for, or an alias of it.
    pub name: Arc<str>,
    /// Whether it is an alias on the way from the name asked for to the address.
    pub alias: bool,
    /// Who asked.
    pub asker: IpAddr,
    /// The flow that the latest answer came in.
    pub via: FlowKey,
    /// The first answer.
    pub first: Timestamp,
    /// The latest answer.
    pub last: Timestamp,
}

/// Where in the lists of distinct names a name belongs.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    dns: bool,
    sni: bool,
    quic: bool,
}

/// What one host asked for.
#[derive(Debug, Default)]
struct Questions {
    sightings: Vec<Sighting>,
    last: Timestamp,
    /// Connections that were accepted, and names asked for again: what a spoofed sender does not show.
    real: u32,
}

impl Questions {
    /// What is kept longest when there is no room.
    fn worth(&self) -> (bool, bool, Timestamp) {
        (self.real > 0, self.sightings.len() > 1, self.last)
    }
}

/// All names overheard.
#[derive(Debug)]
pub struct NameBook {
    distinct: HashMap<Arc<str>, Heard, foldhash::fast::RandomState>,
    questions: Bounded<IpAddr, Questions>,
    sightings: usize,
    answers: Bounded<IpAddr, Vec<Answer>>,
    dhcp: Bounded<Mac, Vec<Sighting>>,
    /// Names, hosts or addresses that found no room.
    pub evicted: u64,
    /// How often something new was noted: as long as it stays, nothing new is known of anybody.
    pub news: u64,
}

impl Default for NameBook {
    fn default() -> Self {
        Self {
            distinct: HashMap::default(),
            questions: Bounded::new(HOSTS_AT_MOST),
            sightings: 0,
            answers: Bounded::new(ADDRESSES_AT_MOST),
            dhcp: Bounded::new(HOSTS_AT_MOST),
            evicted: 0,
            news: 0,
        }
    }
}

impl NameBook {
    /// The shared copy of a name; lists it among the distinct names of its kind.
    pub fn hear(&mut self, kind: NameKind, name: &str) -> Arc<str> {
        let (heard, shared) = match self.distinct.get_key_value(name) {
            Some((shared, heard)) => (*heard, shared.clone()),
            None => {
                let shared: Arc<str> = name.into();
                if self.distinct.len() >= NAMES_AT_MOST {
                    self.evicted += 1;
                    return shared;
                }
                self.distinct.insert(shared.clone(), Heard::default());
                (Heard::default(), shared)
            }
        };
        let now = Heard {
            dns: heard.dns || kind == NameKind::Dns,
            sni: heard.sni || kind == NameKind::Sni,
            quic: heard.quic || kind == NameKind::Quic,
        };
        if (now.dns, now.sni, now.quic) != (heard.dns, heard.sni, heard.quic) {
            if let Some(entry) = self.distinct.get_mut(name) {
                *entry = now;
            }
        }
        shared
    }

    /// Notes that a host asked for, announced or named `name`.
    pub fn note(&mut self, host: IpAddr, kind: NameKind, name: &Arc<str>, at: Timestamp) {
        if self.sightings >= SIGHTINGS_AT_MOST {
            self.make_room();
        }
        let mut lost = 0;
        let mut lost_sightings = 0;
        let asked = self.questions.entry(
            host,
            Questions::default,
            Questions::worth,
            |_, questions| {
                lost += 1;
                lost_sightings += questions.sightings.len();
            },
        );
        self.evicted += lost;
        self.sightings = self.sightings.saturating_sub(lost_sightings);
        let Some(asked) = asked else { return };
        asked.last = asked.last.max(at);
        let full = asked.sightings.len() >= NAMES_A_HOST;
        let overflown = self.distinct.len() >= NAMES_AT_MOST;
        let known = asked
            .sightings
            .iter_mut()
            .find(|sighting| sighting.kind == kind && same(&sighting.name, name, overflown));
        match known {
            Some(sighting) => {
                sighting.at = sighting.at.min(at);
                asked.real = asked.real.saturating_add(1);
            }
            None if full => self.evicted += 1,
            None => {
                asked.sightings.push(Sighting {
                    kind,
                    name: name.clone(),
                    at,
                });
                self.sightings += 1;
                self.news += 1;
            }
        }
    }

    /// Notes that somebody accepted a connection of `host`, if it is one whose names are kept.
    pub fn vouch(&mut self, host: IpAddr) {
        if let Some(asked) = self.questions.get_mut(&host) {
            asked.real = asked.real.saturating_add(1);
        }
    }

    /// Forgets the hosts with the fewest and oldest questions until a quarter of the room is free.
    fn make_room(&mut self) {
        let mut hosts: Vec<_> = self
            .questions
            .iter()
            .map(|(host, asked)| (asked.worth(), *host, asked.sightings.len()))
            .collect();
        hosts.sort_unstable();
        for (_, host, count) in hosts {
            if self.sightings <= SIGHTINGS_AT_MOST / 4 * 3 {
                break;
            }
            if let Some(questions) = self.questions.get_mut(&host) {
                questions.sightings = Vec::new();
                self.sightings -= count;
                self.evicted += count as u64;
            }
        }
    }

    /// Notes that an answer gave `address`.
    pub fn answer(&mut self, address: IpAddr, answer: Answer) {
        let mut lost = 0;
        let answers = self.answers.entry(
            address,
            Vec::new,
            |answers: &Vec<Answer>| answers.iter().map(|answer| answer.last).max(),
            |_, _| lost += 1,
        );
        self.evicted += lost;
        let Some(answers) = answers else { return };
        let overflown = self.distinct.len() >= NAMES_AT_MOST;
        let known = answers.iter_mut().find(|known| {
            known.asker == answer.asker && same(&known.name, &answer.name, overflown)
        });
        match known {
            Some(known) => {
                known.first = known.first.min(answer.first);
                known.last = known.last.max(answer.last);
                known.via = answer.via;
            }
            None => {
                if answers.len() >= NAMES_AN_ADDRESS {
                    answers.remove(0);
                    self.evicted += 1;
                }
                answers.push(answer);
                self.news += 1;
            }
        }
    }

    /// Notes what a device told by DHCP.
    pub fn dhcp(&mut self, mac: Mac, kind: NameKind, text: &str, at: Timestamp) {
        let name = self.hear(kind, text);
        let mut lost = 0;
        let told = self.dhcp.entry(
            mac,
            Vec::new,
            |told: &Vec<Sighting>| told.len(),
            |_, _| lost += 1,
        );
        self.evicted += lost;
        if let Some(told) = told {
            if told.len() < NAMES_AN_ADDRESS
                && !told.iter().any(|s| s.kind == kind && s.name == name)
            {
                told.push(Sighting { kind, name, at });
                self.news += 1;
            }
        }
    }

    /// What a host asked for or announced, in order of first sighting.
    pub fn of_host(&self, host: IpAddr) -> &[Sighting] {
        self.questions.get(&host).map_or(&[], |q| &q.sightings)
    }

    /// What a device told by DHCP.
    pub fn of_mac(&self, mac: Mac) -> &[Sighting] {
        self.dhcp.get(&mac).map_or(&[], Vec::as_slice)
    }

    /// The names whose answers held an address.
    pub fn of_address(&self, address: IpAddr) -> &[Answer] {
        self.answers.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Every host that asked or announced something.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.questions.iter().map(|(host, _)| *host)
    }

    /// Distinct names of a kind (DNS questions, SNI or QUIC), sorted.
    pub fn distinct(&self, kind: NameKind) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self
            .distinct
            .iter()
            .filter(|(_, heard)| match kind {
                NameKind::Dns => heard.dns,
                NameKind::Sni => heard.sni,
                NameKind::Quic => heard.quic,
                _ => false,
            })
            .map(|(name, _)| name.clone())
            .collect();
        names.sort_unstable();
        names
    }
}

/// Whether two names are one. Every name has one shared copy, until there are too many to share.
fn same(a: &Arc<str>, b: &Arc<str>, overflown: bool) -> bool {
    Arc::ptr_eq(a, b) || overflown && a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key::Endpoint;
    use crate::packet::dissect::Protocol;

    fn host(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_name_heard_twice_is_listed_once_and_keeps_its_first_instant() {
        let mut book = NameBook::default();
        for at in [20, 10] {
            let name = book.hear(NameKind::Dns, "api.xbcs.net");
            book.note(host(2), NameKind::Dns, &name, Timestamp(at));
        }
        assert_eq!(book.distinct(NameKind::Dns).len(), 1);
        assert!(book.distinct(NameKind::Sni).is_empty());
        let [sighting] = book.of_host(host(2)) else {
            panic!("one sighting expected")
        };
        assert_eq!(sighting.at, Timestamp(10));
    }

    #[test]
    fn an_address_keeps_its_latest_names() {
        let mut book = NameBook::default();
        let end = |last| Endpoint {
            address: host(last),
            port: 53,
        };
        for i in 0..20i64 {
            let name = book.hear(NameKind::Dns, &format!("n{i}.example"));
            let answer = Answer {
                name,
                alias: false,
                asker: host(2),
                via: FlowKey::between(Protocol::UDP, end(2), end(1)),
                first: Timestamp(i),
                last: Timestamp(i),
            };
            book.answer(host(9), answer);
        }
        let names: Vec<&str> = book.of_address(host(9)).iter().map(|a| &*a.name).collect();
        assert_eq!(names.len(), NAMES_AN_ADDRESS);
        assert_eq!((names[0], names[7]), ("n12.example", "n19.example"));
    }

    #[test]
    fn a_flood_of_names_keeps_its_bounds() {
        let mut book = NameBook::default();
        for i in 0..200_000u32 {
            let name = book.hear(NameKind::Dns, &format!("x{i}.example"));
            let from = IpAddr::from((i % 5_000).to_be_bytes());
            book.note(from, NameKind::Dns, &name, Timestamp(i64::from(i)));
        }
        assert!(book.distinct.len() <= NAMES_AT_MOST);
        assert!(book.sightings <= SIGHTINGS_AT_MOST);
        assert!(book.evicted > 0);
    }
}
