//! Reading captures: every format, every way in, and what is said of broken ones.

mod captures;

use captures::*;
use std::io::Write;
use std::path::PathBuf;
use stp_audit::capture::{CaptureError, LinkType, Options, Reader};
use stp_audit::units::Timestamp;

const SECOND: i64 = 1_000_000_000;

#[test]
fn pcap_in_both_orders_and_units() {
    for order in [Little, Big] {
        for (magic, name, unit) in [
            (MICROS, "pcap", 1000),
            (NANOS, "pcap (ns)", 1),
            (MODIFIED, "pcap (modified)", 1000),
        ] {
            let file = Pcap::new(order, magic, 1)
                .record(1_700_000_000, 7, 1514, b"cut short")
                .record(4_294_967_295, 999, 5, b"whole");
            let (frames, summary) = read(&file.bytes).unwrap();
            let expected = [
                kept(1_700_000_000 * SECOND + 7 * unit, 1514, b"cut short"),
                kept(4_294_967_295 * SECOND + 999 * unit, 5, b"whole"),
            ];
            assert_eq!(frames, expected, "{name} {order:?}");
            assert_eq!(summary.format, name);
            assert_eq!(summary.packets, 2);
            assert_eq!(summary.first, Some(expected[0].at));
            assert_eq!(summary.last, Some(expected[1].at));
            assert_eq!(summary.link_types, [LinkType::ETHERNET]);
            assert_eq!(summary.warnings, [""; 0]);
            assert!(summary.truncated.is_none());
        }
    }
}

#[test]
fn old_versions_tell_lengths_the_other_way_round() {
    let file = Pcap::version(Little, MICROS, 1, 2).raw([1, 0, 1514, 5], b"12345");
    assert_eq!(read(&file.bytes).unwrap().0, [kept(SECOND, 1514, b"12345")]);
    let file = Pcap::version(Little, MICROS, 1, 3)
        .raw([1, 0, 1514, 5], b"12345")
        .raw([2, 0, 5, 1514], b"12345");
    let expected = [
        kept(SECOND, 1514, b"12345"),
        kept(2 * SECOND, 1514, b"12345"),
    ];
    assert_eq!(read(&file.bytes).unwrap().0, expected);
}

#[test]
fn frame_check_sequences_are_left_out() {
    // Two units of 16 bits, in the upper half of the link type's word.
    let file = Pcap::new(Big, MICROS, 0x2400_0001)
        .record(1, 0, 9, b"frameFCS!")
        .record(2, 0, 1518, b"cut");
    let expected = [kept(SECOND, 5, b"frame"), kept(2 * SECOND, 1514, b"cut")];
    assert_eq!(read(&file.bytes).unwrap().0, expected);
    for told in [4u8, 32] {
        let file = Pcapng::new(Little)
            .interface(1, 0, &[(13, &[told])])
            .enhanced(0, 1_000_000, 9, b"frameFCS!");
        assert_eq!(read(&file.bytes).unwrap().0, [kept(SECOND, 5, b"frame")]);
    }
}

#[test]
fn odd_fractions_and_lengths_are_put_right_and_told() {
    let file = Pcap::new(Little, MICROS, 1)
        .record(5, 4_000_000_000, 3, b"abc")
        .record(1, 0, 2, b"longer than the wire");
    let (frames, summary) = read(&file.bytes).unwrap();
    let expected = [
        kept(4005 * SECOND, 3, b"abc"),
        kept(SECOND, 20, b"longer than the wire"),
    ];
    assert_eq!(frames, expected);
    assert_eq!(summary.first, Some(Timestamp(4005 * SECOND)));
    assert_eq!(summary.last, Some(Timestamp(SECOND)));
    assert_eq!(summary.earliest, Some(Timestamp(SECOND)));
    assert_eq!(summary.latest, Some(Timestamp(4005 * SECOND)));
    assert_eq!(summary.warnings.len(), 2, "{:?}", summary.warnings);
    assert!(summary.warnings[0].starts_with("times with a fraction of a second or more"));
    assert!(summary.warnings[1].starts_with("records that hold more bytes"));
}

#[test]
fn pcapng_with_sections_interfaces_and_strange_blocks() {
    let file = Pcapng::new(Little)
        .block(0xbad, b"unknown") // before any interface
        .interface(1, 0, &[])
        .interface(101, 0, &[(2, b"eth9"), (9, &[9])])
        .enhanced(0, 5, 1514, b"one")
        .block(0x4000_0bad, &[1; 33])
        .obsolete(1, 7, 4, b"two!")
        .section(Big)
        .interface(276, 3, &[(9, &[0x80 | 10]), (14, &1000i64.to_be_bytes())])
        .simple(99, b"thr") // snaplen 3 tells the length kept
        .enhanced(0, 1536, 6, b"fourth")
        .simple(2, b"5.");
    let (frames, summary) = read(&file.bytes).unwrap();
    let seen: Vec<_> = frames
        .iter()
        .map(|f| (f.at.0, f.link.0, f.wire_len, f.data.as_slice(), f.interface))
        .collect();
    assert_eq!(
        seen,
        [
            (5000, 1, 1514, &b"one"[..], 0),
            (7, 101, 4, b"two!", 1),
            (7, 276, 99, b"thr", 2),
            (1001 * SECOND + SECOND / 2, 276, 6, b"fourth", 2),
            (1001 * SECOND + SECOND / 2, 276, 2, b"5.", 2),
        ]
    );
    assert_eq!(summary.format, "pcapng");
    assert_eq!(summary.packets, 5);
    assert_eq!(
        summary.link_types,
        [LinkType(1), LinkType(101), LinkType(276)]
    );
    assert_eq!(summary.first, Some(Timestamp(5000)));
    assert_eq!(summary.earliest, Some(Timestamp(7)));
    assert_eq!(summary.warnings.len(), 1);
    assert!(summary.warnings[0].ends_with("record before: 2"));
    assert!(summary.truncated.is_none());
}

#[test]
fn times_that_do_not_fit_are_clamped_and_told() {
    let file = Pcapng::new(Little)
        .interface(1, 0, &[(14, &i64::MIN.to_le_bytes())])
        .interface(1, 0, &[(9, &[0])])
        .enhanced(0, 0, 1, b"a")
        .enhanced(1, u64::MAX, 1, b"b");
    let (frames, summary) = read(&file.bytes).unwrap();
    assert_eq!(frames[0].at, Timestamp(i64::MIN));
    assert_eq!(frames[1].at, Timestamp(i64::MAX));
    assert!(summary.warnings[0].ends_with("clamped to them: 2"));
}

#[test]
fn damage_in_pcapng_keeps_what_was_before() {
    let good = || {
        Pcapng::new(Little)
            .interface(1, 0, &[])
            .enhanced(0, 1_000_000, 3, b"one")
    };
    let mut lengths = good().enhanced(0, 2, 3, b"two");
    let last = lengths.bytes.len() - 4;
    lengths.bytes[last] ^= 1;
    for (file, what) in [
        (good().enhanced(7, 2, 3, b"two"), "interface 7"),
        (lengths, "two different lengths"),
        (good().block(6, &[0; 16]), "packet that claims"),
        (
            good().section(Big).enhanced(0, 1, 1, b"x"),
            "0 were described",
        ),
        (good().block(1, &[0; 4]), "too few bytes"),
    ] {
        let (frames, summary) = read(&file.bytes).unwrap();
        assert_eq!(frames, [kept(SECOND, 3, b"one")], "{what}");
        let truncated = summary.truncated.unwrap();
        assert_eq!(truncated.record, 2);
        assert!(truncated.message.contains(what), "{}", truncated.message);
        assert!(truncated.message.contains("records kept: 1"));
    }
}

#[test]
fn a_record_longer_than_any_packet_ends_the_file() {
    let file = Pcap::new(Little, MICROS, 1)
        .record(1, 0, 3, b"one")
        .record(2, 0, 262_144, &vec![7; 262_144])
        .raw([3, 0, 262_145, 262_145], &vec![7; 262_145]);
    let (frames, summary) = read(&file.bytes).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].data.len(), 262_144);
    let truncated = summary.truncated.unwrap();
    assert_eq!(truncated.record, 3);
    assert_eq!(truncated.offset, 24 + 16 + 3 + 16 + 262_144);
    assert!(truncated.message.contains("claims 262145 bytes"));
}

#[test]
fn long_blocks_work_and_longer_ones_are_damage() {
    let long = vec![b'c'; 10_000_000];
    let file = Pcapng::new(Big)
        .block(0xbad, &long)
        .interface(1, 0, &[(1, &long[..65_532])])
        .enhanced(0, 1_000_000, 3, b"one")
        .block(0xbad, &vec![0; 17 << 20])
        .enhanced(0, 2, 3, b"two");
    let (frames, summary) = read(&file.bytes).unwrap();
    assert_eq!(frames, [kept(SECOND, 3, b"one")]);
    assert!(summary
        .truncated
        .unwrap()
        .message
        .contains("claims 17825804 bytes"));
}

#[test]
fn a_packet_block_with_a_megabyte_of_comment_is_read() {
    let mut body = 0u32.to_le_bytes().to_vec();
    for word in [0u32, 1_000_000, 4, 4] {
        body.extend(word.to_le_bytes());
    }
    body.extend(b"data");
    body.extend(vec![0; 1 << 20]);
    let file = Pcapng::new(Little)
        .interface(1, 0, &[])
        .block(6, &body)
        .enhanced(0, 2_000_000, 3, b"two");
    let expected = [kept(SECOND, 4, b"data"), kept(2 * SECOND, 3, b"two")];
    assert_eq!(read(&file.bytes).unwrap().0, expected);
}

/// Enough records to need several fills of a buffer.
fn many() -> Pcap {
    (0..5000).fold(Pcap::new(Little, MICROS, 1), |file, i| {
        file.record(i, 0, 1514, &[i as u8; 150])
    })
}

#[test]
fn compressed_files_are_read_member_by_member() {
    let file = many().bytes;
    let (half, rest) = file.split_at(file.len() / 2);
    let plain = read(&file).unwrap().0;
    for (bytes, format) in [
        (gzip(&file), "pcap+gzip"),
        ([gzip(half), gzip(rest)].concat(), "pcap+gzip"),
        (zstd(&file), "pcap+zstd"),
        ([zstd(half), zstd(rest)].concat(), "pcap+zstd"),
        (
            [&b"\x52\x2a\x4d\x18\x04\x00\x00\x00skip"[..], &zstd(&file)].concat(),
            "pcap+zstd",
        ),
    ] {
        let (frames, summary) = read(&bytes).unwrap();
        assert_eq!(frames.len(), plain.len(), "{format}");
        assert!(frames == plain, "{format}");
        assert_eq!(summary.format, format);
        assert!(summary.truncated.is_none());
    }
    let ng = Pcapng::new(Little)
        .interface(1, 0, &[])
        .enhanced(0, 1, 1, b"x");
    assert_eq!(read(&gzip(&ng.bytes)).unwrap().1.format, "pcapng+gzip");
}

#[test]
fn cut_or_damaged_compressed_files_keep_what_can_be_had() {
    let file = many().bytes;
    for (mut bytes, what) in [(gzip(&file), "gzip"), (zstd(&file), "zstd")] {
        bytes.truncate(bytes.len() * 3 / 4);
        let (frames, summary) = read(&bytes).unwrap();
        let truncated = summary.truncated.expect(what);
        assert!(
            frames.len() > 100 && frames.len() < 5000,
            "{what} {}",
            frames.len()
        );
        assert_eq!(truncated.record, frames.len() as u64 + 1);
        assert!(truncated.message.contains("compressed data breaks off"));
    }
    let mut bytes = gzip(&file);
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    let (frames, summary) = read(&bytes).unwrap();
    assert_eq!(frames.len(), 5000);
    assert!(summary.truncated.is_some());
    let error = read(&gzip(&file)[..12]).err().unwrap();
    assert!(
        matches!(error, CaptureError::Decompress { format: "gzip", .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_capture_is_named() {
    for (bytes, what) in [
        (&b""[..], "is empty"),
        (&gzip(b"")[..], "is empty"),
        (b"\xd4\xc3\xb2", "begins with d4 c3 b2 \"...\""),
        (
            b"hello, world",
            "68 65 6c 6c 6f 2c 20 77 \"hello, w\"; understood are pcap, pcapng",
        ),
        (b"BZh91AY&SY", "bzip2"),
        (&gzip(&gzip(b"x"))[..], "gzip once more"),
        (
            &many().bytes[..23],
            "ends within the pcap header, after 23 of 24 bytes",
        ),
        (
            &Pcapng::new(Little).bytes[..27],
            "ends within the pcapng header, after 27 of 28",
        ),
        (
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x44\x33\x22\x11\x01\0\0\0\0\0\0\0\0\0\0\0\x1c\0\0\0",
            "byte-order mark",
        ),
    ] {
        let error = read(bytes).expect_err(what).to_string();
        assert!(
            error.starts_with("test: ") && error.contains(what),
            "{error}"
        );
    }
    let no_input = Reader::open(&[], &Options::default()).err().unwrap();
    assert!(matches!(no_input, CaptureError::NoInput));
    let absent = [PathBuf::from("no/such/file.pcap")];
    let error = Reader::open(&absent, &Options::default()).err().unwrap();
    assert!(error
        .to_string()
        .contains("no/such/file.pcap: cannot be opened"));
    let folder = [PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    assert!(matches!(
        Reader::open(&folder, &Options::default()),
        Err(CaptureError::Read { .. })
    ));
}

#[test]
fn a_file_cut_at_any_byte_keeps_its_whole_records() {
    let first = |order| {
        Pcap::new(order, MICROS, 1)
            .record(1, 0, 3, b"one")
            .record(2, 0, 1514, b"")
            .record(3, 0, 5, b"three")
    };
    let whole = first(Big).bytes;
    let frames = read(&whole).unwrap().0;
    let ends = [24, 43, 59, 80];
    for cut in 24..=whole.len() {
        let (kept, summary) = read(&whole[..cut]).unwrap();
        let records = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(kept, frames[..records], "cut at {cut}");
        assert_eq!(
            summary.truncated.is_none(),
            ends.contains(&cut),
            "cut at {cut}"
        );
        if let Some(truncated) = summary.truncated {
            assert_eq!(truncated.record, records as u64 + 1);
            assert_eq!(truncated.offset, ends[records] as u64);
        }
    }

    // 28 section, 20 interface, 36 packet, 16 unknown, 36 packet, 20 simple.
    let whole = Pcapng::new(Little)
        .interface(1, 0, &[])
        .enhanced(0, 1, 3, b"one")
        .block(0xbad, b"skip")
        .enhanced(0, 2, 3, b"two")
        .simple(4, b"last")
        .bytes;
    let frames = read(&whole).unwrap().0;
    assert_eq!((whole.len(), frames.len()), (156, 3));
    let blocks = [28, 48, 84, 100, 136, 156];
    for cut in 28..=whole.len() {
        let (kept, summary) = read(&whole[..cut]).unwrap();
        let records = [84, 136, 156].iter().filter(|end| **end <= cut).count();
        assert_eq!(kept, frames[..records], "cut at {cut}");
        assert_eq!(
            summary.truncated.is_none(),
            blocks.contains(&cut),
            "cut at {cut}"
        );
        let begin = blocks.iter().rev().find(|end| **end <= cut);
        assert_eq!(
            summary.truncated.map(|t| t.offset),
            begin.filter(|end| **end < cut).map(|end| *end as u64),
        );
    }
}

#[test]
fn several_inputs_are_one_trace() {
    let a = Pcap::new(Little, MICROS, 1)
        .record(1, 0, 1, b"a")
        .record(4, 0, 1, b"b");
    let b = Pcapng::new(Big)
        .interface(101, 0, &[(9, &[0])])
        .enhanced(0, 2, 1, b"c")
        .enhanced(0, 1, 1, b"d") // out of order within its file
        .enhanced(0, 4, 1, b"e");
    let c = Pcap::new(Little, MICROS, 1);
    let inputs = [&a.bytes, &b.bytes, &c.bytes];
    let inputs = inputs
        .iter()
        .enumerate()
        .map(|(i, bytes)| (i.to_string(), drip(bytes, 11)));
    let reader = Reader::from_reads(inputs.collect(), &Options::default()).unwrap();
    let (frames, summaries) = drain(reader).unwrap();
    let order: Vec<u8> = frames.iter().map(|f| f.data[0]).collect();
    assert_eq!(order, b"acdbe");
    let packets: Vec<u64> = summaries.iter().map(|s| s.packets).collect();
    assert_eq!(packets, [2, 3, 0]);
}

/// Fails after some bytes as a disk does.
struct Failing(std::io::Cursor<Vec<u8>>);

impl std::io::Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::Error::other("disk on fire")),
            n => Ok(n),
        }
    }
}

#[test]
fn a_failing_disk_is_an_error_and_the_others_go_on() {
    let bad = Pcap::new(Little, MICROS, 1).record(1, 0, 1, b"a").bytes;
    let good = Pcap::new(Little, MICROS, 1)
        .record(2, 0, 1, b"b")
        .record(3, 0, 1, b"c")
        .bytes;
    let bad = Box::new(Failing(std::io::Cursor::new(bad)));
    let inputs = vec![("bad".into(), bad as _), ("good".into(), boxed(&good))];
    let mut reader = Reader::from_reads(inputs, &Options::default()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().data, b"a");
    let error = reader.next().err().unwrap().to_string();
    assert!(
        error.contains("bad: reading failed after byte 41 (record 1): disk on fire"),
        "{error}"
    );
    assert_eq!(reader.next().unwrap().unwrap().data, b"b");
    assert_eq!(reader.next().unwrap().unwrap().data, b"c");
    assert!(reader.next().unwrap().is_none());
    let summaries = reader.summaries();
    assert!(summaries[0].truncated.is_some() && summaries[1].truncated.is_none());
}

#[test]
fn the_hash_is_of_the_bytes_as_stored() {
    use sha2::{Digest, Sha256};
    let options = Options {
        hash: true,
        ..Options::default()
    };
    let damaged = many().raw([1, 1, u32::MAX, 1], &[9; 300_000]).bytes;
    let mut gz = gzip(&many().bytes);
    gz.extend([1; 200_000]);
    for bytes in [many().bytes, damaged, gz, zstd(&many().bytes)] {
        let reader = Reader::from_read("test", drip(&bytes, 1 << 17), &options).unwrap();
        let (frames, summaries) = drain(reader).unwrap();
        assert_eq!(frames.len(), 5000);
        let expected: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(summaries[0].sha256, Some(expected));
    }
    assert_eq!(read(&many().bytes).unwrap().1.sha256, None);
}

#[test]
fn filters_count_what_they_refuse() {
    let ip = |protocol| {
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol]);
        bytes.resize(54, 0);
        bytes
    };
    let file = Pcap::new(Big, MICROS, 1)
        .record(1, 0, 1514, &ip(6))
        .record(2, 0, 54, &ip(6))
        .record(3, 0, 1514, &ip(17));
    let options = |filter: &str| Options {
        filter: Some(filter.to_owned()),
        ..Options::default()
    };
    let open = |filter: &str| Reader::from_read("test", boxed(&file.bytes), &options(filter));
    let (frames, summaries) = drain(open("tcp and greater 1000").unwrap()).unwrap();
    assert_eq!(frames, [kept(SECOND, 1514, &ip(6))]);
    assert_eq!((summaries[0].packets, summaries[0].filtered_out), (3, 2));
    assert_eq!(summaries[0].last, Some(Timestamp(3 * SECOND)));
    assert!(matches!(
        open("tcp and").err(),
        Some(CaptureError::Filter { .. })
    ));
    assert!(matches!(
        open("host example.com").err(),
        Some(CaptureError::FilterName { .. })
    ));

    let mixed = Pcapng::new(Little)
        .interface(1, 0, &[])
        .interface(65_000, 0, &[])
        .enhanced(0, 1_000_000, 1514, &ip(6))
        .enhanced(1, 2, 1514, &ip(6));
    let reader = Reader::from_read("test", boxed(&mixed.bytes), &options("tcp")).unwrap();
    let (frames, summaries) = drain(reader).unwrap();
    assert_eq!(frames, [kept(SECOND, 1514, &ip(6))]);
    assert_eq!(summaries[0].filtered_out, 1);
    assert!(summaries[0].warnings[0].contains("left out: 1 (link type 65000"));
}

#[test]
fn files_tell_how_much_is_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&many().bytes).unwrap();
    let path = file.path().to_owned();
    let size = many().bytes.len() as u64;
    let mut reader = Reader::open(&[path.clone(), path], &Options::default()).unwrap();
    assert_eq!(reader.total_bytes(), Some(2 * size));
    let mut frames = 0;
    while reader.next().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!((frames, reader.bytes_read()), (10_000, 2 * size));
    let reader = Reader::from_read("test", boxed(&many().bytes), &Options::default()).unwrap();
    assert_eq!(reader.total_bytes(), None);
}

#[cfg(unix)]
#[test]
fn a_fifo_is_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("capture");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap();
    assert!(made.success());
    let to = fifo.clone();
    let writer = std::thread::spawn(move || {
        let mut to = std::fs::File::create(to).unwrap();
        for part in many().bytes.chunks(1000) {
            to.write_all(part).unwrap();
        }
    });
    let reader = Reader::open(&[fifo], &Options::default()).unwrap();
    assert_eq!(drain(reader).unwrap().0.len(), 5000);
    writer.join().unwrap();
}
