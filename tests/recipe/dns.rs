//! DNS messages (RFC 1035, with names compressed), for the network's resolver and for mDNS alike.

use std::collections::HashMap;
use std::net::IpAddr;

/// What a record says.
#[derive(Clone, Debug)]
pub enum Data {
    Address(IpAddr),
    Cname(String),
    Ptr(String),
    Text(Vec<String>),
    /// Priority and weight 0.
    Service(u16, String),
    /// HTTPS (RFC 9460): priority 1, the owner's own name, ALPN h3 and h2, and hints for IPv4 addresses.
    Https(Vec<IpAddr>),
    /// EDNS0 (RFC 6891): the sender takes answers of this size.
    Edns(u16),
}

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    pub owner: String,
    pub ttl: u32,
    pub data: Data,
}

/// A query's type.
pub const A: u16 = 1;
pub const PTR: u16 = 12;
pub const AAAA: u16 = 28;
pub const HTTPS: u16 = 65;

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub id: u16,
    pub flags: u16,
    pub questions: Vec<(String, u16)>,
    pub answers: Vec<Record>,
    pub additional: Vec<Record>,
    /// Multicast DNS: records that replace what others have cached.
    pub flush: bool,
}

/// A query with recursion desired.
pub const QUERY: u16 = 0x0100;
/// The answer to it.
pub const ANSWER: u16 = 0x8180;
/// An answer of multicast DNS, with authority.
pub const MULTICAST: u16 = 0x8400;

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Where a name's tail stands already.
    known: HashMap<String, u16>,
}

impl Writer {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn name(&mut self, name: &str) {
        let mut rest = name;
        while !rest.is_empty() {
            if let Some(place) = self.known.get(rest) {
                let place = *place;
                self.u16(0xc000 | place);
                return;
            }
            if self.bytes.len() < 0x4000 {
                self.known.insert(rest.to_owned(), self.bytes.len() as u16);
            }
            let (label, tail) = rest.split_once('.').unwrap_or((rest, ""));
            self.bytes.push(label.len() as u8);
            self.bytes.extend(label.bytes());
            rest = tail;
        }
        self.bytes.push(0);
    }

    fn record(&mut self, record: &Record, flush: bool) {
        self.name(&record.owner);
        let kind = match &record.data {
            Data::Address(IpAddr::V4(_)) => A,
            Data::Address(IpAddr::V6(_)) => AAAA,
            Data::Cname(_) => 5,
            Data::Ptr(_) => PTR,
            Data::Text(_) => 16,
            Data::Service(..) => 33,
            Data::Https(_) => HTTPS,
            Data::Edns(_) => 41,
        };
        self.u16(kind);
        self.u16(match record.data {
            Data::Edns(size) => size,
            Data::Ptr(_) => 1,
            _ if flush => 0x8001,
            _ => 1,
        });
        self.bytes.extend(record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.u16(0);
        match &record.data {
            Data::Address(IpAddr::V4(v4)) => self.bytes.extend(v4.octets()),
            Data::Address(IpAddr::V6(v6)) => self.bytes.extend(v6.octets()),
            Data::Cname(name) | Data::Ptr(name) => self.name(name),
            Data::Text(texts) => {
                for text in texts {
                    self.bytes.push(text.len() as u8);
                    self.bytes.extend(text.bytes());
                }
            }
            Data::Service(port, target) => {
                self.bytes.extend([0; 4]);
                self.u16(*port);
                self.name(target);
            }
            Data::Https(hints) => {
                self.u16(1);
                self.bytes.push(0);
                self.bytes
                    .extend([0, 1, 0, 6, 2, b'h', b'3', 2, b'h', b'2']);
                if !hints.is_empty() {
                    self.u16(4);
                    self.u16(hints.len() as u16 * 4);
                    for hint in hints {
                        if let IpAddr::V4(v4) = hint {
                            self.bytes.extend(v4.octets());
                        }
                    }
                }
            }
            Data::Edns(_) => {}
        }
        let length = (self.bytes.len() - length_at - 2) as u16;
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }
}

impl Message {
    /// The message on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u16(self.id);
        writer.u16(self.flags);
        writer.u16(self.questions.len() as u16);
        writer.u16(self.answers.len() as u16);
        writer.u16(0);
        writer.u16(self.additional.len() as u16);
        for (name, kind) in &self.questions {
            writer.name(name);
            writer.u16(*kind);
            writer.u16(1);
        }
        for record in &self.answers {
            writer.record(record, self.flush);
        }
        for record in &self.additional {
            writer.record(record, self.flush);
        }
        writer.bytes
    }
}
