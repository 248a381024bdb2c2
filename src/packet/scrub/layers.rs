//! A frame header by header, from its first byte to the last of its transport header.
//!
//! Goes where [`crate::packet::link`] and [`crate::packet::dissect`] go, and ends where they end: what they read of a frame
//! lies in the pieces told here. What follows them is payload, filling, or nothing that we understand.

use crate::capture::{Frame, LinkType};
use std::ops::{ControlFlow, Range};

/// As many as the dissector follows.
const TAGS_AT_MOST: usize = 16;
const TUNNELS_AT_MOST: usize = 64;
const EXTENSIONS_AT_MOST: usize = 256;

/// What a run of bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Receiver, sender, type: 14 bytes.
    Ethernet,
    /// Linux cooked: 16 bytes.
    Cooked,
    /// Linux cooked, second version: 20 bytes.
    Cooked2,
    /// Address family of a loopback: 4 bytes.
    Family,
    /// PPP's framing and protocol number: 1 to 4 bytes.
    Ppp,
    /// A VLAN tag and the type behind it: 4 bytes.
    Vlan,
    /// PPPoE: 6 bytes.
    Pppoe,
    /// IPv4 with its options, as far as captured: 20 bytes and more.
    Ipv4,
    /// IPv6: 40 bytes.
    Ipv6,
    /// An extension header of IPv6: 8 bytes and more.
    Extension,
    /// The fragment header of IPv6, as far as captured: 4 to 8 bytes.
    Fragment,
    /// TCP with its options, as far as captured.
    Tcp,
    /// UDP, as far as captured.
    Udp,
    /// The beginning of a message of ICMP or ICMPv6, as far as captured: up to 8 bytes.
    Icmp,
    /// What tells why the dissector reads no further; not understood.
    Odd,
}

const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const PPPOE_SESSION: u16 = 0x8864;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Walks a frame; tells each piece and where it lies. The first lies at the frame's beginning, each other behind the last.
#[inline(always)]
pub fn walk(frame: &Frame<'_>, mut tell: impl FnMut(Piece, Range<usize>)) {
    let mut walk = Walk {
        data: frame.data,
        at: 0,
        tell: &mut tell,
    };
    // Whether it ended early is of no interest: everything was told as it came.
    let _ = walk.link(frame);
}

/// Goes on, or has come to the end.
type Step<T = ()> = ControlFlow<(), T>;

struct Walk<'a, 't, T> {
    data: &'a [u8],
    at: usize,
    tell: &'t mut T,
}

fn word(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..).and_then(|bytes| bytes.first_chunk()) {
        Some(bytes) => u16::from_be_bytes(*bytes),
        None => 0,
    }
}

impl<'a, T: FnMut(Piece, Range<usize>)> Walk<'a, '_, T> {
    /// What is left.
    fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// Takes the next `length` bytes for a piece; ends where they are not there.
    fn take(&mut self, piece: Piece, length: usize) -> Step<&'a [u8]> {
        let Some(bytes) = self.rest().get(..length) else {
            return ControlFlow::Break(());
        };
        (self.tell)(piece, self.at..self.at + length);
        self.at += length;
        ControlFlow::Continue(bytes)
    }

    fn link(&mut self, frame: &Frame<'_>) -> Step {
        match frame.link {
            LinkType::ETHERNET => {
                let kind = word(self.take(Piece::Ethernet, 14)?, 12);
                self.ethertype(kind)?;
            }
            LinkType::RAW | LinkType::RAW_BSD | LinkType::IPV4 | LinkType::IPV6 => {}
            LinkType::NULL | LinkType::LOOP => {
                self.take(Piece::Family, 4)?;
            }
            LinkType::SLL => {
                let kind = word(self.take(Piece::Cooked, 16)?, 14);
                self.ethertype(kind)?;
            }
            LinkType::SLL2 => {
                let kind = word(self.take(Piece::Cooked2, 20)?, 0);
                self.ethertype(kind)?;
            }
            LinkType::PPP => self.ppp()?,
            _ => return ControlFlow::Break(()),
        }
        let on_wire = frame.wire_len.saturating_sub(self.at as u32);
        self.ip(on_wire)
    }

    /// Follows the Ethernet type to an IP header.
    fn ethertype(&mut self, mut kind: u16) -> Step {
        for _ in 0..TAGS_AT_MOST {
            match kind {
                IPV4 | IPV6 => return ControlFlow::Continue(()),
                _ if VLAN.contains(&kind) => kind = word(self.take(Piece::Vlan, 4)?, 2),
                PPPOE_SESSION => {
                    self.take(Piece::Pppoe, 6)?;
                    return self.ppp();
                }
                _ => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Break(())
    }

    fn ppp(&mut self) -> Step {
        // HDLC's framing, which PPPoE has not; there ff is no protocol either.
        let framing = match (self.at, self.rest()) {
            (0, [0xff, 0x03, ..]) => 2,
            _ => 0,
        };
        let length = match self.rest().get(framing) {
            Some(low) if low & 1 == 1 => 1,
            _ => 2,
        };
        let number = self.take(Piece::Ppp, framing + length)?;
        match number.get(framing..) {
            Some([0x21 | 0x57] | [0, 0x21 | 0x57]) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// Follows IP headers inwards.
    #[inline(always)]
    fn ip(&mut self, mut on_wire: u32) -> Step {
        for _ in 0..TUNNELS_AT_MOST {
            let (protocol, length) = match self.rest().first().map(|byte| byte >> 4) {
                Some(4) => self.ipv4(on_wire)?,
                Some(6) => self.ipv6(on_wire)?,
                Some(_) => {
                    self.take(Piece::Odd, 1)?;
                    return ControlFlow::Break(());
                }
                None => return ControlFlow::Break(()),
            };
            match protocol {
                4 | 41 => on_wire = length,
                _ => return self.transport(protocol),
            }
        }
        ControlFlow::Break(())
    }

    /// What an IPv4 header bears, and how long it is by the header's word.
    #[inline(always)]
    fn ipv4(&mut self, on_wire: u32) -> Step<(u8, u32)> {
        let Some(header) = self.rest().first_chunk::<20>() else {
            return ControlFlow::Break(());
        };
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let declared = u32::from(u16::from_be_bytes([header[2], header[3]]));
        let total = if declared == 0 { on_wire } else { declared };
        let piece = if header_len < 20 {
            Piece::Odd
        } else {
            Piece::Ipv4
        };
        let Some(length) = total.checked_sub(header_len as u32) else {
            self.take(piece, 20)?;
            return ControlFlow::Break(());
        };
        // Bytes behind the packet are Ethernet's filling.
        self.shorten((total as usize).max(20));
        let captured = header_len.max(20).min(self.rest().len()).max(20);
        self.take(piece, captured)?;
        let later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
        if later || captured != header_len {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue((header[9], length))
    }

    #[inline(never)]
    fn ipv6(&mut self, on_wire: u32) -> Step<(u8, u32)> {
        let Some(header) = self.rest().first_chunk::<40>() else {
            return ControlFlow::Break(());
        };
        let declared = u32::from(u16::from_be_bytes([header[4], header[5]]));
        let jumbo = declared == 0 && header[6] == 0;
        let total = if jumbo { on_wire } else { declared + 40 };
        self.shorten((total as usize).max(40));
        self.take(Piece::Ipv6, 40)?;
        let (mut next, mut length) = (header[6], total.saturating_sub(40));
        for _ in 0..EXTENSIONS_AT_MOST {
            let (piece, size) = match (next, self.rest()) {
                (0 | 43 | 60 | 135, [_, units, ..]) => {
                    (Piece::Extension, 8 + usize::from(*units) * 8)
                }
                (51, [_, units, ..]) => (Piece::Extension, 8 + usize::from(*units) * 4),
                (44, [_, _, high, low, ..]) => {
                    if u16::from_be_bytes([*high, *low]) & 0xfff8 != 0 {
                        self.take(Piece::Fragment, self.rest().len().min(8))?;
                        return ControlFlow::Break(());
                    }
                    (Piece::Fragment, 8)
                }
                (0 | 43 | 60 | 135 | 51 | 44, _) => return ControlFlow::Break(()),
                _ => return ControlFlow::Continue((next, length)),
            };
            let extension = self.take(piece, size)?;
            next = extension.first().copied().unwrap_or(59);
            length = length.saturating_sub(size as u32);
        }
        ControlFlow::Break(())
    }

    /// Forgets what lies behind the next `length` bytes.
    fn shorten(&mut self, length: usize) {
        let end = self.at.saturating_add(length).min(self.data.len());
        self.data = self.data.get(..end).unwrap_or_default();
    }

    #[inline(always)]
    fn transport(&mut self, protocol: u8) -> Step {
        let rest = self.rest();
        let (piece, length) = match protocol {
            6 => {
                let header_len = rest.get(12).map_or(20, |byte| usize::from(byte >> 4) * 4);
                (Piece::Tcp, header_len.max(20))
            }
            17 => (Piece::Udp, 8),
            1 | 58 => (Piece::Icmp, 8),
            _ => return ControlFlow::Break(()),
        };
        self.take(piece, length.min(rest.len()))?;
        ControlFlow::Continue(())
    }
}
