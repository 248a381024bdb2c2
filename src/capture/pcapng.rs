//! pcapng: sections of blocks, each bearing its length at both ends (draft-ietf-opsawg-pcapng).
//!
//! Read are section headers (with their byte order), interface descriptions, and the three kinds of packet block; every
//! other block is passed over unread. The section's own length is not believed: blocks are followed one by one.

use super::buffer::{Buffer, MAX_BLOCK};
use super::clock::Clock;
use super::error::Truncation;
use super::frame::LinkType;
use super::record::{cut, HeaderFault, Oddities, Record, Step, MAX_PACKET};
use crate::units::Timestamp;
use std::collections::BTreeSet;
use std::io;

/// Block types (section 11.1 of the draft).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// The first four bytes of a pcapng file, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = SECTION.to_le_bytes();

const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Type, length, and the length once more: the least a block has.
const EMPTY_BLOCK: usize = 12;
const SECTION_HEADER: usize = 28;
/// An enhanced or obsolete packet block without packet or options.
const EMPTY_PACKET: usize = 32;

/// More interfaces in one section than any machine has; a limit to what a file can make us remember.
const MAX_INTERFACES: usize = 65_536;

/// What a packet needs to know of its interface.
#[derive(Copy, Clone, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    clock: Clock,
    /// Bytes of frame check sequence at the end of every frame.
    check: u32,
}

/// A walk over the blocks of a pcapng file.
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before.
    before: u32,
    /// The time a record without one is given.
    last: Timestamp,
    blocks: u64,
    pub(super) records: u64,
    pub(super) links: BTreeSet<LinkType>,
    pub(super) odd: Oddities,
}

/// A number in the section's byte order; zero beyond the end.
#[inline(always)]
fn long(big_endian: bool, block: &[u8], at: usize) -> u32 {
    let bytes = block.get(at..).and_then(|b| b.first_chunk::<4>());
    match (bytes, big_endian) {
        (Some(bytes), false) => u32::from_le_bytes(*bytes),
        (Some(bytes), true) => u32::from_be_bytes(*bytes),
        (None, _) => 0,
    }
}

/// Half of it.
#[inline(always)]
fn short(big_endian: bool, block: &[u8], at: usize) -> u16 {
    let bytes = block.get(at..).and_then(|b| b.first_chunk::<2>());
    match (bytes, big_endian) {
        (Some(bytes), false) => u16::from_le_bytes(*bytes),
        (Some(bytes), true) => u16::from_be_bytes(*bytes),
        (None, _) => 0,
    }
}

impl Pcapng {
    /// Reads the first section header.
    pub(super) fn open(buffer: &mut Buffer) -> Result<Self, HeaderFault> {
        let mut walk = Self {
            big_endian: false,
            interfaces: Vec::new(),
            before: 0,
            last: Timestamp(0),
            blocks: 0,
            records: 0,
            links: BTreeSet::new(),
            odd: Oddities::default(),
        };
        if !buffer.need(SECTION_HEADER)? {
            return Err(HeaderFault::Cut {
                have: buffer.window().len() as u64,
                need: SECTION_HEADER as u64,
            });
        }
        match walk.section(buffer)? {
            None => Ok(walk),
            Some(Fault::Cut { need }) => Err(HeaderFault::Cut {
                have: buffer.offset() + buffer.window().len() as u64,
                need,
            }),
            Some(Fault::Bad(what)) => Err(HeaderFault::Bad {
                offset: buffer.offset(),
                what,
            }),
        }
    }

    /// The next packet where it is in an enhanced packet block that lies whole in the window.
    #[inline(always)]
    pub(super) fn quick(&mut self, buffer: &mut Buffer, record: &mut Record) -> bool {
        let Some(window) = buffer.ready() else {
            return false;
        };
        let Some(header) = window.first_chunk::<EMPTY_BLOCK>() else {
            return false;
        };
        if long(self.big_endian, header, 0) != ENHANCED_PACKET {
            return false;
        }
        let total = long(self.big_endian, header, 4) as usize;
        let Some(block) = window.get(..total) else {
            return false;
        };
        let number = long(self.big_endian, block, 8);
        let got = self.packet(block, number, buffer.position(), record);
        if got {
            buffer.consume(total);
        }
        got
    }

    /// The next packet, whatever blocks lie before it.
    pub(super) fn next(&mut self, buffer: &mut Buffer, record: &mut Record) -> io::Result<Step> {
        loop {
            if let Some(step) = self.block(buffer, record)? {
                return Ok(step);
            }
        }
    }

    /// An enhanced or obsolete packet block of interface `number`; false where it is broken.
    #[inline(always)]
    fn packet(&mut self, block: &[u8], number: u32, position: usize, record: &mut Record) -> bool {
        let big_endian = self.big_endian;
        let Some((header, rest)) = block.split_first_chunk::<{ EMPTY_PACKET - 4 }>() else {
            return false;
        };
        let captured = long(big_endian, header, 20);
        let Some(interface) = self.interfaces.get(number as usize) else {
            return false;
        };
        if captured > MAX_PACKET
            || rest.len() < captured as usize + 4
            || !block.len().is_multiple_of(4)
            || long(big_endian, rest, rest.len() - 4) as usize != block.len()
        {
            return false;
        }
        let count =
            u64::from(long(big_endian, header, 12)) << 32 | u64::from(long(big_endian, header, 16));
        let (at, clamped) = interface.clock.at(count);
        let original = long(big_endian, header, 24);
        let wire_len = original.max(captured).saturating_sub(interface.check);
        if clamped {
            self.odd.clamped += 1;
        }
        if captured > original {
            self.odd.overlong += 1;
        }
        self.last = at;
        self.records += 1;
        self.blocks += 1;
        record.at = at;
        record.timed = true;
        record.link = interface.link;
        record.interface = self.before.saturating_add(number);
        record.wire_len = wire_len;
        record.position = position + EMPTY_PACKET - 4;
        record.len = captured.min(wire_len) as usize;
        true
    }

    /// The interface a packet block names: 32 bits, 16 in the obsolete block.
    fn interface_of(&self, block: &[u8]) -> u32 {
        if long(self.big_endian, block, 0) == OBSOLETE_PACKET {
            u32::from(short(self.big_endian, block, 8))
        } else {
            long(self.big_endian, block, 8)
        }
    }

    /// A simple packet block: no time, no interface (the first is meant), no captured length.
    fn simple(&mut self, block: &[u8], position: usize, record: &mut Record) -> bool {
        let room = block.len().checked_sub(16);
        let room = room.and_then(|room| u32::try_from(room).ok());
        let (Some(room), Some(interface)) = (room, self.interfaces.first()) else {
            return false;
        };
        let wire = long(self.big_endian, block, 8);
        let limit = match interface.snaplen {
            0 => u32::MAX,
            snaplen => snaplen,
        };
        let captured = wire.min(limit).min(room);
        if captured > MAX_PACKET {
            return false;
        }
        let wire_len = wire.saturating_sub(interface.check);
        *record = Record {
            at: self.last,
            timed: false,
            link: interface.link,
            interface: self.before,
            wire_len,
            position: position + 12,
            len: captured.min(wire_len) as usize,
        };
        self.odd.timeless += 1;
        self.records += 1;
        self.blocks += 1;
        true
    }

    /// Any block: the next one is brought into the window, read if it is ours, passed over if not.
    fn block(&mut self, buffer: &mut Buffer, record: &mut Record) -> io::Result<Option<Step>> {
        if !buffer.need(EMPTY_BLOCK)? {
            let over = buffer.window().is_empty() && buffer.broken().is_none();
            return Ok(Some(match over {
                true => Step::End,
                false => Step::Damaged(self.cut(buffer, buffer.offset(), EMPTY_BLOCK as u64)),
            }));
        }
        let kind = long(self.big_endian, buffer.window(), 0);
        let total = long(self.big_endian, buffer.window(), 4);
        let size = total as usize;
        if kind == SECTION {
            return self.next_section(buffer);
        }
        if size < EMPTY_BLOCK || !size.is_multiple_of(4) || size > MAX_BLOCK {
            return Ok(Some(self.damaged(
                buffer.offset(),
                &format!("claims {total} bytes, and a block has 12 to {MAX_BLOCK}, in steps of 4"),
            )));
        }
        if !matches!(
            kind,
            INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
        ) {
            return self.pass_over(buffer, size);
        }
        if !buffer.need(size)? {
            return Ok(Some(Step::Damaged(self.cut(
                buffer,
                buffer.offset(),
                u64::from(total),
            ))));
        }
        let position = buffer.position();
        let block = buffer.window().get(..size).unwrap_or_default();
        if long(self.big_endian, block, size - 4) != total {
            return Ok(Some(self.damaged(
                buffer.offset(),
                "gives two different lengths of itself",
            )));
        }
        let sound = match kind {
            INTERFACE => {
                if let Err(what) = self.interface(block) {
                    return Ok(Some(self.damaged(buffer.offset(), what)));
                }
                buffer.consume(size);
                return Ok(None);
            }
            SIMPLE_PACKET => self.simple(block, position, record),
            _ => self.packet(block, self.interface_of(block), position, record),
        };
        if !sound {
            let what = self.broken_packet(kind, block);
            return Ok(Some(self.damaged(buffer.offset(), &what)));
        }
        buffer.consume(size);
        Ok(Some(Step::Record))
    }

    /// A block of no use to us, of which not even the room is spent.
    fn pass_over(&mut self, buffer: &mut Buffer, size: usize) -> io::Result<Option<Step>> {
        let offset = buffer.offset();
        if !(buffer.skip(size as u64 - 4)? && buffer.need(4)?) {
            return Ok(Some(Step::Damaged(self.cut(buffer, offset, size as u64))));
        }
        if long(self.big_endian, buffer.window(), 0) as usize != size {
            return Ok(Some(
                self.damaged(offset, "gives two different lengths of itself"),
            ));
        }
        buffer.consume(4);
        self.blocks += 1;
        Ok(None)
    }

    fn next_section(&mut self, buffer: &mut Buffer) -> io::Result<Option<Step>> {
        let offset = buffer.offset();
        Ok(match self.section(buffer)? {
            None => None,
            Some(Fault::Cut { need }) => Some(Step::Damaged(self.cut(buffer, offset, need))),
            Some(Fault::Bad(what)) => Some(self.damaged(offset, &what)),
        })
    }

    /// A section header: byte order anew, interfaces from none. Its options are passed over.
    fn section(&mut self, buffer: &mut Buffer) -> io::Result<Option<Fault>> {
        if !buffer.need(SECTION_HEADER)? {
            return Ok(Some(Fault::Cut {
                need: SECTION_HEADER as u64,
            }));
        }
        let header = buffer.window();
        let big_endian = match long(false, header, 8) {
            BYTE_ORDER => false,
            other if other.swap_bytes() == BYTE_ORDER => true,
            other => {
                return Ok(Some(Fault::Bad(format!(
                    "the section's byte-order mark is {other:#010x} and not 0x1a2b3c4d"
                ))))
            }
        };
        let total = long(big_endian, header, 4);
        let version = (short(big_endian, header, 12), short(big_endian, header, 14));
        if total < SECTION_HEADER as u32 || !total.is_multiple_of(4) || total as usize > MAX_BLOCK {
            return Ok(Some(Fault::Bad(format!(
                "a section header of {total} bytes"
            ))));
        }
        if !(buffer.skip(u64::from(total) - 4)? && buffer.need(4)?) {
            return Ok(Some(Fault::Cut {
                need: u64::from(total),
            }));
        }
        if long(big_endian, buffer.window(), 0) != total {
            return Ok(Some(Fault::Bad(
                "a section header that gives two different lengths of itself".into(),
            )));
        }
        buffer.consume(4);
        if !matches!(version, (1, 0 | 2)) {
            self.odd.version = self.odd.version.or(Some(version));
        }
        self.blocks += 1;
        self.big_endian = big_endian;
        let described = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.before = self.before.saturating_add(described);
        self.interfaces.clear();
        Ok(None)
    }

    /// An interface description block.
    fn interface(&mut self, block: &[u8]) -> Result<(), &'static str> {
        if block.len() < 20 {
            return Err("describes an interface in too few bytes");
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err("describes one interface more than the 65536 a section may have");
        }
        let big_endian = self.big_endian;
        let link = LinkType(short(big_endian, block, 8));
        let options = block.get(16..block.len() - 4).unwrap_or_default();
        let options = Options::read(big_endian, options);
        let clock = Clock::new(options.tsresol, options.tsoffset);
        self.odd.broken_options += u64::from(options.broken);
        self.odd.fine_clocks += u64::from(!clock.reaches_today());
        self.links.insert(link);
        self.interfaces.push(Interface {
            link,
            snaplen: long(big_endian, block, 12),
            clock,
            check: options.check,
        });
        self.blocks += 1;
        Ok(())
    }

    /// What is wrong with a packet block that [`packet`](Self::packet) or [`simple`](Self::simple) refused.
    fn broken_packet(&self, kind: u32, block: &[u8]) -> String {
        let (number, captured) = match kind {
            SIMPLE_PACKET => (0, long(self.big_endian, block, 8)),
            _ => (self.interface_of(block), long(self.big_endian, block, 20)),
        };
        match self.interfaces.get(number as usize) {
            None => format!(
                "is a packet of interface {number}, and {} were described",
                self.interfaces.len()
            ),
            Some(_) => format!(
                "is a packet that claims {captured} bytes in a block of {} (and none has more than {MAX_PACKET})",
                block.len()
            ),
        }
    }

    fn damaged(&self, offset: u64, what: &str) -> Step {
        let (block, records) = (self.blocks + 1, self.records);
        Step::Damaged(Truncation {
            message: format!(
                "block {block} at byte {offset} {what}: the file is damaged from there on; records kept: {records}; copy it again"
            ),
            offset,
            record: records + 1,
        })
    }

    fn cut(&self, buffer: &Buffer, start: u64, wanted: u64) -> Truncation {
        cut(
            "block",
            self.blocks + 1,
            self.records,
            buffer,
            start,
            wanted,
        )
    }
}

/// Why a section header cannot be used.
enum Fault {
    Cut { need: u64 },
    Bad(String),
}

/// The options of an interface description that matter.
struct Options {
    tsresol: u8,
    tsoffset: i64,
    check: u32,
    broken: bool,
}

impl Options {
    /// if_tsresol (9), if_fcslen (13), if_tsoffset (14); the first of each counts, as does everything before a break.
    fn read(big_endian: bool, mut left: &[u8]) -> Self {
        let (mut tsresol, mut tsoffset, mut check) = (None, None, None);
        let mut broken = false;
        while left.len() >= 4 {
            let code = short(big_endian, left, 0);
            let len = usize::from(short(big_endian, left, 2));
            let Some(value) = left.get(4..4 + len) else {
                broken = true;
                break;
            };
            match (code, value) {
                (0, _) => break,
                (9, [unit]) => tsresol = tsresol.or(Some(*unit)),
                // The draft has had it in bits and in bytes; no check sequence is longer than four bytes.
                (13, [len]) => check = check.or(Some(if *len > 4 { len / 8 } else { *len })),
                (14, value) => match <[u8; 8]>::try_from(value) {
                    Ok(bytes) => {
                        tsoffset = tsoffset.or(Some(match big_endian {
                            true => i64::from_be_bytes(bytes),
                            false => i64::from_le_bytes(bytes),
                        }));
                    }
                    Err(_) => broken = true,
                },
                (9 | 13, _) => broken = true,
                _ => {}
            }
            left = left.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        }
        Self {
            tsresol: tsresol.unwrap_or(6),
            tsoffset: tsoffset.unwrap_or(0),
            check: u32::from(check.unwrap_or(0)),
            broken,
        }
    }
}
