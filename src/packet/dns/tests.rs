//! Messages made by hand, and two parsers held to one answer.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// A name in wire form: dotted labels and the root.
fn wire(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name
        .split('.')
        .filter(|label| !label.is_empty())
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

/// A compression pointer to the first question's name, right behind the header.
const FIRST: [u8; 2] = [0xc0, 12];

/// A message under construction: flags, questions, and answers.
struct Build {
    flags: u16,
    counts: [u16; 4],
    body: Vec<u8>,
}

impl Build {
    fn query() -> Self {
        Self {
            flags: 0x0100,
            counts: [0; 4],
            body: Vec::new(),
        }
    }

    fn answer() -> Self {
        Self {
            flags: 0x8180,
            ..Self::query()
        }
    }

    fn question(mut self, name: &[u8], kind: u16) -> Self {
        self.counts[0] += 1;
        self.body.extend(name);
        self.body.extend(kind.to_be_bytes());
        self.body.extend([0, 1]);
        self
    }

    fn record(mut self, owner: &[u8], kind: u16, data: &[u8]) -> Self {
        self.counts[1] += 1;
        self.body.extend(owner);
        self.body.extend(kind.to_be_bytes());
        self.body.extend([0, 1, 0, 0, 0, 60]);
        self.body.extend((data.len() as u16).to_be_bytes());
        self.body.extend(data);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34];
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.counts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend(&self.body);
        bytes
    }

    fn read(&self) -> Message {
        parse(&self.bytes()).unwrap()
    }
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn questions(message: &Message) -> Vec<(&str, u16)> {
    message.questions().collect()
}

fn addresses(message: &Message) -> Vec<(&str, IpAddr)> {
    message.addresses().collect()
}

fn aliases(message: &Message) -> Vec<(&str, &str)> {
    message.aliases().collect()
}

fn services(message: &Message) -> Vec<(&str, &str)> {
    message.services().collect()
}

#[test]
fn a_query_asks() {
    let message = Build::query()
        .question(&wire("Nexus.Dropcam.com"), 1)
        .read();
    assert!(!message.response);
    assert_eq!(message.id, 0x1234);
    assert_eq!(questions(&message), [("nexus.dropcam.com", 1)]);
    assert!(!message.partial);
}

#[test]
fn a_chain_of_aliases_ends_in_addresses() {
    let message = Build::answer()
        .question(&wire("api.example"), 1)
        .record(&FIRST, 5, &wire("cdn.example"))
        .record(&wire("cdn.example"), 1, &[192, 0, 2, 1])
        .record(&wire("cdn.example"), 28, &Ipv6Addr::LOCALHOST.octets())
        .record(&wire("old.example"), 39, &wire("new.example"))
        .read();
    assert!(message.response);
    assert_eq!(
        aliases(&message),
        [
            ("api.example", "cdn.example"),
            ("old.example", "new.example")
        ]
    );
    assert_eq!(
        addresses(&message),
        [
            ("cdn.example", v4(1)),
            ("cdn.example", Ipv6Addr::LOCALHOST.into())
        ]
    );
}

/// RFC 9460: priority, target, then parameters by key: alpn (1), ipv4hint (4), ipv6hint (6).
#[test]
fn https_records_hint_at_addresses_of_their_target() {
    let hints = b"\0\x01\0\x03\x02h2\0\x04\0\x08\xc0\0\x02\x01\xc0\0\x02\x02\0\x06\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    let own = [&[0, 1, 0][..], hints].concat();
    let other = [&[0, 1][..], &wire("cdn.example"), hints].concat();
    let alias = [&[0, 0][..], &wire("svc.example")].concat();
    for kind in [64, 65] {
        let message = Build::answer()
            .question(&wire("api.example"), kind)
            .record(&FIRST, kind, &own)
            .record(&FIRST, kind, &other)
            .record(&FIRST, kind, &alias)
            .read();
        let v6 = Ipv6Addr::LOCALHOST.into();
        assert_eq!(
            addresses(&message),
            [
                ("api.example", v4(1)),
                ("api.example", v4(2)),
                ("api.example", v6),
                ("cdn.example", v4(1)),
                ("cdn.example", v4(2)),
                ("cdn.example", v6),
            ]
        );
        assert_eq!(
            aliases(&message),
            [
                ("api.example", "cdn.example"),
                ("api.example", "svc.example")
            ]
        );
        assert!(!message.partial);
    }
}

#[test]
fn records_of_other_kinds_do_not_hide_their_neighbours() {
    // CAA, RRSIG, NAPTR, DS, an unassigned type, TXT.
    for kind in [257, 46, 35, 43, 65400, 16] {
        let message = Build::answer()
            .question(&wire("a.example"), 1)
            .record(&FIRST, kind, b"\x03abc")
            .record(&FIRST, 1, &[192, 0, 2, 7])
            .read();
        assert_eq!(addresses(&message), [("a.example", v4(7))], "type {kind}");
        assert!(!message.partial);
    }
}

#[test]
fn mdns_tells_services_instances_and_hosts() {
    let instance = "Küche._hap._tcp.local";
    let mut message = Build::answer()
        .record(&wire("_hap._tcp.local"), 12, &wire(instance))
        .record(
            &wire(instance),
            33,
            &[&[0; 6][..], &wire("Eve-1.local")].concat(),
        )
        .record(&wire("Eve-1.local"), 1, &[192, 0, 2, 9])
        .bytes();
    message[0..2].copy_from_slice(&[0, 0]);
    // Cache flush in the address record's class.
    let class = message.len() - 12;
    message[class] = 0x80;
    let message = parse(&message).unwrap();
    assert_eq!(
        services(&message),
        [
            ("_hap._tcp.local", "küche._hap._tcp.local"),
            ("küche._hap._tcp.local", "eve-1.local")
        ]
    );
    assert_eq!(addresses(&message), [("eve-1.local", v4(9))]);
}

#[test]
fn hostile_names_are_escaped_as_tshark_does() {
    let name = b"\x0da\0b.c\"\n\x1b[31\x03com\0";
    let name = [&[11], &name[1..12], &name[12..]].concat();
    let message = Build::query().question(&name, 1).read();
    assert_eq!(questions(&message)[0].0, "a\\000b.c\"\\n\\033[31.com");
    let message = Build::query().question(&[0], 2).read();
    assert_eq!(questions(&message)[0].0, ".");
}

#[test]
fn what_comes_before_the_damage_is_kept() {
    let good = Build::answer()
        .question(&wire("a.example"), 1)
        .record(&FIRST, 1, &[192, 0, 2, 1])
        .record(&FIRST, 1, &[192, 0, 2, 2]);
    let whole = good.bytes();
    let (question, record) = (12 + 11 + 4, 16);
    for length in 0..=whole.len() {
        let cut = &whole[..length];
        if length < 12 {
            assert_eq!(parse(cut), Err(DnsError::Short { length }));
        } else if length < question {
            assert_eq!(parse(cut), Err(DnsError::Damaged));
        } else {
            let message = parse(cut).unwrap();
            assert_eq!(message.partial, length < whole.len());
            assert_eq!(message.questions().count(), 1);
            assert_eq!(message.addresses().count(), (length - question) / record);
        }
    }
}

#[test]
fn a_bad_record_costs_only_itself() {
    let message = Build::answer()
        .question(&wire("a.example"), 1)
        .record(&FIRST, 1, &[1, 2, 3])
        .record(&FIRST, 65, &[0])
        .record(&FIRST, 1, &[192, 0, 2, 1])
        .read();
    assert!(message.partial);
    assert_eq!(addresses(&message), [("a.example", v4(1))]);
}

#[test]
fn records_of_other_classes_are_no_addresses() {
    let mut message = Build::answer()
        .question(&wire("a.example"), 1)
        .record(&FIRST, 1, &[192, 0, 2, 1])
        .bytes();
    let class = message.len() - 11;
    message[class] = 3; // CHAOS
    assert_eq!(parse(&message).unwrap().addresses().count(), 0);
}

#[test]
fn counts_that_promise_more_than_there_is_are_not_believed() {
    let mut message = Build::query().question(&wire("a.example"), 1).bytes();
    message[4..12].fill(0xff);
    let message = parse(&message).unwrap();
    assert!(message.partial);
    assert_eq!(questions(&message), [("a.example", 1)]);
}

#[test]
fn pointers_that_loop_or_lead_away_are_refused() {
    // To itself, to each other, forwards, behind the end.
    for name in [
        &[0xc0, 12][..],
        &[0xc0, 14, 0xc0, 12],
        &[0xc0, 20],
        &[0xff, 0xff],
    ] {
        let message = Build::query().question(name, 1).bytes();
        assert_eq!(parse(&message), Err(DnsError::Damaged), "{name:?}");
    }
    // Labels of 64 bytes, extended labels, names of 256 bytes.
    let long = wire(
        &[
            "a".repeat(63),
            "a".repeat(63),
            "a".repeat(63),
            "a".repeat(63),
        ]
        .join("."),
    );
    for name in [&[0x40, 0][..], &[0x80, 0], &long] {
        let message = Build::query().question(name, 1).bytes();
        assert_eq!(parse(&message), Err(DnsError::Damaged), "{name:?}");
    }
}

/// A thousand pointers each to the one before, and thousands of records that begin at the last.
#[test]
fn a_ladder_of_pointers_is_not_climbed_to_the_top() {
    let mut build = Build::answer().question(&wire("a.example"), 1);
    let mut ladder = vec![0xc0, 12];
    let base = 12 + build.body.len() + 11;
    for rung in 0..1000 {
        let to = base + 2 * rung;
        ladder.extend([0xc0 | (to >> 8) as u8, to as u8]);
    }
    let top = base + 2 * 1000;
    build = build.record(&[0], 16, &ladder);
    for _ in 0..4000 {
        build = build.record(&[0xc0 | (top >> 8) as u8, top as u8], 1, &[192, 0, 2, 1]);
    }
    let message = build.read();
    assert!(message.partial);
    assert_eq!(message.addresses().count(), 0);
}

/// Names of 255 bytes, each two bytes of the message.
#[test]
fn a_bomb_of_names_stays_small() {
    let long = wire(
        &[
            &"a".repeat(63)[..],
            &"b".repeat(63),
            &"c".repeat(63),
            &"d".repeat(59),
        ]
        .join("."),
    );
    let mut build = Build::answer().question(&long, 1);
    for _ in 0..5000 {
        build = build.record(&FIRST, 1, &[192, 0, 2, 1]);
    }
    let message = build.read();
    assert!(message.partial);
    assert!(message.text.len() <= MOST_TEXT + 1024);
    assert!(message.addresses().count() <= MOST_RECORDS);
}

#[test]
fn a_message_used_again_forgets_what_it_held() {
    let mut message = Build::answer()
        .question(&wire("a.example"), 1)
        .record(&FIRST, 1, &[192, 0, 2, 1])
        .read();
    message
        .read(&Build::query().question(&wire("b.example"), 28).bytes())
        .unwrap();
    assert_eq!(questions(&message), [("b.example", 28)]);
    assert_eq!(message.addresses().count(), 0);
    assert!(message.read(&[0; 5]).is_err());
    assert_eq!(message.questions().count(), 0);
}

#[test]
fn tcp_segments_hold_messages_behind_their_lengths() {
    let mut framed = messages(b"\0\x03abc\0\0\0\x02de");
    assert_eq!(
        framed.by_ref().collect::<Vec<_>>(),
        [&b"abc"[..], b"", b"de"]
    );
    assert!(!framed.split());
    for cut in [&b"\0\x03abc\0"[..], b"\0\x03abc\0\x05de"] {
        let mut framed = messages(cut);
        assert_eq!(framed.by_ref().collect::<Vec<_>>(), [b"abc"]);
        assert!(framed.split());
    }
}

/// What dns-parser makes of the same bytes, in our terms; `None` where it refuses them, and where it ends a name with a dot,
/// which it does when the last compression pointer leads to the root.
fn by_dns_parser(payload: &[u8]) -> Option<Message> {
    use dns_parser::{Class as OtherClass, Packet, RData};

    let packet = Packet::parse(payload).ok()?;
    let mut message = Message {
        response: !packet.header.query,
        id: packet.header.id,
        ..Message::default()
    };
    let write = |message: &mut Message, name: &dns_parser::Name<'_>| {
        let from = message.text.len();
        let name = name.to_string();
        let name = if name.is_empty() { "." } else { &name };
        name::push_canonical(&mut message.text, name.as_bytes());
        from..message.text.len()
    };
    for question in &packet.questions {
        let name = write(&mut message, &question.qname);
        message.questions.push((name, question.qtype as u16));
    }
    let sections = [&packet.answers, &packet.nameservers, &packet.additional];
    for record in sections.into_iter().flatten() {
        if record.cls != OtherClass::IN {
            continue;
        }
        let address = match &record.data {
            RData::A(data) => Some(data.0.into()),
            RData::AAAA(data) => Some(data.0.into()),
            _ => None,
        };
        let (target, alias) = match &record.data {
            RData::CNAME(data) => (Some(data.0), true),
            RData::PTR(data) => (Some(data.0), false),
            RData::SRV(data) => (Some(data.target), false),
            _ => (None, false),
        };
        if address.is_none() && target.is_none() {
            continue;
        }
        let owner = write(&mut message, &record.name);
        if let Some(address) = address {
            message.addresses.push((owner, address));
        } else if let Some(target) = target {
            let target = write(&mut message, &target);
            let list = if alias {
                &mut message.aliases
            } else {
                &mut message.services
            };
            list.push((owner, target));
        }
    }
    (!ends_with_dot(&message)).then_some(message)
}

fn ends_with_dot(message: &Message) -> bool {
    let pairs = message.aliases().chain(message.services());
    let owners = message.addresses().map(|(owner, _)| owner);
    message
        .questions()
        .map(|(name, _)| name)
        .chain(owners)
        .chain(pairs.flat_map(|(from, to)| [from, to]))
        .any(|name| name != "." && name.ends_with('.'))
}

/// Messages of the kinds homes send, which dns-parser accepts.
fn plain_messages() -> Vec<Vec<u8>> {
    let instance = wire("Eve._hap._tcp.local");
    let srv = [&[0; 6][..], &wire("eve.local")].concat();
    let opt = Build::query().question(&wire("www.example.com"), 28);
    let mut with_opt = opt.bytes();
    with_opt[11] = 1;
    with_opt.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    vec![
        Build::query().question(&wire("api.example"), 1).bytes(),
        Build::query().question(&[0], 2).bytes(),
        with_opt,
        Build::answer()
            .question(&wire("api.example"), 1)
            .record(&FIRST, 5, &wire("cdn.example"))
            .record(&wire("cdn.example"), 1, &[192, 0, 2, 1])
            .record(&[0xc0, 16], 28, &Ipv6Addr::LOCALHOST.octets())
            .bytes(),
        Build::answer()
            .record(&wire("_hap._tcp.local"), 12, &instance)
            .record(&instance, 33, &srv)
            .record(&wire("eve.local"), 1, &[192, 0, 2, 9])
            .record(&instance, 16, b"\x04md=X")
            .bytes(),
        Build::query()
            .question(&wire("_googlecast._tcp.local"), 12)
            .question(&[4, b'_', b'h', b'a', b'p', 0xc0, 24], 12)
            .bytes(),
    ]
}

#[test]
fn two_parsers_agree_on_plain_messages() {
    for bytes in plain_messages() {
        let other = by_dns_parser(&bytes).expect("dns-parser accepts it");
        assert_eq!(parse(&bytes).unwrap(), other);
    }
}

/// Kinds of message that dns-parser refuses whole and that homes send all day.
#[test]
fn what_the_other_parser_refuses_is_read_here() {
    let utf8 = Build::answer().record(&wire("_hap._tcp.local"), 12, &wire("Küche._hap._tcp.local"));
    let https = Build::query().question(&wire("api.example"), 65);
    let mixed = Build::answer()
        .question(&wire("api.example"), 1)
        .record(&FIRST, 1, &[192, 0, 2, 1])
        .record(&FIRST, 46, b"signature");
    for build in [utf8, https, mixed] {
        assert!(by_dns_parser(&build.bytes()).is_none());
        assert!(!build.read().partial);
    }
}

/// Byte changes, insertions and cuts of a message.
fn damage(mut bytes: Vec<u8>, changes: &[(usize, u8)], length: usize) -> Vec<u8> {
    for &(at, value) in changes {
        let place = at % bytes.len();
        if value & 1 == 1 {
            bytes[place] = value >> 1;
        } else {
            bytes.insert(place, value >> 1);
        }
    }
    bytes.truncate(length);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn two_parsers_agree_on_what_both_accept(
        which in 0usize..6,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        length in 12usize..400
    ) {
        let bytes = damage(plain_messages().swap_remove(which), &changes, length);
        if let (Ok(ours), Some(theirs)) = (parse(&bytes), by_dns_parser(&bytes)) {
            if !ours.partial {
                prop_assert_eq!(ours, theirs);
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), counts in any::<[u8; 4]>()) {
        let _ = parse(&bytes);
        let header = [0, 0, 0x81, 0x80, 0, counts[0], 0, counts[1], 0, counts[2], 0, counts[3]];
        let _ = parse(&[&header[..], &bytes].concat());
        messages(&bytes).for_each(|message| {
            let _ = parse(message);
        });
    }
}
