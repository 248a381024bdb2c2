//! Server names of TLS over TCP, from hellos cut into any segments in any order.
//!
//! RFC 8446, section 5.1 (records). Where the stream's SYN was seen the hello must begin right behind it. Where it was
//! not, a hello is looked for at the start of every unbroken run of bytes: a capture of a home's router often begins
//! hours after its connections did, and most streams then hold no hello at all, so little is kept of them.

use std::borrow::Cow;

use crate::packet::hello::{self, Progress, Why};
use crate::packet::stitch::{Limits, Stitch, Stitching, Waiting};

/// Longest stretch of stream looked at, in bytes: the largest hello and room for the headers of the records it is cut
/// into.
const WINDOW: i64 = hello::LARGEST as i64 + 2048;

/// Bytes kept of a stream whose beginning was not seen, until a hello is in sight. Two full segments and some: hellos
/// of three segments that arrive last to first are still read.
const UNANCHORED: usize = 4096;

/// Longest TLS record (RFC 8446, section 5.1), in bytes, without its header.
const RECORD: usize = 1 << 14;

/// Slack that encryption may add to a record (RFC 5246, section 6.2.3), in bytes.
const EXPANSION: usize = 2048;

const HANDSHAKE: u8 = 22;

/// The server name of a segment that holds a whole hello; [`Progress::NeedMore`] where it may hold the beginning of one.
///
/// Keeps nothing and copies nothing but the name, unless the hello is spread over several records.
pub fn sni_of_whole_hello(stream: &[u8]) -> Progress {
    match handshake(stream) {
        Ok(handshake) => hello::read(&handshake),
        Err(decided) => decided,
    }
}

/// The handshake layer of a stream, as far as it is there and no farther than the first message.
fn handshake(stream: &[u8]) -> Result<Cow<'_, [u8]>, Progress> {
    let Some((fragment, mut rest)) = record(stream)? else {
        return Ok(Cow::Borrowed(&[]));
    };
    let mut handshake = Cow::Borrowed(fragment);
    while !rest.is_empty() && hello::missing(&handshake) > 0 {
        match record(rest) {
            Ok(Some((fragment, behind))) => {
                handshake.to_mut().extend_from_slice(fragment);
                rest = behind;
            }
            Ok(None) => break,
            // The hello broke off in favour of something else.
            Err(_) => return Err(Progress::GaveUp(Why::Malformed)),
        }
    }
    Ok(handshake)
}

/// What a handshake record carries, as far as it is there, and what follows the record.
type Split<'a> = (&'a [u8], &'a [u8]);

/// Splits off the handshake record at the head of `stream`; `None` where even its header is cut.
fn record(stream: &[u8]) -> Result<Option<Split<'_>>, Progress> {
    let (&HANDSHAKE, [] | [3, ..]) = (match stream.split_first() {
        None => return Ok(None),
        Some(split) => split,
    }) else {
        return Err(Progress::NotHello);
    };
    let [_, _, _, high, low, body @ ..] = stream else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    // "Implementations MUST NOT send zero-length fragments of Handshake types."
    if !(1..=RECORD).contains(&length) {
        return Err(Progress::NotHello);
    }
    Ok(Some(body.split_at(length.min(body.len()))))
}

/// Whether a segment begins with a record no client sends before its hello: the stream is already under way.
fn is_under_way(segment: &[u8]) -> bool {
    match segment {
        [HANDSHAKE, 3, 0..=4, _, _, kind, ..] => *kind != 1,
        [20 | 21 | 23, 3, 0..=4, high, low, ..] => {
            (1..=RECORD + EXPANSION).contains(&usize::from(u16::from_be_bytes([*high, *low])))
        }
        _ => false,
    }
}

/// What one direction of a TCP stream, client to server, tells of its hello.
#[derive(Debug)]
pub struct HelloAssembler {
    /// Sequence number that has offset 0: that of the first segment seen.
    zero: u32,
    /// Offset at which the hello begins: right behind the SYN, or where one came in sight.
    start: Option<i64>,
    /// Length the stream must have reached before reading it again can tell anything new. Without it a hello sent a byte
    /// a segment would be read from its beginning for each.
    wanted: usize,
    stitch: Stitch,
}

impl HelloAssembler {
    /// An assembler for a stream whose first segment seen has sequence number `seq`.
    pub fn new(seq: u32) -> Self {
        Self {
            zero: seq,
            start: None,
            wanted: 0,
            stitch: Stitch::default(),
        }
    }

    /// Offset of a sequence number; they wrap after 4 GiB (RFC 9293, section 3.4).
    fn offset(&self, seq: u32) -> i64 {
        i64::from(seq.wrapping_sub(self.zero).cast_signed())
    }

    /// Takes one segment: the sequence number of its first byte, its bytes, and the sequence number of the stream's first
    /// byte (that of the SYN plus one) where the SYN was seen.
    pub fn push(&mut self, seq: u32, payload: &[u8], start: Option<u32>) -> Progress {
        let anchor = start.map(|start| self.offset(start)).or(self.start);
        if anchor != self.start {
            (self.start, self.wanted) = (anchor, 0);
        }
        let (from, to, beyond) = match anchor {
            Some(start) => (start, start.saturating_add(WINDOW), Why::Lost),
            None => (-WINDOW, WINDOW, Why::MidStream),
        };
        let at = self.offset(seq);
        let Some(room) = usize::try_from(to - at).ok().filter(|&room| room > 0) else {
            return Progress::GaveUp(beyond);
        };
        let bytes = payload.get(..room).unwrap_or(payload);
        let before = usize::try_from(from - at).unwrap_or(0);
        let bytes = bytes.get(before..).unwrap_or_default();
        if let Err(why) = self.stitch.put(at.max(from), bytes) {
            return Progress::GaveUp(why);
        }
        match self.start {
            Some(start) => self.read_from(start),
            None => self.search(),
        }
    }

    /// Whether the first bytes of a hello are there, or of what can still become one.
    fn has_begun(&self) -> bool {
        match self.start {
            Some(start) => may_be_hello(self.stitch.from(start)),
            None => self.stitch.runs().any(|(_, run)| may_be_hello(run)),
        }
    }

    fn read_from(&mut self, start: i64) -> Progress {
        let stream = self.stitch.from(start);
        if stream.len() as i64 >= WINDOW {
            return Progress::GaveUp(Why::TooLong);
        }
        if stream.len() < self.wanted {
            return Progress::NeedMore;
        }
        match handshake(stream) {
            Ok(handshake) => {
                self.wanted = stream.len() + hello::missing(&handshake).max(1);
                hello::read(&handshake)
            }
            Err(decided) => decided,
        }
    }

    /// Looks for a hello at the start of every run, as nobody knows where the stream began.
    fn search(&mut self) -> Progress {
        for (at, run) in self.stitch.runs() {
            match sni_of_whole_hello(run) {
                found @ (Progress::Name(_) | Progress::NoName) => return found,
                Progress::NeedMore if looks_like_hello(run) => {
                    self.start = Some(at);
                    return Progress::NeedMore;
                }
                // Another run may still be the one.
                Progress::NeedMore | Progress::NotHello | Progress::GaveUp(_) => {}
            }
        }
        if self.stitch.held() > UNANCHORED {
            Progress::GaveUp(Why::MidStream)
        } else {
            Progress::NeedMore
        }
    }
}

/// Whether bytes begin as a hello does, as far as they go.
fn may_be_hello(run: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        0 => *byte == HANDSHAKE,
        1 => *byte == 3,
        2 => *byte <= 4,
        5 => *byte == 1,
        6 => *byte == 0,
        _ => true,
    };
    !run.is_empty() && run.iter().take(7).enumerate().all(fits)
}

/// Whether enough is there to tell a hello from bytes that happen to begin like one.
fn looks_like_hello(run: &[u8]) -> bool {
    matches!(run, [HANDSHAKE, 3, 0..=4, _, _, 1, 0, ..])
}

impl Stitching for HelloAssembler {
    fn stitch(&self) -> &Stitch {
        &self.stitch
    }
}

/// Hellos in the making, by flow; bounded as [`Limits`] says.
#[derive(Debug)]
pub struct Reassembly {
    waiting: Waiting<HelloAssembler>,
}

impl Default for Reassembly {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Reassembly {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            waiting: Waiting::new(limits),
        }
    }

    /// Takes one segment from client to server of the stream `flow`, a number of the caller's choice.
    ///
    /// `seq` is the sequence number of the payload's first byte; `start` that of the stream's first byte, one more than
    /// the SYN's, where the caller has seen it. Ask until the answer is other than [`Progress::NeedMore`], and no more
    /// after that: a later segment would begin a new search. Segments without payload cost nothing, nor do hellos in one
    /// piece.
    pub fn push(&mut self, flow: u64, seq: u32, payload: &[u8], start: Option<u32>) -> Progress {
        if payload.is_empty() {
            return Progress::NeedMore;
        }
        let waits = self.waiting.get(flow).is_some();
        if start.is_none_or(|start| start == seq) && !waits {
            match sni_of_whole_hello(payload) {
                Progress::NeedMore => {}
                // Without the SYN this may be the middle of a hello whose beginning comes late.
                Progress::NotHello | Progress::GaveUp(_)
                    if start.is_none() && !is_under_way(payload) => {}
                Progress::NotHello if start.is_none() => return Progress::GaveUp(Why::MidStream),
                decided => return decided,
            }
        }
        self.waiting.advance(
            flow,
            || HelloAssembler::new(seq),
            |assembler| assembler.push(seq, payload, start),
        )
    }

    /// Whether a hello, or what can still become one, has begun in the stream `flow`.
    pub fn has_begun(&self, flow: u64) -> bool {
        self.waiting
            .get(flow)
            .is_some_and(HelloAssembler::has_begun)
    }

    /// Forgets the stream `flow`: it was reset or closed.
    pub fn forget(&mut self, flow: u64) {
        self.waiting.forget(flow);
    }

    /// Streams dropped unread because the table was full.
    pub fn evicted(&self) -> u64 {
        self.waiting.evicted()
    }

    /// Streams waiting for the rest of their hello.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::hello::tests::{client_hello, hello_for};
    use proptest::prelude::*;

    /// The handshake bytes in records of at most `length` bytes.
    fn records(handshake: &[u8], length: usize) -> Vec<u8> {
        handshake
            .chunks(length)
            .flat_map(|part| {
                [
                    &[HANDSHAKE, 3, 1][..],
                    &(part.len() as u16).to_be_bytes(),
                    part,
                ]
                .concat()
            })
            .collect()
    }

    fn example() -> Vec<u8> {
        records(&hello_for(b"example.com", 0), RECORD)
    }

    fn named() -> Progress {
        Progress::Name("example.com".into())
    }

    /// Pushes `(seq, bytes)` in turn; the first answer that decides.
    fn play<'a>(
        segments: impl IntoIterator<Item = (u32, &'a [u8])>,
        start: Option<u32>,
    ) -> Progress {
        let mut table = Reassembly::default();
        segments
            .into_iter()
            .map(|(seq, bytes)| table.push(1, seq, bytes, start))
            .find(|progress| *progress != Progress::NeedMore)
            .unwrap_or(Progress::NeedMore)
    }

    /// The stream cut into segments of `length` bytes, the first with sequence number `seq`.
    fn cut(stream: &[u8], length: usize, seq: u32) -> Vec<(u32, &[u8])> {
        let seqs = (0u32..).map(|n| seq.wrapping_add(n * length as u32));
        seqs.zip(stream.chunks(length)).collect()
    }

    #[test]
    fn a_hello_in_one_segment_is_read_without_keeping_it() {
        let mut table = Reassembly::default();
        assert_eq!(table.push(1, 5, &example(), None), named());
        assert!(table.is_empty());
        let nameless = records(&client_hello(&[]), RECORD);
        assert_eq!(table.push(1, 5, &nameless, None), Progress::NoName);
    }

    #[test]
    fn one_byte_a_segment_first_to_last_and_last_to_first() {
        let stream = example();
        for start in [None, Some(1)] {
            let mut segments = cut(&stream, 1, 1);
            assert_eq!(play(segments.clone(), start), named());
            segments.reverse();
            assert_eq!(play(segments, start), named());
        }
    }

    #[test]
    fn sequence_numbers_wrap_within_a_hello() {
        let stream = example();
        for seq in [u32::MAX - 30, u32::MAX, i32::MAX as u32 - 10] {
            let mut segments = cut(&stream, 20, seq);
            assert_eq!(play(segments.clone(), Some(seq)), named());
            segments.reverse();
            assert_eq!(play(segments, None), named());
        }
    }

    #[test]
    fn a_hello_may_be_spread_over_records() {
        let hello = hello_for(b"example.com", 700);
        for length in [1, 2, 3, 4, 5, 100] {
            let stream = records(&hello, length);
            assert_eq!(sni_of_whole_hello(&stream), named());
            assert_eq!(play(cut(&stream, 7, 9), Some(9)), named());
        }
    }

    #[test]
    fn retransmissions_and_overlaps_that_agree_are_harmless() {
        let stream = example();
        let segments = [(1, 0..30), (11, 10..50), (1, 0..30), (41, 40..stream.len())];
        let segments = segments.map(|(seq, range)| (seq, &stream[range]));
        assert_eq!(play(segments, None), named());
    }

    #[test]
    fn overlaps_that_disagree_give_no_name() {
        let stream = example();
        let mut other = stream.clone();
        other.truncate(60);
        other[50] ^= 1;
        let segments = [(1, &stream[..55]), (41, &other[40..]), (56, &stream[55..])];
        assert_eq!(play(segments, None), Progress::GaveUp(Why::Conflict));
    }

    #[test]
    fn a_stream_that_is_not_tls_is_known_from_its_first_byte() {
        assert_eq!(play([(8, &b"GET"[..])], Some(8)), Progress::NotHello);
        // Records of no bytes, and of more than a record may have.
        assert_eq!(sni_of_whole_hello(&[22, 3, 1, 0, 0]), Progress::NotHello);
        assert_eq!(sni_of_whole_hello(&[22, 3, 1, 0x50, 0]), Progress::NotHello);
    }

    #[test]
    fn old_streams_are_left_alone() {
        let mid_stream = Progress::GaveUp(Why::MidStream);
        assert_eq!(play([(8, &[23, 3, 3, 0, 9, 7, 7][..])], None), mid_stream);
        assert_eq!(play([(8, &[22, 3, 3, 0, 9, 20, 7][..])], None), mid_stream);
        let noise = vec![0x55; 1400];
        let mut table = Reassembly::default();
        assert_eq!(table.push(1, 0, &noise, None), Progress::NeedMore);
        assert_eq!(table.push(1, 1400, &noise, None), Progress::NeedMore);
        assert_eq!(table.push(1, 2800, &noise, None), mid_stream);
        assert!(table.is_empty());
    }

    #[test]
    fn bytes_that_only_begin_like_a_hello_do_not_pile_up() {
        let mut table = Reassembly::default();
        let mut stream = records(&[1, 0, 0x3f, 0], RECORD);
        stream[3..5].copy_from_slice(&0x3f04u16.to_be_bytes());
        assert_eq!(table.push(1, 0, &stream, Some(0)), Progress::NeedMore);
        let mut seq = stream.len() as u32;
        let end = loop {
            let progress = table.push(1, seq, &[0x55; 1000], Some(0));
            seq += 1000;
            if progress != Progress::NeedMore {
                break progress;
            }
        };
        // The 16,132 bytes that the hello promised were waited for, and no more.
        assert!(seq < 17_200, "{seq}");
        assert_eq!(end, Progress::GaveUp(Why::Malformed));
    }

    #[test]
    fn a_million_half_hellos_stay_within_the_limits() {
        let stream = records(&hello_for(b"example.com", 1200), RECORD);
        let half = &stream[..700];
        let mut table = Reassembly::default();
        for flow in 0..100_000 {
            assert_eq!(table.push(flow, 1, half, Some(1)), Progress::NeedMore);
            assert!(table.waiting.weight() <= Limits::default().bytes);
        }
        assert_eq!(table.len() as u64 + table.evicted(), 100_000);
        let last = table.push(99_999, 701, &stream[700..], Some(1));
        assert_eq!(last, named());
    }

    proptest! {
        #[test]
        fn any_cuts_in_any_order_give_the_name(
            cuts in proptest::collection::btree_set(1usize..600, 0..30),
            order in any::<u64>(), seq in any::<u32>(), padding in 0usize..600, syn in any::<bool>()
        ) {
            let stream = records(&hello_for(b"example.com", padding), RECORD);
            let mut bounds: Vec<usize> = cuts.into_iter().filter(|&at| at < stream.len()).collect();
            bounds.insert(0, 0);
            bounds.push(stream.len());
            let mut segments: Vec<(u32, &[u8])> = bounds
                .windows(2)
                .map(|pair| (seq.wrapping_add(pair[0] as u32), &stream[pair[0]..pair[1]]))
                .collect();
            // An order as good as any other: by a hash of place and seed.
            segments.sort_by_key(|(seq, _)| (u64::from(*seq) ^ order).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            prop_assert_eq!(play(segments, syn.then_some(seq)), named());
        }

        #[test]
        fn any_bytes_are_survived(
            segments in proptest::collection::vec(
                (any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..30),
            start in any::<Option<u32>>()
        ) {
            let mut table = Reassembly::default();
            for (seq, near, bytes) in &segments {
                let seq = if *near { seq % 200 } else { *seq };
                table.push(1, seq, bytes, start.map(|start| if *near { start % 200 } else { start }));
                sni_of_whole_hello(bytes);
            }
        }
    }
}
