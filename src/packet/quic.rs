//! Server names of QUIC connections, from the client's Initial packets.
//!
//! An Initial packet is encrypted under a key that anybody can derive from the connection id it bears (RFC 9001, section
//! 5.2; RFC 9369 for version 2), so an observer reads the ClientHello as in TLS over TCP. The hello travels in CRYPTO
//! frames, which some clients shuffle and spread over several datagrams. Decrypted with the quic-parser crate.

use quic_parser::InitialHeader;

use crate::packet::hello::{self, Progress, Why};
use crate::packet::stitch::{Limits, Stitch, Stitching, Waiting};

/// Smallest datagram in which a client may send an Initial packet, in bytes (RFC 9000, section 14.1). One that a capture
/// cut shorter could not be decrypted either.
pub const SMALLEST: usize = 1200;

/// Packets looked at in one datagram. Real ones hold one to three.
const MOST_COALESCED: usize = 4;

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

/// Whether a datagram may begin with a client's Initial packet of version 1 or 2: a look at its length and first five
/// bytes, before anything is decrypted.
pub fn is_initial(datagram: &[u8]) -> bool {
    datagram.len() >= SMALLEST && kind(datagram) == Some(Kind::Initial)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Initial,
    /// 0-RTT or Handshake: encrypted under keys nobody else has.
    Other,
}

/// What the long header at the head of `packet` says it is; `None` for a short header, a Retry, another version, or no
/// QUIC at all. The type bits differ between versions (RFC 9369, section 3.2).
fn kind(packet: &[u8]) -> Option<Kind> {
    let [first, version @ .., _] = packet.get(..6)? else {
        return None;
    };
    let version = u32::from_be_bytes(version.try_into().ok()?);
    let (initial, retry) = match version {
        V1 => (0, 3),
        V2 => (1, 0),
        _ => return None,
    };
    if first & 0xc0 != 0xc0 {
        return None;
    }
    match (first >> 4) & 3 {
        bits if bits == initial => Some(Kind::Initial),
        bits if bits == retry => None,
        _ => Some(Kind::Other),
    }
}

/// A connection whose hello is not whole yet.
#[derive(Debug)]
struct Connection {
    /// The connection id that the keys come from: the one the client chose for its very first packet.
    id: Box<[u8]>,
    crypto: Stitch,
}

impl Stitching for Connection {
    fn stitch(&self) -> &Stitch {
        &self.crypto
    }
}

/// Hellos in the making, by flow; bounded as [`Limits`] says.
#[derive(Debug)]
pub struct Initials {
    waiting: Waiting<Connection>,
}

impl Default for Initials {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Initials {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            waiting: Waiting::new(limits),
        }
    }

    /// Takes one UDP payload from client to server of `flow`, a number of the caller's choice.
    ///
    /// Ask until the answer is other than [`Progress::NeedMore`]; [`Progress::NotHello`] speaks of this datagram alone (it
    /// holds no Initial packet, or one that does not open, as a server's do not), so a caller may ask again about the
    /// next few. A datagram that passes [`is_initial`] costs one or two decryptions, any other next to nothing.
    pub fn push(&mut self, flow: u64, datagram: &[u8]) -> Progress {
        if datagram.len() < SMALLEST {
            return Progress::NotHello;
        }
        let mut rest = datagram;
        let mut seen = Progress::NotHello;
        for _ in 0..MOST_COALESCED {
            let length = match kind(rest) {
                None => break,
                Some(Kind::Other) => match other_length(rest) {
                    Some(length) => length,
                    None => break,
                },
                Some(Kind::Initial) => {
                    let Ok(header) = quic_parser::parse_initial(rest) else {
                        break;
                    };
                    match self.initial(flow, &header) {
                        Progress::NotHello => {}
                        Progress::NeedMore => seen = Progress::NeedMore,
                        decided => return decided,
                    }
                    header.header_bytes.len() + header.payload.len()
                }
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        seen
    }

    /// Takes one Initial packet.
    fn initial(&mut self, flow: u64, header: &InitialHeader<'_>) -> Progress {
        // After its first flight the client addresses the server by an id of the server's choice, and the keys stay
        // those of its own (RFC 9001, section 5.2); after a Retry they change (same section), so both are tried.
        let known = self
            .waiting
            .get(flow)
            .map(|connection| connection.id.clone());
        let opened = known
            .and_then(|id| open(header, &id).map(|plain| (id, plain)))
            .or_else(|| {
                let plain = open(header, header.dcid)?;
                self.waiting.forget(flow);
                Some((header.dcid.into(), plain))
            });
        match opened {
            Some((id, plain)) => self.push_frames(flow, &id, &plain),
            None => Progress::NotHello,
        }
    }

    /// Takes the frames of an Initial packet of `flow` that is already opened, with the connection id its keys came from.
    /// [`Initials::push`] does so once it has opened one.
    pub fn push_frames(&mut self, flow: u64, id: &[u8], plain: &[u8]) -> Progress {
        let Ok(frames) = quic_parser::parse_crypto_frames(plain) else {
            return Progress::GaveUp(Why::Malformed);
        };
        // Most hellos fit one frame.
        if let Some(first) = frames.iter().find(|frame| frame.offset == 0) {
            let progress = hello::read(&first.data);
            if progress != Progress::NeedMore {
                self.waiting.forget(flow);
                return progress;
            }
        }
        if frames.is_empty() {
            return Progress::NeedMore;
        }
        let fresh = || Connection {
            id: id.into(),
            crypto: Stitch::default(),
        };
        self.waiting.advance(flow, fresh, |connection| {
            for frame in &frames {
                let fits = usize::try_from(frame.offset)
                    .is_ok_and(|at| at.saturating_add(frame.data.len()) <= hello::LARGEST);
                if !fits {
                    return Progress::GaveUp(Why::TooLong);
                }
                if let Err(why) = connection.crypto.put(frame.offset as i64, &frame.data) {
                    return Progress::GaveUp(why);
                }
            }
            hello::read(connection.crypto.from(0))
        })
    }

    /// Connections dropped unread because the table was full.
    pub fn evicted(&self) -> u64 {
        self.waiting.evicted()
    }

    /// Forgets `flow`.
    pub fn forget(&mut self, flow: u64) {
        self.waiting.forget(flow);
    }

    /// Connections waiting for the rest of their hello.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// The frames of an Initial packet, decrypted under the client's key that `id` gives.
fn open(header: &InitialHeader<'_>, id: &[u8]) -> Option<Vec<u8>> {
    let mut header = header.clone();
    header.dcid = id;
    quic_parser::decrypt_initial(&header).ok()
}

/// Length of a long-header packet that bears no token (RFC 9000, sections 17.2.3 and 17.2.4).
fn other_length(packet: &[u8]) -> Option<usize> {
    let mut at = 5;
    for _ in 0..2 {
        let id_length = usize::from(*packet.get(at)?);
        at += 1 + id_length;
    }
    let (length, size) = quic_parser::read_varint(packet.get(at..)?).ok()?;
    usize::try_from(length).ok()?.checked_add(at + size)
}

#[cfg(test)]
mod tests;
