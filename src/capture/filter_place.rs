//! Where in a filter the trouble is. libpcap only says that there is some.
//!
//! The filter is compiled up to each of its words in turn, completed by what may come next. The first word with which nothing
//! can be completed any more is the one that does not fit.

/// What may complete the beginning of a filter: each of the things that some keyword wants.
const COMPLETIONS: [&str; 18] = [
    "",
    " ip",
    " 1",
    " 1.2.3.4",
    " 1.2.3.0/24",
    " 255.255.255.0",
    " 02:00:00:00:00:01",
    " 1-2",
    " host 1.2.3.4",
    " port 1",
    " proto 6",
    "[1]",
    "1]",
    "]",
    ":1]",
    " * 1",
    " mgt",
    " beacon",
];
/// What may come after that, and after all brackets are closed: numbers want to be compared.
const ENDS: [&str; 2] = ["", " = 1"];
/// Longest filter and most words that are looked at: each word costs some compilations.
const LONGEST: usize = 1_000;
const WORDS: usize = 100;

/// Where a filter stops making sense: the bytes of the word, or the end, where something is missing. `compiles` says what
/// libpcap takes.
pub(super) fn place(
    filter: &str,
    compiles: impl Fn(&str) -> bool,
) -> Option<std::ops::Range<usize>> {
    if filter.len() > LONGEST {
        return None;
    }
    let words = words(filter);
    if words.len() > WORDS {
        return None;
    }
    for word in words {
        let begin = filter.get(..word.end)?;
        let open = begin.matches('(').count();
        let closed = begin.matches(')').count();
        let close = ")".repeat(open.saturating_sub(closed));
        let completed = |completion: &&str| {
            let ends = |end: &&str| compiles(&format!("{begin}{completion}{close}{end}"));
            ENDS.iter().any(ends)
        };
        if !COMPLETIONS.iter().any(completed) {
            return Some(word);
        }
    }
    let end = filter.trim_end().len();
    Some(end..end)
}

/// The words of a filter: what stands between blanks, and each bracket and operator by itself.
fn words(filter: &str) -> Vec<std::ops::Range<usize>> {
    let alone = |c: char| "()[]&|!=<>+*/".contains(c);
    let mut words: Vec<std::ops::Range<usize>> = Vec::new();
    let mut joined = false;
    for (at, c) in filter.char_indices() {
        let end = at + c.len_utf8();
        // Two of them are one operator, and a prefix has its length behind a slash.
        let sticks = match words.last().and_then(|last| filter.get(last.clone())) {
            Some("&" | "|" | "<" | ">" | "=" | "!") => "&|<>=".contains(c),
            _ => joined && (c == '/' || !alone(c)),
        };
        match words.last_mut() {
            _ if c.is_whitespace() => {}
            Some(last) if sticks && last.end == at => last.end = end,
            _ => words.push(at..end),
        }
        joined = !c.is_whitespace() && (!alone(c) || c == '/');
    }
    words
}

/// The filter, and a mark below the place; where that cannot be drawn on a line, the word alone.
pub(super) fn drawn(filter: &str, place: &std::ops::Range<usize>) -> String {
    let word = filter.get(place.clone()).unwrap_or_default();
    let what = match word {
        "" => "here something is missing",
        _ => "this does not fit",
    };
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if filter.len() > 100 || !filter.chars().all(plain) {
        return format!("; at byte {}, {what}: `{word}`; ", place.start + 1);
    }
    let gap = " ".repeat(place.start);
    let mark = "^".repeat(word.len().max(1));
    format!("\n    {filter}\n    {gap}{mark} {what}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiles(text: &str) -> bool {
        let handle = ::pcap::Capture::dead(::pcap::Linktype(1)).unwrap();
        handle.compile(text, true).is_ok()
    }

    #[test]
    fn filters_are_cut_into_words() {
        let of = |filter: &str| -> Vec<String> {
            let words = words(filter).into_iter();
            words.map(|word| filter[word].to_owned()).collect()
        };
        assert_eq!(
            of("(net 10.0.0.0/8) and tcp[13]&2!=0"),
            [
                "(",
                "net",
                "10.0.0.0/8",
                ")",
                "and",
                "tcp",
                "[",
                "13",
                "]",
                "&",
                "2",
                "!=",
                "0"
            ]
        );
        assert_eq!(of(" \t "), [""; 0]);
        assert_eq!(of("a && b"), ["a", "&&", "b"]);
    }

    #[test]
    fn the_word_that_does_not_fit_is_found() {
        for (filter, word, at) in [
            ("host and", "and", 5),
            ("tcp port 80 udp", "udp", 12),
            ("port 80 and host 1.2.3.4 or or ip", "or", 28),
            ("tcp port 99999", "99999", 9),
            ("ip and (tcp or udp", "", 18),
            ("tcp) and ip", ")", 3),
            ("ip and", "", 6),
            ("tcp[13] & & 2 != 0", "&", 10),
            ("net 10.0.0.0/33", "10.0.0.0/33", 4),
        ] {
            assert!(!compiles(filter), "{filter}");
            let place = place(filter, compiles).unwrap();
            assert_eq!(
                (&filter[place.clone()], place.start),
                (word, at),
                "{filter}"
            );
        }
        assert_eq!(place(&"ip and ".repeat(200), compiles), None);
    }

    #[test]
    fn good_beginnings_of_every_kind_are_taken_for_good() {
        for filter in [
            "ether host 02:00:00:00:00:01 and not vlan",
            "net 10.0.0.0 mask 255.0.0.0",
            "tcp portrange 100-200",
            "(ip or ip6) and (udp or (tcp and port 443))",
            "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
            "ip[2:2] * 3 / 2 - 7 > (ip[8] << 2) % 5",
            "ip proto 17 and ip[6:2] & 0x1fff = 0",
            "less 40 or ether[0] ^ ether[1] = 3",
            "src net 192.168.1.0/24 and dst host 10.0.0.1 and !icmp",
        ] {
            assert!(compiles(filter), "{filter}");
            let spoiled = format!("{filter} nonsense");
            let found = place(&spoiled, compiles).unwrap();
            assert_eq!(&spoiled[found], "nonsense", "{filter}");
        }
    }

    #[test]
    fn the_mark_stands_below_the_word() {
        assert_eq!(
            drawn("host and", &(5..8)),
            "\n    host and\n         ^^^ this does not fit\n"
        );
        assert_eq!(
            drawn("ip and", &(6..6)),
            "\n    ip and\n          ^ here something is missing\n"
        );
        assert!(drawn("host \u{e4} x", &(8..9)).contains("at byte 9"));
    }
}
