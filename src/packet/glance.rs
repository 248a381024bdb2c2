//! The everyday packet at a glance: what every packet is counted by, and nothing that few are asked for.
//!
//! Nearly every frame is Ethernet with IPv4 without options, whole in its datagram, bearing TCP or UDP. Of such a one a flow
//! that is known needs four numbers, which lie at fixed places: one test of the length instead of one a header, no decoding.
//! Whatever is not of this kind, and whoever wants to know more, goes to [`crate::packet::dissect`]; where both read a frame
//! they agree (`tests/dissect_oracle.rs`).

use crate::capture::{Frame, LinkType};
use crate::packet::dissect::Protocol;

/// Ethernet, IPv4 without options, and the eight bytes that every UDP header has and every TCP header begins with.
const HEADERS: usize = 14 + 20 + 8;
/// The same with a whole TCP header.
const TCP_HEADERS: usize = 14 + 20 + 20;

/// Who sends to whom, as it lies in an IPv4 packet: to be compared, not to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Sender's and receiver's address.
    pub addresses: u64,
    /// Sender's and receiver's port.
    pub ports: u32,
    /// What is borne; 0 of no way at all.
    pub protocol: u8,
}

impl Way {
    /// A few bits, cheap to get: a place to look, no hash.
    #[inline(always)]
    pub fn mix(&self) -> usize {
        // Ends of one home differ in the last bytes of an address, which come first or fifth; flows of one device in ports.
        let bits = (self.addresses ^ self.addresses >> 27) as u32 ^ self.ports;
        (bits.wrapping_mul(0x9e37_79b1) >> 16) as usize
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
        let header = frame.data.first_chunk::<HEADERS>()?;
        let [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, 0x45, _, l0, l1, _, _, f0, f1, _, protocol, _, _, a0, a1, a2, a3, a4, a5, a6, a7, p0, p1, p2, p3, u0, u1, _, _] =
            *header
        else {
            return None;
        };
        let length = u16::from_be_bytes([l0, l1]);
        let fragment = u16::from_be_bytes([f0, f1]) & 0x1fff;
        if frame.link != LinkType::ETHERNET || fragment != 0 {
            return None;
        }
        let flags = match Protocol(protocol) {
            Protocol::TCP => {
                let header = frame.data.first_chunk::<TCP_HEADERS>()?;
                let (words, flags) = (header[46] >> 4, header[47]);
                if length < 40 || words < 5 {
                    return None;
                }
                flags
            }
            Protocol::UDP if length >= 28 && u16::from_be_bytes([u0, u1]) >= 8 => 0,
            _ => return None,
        };
        Some(Self {
            way: Way {
                addresses: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
                ports: u32::from_le_bytes([p0, p1, p2, p3]),
                protocol,
            },
            length,
            flags,
        })
    }
}
