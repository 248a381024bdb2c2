//! The window on a stream in which records are read where they lie.

use super::stored::Stream;
use std::io::{self, Read};

/// Bytes asked of the system at once for a single input. Large enough that a call costs nothing per packet, small enough
/// to stay in the processor's second-level cache between the kernel's copy and our walk.
pub(super) const CHUNK: usize = 256 * 1024;

/// The longest run of bytes kept together, as libpcap and Wireshark limit a pcapng block.
pub(super) const MAX_BLOCK: usize = 16 * 1024 * 1024;

/// A stream's bytes from the record being read onwards. What is behind is forgotten; a record cut by the end of the
/// window is moved to its front and completed there. It grows only by bytes that have come, never by a length claimed.
pub(super) struct Buffer {
    stream: Stream,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `bytes[0]`.
    base: u64,
    ended: bool,
    broken: Option<String>,
}

impl Buffer {
    /// A window of `chunk` bytes on `stream`, from which `begun` was read already.
    pub(super) fn new(stream: Stream, begun: &[u8], chunk: usize) -> Self {
        let mut bytes = vec![0; chunk.max(64)];
        let end = begun.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..end), begun.get(..end)) {
            to.copy_from_slice(from);
        }
        Self {
            stream,
            bytes,
            start: 0,
            end,
            base: 0,
            ended: false,
            broken: None,
        }
    }

    /// What is there, unread.
    pub(super) fn window(&self) -> &[u8] {
        self.ready().unwrap_or_default()
    }

    /// The same, always `Some`. Where the next record begins hangs on the length in the last one; a test that the
    /// processor can predict keeps out of that chain, choosing an empty slice instead does not.
    #[inline(always)]
    pub(super) fn ready(&self) -> Option<&[u8]> {
        self.bytes.get(self.start..self.end)
    }

    /// Passes over `count` bytes that were seen in the window.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: usize) {
        debug_assert!(self.start + count <= self.end);
        self.start += count;
    }

    /// Where the window begins, for [`slice`](Self::slice).
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.start
    }

    /// Bytes at a position told before; valid until more is needed or skipped.
    #[inline(always)]
    pub(super) fn slice(&self, position: usize, len: usize) -> &[u8] {
        self.bytes.get(position..position + len).unwrap_or_default()
    }

    /// Offset in the (decompressed) stream of the first unread byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Offset in the stream of the first byte not read yet.
    pub(super) fn end(&self) -> u64 {
        self.base + self.end as u64
    }

    /// What the decompressor said, where the stream did not end but broke.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The stream behind.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The stream behind.
    pub(super) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Gives the memory back once nothing is to be read any more.
    pub(super) fn free(&mut self) {
        self.base += self.start as u64;
        self.bytes = Vec::new();
        self.start = 0;
        self.end = 0;
        self.ended = true;
    }

    /// Sees to it that the window holds `count` bytes; false where the stream ends before.
    #[cold]
    pub(super) fn need(&mut self, count: usize) -> io::Result<bool> {
        while self.end - self.start < count {
            if self.ended || count > MAX_BLOCK {
                return Ok(false);
            }
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.base += self.start as u64;
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.bytes.len() {
                self.bytes.resize(2 * self.bytes.len(), 0);
            }
            self.read()?;
        }
        Ok(true)
    }

    /// Passes over `count` bytes, however many; false where the stream ends before.
    #[cold]
    pub(super) fn skip(&mut self, mut count: u64) -> io::Result<bool> {
        loop {
            let have = (self.end - self.start) as u64;
            if count <= have {
                self.start += count as usize;
                return Ok(true);
            }
            count -= have;
            self.base += self.end as u64;
            self.start = 0;
            self.end = 0;
            if self.ended {
                return Ok(false);
            }
            self.read()?;
        }
    }

    /// One read behind the window's end.
    fn read(&mut self) -> io::Result<()> {
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => self.ended = true,
            Ok(n) => self.end += n,
            Err(e) if self.stream.failed() => return Err(e),
            Err(e) => {
                self.broken = Some(e.to_string());
                self.ended = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::Tap;
    use super::*;

    /// Delivers at most `step` bytes a call, as a slow pipe does.
    struct Drip {
        left: Vec<u8>,
        step: usize,
    }

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.step.min(into.len()).min(self.left.len());
            into[..n].copy_from_slice(&self.left[..n]);
            self.left.drain(..n);
            Ok(n)
        }
    }

    fn buffer(bytes: &[u8], step: usize) -> Buffer {
        let drip = Drip {
            left: bytes.to_vec(),
            step,
        };
        Buffer::new(Stream::Plain(Tap::new(Box::new(drip), false)), b"", 64)
    }

    #[test]
    fn the_window_moves_and_grows_with_what_comes() {
        let bytes: Vec<u8> = (0..=255).collect();
        for step in [1, 7, 1000] {
            let mut buffer = buffer(&bytes, step);
            assert!(buffer.need(60).unwrap());
            buffer.consume(60);
            assert_eq!(buffer.offset(), 60);
            assert!(buffer.need(150).unwrap());
            assert_eq!(buffer.window()[..150], bytes[60..210]);
            buffer.consume(150);
            assert!(!buffer.need(47).unwrap());
            assert_eq!(buffer.window(), &bytes[210..]);
        }
    }

    #[test]
    fn skipping_needs_no_room() {
        let mut buffer = buffer(&[7; 1000], 9);
        assert!(buffer.skip(990).unwrap());
        assert_eq!(buffer.offset(), 990);
        assert!(buffer.bytes.len() <= 64);
        assert!(!buffer.skip(11).unwrap());
        assert_eq!(buffer.offset(), 1000);
    }

    #[test]
    fn a_huge_claim_takes_no_memory() {
        let mut buffer = buffer(&[7; 1000], 1000);
        assert!(!buffer.need(MAX_BLOCK).unwrap());
        assert!(buffer.bytes.len() <= 2048);
        assert!(!buffer.need(usize::MAX).unwrap());
    }
}
