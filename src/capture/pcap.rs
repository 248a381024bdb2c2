//! Classic pcap: a 24-byte header, then records of a 16-byte header and a packet (draft-ietf-opsawg-pcap).

use super::buffer::Buffer;
use super::error::Truncation;
use super::frame::LinkType;
use super::record::{cut, HeaderFault, Oddities, Record, Step, MAX_PACKET};
use crate::units::{Timestamp, NANOS};
use std::io;

/// Length of the file header.
const FILE_HEADER: usize = 24;
/// Length of a record header that every variant has.
const RECORD_HEADER: usize = 16;
/// What Kuznetzov's modified variant adds to it: interface index, protocol, packet type.
const MODIFIED_EXTRA: usize = 8;

/// What the first four bytes tell.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    big_endian: bool,
    /// Nanoseconds of one unit of the fraction: 1000 or 1.
    nanos: u32,
    modified: bool,
}

impl Magic {
    /// Knows the magic numbers 0xa1b2c3d4 (us), 0xa1b23c4d (ns) and 0xa1b2cd34 (us, modified) in both byte orders.
    pub(super) fn of(bytes: [u8; 4]) -> Option<Self> {
        [
            (false, u32::from_le_bytes(bytes)),
            (true, u32::from_be_bytes(bytes)),
        ]
        .into_iter()
        .find_map(|(big_endian, magic)| {
            let (nanos, modified) = match magic {
                0xa1b2_c3d4 => (1000, false),
                0xa1b2_3c4d => (1, false),
                0xa1b2_cd34 => (1000, true),
                _ => return None,
            };
            Some(Self {
                big_endian,
                nanos,
                modified,
            })
        })
    }

    /// As told in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self { modified: true, .. } => "pcap (modified)",
            Self { nanos: 1, .. } => "pcap (ns)",
            _ => "pcap",
        }
    }
}

/// In which order a record tells its two lengths.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Lengths {
    /// Captured, then original.
    Usual,
    /// Original, then captured: files of versions up to 2.2.
    Swapped,
    /// Either, the smaller one is the captured: version 2.3.
    SmallerFirst,
}

/// A walk over the records of a pcap file.
pub(super) struct Pcap {
    magic: Magic,
    lengths: Lengths,
    link: LinkType,
    /// Bytes of frame check sequence at the end of every frame.
    check: u32,
    /// Little-endian, unmodified, lengths in the usual order, no check sequence: nearly every file there is.
    everyday: bool,
    pub(super) records: u64,
    pub(super) odd: Oddities,
}

impl Pcap {
    /// Reads the file header, whose first bytes are known to be `magic`.
    pub(super) fn open(magic: Magic, buffer: &mut Buffer) -> Result<Self, HeaderFault> {
        let cut = |have| HeaderFault::Cut {
            have,
            need: FILE_HEADER as u64,
        };
        buffer.need(FILE_HEADER)?;
        let header = buffer
            .window()
            .first_chunk::<FILE_HEADER>()
            .ok_or_else(|| cut(buffer.window().len() as u64))?;
        let [_, _, _, _, a, b, c, d, .., w, x, y, z] = *header;
        let short = |bytes| match magic.big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        };
        let link = match magic.big_endian {
            true => u32::from_be_bytes([w, x, y, z]),
            false => u32::from_le_bytes([w, x, y, z]),
        };
        let version = (short([a, b]), short([c, d]));
        let lengths = match version {
            (2, 0..=2) => Lengths::Swapped,
            (2, 3) => Lengths::SmallerFirst,
            _ => Lengths::Usual,
        };
        let odd = Oddities {
            version: Some(version).filter(|v| !matches!(v, (2, 0..=4))),
            ..Oddities::default()
        };
        // The upper half of the word: length of the frame check sequence in units of 16 bits, and whether that is known.
        let check = match link & 0x0400_0000 {
            0 => 0,
            _ => 2 * (link >> 28),
        };
        buffer.consume(FILE_HEADER);
        Ok(Self {
            magic,
            lengths,
            link: LinkType((link & 0xffff) as u16),
            check,
            everyday: !magic.big_endian
                && !magic.modified
                && lengths == Lengths::Usual
                && check == 0,
            records: 0,
            odd,
        })
    }

    /// The one link type of the file.
    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// The next record where it is an everyday one, lies whole in the window and has nothing odd: one test for all that
    /// [`next`](Self::next) looks at one by one.
    #[inline(always)]
    pub(super) fn quick(&mut self, buffer: &mut Buffer, record: &mut Record) -> bool {
        let Some((header, rest)) = buffer
            .ready()
            .and_then(|window| window.split_first_chunk::<RECORD_HEADER>())
        else {
            return false;
        };
        let [seconds, fraction, captured, original] = words(header);
        let len = captured as usize;
        let fraction = u64::from(fraction) * u64::from(self.magic.nanos);
        if !self.everyday
            || captured > MAX_PACKET
            || captured > original
            || fraction >= NANOS as u64
            || rest.len() < len
        {
            return false;
        }
        record.at = Timestamp(i64::from(seconds) * NANOS + fraction as i64);
        record.wire_len = original;
        record.position = buffer.position() + RECORD_HEADER;
        record.len = len;
        buffer.consume(RECORD_HEADER + len);
        self.records += 1;
        true
    }

    /// The next record, whatever it is like.
    pub(super) fn next(&mut self, buffer: &mut Buffer, record: &mut Record) -> io::Result<Step> {
        if let Some(step) = self.refill(buffer)? {
            return Ok(step);
        }
        let Some((header, _)) = buffer.window().split_first_chunk::<RECORD_HEADER>() else {
            return Ok(Step::End);
        };
        let [seconds, fraction, first, second] = self.words(header);
        let (captured, original) = self.captured(first, second);
        let fraction = i64::from(fraction) * i64::from(self.magic.nanos);
        if fraction >= NANOS {
            self.odd.carried += 1;
        }
        if captured > original {
            self.odd.overlong += 1;
        }
        let wire_len = original.max(captured).saturating_sub(self.check);
        *record = Record {
            at: Timestamp(i64::from(seconds) * NANOS + fraction),
            timed: true,
            link: self.link,
            interface: 0,
            wire_len,
            position: buffer.position() + RECORD_HEADER + self.extra(),
            len: captured.min(wire_len) as usize,
        };
        buffer.consume(RECORD_HEADER + self.extra() + captured as usize);
        self.records += 1;
        Ok(Step::Record)
    }

    /// Brings the next record into the window, or tells why there is none.
    fn refill(&mut self, buffer: &mut Buffer) -> io::Result<Option<Step>> {
        let mut wanted = RECORD_HEADER + self.extra();
        if !buffer.need(wanted)? {
            let over = buffer.window().is_empty() && buffer.broken().is_none();
            return Ok(Some(match over {
                true => Step::End,
                false => Step::Damaged(self.cut(buffer, wanted)),
            }));
        }
        if let Some(header) = buffer.window().first_chunk::<RECORD_HEADER>() {
            let [_, _, first, second] = self.words(header);
            let (captured, _) = self.captured(first, second);
            if captured > MAX_PACKET {
                let record = self.records + 1;
                let offset = buffer.offset();
                return Ok(Some(Step::Damaged(Truncation {
                    message: format!(
                        "record {record} at byte {offset} claims {captured} bytes, more than any packet has ({MAX_PACKET}): the file is damaged from there on; records kept: {}; copy it again, or try `pcapfix`",
                        self.records
                    ),
                    offset,
                    record,
                })));
            }
            wanted += captured as usize;
        }
        Ok(match buffer.need(wanted)? {
            true => None,
            false => Some(Step::Damaged(self.cut(buffer, wanted))),
        })
    }

    fn cut(&self, buffer: &Buffer, wanted: usize) -> Truncation {
        let start = buffer.offset();
        cut(
            "record",
            self.records + 1,
            self.records,
            buffer,
            start,
            wanted as u64,
        )
    }

    /// Bytes between a record's header and its packet.
    fn extra(&self) -> usize {
        match self.magic.modified {
            true => MODIFIED_EXTRA,
            false => 0,
        }
    }

    fn words(&self, header: &[u8; RECORD_HEADER]) -> [u32; 4] {
        match self.magic.big_endian {
            true => words(header).map(u32::swap_bytes),
            false => words(header),
        }
    }

    /// Captured and original length.
    fn captured(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::Usual => (first, second),
            Lengths::Swapped => (second, first),
            Lengths::SmallerFirst => (first.min(second), first.max(second)),
        }
    }
}

/// The four numbers of a record header, as a little-endian machine wrote them.
#[inline(always)]
fn words(header: &[u8; RECORD_HEADER]) -> [u32; 4] {
    let all = u128::from_le_bytes(*header);
    [
        all as u32,
        (all >> 32) as u32,
        (all >> 64) as u32,
        (all >> 96) as u32,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magics_tell_order_unit_and_variant() {
        let name = |bytes| Magic::of(bytes).map(|m| (m.name(), m.big_endian));
        assert_eq!(name([0xd4, 0xc3, 0xb2, 0xa1]), Some(("pcap", false)));
        assert_eq!(name([0xa1, 0xb2, 0x3c, 0x4d]), Some(("pcap (ns)", true)));
        assert_eq!(
            name([0x34, 0xcd, 0xb2, 0xa1]),
            Some(("pcap (modified)", false))
        );
        assert_eq!(name([0xa1, 0xb2, 0xc3, 0xd5]), None);
    }
}
