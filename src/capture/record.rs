//! What the two formats hand up: a record and where its bytes lie, or why there is none.

use super::buffer::Buffer;
use super::error::Truncation;
use super::frame::LinkType;
use crate::units::Timestamp;
use std::io;

/// No link we read carries a longer packet; libpcap and Wireshark take more for damage as well.
pub(super) const MAX_PACKET: u32 = 262_144;

/// A packet by where it lies in the buffer. Indexes and not a borrow, so that a loop may pass over records that a filter
/// refuses; the bytes are borrowed once, at the end.
///
/// It is written in place, field by field: handed up by value through layers of results it would be copied at each, which
/// costs more than reading it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    /// False where the file gives no time and `at` is borrowed from the record before.
    pub(super) timed: bool,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) wire_len: u32,
    pub(super) position: usize,
    pub(super) len: usize,
}

impl Record {
    /// Before the first.
    pub(super) const NONE: Self = Self {
        at: Timestamp(0),
        timed: false,
        link: LinkType::NULL,
        interface: 0,
        wire_len: 0,
        position: 0,
        len: 0,
    };
}

/// What came next in a file.
pub(super) enum Step {
    /// A record, written where it was asked for.
    Record,
    End,
    Damaged(Truncation),
}

/// Why a file's header cannot be used.
pub(super) enum HeaderFault {
    Cut { have: u64, need: u64 },
    Bad { offset: u64, what: String },
    System(io::Error),
}

impl From<io::Error> for HeaderFault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// A file that ends, or whose compressed data breaks, within the record or block that began at `offset`.
pub(super) fn cut(
    what: &str,
    number: u64,
    records: u64,
    buffer: &Buffer,
    offset: u64,
    wanted: u64,
) -> Truncation {
    let have = buffer.end() - offset;
    let message = match buffer.broken() {
        Some(reason) => format!(
            "the compressed data breaks off in {what} {number} (byte {offset} once decompressed): {reason}; whole records kept: {records}; copy the file again"
        ),
        None => format!(
            "the file ends within {what} {number} (byte {offset}: {have} of {wanted} bytes are there); whole records kept: {records}; copy the file again, or wait for the capture to end"
        ),
    };
    Truncation {
        message,
        offset,
        record: records + 1,
    }
}

/// Oddities that are put right while reading: counted, and told once a file.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    /// Fractions of a second of a second or more, carried over.
    pub(super) carried: u64,
    /// Times outside what 64 bits of nanoseconds hold.
    pub(super) clamped: u64,
    /// Records without a time.
    pub(super) timeless: u64,
    /// Records that keep more than was on the wire, as they say.
    pub(super) overlong: u64,
    /// Interfaces whose clock is too fine to tell a date of our days.
    pub(super) fine_clocks: u64,
    /// Interfaces whose options are broken.
    pub(super) broken_options: u64,
    /// The first unusual version, major and minor.
    pub(super) version: Option<(u16, u16)>,
}

impl Oddities {
    /// One sentence for each kind met.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        if let Some((major, minor)) = self.version {
            out.push(format!(
                "format version {major}.{minor} is not known; read as the usual one"
            ));
        }
        let counted = [
            (
                self.carried,
                "times with a fraction of a second or more, carried over into the seconds",
            ),
            (
                self.clamped,
                "times outside the years 1677 to 2262, clamped to them",
            ),
            (
                self.timeless,
                "records without a time (pcapng simple packet blocks), given that of the record before",
            ),
            (
                self.overlong,
                "records that hold more bytes than they say were on the wire, counted as held",
            ),
            (
                self.fine_clocks,
                "interfaces that count time too finely for any date of ours (if_tsresol), read as written",
            ),
            (
                self.broken_options,
                "interfaces with broken options, of which the sound ones were used",
            ),
        ];
        out.extend(
            counted
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, what)| format!("{what}: {n}")),
        );
        out
    }
}
