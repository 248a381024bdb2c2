//! Captures written byte by byte for tests, and a reader that keeps what it was lent.

#![allow(dead_code)] // each test file uses its part

use std::io::{Read, Write};
use stp_audit::capture::{CaptureError, Frame, InputSummary, LinkType, Options, Reader};
use stp_audit::units::Timestamp;

/// Byte order of a file.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Order {
    Little,
    Big,
}
pub use Order::{Big, Little};

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Little => value.to_le_bytes(),
            Big => value.to_be_bytes(),
        }
    }
    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Little => value.to_le_bytes(),
            Big => value.to_be_bytes(),
        }
    }
    pub fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Little => value.to_le_bytes(),
            Big => value.to_be_bytes(),
        }
    }
}

/// A classic file: header, then records as they are added.
pub struct Pcap {
    pub order: Order,
    pub bytes: Vec<u8>,
    modified: bool,
}

pub const MICROS: u32 = 0xa1b2_c3d4;
pub const NANOS: u32 = 0xa1b2_3c4d;
pub const MODIFIED: u32 = 0xa1b2_cd34;

impl Pcap {
    pub fn new(order: Order, magic: u32, link: u32) -> Self {
        Self::version(order, magic, link, 4)
    }

    pub fn version(order: Order, magic: u32, link: u32, minor: u16) -> Self {
        let mut bytes = order.u32(magic).to_vec();
        bytes.extend(order.u16(2));
        bytes.extend(order.u16(minor));
        for word in [0, 0, 65_535, link] {
            bytes.extend(order.u32(word));
        }
        Self {
            order,
            bytes,
            modified: magic == MODIFIED,
        }
    }

    /// A record with its four words as given.
    pub fn raw(mut self, words: [u32; 4], data: &[u8]) -> Self {
        for word in words {
            self.bytes.extend(self.order.u32(word));
        }
        if self.modified {
            self.bytes.extend([0xee; 8]);
        }
        self.bytes.extend(data);
        self
    }

    /// An honest record.
    pub fn record(self, seconds: u32, fraction: u32, wire_len: u32, data: &[u8]) -> Self {
        self.raw([seconds, fraction, data.len() as u32, wire_len], data)
    }
}

/// A pcapng file, block by block.
pub struct Pcapng {
    pub order: Order,
    pub bytes: Vec<u8>,
}

impl Pcapng {
    pub fn new(order: Order) -> Self {
        let empty = Self {
            order,
            bytes: Vec::new(),
        };
        empty.section(order)
    }

    pub fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let total = 12 + body.len().next_multiple_of(4);
        let length = self.order.u32(total as u32);
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(length);
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(length);
        self
    }

    pub fn section(mut self, order: Order) -> Self {
        self.order = order;
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend(order.u64(u64::MAX));
        self.block(0x0a0d_0d0a, &body)
    }

    pub fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = order.u16(link).to_vec();
        body.extend(order.u16(0));
        body.extend(order.u32(snaplen));
        for (code, value) in options {
            body.extend(order.u16(*code));
            body.extend(order.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    pub fn enhanced(self, interface: u32, count: u64, wire_len: u32, data: &[u8]) -> Self {
        let order = self.order;
        let mut body = order.u32(interface).to_vec();
        body.extend(packet(order, count, wire_len, data));
        self.block(6, &body)
    }

    pub fn obsolete(self, interface: u16, count: u64, wire_len: u32, data: &[u8]) -> Self {
        let order = self.order;
        let mut body = order.u16(interface).to_vec();
        body.extend(order.u16(7)); // drops
        body.extend(packet(order, count, wire_len, data));
        self.block(2, &body)
    }

    pub fn simple(self, wire_len: u32, data: &[u8]) -> Self {
        let mut body = self.order.u32(wire_len).to_vec();
        body.extend(data);
        self.block(3, &body)
    }
}

fn packet(order: Order, count: u64, wire_len: u32, data: &[u8]) -> Vec<u8> {
    let mut body = order.u32((count >> 32) as u32).to_vec();
    body.extend(order.u32(count as u32));
    body.extend(order.u32(data.len() as u32));
    body.extend(order.u32(wire_len));
    body.extend(data);
    body
}

/// A frame kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub at: Timestamp,
    pub link: LinkType,
    pub wire_len: u32,
    pub data: Vec<u8>,
    pub interface: u32,
}

impl From<Frame<'_>> for Kept {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            at: frame.at,
            link: frame.link,
            wire_len: frame.wire_len,
            data: frame.data.to_vec(),
            interface: frame.interface,
        }
    }
}

/// A kept Ethernet frame of the first interface.
pub fn kept(nanos: i64, wire_len: u32, data: &[u8]) -> Kept {
    Kept {
        at: Timestamp(nanos),
        link: LinkType::ETHERNET,
        wire_len,
        data: data.to_vec(),
        interface: 0,
    }
}

pub fn boxed(bytes: &[u8]) -> Box<dyn Read + Send> {
    Box::new(std::io::Cursor::new(bytes.to_vec()))
}

/// Gives `step` bytes at most at once, as a slow pipe does.
pub struct Drip {
    pub bytes: Vec<u8>,
    pub at: usize,
    pub step: usize,
}

impl Read for Drip {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = &self.bytes[self.at..];
        let n = left.len().min(into.len()).min(self.step);
        into[..n].copy_from_slice(&left[..n]);
        self.at += n;
        Ok(n)
    }
}

pub fn drip(bytes: &[u8], step: usize) -> Box<dyn Read + Send> {
    Box::new(Drip {
        bytes: bytes.to_vec(),
        at: 0,
        step,
    })
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// All frames of a reader, and what it says at the end.
pub fn drain(mut reader: Reader) -> Result<(Vec<Kept>, Vec<InputSummary>), CaptureError> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next()? {
        frames.push(frame.into());
    }
    Ok((frames, reader.summaries()))
}

/// All frames of one capture in memory.
pub fn read(bytes: &[u8]) -> Result<(Vec<Kept>, InputSummary), CaptureError> {
    let reader = Reader::from_read("test", boxed(bytes), &Options::default())?;
    let (frames, mut summaries) = drain(reader)?;
    Ok((frames, summaries.remove(0)))
}
