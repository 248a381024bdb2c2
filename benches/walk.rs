//! The least that reading a capture costs: classic pcap read in pieces of 256 KiB, stepping from record to record by their
//! lengths. Nothing behind a record's header is looked at. `walk FILE` prints how many records there are and how long they
//! were on the wire; what `stp-audit infer` costs is told in multiples of this.

use std::fs::File;
use std::io::{self, Read};

const PIECE: usize = 256 * 1024;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Records, and the sum of their original lengths.
#[derive(Debug, PartialEq, Eq)]
struct Walked {
    records: u64,
    wire_bytes: u64,
}

fn main() -> io::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or_else(|| bad("usage: walk FILE"))?;
    let Walked {
        records,
        wire_bytes,
    } = walk(File::open(path)?)?;
    println!("{records} records, {wire_bytes} bytes on the wire");
    Ok(())
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Walks over little-endian pcap, the kind that machines of today write.
fn walk(mut source: impl Read) -> io::Result<Walked> {
    let mut header = [0; FILE_HEADER];
    source.read_exact(&mut header)?;
    if !matches!(
        header[..4],
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]
    ) {
        return Err(bad("no little-endian pcap"));
    }
    let mut piece = vec![0; PIECE];
    let mut walked = Walked {
        records: 0,
        wire_bytes: 0,
    };
    // Bytes of the piece not stepped over yet begin at `at` and end at `filled`.
    let (mut at, mut filled) = (0, 0);
    loop {
        while let Some(record) = piece[at..filled].first_chunk::<RECORD_HEADER>() {
            let kept = number(record, 8) as usize;
            if RECORD_HEADER + kept > PIECE {
                return Err(bad("a record longer than the buffer"));
            }
            if filled - at < RECORD_HEADER + kept {
                break;
            }
            walked.records += 1;
            walked.wire_bytes += u64::from(number(record, 12));
            at += RECORD_HEADER + kept;
        }
        piece.copy_within(at..filled, 0);
        (at, filled) = (0, filled - at);
        match source.read(&mut piece[filled..])? {
            0 if filled == 0 => return Ok(walked),
            0 => return Err(bad("cut off within a record")),
            more => filled += more,
        }
    }
}

fn number(record: &[u8; RECORD_HEADER], at: usize) -> u32 {
    u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of records that keep and were `lengths` long.
    fn file(lengths: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1];
        bytes.resize(FILE_HEADER, 0);
        for (kept, wire) in lengths {
            bytes.extend([0; 8]);
            bytes.extend(kept.to_le_bytes());
            bytes.extend(wire.to_le_bytes());
            bytes.extend(vec![0xff; *kept as usize]);
        }
        bytes
    }

    #[test]
    fn every_record_is_counted_across_pieces() {
        // 3,000 x 216 bytes are two and a half pieces.
        let bytes = file(&[(200, 1500); 3000]);
        let walked = walk(bytes.as_slice()).unwrap();
        assert_eq!((walked.records, walked.wire_bytes), (3000, 4_500_000));
    }

    #[test]
    fn a_cut_file_and_another_format_are_refused() {
        let bytes = file(&[(60, 60), (60, 60)]);
        assert!(walk(&bytes[..bytes.len() - 1]).is_err());
        assert!(walk(&[0x0a, 0x0d, 0x0d, 0x0a].repeat(10)[..]).is_err());
    }
}
