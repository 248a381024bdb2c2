//! Names and addresses of DNS messages: unicast DNS, mDNS (RFC 6762) and LLMNR (RFC 4795), which share one format (RFC
//! 1035, section 4).
//!
//! Read with the domain crate, lazily: a record that is damaged costs itself, or where its length is lost those behind
//! it, never the message. The dns-parser crate, which a test holds to the same answers, was tried in its place: it takes
//! 1.5 times as long for a query and 3 times for an answer, refuses a whole message for one HTTPS record or one letter
//! beyond ASCII, and prints a name by recursing once for each compression pointer, thousands if so made.

use std::net::IpAddr;
use std::ops::Range;

use domain::base::header::HeaderCounts;
use domain::base::iana::{Class, Rtype};
use domain::base::name::ParsedName;
use domain::base::record::RecordHeader;
use domain::base::Message as Wire;
use domain::dep::octseq::Parser;
use domain::rdata::svcb::value::AllValues;
use domain::rdata::Svcb;

use crate::packet::name;

/// Length of a message's header, in bytes.
const HEADER: usize = 12;

/// Questions and records read of one message. Real ones stay under a hundred; what is beyond is left out, and the message
/// marked partial.
pub const MOST_RECORDS: usize = 512;

/// Addresses and names taken from one record's list of hints.
const MOST_HINTS: usize = 32;

/// Bytes of names kept of one message. Compression lets 64 KiB of message stand for 1 MiB of names.
const MOST_TEXT: usize = 64 * 1024;

/// Why a payload gave no message at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// Shorter than the 12 bytes of a header.
    #[error("DNS message of {length} bytes; the header alone has 12")]
    Short {
        /// Bytes there are.
        length: usize,
    },
    /// Neither a question nor a record could be read, though the header promises some.
    #[error("DNS message whose first name is damaged")]
    Damaged,
}

/// What one message says. Meant to be used again and again with [`Message::read`]: a warm one allocates nothing.
///
/// Names are canonical, as [`name::canonical`] says; the root is `.`.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// An answer (QR = 1), not a query.
    pub response: bool,
    /// Identifier that pairs a query with its answer; 0 in mDNS.
    pub id: u16,
    /// Something in it was damaged, cut off, or over [`MOST_RECORDS`]: there may be more than is told here.
    pub partial: bool,
    text: String,
    questions: Vec<(Place, u16)>,
    addresses: Vec<(Place, IpAddr)>,
    aliases: Vec<(Place, Place)>,
    services: Vec<(Place, Place)>,
}

/// Where a name stands in a message's text.
type Place = Range<usize>;

/// Equal where they tell the same in the same order.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        (self.response, self.id, self.partial) == (other.response, other.id, other.partial)
            && self.questions().eq(other.questions())
            && self.addresses().eq(other.addresses())
            && self.aliases().eq(other.aliases())
            && self.services().eq(other.services())
    }
}

impl Eq for Message {}

impl Message {
    /// Names asked and the type of record asked for (1 A, 28 AAAA, 65 HTTPS, ...).
    pub fn questions(&self) -> impl Iterator<Item = (&str, u16)> {
        self.questions
            .iter()
            .map(|(name, kind)| (self.at(name), *kind))
    }

    /// Owners and their addresses: A, AAAA, and the address hints of HTTPS and SVCB records (RFC 9460, section 7.3), which
    /// belong to the record's target.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        self.addresses
            .iter()
            .map(|(owner, address)| (self.at(owner), *address))
    }

    /// Names and what they stand for: CNAME, DNAME, and HTTPS or SVCB records that point elsewhere.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs(&self.aliases)
    }

    /// Owners and targets of PTR and SRV records. In mDNS service discovery (RFC 6763): service type and instance
    /// (`_hap._tcp.local`, `eve._hap._tcp.local`), instance and host.
    pub fn services(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs(&self.services)
    }

    fn pairs<'a>(&'a self, list: &'a [(Place, Place)]) -> impl Iterator<Item = (&'a str, &'a str)> {
        list.iter().map(|(from, to)| (self.at(from), self.at(to)))
    }

    fn at(&self, place: &Place) -> &str {
        self.text.get(place.clone()).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.partial = false;
        self.text.clear();
        self.questions.clear();
        self.addresses.clear();
        self.aliases.clear();
        self.services.clear();
    }

    /// Reads `payload`, the bytes behind a UDP header or one item of [`messages`], in place of what was here before.
    ///
    /// Work and memory are bounded whatever the payload: at most [`MOST_RECORDS`] names of at most 255 bytes and 255
    /// compression pointers each.
    ///
    /// # Errors
    /// Where nothing could be read. A message damaged further on is told as far as it goes, and [`Message::partial`].
    pub fn read(&mut self, payload: &[u8]) -> Result<(), DnsError> {
        self.clear();
        let mut parser = Parser::from_ref(payload);
        let (Ok(wire), Ok(())) = (Wire::from_slice(payload), parser.advance(HEADER)) else {
            let length = payload.len();
            return Err(DnsError::Short { length });
        };
        self.response = wire.header().qr();
        self.id = wire.header().id();
        let counts = wire.header_counts();
        let read = Reader::new(self).read_sections(counts, &mut parser);
        self.partial |= read.is_none();
        if self.partial && self.text.is_empty() {
            return Err(DnsError::Damaged);
        }
        Ok(())
    }
}

/// Fills a message.
struct Reader<'m> {
    message: &'m mut Message,
    /// Names written last: the address of their first label in the payload, and their place. Compression makes most
    /// owners of an answer's records point at one of a few names.
    recent: [(usize, Place); 4],
}

/// A name within a payload, checked but not yet written.
type Name<'p> = ParsedName<&'p [u8]>;

/// Reads item by item with domain's parser of names and records; its iterators over whole sections move more about.
impl<'m> Reader<'m> {
    fn new(message: &'m mut Message) -> Self {
        Self {
            message,
            recent: Default::default(),
        }
    }

    /// `None` where the message broke off.
    fn read_sections(&mut self, counts: HeaderCounts, parser: &mut Parser<'_, [u8]>) -> Option<()> {
        let mut left = MOST_RECORDS;
        for _ in 0..counts.qdcount() {
            left = left.checked_sub(1)?;
            let name = ParsedName::parse_ref(parser).ok()?;
            let kind = parser.parse_u16_be().ok()?;
            let _class = parser.parse_u16_be().ok()?;
            let name = self.write(&name)?;
            self.message.questions.push((name, kind));
        }
        for count in [counts.ancount(), counts.nscount(), counts.arcount()] {
            for _ in 0..count {
                left = left.checked_sub(1)?;
                let head = RecordHeader::parse_ref(parser).ok()?;
                let data = parser.parse_parser(usize::from(head.rdlen())).ok()?;
                // Its length is known, so the next record can still be read.
                self.message.partial |= self.read_record(&head, data).is_none();
            }
        }
        Some(())
    }

    /// `None` where the record's own data is damaged.
    fn read_record(
        &mut self,
        head: &RecordHeader<Name<'_>>,
        mut data: Parser<'_, [u8]>,
    ) -> Option<()> {
        // The first bit of the class is mDNS's cache flush (RFC 6762, section 10.2).
        if head.class().to_int() & 0x7fff != Class::IN.to_int() {
            return Some(());
        }
        let owner = head.owner();
        match head.rtype() {
            Rtype::A => {
                let octets = <[u8; 4]>::try_from(data.peek_all()).ok()?;
                self.push_address(owner, octets.into())
            }
            Rtype::AAAA => {
                let octets = <[u8; 16]>::try_from(data.peek_all()).ok()?;
                self.push_address(owner, octets.into())
            }
            Rtype::CNAME | Rtype::DNAME => {
                let pair = self.pair(owner, &mut data)?;
                self.message.aliases.push(pair);
                Some(())
            }
            Rtype::PTR => {
                let pair = self.pair(owner, &mut data)?;
                self.message.services.push(pair);
                Some(())
            }
            Rtype::SRV => {
                // Priority, weight and port go before the target (RFC 2782).
                data.advance(6).ok()?;
                let pair = self.pair(owner, &mut data)?;
                self.message.services.push(pair);
                Some(())
            }
            Rtype::HTTPS | Rtype::SVCB => {
                let binding = Svcb::parse(&mut data).ok()?;
                self.push_binding(owner, &binding)
            }
            _ => Some(()),
        }
    }

    fn push_address(&mut self, owner: &Name<'_>, address: IpAddr) -> Option<()> {
        let owner = self.write(owner)?;
        self.message.addresses.push((owner, address));
        Some(())
    }

    /// The owner and the name that is all of its data.
    fn pair(&mut self, owner: &Name<'_>, data: &mut Parser<'_, [u8]>) -> Option<(Place, Place)> {
        let target = ParsedName::parse_ref(data).ok()?;
        if data.remaining() > 0 {
            return None;
        }
        Some((self.write(owner)?, self.write(&target)?))
    }

    /// An HTTPS or SVCB record: its target, where that is another name, and the addresses it hints at.
    fn push_binding<'p>(
        &mut self,
        owner: &Name<'_>,
        binding: &Svcb<&'p [u8], Name<'p>>,
    ) -> Option<()> {
        let owner = self.write(owner)?;
        // A target of "." is the owner itself (RFC 9460, section 2.5.2).
        let target = if binding.target().is_root() {
            owner
        } else {
            let target = self.write(binding.target())?;
            self.message.aliases.push((owner, target.clone()));
            target
        };
        let most = self.message.addresses.len() + MOST_HINTS;
        for value in binding.params().iter_all() {
            let addresses = &mut self.message.addresses;
            let room = most.saturating_sub(addresses.len());
            match value.ok()? {
                AllValues::Ipv4Hint(hint) => {
                    let hints = hint.iter().take(room).map(IpAddr::from);
                    addresses.extend(hints.map(|address| (target.clone(), address)));
                }
                AllValues::Ipv6Hint(hint) => {
                    let hints = hint.iter().take(room).map(IpAddr::from);
                    addresses.extend(hints.map(|address| (target.clone(), address)));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The place of a name, which is written behind the others unless it is among the last ones; `None` where
    /// [`MOST_TEXT`] is reached.
    fn write(&mut self, name: &Name<'_>) -> Option<Place> {
        let labels = name.iter().filter(|label| !label.is_root());
        let labels = labels.map(|label| label.as_slice());
        // Names that begin at the same byte are the same.
        let start = labels.clone().next().map(|label| label.as_ptr() as usize);
        let mut recent = self.recent.iter();
        if let Some((_, place)) = recent.find(|(at, _)| start == Some(*at)) {
            return Some(place.clone());
        }
        let text = &mut self.message.text;
        if text.len() > MOST_TEXT {
            return None;
        }
        let from = text.len();
        name::push_labels(text, labels);
        let place = from..text.len();
        self.recent.rotate_right(1);
        self.recent[0] = (start.unwrap_or_default(), place.clone());
        Some(place)
    }
}

/// Reads one message; [`Message::read`] does the same without allocating anew.
///
/// # Errors
/// As [`Message::read`].
pub fn parse(payload: &[u8]) -> Result<Message, DnsError> {
    let mut message = Message::default();
    message.read(payload)?;
    Ok(message)
}

/// The messages of a TCP segment, each behind its length (RFC 1035, section 4.2.2).
pub fn messages(segment: &[u8]) -> Framed<'_> {
    Framed {
        rest: segment,
        split: false,
    }
}

/// Iterates over the messages of a TCP segment.
#[derive(Clone, Debug)]
pub struct Framed<'a> {
    rest: &'a [u8],
    split: bool,
}

impl Framed<'_> {
    /// Whether the segment ended within a message, which is then lost: to be asked at the end, and counted.
    pub fn split(&self) -> bool {
        self.split
    }
}

impl<'a> Iterator for Framed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = std::mem::take(&mut self.rest);
        let framed = rest.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        match framed {
            Some((message, rest)) => {
                self.rest = rest;
                Some(message)
            }
            None => {
                self.split |= !rest.is_empty();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
