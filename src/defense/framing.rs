//! How many bytes a tunnel makes of a packet.
//!
//! - *WireGuard* (J. A. Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", NDSS 2017, section 5.4.6): the inner
//!   packet is padded with zeros to a multiple of 16; before it go type and reserved (4), receiver (4) and counter (8), after
//!   it the Poly1305 tag (16). With an outer IPv4 header (20) and UDP (8): padded + 60. A DNS answer of 100 bytes: 112 + 60.
//! - *OpenVPN*, data channel P_DATA_V2 with AES-GCM over UDP: opcode and peer id (4), packet id (4), tag (16), nothing padded.
//!   With IPv4 and UDP: inner + 52.
//!
//! What would exceed an Ethernet's 1500 bytes leaves in IPv4 fragments: 1480 bytes of the outer packet's payload each, every
//! one with a header of 20. Real tunnels avoid that by a smaller MTU within, which makes more packets of the same stream;
//! bytes come to nearly the same.

use super::settings::Tunnel;

/// What leaves on the wire for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Full fragments, 1500 bytes each.
    pub full: u32,
    /// Bytes of the last packet, or the only one.
    pub rest: u32,
}

impl Framed {
    /// Bytes of all its packets.
    pub fn bytes(self) -> u64 {
        u64::from(self.full) * u64::from(MTU) + u64::from(self.rest)
    }
}

/// Most bytes of a packet on an Ethernet.
pub const MTU: u32 = 1500;

const IPV4: u64 = 20;
const UDP: u64 = 8;
const FRAGMENT: u64 = MTU as u64 - IPV4;

/// What leaves on the wire for an inner packet of so many bytes.
pub fn framed(tunnel: Tunnel, inner: u32) -> Framed {
    let inner = u64::from(inner);
    let payload = match tunnel {
        Tunnel::WireGuard => UDP + 16 + inner.next_multiple_of(16) + 16,
        Tunnel::OpenVpn => UDP + 4 + 4 + 16 + inner,
    };
    let full = (payload - 1) / FRAGMENT;
    // At most 2^32 / 1480, and at most 1500.
    Framed {
        full: u32::try_from(full).unwrap_or(u32::MAX),
        rest: u32::try_from(payload - full * FRAGMENT + IPV4).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_framed_as_the_formats_say() {
        let bytes = |tunnel, inner| framed(tunnel, inner).bytes();
        // 40 -> 48 + 60, 100 -> 112 + 60; the zero-length keepalive: 60.
        let wireguard = [0, 40, 96, 100, 1420].map(|inner| bytes(Tunnel::WireGuard, inner));
        assert_eq!(wireguard, [60, 108, 156, 172, 1484]);
        let openvpn = [40, 100, 1448].map(|inner| bytes(Tunnel::OpenVpn, inner));
        assert_eq!(openvpn, [92, 152, 1500]);
    }

    #[test]
    fn what_is_too_large_leaves_in_fragments() {
        // 1500 padded to 1504, and 40: 1544 bytes of payload, in 1480 and 64.
        let of = framed(Tunnel::WireGuard, 1500);
        assert_eq!(of, Framed { full: 1, rest: 84 });
        assert_eq!(of.bytes(), 1504 + 60 + 20);
        assert_eq!(
            framed(Tunnel::OpenVpn, 1448),
            Framed {
                full: 0,
                rest: 1500
            }
        );
        assert_eq!(framed(Tunnel::OpenVpn, 1449), Framed { full: 1, rest: 21 });
        assert!(framed(Tunnel::WireGuard, u32::MAX).bytes() > u64::from(u32::MAX));
    }
}
