//! A capture that breaks off at any byte keeps the whole records before the cut, in every format, through reading and watching.

mod captures;
mod recipe;

use captures::{boxed, Kept};
use recipe::{captured, evening, file};
use std::io::Read;
use std::path::Path;
use stp_audit::capture::{Options, Reader};
use stp_audit::flow::observer::{Observer, Settings};

/// Frames read and counted, in the order of the file.
fn watched(name: &str, bytes: &[u8]) -> Vec<Kept> {
    let Ok(mut reader) = Reader::from_read(name, boxed(bytes), &Options::default()) else {
        return Vec::new();
    };
    let mut observer = Observer::new(Settings {
        flows: 64,
        ..Settings::default()
    });
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        observer.watch(&frame);
        frames.push(frame.into());
    }
    let counted = observer.finish().census.read;
    assert_eq!(counted, frames.len() as u64, "{name}");
    assert_eq!(reader.summaries()[0].packets, counted, "{name}");
    frames
}

/// What a gzip or zstd stream holds up to where it breaks off; other bytes as they are.
fn unwrapped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // How it ends does not matter: what came before the error is in `plain`.
    let _ = match bytes {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::read::Decoder::new(bytes)
            .unwrap()
            .read_to_end(&mut plain),
        _ => (&*bytes).read_to_end(&mut plain),
    };
    plain
}

/// Where each packet's record ends, found without the reader: both formats say a record's length at its beginning.
fn ends(plain: &[u8]) -> Vec<usize> {
    let word = |at: usize, big: bool| -> Option<usize> {
        let bytes: [u8; 4] = plain.get(at..at + 4)?.try_into().unwrap();
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        } as usize)
    };
    let mut ends = Vec::new();
    if plain.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let (mut at, mut big) = (0, false);
        while let Some(mut kind) = word(at, big) {
            if kind == 0x0a0d_0d0a {
                big = plain.get(at + 8) == Some(&0x1a);
                kind = 0;
            }
            let Some(length) = word(at + 4, big) else {
                break;
            };
            at += length;
            if [2, 3, 6].contains(&kind) {
                ends.push(at);
            }
        }
    } else {
        let big = plain.first() == Some(&0xa1);
        let modified = [plain.get(2), plain.get(1)].contains(&Some(&0xcd));
        let header = if modified { 24 } else { 16 };
        let mut at = 24;
        while let Some(length) = word(at + 8, big) {
            at += header + length;
            ends.push(at);
        }
    }
    ends.retain(|end| *end <= plain.len());
    ends
}

/// Cuts `bytes` everywhere and compares; how many records the whole has.
fn cut_everywhere(name: &str, bytes: &[u8]) -> usize {
    let whole = watched(name, bytes);
    let ends = ends(&unwrapped(bytes));
    assert_eq!(ends.len(), whole.len(), "{name} whole");
    let mut before = 0;
    for cut in 0..bytes.len() {
        let there = unwrapped(&bytes[..cut]).len();
        let records = ends.iter().filter(|end| **end <= there).count();
        let kept = watched(name, &bytes[..cut]);
        assert_eq!(kept.len(), records, "{name} cut at {cut}");
        assert_eq!(kept, whole[..records], "{name} cut at {cut}");
        assert!(records >= before, "{name} cut at {cut}");
        before = records;
    }
    whole.len()
}

#[test]
fn every_format_keeps_the_whole_records_before_a_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let records = cut_everywhere(name, &std::fs::read(&path).unwrap());
        assert!(records > 0, "{name} holds no record");
        files += 1;
    }
    assert!(files >= 20, "{files} formats");
}

#[test]
fn so_does_the_beginning_of_the_evening() {
    let lan = evening().lan;
    let packets = captured(&lan[..lan.len().min(60)]);
    let ng = file::pcapng("an evening", "br-lan", 1, &packets);
    assert_eq!(cut_everywhere("evening.pcapng", &ng), packets.len());
}
