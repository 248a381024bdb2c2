//! Frames that lie: IP, UDP and TCP headers, DNS and DHCP messages, TLS and QUIC hellos, each with one thing wrong.

use super::chance::Chance;
use super::dns::{self, Message};
use super::packet::{Body, Ip, Keep, Net, Packet, Seen, ACK, PSH, SECOND};
use super::quic;
use super::tls::{self, Hello};

/// When they are sent.
pub const AT: i64 = 1_771_014_600 * SECOND;

fn ip(body: Body, from: u16, to: u16) -> Packet {
    Packet {
        at: AT,
        from: [0, 0, 0x5e, 0, 0x53, 0x66],
        to: [0, 0, 0x5e, 0, 0x53, 1],
        net: Net::Ip(Ip {
            from: ("192.168.1.66".parse().unwrap(), from),
            to: ("192.0.2.53".parse().unwrap(), to),
            ttl: 64,
            id: 7,
            body,
        }),
        keep: Keep::All,
        seen: Seen::Lan,
    }
}

/// A datagram to a port, in its frame.
pub fn udp(port: u16, payload: Vec<u8>) -> Vec<u8> {
    ip(Body::Udp { payload }, 40_000, port).whole().kept
}

fn tcp(payload: Vec<u8>) -> Vec<u8> {
    let body = Body::Tcp {
        seq: 1,
        ack: 1,
        flags: PSH | ACK,
        window: 500,
        options: Vec::new(),
        payload,
    };
    ip(body, 40_001, 443).whole().kept
}

/// A question for a name's address.
pub fn question(name: &str) -> Vec<u8> {
    let query = Message {
        id: 0x5a5a,
        flags: dns::QUERY,
        questions: vec![(name.to_owned(), dns::A)],
        ..Message::default()
    };
    query.bytes()
}

/// A name's labels, of any bytes, and the rest of a question for its address.
fn raw_question(labels: &[u8]) -> Vec<u8> {
    let mut message = vec![0x5a, 0x5a, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(labels);
    message.extend([0, 1, 0, 1]);
    message
}

/// Bytes with some of them replaced.
pub fn patched(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

pub type Frame = (&'static str, &'static str, Vec<u8>);

/// Name, what is wrong, and the frame.
pub fn frames() -> Vec<Frame> {
    let mut all = Vec::new();
    all.extend(frames_of_links());
    all.extend(frames_of_dns());
    all.extend(frames_of_hellos());
    all
}

fn frames_of_links() -> Vec<Frame> {
    let whole = || udp(53, question("example.com"));
    let tags: Vec<u8> = (0..40).flat_map(|i| [0x81, 0, 0, i]).collect();
    let vlans = [&whole()[..12], &tags, &whole()[12..]].concat();
    let mut nested = whole()[14..].to_vec();
    for _ in 0..20 {
        let outer = Packet {
            ..ip(
                Body::Udp {
                    payload: nested.clone(),
                },
                0,
                0,
            )
        }
        .whole()
        .kept;
        // The UDP header makes way: IP within IP.
        let mut outer = [&outer[14..34], &nested].concat();
        let length = outer.len() as u16;
        outer[2..4].copy_from_slice(&length.to_be_bytes());
        outer[9] = 4;
        nested = outer;
    }
    let nested = [&whole()[..14], &nested].concat();
    let extension = |kind: u8, length: u8| {
        let mut frame = whole()[..12].to_vec();
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, kind, 64]);
        frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        frame.extend([kind, length, 0, 0, 0, 0, 0, 0]);
        frame
    };
    vec![
        (
            "ethernet-cut",
            "13 bytes of an Ethernet header",
            whole()[..13].to_vec(),
        ),
        (
            "ip-cut",
            "11 bytes of an IPv4 header",
            whole()[..25].to_vec(),
        ),
        (
            "ip-version-9",
            "IP of version 9",
            patched(whole(), 14, &[0x95]),
        ),
        (
            "ip-header-length-0",
            "an IPv4 header that says it is 0 bytes long",
            patched(whole(), 14, &[0x40]),
        ),
        (
            "ip-header-over",
            "an IPv4 header that says it is longer than the packet",
            patched(whole(), 14, &[0x4f])[..60].to_vec(),
        ),
        (
            "ip-length-0",
            "an IPv4 total length of 0, as offloading leaves it",
            patched(whole(), 16, &[0, 0]),
        ),
        (
            "ip-length-short",
            "an IPv4 total length under the header's",
            patched(whole(), 16, &[0, 9]),
        ),
        (
            "ip-length-over",
            "an IPv4 total length over the frame's",
            patched(whole(), 16, &[0xff, 0xff]),
        ),
        (
            "ip-later-fragment",
            "a later fragment: what looks like ports is none",
            patched(whole(), 20, &[0, 0x20]),
        ),
        (
            "ip6-extension-loop",
            "IPv6 extension headers that name themselves",
            extension(60, 0),
        ),
        (
            "ip6-extension-over",
            "an IPv6 extension header longer than the packet",
            extension(0, 255),
        ),
        (
            "ip-in-ip-20",
            "twenty IPv4 headers around one packet",
            nested,
        ),
        ("vlan-40", "forty VLAN tags", vlans),
        (
            "udp-length-7",
            "a UDP length under its header's",
            patched(whole(), 38, &[0, 7]),
        ),
        (
            "udp-length-over",
            "a UDP length over the packet's",
            patched(whole(), 38, &[0xff, 0xff]),
        ),
        (
            "tcp-offset-0",
            "a TCP header that says it is 0 bytes long",
            patched(tcp(vec![1; 8]), 46, &[0x00]),
        ),
        (
            "tcp-offset-over",
            "a TCP header that says it is longer than the packet",
            patched(tcp(vec![1; 8]), 46, &[0xf0]),
        ),
    ]
}

fn frames_of_dns() -> Vec<Frame> {
    let ask = |labels: &[u8]| udp(53, raw_question(labels));
    let ladder: Vec<u8> = (0..60)
        .flat_map(|i| [0xc0, 14 + 2 * i])
        .chain([0])
        .collect();
    let long: Vec<u8> = (0..5)
        .flat_map(|_| [&[63][..], &[b'a'; 63]].concat())
        .chain([0])
        .collect();
    let counts = patched(question("example.com"), 4, &[0xff; 8]);
    let answer = |rdata: &[u8]| {
        let mut message = patched(question("example.com"), 2, &[0x81, 0x80, 0, 1, 0, 1]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60]);
        message.extend(rdata);
        // From the resolver.
        let mut packet = ip(Body::Udp { payload: message }, 53, 40_000);
        std::mem::swap(&mut packet.from, &mut packet.to);
        if let Net::Ip(ip) = &mut packet.net {
            std::mem::swap(&mut ip.from.0, &mut ip.to.0);
        }
        packet.whole().kept
    };
    let dhcp = {
        let mut bytes = vec![1, 1, 6, 0];
        bytes.resize(236, 0);
        bytes.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 1, 12, 200, b'h', b'o']);
        ip(Body::Udp { payload: bytes }, 68, 67).whole().kept
    };
    vec![
        (
            "dns-pointer-self",
            "a DNS name that points at itself",
            ask(&[0xc0, 12]),
        ),
        (
            "dns-pointer-circle",
            "two DNS names that point at each other",
            ask(&[0xc0, 14, 0xc0, 12]),
        ),
        (
            "dns-pointer-ladder",
            "sixty pointers in a row, each to the next",
            ask(&ladder),
        ),
        (
            "dns-pointer-out",
            "a DNS name that points behind the message",
            ask(&[0xff, 0xff]),
        ),
        (
            "dns-label-over",
            "a label longer than the message",
            ask(&[50, b'a', b'b']),
        ),
        (
            "dns-label-kind",
            "a label of the kinds never assigned",
            ask(&[0x80, b'a', 0]),
        ),
        ("dns-name-long", "a name of 320 bytes", ask(&long)),
        (
            "dns-name-screen",
            "a name that clears the screen and hides in Unicode",
            ask(&[
                &[8][..],
                b"\x1b[2J\x1b[H\x07",
                &[6],
                "\u{202e}ab\n".as_bytes(),
                &[0],
            ]
            .concat()),
        ),
        (
            "dns-name-formula",
            "a name that a spreadsheet would run",
            ask(&[&[11][..], b"=cmd|' /C'!", &[3], b"com", &[0]].concat()),
        ),
        (
            "dns-counts",
            "65,535 answers promised, none there",
            udp(53, counts),
        ),
        (
            "dns-cut",
            "eleven bytes of a DNS header",
            udp(53, question("example.com")[..11].to_vec()),
        ),
        (
            "dns-address-3",
            "an A record of three bytes",
            answer(&[0, 3, 192, 0, 2]),
        ),
        (
            "dns-data-over",
            "a record's data longer than the message",
            answer(&[0xff, 0, 192, 0, 2, 1]),
        ),
        (
            "dhcp-option-over",
            "a DHCP option longer than the message",
            dhcp,
        ),
    ]
}

fn frames_of_hellos() -> Vec<Frame> {
    let mut chance = Chance::of("malformed hellos");
    let hello = tls::hello_record(&tls::client_hello(
        &mut chance,
        "www.example.com",
        Hello::Small,
        &[],
    ));
    let with = |at: usize, what: &[u8]| tcp(patched(hello.clone(), at, what));
    // The name's place: its length stands two bytes before, the list's three before that, the extension's two before that.
    let name = hello
        .windows(15)
        .position(|window| window == b"www.example.com")
        .unwrap();
    let mut initial = {
        let ids = quic::Ids::new(&mut chance);
        quic::client_initial(&mut chance, &ids, "www.example.com")
    };
    let udp443 = |payload: &[u8]| udp(443, payload.to_vec());
    let id_over = patched(initial.clone(), 5, &[0xff]);
    let token_over = patched(initial.clone(), 23, &[0x7f, 0xff]);
    let cut = initial[..40].to_vec();
    let last = initial.len() - 1;
    initial[last] ^= 1;
    vec![
        (
            "tls-record-over",
            "a TLS record that says it is longer than all that comes",
            with(3, &[0x3f, 0xff]),
        ),
        ("tls-record-0", "a TLS record of no bytes", with(3, &[0, 0])),
        (
            "tls-hello-16m",
            "a ClientHello of 16 MB",
            with(6, &[0xff, 0xff, 0xff]),
        ),
        (
            "tls-session-over",
            "a session id longer than the hello",
            with(43, &[0xff]),
        ),
        (
            "tls-extensions-over",
            "a server_name extension longer than the hello",
            with(name - 7, &[0xff, 0xff]),
        ),
        (
            "tls-name-list-over",
            "a list of names longer than its extension",
            with(name - 5, &[0xff, 0xff]),
        ),
        (
            "tls-name-over",
            "a name longer than its list",
            with(name - 2, &[0xff, 0xff]),
        ),
        (
            "tls-name-empty",
            "a name of no bytes",
            with(name - 2, &[0, 0]),
        ),
        (
            "tls-name-bytes",
            "a name that is no text",
            with(name, &[0xff, 0x00, b'\n', 0x1b]),
        ),
        (
            "tls-cut",
            "six bytes of a ClientHello",
            tcp(hello[..6].to_vec()),
        ),
        (
            "quic-id-over",
            "a QUIC connection id longer than allowed",
            udp443(&id_over),
        ),
        (
            "quic-token-over",
            "a QUIC token longer than the packet",
            udp443(&token_over),
        ),
        ("quic-cut", "forty bytes of a QUIC Initial", udp443(&cut)),
        (
            "quic-forged",
            "a QUIC Initial whose seal does not hold",
            udp443(&initial),
        ),
    ]
}
