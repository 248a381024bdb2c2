//! Makes captures of any length to measure on: one invented home's LAN, in classic pcap, streamed and never stored.
//!
//! `generate [--packets N] [--snaplen BYTES] [--devices N] [--seed N] FILE`. The same words give the same bytes, and a
//! longer capture begins with the shorter one: the same home, watched longer. Servers live in the ranges for documentation
//! and benchmarks (RFC 2544, RFC 3849); what they say is noise of the right length.

// How packets and messages are written is what fixtures/ are written by; each recipe uses a part.
#[allow(dead_code)]
#[path = "../../tests/recipe/chance.rs"]
mod chance;
#[allow(dead_code)]
#[path = "../../tests/recipe/dns.rs"]
mod dns;
#[allow(dead_code)]
#[path = "../../tests/recipe/file.rs"]
mod file;
mod home;
#[allow(dead_code)]
#[path = "../../tests/recipe/packet.rs"]
mod packet;
mod talk;
#[allow(dead_code)]
#[path = "../../tests/recipe/tls.rs"]
mod tls;

use file::{Classic, Order};
use home::Home;
use packet::SECOND;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// 2 March 2026, 06:00 UTC.
const BEGIN: packet::Nanos = 1_772_431_200 * SECOND;
const ETHERNET: u32 = 1;
const USAGE: &str = "usage: generate [--packets N] [--snaplen BYTES] [--devices N] [--seed N] FILE";

struct Wish {
    packets: u64,
    snaplen: usize,
    devices: usize,
    seed: u64,
    file: PathBuf,
}

impl Wish {
    fn typed(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let (mut packets, mut snaplen, mut devices, mut seed) = (100_000, 262_144, 40, 1);
        let mut file = None;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--packets" => packets = words.next()?.parse().ok()?,
                "--snaplen" => snaplen = words.next()?.parse().ok()?,
                "--devices" => devices = words.next()?.parse().ok()?,
                "--seed" => seed = words.next()?.parse().ok()?,
                _ if word.starts_with('-') => return None,
                _ => file = Some(word.into()),
            }
        }
        let file = file?;
        // Every device has an address of its own in 192.168.1.0/24.
        (1..=200).contains(&devices).then_some(Self {
            packets,
            snaplen,
            devices,
            seed,
            file,
        })
    }
}

fn main() -> io::Result<()> {
    let Some(wish) = Wish::typed(std::env::args().skip(1)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE));
    };
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&wish.file)?);
    write(&wish, &mut out)?;
    out.flush()
}

/// Writes the capture.
fn write(wish: &Wish, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&file::pcap_header(Order::Little, Classic::Micros, ETHERNET))?;
    let mut home = Home::new(wish.seed, wish.devices, BEGIN);
    for _ in 0..wish.packets {
        let mut bytes = home.next_packet().whole();
        bytes.kept.truncate(wish.snaplen);
        out.write_all(&file::pcap_record(Order::Little, Classic::Micros, &bytes))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(packets: u64, snaplen: usize) -> Vec<u8> {
        let words = format!("--packets {packets} --snaplen {snaplen} --devices 12 --seed 7 x");
        let wish = Wish::typed(words.split(' ').map(str::to_owned)).unwrap();
        let mut bytes = Vec::new();
        write(&wish, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_longer_capture_begins_with_the_shorter() {
        let (short, long) = (made(500, 262_144), made(5000, 262_144));
        assert!(short.len() > 24 + 500 * 16);
        assert_eq!(short[..], long[..short.len()]);
    }

    #[test]
    fn records_are_cut_at_the_snaplen_and_in_order_of_time() {
        let bytes = made(5000, 96);
        let (mut at, mut last, mut records, mut cut) = (24, (0, 0), 0, 0);
        while at < bytes.len() {
            let field =
                |i: usize| u32::from_le_bytes(bytes[at + i..at + i + 4].try_into().unwrap());
            assert!((field(0), field(4)) >= last);
            assert!(field(8) <= 96);
            last = (field(0), field(4));
            cut += u32::from(field(8) < field(12));
            records += 1;
            at += 16 + field(8) as usize;
        }
        assert_eq!(records, 5000);
        assert!(cut > 1000, "{cut} were cut");
    }
}
