//! Words of a filter that libpcap would look up: names of hosts, networks and ports.
//!
//! libpcap takes a word it does not know for a name and asks the system's resolver, that is, the network; for the name of a
//! port too, the resolver opens sockets. Reading a capture must do neither: the name alone would tell a server what is
//! being looked at. So ports are put in as numbers here, and other names are refused.

/// Words of the language (pcap-filter(7)), short of those after which names are no hosts.
const KEYWORDS: &[&str] = &[
    "aarp",
    "addr1",
    "addr2",
    "addr3",
    "addr4",
    "address1",
    "address2",
    "address3",
    "address4",
    "ah",
    "and",
    "arp",
    "atalk",
    "bcc",
    "broadcast",
    "byte",
    "carp",
    "clnp",
    "connectmsg",
    "csnp",
    "decnet",
    "dpc",
    "dst",
    "es-is",
    "esis",
    "esp",
    "ether",
    "fddi",
    "fisu",
    "geneve",
    "greater",
    "hdpc",
    "hfisu",
    "hlssu",
    "hmsu",
    "hopc",
    "hsio",
    "hsls",
    "icmp",
    "icmp6",
    "ifindex",
    "igmp",
    "igrp",
    "iih",
    "ilmic",
    "inbound",
    "ip",
    "ip6",
    "ipx",
    "is-is",
    "isis",
    "iso",
    "l1",
    "l2",
    "lane",
    "lat",
    "len",
    "length",
    "less",
    "link",
    "lsp",
    "lssu",
    "lsu",
    "mask",
    "metac",
    "metaconnect",
    "mopdl",
    "moprc",
    "mpls",
    "msu",
    "multicast",
    "netbeui",
    "not",
    "oam",
    "oamf4",
    "oamf4ec",
    "oamf4sc",
    "opc",
    "or",
    "outbound",
    "pim",
    "ppp",
    "pppoed",
    "pppoes",
    "psnp",
    "ra",
    "radio",
    "rarp",
    "rnr",
    "rulenum",
    "sc",
    "sca",
    "sctp",
    "sio",
    "slip",
    "sls",
    "snp",
    "src",
    "srnr",
    "stp",
    "subrulenum",
    "ta",
    "tcp",
    "tr",
    "udp",
    "vci",
    "vlan",
    "vpi",
    "vrrp",
    "vxlan",
    "wlan",
];

/// Words that stand for numbers: offsets and values of header fields.
const FIELDS: [&str; 3] = ["icmp", "icmp6", "tcp"];

/// Words after which libpcap knows names by itself, or reads them from a file.
const LOCAL_NAMES: &[&str] = &[
    "action",
    "dir",
    "direction",
    "ifname",
    "llc",
    "on",
    "proto",
    "protochain",
    "reason",
    "rset",
    "ruleset",
    "subtype",
    "type",
];

/// Words after which names are services.
const PORTS: [&str; 2] = ["port", "portrange"];

/// Services of a home by the names in IANA's registry of ports.
const SERVICES: &[(&str, u16)] = &[
    ("amqp", 5672),
    ("amqps", 5671),
    ("bootpc", 68),
    ("bootps", 67),
    ("coap", 5683),
    ("coaps", 5684),
    ("dhcpv6-client", 546),
    ("dhcpv6-server", 547),
    ("domain", 53),
    ("domain-s", 853),
    ("ftp", 21),
    ("http", 80),
    ("http-alt", 8080),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("ipp", 631),
    ("isakmp", 500),
    ("llmnr", 5355),
    ("mdns", 5353),
    ("mqtt", 1883),
    ("netbios-dgm", 138),
    ("netbios-ns", 137),
    ("netbios-ssn", 139),
    ("ntp", 123),
    ("rtsp", 554),
    ("secure-mqtt", 8883),
    ("sip", 5060),
    ("sips", 5061),
    ("smtp", 25),
    ("snmp", 161),
    ("ssdp", 1900),
    ("ssh", 22),
    ("stun", 3478),
    ("syslog", 514),
    ("telnet", 23),
    ("tftp", 69),
    ("xmpp-client", 5222),
];

/// Words after which names are hosts or networks.
const ADDRESSES: [&str; 3] = ["host", "net", "gateway"];

/// What a name means that comes after the word before.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Names {
    Looked,
    Local,
    Ports,
}

/// The filter with the names of ports put as numbers; or the first word that would be looked up.
pub(super) fn without_lookups(filter: &str) -> Result<String, String> {
    let word_char = |c: char| c.is_alphanumeric() || "_.:$\\-".contains(c);
    let mut out = String::with_capacity(filter.len());
    let mut names = Names::Looked;
    let mut left = filter;
    while !left.is_empty() {
        let gap = left.find(word_char).unwrap_or(left.len());
        let (between, rest) = left.split_at(gap);
        let (run, rest) = rest.split_at(rest.find(|c| !word_char(c)).unwrap_or(rest.len()));
        let word = run.trim_start_matches('-');
        out.push_str(between);
        left = rest;
        if word.is_empty() || is_number(word) || is_field(word) {
        } else if LOCAL_NAMES.contains(&word) {
            names = Names::Local;
        } else if PORTS.contains(&word) {
            names = Names::Ports;
        } else if ADDRESSES.contains(&word) {
            names = Names::Looked;
        } else if KEYWORDS.contains(&word) {
            // `port 80 or 443` and `port http or https` go on with the kind of name before.
            if !matches!(word, "and" | "or" | "not") {
                names = Names::Looked;
            }
        } else if names == Names::Ports {
            let service = SERVICES.iter().find(|(name, _)| *name == word);
            let (_, port) = service.ok_or_else(|| word.to_owned())?;
            out.push_str(&port.to_string());
            continue;
        } else if names == Names::Looked {
            return Err(word.to_owned());
        }
        out.push_str(run);
    }
    Ok(out)
}

/// `tcpflags`, `icmptype`, `tcp-syn`, `icmp6-echo` and the like.
fn is_field(word: &str) -> bool {
    let tail = |name| word.strip_prefix(name);
    FIELDS
        .iter()
        .filter_map(tail)
        .any(|tail| tail.starts_with('-') || matches!(tail, "flags" | "type" | "code"))
}

/// A number, or an address of IPv4, IPv6, Ethernet or ARCnet, whole or in part.
fn is_number(word: &str) -> bool {
    let hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts = |by: char, range: std::ops::RangeInclusive<usize>, test: &dyn Fn(&str) -> bool| {
        range.contains(&word.split(by).count()) && word.split(by).all(test)
    };
    word.strip_prefix("0x").is_some_and(hex)
        || word.strip_prefix('$').is_some_and(hex)
        || parts('.', 1..=4, &decimal)
        || parts('-', 2..=2, &decimal)
        || parts('-', 6..=6, &hex)
        || (parts('.', 3..=3, &hex) && word.len() == 14)
        || (word.contains(':')
            && word
                .split([':', '.'])
                .all(|part| part.is_empty() || hex(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_without_names_stay_as_they_are() {
        for filter in [
            "",
            " host 192.168.1.20 and not port 53 ",
            "(tcp or udp) and portrange 6000-6008",
            "net 10.0.0.0/8 or net 192.168",
            "ether host 24:ce:33:24:b5:cb or ether src 24-ce-33-24-b5-cb",
            "host fe80::1 or ip6 host ::ffff:192.0.2.1",
            "ip proto \\tcp and ip[2:2] > 100 and ip proto icmp",
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and icmp[icmptype] != icmp-echo",
            "less 100 or greater 1000 or len = 0x40 or ip[2:2] -14>3",
            "vlan 3 && pppoes && ip || !arp",
            "type mgt subtype beacon",
            "ether[0] & 1 = 0 and ip[16] >= 224",
        ] {
            assert_eq!(without_lookups(filter).as_deref(), Ok(filter));
        }
    }

    #[test]
    fn ports_become_numbers() {
        assert_eq!(
            without_lookups("(tcp port http or https) and not dst port domain"),
            Ok("(tcp port 80 or 443) and not dst port 53".to_owned())
        );
        assert_eq!(
            without_lookups("port frobnicate"),
            Err("frobnicate".to_owned())
        );
    }

    #[test]
    fn names_of_hosts_are_refused() {
        for (filter, word) in [
            ("host example.com", "example.com"),
            ("tcp and router", "router"),
            ("src camera or dst 10.0.0.1", "camera"),
            ("port 53 and host http", "http"),
            ("tcp port http and udp and box", "box"),
            ("host 3com.com", "3com.com"),
            ("host \\tcp", "\\tcp"),
            ("net home", "home"),
            ("host 1.2.3.4.example", "1.2.3.4.example"),
            ("host b\u{fc}ro", "b\u{fc}ro"),
        ] {
            assert_eq!(without_lookups(filter), Err(word.to_owned()), "{filter}");
        }
    }
}
