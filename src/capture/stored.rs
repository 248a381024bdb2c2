//! The bytes of an input as they are stored: opened, counted, hashed, decompressed.

use super::wait::Waiting;
use flate2::read::MultiGzDecoder;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;

/// Where stored bytes come from.
pub(super) type Origin = Box<dyn Read + Send>;

/// How much is asked of the system at once below a decompressor.
const COMPRESSED_CHUNK: usize = 64 * 1024;

/// Opens a file, a FIFO or (`-`) standard input; with it the size where it is a regular file.
///
/// Standard input is read through a duplicate of its descriptor: Rust's own handle has a small buffer and a lock. Where
/// there is a flag to `stop` at, all but regular files are left as soon as it is up.
pub(super) fn open(
    path: &Path,
    stop: Option<&Arc<AtomicBool>>,
) -> io::Result<(Origin, Option<u64>)> {
    let file = if path.as_os_str() == "-" {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        let mut how = File::options();
        how.read(true);
        // Opening a FIFO waits for its writer, however long; opened so, the first read does, which can be stopped.
        if stop.is_some() && std::fs::metadata(path)?.file_type().is_fifo() {
            how.custom_flags(OFlags::NONBLOCK.bits() as i32);
        }
        how.open(path)?
    };
    let regular = file.metadata().ok().filter(std::fs::Metadata::is_file);
    Ok(match (regular, stop) {
        (Some(meta), _) => (Box::new(file), Some(meta.len())),
        (None, Some(stop)) => (Box::new(Waiting::new(file, stop.clone())), None),
        (None, None) => (Box::new(file), None),
    })
}

/// Counts what passes, hashes it when asked, and remembers whether the system (and not a decompressor) failed.
pub(super) struct Tap {
    origin: Origin,
    hash: Option<Sha256>,
    read: u64,
    failed: bool,
}

impl Tap {
    pub(super) fn new(origin: Origin, hash: bool) -> Self {
        Self {
            origin,
            hash: hash.then(Sha256::new),
            read: 0,
            failed: false,
        }
    }

    /// Reads until `bytes` is full or the input ends; tells how many there were.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..).filter(|rest| !rest.is_empty()) {
            match self.read(rest)? {
                0 => break,
                n => have += n,
            }
        }
        Ok(have)
    }
}

impl Read for Tap {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.origin.read(into) {
                Ok(n) => {
                    self.read += n as u64;
                    if let (Some(hash), Some(got)) = (&mut self.hash, into.get(..n)) {
                        hash.update(got);
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.failed = true;
                    return Err(e);
                }
            }
        }
    }
}

/// A tap before which the bytes looked at to tell the format are put back.
type Replayed = io::Chain<Cursor<Vec<u8>>, Tap>;

/// Stored bytes, decompressed where they are compressed.
pub(super) enum Stream {
    /// As stored.
    Plain(Tap),
    /// One or more gzip members (RFC 1952).
    Gzip(Box<MultiGzDecoder<BufReader<Replayed>>>),
    /// One or more zstd frames (RFC 8878).
    Zstd(Box<zstd::Decoder<'static, BufReader<Replayed>>>),
}

impl Stream {
    /// Chooses by the first bytes of the input, which were read from `tap` and, where they are not compressed, are left
    /// to the caller.
    pub(super) fn new(magic: &[u8], tap: Tap) -> io::Result<Self> {
        let replay = |tap| {
            BufReader::with_capacity(COMPRESSED_CHUNK, Cursor::new(magic.to_vec()).chain(tap))
        };
        Ok(match *magic {
            [0x1f, 0x8b, ..] => Self::Gzip(Box::new(MultiGzDecoder::new(replay(tap)))),
            // The second: a frame to be skipped, with which pzstd begins.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Self::Zstd(Box::new(zstd::Decoder::with_buffer(replay(tap))?))
            }
            _ => Self::Plain(tap),
        })
    }

    /// The name of the compression, if there is one.
    pub(super) fn compression(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::Gzip(_) => Some("gzip"),
            Self::Zstd(_) => Some("zstd"),
        }
    }

    fn tap(&self) -> &Tap {
        match self {
            Self::Plain(tap) => tap,
            Self::Gzip(decoder) => decoder.get_ref().get_ref().get_ref().1,
            Self::Zstd(decoder) => decoder.get_ref().get_ref().get_ref().1,
        }
    }

    fn tap_mut(&mut self) -> &mut Tap {
        match self {
            Self::Plain(tap) => tap,
            Self::Gzip(decoder) => decoder.get_mut().get_mut().get_mut().1,
            Self::Zstd(decoder) => decoder.get_mut().get_mut().get_mut().1,
        }
    }

    /// Stored bytes read so far.
    pub(super) fn stored(&self) -> u64 {
        self.tap().read
    }

    /// Whether the last error was the system's and not the decompressor's.
    pub(super) fn failed(&self) -> bool {
        self.tap().failed
    }

    /// Reads the stored bytes that are left and gives the hash of all, in hexadecimal; nothing where none was asked for
    /// or the input cannot be read to its end.
    pub(super) fn finish_hash(&mut self) -> Option<String> {
        let tap = self.tap_mut();
        tap.hash.as_ref()?;
        let mut scrap = vec![0; COMPRESSED_CHUNK];
        while tap.read(&mut scrap).ok()? > 0 {}
        let hash = tap.hash.take()?;
        Some(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tap) => tap.read(into),
            Self::Gzip(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
        }
    }
}
