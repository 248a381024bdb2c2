//! Puts frames on an interface at a steady rate: `sender INTERFACE PACKETS PER-SECOND BYTES`, 0 a second as fast as it goes.
//!
//! UDP from 1,000 ports of one address to another, the packet's number in the first eight bytes of its payload. Prints how many
//! were sent and how long that took.

use std::time::{Duration, Instant};

/// Ethernet, IPv4 and UDP.
const HEADERS: usize = 14 + 20 + 8;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let (Some(interface), Some(packets), Some(rate), Some(bytes)) =
        (words.get(1), number(2), number(3), number(4))
    else {
        eprintln!("usage: sender INTERFACE PACKETS PER-SECOND BYTES");
        std::process::exit(2);
    };
    let bytes = usize::try_from(bytes)
        .unwrap_or(200)
        .clamp(HEADERS + 8, 1514);
    let inactive = pcap::Capture::from_device(interface.as_str()).expect("an interface");
    let mut cable = inactive.snaplen(64).open().expect("root");
    let mut frame = frame(bytes);
    let begin = Instant::now();
    for packet in 0..packets {
        // Spinning, for sleeps are too coarse: at 50,000 a second one packet each 20 microseconds.
        let due = packet.saturating_mul(1_000_000_000).checked_div(rate);
        let due = begin + Duration::from_nanos(due.unwrap_or(0));
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let port = 20_000 + (packet % 1_000) as u16;
        frame[34..36].copy_from_slice(&port.to_be_bytes());
        frame[HEADERS..HEADERS + 8].copy_from_slice(&packet.to_be_bytes());
        cable.sendpacket(&frame[..]).expect("the interface is up");
    }
    let took = begin.elapsed();
    println!(
        "{packets} packets of {bytes} bytes in {:.3} s",
        took.as_secs_f64()
    );
}

/// A frame but for its port and number.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x5a; bytes];
    let length = |from: usize| ((bytes - from) as u16).to_be_bytes();
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    let [high, low] = length(14);
    frame[14..34].copy_from_slice(&[
        0x45, 0, high, low, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 168, 1, 2, 203, 0, 113, 7,
    ]);
    let words = frame[14..34]
        .chunks_exact(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])));
    let sum: u32 = words.sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let [high, low] = length(34);
    frame[34..42].copy_from_slice(&[0, 0, 0x01, 0xbb, high, low, 0, 0]);
    frame
}

#[test]
fn a_frame_is_whole() {
    let frame = frame(200);
    let sliced = etherparse::SlicedPacket::from_ethernet(&frame).unwrap();
    let ip = sliced.net.unwrap();
    let header = ip.ipv4_ref().unwrap().header();
    assert_eq!(
        header.header_checksum(),
        header.to_header().calc_header_checksum()
    );
    assert_eq!(header.total_len(), 186);
}
