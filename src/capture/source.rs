//! One input: its format told by its first bytes, its records, and what is to be said of it at the end.

use super::buffer::Buffer;
use super::error::{first_bytes, hint, CaptureError, Truncation};
use super::frame::{Frame, LinkType};
use super::pcap::{Magic, Pcap};
use super::pcapng::{self, Pcapng};
use super::record::{HeaderFault, Record, Step};
use super::stored::{Origin, Stream, Tap};
use super::wait::Stopped;
use crate::units::Timestamp;
use std::io;

/// What is known of an input; complete once it was read to its end.
#[derive(Clone, Debug)]
pub struct InputSummary {
    /// As it was named; `-` is standard input.
    pub path: String,
    /// "pcap", "pcap (ns)", "pcap (modified)" or "pcapng", with "+gzip" or "+zstd".
    pub format: String,
    /// Whole packet records in the file, before the filter.
    pub packets: u64,
    /// Time of the file's first record, in its own order; none where no record bears a time.
    pub first: Option<Timestamp>,
    /// Time of the file's last record.
    pub last: Option<Timestamp>,
    /// Earliest time of a record: before `first` where records are out of order.
    pub earliest: Option<Timestamp>,
    /// Latest time of a record.
    pub latest: Option<Timestamp>,
    /// Where the file broke off, if it did.
    pub truncated: Option<Truncation>,
    /// SHA-256 of the bytes as stored, in hexadecimal, what follows a damage included; only when it was asked for and the
    /// input was read to its end.
    pub sha256: Option<String>,
    /// Link types of the file's interfaces, ascending.
    pub link_types: Vec<LinkType>,
    /// Oddities that were put right, a sentence each.
    pub warnings: Vec<String>,
    /// Records the filter refused.
    pub filtered_out: u64,
}

enum Format {
    Pcap(Magic, Pcap),
    Pcapng(Pcapng),
}

/// An input being read.
pub(super) struct Source {
    path: String,
    size: Option<u64>,
    buffer: Buffer,
    format: Format,
    done: bool,
    record: Record,
    /// Time of the first record that bears one.
    first: Option<Timestamp>,
    /// Earliest and latest time; the wrong way round before the first.
    earliest: Timestamp,
    latest: Timestamp,
    truncated: Option<Truncation>,
    sha256: Option<String>,
    pub(super) filtered_out: u64,
    /// Of these, the ones over a link type the filter cannot be compiled for.
    pub(super) unfit: u64,
}

impl Source {
    /// Looks at the first bytes of `origin` and reads the header.
    pub(super) fn open(
        path: String,
        origin: Origin,
        size: Option<u64>,
        hash: bool,
        chunk: usize,
    ) -> Result<Self, CaptureError> {
        let read_error = |path: &str, offset, source| CaptureError::Read {
            path: path.to_owned(),
            offset,
            record: 0,
            source,
        };
        let mut tap = Tap::new(origin, hash);
        let mut magic = [0; 4];
        let have = tap
            .fill(&mut magic)
            .map_err(|source| read_error(&path, 0, source))?;
        let mut begun = magic.get(..have).unwrap_or_default();
        if begun.is_empty() {
            return Err(CaptureError::Empty { path });
        }
        let stream = Stream::new(begun, tap).map_err(|source| read_error(&path, 0, source))?;
        let compression = stream.compression();
        if compression.is_some() {
            begun = &[];
        }
        let mut buffer = Buffer::new(stream, begun, chunk);
        let at_header = |buffer: &Buffer, source| read_error(&path, buffer.offset(), source);
        // Enough to tell the format, and as much again for the eye where it is none.
        if let Err(source) = buffer.need(8) {
            return Err(at_header(&buffer, source));
        }
        if let (Some(format), Some(what)) = (compression, buffer.broken()) {
            if buffer.window().is_empty() {
                let what = what.to_owned();
                return Err(CaptureError::Decompress { path, format, what });
            }
        }
        let first = buffer.window().first_chunk::<4>().copied();
        let opened = match (first, first.and_then(Magic::of)) {
            (_, Some(magic)) => {
                Pcap::open(magic, &mut buffer).map(|walk| Format::Pcap(magic, walk))
            }
            (Some(pcapng::MAGIC), _) => Pcapng::open(&mut buffer).map(Format::Pcapng),
            _ => {
                let begin = buffer.window();
                let begin = begin.get(..8).unwrap_or(begin);
                return Err(match begin.is_empty() {
                    true => CaptureError::Empty { path },
                    false => CaptureError::NotACapture {
                        path,
                        found: first_bytes(begin),
                        hint: hint(begin),
                    },
                });
            }
        };
        let name = |base: &str| match compression {
            Some(how) => format!("{base}+{how}"),
            None => base.to_owned(),
        };
        let base = match first {
            Some(pcapng::MAGIC) => "pcapng",
            _ => "pcap",
        };
        let format = opened.map_err(|fault| match fault {
            HeaderFault::System(source) => at_header(&buffer, source),
            HeaderFault::Bad { offset, what } => CaptureError::BadHeader {
                path: path.clone(),
                format: name(base),
                offset,
                what,
            },
            HeaderFault::Cut { have, need } => CaptureError::HeaderCut {
                path: path.clone(),
                format: name(base),
                have,
                need,
            },
        })?;
        let record = match &format {
            Format::Pcap(_, walk) => Record {
                timed: true,
                link: walk.link(),
                ..Record::NONE
            },
            Format::Pcapng(_) => Record::NONE,
        };
        Ok(Self {
            path,
            size,
            buffer,
            format,
            done: false,
            record,
            first: None,
            earliest: Timestamp(i64::MAX),
            latest: Timestamp(i64::MIN),
            truncated: None,
            sha256: None,
            filtered_out: 0,
            unfit: 0,
        })
    }

    /// As it was named.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Bytes it has, where that is known beforehand.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Stored bytes read so far.
    pub(super) fn stored(&self) -> u64 {
        self.buffer.stream().stored()
    }

    /// The link type, where the file's header settles it.
    pub(super) fn link(&self) -> Option<LinkType> {
        match &self.format {
            Format::Pcap(_, walk) => Some(walk.link()),
            Format::Pcapng(_) => None,
        }
    }

    /// The record last read.
    #[inline(always)]
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The same, as it is handed on.
    #[inline(always)]
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            at: self.record.at,
            link: self.record.link,
            wire_len: self.record.wire_len,
            data: self.data(),
            interface: self.record.interface,
        }
    }

    /// Its bytes.
    #[inline(always)]
    pub(super) fn data(&self) -> &[u8] {
        self.buffer.slice(self.record.position, self.record.len)
    }

    /// Reads the next record; false at the end, however it came.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<bool, CaptureError> {
        let quick = match &mut self.format {
            Format::Pcap(_, walk) => walk.quick(&mut self.buffer, &mut self.record),
            Format::Pcapng(walk) => walk.quick(&mut self.buffer, &mut self.record),
        };
        if !quick && !self.slow()? {
            return Ok(false);
        }
        let at = self.record.at;
        if at <= self.earliest {
            self.widen();
        } else if at > self.latest {
            self.latest = at;
        }
        Ok(true)
    }

    /// Grows the span by a record that is the first or comes before the first. One without a time has that of an earlier
    /// one, if there is any, and needs no test elsewhere.
    #[cold]
    fn widen(&mut self) {
        if self.record.timed {
            self.first = self.first.or(Some(self.record.at));
            self.earliest = self.earliest.min(self.record.at);
            self.latest = self.latest.max(self.record.at);
        }
    }

    /// The next record where it is not an everyday one or not in the window yet.
    #[cold]
    #[inline(never)]
    fn slow(&mut self) -> Result<bool, CaptureError> {
        let step = match &mut self.format {
            Format::Pcap(_, walk) => walk.next(&mut self.buffer, &mut self.record),
            Format::Pcapng(walk) => walk.next(&mut self.buffer, &mut self.record),
        };
        match step {
            Ok(Step::Record) => return Ok(true),
            Ok(Step::End) => self.finish(None),
            Ok(Step::Damaged(truncation)) => self.finish(Some(truncation)),
            Err(source) if Stopped::is(&source) => self.finish(None),
            Err(source) => return Err(self.fail(source)),
        }
        Ok(false)
    }

    fn records(&self) -> u64 {
        match &self.format {
            Format::Pcap(_, walk) => walk.records,
            Format::Pcapng(walk) => walk.records,
        }
    }

    fn finish(&mut self, truncated: Option<Truncation>) {
        if !self.done {
            self.done = true;
            self.truncated = truncated;
            self.sha256 = self.buffer.stream_mut().finish_hash();
            self.buffer.free();
        }
    }

    fn fail(&mut self, source: io::Error) -> CaptureError {
        let (offset, record) = (self.stored(), self.records());
        self.truncated = Some(Truncation {
            message: format!(
                "reading failed after byte {offset}: {source}; whole records kept: {record}"
            ),
            offset: self.buffer.offset(),
            record: record + 1,
        });
        self.done = true;
        self.buffer.free();
        CaptureError::Read {
            path: self.path.clone(),
            offset,
            record,
            source,
        }
    }

    /// What is known so far.
    pub(super) fn summary(&self) -> InputSummary {
        let (base, odd, link_types) = match &self.format {
            Format::Pcap(magic, walk) => (magic.name(), &walk.odd, vec![walk.link()]),
            Format::Pcapng(walk) => ("pcapng", &walk.odd, walk.links.iter().copied().collect()),
        };
        InputSummary {
            path: self.path.clone(),
            format: match self.buffer.stream().compression() {
                Some(how) => format!("{base}+{how}"),
                None => base.to_owned(),
            },
            packets: self.records(),
            first: self.first,
            // A record without a time bears that of the last one with.
            last: self.first.and(Some(self.record.at)),
            earliest: self.first.and(Some(self.earliest)),
            latest: self.first.and(Some(self.latest)),
            truncated: self.truncated.clone(),
            sha256: self.sha256.clone(),
            link_types,
            warnings: odd.warnings(),
            filtered_out: self.filtered_out,
        }
    }
}
