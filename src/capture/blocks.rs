//! The blocks of a pcapng file, put together in a buffer: section, interface, packet, statistics
//! (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3 and 4.6). Little-endian, times in nanoseconds.

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Options of any block: end, comment.
const END: u16 = 0;
const COMMENT: u16 = 1;
/// Options of a section.
const HARDWARE: u16 = 2;
const SYSTEM: u16 = 3;
const APPLICATION: u16 = 4;
/// Options of an interface.
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const RESOLUTION: u16 = 9;
const FILTER: u16 = 11;
const INTERFACE_SYSTEM: u16 = 12;
/// Options of statistics.
const BEGAN: u16 = 2;
const ENDED: u16 = 3;
const RECEIVED: u16 = 4;
const LOST: u16 = 5;
const SYSTEM_LOST: u16 = 7;
const DELIVERED: u16 = 8;
/// Times count 10^-9 s.
const NANOSECONDS: u8 = 9;
/// Block type, length, and the five numbers before a packet's bytes.
const PACKET_HEAD: usize = 28;
/// Text of an option that is kept: its length is written in 16 bits.
const OPTION_AT_MOST: usize = 32_000;

/// Who recorded, for those who look into the file; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Section<'a> {
    pub(super) hardware: &'a str,
    pub(super) system: &'a str,
    pub(super) program: &'a str,
    pub(super) comment: &'a str,
}

/// What was recorded from, for those who look into the file; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Interface<'a> {
    pub(super) link: u16,
    pub(super) snaplen: u32,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) filter: &'a str,
    pub(super) system: &'a str,
}

/// What became of an interface's packets; times in nanoseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Statistics<'a> {
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) system_lost: u64,
    pub(super) delivered: u64,
    pub(super) comments: &'a [String],
}

/// A section header.
pub(super) fn section(into: &mut Vec<u8>, about: &Section<'_>) {
    block(into, SECTION, |body| {
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend(u64::MAX.to_le_bytes()); // how long the section is, is not told
        option(body, COMMENT, about.comment.as_bytes());
        option(body, HARDWARE, about.hardware.as_bytes());
        option(body, SYSTEM, about.system.as_bytes());
        option(body, APPLICATION, about.program.as_bytes());
        option(body, END, &[]);
    });
}

/// An interface description; interfaces are numbered from 0 as they are described.
pub(super) fn interface(into: &mut Vec<u8>, about: &Interface<'_>) {
    block(into, INTERFACE, |body| {
        body.extend(about.link.to_le_bytes());
        body.extend([0, 0]);
        body.extend(about.snaplen.to_le_bytes());
        option(body, NAME, about.name.as_bytes());
        option(body, DESCRIPTION, about.description.as_bytes());
        if !about.filter.is_empty() {
            // The first byte says that it is in libpcap's language.
            option(body, FILTER, &[&[0], about.filter.as_bytes()].concat());
        }
        option(body, RESOLUTION, &[NANOSECONDS]);
        option(body, INTERFACE_SYSTEM, about.system.as_bytes());
        option(body, END, &[]);
    });
}

/// A packet of an interface, with what is to be said of it.
#[inline]
pub(super) fn packet(
    into: &mut Vec<u8>,
    interface: u32,
    at: u64,
    wire_len: u32,
    data: &[u8],
    comments: &[String],
) {
    let begin = into.len();
    let head = [
        ENHANCED_PACKET,
        0, // its length, known below
        interface,
        (at >> 32) as u32,
        at as u32,
        data.len() as u32,
        wire_len,
    ];
    let mut bytes = [0; PACKET_HEAD];
    for (place, number) in bytes.chunks_exact_mut(4).zip(head) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    into.extend_from_slice(&bytes);
    into.extend_from_slice(data);
    fill(into, begin);
    if !comments.is_empty() {
        all_comments(into, comments);
        option(into, END, &[]);
    }
    close(into, begin);
}

/// An interface's statistics, with what was left to be said of it.
pub(super) fn statistics(into: &mut Vec<u8>, interface: u32, at: u64, of: &Statistics<'_>) {
    let time = |at: u64| {
        let [high, low] = [(at >> 32) as u32, at as u32].map(u32::to_le_bytes);
        [high, low].concat()
    };
    block(into, STATISTICS, |body| {
        body.extend(interface.to_le_bytes());
        body.extend(time(at));
        all_comments(body, of.comments);
        option(body, BEGAN, &time(of.began));
        option(body, ENDED, &time(of.ended));
        for (code, count) in [
            (RECEIVED, of.received),
            (LOST, of.lost),
            (SYSTEM_LOST, of.system_lost),
            (DELIVERED, of.delivered),
        ] {
            option(body, code, &count.to_le_bytes());
        }
        option(body, END, &[]);
    });
}

/// Of blocks that end anywhere, the bytes of those that are whole within the first `limit`, and how many of them are packets.
pub(super) fn whole(blocks: &[u8], limit: usize) -> (usize, u64) {
    let (mut end, mut packets) = (0, 0);
    loop {
        let Some([a, b, c, d, e, f, g, h]) = blocks.get(end..).and_then(|left| left.first_chunk())
        else {
            return (end, packets);
        };
        let kind = u32::from_le_bytes([*a, *b, *c, *d]);
        let total = u32::from_le_bytes([*e, *f, *g, *h]) as usize;
        let next = end.saturating_add(total);
        if total < 12 || next > limit.min(blocks.len()) {
            return (end, packets);
        }
        end = next;
        packets += u64::from(kind == ENHANCED_PACKET);
    }
}

/// A block: type, length, body, length.
fn block(into: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = into.len();
    into.extend(kind.to_le_bytes());
    into.extend([0; 4]);
    body(into);
    close(into, begin);
}

/// Ends the block that begins at `begin`: its length is put behind it and into its head.
#[inline]
fn close(into: &mut Vec<u8>, begin: usize) {
    let total = ((into.len() - begin + 4) as u32).to_le_bytes();
    into.extend_from_slice(&total);
    if let Some(place) = into.get_mut(begin + 4..begin + 8) {
        place.copy_from_slice(&total);
    }
}

/// Fills up to four bytes, counted from `begin`.
#[inline]
fn fill(into: &mut Vec<u8>, begin: usize) {
    let wanted = begin + (into.len() - begin).next_multiple_of(4);
    into.resize(wanted, 0);
}

fn all_comments(into: &mut Vec<u8>, comments: &[String]) {
    for comment in comments {
        option(into, COMMENT, comment.as_bytes());
    }
}

/// An option: code, length, value, filled up to four bytes. One without a value is left out, but for the one that ends them.
fn option(into: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..OPTION_AT_MOST).unwrap_or(value);
    if value.is_empty() && code != END {
        return;
    }
    let begin = into.len();
    into.extend(code.to_le_bytes());
    into.extend((value.len() as u16).to_le_bytes());
    into.extend(value);
    fill(into, begin);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_block_is_as_the_draft_draws_it() {
        let mut bytes = vec![9; 3]; // what stands before makes no difference to filling
        packet(&mut bytes, 1, 0x0000_0002_0000_0003, 60, &[7; 5], &[]);
        let expected = [
            &[9, 9, 9][..],
            &[6, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
            &[5, 0, 0, 0, 60, 0, 0, 0, 7, 7, 7, 7, 7, 0, 0, 0, 40, 0, 0, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn whole_blocks_are_told_from_a_cut_one() {
        let mut bytes = Vec::new();
        section(&mut bytes, &Section::default());
        let head = bytes.len();
        packet(&mut bytes, 0, 1, 4, &[1; 4], &["a gap".into()]);
        let one = bytes.len();
        packet(&mut bytes, 0, 1, 4, &[1; 4], &[]);
        let two = bytes.len();
        assert_eq!(whole(&bytes, two), (two, 2));
        assert_eq!(whole(&bytes, two - 1), (one, 1));
        assert_eq!(whole(&bytes[..two - 1], usize::MAX), (one, 1));
        assert_eq!(whole(&bytes, one), (one, 1));
        assert_eq!(whole(&bytes, head + 3), (head, 0));
        assert_eq!(whole(&bytes, 7), (0, 0));
        assert_eq!(whole(&[0; 64], 64), (0, 0));
    }
}
