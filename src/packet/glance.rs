//! The everyday packet at a glance: what every packet is counted by, and nothing that few are asked for.
//!
//! Nearly every frame bears IPv4 without options, not in fragments, and in it TCP or UDP. Of such a one a flow that is known
//! needs a few numbers, which lie at fixed places: one test of the length instead of one a header, and nothing decoded.
//! Whatever is not of this kind, and whoever wants to know more, goes to [`crate::packet::dissect`]; where both read a frame
//! they agree (`tests/dissect_oracle.rs`).

use crate::capture::{Frame, LinkType};
use crate::packet::dissect::Protocol;
use crate::packet::link::network;
use std::net::SocketAddrV4;

/// Bytes of IPv4 without options, and what every UDP header has and every TCP header begins with.
const HEADERS: usize = 20 + 8;
/// Bytes of IPv4 and TCP without options.
const TCP_HEADERS: usize = 20 + 20;

/// 2^64 over the golden ratio: multiplied by it, numbers that lie close come to lie apart (D. E. Knuth, "The Art of Computer
/// Programming" 3, section 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Who sends to whom and what, as it lies in an IPv4 packet: to be compared, not to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The sender's address, then the receiver's.
    addresses: u64,
    /// The sender's port, the receiver's, and the protocol.
    ends: u64,
}

impl Way {
    /// No packet's: none that is looked at bears protocol 0.
    pub const NONE: Self = Self {
        addresses: 0,
        ends: 0,
    };

    /// The way from one end to another.
    pub fn between(protocol: Protocol, from: SocketAddrV4, to: SocketAddrV4) -> Self {
        let [a, b, c, d] = from.ip().octets();
        let [e, f, g, h] = to.ip().octets();
        let ([i, j], [k, l]) = (from.port().to_be_bytes(), to.port().to_be_bytes());
        Self::new([a, b, c, d, e, f, g, h], [i, j, k, l], protocol.0)
    }

    /// Of addresses and ports as they lie in the headers.
    #[inline(always)]
    fn new(addresses: [u8; 8], ports: [u8; 4], protocol: u8) -> Self {
        Self {
            addresses: u64::from_le_bytes(addresses),
            ends: u64::from(u32::from_le_bytes(ports)) | u64::from(protocol) << 32,
        }
    }

    /// A few bits, cheap to get: a place to look first.
    #[inline(always)]
    pub fn mix(&self) -> usize {
        ((self.addresses ^ self.ends).wrapping_mul(SPREAD) >> 48) as usize
    }
}

/// What every packet is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Who to whom.
    pub way: Way,
    /// Bytes of the IP packet.
    pub length: u16,
    /// Flags of TCP, 0 otherwise.
    pub flags: u8,
}

impl Glance {
    /// Looks at a frame; `None` where it is not an everyday one.
    #[inline(always)]
    pub fn of(frame: &Frame<'_>) -> Option<Self> {
        let packet = match frame.data.split_first_chunk::<14>() {
            Some(([.., 8, 0], packet)) if frame.link == LinkType::ETHERNET => packet,
            _ => beneath(frame.link, frame.data)?,
        };
        let headers = packet.first_chunk::<HEADERS>()?;
        let (ip, udp) = headers.split_first_chunk::<20>()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff;
        if ip[0] != 0x45 || fragment != 0 {
            return None;
        }
        let length = u16::from_be_bytes([ip[2], ip[3]]);
        let protocol = ip[9];
        let flags = match Protocol(protocol) {
            Protocol::TCP => {
                let [.., words, flags, _, _, _, _, _, _] = packet.first_chunk::<TCP_HEADERS>()?;
                if usize::from(length) < TCP_HEADERS || *words < 5 << 4 {
                    return None;
                }
                *flags
            }
            Protocol::UDP => {
                if usize::from(length) < HEADERS || u16::from_be_bytes([udp[4], udp[5]]) < 8 {
                    return None;
                }
                0
            }
            _ => return None,
        };
        let (addresses, ports) = (ip.last_chunk()?, udp.first_chunk()?);
        Some(Self {
            way: Way::new(*addresses, *ports, protocol),
            length,
            flags,
        })
    }
}

/// The IP packet of a frame over another link than plain Ethernet, or with tags.
#[inline(never)]
fn beneath(link: LinkType, data: &[u8]) -> Option<&[u8]> {
    match data {
        // IPv6 is not for us, and common enough to be told first.
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, ..] if link == LinkType::ETHERNET => None,
        _ => Some(network(link, data).ok()?.ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    /// TCP from 10.0.0.2:40000 to 1.2.3.4:443, 40 bytes, ACK; over Ethernet.
    fn tcp() -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        bytes.extend([
            0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 1, 2, 3, 4,
        ]);
        bytes.extend([0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10]);
        bytes.extend([0; 6]);
        bytes
    }

    fn glance(link: LinkType, data: &[u8]) -> Option<Glance> {
        Glance::of(&Frame {
            at: Timestamp(0),
            link,
            wire_len: data.len() as u32,
            data,
            interface: 0,
        })
    }

    #[test]
    fn an_everyday_frame_is_read_over_any_link() {
        let bytes = tcp();
        let expected = Glance {
            way: Way::between(
                Protocol::TCP,
                "10.0.0.2:40000".parse().unwrap(),
                "1.2.3.4:443".parse().unwrap(),
            ),
            length: 40,
            flags: 0x10,
        };
        assert_eq!(glance(LinkType::ETHERNET, &bytes), Some(expected));
        assert_eq!(glance(LinkType::RAW, &bytes[14..]), Some(expected));
        let tagged = [&bytes[..12], &[0x81, 0, 0, 7], &bytes[12..]].concat();
        assert_eq!(glance(LinkType::ETHERNET, &tagged), Some(expected));
    }

    #[test]
    fn anything_odd_is_left_to_others() {
        let odd = [
            ("version", 14, 0x65),
            ("options", 14, 0x46),
            ("no length", 17, 0),
            ("shorter than its headers", 17, 39),
            ("later fragment", 21, 1),
            ("another protocol", 23, 47),
            ("TCP header too short", 46, 0x40),
            ("IPv6 by its Ethernet type", 12, 0x86),
        ];
        for (what, at, value) in odd {
            let mut bytes = tcp();
            bytes[at] = value;
            assert_eq!(glance(LinkType::ETHERNET, &bytes), None, "{what}");
        }
        let bytes = tcp();
        for cut in 0..bytes.len() {
            assert_eq!(glance(LinkType::ETHERNET, &bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn the_two_ways_of_a_flow_and_its_neighbours_differ() {
        let there = Way::between(
            Protocol::UDP,
            "10.0.0.2:40000".parse().unwrap(),
            "1.2.3.4:443".parse().unwrap(),
        );
        for other in [
            (Protocol::UDP, "1.2.3.4:443", "10.0.0.2:40000"),
            (Protocol::TCP, "10.0.0.2:40000", "1.2.3.4:443"),
            (Protocol::UDP, "10.0.0.2:40001", "1.2.3.4:443"),
            (Protocol::UDP, "10.0.0.3:40000", "1.2.3.4:443"),
        ] {
            let (from, to) = (other.1.parse().unwrap(), other.2.parse().unwrap());
            assert_ne!(there, Way::between(other.0, from, to));
        }
        assert_ne!(there, Way::NONE);
    }
}
