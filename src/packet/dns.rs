//! Names and addresses of DNS messages: unicast DNS, mDNS (RFC 6762) and LLMNR (RFC 4795), which share one format (RFC
//! 1035, section 4).
//!
//! Read with the domain crate, lazily: a record that is damaged costs itself, or where its length is lost those behind
//! it, never the message. The dns-parser crate, which a test holds to the same answers, was measured as well: it takes
//! three times as long, refuses a whole message for one HTTPS record, and recurses without limit on chained compression
//! pointers.

use std::net::IpAddr;
use std::ops::Range;

use domain::base::iana::{Class, Rtype};
use domain::base::message::RecordSection;
use domain::base::name::ParsedName;
use domain::base::record::ParsedRecord;
use domain::base::Message as Wire;
use domain::rdata::svcb::value::AllValues;
use domain::rdata::{Aaaa, Cname, Dname, Https, Ptr, Srv, Svcb, A};

use crate::packet::name;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
        let Ok(wire) = Wire::from_slice(payload) else {
            let length = payload.len();
            return Err(DnsError::Short { length });
        };
        self.response = wire.header().qr();
        self.id = wire.header().id();
        let read = self.read_sections(wire);
        self.partial |= read.is_none();
        if self.partial && self.text.is_empty() {
            return Err(DnsError::Damaged);
        }
        Ok(())
    }

    /// `None` where the message broke off.
    fn read_sections(&mut self, wire: &Wire<[u8]>) -> Option<()> {
        let mut left = MOST_RECORDS;
        let mut questions = wire.question();
        for question in questions.by_ref() {
            let question = question.ok()?;
            left = left.checked_sub(1)?;
            let name = self.write(question.qname())?;
            self.questions.push((name, question.qtype().to_int()));
        }
        let mut section: RecordSection<'_, [u8]> = questions.answer().ok()?;
        loop {
            for record in section.by_ref() {
                let record = record.ok()?;
                left = left.checked_sub(1)?;
                // Its length is known, so the next record can still be read.
                self.partial |= self.read_record(&record).is_none();
            }
            match section.next_section().ok()? {
                Some(next) => section = next,
                None => return Some(()),
            }
        }
    }

    /// `None` where the record's own data is damaged.
    fn read_record(&mut self, record: &ParsedRecord<'_, [u8]>) -> Option<()> {
        // The first bit of the class is mDNS's cache flush (RFC 6762, section 10.2).
        if record.class().to_int() & 0x7fff != Class::IN.to_int() {
            return Some(());
        }
        match record.rtype() {
            Rtype::A => {
                let data = record.to_record::<A>().ok()??;
                self.push_address(record, data.data().addr().into())
            }
            Rtype::AAAA => {
                let data = record.to_record::<Aaaa>().ok()??;
                self.push_address(record, data.data().addr().into())
            }
            Rtype::CNAME => {
                let data = record.to_record::<Cname<_>>().ok()??;
                let pair = self.pair(record, data.data().cname())?;
                self.aliases.push(pair);
                Some(())
            }
            Rtype::DNAME => {
                let data = record.to_record::<Dname<_>>().ok()??;
                let pair = self.pair(record, data.data().dname())?;
                self.aliases.push(pair);
                Some(())
            }
            Rtype::PTR => {
                let data = record.to_record::<Ptr<_>>().ok()??;
                let pair = self.pair(record, data.data().ptrdname())?;
                self.services.push(pair);
                Some(())
            }
            Rtype::SRV => {
                let data = record.to_record::<Srv<_>>().ok()??;
                let pair = self.pair(record, data.data().target())?;
                self.services.push(pair);
                Some(())
            }
            Rtype::HTTPS => {
                let data = record.to_record::<Https<_, _>>().ok()??;
                let (target, params) = (data.data().target(), data.data().params());
                self.push_binding(record, target, params.iter_all())
            }
            Rtype::SVCB => {
                let data = record.to_record::<Svcb<_, _>>().ok()??;
                let (target, params) = (data.data().target(), data.data().params());
                self.push_binding(record, target, params.iter_all())
            }
            _ => Some(()),
        }
    }

    fn push_address(&mut self, record: &ParsedRecord<'_, [u8]>, address: IpAddr) -> Option<()> {
        let owner = self.write(&record.owner())?;
        self.addresses.push((owner, address));
        Some(())
    }

    fn pair<O: AsRef<[u8]>>(
        &mut self,
        record: &ParsedRecord<'_, [u8]>,
        target: &ParsedName<O>,
    ) -> Option<(Place, Place)> {
        Some((self.write(&record.owner())?, self.write(target)?))
    }

    /// An HTTPS or SVCB record: its target, where that is another name, and the addresses it hints at.
    fn push_binding<'a, O: AsRef<[u8]>>(
        &mut self,
        record: &ParsedRecord<'_, [u8]>,
        target: &ParsedName<O>,
        values: impl Iterator<Item = Result<AllValues<&'a [u8]>, domain::base::wire::ParseError>>,
    ) -> Option<()> {
        let owner = self.write(&record.owner())?;
        // A target of "." is the owner itself (RFC 9460, section 2.5.2).
        let target = if target.is_root() {
            owner
        } else {
            let target = self.write(target)?;
            self.aliases.push((owner, target.clone()));
            target
        };
        for value in values {
            match value.ok()? {
                AllValues::Ipv4Hint(hint) => {
                    let hints = hint.iter().take(MOST_HINTS);
                    self.addresses
                        .extend(hints.map(|address| (target.clone(), address.into())));
                }
                AllValues::Ipv6Hint(hint) => {
                    let hints = hint.iter().take(MOST_HINTS);
                    self.addresses
                        .extend(hints.map(|address| (target.clone(), address.into())));
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Writes a name behind the others; `None` where [`MOST_TEXT`] is reached.
    fn write<O: AsRef<[u8]>>(&mut self, name: &ParsedName<O>) -> Option<Place> {
        if self.text.len() > MOST_TEXT {
            return None;
        }
        let from = self.text.len();
        for label in name.iter().filter(|label| !label.is_root()) {
            if self.text.len() > from {
                self.text.push('.');
            }
            name::push_canonical(&mut self.text, label.as_slice());
        }
        if self.text.len() == from {
            self.text.push('.');
        }
        Some(from..self.text.len())
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
