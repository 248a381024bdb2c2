//! A datagram on the wire, byte by byte.
//!
//! Every datagram, in both directions and always, has the size of a cell: 28 bytes of outer IPv4 and UDP headers, which the
//! operating system writes, then the payload:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | header: kind (2), key (2), counter (4), veiled |
//! | 8 | control, encrypted: what the ends tell each other of padding, and where packets begin |
//! | rest | genuine bytes, then zeros; encrypted |
//! | 16 | authentication tag |
//!
//! A handshake message has the same header; its ephemeral key and its padding take the place of the rest. The header is
//! veiled as QUIC hides its packet numbers (RFC 9001, section 5.4): combined with a keyed hash of 16 bytes of what follows,
//! under a key that both ends derive from their static ones. So an observer sees no kind, no key and no counter, and whoever
//! does not know the veil is turned away, all but one in 22,000, for the price of one hash.

use crate::stp::lane::CELL_HEADER_BYTES;
use sha2::{Digest, Sha256};

/// IPv4 header without options, and UDP header.
pub const OUTER_BYTES: usize = 28;

/// Kind, key and counter.
pub const HEADER_BYTES: usize = 8;

/// What the ends tell each other.
pub const CONTROL_BYTES: usize = 8;

/// An authentication tag of ChaCha20-Poly1305.
pub const TAG_BYTES: usize = 16;

// What the shaper reckons with is what the wire has.
const _: () =
    assert!(OUTER_BYTES + HEADER_BYTES + CONTROL_BYTES + TAG_BYTES == CELL_HEADER_BYTES as usize);

/// Smallest and largest cell of a gateway: room for a handshake, and one Ethernet frame.
pub const CELLS: std::ops::RangeInclusive<u32> = 128..=1500;

/// Bytes that the veil is made from.
const SAMPLE_BYTES: usize = 16;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A cell: cover or genuine.
    Cell,
    /// The first message of a handshake.
    Opening,
    /// The second.
    Answer,
}

/// Far enough apart that no single flipped bit makes one of another.
const KINDS: [(u16, Kind); 3] = [
    (0x3a5c, Kind::Cell),
    (0xc5a3, Kind::Opening),
    (0x96f0, Kind::Answer),
];

/// What stands in front of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Which of the keys that are valid at a time; 0 of a handshake.
    pub key: u16,
    /// The low half of the counter that is its nonce; 0 of a handshake.
    pub counter: u32,
}

/// The key that hides headers of one direction.
#[derive(Clone)]
pub struct Veil([u8; 32]);

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Veil(..)")
    }
}

impl Veil {
    /// Of a secret that both ends share, for what the owner of a public key sends.
    pub fn new(shared: &[u8; 32], sender: &[u8; 32]) -> Self {
        let hash = Sha256::new()
            .chain_update(b"stp-audit veil")
            .chain_update(shared)
            .chain_update(sender);
        Self(hash.finalize().into())
    }

    fn mask(&self, rest: &[u8]) -> Option<[u8; HEADER_BYTES]> {
        let sample = rest.get(..SAMPLE_BYTES)?;
        let hash = Sha256::new().chain_update(self.0).chain_update(sample);
        let hash = hash.finalize();
        hash.first_chunk().copied()
    }

    /// Writes a header in front of a datagram whose rest is complete. Shorter ones stay as they are.
    pub fn write(&self, header: Header, datagram: &mut [u8]) {
        let number = KINDS.iter().find(|(_, kind)| *kind == header.kind);
        let number = number.map_or(0, |(number, _)| *number);
        let Some((front, rest)) = datagram.split_first_chunk_mut::<HEADER_BYTES>() else {
            return;
        };
        let Some(mask) = self.mask(rest) else { return };
        let [a, b] = number.to_be_bytes();
        let [c, d] = header.key.to_be_bytes();
        let [e, f, g, h] = header.counter.to_be_bytes();
        *front = [a, b, c, d, e, f, g, h];
        for (byte, mask) in front.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }

    /// The header of a datagram; `None` where it is none that this veil hides.
    pub fn read(&self, datagram: &[u8]) -> Option<Header> {
        let (front, rest) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let mut front = *front;
        for (byte, mask) in front.iter_mut().zip(self.mask(rest)?) {
            *byte ^= mask;
        }
        let [a, b, c, d, e, f, g, h] = front;
        let number = u16::from_be_bytes([a, b]);
        let (_, kind) = KINDS.iter().find(|(known, _)| *known == number)?;
        Some(Header {
            kind: *kind,
            key: u16::from_be_bytes([c, d]),
            counter: u32::from_be_bytes([e, f, g, h]),
        })
    }
}

/// A stretch of padding runs: the word tells which.
const PADDING: u8 = 1;
/// An activity was begun or runs: the word tells until when.
const ACTIVE: u8 = 2;
/// More waits than padding has cells left for.
const WAITS: u8 = 4;
/// No packet begins in this cell.
const NONE: u16 = u16::MAX;

/// What a cell tells besides its genuine bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Of the leader, while padded: number of the stretch, periods over, periods certain to follow; see
    /// [`crate::stp::follower::Follower::obey`].
    pub stretch: Option<[u8; 3]>,
    /// Of the follower: how much longer an activity is known to last, in steps of 100 us, rounded up; negative where it is over.
    pub until: Option<i32>,
    /// Of the follower: more waits than padding has cells left for.
    pub waits: bool,
    /// Where in the body the first packet begins that does; a part of an earlier one lies before it.
    pub first: Option<u16>,
    /// Bytes of the body that are genuine.
    pub length: u16,
}

/// The middle of the 24 bits of a word.
const MIDDLE: i32 = 1 << 23;

impl Control {
    /// As eight bytes. A leader's word and a follower's share a place: where both are told, the leader's is.
    pub fn encode(&self) -> [u8; CONTROL_BYTES] {
        let mut flags = 0;
        let mut word = [0; 3];
        if let Some(steps) = self.until {
            flags |= ACTIVE;
            let biased = steps.clamp(-MIDDLE, MIDDLE - 1) + MIDDLE;
            let [_, a, b, c] = biased.to_be_bytes();
            word = [a, b, c];
        }
        if let Some(stretch) = self.stretch {
            flags = PADDING;
            word = stretch;
        }
        if self.waits {
            flags |= WAITS;
        }
        let [first_high, first_low] = self.first.unwrap_or(NONE).to_be_bytes();
        let [length_high, length_low] = self.length.to_be_bytes();
        let [a, b, c] = word;
        [
            flags,
            first_high,
            first_low,
            length_high,
            length_low,
            a,
            b,
            c,
        ]
    }

    /// Reads eight bytes.
    pub fn decode(bytes: [u8; CONTROL_BYTES]) -> Self {
        let [flags, first_high, first_low, length_high, length_low, a, b, c] = bytes;
        let first = u16::from_be_bytes([first_high, first_low]);
        let biased = i32::from_be_bytes([0, a, b, c]);
        Self {
            stretch: (flags & PADDING != 0).then_some([a, b, c]),
            until: (flags & (ACTIVE | PADDING) == ACTIVE).then_some(biased - MIDDLE),
            waits: flags & WAITS != 0,
            first: (first != NONE).then_some(first),
            length: u16::from_be_bytes([length_high, length_low]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_by_those_who_know_the_veil_alone() {
        let veil = Veil::new(&[1; 32], &[2; 32]);
        let header = Header {
            kind: Kind::Answer,
            key: 0xbeef,
            counter: 0x0102_0304,
        };
        let mut datagram = [7u8; 100];
        veil.write(header, &mut datagram);
        assert_eq!(veil.read(&datagram), Some(header));
        assert_eq!(Veil::new(&[1; 32], &[3; 32]).read(&datagram), None);
        // Nothing of it stands there in the clear, and the same header looks different before another body.
        assert_ne!(datagram[..2], 0x96f0u16.to_be_bytes());
        let mut other = [8u8; 100];
        veil.write(header, &mut other);
        assert_ne!(datagram[..8], other[..8]);
        for short in [0, 7, 8, 23] {
            assert_eq!(veil.read(&datagram[..short]), None);
        }
    }

    #[test]
    fn control_is_what_it_was() {
        let leader = Control {
            stretch: Some([255, 1, 2]),
            first: Some(0),
            length: 940,
            ..Control::default()
        };
        assert_eq!(leader.encode(), [1, 0, 0, 3, 172, 255, 1, 2]);
        let follower = Control {
            until: Some(-1),
            waits: true,
            length: 68,
            ..Control::default()
        };
        assert_eq!(follower.encode(), [6, 255, 255, 0, 68, 127, 255, 255]);
        for control in [leader, follower, Control::default()] {
            assert_eq!(Control::decode(control.encode()), control);
        }
        // Three hours are told as 14 minutes, and told again.
        let long = Control {
            until: Some(108_000_000),
            ..Control::default()
        };
        assert_eq!(Control::decode(long.encode()).until, Some(MIDDLE - 1));
    }
}
