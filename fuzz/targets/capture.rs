//! Arbitrary bytes as one or two captures: nothing panics, and the laws of reading hold.
//!
//! The first byte chooses how they are read, the rest are the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read};
use stp_audit::capture::{Options, Reader};

/// Gives a few bytes at once, so that records are cut at the ends of reads.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let step = self.1.min(into.len());
        self.0.read(&mut into[..step])
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, file)) = data.split_first() else {
        return;
    };
    let options = Options {
        filter: (how & 1 != 0).then(|| "ip or less 64".to_owned()),
        hash: how & 2 != 0,
        ..Options::default()
    };
    let step = if how & 4 != 0 { 13 } else { usize::MAX };
    let parts = if how & 8 != 0 {
        let (a, b) = file.split_at(file.len() / 2);
        vec![a, b]
    } else {
        vec![file]
    };
    let inputs = parts
        .iter()
        .map(|part| {
            let origin: Box<dyn Read + Send> = Box::new(Drip(Cursor::new(part.to_vec()), step));
            ("fuzz".to_owned(), origin)
        })
        .collect();
    let Ok(mut reader) = Reader::from_reads(inputs, &options) else {
        return;
    };
    let (mut frames, mut bytes) = (0u64, 0usize);
    while let Some(frame) = reader.next().expect("memory does not fail") {
        assert!(frame.data.len() <= frame.wire_len as usize);
        frames += 1;
        bytes += frame.data.len();
    }
    assert!(reader.next().expect("nor after the end").is_none());
    let summaries = reader.summaries();
    let told: u64 = summaries.iter().map(|s| s.packets - s.filtered_out).sum();
    assert_eq!(told, frames);
    if summaries.iter().all(|s| !s.format.contains('+')) {
        assert!(bytes <= file.len());
    }
    for summary in summaries {
        assert!(summary.earliest <= summary.latest);
        assert_eq!(summary.sha256.is_some(), options.hash);
    }
});
