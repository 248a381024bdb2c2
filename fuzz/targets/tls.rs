//! A stream cut into segments as its first bytes say, sent in order or from last to first: nothing panics, and where the
//! whole stream has a server name every way of cutting it gives that name.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stp_audit::packet::hello::Progress;
use stp_audit::packet::tls::{sni_of_whole_hello, Reassembly};

fn play<'a>(segments: impl Iterator<Item = (u32, &'a [u8])>, start: Option<u32>) -> Progress {
    let mut table = Reassembly::default();
    let mut answers = segments.map(|(seq, bytes)| table.push(1, seq, bytes, start));
    answers
        .find(|progress| *progress != Progress::NeedMore)
        .unwrap_or(Progress::NeedMore)
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, stream)) = data.split_first_chunk::<8>() else {
        return;
    };
    let whole = sni_of_whole_hello(stream);
    // Near the end of the sequence space, so that it wraps.
    let first = u32::MAX - u32::from(cuts[0]);
    let mut segments = Vec::new();
    let mut rest = stream;
    let mut lengths = cuts[1..].iter().map(|&length| usize::from(length)).cycle();
    while !rest.is_empty() && segments.len() < 400 {
        let length = lengths.next().unwrap_or(1).clamp(1, rest.len());
        let seq = first.wrapping_add((stream.len() - rest.len()) as u32);
        segments.push((seq, &rest[..length]));
        rest = &rest[length..];
    }
    segments.push((first.wrapping_add((stream.len() - rest.len()) as u32), rest));

    let in_order = play(segments.iter().copied(), Some(first));
    let reversed = play(segments.iter().rev().copied(), Some(first));
    play(segments.iter().copied(), None);
    play(segments.iter().rev().copied(), None);
    // Overlapping: each segment claims to begin where its length says.
    play(
        segments
            .iter()
            .map(|&(_, bytes)| (bytes.len() as u32, bytes)),
        None,
    );
    if matches!(whole, Progress::Name(_) | Progress::NoName) {
        assert_eq!(in_order, whole);
        assert_eq!(reversed, whole);
    }
});
