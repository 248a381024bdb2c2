//! One packet as a capture file holds it: when, over what link, how long, which bytes.

use crate::units::Timestamp;
use std::fmt;

/// The link-layer header type of a frame, by its number in files (tcpdump.org's registry of LINKTYPE values).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes of address family in the byte order of the capturing machine.
    pub const NULL: Self = Self(0);
    /// Ethernet, with or without VLAN tags or PPPoE.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without HDLC framing.
    pub const PPP: Self = Self(9);
    /// Raw IP, as files of some systems number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// Raw IP: the header's own version field tells 4 from 6.
    pub const RAW: Self = Self(101);
    /// IEEE 802.11 without radio information.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: four bytes of address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture (`-i any`), 16-byte header.
    pub const SLL: Self = Self(113);
    /// IEEE 802.11 after a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, second version, 20-byte header.
    pub const SLL2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NULL => "BSD loopback",
            Self::ETHERNET => "Ethernet",
            Self::PPP => "PPP",
            Self::RAW_BSD | Self::RAW_OPENBSD | Self::RAW => "raw IP",
            Self::PPP_HDLC => "PPP in HDLC framing",
            Self::IEEE802_11 => "802.11",
            Self::LOOP => "OpenBSD loopback",
            Self::SLL => "Linux cooked",
            Self::RADIOTAP => "802.11 with radiotap",
            Self::IPV4 => "raw IPv4",
            Self::IPV6 => "raw IPv6",
            Self::SLL2 => "Linux cooked v2",
            Self(number) => return write!(f, "link type {number}"),
        };
        f.write_str(name)
    }
}

/// A captured packet, borrowed from the reader until the next one is asked for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// When it was captured. A packet whose record bears no time (pcapng's simple packet block) has that of the record
    /// before it.
    pub at: Timestamp,
    /// What the bytes begin with.
    pub link: LinkType,
    /// Bytes it had on the wire, link header included and frame check sequence left out; never less than `data` holds.
    pub wire_len: u32,
    /// The bytes that were kept: all, or the first ones where the capture cut them.
    pub data: &'a [u8],
    /// The interface it was seen on, counted from 0 over all sections of its file; 0 in classic pcap.
    pub interface: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_names() {
        assert_eq!(LinkType::SLL2.to_string(), "Linux cooked v2");
        assert_eq!(LinkType(147).to_string(), "link type 147");
    }
}
