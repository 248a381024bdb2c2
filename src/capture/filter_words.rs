//! Which word of a filter libpcap would look up as the name of a host or network.
//!
//! libpcap takes every word it does not know for a name and asks the resolver, that is, the network. Reading a capture
//! must not do that: the name alone would tell a server what is being looked at.

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

/// Words after which libpcap reads names from tables of its own or of the system's files.
const LOCAL_NAMES: &[&str] = &[
    "action",
    "dir",
    "direction",
    "ifname",
    "on",
    "port",
    "portrange",
    "proto",
    "protochain",
    "reason",
    "rset",
    "ruleset",
    "subtype",
    "type",
];

/// Words after which names are hosts or networks.
const ADDRESSES: [&str; 3] = ["host", "net", "gateway"];

/// The first word that is neither of the language nor a number or address.
pub(super) fn looked_up(filter: &str) -> Option<String> {
    let mut names_are_local = false;
    let word_char = |c: char| c.is_alphanumeric() || "_.:$\\-".contains(c);
    for word in filter.split(|c: char| !word_char(c)) {
        let word = word.trim_start_matches('-');
        if word.is_empty() || is_number(word) || is_field(word) {
            continue;
        }
        if LOCAL_NAMES.contains(&word) {
            names_are_local = true;
        } else if ADDRESSES.contains(&word) {
            names_are_local = false;
        } else if KEYWORDS.contains(&word) {
            // `port 80 or 443` and `port http or https` go on with the kind of name before.
            names_are_local &= matches!(word, "and" | "or" | "not");
        } else if !names_are_local {
            return Some(word.to_owned());
        }
    }
    None
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
    fn filters_without_names_pass() {
        for filter in [
            "",
            "host 192.168.1.20 and not port 53",
            "(tcp or udp) and portrange 6000-6008",
            "tcp port http or https",
            "net 10.0.0.0/8 or net 192.168",
            "ether host 24:ce:33:24:b5:cb or ether src 24-ce-33-24-b5-cb",
            "host fe80::1 or ip6 host ::ffff:192.0.2.1",
            "ip proto \\tcp and ip[2:2] > 100",
            "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and icmp[icmptype] != icmp-echo",
            "less 100 or greater 1000 or len = 0x40",
            "vlan 3 && pppoes && ip",
            "type mgt subtype beacon",
            "ether[0] & 1 = 0 and ip[16] >= 224",
        ] {
            assert_eq!(looked_up(filter), None, "{filter}");
        }
    }

    #[test]
    fn names_of_hosts_do_not() {
        for (filter, word) in [
            ("host example.com", "example.com"),
            ("tcp and router", "router"),
            ("src camera or dst 10.0.0.1", "camera"),
            ("port 53 and host ns", "ns"),
            ("tcp port http and udp and box", "box"),
            ("host 3com.com", "3com.com"),
            ("host \\tcp", "\\tcp"),
            ("net home", "home"),
            ("host 1.2.3.4.example", "1.2.3.4.example"),
        ] {
            assert_eq!(looked_up(filter).as_deref(), Some(word), "{filter}");
        }
    }
}
