//! A frame without addresses, hardware addresses, names or serial numbers.
//!
//! Written anew, header by header, from what is understood; what is not, is not passed on. What becomes of each field:
//!
//! - hardware addresses and IP addresses: pseudonyms ([`super::Macs`], [`super::Addresses`]);
//! - everything behind the transport header: cut, so no DNS, no server name, no mDNS instance; so are the bodies of ARP,
//!   LLDP and other protocols beside IP, behind the Ethernet type; of ICMP all but type and code (it quotes packets and names
//!   gateways);
//! - checksums: IPv4's is computed anew, those of TCP, UDP and ICMP are 0, as the old ones are sums over the true addresses;
//! - options of IPv4, extension headers of IPv6 (which hold addresses of routes and homes), the flow label (a hash of the
//!   addresses in some stacks), the session number of PPPoE: zeros of the same length;
//! - options of TCP: those that say how a stack sends stay (segment size, window scale, selective acknowledgements,
//!   timestamps), others (addresses of multipath TCP, cookies) become no-operations of the same length;
//! - lengths, identification, TTL, ports, sequence numbers, flags, windows, VLAN tags: as they were. They tell devices behind
//!   one address apart, which is what is to be measured; and they would tell whoever holds another capture of the same
//!   minutes which is which. Against that no pseudonym helps.

use super::addresses::Addresses;
use super::key::Key;
use super::layers::{walk, Piece};
use super::macs::Macs;
use crate::capture::Frame;
use crate::units::Mac;
use std::ops::Range;

/// Beginning of the groups that look for the owner of an IPv6 address, ff02::1:ff00:0/104, and of their hardware addresses.
const SOLICITED: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
const SOLICITED_OUI: [u8; 3] = [0x33, 0x33, 0xff];

/// TCP options that stay, with the length each must have: segment size, window scale, "selective acknowledgements permitted",
/// timestamps (RFC 9293, RFC 7323, RFC 2018). Selective acknowledgements themselves have no one length.
const OPTIONS_KEPT: [(u8, u8); 4] = [(2, 4), (3, 3), (4, 2), (8, 10)];
const SELECTIVE: u8 = 5;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Gives frames pseudonyms.
#[derive(Debug)]
pub struct Anonymizer {
    addresses: Addresses,
    macs: Macs,
}

impl Anonymizer {
    /// Pseudonyms under a key.
    pub fn new(key: &Key) -> Self {
        Self {
            addresses: Addresses::new(key),
            macs: Macs::new(key),
        }
    }

    /// Writes into `out`, which must be empty, what remains of a frame.
    pub fn write(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        walk(frame, |piece, range: Range<usize>| {
            let bytes = frame.data.get(range).unwrap_or_default();
            match piece {
                Piece::Ethernet => self.ethernet(bytes, out),
                Piece::Cooked => self.cooked(bytes, out),
                Piece::Cooked2 => self.cooked_2(bytes, out),
                Piece::Family => family(bytes, out),
                Piece::Ppp | Piece::Vlan => out.extend_from_slice(bytes),
                Piece::Pppoe => pppoe(bytes, out),
                Piece::Ipv4 => self.ipv4(bytes, out),
                Piece::Ipv6 => self.ipv6(bytes, out),
                Piece::Extension => extension(bytes, out),
                Piece::Fragment => fragment(bytes, out),
                Piece::Tcp => tcp(bytes, out),
                Piece::Udp => copy_but(bytes, 6..8, out),
                Piece::Icmp => copy_but(bytes.get(..4).unwrap_or_default(), 2..4, out),
                Piece::Odd => {}
            }
        });
    }

    fn mac(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(mac) = bytes.first_chunk::<6>().copied().map(Mac) else {
            return;
        };
        let [.., d, e, f] = mac.0;
        let pseudonym = match mac.oui() {
            SOLICITED_OUI => {
                // The end of an IPv6 address: the one that the group in the IP header has, too.
                let group = SOLICITED | u128::from(u32::from_be_bytes([0, d, e, f]));
                let [.., d, e, f] = self.addresses.of_v6(group).to_be_bytes();
                let [a, b, c] = SOLICITED_OUI;
                Mac([a, b, c, d, e, f])
            }
            _ => self.macs.of(mac),
        };
        out.extend_from_slice(&pseudonym.0);
    }

    fn ethernet(&mut self, header: &[u8], out: &mut Vec<u8>) {
        self.mac(header, out);
        self.mac(header.get(6..).unwrap_or_default(), out);
        out.extend_from_slice(header.get(12..14).unwrap_or_default());
    }

    /// The eight bytes of a cooked header that hold an address of `length` bytes: a hardware address, or we do not know what.
    fn cooked_address(&mut self, length: u16, bytes: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        if length == 6 {
            self.mac(bytes, out);
        }
        out.resize(begin + 8, 0);
    }

    /// Packet type, kind and length of the address, the address, protocol.
    fn cooked(&mut self, header: &[u8], out: &mut Vec<u8>) {
        if let [_, _, _, _, high, low, address @ .., _, _] = header {
            out.extend_from_slice(header.get(..6).unwrap_or_default());
            self.cooked_address(u16::from_be_bytes([*high, *low]), address, out);
            out.extend_from_slice(header.get(14..).unwrap_or_default());
        }
    }

    /// Protocol, two bytes reserved, number of the interface, kind of the address, packet type, length of the address, the
    /// address.
    fn cooked_2(&mut self, header: &[u8], out: &mut Vec<u8>) {
        if let Some((numbers, address)) = header.split_first_chunk::<12>() {
            copy_but(numbers, 2..4, out);
            self.cooked_address(u16::from(numbers[11]), address, out);
        }
    }

    fn ipv4(&mut self, header: &[u8], out: &mut Vec<u8>) {
        let Some((fixed, options)) = header.split_first_chunk::<20>() else {
            return;
        };
        let mut fixed = *fixed;
        for at in [12, 16] {
            let mut address = [0; 4];
            address.copy_from_slice(&fixed[at..at + 4]);
            let pseudonym = self.addresses.of_v4(u32::from_be_bytes(address));
            fixed[at..at + 4].copy_from_slice(&pseudonym.to_be_bytes());
        }
        fixed[10..12].copy_from_slice(&[0, 0]);
        // Options are zeros and add nothing.
        let words = fixed.chunks_exact(2).map(|word| match word {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        });
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        fixed[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        out.extend_from_slice(&fixed);
        out.resize(out.len() + options.len(), 0);
    }

    fn ipv6(&mut self, header: &[u8], out: &mut Vec<u8>) {
        let Some((fixed, addresses)) = header.split_first_chunk::<8>() else {
            return;
        };
        let [version, class, _, _, rest @ ..] = fixed;
        out.extend_from_slice(&[*version, class & 0xf0, 0, 0]);
        out.extend_from_slice(rest);
        for address in addresses.chunks_exact(16) {
            let mut octets = [0; 16];
            octets.copy_from_slice(address);
            let pseudonym = self.addresses.of_v6(u128::from_be_bytes(octets));
            out.extend_from_slice(&pseudonym.to_be_bytes());
        }
    }
}

/// An address family is a small number, in one of two byte orders; anything else is none.
fn family(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes {
        [0, 0, 0, _] | [_, 0, 0, 0] => out.extend_from_slice(bytes),
        _ => out.extend_from_slice(&[0; 4]),
    }
}

/// Version, code, session, length.
fn pppoe(header: &[u8], out: &mut Vec<u8>) {
    copy_but(header, 2..4, out);
}

/// Next header and length; zeros are options that fill.
fn extension(header: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + header.len();
    out.extend_from_slice(header.get(..2).unwrap_or_default());
    out.resize(end, 0);
}

/// Next header, reserved, offset and flag, identification.
fn fragment(header: &[u8], out: &mut Vec<u8>) {
    copy_but(header, 1..2, out);
}

/// A TCP header, as far as captured.
fn tcp(header: &[u8], out: &mut Vec<u8>) {
    let (fixed, mut options) = header.split_at_checked(20).unwrap_or((header, &[]));
    copy_but(fixed, 16..18, out);
    while let [kind, rest @ ..] = options {
        let length = match (*kind, rest) {
            (NO_OPERATION, _) => {
                out.push(NO_OPERATION);
                options = rest;
                continue;
            }
            (END_OF_OPTIONS, _) => break,
            (_, [length, ..]) => *length,
            _ => break,
        };
        let Some((option, behind)) = options.split_at_checked(usize::from(length.max(2))) else {
            break;
        };
        let stays = OPTIONS_KEPT.contains(&(*kind, length))
            || *kind == SELECTIVE && matches!(length, 10 | 18 | 26 | 34);
        if stays {
            out.extend_from_slice(option);
        } else {
            out.resize(out.len() + option.len(), NO_OPERATION);
        }
        options = behind;
    }
    // Behind the last option, or one that is cut off.
    out.resize(out.len() + options.len(), END_OF_OPTIONS);
}

/// Copies `bytes`, with zeros at `zeros`.
fn copy_but(bytes: &[u8], zeros: Range<usize>, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(bytes);
    let end = (begin + zeros.end).min(out.len());
    if let Some(place) = out.get_mut(begin + zeros.start..end) {
        place.fill(0);
    }
}
