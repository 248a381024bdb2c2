//! From a frame's first byte to its IP header: Ethernet with VLAN tags, PPPoE, cooked, loopback and raw captures.

use crate::capture::LinkType;
use crate::units::Mac;

/// VLAN tags and PPPoE headers followed before a frame counts as malformed. Provider networks use two or three; tshark
/// stops at a similar depth.
const TAGS_AT_MOST: usize = 16;

const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const ARP: u16 = 0x0806;
const EAPOL: u16 = 0x888e;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Why a frame bears no IP packet that we can read. Not an error: a row of the census.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Address resolution.
    Arp,
    /// 802.1X and WPA key exchange.
    Eapol,
    /// 802.2 LLC: spanning tree and such.
    Llc,
    /// Another network protocol, by its Ethernet type.
    EtherType(u16),
    /// The frame was cut before its IP header ended.
    Cut,
    /// The IP header contradicts itself.
    BadIpHeader,
    /// More VLAN tags or tunnels than anybody uses.
    TooDeep,
    /// A link type this program does not read.
    Link(u16),
}

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Arp => f.write_str("arp"),
            Self::Eapol => f.write_str("eapol"),
            Self::Llc => f.write_str("llc"),
            Self::EtherType(number) => write!(f, "ethertype 0x{number:04x}"),
            Self::Cut => f.write_str("cut before the IP header's end"),
            Self::BadIpHeader => f.write_str("bad IP header"),
            Self::TooDeep => f.write_str("too many tags or tunnels"),
            Self::Link(number) => write!(f, "link type {number}"),
        }
    }
}

/// Who sent a frame to whom on the local network, where the link says so; still as the frame has it, because few packets
/// are asked for it and copying addresses about byte by byte was measured to stall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Macs<'a> {
    /// The link has no hardware addresses, or none of six bytes.
    #[default]
    None,
    /// Receiver and sender.
    Both(&'a [u8; 14]),
    /// The sender alone: Linux cooked.
    Sender(&'a [u8; 6]),
}

impl Macs<'_> {
    /// Who sent the frame.
    pub fn source(&self) -> Option<Mac> {
        match self {
            Self::None => None,
            Self::Both(header) => {
                let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = **header;
                Some(Mac([a, b, c, d, e, f]))
            }
            Self::Sender(address) => Some(Mac(**address)),
        }
    }

    /// Who was to receive it.
    pub fn destination(&self) -> Option<Mac> {
        match self {
            Self::Both(header) => {
                let [a, b, c, d, e, f, ..] = **header;
                Some(Mac([a, b, c, d, e, f]))
            }
            _ => None,
        }
    }
}

/// Where the IP header begins.
#[derive(Clone, Copy, Debug)]
pub struct Network<'a> {
    /// Bytes from the IP header on, as far as captured.
    pub ip: &'a [u8],
    /// How many bytes of link headers came before.
    pub offset: usize,
    /// Hardware addresses.
    pub macs: Macs<'a>,
}

/// Finds the IP header of a frame by its link and its bytes.
#[inline(always)]
pub fn network(link: LinkType, data: &[u8]) -> Result<Network<'_>, Skip> {
    match link {
        LinkType::ETHERNET => {
            let Some(header) = data.first_chunk::<14>() else {
                return Err(Skip::Cut);
            };
            let macs = Macs::Both(header);
            match u16::from_be_bytes([header[12], header[13]]) {
                IPV4 => at(data, 14, macs),
                kind => ethertype(kind, data, 14, macs),
            }
        }
        LinkType::RAW | LinkType::RAW_BSD | LinkType::IPV4 | LinkType::IPV6 => {
            at(data, 0, Macs::default())
        }
        // The address family: 2 is IPv4 everywhere, IPv6 has a number of its own on each system; the version nibble of the
        // header tells as well, in whichever byte order the four bytes were written.
        LinkType::NULL | LinkType::LOOP => at(data, 4, Macs::default()),
        LinkType::SLL => {
            let header = data.first_chunk::<16>().ok_or(Skip::Cut)?;
            let macs = cooked(header[4], header[5], header.get(6..12));
            ethertype(u16::from_be_bytes([header[14], header[15]]), data, 16, macs)
        }
        LinkType::SLL2 => {
            let header = data.first_chunk::<20>().ok_or(Skip::Cut)?;
            let macs = cooked(0, header[11], header.get(12..18));
            ethertype(u16::from_be_bytes([header[0], header[1]]), data, 20, macs)
        }
        LinkType::PPP => {
            // With HDLC-like framing the two bytes ff 03 come first.
            let start = if data.starts_with(&[0xff, 0x03]) {
                2
            } else {
                0
            };
            ppp(data, start, Macs::default())
        }
        LinkType(number) => Err(Skip::Link(number)),
    }
}

/// Cooked captures give the sender's hardware address alone.
fn cooked(high: u8, low: u8, address: Option<&[u8]>) -> Macs<'_> {
    match (high, low, address.and_then(|bytes| bytes.first_chunk())) {
        (0, 6, Some(address)) => Macs::Sender(address),
        _ => Macs::None,
    }
}

/// Follows the Ethernet type at `offset`, through VLAN tags and PPPoE.
fn ethertype<'a>(
    mut kind: u16,
    data: &'a [u8],
    mut offset: usize,
    macs: Macs<'a>,
) -> Result<Network<'a>, Skip> {
    for _ in 0..TAGS_AT_MOST {
        match kind {
            IPV4 | IPV6 => return at(data, offset, macs),
            _ if VLAN.contains(&kind) => {
                let tag = data.get(offset..offset + 4).ok_or(Skip::Cut)?;
                kind = u16::from_be_bytes([tag[2], tag[3]]);
                offset += 4;
            }
            PPPOE_SESSION => return ppp(data, offset + 6, macs),
            ARP => return Err(Skip::Arp),
            EAPOL => return Err(Skip::Eapol),
            0..=0x05ff => return Err(Skip::Llc),
            other => return Err(Skip::EtherType(other)),
        }
    }
    Err(Skip::TooDeep)
}

/// Reads a PPP protocol number of one or two bytes.
fn ppp<'a>(data: &'a [u8], offset: usize, macs: Macs<'a>) -> Result<Network<'a>, Skip> {
    let header = data.get(offset..).ok_or(Skip::Cut)?;
    let (protocol, length) = match header {
        // An odd first byte ends the number (RFC 1661 section 6.5).
        [low, ..] if low & 1 == 1 => (u16::from(*low), 1),
        [high, low, ..] => (u16::from_be_bytes([*high, *low]), 2),
        _ => return Err(Skip::Cut),
    };
    match protocol {
        PPP_IPV4 | PPP_IPV6 => at(data, offset + length, macs),
        other => Err(Skip::EtherType(other)),
    }
}

#[inline(always)]
fn at<'a>(data: &'a [u8], offset: usize, macs: Macs<'a>) -> Result<Network<'a>, Skip> {
    match data.get(offset..) {
        Some(ip) if !ip.is_empty() => Ok(Network { ip, offset, macs }),
        _ => Err(Skip::Cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(link: LinkType, data: &[u8]) -> Result<usize, Skip> {
        network(link, data).map(|network| network.offset)
    }

    fn ethernet(rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn the_ip_header_is_found_behind_every_link() {
        let cases: [(&str, LinkType, Vec<u8>, usize); 10] = [
            ("ethernet", LinkType::ETHERNET, ethernet(&[8, 0, 0x45]), 14),
            (
                "vlan",
                LinkType::ETHERNET,
                ethernet(&[0x81, 0, 0, 7, 8, 0, 0x45]),
                18,
            ),
            (
                "qinq",
                LinkType::ETHERNET,
                ethernet(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 0x86, 0xdd, 0x60]),
                22,
            ),
            (
                "pppoe",
                LinkType::ETHERNET,
                ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 3, 0, 0x21, 0x45]),
                22,
            ),
            ("raw", LinkType::RAW, vec![0x45], 0),
            ("raw ipv6", LinkType::IPV6, vec![0x60], 0),
            ("null", LinkType::NULL, vec![2, 0, 0, 0, 0x45], 4),
            ("loop", LinkType::LOOP, vec![0, 0, 0, 24, 0x60], 4),
            (
                "cooked",
                LinkType::SLL,
                [
                    &[0u8, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0][..],
                    &[0x45],
                ]
                .concat(),
                16,
            ),
            (
                "cooked 2",
                LinkType::SLL2,
                [
                    &[8u8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..],
                    &[0x45],
                ]
                .concat(),
                20,
            ),
        ];
        for (name, link, data, expected) in cases {
            assert_eq!(offset(link, &data), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_not_ip_is_told_apart() {
        assert_eq!(
            offset(LinkType::ETHERNET, &ethernet(&[8, 6, 0])),
            Err(Skip::Arp)
        );
        assert_eq!(
            offset(LinkType::ETHERNET, &ethernet(&[0, 38, 0x42])),
            Err(Skip::Llc)
        );
        assert_eq!(
            offset(LinkType::ETHERNET, &ethernet(&[0x88, 0xcc, 2])),
            Err(Skip::EtherType(0x88cc))
        );
        assert_eq!(offset(LinkType::ETHERNET, &ethernet(&[8])), Err(Skip::Cut));
        assert_eq!(offset(LinkType(147), &[0x45]), Err(Skip::Link(147)));
        let tags: Vec<u8> = [0x81u8, 0, 0, 1].repeat(40);
        assert_eq!(
            offset(LinkType::ETHERNET, &ethernet(&tags)),
            Err(Skip::TooDeep)
        );
    }
}
