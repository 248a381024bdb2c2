//! Capture files, written by hand: classic pcap and pcapng, in either byte order.

use super::packet::{Bytes, Nanos};

/// Which end of a number comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// The kinds of classic pcap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Classic {
    Micros,
    Nanos,
    /// A. Kuznetsov's variant, with the interface, protocol and kind of packet after each record's header.
    Modified,
}

/// The 24 bytes before the first record.
pub fn pcap_header(order: Order, classic: Classic, link: u32) -> Vec<u8> {
    let magic = match classic {
        Classic::Micros => 0xa1b2_c3d4,
        Classic::Nanos => 0xa1b2_3c4d,
        Classic::Modified => 0xa1b2_cd34,
    };
    let mut bytes = order.u32(magic).to_vec();
    bytes.extend(order.u16(2));
    bytes.extend(order.u16(4));
    bytes.extend([0; 8]);
    bytes.extend(order.u32(262_144));
    bytes.extend(order.u32(link));
    bytes
}

/// One record of classic pcap.
pub fn pcap_record(order: Order, classic: Classic, packet: &Bytes) -> Vec<u8> {
    let (second, nanos) = (
        packet.at.div_euclid(1_000_000_000),
        packet.at.rem_euclid(1_000_000_000),
    );
    let fraction = match classic {
        Classic::Nanos => nanos,
        _ => nanos / 1000,
    };
    let mut bytes = order.u32(second as u32).to_vec();
    bytes.extend(order.u32(fraction as u32));
    bytes.extend(order.u32(packet.kept.len() as u32));
    bytes.extend(order.u32(packet.wire_len));
    if classic == Classic::Modified {
        bytes.extend(order.u32(2));
        bytes.extend(order.u16(0x0800));
        bytes.extend([0, 0]);
    }
    bytes.extend(&packet.kept);
    bytes
}

/// A classic pcap file.
pub fn pcap(order: Order, classic: Classic, link: u32, packets: &[Bytes]) -> Vec<u8> {
    let mut bytes = pcap_header(order, classic, link);
    for packet in packets {
        bytes.extend(pcap_record(order, classic, packet));
    }
    bytes
}

/// A pcapng option: its code and value.
pub type Opt<'a> = (u16, &'a [u8]);

fn options(order: Order, options: &[Opt<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, value) in options {
        bytes.extend(order.u16(*code));
        bytes.extend(order.u16(u16::try_from(value.len()).unwrap()));
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    if !bytes.is_empty() {
        bytes.extend([0; 4]);
    }
    bytes
}

/// A pcapng block around its body.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len().next_multiple_of(4) + 12) as u32;
    let mut bytes = order.u32(kind).to_vec();
    bytes.extend(order.u32(length));
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(order.u32(length));
    bytes
}

/// A section header; the section's length is left open.
pub fn section(order: Order, comment: &str) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    let note = [(1, comment.as_bytes())];
    body.extend(options(order, &note[usize::from(comment.is_empty())..]));
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface description. Options: 2 name, 9 resolution, 14 offset.
pub fn interface(order: Order, link: u16, snaplen: u32, more: &[Opt<'_>]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.u32(snaplen));
    body.extend(options(order, more));
    block(order, 1, &body)
}

/// An enhanced packet whose time is already in the interface's units.
pub fn enhanced(order: Order, interface: u32, units: u64, packet: &Bytes) -> Vec<u8> {
    let mut body = order.u32(interface).to_vec();
    body.extend(order.u32((units >> 32) as u32));
    body.extend(order.u32(units as u32));
    body.extend(order.u32(packet.kept.len() as u32));
    body.extend(order.u32(packet.wire_len));
    body.extend(&packet.kept);
    block(order, 6, &body)
}

/// A simple packet: no interface, no time.
pub fn simple(order: Order, packet: &Bytes) -> Vec<u8> {
    let mut body = order.u32(packet.wire_len).to_vec();
    body.extend(&packet.kept);
    block(order, 3, &body)
}

/// A pcapng file of one Ethernet interface, its times in units of `unit` (1000 or 1) nanoseconds.
pub fn pcapng(comment: &str, name: &str, unit: Nanos, packets: &[Bytes]) -> Vec<u8> {
    let order = Order::Little;
    let resolution = if unit == 1 { [9] } else { [6] };
    let mut bytes = section(order, comment);
    let more = [(2, name.as_bytes()), (9, &resolution[..])];
    bytes.extend(interface(order, 1, 262_144, &more));
    for packet in packets {
        bytes.extend(enhanced(order, 0, (packet.at / unit) as u64, packet));
    }
    bytes
}
