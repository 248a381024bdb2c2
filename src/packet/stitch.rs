//! Pieces of a stream put in order, and a bounded table of streams that wait for more.
//!
//! Segments come late, twice, overlapping, or never, and whoever sends them chooses which. So every stitch has a limit in
//! bytes and in pieces, and every table of them a limit in streams and in bytes: what is over is dropped, oldest first,
//! and counted.

use std::collections::{HashMap, VecDeque};

use crate::packet::hello::{Progress, Why};

/// Pieces with gaps between them that one stream may hold. A hello of 517 bytes sent a byte a segment in the worst order
/// makes 259.
const MOST_PIECES: usize = 512;

/// What an entry of a table costs beside its bytes, by estimate: its place in the map and in the queue.
const ENTRY: usize = 160;

/// What a piece costs beside its bytes, by estimate: its header and the allocator's.
const PIECE: usize = 64;

/// The bytes of one stream, as far as they are known, by their offset in it.
#[derive(Debug, Default)]
pub struct Stitch {
    /// Sorted by offset, with a gap of at least one byte between neighbours.
    pieces: Vec<Piece>,
    held: usize,
}

#[derive(Debug)]
struct Piece {
    at: i64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> i64 {
        self.at.saturating_add(self.bytes.len() as i64)
    }
}

impl Stitch {
    /// Adds `bytes` at offset `at`.
    ///
    /// # Errors
    /// [`Why::Conflict`] where bytes already known differ, [`Why::Scattered`] where there are too many gaps. The stitch
    /// is of no more use then.
    pub fn put(&mut self, at: i64, bytes: &[u8]) -> Result<(), Why> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = at.saturating_add(bytes.len() as i64);
        // Pieces from `first` up to `last` touch or overlap the new bytes.
        let first = self.pieces.partition_point(|piece| piece.end() < at);
        let last = self.pieces.partition_point(|piece| piece.at <= end);
        let touched = self.pieces.get(first..last).unwrap_or_default();
        if touched.iter().any(|piece| disagree(piece, at, bytes)) {
            return Err(Why::Conflict);
        }
        match touched.len() {
            0 => {
                if self.pieces.len() >= MOST_PIECES {
                    return Err(Why::Scattered);
                }
                self.held += bytes.len();
                let bytes = bytes.to_vec();
                self.pieces.insert(first, Piece { at, bytes });
            }
            // The usual case: the next segment of a stream in order. It grows in place, so n segments cost O(n).
            1 if touched[0].at <= at => {
                if let Some(piece) = self.pieces.get_mut(first) {
                    let known = usize::try_from(piece.end() - at).unwrap_or(0);
                    let new = bytes.get(known..).unwrap_or_default();
                    piece.bytes.extend_from_slice(new);
                    self.held += new.len();
                }
            }
            _ => {
                let start = touched.first().map_or(at, |piece| piece.at.min(at));
                let stop = touched.last().map_or(end, |piece| piece.end().max(end));
                let mut merged = vec![0; usize::try_from(stop - start).unwrap_or(0)];
                let mut before = 0;
                let new = std::iter::once((at, bytes));
                let old = touched.iter().map(|piece| (piece.at, &piece.bytes[..]));
                for (at, bytes) in new.chain(old) {
                    let from = usize::try_from(at - start).unwrap_or(0);
                    if let Some(place) = merged.get_mut(from..from + bytes.len()) {
                        place.copy_from_slice(bytes);
                    }
                    before += bytes.len();
                }
                self.held = self.held + merged.len() - (before - bytes.len());
                let piece = Piece {
                    at: start,
                    bytes: merged,
                };
                self.pieces.splice(first..last, [piece]);
            }
        }
        Ok(())
    }

    /// The bytes known from offset `at` on, up to the first gap.
    pub fn from(&self, at: i64) -> &[u8] {
        let index = self.pieces.partition_point(|piece| piece.end() <= at);
        self.pieces
            .get(index)
            .and_then(|piece| {
                piece
                    .bytes
                    .get(usize::try_from(at.saturating_sub(piece.at)).ok()?..)
            })
            .unwrap_or_default()
    }

    /// Every unbroken run of bytes and its offset, in order.
    pub fn runs(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.pieces.iter().map(|piece| (piece.at, &piece.bytes[..]))
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Memory held, by a cautious estimate: growing buffers may be half empty.
    fn weight(&self) -> usize {
        2 * self.held + PIECE * self.pieces.len()
    }
}

/// Whether `piece` and the new bytes hold different bytes for the same offset.
fn disagree(piece: &Piece, at: i64, bytes: &[u8]) -> bool {
    let from = piece.at.max(at);
    let to = piece.end().min(at.saturating_add(bytes.len() as i64));
    from < to && part(&piece.bytes, piece.at, from, to) != part(bytes, at, from, to)
}

/// The bytes at offsets `from` to `to` of those that begin at offset `at`.
fn part(bytes: &[u8], at: i64, from: i64, to: i64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from - at).ok()?..usize::try_from(to - at).ok()?)
}

/// Something that holds a stitch.
pub trait Stitching {
    /// The bytes it holds.
    fn stitch(&self) -> &Stitch;
}

/// How much a [`Waiting`] table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams at once.
    pub streams: usize,
    /// Memory of all of them together, in bytes, by estimate.
    pub bytes: usize,
}

/// 4,096 streams and 4 MiB.
impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 4096,
            bytes: 4 << 20,
        }
    }
}

/// Streams that wait for the rest of their hello, by flow. Over its limits the one waiting longest goes.
#[derive(Debug)]
pub struct Waiting<T> {
    limits: Limits,
    streams: HashMap<u64, (u64, T), foldhash::fast::RandomState>,
    /// Flow and serial number by age. Streams that are done leave their row behind; it is swept now and then.
    queue: VecDeque<(u64, u64)>,
    serial: u64,
    weight: usize,
    evicted: u64,
}

impl<T: Stitching> Waiting<T> {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            streams: HashMap::default(),
            queue: VecDeque::new(),
            serial: 0,
            weight: 0,
            evicted: 0,
        }
    }

    /// The stream of `flow`, where it waits.
    pub fn get(&self, flow: u64) -> Option<&T> {
        self.streams.get(&flow).map(|(_, stream)| stream)
    }

    /// Hands the stream of `flow`, a fresh one where there is none, to `step`; forgets it unless it needs more.
    pub fn advance(
        &mut self,
        flow: u64,
        fresh: impl FnOnce() -> T,
        step: impl FnOnce(&mut T) -> Progress,
    ) -> Progress {
        let (_, stream) = self.streams.entry(flow).or_insert_with(|| {
            self.serial += 1;
            self.queue.push_back((flow, self.serial));
            self.weight += ENTRY;
            (self.serial, fresh())
        });
        self.weight -= stream.stitch().weight().min(self.weight);
        let progress = step(stream);
        self.weight += stream.stitch().weight();
        if progress != Progress::NeedMore {
            self.forget(flow);
        }
        self.shrink();
        progress
    }

    /// Drops the stream of `flow`: it is over, or answered.
    pub fn forget(&mut self, flow: u64) {
        if let Some((_, stream)) = self.streams.remove(&flow) {
            self.weight -= (stream.stitch().weight() + ENTRY).min(self.weight);
        }
    }

    /// Streams dropped unread because the table was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Streams waiting.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Memory held, in bytes, by estimate.
    pub fn weight(&self) -> usize {
        self.weight
    }

    fn shrink(&mut self) {
        while self.streams.len() > self.limits.streams || self.weight > self.limits.bytes {
            let Some((flow, serial)) = self.queue.pop_front() else {
                break;
            };
            if self.is_current(flow, serial) {
                self.forget(flow);
                self.evicted += 1;
            }
        }
        if self.queue.len() > 2 * self.limits.streams.max(32) {
            let queue = std::mem::take(&mut self.queue);
            self.queue = queue
                .into_iter()
                .filter(|&(flow, serial)| self.is_current(flow, serial))
                .collect();
        }
    }

    fn is_current(&self, flow: u64, serial: u64) -> bool {
        self.streams
            .get(&flow)
            .is_some_and(|(own, _)| *own == serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_join_whatever_their_order() {
        let mut stitch = Stitch::default();
        stitch.put(8, b"ij").unwrap();
        stitch.put(0, b"abc").unwrap();
        assert!(stitch.runs().eq([(0, &b"abc"[..]), (8, b"ij")]));
        stitch.put(2, b"cdefgh").unwrap();
        assert_eq!(stitch.from(0), b"abcdefghij");
        assert_eq!(stitch.from(7), b"hij");
        assert_eq!(stitch.from(10), b"");
        assert_eq!(stitch.held(), 10);
    }

    #[test]
    fn bytes_sent_twice_must_agree() {
        let mut stitch = Stitch::default();
        stitch.put(0, b"abcd").unwrap();
        stitch.put(1, b"bc").unwrap();
        stitch.put(-2, b"xyabcdef").unwrap();
        assert_eq!(stitch.from(-2), b"xyabcdef");
        assert_eq!(stitch.put(3, b"D"), Err(Why::Conflict));
    }

    #[test]
    fn a_gap_ends_what_can_be_read() {
        let mut stitch = Stitch::default();
        stitch.put(5, b"fg").unwrap();
        assert_eq!(stitch.from(0), b"");
        assert_eq!(stitch.from(i64::MIN), b"");
        assert_eq!(stitch.from(i64::MAX), b"");
    }

    #[test]
    fn scattered_bytes_are_refused_in_time() {
        let mut stitch = Stitch::default();
        let refused = (0..10_000).find(|at| stitch.put(at * 2, b"x").is_err());
        assert_eq!(refused, Some(MOST_PIECES as i64));
    }

    #[derive(Default)]
    struct Held(Stitch);

    impl Stitching for Held {
        fn stitch(&self) -> &Stitch {
            &self.0
        }
    }

    fn wait(table: &mut Waiting<Held>, flow: u64, bytes: usize) {
        table.advance(flow, Held::default, |held| {
            held.0.put(0, &vec![0; bytes]).unwrap();
            Progress::NeedMore
        });
    }

    #[test]
    fn the_stream_waiting_longest_goes_first() {
        let mut table = Waiting::new(Limits {
            streams: 3,
            bytes: usize::MAX,
        });
        for flow in [1, 2, 1, 3, 4] {
            wait(&mut table, flow, 10);
        }
        assert!(table.get(1).is_none());
        assert!([2, 3, 4].iter().all(|&flow| table.get(flow).is_some()));
        assert_eq!((table.len(), table.evicted()), (3, 1));
    }

    #[test]
    fn bytes_are_limited_as_well() {
        let mut table = Waiting::new(Limits {
            streams: 100,
            bytes: 10_000,
        });
        (0..50).for_each(|flow| wait(&mut table, flow, 1000));
        assert!(table.weight() <= 10_000);
        assert_eq!(table.len() as u64 + table.evicted(), 50);
        (0..50).for_each(|flow| table.forget(flow));
        assert_eq!((table.weight(), table.len()), (0, 0));
    }

    #[test]
    fn streams_that_come_and_go_leave_nothing_behind() {
        let mut table = Waiting::<Held>::new(Limits::default());
        for flow in 0..100_000 {
            wait(&mut table, flow, 1);
            table.advance(flow, Held::default, |_| Progress::NoName);
        }
        assert!(table.is_empty());
        assert_eq!((table.weight(), table.evicted()), (0, 0));
        assert!(table.queue.len() <= 2 * 4096 + 1);
    }

    proptest! {
        /// Any way of cutting a text, any order, any repetition: the text comes out.
        #[test]
        fn any_cuts_in_any_order_give_the_text(
            cuts in proptest::collection::vec((0usize..200, 1usize..40), 0..60)
        ) {
            let text: Vec<u8> = (0..240).map(|n| n as u8).collect();
            let mut stitch = Stitch::default();
            let mut known = [false; 240];
            for &(from, length) in &cuts {
                stitch.put(from as i64, &text[from..from + length]).unwrap();
                known[from..from + length].fill(true);
            }
            for at in 0..240 {
                let run = known[at..].iter().take_while(|&&known| known).count();
                prop_assert_eq!(stitch.from(at as i64), &text[at..at + run]);
            }
            prop_assert_eq!(stitch.held(), known.iter().filter(|&&known| known).count());
        }
    }
}
