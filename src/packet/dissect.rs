//! From a frame to a packet: who, to whom, how many bytes, and the payload.
//!
//! Headers are sliced by hand. A dissector for all of infer's budget, under 80 ns a packet, leaves about 15 ns for this
//! step, and the parsers of the ecosystem take 90 and more; `tests/dissect_oracle.rs` holds this one to etherparse's
//! answers. Sizes come from the IP header, never from what was captured: captures cut at 54 bytes count right.

use crate::capture::Frame;
use crate::packet::link::{network, Macs, Skip};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IP headers within IP headers followed before a packet counts as malformed.
const TUNNELS_AT_MOST: usize = 64;
/// IPv6 extension headers followed; a chain as long as a full-sized packet can hold.
const EXTENSIONS_AT_MOST: usize = 256;

const HOP_BY_HOP: u8 = 0;
const IP_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// What the IP header bears, by its protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self(TCP);
    /// UDP.
    pub const UDP: Self = Self(UDP);
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            1 => f.write_str("icmp"),
            2 => f.write_str("igmp"),
            TCP => f.write_str("tcp"),
            UDP => f.write_str("udp"),
            47 => f.write_str("gre"),
            50 => f.write_str("esp"),
            58 => f.write_str("icmpv6"),
            132 => f.write_str("sctp"),
            other => write!(f, "ip-{other}"),
        }
    }
}

/// What a TCP header says beyond its ports.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    /// Sequence number of the first payload byte (of the SYN, where there is one).
    pub sequence: u32,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16.
    pub flags: u8,
    /// Receive window, unscaled.
    pub window: u16,
    /// Options, as far as captured.
    pub options: &'a [u8],
}

impl Tcp<'_> {
    /// Whether it opens a connection.
    pub fn is_syn(&self) -> bool {
        self.flags & 0x12 == 0x02
    }

    /// Whether it accepts a connection.
    pub fn is_syn_ack(&self) -> bool {
        self.flags & 0x12 == 0x12
    }
}

/// One IP packet, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Hardware addresses, where the link has them.
    pub macs: Macs<'a>,
    /// Version of the outermost IP header: 4 or 6.
    pub version: u8,
    /// Bytes of the outermost packet, IP header included.
    pub length: u32,
    /// The header gave no length and it was taken from the frame's length on the wire.
    pub length_from_wire: bool,
    /// IP within IP; the addresses are the innermost ones.
    pub tunnelled: bool,
    /// A fragment that is not the first: it has no ports.
    pub later_fragment: bool,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Sender's port; 0 where there is none.
    pub source_port: u16,
    /// Receiver's port; 0 where there is none.
    pub destination_port: u16,
    /// What it bears.
    pub protocol: Protocol,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// The identification field of an IPv4 header; 0 for IPv6.
    pub identification: u16,
    /// TCP header, where there is a whole one.
    pub tcp: Option<Tcp<'a>>,
    /// Transport payload as far as captured.
    pub payload: &'a [u8],
    /// Transport payload in bytes by the headers' word.
    pub payload_len: u32,
    /// Why the transport header could not be read, where it should have been there.
    pub damaged: Option<Damage>,
}

/// What is wrong behind a readable IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Damage {
    /// IPv4 header length under 20 bytes or beyond the packet.
    HeaderLength,
    /// IPv4 total length shorter than the header.
    TotalLength,
    /// Cut, or too many, IPv6 extension headers.
    Extensions,
    /// The transport header was cut.
    Transport,
    /// A UDP length under 8 bytes.
    UdpLength,
    /// More tunnels in tunnels than anybody uses.
    TooDeep,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HeaderLength => "IPv4 header length impossible",
            Self::TotalLength => "IPv4 total length shorter than the header",
            Self::Extensions => "IPv6 extension headers cut or endless",
            Self::Transport => "transport header cut",
            Self::UdpLength => "UDP length under 8",
            Self::TooDeep => "tunnels nested too deep",
        })
    }
}

impl Packet<'_> {
    /// A packet of which nothing is known: what [`dissect`] writes into.
    pub fn blank() -> Self {
        Self {
            macs: Macs::None,
            version: 0,
            length: 0,
            length_from_wire: false,
            tunnelled: false,
            later_fragment: false,
            source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            source_port: 0,
            destination_port: 0,
            protocol: Protocol(0),
            ttl: 0,
            identification: 0,
            tcp: None,
            payload: &[],
            payload_len: 0,
            damaged: None,
        }
    }
}

/// Reads a frame as far as its transport header, into `packet`, which must be blank: written in place because copying the
/// result was measured to cost as much as reading the headers.
///
/// # Errors
/// [`Skip`] where there is no IP header to read; what is wrong behind one is told in [`Packet::damaged`].
#[inline(always)]
pub fn dissect<'a>(frame: &Frame<'a>, packet: &mut Packet<'a>) -> Result<(), Skip> {
    let network = network(frame.link, frame.data)?;
    packet.macs = network.macs;
    let on_wire = frame.wire_len.saturating_sub(network.offset as u32);
    // Nearly every packet: IPv4 straight to its transport header.
    if network.ip.first().is_some_and(|byte| byte >> 4 == 4) {
        if let Layer::Transport { bytes, length } = ipv4(packet, network.ip, on_wire, true) {
            packet.damaged = transport(packet, bytes, length).err();
            return Ok(());
        }
    }
    layers(packet, network.ip, on_wire)
}

/// Follows IP headers inwards to a transport header.
#[cold]
fn layers<'a>(packet: &mut Packet<'a>, ip: &'a [u8], on_wire: u32) -> Result<(), Skip> {
    let (mut ip, mut wire) = (ip, on_wire);
    for depth in 0..TUNNELS_AT_MOST {
        let outermost = depth == 0;
        let layer = match ip.first().map(|byte| byte >> 4) {
            Some(4) => ipv4(packet, ip, wire, outermost),
            Some(6) => ipv6(packet, ip, wire, outermost),
            Some(_) => Layer::Unreadable(Skip::BadIpHeader),
            None => Layer::Unreadable(Skip::Cut),
        };
        let damage = match layer {
            Layer::Inside { bytes, length } => {
                packet.tunnelled = true;
                ip = bytes;
                wire = length;
                continue;
            }
            Layer::Transport { bytes, length } => transport(packet, bytes, length).err(),
            Layer::Harmed(damage) => Some(damage),
            Layer::Unreadable(skip) if outermost => return Err(skip),
            Layer::Unreadable(_) => Some(Damage::Transport),
        };
        packet.damaged = damage;
        return Ok(());
    }
    packet.damaged = Some(Damage::TooDeep);
    Ok(())
}

/// What follows an IP header.
enum Layer<'a> {
    /// Another IP header.
    Inside { bytes: &'a [u8], length: u32 },
    /// A transport header.
    Transport { bytes: &'a [u8], length: u32 },
    /// Nothing readable, though the IP header was.
    Harmed(Damage),
    /// The IP header itself cannot be read.
    Unreadable(Skip),
}

#[inline(always)]
fn ipv4<'a>(packet: &mut Packet<'a>, ip: &'a [u8], on_wire: u32, outermost: bool) -> Layer<'a> {
    let Some(header) = ip.first_chunk::<20>() else {
        return Layer::Unreadable(Skip::Cut);
    };
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let declared = u32::from(u16::from_be_bytes([header[2], header[3]]));
    // Zero is what a capture shows of a packet that the network card was yet to cut up (segmentation offload).
    let total = if declared == 0 { on_wire } else { declared };
    if outermost {
        packet.version = 4;
        packet.length = if header_len < 20 { 0 } else { total };
        packet.length_from_wire = declared == 0 && header_len >= 20;
    }
    packet.source = IpAddr::V4(Ipv4Addr::new(
        header[12], header[13], header[14], header[15],
    ));
    packet.destination = IpAddr::V4(Ipv4Addr::new(
        header[16], header[17], header[18], header[19],
    ));
    packet.protocol = Protocol(header[9]);
    packet.ttl = header[8];
    packet.identification = u16::from_be_bytes([header[4], header[5]]);
    if header_len < 20 {
        return Layer::Harmed(Damage::HeaderLength);
    }
    let Some(length) = total.checked_sub(header_len as u32) else {
        return Layer::Harmed(Damage::TotalLength);
    };
    if u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0 {
        packet.later_fragment = true;
        packet.payload_len = length;
        return Layer::Transport { bytes: &[], length };
    }
    // Bytes behind the packet are Ethernet's filling, not payload.
    let end = ip.len().min(total as usize);
    match ip.get(header_len..end) {
        Some(bytes) => follow(packet.protocol.0, bytes, length),
        None => Layer::Harmed(Damage::Transport),
    }
}

#[inline(always)]
fn follow(protocol: u8, bytes: &[u8], length: u32) -> Layer<'_> {
    match protocol {
        IP_IN_IP | IPV6_IN_IP => Layer::Inside { bytes, length },
        _ => Layer::Transport { bytes, length },
    }
}

fn ipv6<'a>(packet: &mut Packet<'a>, ip: &'a [u8], on_wire: u32, outermost: bool) -> Layer<'a> {
    let Some(header) = ip.first_chunk::<40>() else {
        return Layer::Unreadable(Skip::Cut);
    };
    let declared = u32::from(u16::from_be_bytes([header[4], header[5]]));
    // Zero with a hop-by-hop header is a jumbogram (RFC 2675); zero alone is an empty packet.
    let jumbo = declared == 0 && header[6] == HOP_BY_HOP;
    let total = if jumbo { on_wire } else { declared + 40 };
    if outermost {
        packet.version = 6;
        packet.length = total;
        packet.length_from_wire = jumbo;
    }
    let address = |from: usize| {
        let mut octets = [0u8; 16];
        octets.copy_from_slice(&header[from..from + 16]);
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    packet.source = address(8);
    packet.destination = address(24);
    packet.ttl = header[7];
    packet.identification = 0;
    let end = ip.len().min(total as usize);
    let mut next = header[6];
    let mut bytes = ip.get(40..end).unwrap_or(&[]);
    let mut length = total.saturating_sub(40);
    for _ in 0..EXTENSIONS_AT_MOST {
        packet.protocol = Protocol(next);
        let size = match (next, bytes) {
            (HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY, [_, units, ..]) => {
                8 + usize::from(*units) * 8
            }
            (AUTHENTICATION, [_, units, ..]) => 8 + usize::from(*units) * 4,
            (FRAGMENT, [_, _, high, low, ..]) => {
                if u16::from_be_bytes([*high, *low]) & 0xfff8 != 0 {
                    packet.protocol = Protocol(bytes[0]);
                    packet.later_fragment = true;
                    packet.payload_len = length.saturating_sub(8);
                    return Layer::Transport { bytes: &[], length };
                }
                8
            }
            (
                HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | AUTHENTICATION | FRAGMENT,
                _,
            ) => return Layer::Harmed(Damage::Extensions),
            _ => return follow(next, bytes, length),
        };
        let (Some(rest), Some(left)) = (bytes.get(size..), length.checked_sub(size as u32)) else {
            return Layer::Harmed(Damage::Extensions);
        };
        next = bytes[0];
        bytes = rest;
        length = left;
    }
    Layer::Harmed(Damage::Extensions)
}

#[inline(always)]
fn transport<'a>(packet: &mut Packet<'a>, bytes: &'a [u8], length: u32) -> Result<(), Damage> {
    if packet.later_fragment {
        return Ok(());
    }
    match packet.protocol {
        Protocol::TCP => {
            let Some(header) = bytes.first_chunk::<20>() else {
                return Err(ports(packet, bytes));
            };
            packet.source_port = u16::from_be_bytes([header[0], header[1]]);
            packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
            let header_len = usize::from(header[12] >> 4) * 4;
            if header_len < 20 {
                return Err(Damage::Transport);
            }
            let options_end = header_len.min(bytes.len());
            packet.tcp = Some(Tcp {
                sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
                flags: header[13],
                window: u16::from_be_bytes([header[14], header[15]]),
                options: bytes.get(20..options_end).unwrap_or(&[]),
            });
            packet.payload = bytes.get(header_len..).unwrap_or(&[]);
            packet.payload_len = length.saturating_sub(header_len as u32);
        }
        Protocol::UDP => {
            let Some(header) = bytes.first_chunk::<8>() else {
                return Err(ports(packet, bytes));
            };
            packet.source_port = u16::from_be_bytes([header[0], header[1]]);
            packet.destination_port = u16::from_be_bytes([header[2], header[3]]);
            let declared = u32::from(u16::from_be_bytes([header[4], header[5]]));
            // Zero stands for "as long as the IP packet says" in jumbograms and under offload.
            if declared != 0 && declared < 8 {
                return Err(Damage::UdpLength);
            }
            let udp = if declared == 0 {
                length
            } else {
                declared.min(length)
            };
            packet.payload = bytes
                .get(8..bytes.len().min((udp as usize).max(8)))
                .unwrap_or(&[]);
            packet.payload_len = udp.saturating_sub(8);
        }
        _ => {
            packet.payload = bytes;
            packet.payload_len = length;
        }
    }
    Ok(())
}

/// Ports alone, of a transport header cut after its fourth byte.
#[cold]
fn ports(packet: &mut Packet<'_>, bytes: &[u8]) -> Damage {
    if let Some([a, b, c, d]) = bytes.first_chunk::<4>() {
        packet.source_port = u16::from_be_bytes([*a, *b]);
        packet.destination_port = u16::from_be_bytes([*c, *d]);
    }
    Damage::Transport
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;
    use crate::units::Timestamp;

    fn raw(data: &[u8], wire_len: u32) -> Result<Packet<'_>, Skip> {
        let mut packet = Packet::blank();
        let frame = Frame {
            at: Timestamp(0),
            link: LinkType::RAW,
            wire_len,
            data,
            interface: 0,
        };
        dissect(&frame, &mut packet).map(|()| packet)
    }

    /// IPv4, 10.0.0.2:5353 to 1.2.3.4:53, UDP of 4 payload bytes: 20 + 8 + 4 = 32.
    fn udp4() -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0, 0, 32, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 1, 2, 3, 4,
        ];
        bytes.extend([0x14, 0xe9, 0, 53, 0, 12, 0, 0, b'a', b'b', b'c', b'd']);
        bytes
    }

    #[test]
    fn a_udp_packet_is_read() {
        let bytes = udp4();
        let packet = raw(&bytes, 32).unwrap();
        assert_eq!(packet.length, 32);
        assert_eq!((packet.source_port, packet.destination_port), (5353, 53));
        assert_eq!(packet.source.to_string(), "10.0.0.2");
        assert_eq!((packet.ttl, packet.identification), (64, 0x1234));
        assert_eq!((packet.payload, packet.payload_len), (&b"abcd"[..], 4));
        assert_eq!(packet.damaged, None);
    }

    #[test]
    fn sizes_come_from_the_header_not_from_the_capture() {
        let mut bytes = udp4();
        bytes[2..4].copy_from_slice(&1400u16.to_be_bytes());
        bytes[24..26].copy_from_slice(&1380u16.to_be_bytes());
        let packet = raw(&bytes, 60).unwrap();
        assert_eq!((packet.length, packet.payload_len), (1400, 1372));
        assert!(!packet.length_from_wire);
    }

    #[test]
    fn a_zero_length_falls_back_to_the_wire() {
        let mut bytes = udp4();
        bytes[2..4].copy_from_slice(&[0, 0]);
        let packet = raw(&bytes, 900).unwrap();
        assert_eq!((packet.length, packet.length_from_wire), (900, true));
    }

    #[test]
    fn ethernet_filling_is_no_payload() {
        let mut bytes = udp4();
        bytes[24..26].copy_from_slice(&[0, 0]);
        bytes.extend([0; 14]);
        assert_eq!(raw(&bytes, 46).unwrap().payload, b"abcd");
    }

    #[test]
    fn the_first_fragment_keeps_its_ports_and_the_later_ones_have_none() {
        let mut bytes = udp4();
        bytes[6] = 0x20;
        assert_eq!(raw(&bytes, 32).unwrap().destination_port, 53);
        bytes[7] = 0x10;
        let later = raw(&bytes, 32).unwrap();
        assert!(later.later_fragment);
        assert_eq!((later.destination_port, later.length), (0, 32));
    }

    #[test]
    fn a_tunnel_is_counted_by_its_outside_and_named_by_its_inside() {
        let mut bytes = vec![
            0x45, 0, 0, 52, 0, 1, 0, 0, 64, 4, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
        ];
        bytes.extend(udp4());
        let packet = raw(&bytes, 52).unwrap();
        assert!(packet.tunnelled);
        assert_eq!((packet.length, packet.destination_port), (52, 53));
        assert_eq!(packet.source.to_string(), "10.0.0.2");
    }

    #[test]
    fn ipv6_extension_headers_are_walked() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 28, 0, 64];
        bytes.extend([0u8; 15]);
        bytes.push(1);
        bytes.extend([0u8; 15]);
        bytes.push(2);
        bytes.extend([60, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop, then destination options
        bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend([0x14, 0xe9, 0, 53, 0, 12, 0, 0, b'a', b'b', b'c', b'd']);
        let packet = raw(&bytes, 68).unwrap();
        assert_eq!((packet.version, packet.length), (6, 68));
        assert_eq!(
            (packet.destination_port, packet.payload),
            (53, &b"abcd"[..])
        );
    }

    #[test]
    fn contradictions_are_damage_not_errors() {
        let harm = |at: usize, value: u8| {
            let mut bytes = udp4();
            bytes[at] = value;
            let packet = raw(&bytes, 32).unwrap();
            (packet.damaged, packet.length)
        };
        assert_eq!(harm(0, 0x40), (Some(Damage::HeaderLength), 0));
        assert_eq!(harm(0, 0x4f), (Some(Damage::TotalLength), 32));
        assert_eq!(harm(3, 10), (Some(Damage::TotalLength), 10));
        assert_eq!(harm(25, 7), (Some(Damage::UdpLength), 32));
        assert_eq!(raw(&[0x45; 12], 12).unwrap_err(), Skip::Cut);
        assert_eq!(raw(&[0x20; 40], 40).unwrap_err(), Skip::BadIpHeader);
    }
}
