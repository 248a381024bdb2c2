//! Headers sliced by hand say what etherparse says: of packets it built, of the same with bytes changed or cut off; and
//! arbitrary bytes over every link harm nobody.

use etherparse::{
    ip_number, IpAuthHeader, IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv4Options,
    Ipv6Extensions, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, Ipv6RoutingExtensions,
    LaxNetSlice, LaxSlicedPacket, PacketBuilder, TcpHeader, TcpOptions, TransportSlice, VlanId,
};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddrV4};
use stp_audit::activity::{detect, Parameters};
use stp_audit::capture::{Frame, LinkType};
use stp_audit::device::catalog::Catalog;
use stp_audit::device::inventory;
use stp_audit::flow::home::Home;
use stp_audit::flow::observer::{Observer, Settings};
use stp_audit::packet::dissect::{dissect, Packet, Protocol};
use stp_audit::packet::glance::{Glance, Way};
use stp_audit::packet::link::Skip;
use stp_audit::units::Timestamp;

/// What lies below IP.
#[derive(Clone, Copy, Debug)]
enum Link {
    Raw,
    Ethernet,
    Vlan(u16),
    QinQ(u16, u16),
}

impl Link {
    fn kind(self) -> LinkType {
        match self {
            Self::Raw => LinkType::RAW,
            _ => LinkType::ETHERNET,
        }
    }
}

/// What lies above IP.
#[derive(Clone, Debug)]
enum Above {
    Udp,
    Tcp {
        sequence: u32,
        flags: u8,
        window: u16,
        options: Vec<u8>,
    },
    /// Echo, by the version's ICMP.
    Icmp,
    /// GRE, ESP, SCTP, ...: no ports that we read.
    Other(u8),
}

/// A packet in plain values.
#[derive(Clone, Debug)]
struct Made {
    link: Link,
    ip: IpHeaders,
    above: Above,
    ports: (u16, u16),
    payload: Vec<u8>,
    /// Bytes behind the packet, as Ethernet fills short frames.
    filling: usize,
}

impl Made {
    fn bytes(&self) -> Vec<u8> {
        let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let id = |id: u16| VlanId::try_new(id).unwrap();
        let ip = self.ip.clone();
        let step = match self.link {
            Link::Raw => PacketBuilder::ip(ip),
            Link::Ethernet => ethernet().ip(ip),
            Link::Vlan(tag) => ethernet().single_vlan(id(tag)).ip(ip),
            Link::QinQ(outer, inner) => ethernet().double_vlan(id(outer), id(inner)).ip(ip),
        };
        let mut bytes = Vec::new();
        let (from, to) = self.ports;
        match &self.above {
            Above::Udp => step.udp(from, to).write_to_vec(&mut bytes, &self.payload),
            Above::Tcp {
                sequence,
                flags,
                window,
                options,
            } => {
                let mut header = TcpHeader::new(from, to, *sequence, *window);
                let flag = |bit: u8| flags & bit != 0;
                (header.fin, header.syn, header.rst) = (flag(1), flag(2), flag(4));
                (header.psh, header.ack) = (flag(8), flag(16));
                header.options = TcpOptions::try_from_slice(options).unwrap();
                step.tcp_header(header)
                    .write_to_vec(&mut bytes, &self.payload)
            }
            Above::Icmp if self.version() == 4 => step
                .icmpv4_echo_request(from, to)
                .write_to_vec(&mut bytes, &self.payload),
            Above::Icmp => step
                .icmpv6_echo_request(from, to)
                .write_to_vec(&mut bytes, &self.payload),
            Above::Other(number) => step.write_to_vec(&mut bytes, IpNumber(*number), &self.payload),
        }
        .unwrap();
        bytes.resize(bytes.len() + self.filling, 0);
        bytes
    }

    fn version(&self) -> u8 {
        match self.ip {
            IpHeaders::Ipv4(..) => 4,
            IpHeaders::Ipv6(..) => 6,
        }
    }

    fn protocol(&self) -> u8 {
        match (&self.above, self.version()) {
            (Above::Udp, _) => 17,
            (Above::Tcp { .. }, _) => 6,
            (Above::Icmp, 4) => 1,
            (Above::Icmp, _) => 58,
            (Above::Other(number), _) => *number,
        }
    }
}

fn link() -> impl Strategy<Value = Link> {
    prop_oneof![
        Just(Link::Raw),
        Just(Link::Ethernet),
        (0u16..4096).prop_map(Link::Vlan),
        (0u16..4096, 0u16..4096).prop_map(|(outer, inner)| Link::QinQ(outer, inner)),
    ]
}

/// Options in whole words of four bytes.
fn options() -> impl Strategy<Value = Vec<u8>> {
    (0usize..=10).prop_flat_map(|words| prop::collection::vec(any::<u8>(), words * 4))
}

fn ipv4() -> impl Strategy<Value = IpHeaders> {
    let fields = (
        any::<[u8; 4]>(),
        any::<[u8; 4]>(),
        any::<u8>(),
        any::<u16>(),
        any::<bool>(),
    );
    (fields, options()).prop_map(
        |((source, destination, ttl, identification, dont_fragment), options)| {
            let header = Ipv4Header {
                source,
                destination,
                time_to_live: ttl,
                identification,
                dont_fragment,
                options: Ipv4Options::try_from(&options[..]).unwrap(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Default::default())
        },
    )
}

fn extension() -> impl Strategy<Value = Option<Ipv6RawExtHeader>> {
    let body = (0usize..4).prop_flat_map(|units| prop::collection::vec(any::<u8>(), 6 + units * 8));
    prop::option::of(
        body.prop_map(|body| Ipv6RawExtHeader::new_raw(ip_number::UDP, &body).unwrap()),
    )
}

fn ipv6() -> impl Strategy<Value = IpHeaders> {
    let whole = Ipv6FragmentHeader::new(ip_number::UDP, IpFragOffset::ZERO, false, 7);
    let auth = IpAuthHeader::new(ip_number::UDP, 1, 2, &[0; 12]).unwrap();
    let extensions = (
        extension(),
        extension(),
        extension(),
        extension(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            move |(
                hop_by_hop_options,
                destination_options,
                routing,
                last,
                fragment,
                authenticated,
            )| Ipv6Extensions {
                hop_by_hop_options,
                destination_options,
                routing: routing.map(|routing| Ipv6RoutingExtensions {
                    routing,
                    final_destination_options: last,
                }),
                fragment: fragment.then(|| whole.clone()),
                auth: authenticated.then(|| auth.clone()),
            },
        );
    let fields = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u8>());
    (fields, extensions).prop_map(|((source, destination, hop_limit), extensions)| {
        let header = Ipv6Header {
            source,
            destination,
            hop_limit,
            ..Ipv6Header::default()
        };
        IpHeaders::Ipv6(header, extensions)
    })
}

fn above() -> impl Strategy<Value = Above> {
    let tcp = (any::<u32>(), 0u8..32, any::<u16>(), options());
    prop_oneof![
        3 => Just(Above::Udp),
        4 => tcp.prop_map(|(sequence, flags, window, options)| Above::Tcp { sequence, flags, window, options }),
        1 => Just(Above::Icmp),
        1 => prop::sample::select(vec![47u8, 50, 132, 253]).prop_map(Above::Other),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let ip = prop_oneof![ipv4(), ipv6()];
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    let ports = (any::<u16>(), any::<u16>());
    (link(), ip, above(), ports, payload, 0usize..30).prop_map(
        |(link, ip, above, ports, payload, filling)| Made {
            link,
            ip,
            above,
            ports,
            payload,
            filling,
        },
    )
}

fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    Frame {
        at: Timestamp(0),
        link,
        wire_len: data.len() as u32,
        data,
        interface: 0,
    }
}

fn ours(link: LinkType, data: &[u8]) -> Result<Packet<'_>, Skip> {
    let mut packet = Packet::blank();
    dissect(&frame(link, data), &mut packet).map(|()| packet)
}

fn theirs(link: LinkType, data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match link {
        LinkType::RAW => LaxSlicedPacket::from_ip(data).ok(),
        _ => LaxSlicedPacket::from_ethernet(data).ok(),
    }
}

/// A glance says of a packet what dissecting it says, and is cast at none that is odd.
fn glance_agrees(link: LinkType, data: &[u8]) -> Result<(), TestCaseError> {
    let Some(glance) = Glance::of(&frame(link, data)) else {
        return Ok(());
    };
    let packet = ours(link, data).map_err(|skip| TestCaseError::fail(skip.to_string()))?;
    prop_assert_eq!(packet.damaged, None);
    prop_assert!(!packet.tunnelled && !packet.later_fragment && !packet.length_from_wire);
    prop_assert_eq!(
        (packet.version, packet.length),
        (4, u32::from(glance.length))
    );
    prop_assert_eq!(packet.tcp.map_or(0, |tcp| tcp.flags), glance.flags);
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (packet.source, packet.destination) else {
        return Err(TestCaseError::fail("a glance at IPv6"));
    };
    let way = Way::between(
        packet.protocol,
        SocketAddrV4::new(source, packet.source_port),
        SocketAddrV4::new(destination, packet.destination_port),
    );
    prop_assert_eq!(glance.way, way);
    Ok(())
}

/// Compares, wherever both read a packet; how far that was.
fn agree(link: LinkType, data: &[u8]) -> Result<Agreed, TestCaseError> {
    glance_agrees(link, data)?;
    let (Ok(ours), Some(theirs)) = (ours(link, data), theirs(link, data)) else {
        return Ok(Agreed::NotAtAll);
    };
    let Some(net) = &theirs.net else {
        return Ok(Agreed::NotAtAll);
    };
    // Tunnels: we go on inside, they stop at the outside.
    if ours.tunnelled {
        return Ok(Agreed::NotAtAll);
    }
    let (addresses, ttl, odd) = match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            prop_assert_eq!(
                (ours.version, ours.identification),
                (4, header.identification())
            );
            let from_to = (
                IpAddr::V4(header.source_addr()),
                IpAddr::V4(header.destination_addr()),
            );
            // They look behind IPv4's authentication header, we do not: no home uses it.
            (from_to, header.ttl(), header.protocol() == ip_number::AUTH)
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            prop_assert_eq!(ours.version, 6);
            let from_to = (
                IpAddr::V6(header.source_addr()),
                IpAddr::V6(header.destination_addr()),
            );
            // Length 0 is to them all that follows, to us nothing unless it is a jumbogram; and mobility headers
            // (RFC 6275) they take for the payload.
            let odd = header.payload_length() == 0 || ip.payload().ip_number == ip_number::MOBILITY;
            (from_to, header.hop_limit(), odd)
        }
        LaxNetSlice::Arp(_) => return Err(TestCaseError::fail("ARP is no packet")),
    };
    prop_assert_eq!((ours.source, ours.destination), addresses);
    prop_assert_eq!(ours.ttl, ttl);
    let bearing = net.ip_payload_ref().unwrap();
    // Of fragments they read no transport header; we do of the first.
    if odd || ours.damaged.is_some() || theirs.stop_err.is_some() || bearing.fragmented {
        return Ok(Agreed::Addresses);
    }
    prop_assert_eq!(ours.protocol, Protocol(bearing.ip_number.0));
    let (ports, payload) = match &theirs.transport {
        Some(TransportSlice::Udp(udp)) => {
            ((udp.source_port(), udp.destination_port()), udp.payload())
        }
        Some(TransportSlice::Tcp(tcp)) => {
            let header = ours
                .tcp
                .ok_or_else(|| TestCaseError::fail("no TCP header"))?;
            prop_assert_eq!(header.sequence, tcp.sequence_number());
            prop_assert_eq!(header.window, tcp.window_size());
            prop_assert_eq!(header.options, tcp.options());
            let bits = [
                tcp.fin(),
                tcp.syn(),
                tcp.rst(),
                tcp.psh(),
                tcp.ack(),
                tcp.urg(),
                tcp.ece(),
                tcp.cwr(),
            ];
            let flags = bits
                .iter()
                .rev()
                .fold(0u8, |flags, bit| flags << 1 | u8::from(*bit));
            prop_assert_eq!(header.flags, flags);
            ((tcp.source_port(), tcp.destination_port()), tcp.payload())
        }
        _ => ((0, 0), bearing.payload),
    };
    prop_assert_eq!((ours.source_port, ours.destination_port), ports);
    prop_assert_eq!(ours.payload, payload);
    Ok(Agreed::Entirely)
}

#[derive(Debug, PartialEq, Eq)]
enum Agreed {
    NotAtAll,
    Addresses,
    Entirely,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A packet is read as it was made, by both alike.
    #[test]
    fn packets_are_read_as_they_were_made(made in made()) {
        let data = made.bytes();
        let packet = ours(made.link.kind(), &data).unwrap();
        prop_assert_eq!(packet.damaged, None);
        prop_assert_eq!(packet.version, made.version());
        prop_assert_eq!(packet.protocol, Protocol(made.protocol()));
        match made.above {
            Above::Udp | Above::Tcp { .. } => {
                prop_assert_eq!((packet.source_port, packet.destination_port), made.ports);
                prop_assert_eq!(packet.payload, &made.payload[..]);
                prop_assert_eq!(packet.payload_len as usize, made.payload.len());
            }
            // The echo's own eight bytes come first.
            Above::Icmp => prop_assert_eq!(packet.payload.get(8..), Some(&made.payload[..])),
            Above::Other(_) => prop_assert_eq!(packet.payload, &made.payload[..]),
        }
        let below = match made.link {
            Link::Raw => 0,
            Link::Ethernet => 14,
            Link::Vlan(_) => 18,
            Link::QinQ(..) => 22,
        };
        prop_assert_eq!(packet.length as usize, data.len() - below - made.filling);
        // Headers of 20 bytes and the everyday protocols are all that a glance asks for.
        let everyday = matches!(&made.ip, IpHeaders::Ipv4(header, _) if header.options.is_empty())
            && matches!(made.above, Above::Udp | Above::Tcp { .. });
        let glance = Glance::of(&frame(made.link.kind(), &data));
        prop_assert_eq!(glance.is_some(), everyday);
        // An IPv6 packet that bears nothing has length 0, which etherparse reads otherwise.
        let nothing = made.version() == 6 && packet.length == 40;
        if !nothing {
            prop_assert_eq!(agree(made.link.kind(), &data)?, Agreed::Entirely);
        }
    }

    /// With bytes changed or cut off, both that still read it read the same.
    #[test]
    fn changed_packets_are_read_alike(
        made in made(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        kept in prop_oneof![3 => Just(usize::MAX), 1 => 0usize..120],
    ) {
        let mut data = made.bytes();
        data.truncate(kept);
        // Headers are what matters: most changes go there.
        let headers = data.len().min(80);
        for (at, to) in changes {
            if headers > 0 {
                data[at.index(headers)] = to;
            }
        }
        agree(made.link.kind(), &data)?;
    }

    /// Arbitrary bytes, and headers of one link under another, are watched to the end and told about.
    #[test]
    fn arbitrary_bytes_over_every_link_do_no_harm(
        frames in prop::collection::vec(anything(), 1..12),
        home in prop::option::of(any::<[u8; 4]>()),
    ) {
        let home = home.map(|address| ipnet::IpNet::from(IpAddr::from(address)));
        let home: Vec<ipnet::IpNet> = home.into_iter().collect();
        let mut observer = Observer::new(Settings {
            flows: 16,
            home: home.clone(),
            ..Settings::default()
        });
        for (link, at, more, data) in &frames {
            let frame = Frame {
                at: Timestamp(*at),
                link: LinkType(*link),
                wire_len: (data.len() as u32).saturating_add(*more),
                data,
                interface: 0,
            };
            observer.watch(&frame);
        }
        let mut observed = observer.finish();
        let census = &observed.census;
        let skipped: u64 = census.skipped.values().sum();
        prop_assert_eq!(census.read, frames.len() as u64);
        prop_assert_eq!(census.ipv4 + census.ipv6 + skipped, census.read);
        let home = Home::find(&observed.flows, None, &home);
        let catalog = Catalog::default();
        let inventory = inventory::take(&mut observed, &home, &catalog);
        prop_assert_eq!(inventory.owners.len(), observed.flows.len());
        for device in &inventory.devices {
            prop_assert!(detect(&device.series, observed.window.unwrap(), &Parameters::default()).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a capture shows is the same whether packets are known at a glance or each is dissected, also when flows are
    /// folded for want of room. Where the IP header gives no length the frame's is taken, which is the same here, and
    /// there is no glance.
    #[test]
    fn a_glance_changes_nothing(
        packets in prop::collection::vec((talk(), -2i64..20), 1..120),
        traits in any::<bool>(),
    ) {
        let watch = |glances: bool| {
            let mut observer = Observer::new(Settings { flows: 8, traits, ..Settings::default() });
            let mut at = 1_000_000_000_000i64;
            for (made, later) in &packets {
                at += later * 100_000_000;
                let mut data = made.bytes();
                if !glances && made.version() == 4 {
                    data[16..18].fill(0);
                }
                let frame = frame(made.link.kind(), &data);
                assert!(glances || Glance::of(&frame).is_none());
                observer.watch(&Frame { at: Timestamp(at), ..frame });
            }
            let observed = observer.finish();
            let census = &observed.census;
            let counts = (census.read, census.ipv4, census.ipv6, census.ip_bytes);
            format!("{:?} {counts:?} {:?}", observed.window, observed.flows)
        };
        prop_assert_eq!(watch(true), watch(false));
    }
}

/// A packet between a few hosts and servers, either way, over Ethernet.
fn talk() -> impl Strategy<Value = Made> {
    let ends = (0u8..3, 0u8..3, 0u16..3, any::<bool>());
    (made(), ends, prop::bool::weighted(0.9)).prop_map(|(mut made, ends, plain)| {
        let (host, server, port, up) = ends;
        made.link = Link::Ethernet;
        made.filling = 0;
        made.ports = (40_000 + port, 443);
        if let IpHeaders::Ipv4(header, _) = &mut made.ip {
            (header.source, header.destination) = ([192, 168, 1, host], [198, 51, 100, server]);
            if !up {
                std::mem::swap(&mut header.source, &mut header.destination);
            }
            if plain {
                header.options = Ipv4Options::default();
            }
        }
        if !up {
            made.ports = (made.ports.1, made.ports.0);
        }
        made
    })
}

/// A link, a time, how many bytes were cut off, and bytes: noise, or a packet that was made for some link.
fn anything() -> impl Strategy<Value = (u16, i64, u32, Vec<u8>)> {
    let known = vec![
        0u16, 1, 9, 12, 14, 50, 101, 105, 108, 113, 127, 228, 229, 276,
    ];
    let link = prop_oneof![8 => prop::sample::select(known), 1 => any::<u16>()];
    let at = prop_oneof![3 => 0i64..1_000_000_000_000, 1 => any::<i64>()];
    let more = prop_oneof![3 => 0u32..2000, 1 => any::<u32>()];
    let data = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        2 => (made(), prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(made, head)| {
            // Something else before it: the headers of another link, say.
            [head, made.bytes()].concat()
        }),
        1 => made().prop_map(|made| made.bytes()),
    ];
    (link, at, more, data)
}
