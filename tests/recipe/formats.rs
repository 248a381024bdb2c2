//! Twelve packets of the evening, the same ones again and again, in every file format and under every link layer that is
//! read: the switch asks for its server and greets it (10 packets, IPv4), the bridge connects (2, IPv6).

use super::file::{self, Classic, Order};
use super::home::{hosts, HUE, WEMO};
use super::packet::{Bytes, Packet, MICRO, MILLI, SECOND};
use std::io::Write;

/// Packets in most of these files, and the IP versions of them.
pub const PACKETS: usize = 12;
/// Those of IPv4; they come first.
pub const IPV4: usize = 10;

/// A file, what was done, and what is in it.
pub struct Format {
    pub name: &'static str,
    pub what: &'static str,
    /// The link type of each packet.
    pub links: Vec<u16>,
    /// The time of each packet, as exactly as the file tells it; none where it tells none.
    pub times: Vec<Option<i64>>,
    /// Each packet's length on the wire.
    pub lengths: Vec<u32>,
    pub bytes: Vec<u8>,
}

/// The twelve, whole.
pub fn slice(lan: &[Packet]) -> Vec<Bytes> {
    let hosts = hosts();
    let of = |host: usize, v4: bool, count| {
        let mac = hosts[host].mac;
        let packets = lan.iter().filter(move |packet| {
            let ip = packet.ip().map(|ip| (ip.from.0.is_ipv4(), ip.protocol()));
            let udp_or_tcp = matches!(ip, Some((is_v4, 6 | 17)) if is_v4 == v4);
            udp_or_tcp && (packet.from == mac || packet.to == mac)
        });
        packets.take(count).map(Packet::whole)
    };
    of(WEMO, true, IPV4)
        .chain(of(HUE, false, PACKETS - IPV4))
        .collect()
}

/// Puts another link layer before the same IP packet.
fn under(packets: &[Bytes], head: impl Fn(u16) -> Vec<u8>) -> Vec<Bytes> {
    let relayed = packets.iter().map(|packet| {
        let ether_type = u16::from_be_bytes([packet.kept[12], packet.kept[13]]);
        let mut kept = head(ether_type);
        kept.extend(&packet.kept[14..]);
        if ether_type_of_pppoe(&kept) {
            let length = (packet.kept.len() - 14 + 2) as u16;
            kept[18..20].copy_from_slice(&length.to_be_bytes());
        }
        Bytes {
            at: packet.at,
            wire_len: kept.len() as u32,
            kept,
        }
    });
    relayed.collect()
}

fn ether_type_of_pppoe(frame: &[u8]) -> bool {
    frame[12..14] == [0x88, 0x64]
}

const CARDS: [u8; 12] = [0, 0, 0x5e, 0, 0x53, 1, 0xec, 0x1a, 0x59, 0x0a, 0, 0x21];

/// Ethernet with something between the addresses and the type.
fn tagged(tags: &'static [u8]) -> impl Fn(u16) -> Vec<u8> {
    move |ether_type| [&CARDS[..], tags, &ether_type.to_be_bytes()].concat()
}

fn family(ether_type: u16) -> u32 {
    // AF_INET is 2 everywhere; AF_INET6 is 30 on macOS.
    if ether_type == 0x0800 {
        2
    } else {
        30
    }
}

fn sll(ether_type: u16) -> Vec<u8> {
    let head = [0, 4, 0, 1, 0, 6, 0xec, 0x1a, 0x59, 0x0a, 0, 0x21, 0, 0];
    [&head[..], &ether_type.to_be_bytes()].concat()
}

fn sll2(ether_type: u16) -> Vec<u8> {
    let head = [
        0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 0xec, 0x1a, 0x59, 0x0a, 0, 0x21, 0, 0,
    ];
    [&ether_type.to_be_bytes()[..], &head].concat()
}

fn pppoe(ether_type: u16) -> Vec<u8> {
    let protocol: u16 = if ether_type == 0x0800 { 0x0021 } else { 0x0057 };
    // Version and type 1, code 0 (session), session 9; the length is filled in.
    let head = [0x88, 0x64, 0x11, 0, 0, 9, 0, 0];
    [&CARDS[..], &head, &protocol.to_be_bytes()].concat()
}

fn times(packets: &[Bytes], unit: i64) -> Vec<Option<i64>> {
    packets
        .iter()
        .map(|packet| Some(packet.at / unit * unit))
        .collect()
}

fn lengths(packets: &[Bytes]) -> Vec<u32> {
    packets.iter().map(|packet| packet.wire_len).collect()
}

/// Every variant.
pub fn formats(lan: &[Packet]) -> Vec<Format> {
    let packets = slice(lan);
    let mut all = Vec::new();
    for (name, what, order, classic) in [
        (
            "pcap-us-le.pcap",
            "classic pcap, microseconds, little endian",
            Order::Little,
            Classic::Micros,
        ),
        (
            "pcap-us-be.pcap",
            "classic pcap, microseconds, big endian",
            Order::Big,
            Classic::Micros,
        ),
        (
            "pcap-ns-le.pcap",
            "classic pcap, nanoseconds, little endian",
            Order::Little,
            Classic::Nanos,
        ),
        (
            "pcap-ns-be.pcap",
            "classic pcap, nanoseconds, big endian",
            Order::Big,
            Classic::Nanos,
        ),
        (
            "pcap-modified.pcap",
            "Kuznetsov's modified pcap",
            Order::Little,
            Classic::Modified,
        ),
    ] {
        let unit = if classic == Classic::Nanos { 1 } else { MICRO };
        let bytes = file::pcap(order, classic, 1, &packets);
        all.push(whole(name, what, 1, &packets, times(&packets, unit), bytes));
    }
    for (name, what, link, packets) in links(&packets) {
        let bytes = file::pcap(Order::Little, Classic::Micros, link.into(), &packets);
        all.push(whole(
            name,
            what,
            link,
            &packets,
            times(&packets, MICRO),
            bytes,
        ));
    }
    all.push(two_sections(&packets));
    let mut bytes = file::section(Order::Little, "");
    bytes.extend(file::interface(Order::Little, 1, 0, &[]));
    for packet in &packets {
        bytes.extend(file::simple(Order::Little, packet));
    }
    let none = vec![None; packets.len()];
    all.push(whole(
        "pcapng-simple.pcapng",
        "pcapng of simple packet blocks: no times",
        1,
        &packets,
        none,
        bytes,
    ));
    let plain = file::pcap(Order::Little, Classic::Micros, 1, &packets);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&plain).unwrap();
    let bytes = gzip.finish().unwrap();
    all.push(whole(
        "pcap.pcap.gz",
        "classic pcap in gzip",
        1,
        &packets,
        times(&packets, MICRO),
        bytes,
    ));
    let plain = file::pcapng("SYNTHETIC", "br-lan", 1, &packets);
    let bytes = zstd::stream::encode_all(&plain[..], 19).unwrap();
    all.push(whole(
        "pcapng.pcapng.zst",
        "pcapng in zstd",
        1,
        &packets,
        times(&packets, 1),
        bytes,
    ));
    all
}

fn whole(
    name: &'static str,
    what: &'static str,
    link: u16,
    packets: &[Bytes],
    times: Vec<Option<i64>>,
    bytes: Vec<u8>,
) -> Format {
    let links = vec![link; packets.len()];
    Format {
        name,
        what,
        links,
        times,
        lengths: lengths(packets),
        bytes,
    }
}

type Link = (&'static str, &'static str, u16, Vec<Bytes>);

/// The link layers.
fn links(packets: &[Bytes]) -> Vec<Link> {
    let nothing = |_| Vec::new();
    vec![
        (
            "link-raw.pcap",
            "raw IP (101)",
            101,
            under_raw(packets, nothing),
        ),
        (
            "link-raw-bsd.pcap",
            "raw IP, BSD's number (12)",
            12,
            under_raw(packets, nothing),
        ),
        (
            "link-ipv4.pcap",
            "raw IPv4 (228), the ten packets of it",
            228,
            under_raw(&packets[..IPV4], nothing),
        ),
        (
            "link-ipv6.pcap",
            "raw IPv6 (229), the two packets of it",
            229,
            under_raw(&packets[IPV4..], nothing),
        ),
        (
            "link-null.pcap",
            "BSD loopback (0), family in the writer's byte order",
            0,
            under_raw(packets, |t| family(t).to_le_bytes().to_vec()),
        ),
        (
            "link-loop.pcap",
            "OpenBSD loopback (108), family in network order",
            108,
            under_raw(packets, |t| family(t).to_be_bytes().to_vec()),
        ),
        (
            "link-sll.pcap",
            "Linux cooked (113)",
            113,
            under_raw(packets, sll),
        ),
        (
            "link-sll2.pcap",
            "Linux cooked, version 2 (276)",
            276,
            under_raw(packets, sll2),
        ),
        (
            "link-vlan.pcap",
            "Ethernet with an 802.1Q tag",
            1,
            under(packets, tagged(&[0x81, 0, 0, 20])),
        ),
        (
            "link-qinq.pcap",
            "Ethernet with two tags (802.1ad)",
            1,
            under(packets, tagged(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 20])),
        ),
        (
            "link-pppoe.pcap",
            "Ethernet with PPPoE sessions",
            1,
            under(packets, pppoe),
        ),
    ]
}

/// As [`under`], for layers that are not Ethernet.
fn under_raw(packets: &[Bytes], head: impl Fn(u16) -> Vec<u8>) -> Vec<Bytes> {
    let relayed = packets.iter().map(|packet| {
        let ether_type = u16::from_be_bytes([packet.kept[12], packet.kept[13]]);
        let mut kept = head(ether_type);
        kept.extend(&packet.kept[14..]);
        Bytes {
            at: packet.at,
            wire_len: kept.len() as u32,
            kept,
        }
    });
    relayed.collect()
}

/// Two sections of either byte order, each with two interfaces; link types, resolutions and an offset all differ, and
/// blocks nobody knows stand between.
fn two_sections(packets: &[Bytes]) -> Format {
    let (little, big) = (Order::Little, Order::Big);
    let raw = under_raw(packets, |_| Vec::new());
    let cooked = under_raw(packets, sll);
    let (mut bytes, mut links, mut times, mut lengths) = (
        file::section(little, "SYNTHETIC"),
        Vec::new(),
        Vec::new(),
        Vec::new(),
    );
    let mut put =
        |bytes: &mut Vec<u8>, order, interface, link, packet: &Bytes, units: i64, at: i64| {
            bytes.extend(file::enhanced(order, interface, units as u64, packet));
            links.push(link);
            times.push(Some(at));
            lengths.push(packet.wire_len);
        };
    bytes.extend(file::interface(little, 1, 0, &[]));
    // 0x94: units of 2^-20 s.
    bytes.extend(file::interface(
        little,
        101,
        0,
        &[(2, b"tun0"), (9, &[0x94])],
    ));
    for packet in &packets[..3] {
        put(
            &mut bytes,
            little,
            0,
            1,
            packet,
            packet.at / MICRO,
            packet.at / MICRO * MICRO,
        );
    }
    bytes.extend(file::block(
        little,
        0x0000_7a7a,
        b"as the standard says: skip what you do not know",
    ));
    for packet in &raw[3..6] {
        let units = ((i128::from(packet.at) << 20) / i128::from(SECOND)) as i64;
        let at = ((i128::from(units) * i128::from(SECOND)) >> 20) as i64;
        put(&mut bytes, little, 1, 101, packet, units, at);
    }
    bytes.extend(file::section(big, ""));
    bytes.extend(file::interface(big, 113, 0, &[(9, &[3])]));
    let offset = 1_700_000_000_i64;
    let offset_option = big.u64(offset as u64);
    bytes.extend(file::interface(
        big,
        1,
        0,
        &[(9, &[9]), (14, &offset_option)],
    ));
    // A custom block: its first word is whose it is.
    bytes.extend(file::block(big, 0x0000_0bad, &[0, 0, 0, 1, 2, 3, 4, 5]));
    for packet in &cooked[6..9] {
        put(
            &mut bytes,
            big,
            0,
            113,
            packet,
            packet.at / MILLI,
            packet.at / MILLI * MILLI,
        );
    }
    for packet in &packets[9..] {
        put(
            &mut bytes,
            big,
            1,
            1,
            packet,
            packet.at - offset * SECOND,
            packet.at,
        );
    }
    Format {
        name: "pcapng-two-sections.pcapng",
        what: "pcapng: a little-endian and a big-endian section; Ethernet, raw IP and cooked; units of 1 us, 2^-20 s, 1 ms, 1 ns with an offset; unknown blocks",
        links,
        times,
        lengths,
        bytes,
    }
}
