//! Files that lie, break off or go round in circles, each a few dozen bytes, with what is wrong in them and how many packets
//! can be read nonetheless.
//!
//! Where a frame is the strange one, a sound frame follows: a question for [`AFTER`]. Whoever stumbles does not hear it.

use super::chance::Chance;
use super::file::{self, Classic, Order};
use super::packet::{Bytes, SECOND};
use super::strange::{frames, patched, question, udp, AT};
use std::io::Write;

/// The name asked in the sound frame after a strange one.
pub const AFTER: &str = "after.example";

/// One broken file.
pub struct Case {
    pub name: String,
    pub wrong: &'static str,
    /// Packet records that can be read; none where the file is no capture at all and is refused.
    pub packets: Option<u64>,
    /// Whether the file ends, or is damaged, before its last record.
    pub cut: bool,
    /// Whether the sound question for [`AFTER`] can be heard.
    pub heard: bool,
    pub bytes: Vec<u8>,
}

const LITTLE: Order = Order::Little;

fn sound() -> Vec<u8> {
    udp(53, question(AFTER))
}

fn bytes(at: i64, kept: Vec<u8>) -> Bytes {
    Bytes {
        at,
        wire_len: kept.len() as u32,
        kept,
    }
}

fn record(at: i64, kept: Vec<u8>) -> Vec<u8> {
    file::pcap_record(LITTLE, Classic::Micros, &bytes(at, kept))
}

fn header() -> Vec<u8> {
    file::pcap_header(LITTLE, Classic::Micros, 1)
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    files_of_pcap(&mut all);
    files_of_pcapng(&mut all);
    files_compressed(&mut all);
    for (name, wrong, frame) in frames() {
        let bytes = [header(), record(AT, frame), record(AT + SECOND, sound())].concat();
        all.push(Case {
            name: format!("{name}.pcap"),
            wrong,
            packets: Some(2),
            cut: false,
            heard: true,
            bytes,
        });
    }
    all
}

fn put(
    all: &mut Vec<Case>,
    name: &str,
    wrong: &'static str,
    packets: Option<u64>,
    cut: bool,
    heard: bool,
    bytes: Vec<u8>,
) {
    all.push(Case {
        name: name.to_owned(),
        wrong,
        packets,
        cut,
        heard,
        bytes,
    });
}

fn files_of_pcap(all: &mut Vec<Case>) {
    let one = || [header(), record(AT, sound())].concat();
    let next = || record(AT + SECOND, sound());
    put(
        all,
        "empty.pcap",
        "no byte at all",
        None,
        false,
        false,
        Vec::new(),
    );
    put(
        all,
        "magic-wrong.pcap",
        "text, no capture",
        None,
        false,
        false,
        b"This is a shopping list, not a capture.\n".to_vec(),
    );
    put(
        all,
        "magic-short.pcap",
        "three bytes of the magic number",
        None,
        false,
        false,
        header()[..3].to_vec(),
    );
    put(
        all,
        "header-cut.pcap",
        "ends within the file's header",
        None,
        false,
        false,
        header()[..23].to_vec(),
    );
    put(
        all,
        "header-only.pcap",
        "a header and no packet",
        Some(0),
        false,
        false,
        header(),
    );
    put(
        all,
        "record-header-cut.pcap",
        "ends within the second record's header",
        Some(1),
        true,
        true,
        [one(), next()[..7].to_vec()].concat(),
    );
    put(
        all,
        "record-cut.pcap",
        "ends within the second record's bytes",
        Some(1),
        true,
        true,
        [one(), next()[..40].to_vec()].concat(),
    );
    let huge = patched(next(), 8, &[0xff; 4]);
    put(
        all,
        "record-4g.pcap",
        "the second record says it holds 4 GB",
        Some(1),
        true,
        true,
        [one(), huge].concat(),
    );
    let longer = patched(next(), 12, &20_u32.to_le_bytes());
    put(
        all,
        "kept-more-than-sent.pcap",
        "the second record holds more bytes than the packet had",
        Some(2),
        false,
        true,
        [one(), longer].concat(),
    );
    let far = [header(), record(0, sound()), patched(next(), 0, &[0xff; 4])].concat();
    put(
        all,
        "1970-and-2106.pcap",
        "one packet in 1970, one in 2106",
        Some(2),
        false,
        true,
        far,
    );
    let back = [header(), next(), record(AT, sound())].concat();
    put(
        all,
        "back-in-time.pcap",
        "the second packet is older than the first",
        Some(2),
        false,
        true,
        back,
    );
    let over = patched(next(), 4, &2_500_000_u32.to_le_bytes());
    put(
        all,
        "micros-over.pcap",
        "2,500,000 microseconds in a second",
        Some(2),
        false,
        true,
        [one(), over].concat(),
    );
    let mut strange = header();
    strange[20..24].copy_from_slice(&147_u32.to_le_bytes());
    put(
        all,
        "link-unknown.pcap",
        "a link type for private use",
        Some(1),
        false,
        false,
        [strange, record(AT, sound())].concat(),
    );
}

fn files_of_pcapng(all: &mut Vec<Case>) {
    let section = || file::section(LITTLE, "");
    let start = || [section(), file::interface(LITTLE, 1, 0, &[])].concat();
    let packet = |interface| {
        let units = (AT / 1000) as u64;
        file::enhanced(LITTLE, interface, units, &bytes(AT, sound()))
    };
    let one = || [start(), packet(0)].concat();
    put(
        all,
        "ng-order-unknown.pcapng",
        "a byte-order magic of neither order",
        None,
        false,
        false,
        patched(start(), 8, &[1, 2, 3, 4]),
    );
    put(
        all,
        "ng-section-only.pcapng",
        "a section and nothing in it",
        Some(0),
        false,
        false,
        section(),
    );
    put(
        all,
        "ng-cut.pcapng",
        "ends within the second packet's block",
        Some(1),
        true,
        true,
        [one(), packet(0)[..50].to_vec()].concat(),
    );
    put(
        all,
        "ng-length-0.pcapng",
        "a block of length 0",
        Some(1),
        true,
        true,
        [one(), patched(packet(0), 4, &[0; 4])].concat(),
    );
    put(
        all,
        "ng-length-4g.pcapng",
        "a block of 4 GB",
        Some(1),
        true,
        true,
        [one(), patched(packet(0), 4, &[0xfc, 0xff, 0xff, 0xff])].concat(),
    );
    put(
        all,
        "ng-kept-over-block.pcapng",
        "a packet longer than its block",
        Some(1),
        true,
        true,
        [one(), patched(packet(0), 20, &5000_u32.to_le_bytes())].concat(),
    );
    let option = [&[2, 0, 0xff, 0x7f][..], b"eth0"].concat();
    let body = [&[1, 0, 0, 0, 0, 0, 4, 0][..], &option].concat();
    let bytes = [section(), file::block(LITTLE, 1, &body), packet(0)].concat();
    put(
        all,
        "ng-option-over-block.pcapng",
        "an option longer than its block",
        Some(1),
        false,
        true,
        bytes,
    );
}

fn files_compressed(all: &mut Vec<Case>) {
    let plain = [header(), record(AT, sound()), record(AT + SECOND, sound())].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    // Without compression: a header of 10 bytes, then blocks as they are; the second packet is cut.
    let cut = gzip.len() - 8 - 30;
    put(
        all,
        "gzip-cut.pcap.gz",
        "gzip that ends within the second packet",
        Some(1),
        true,
        true,
        gzip[..cut].to_vec(),
    );
    put(
        all,
        "gzip-header-only.gz",
        "gzip's header and nothing after",
        None,
        false,
        false,
        gzip[..10].to_vec(),
    );
    put(
        all,
        "zstd-garbage.zst",
        "zstd's magic, then noise",
        None,
        false,
        false,
        [&[0x28, 0xb5, 0x2f, 0xfd][..], &Chance::of("zstd").bytes(40)].concat(),
    );
}
