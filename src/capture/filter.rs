//! `-f`: filters in libpcap's language, compiled once for each link type met.

use super::bpf::{Instruction, Program};
use super::error::CaptureError;
use super::filter_place::{drawn, place};
use super::filter_words::without_lookups;
use super::frame::LinkType;
use std::collections::BTreeMap;

/// Whether a frame passes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Match,
    Mismatch,
    /// The filter has no meaning over this link type.
    Impossible,
}

/// A filter and its programs.
pub(super) struct Filter {
    /// As it was given.
    text: String,
    /// As it is compiled.
    numeric: String,
    programs: BTreeMap<LinkType, Result<Program, String>>,
}

impl Filter {
    /// The filter of that text, if there is one; an error where libpcap can compile it for no usual link type.
    pub(super) fn of(text: Option<&str>) -> Result<Option<Self>, CaptureError> {
        let Some(text) = text.map(str::to_owned) else {
            return Ok(None);
        };
        let numeric = match without_lookups(&text) {
            Ok(numeric) => numeric,
            Err(word) => return Err(CaptureError::FilterName { filter: text, word }),
        };
        let usual = [
            LinkType::ETHERNET,
            LinkType::RAW,
            LinkType::SLL,
            LinkType::IEEE802_11,
        ];
        let mut reason = None;
        for link in usual {
            match compile(&numeric, link) {
                Ok(_) => {
                    return Ok(Some(Self {
                        text,
                        numeric,
                        programs: BTreeMap::new(),
                    }))
                }
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        let compiles = |text: &str| {
            without_lookups(text).is_ok_and(|numeric| compile(&numeric, LinkType::ETHERNET).is_ok())
        };
        let place = place(&text, compiles);
        Err(CaptureError::Filter {
            place: place.map_or_else(|| "; ".into(), |place| drawn(&text, &place)),
            filter: text,
            reason: reason.unwrap_or_default(),
            link: None,
        })
    }

    /// Compiles it for the only link type of `path`, for which it must be fit.
    pub(super) fn require(&mut self, link: LinkType, path: &str) -> Result<(), CaptureError> {
        match self.program(link) {
            Ok(_) => Ok(()),
            Err(reason) => Err(CaptureError::Filter {
                reason: reason.clone(),
                filter: self.text.clone(),
                link: Some(format!("{path} is {link}")),
                place: "; ".into(),
            }),
        }
    }

    /// What libpcap is given to compile: no name is left in it that would be looked up.
    pub(super) fn numeric(&self) -> &str {
        &self.numeric
    }

    fn program(&mut self, link: LinkType) -> &Result<Program, String> {
        self.programs
            .entry(link)
            .or_insert_with(|| compile(&self.numeric, link))
    }

    /// Whether a frame passes.
    pub(super) fn matches(&mut self, link: LinkType, wire_len: u32, data: &[u8]) -> Fit {
        // A loopback frame of a big-endian machine: the family's upper half comes first and is 0. To libpcap that is the
        // byte order of OpenBSD's loopback, while plain loopback is in our own.
        let link = match (link, data) {
            (LinkType::NULL, [0, 0, ..]) => LinkType::LOOP,
            _ => link,
        };
        match self.program(link) {
            Ok(program) if program.matches(data, wire_len) => Fit::Match,
            Ok(_) => Fit::Mismatch,
            Err(_) => Fit::Impossible,
        }
    }

    /// For which link types it could not be compiled and why.
    pub(super) fn refusals(&self) -> String {
        let mut reasons: Vec<String> = self
            .programs
            .iter()
            .filter_map(|(link, program)| Some(format!("{link}: {}", program.as_ref().err()?)))
            .collect();
        reasons.truncate(3);
        reasons.join("; ")
    }
}

/// libpcap's own number of a link type: most are those of files, raw IP is not.
fn dlt(link: LinkType) -> ::pcap::Linktype {
    ::pcap::Linktype(match link {
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => 12,
        LinkType(number) => i32::from(number),
    })
}

fn compile(text: &str, link: LinkType) -> Result<Program, String> {
    let reason = |error| match error {
        ::pcap::Error::PcapError(message) => message,
        other => other.to_string(),
    };
    let handle = ::pcap::Capture::dead(dlt(link)).map_err(reason)?;
    let program = handle.compile(text, true).map_err(reason)?;
    // The crate keeps the instruction's fields to itself but prints them.
    let instructions = program.get_instructions().iter().map(|instruction| {
        let printed = instruction.to_string();
        let mut fields = printed.split(' ').map(str::parse::<u32>);
        let mut field = || fields.next()?.ok();
        Some(Instruction {
            code: u16::try_from(field()?).ok()?,
            if_true: u8::try_from(field()?).ok()?,
            if_false: u8::try_from(field()?).ok()?,
            k: field()?,
        })
    });
    instructions
        .collect::<Option<_>>()
        .map(Program)
        .ok_or_else(|| "libpcap's program cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> Result<Filter, CaptureError> {
        Filter::of(Some(text)).map(|filter| filter.unwrap())
    }

    /// A DNS question, 71 bytes: Ethernet, 10.0.0.1:40000 to 10.0.0.2:53 over UDP.
    fn question() -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        bytes.extend([
            0x45, 0, 0, 57, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        bytes.extend([0x9c, 0x40, 0, 53, 0, 37, 0, 0]);
        bytes.resize(71, 0);
        bytes
    }

    #[test]
    fn frames_match_or_do_not() {
        for (text, fit) in [
            ("", Fit::Match),
            ("udp port domain", Fit::Match),
            ("host 10.0.0.2 and greater 71", Fit::Match),
            ("greater 72", Fit::Mismatch),
            ("tcp", Fit::Mismatch),
            ("ip protochain 17", Fit::Match),
        ] {
            let mut filter = filter(text).unwrap();
            assert_eq!(
                filter.matches(LinkType::ETHERNET, 71, &question()),
                fit,
                "{text}"
            );
        }
    }

    #[test]
    fn lengths_are_those_on_the_wire() {
        let mut filter = filter("greater 1000").unwrap();
        let cut = &question()[..54];
        assert_eq!(filter.matches(LinkType::ETHERNET, 1514, cut), Fit::Match);
        assert_eq!(filter.matches(LinkType::ETHERNET, 999, cut), Fit::Mismatch);
    }

    #[test]
    fn each_link_type_has_its_program() {
        let mut filter = filter("udp port 53 and src 10.0.0.1").unwrap();
        let ip = &question()[14..];
        for link in [LinkType::RAW, LinkType::RAW_BSD, LinkType::IPV4] {
            assert_eq!(filter.matches(link, 57, ip), Fit::Match, "{link}");
        }
        let loopback = |family: [u8; 4]| [&family[..], ip].concat();
        assert_eq!(
            filter.matches(LinkType::NULL, 61, &loopback([2, 0, 0, 0])),
            Fit::Match
        );
        assert_eq!(
            filter.matches(LinkType::NULL, 61, &loopback([0, 0, 0, 2])),
            Fit::Match
        );
        assert_eq!(
            filter.matches(LinkType::LOOP, 61, &loopback([0, 0, 0, 2])),
            Fit::Match
        );
        assert_eq!(filter.matches(LinkType(65000), 57, ip), Fit::Impossible);
        assert!(filter.refusals().contains("65000"));
    }

    #[test]
    fn bad_filters_are_explained() {
        let error = filter("host and").err().unwrap().to_string();
        assert!(
            error.contains("syntax error") && error.contains("for example"),
            "{error}"
        );
        let error = filter("host example.com").err().unwrap().to_string();
        assert!(error.contains("`example.com`"), "{error}");
        assert!(filter("ip\0").is_err());
        // Meaningless over Ethernet, but not over 802.11.
        assert!(filter("type mgt subtype beacon").is_ok());
        let mut ether = filter("ether host 02:00:00:00:00:01").unwrap();
        let error = ether
            .require(LinkType::RAW, "a.pcap")
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("a.pcap is raw IP"), "{error}");
    }

    const FILTERS: [&str; 14] = [
        "ip",
        "tcp port 443",
        "udp and not port 53",
        "ip6 and tcp",
        "vlan and ip",
        "pppoes and ip",
        "net 10.0.0.0/8",
        "portrange 100-30000",
        "ip[0] & 0xf > 5",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
        "ip[2:2] * 3 / 2 - 7 > (ip[8] << 2) % 5",
        "ether[0] ^ ether[1] = 3 or less 40",
        "ip proto 17 and ip[6:2] & 0x1fff = 0",
        "ip6 protochain 6",
    ];

    proptest! {
        /// On whole packets, where lengths are no matter, libpcap's own machine decides the same.
        #[test]
        fn agrees_with_libpcap(
            mut bytes in prop::collection::vec(any::<u8>(), 1..120),
            kind in 0usize..4,
            protocol in prop::sample::select(vec![6u8, 17, 1, 0]),
            which in 0..FILTERS.len(),
        ) {
            let head: &[u8] = [&[0x08u8, 0, 0x45][..], &[0x86, 0xdd, 0x60], &[0x81, 0, 0, 3, 8, 0, 0x46], &[]][kind];
            for (to, from) in bytes.iter_mut().skip(12).zip(head) {
                *to = *from;
            }
            if let Some(field) = bytes.get_mut(23) {
                *field = protocol;
            }
            let theirs = ::pcap::Capture::dead(::pcap::Linktype(1)).unwrap();
            let theirs = theirs.compile(FILTERS[which], true).unwrap();
            let ours = compile(FILTERS[which], LinkType::ETHERNET).unwrap();
            prop_assert_eq!(ours.matches(&bytes, bytes.len() as u32), theirs.filter(&bytes));
        }
    }
}
