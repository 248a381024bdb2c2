//! The records of a classic pcap file, as they are written: header and packets, little-endian, times in nanoseconds
//! (draft-ietf-opsawg-pcap, sections 4 and 5).

/// Says that fractions of a second are nanoseconds.
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Numbers before a packet's bytes.
const RECORD_HEAD: usize = 16;
const NANOS: u64 = 1_000_000_000;

/// The file's header.
pub(super) fn header(into: &mut Vec<u8>, link: u16, snaplen: u32) {
    into.extend(NANOSECONDS.to_le_bytes());
    into.extend([2, 0, 4, 0]); // version 2.4
    into.extend([0; 8]);
    into.extend(snaplen.to_le_bytes());
    into.extend(u32::from(link).to_le_bytes());
}

/// A packet; the format ends in 2106, and a later time is written as its last second.
#[inline]
pub(super) fn packet(into: &mut Vec<u8>, at: u64, wire_len: u32, data: &[u8]) {
    let seconds = u32::try_from(at / NANOS).unwrap_or(u32::MAX);
    let head = [seconds, (at % NANOS) as u32, data.len() as u32, wire_len];
    let mut bytes = [0; RECORD_HEAD];
    for (place, number) in bytes.chunks_exact_mut(4).zip(head) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    into.extend_from_slice(&bytes);
    into.extend_from_slice(data);
}

/// Of records that end anywhere, the bytes of those that are whole within the first `limit`, and how many there are. A file's
/// header may come before them.
pub(super) fn whole(records: &[u8], limit: usize) -> (usize, u64) {
    let limit = limit.min(records.len());
    let mut end = 0;
    if records.starts_with(&NANOSECONDS.to_le_bytes()) {
        if limit < 24 {
            return (0, 0);
        }
        end = 24;
    }
    let mut packets = 0;
    while let Some(Some([a, b, c, d])) = records
        .get(end..)
        .map(|left| left.get(8..).and_then(|left| left.first_chunk()))
    {
        let kept = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let next = end.saturating_add(RECORD_HEAD).saturating_add(kept);
        if next > limit {
            break;
        }
        end = next;
        packets += 1;
    }
    (end, packets)
}

#[cfg(test)]
mod tests {
    use super::super::{LinkType, Options, Reader};
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn what_is_written_is_read_back() {
        let mut file = Vec::new();
        header(&mut file, 1, 256);
        packet(&mut file, 1_700_000_000_123_456_789, 1_500, &[9; 40]);
        packet(&mut file, u64::MAX, 3, &[1, 2, 3]);
        let whole_file = file.len();
        let origin = Box::new(std::io::Cursor::new(file.clone()));
        let mut reader = Reader::from_read("written", origin, &Options::default()).unwrap();
        let frame = reader.next().unwrap().unwrap();
        assert_eq!(frame.at, Timestamp::new(1_700_000_000, 123_456_789));
        assert_eq!((frame.link, frame.wire_len), (LinkType::ETHERNET, 1_500));
        assert_eq!(frame.data, [9; 40]);
        assert_eq!(reader.next().unwrap().unwrap().data, [1, 2, 3]);

        assert_eq!(whole(&file, whole_file), (whole_file, 2));
        assert_eq!(whole(&file, whole_file - 1), (24 + 56, 1));
        assert_eq!(whole(&file[24..], 56), (56, 1));
        assert_eq!(whole(&file, 23), (0, 0));
    }
}
