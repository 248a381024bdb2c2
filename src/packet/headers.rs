//! Headers of a packet that is written instead of read: IP and TCP or UDP, with the lengths and checksums that belong to a
//! payload of zeros.

use super::dissect::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest packet whose length an IP header can hold. Of longer ones IPv4 says 0, as where the card cuts them up later,
/// and IPv6 bears the option of a jumbogram (RFC 2675).
const LENGTH_AT_MOST: u32 = 65_535;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const TCP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const JUMBO_BYTES: usize = 8;
const HOP_BY_HOP: u8 = 0;
/// Don't fragment.
const DONT_FRAGMENT: u16 = 0x4000;
const TTL: u8 = 64;
/// Acknowledges and pushes.
const ACK_PSH: u8 = 0x18;
const WINDOW: u16 = 65_535;

/// One end: address and port.
pub type Address = (IpAddr, u16);

/// What of a TCP header changes from packet to packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Number of the first payload byte.
    pub sent: u32,
    /// Number of the byte expected next from the other end.
    pub acknowledged: u32,
}

/// Payload bytes of a packet of `length` bytes in all.
pub fn payload_bytes(from: IpAddr, protocol: Protocol, length: u32) -> u32 {
    let ip = match from {
        IpAddr::V4(_) => IPV4_BYTES,
        IpAddr::V6(_) if length > LENGTH_AT_MOST => IPV6_BYTES + JUMBO_BYTES,
        IpAddr::V6(_) => IPV6_BYTES,
    };
    let transport = match protocol {
        Protocol::TCP => TCP_BYTES,
        Protocol::UDP => UDP_BYTES,
        _ => 0,
    };
    length.saturating_sub((ip + transport) as u32)
}

/// The first bytes of an IP packet of `length` bytes: all its headers and nothing of its payload, which is zeros; never more
/// than `length`. Ports are for TCP and UDP alone. The two addresses must be of one version: where they are not, the receiver's
/// is written in the sender's, as far as it fits.
pub fn headers(
    from: Address,
    to: Address,
    protocol: Protocol,
    length: u32,
    identification: u16,
    sequence: Sequence,
) -> Vec<u8> {
    let told = if length > LENGTH_AT_MOST { 0 } else { length };
    let mut packet = Vec::with_capacity(IPV6_BYTES + JUMBO_BYTES + TCP_BYTES);
    let addresses: Vec<u8> = match (from.0, to.0) {
        (IpAddr::V4(source), to) => {
            let destination = match to {
                IpAddr::V4(to) => to,
                IpAddr::V6(to) => to.to_ipv4().unwrap_or(Ipv4Addr::UNSPECIFIED),
            };
            ipv4(
                &mut packet,
                source,
                destination,
                protocol,
                told as u16,
                identification,
            );
            [source.octets(), destination.octets()].concat()
        }
        (IpAddr::V6(source), to) => {
            let destination = match to {
                IpAddr::V6(to) => to,
                IpAddr::V4(to) => to.to_ipv6_mapped(),
            };
            ipv6(&mut packet, source, destination, protocol, length);
            [source.octets(), destination.octets()].concat()
        }
    };
    let below = (length as usize).saturating_sub(packet.len());
    let begin = packet.len();
    let checksum_at = match protocol {
        Protocol::TCP => {
            packet.extend(from.1.to_be_bytes());
            packet.extend(to.1.to_be_bytes());
            packet.extend(sequence.sent.to_be_bytes());
            packet.extend(sequence.acknowledged.to_be_bytes());
            packet.extend([(TCP_BYTES as u8 / 4) << 4, ACK_PSH]);
            packet.extend(WINDOW.to_be_bytes());
            packet.extend([0; 4]);
            Some(16)
        }
        Protocol::UDP => {
            packet.extend(from.1.to_be_bytes());
            packet.extend(to.1.to_be_bytes());
            packet.extend((u16::try_from(below).unwrap_or(0)).to_be_bytes());
            packet.extend([0; 2]);
            Some(6)
        }
        _ => None,
    };
    if let Some(at) = checksum_at {
        // The payload is zeros and adds nothing.
        let transport = packet.get(begin..).unwrap_or_default();
        let sum = checksum(
            &[&addresses, transport],
            below as u64 + u64::from(protocol.0),
        );
        // Of UDP, 0 says that there is none; it is written as its other self (RFC 768).
        let sum = if sum == 0 { u16::MAX } else { sum };
        put(&mut packet, begin + at, sum);
    }
    packet.truncate(length as usize);
    packet
}

/// A whole UDP packet over IPv4, payload and all; `None` where the addresses are not IPv4 or the payload is too long.
pub fn datagram(
    from: Address,
    to: Address,
    payload: &[u8],
    identification: u16,
) -> Option<Vec<u8>> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (from.0, to.0) else {
        return None;
    };
    let below = u16::try_from(UDP_BYTES + payload.len()).ok()?;
    let length = below.checked_add(IPV4_BYTES as u16)?;
    let mut packet = Vec::with_capacity(usize::from(length));
    ipv4(
        &mut packet,
        source,
        destination,
        Protocol::UDP,
        length,
        identification,
    );
    let mut udp = Vec::with_capacity(usize::from(below));
    udp.extend(from.1.to_be_bytes());
    udp.extend(to.1.to_be_bytes());
    udp.extend(below.to_be_bytes());
    udp.extend([0; 2]);
    udp.extend(payload);
    let begin = u64::from(below) + u64::from(Protocol::UDP.0);
    let sum = checksum(&[&source.octets(), &destination.octets(), &udp], begin);
    put(&mut udp, 6, if sum == 0 { u16::MAX } else { sum });
    packet.extend(udp);
    Some(packet)
}

fn ipv4(
    packet: &mut Vec<u8>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: Protocol,
    length: u16,
    identification: u16,
) {
    packet.extend([0x45, 0]);
    packet.extend(length.to_be_bytes());
    packet.extend(identification.to_be_bytes());
    packet.extend(DONT_FRAGMENT.to_be_bytes());
    packet.extend([TTL, protocol.0, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = checksum(&[packet], 0);
    put(packet, 10, sum);
}

fn ipv6(
    packet: &mut Vec<u8>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: Protocol,
    length: u32,
) {
    let payload = length.saturating_sub(IPV6_BYTES as u32);
    let jumbo = length > LENGTH_AT_MOST;
    let (told, next) = match jumbo {
        true => (0, HOP_BY_HOP),
        false => (payload as u16, protocol.0),
    };
    packet.extend([0x60, 0, 0, 0]);
    packet.extend(told.to_be_bytes());
    packet.extend([next, TTL]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    if jumbo {
        packet.extend([protocol.0, 0, 0xc2, 4]);
        packet.extend(payload.to_be_bytes());
    }
}

fn put(packet: &mut [u8], at: usize, number: u16) {
    if let Some(place) = packet.get_mut(at..at + 2) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// The internet checksum (RFC 1071) of parts that are of even length but for the last.
fn checksum(parts: &[&[u8]], begin: u64) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum = words.fold(begin, |sum, word| {
        let high = word.first().copied().unwrap_or(0);
        let low = word.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([high, low]))
    });
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::super::dissect::{dissect, Packet};
    use super::*;
    use crate::capture::{Frame, LinkType};
    use crate::units::Timestamp;

    fn address(text: &str, port: u16) -> Address {
        (text.parse().unwrap(), port)
    }

    #[test]
    fn a_checksum_by_hand() {
        // The example of RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 sum up to ddf2.
        assert_eq!(
            checksum(&[&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]], 0),
            !0xddf2
        );
    }

    #[test]
    fn what_is_written_is_dissected() {
        for (from, to) in [
            (address("192.0.2.1", 40_000), address("198.51.100.7", 443)),
            (address("2001:db8::1", 40_000), address("2001:db8::2", 443)),
        ] {
            for protocol in [Protocol::TCP, Protocol::UDP, Protocol(47)] {
                for length in [60, 1_500, 65_535, 90_000] {
                    let data = headers(from, to, protocol, length, 7, Sequence::default());
                    let frame = Frame {
                        at: Timestamp(0),
                        link: LinkType::RAW,
                        wire_len: length,
                        data: &data,
                        interface: 0,
                    };
                    let mut packet = Packet::blank();
                    dissect(&frame, &mut packet).unwrap();
                    let (source, destination) = match protocol {
                        Protocol(47) => ((from.0, 0), (to.0, 0)),
                        _ => (from, to),
                    };
                    assert_eq!((packet.source, packet.source_port), source);
                    assert_eq!((packet.destination, packet.destination_port), destination);
                    assert_eq!((packet.length, packet.protocol), (length, protocol));
                    assert!(packet.damaged.is_none(), "{:?}", packet.damaged);
                    let payload = payload_bytes(from.0, protocol, length);
                    assert_eq!(packet.payload_len, payload, "{protocol} {length}");
                }
            }
        }
    }

    #[test]
    fn checksums_hold() {
        let (from, to) = (address("192.0.2.1", 40_000), address("198.51.100.7", 443));
        let data = headers(from, to, Protocol::TCP, 40, 7, Sequence::default());
        assert_eq!(checksum(&[&data[..20]], 0), 0);
        assert_eq!(checksum(&[&data[12..20], &data[20..]], 20 + 6), 0);
    }

    #[test]
    fn nothing_is_longer_than_the_packet() {
        let (from, to) = (address("192.0.2.1", 1), address("192.0.2.2", 2));
        let cut = headers(from, to, Protocol::TCP, 24, 0, Sequence::default());
        assert_eq!(cut.len(), 24);
    }
}
