//! The everyday packet at a glance: what every packet is counted by, and nothing that few are asked for.
//!
//! Nearly every frame is Ethernet with IPv4 without options, whole in its datagram, bearing TCP or UDP. Of such a one a flow
//! that is known needs four numbers, which lie at fixed places: one test of the length instead of one a header, no decoding.
//! Whatever is not of this kind, and whoever wants to know more, goes to [`crate::packet::dissect`]; where both read a frame
//! they agree (`tests/dissect_oracle.rs`).

use crate::capture::{Frame, LinkType};
use crate::packet::dissect::Protocol;

/// Bytes of Ethernet, of IPv4 without options, and what every UDP header has and every TCP header begins with.
const HEADERS: usize = 14 + 20 + 8;

/// A way's multiplier: 2^64 over the golden ratio, which spreads numbers that lie close (Knuth, TAOCP 3, section 6.4).
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
        let headers = frame.data.first_chunk::<HEADERS>()?;
        let (ethernet, rest) = headers.split_first_chunk::<14>()?;
        let (ip, udp) = rest.split_first_chunk::<20>()?;
        let version_4 = ethernet.ends_with(&[8, 0]) && ip[0] == 0x45;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff;
        if !version_4 || fragment != 0 || frame.link != LinkType::ETHERNET {
            return None;
        }
        let length = u16::from_be_bytes([ip[2], ip[3]]);
        let protocol = Protocol(ip[9]);
        let flags = match protocol {
            Protocol::TCP => {
                let tcp = frame.data.get(34..)?.first_chunk::<20>()?;
                if length < 40 || tcp[12] < 5 << 4 {
                    return None;
                }
                tcp[13]
            }
            Protocol::UDP if length >= 28 && u16::from_be_bytes([udp[4], udp[5]]) >= 8 => 0,
            _ => return None,
        };
        let addresses = ip.last_chunk::<8>()?;
        let ports = udp.first_chunk::<4>()?;
        Some(Self {
            way: Way {
                addresses: u64::from_le_bytes(*addresses),
                ends: u64::from(u32::from_le_bytes(*ports)) | u64::from(protocol.0) << 32,
            },
            length,
            flags,
        })
    }
}
