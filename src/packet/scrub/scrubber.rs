//! What of a frame is stored.

use super::anonymous::Anonymizer;
use super::key::Key;
use super::layers::{walk, Piece};
use super::names::{Kept, Listener};
use crate::capture::Frame;
use crate::packet::dissect::{dissect, Packet};
use crate::packet::http;

/// The flag of a TCP segment that opens a connection, in the header's 14th byte.
const SYN: u8 = 0x02;

/// Makes frames fit to be stored. It remembers what it must of the frames before, within bounds; give it all frames of a
/// capture in their order.
pub struct Scrubber {
    way: Way,
    out: Vec<u8>,
}

enum Way {
    Headers(Box<Listener>),
    Anonymous(Box<Anonymizer>),
}

impl Scrubber {
    /// Keeps headers, and the names that the inference reads: DNS messages, the server names of TLS and QUIC, the host of an
    /// HTTP request, what a client says of itself to DHCP. What `infer` says of such a capture is what it says of the whole
    /// one, but for what [`super`]'s listener cannot know.
    ///
    /// Capture whole packets for it: a hello that a snaplen cut short has no name.
    pub fn headers_only() -> Self {
        Self::new(Way::Headers(Box::new(Listener::new())))
    }

    /// Keeps headers alone, with pseudonyms under `key` for addresses and hardware addresses, and no name at all. Sizes,
    /// times, vendors, and which networks lie together stay as they are. It asks nothing of frames but their headers, so a
    /// small snaplen will do; whoever wants both this and [`Self::headers_only`] wants this.
    pub fn anonymous(key: &Key) -> Self {
        Self::new(Way::Anonymous(Box::new(Anonymizer::new(key))))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            out: Vec::with_capacity(256),
        }
    }

    /// The bytes to be stored of a frame, in place of `frame.data`; its length on the wire and its time stay as they are.
    /// Never longer than the frame. Allocates nothing once warm.
    ///
    /// A frame of which nothing is understood has no bytes left.
    #[inline]
    pub fn scrub<'a>(&'a mut self, frame: &Frame<'a>) -> &'a [u8] {
        self.out.clear();
        match &mut self.way {
            Way::Anonymous(anonymizer) => {
                anonymizer.write(frame, &mut self.out);
                &self.out
            }
            Way::Headers(listener) => headers_and_names(listener, frame, &mut self.out),
        }
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.way {
            Way::Headers(_) => "Scrubber::headers_only",
            Way::Anonymous(_) => "Scrubber::anonymous",
        })
    }
}

/// Headers, and of the payload what bears a name.
#[inline]
fn headers_and_names<'a>(
    listener: &mut Listener,
    frame: &Frame<'a>,
    out: &'a mut Vec<u8>,
) -> &'a [u8] {
    let (mut end, mut talks, mut opens) = (0, false, false);
    walk(frame, |piece, range| {
        talks = matches!(piece, Piece::Tcp | Piece::Udp);
        opens = piece == Piece::Tcp
            && frame
                .data
                .get(range.start + 13)
                .is_some_and(|flags| flags & SYN != 0);
        end = range.end;
    });
    let headers = frame.data.get(..end).unwrap_or_default();
    if !talks || !opens && frame.data.len() == end {
        return headers;
    }
    let mut packet = Packet::blank();
    if dissect(frame, &mut packet).is_err() {
        return headers;
    }
    match listener.listen(&packet) {
        Kept::First(0) => headers,
        Kept::First(length) => frame.data.get(..end + length).unwrap_or(headers),
        Kept::Host => {
            out.extend_from_slice(headers);
            http::only_host(packet.payload, out);
            out
        }
    }
}
