//! Conversations, packet by packet as the router sees them: a look-up, TCP with TLS inside, and datagrams.

use super::chance::Chance;
use super::dns::{self, Data, Message, Record};
use super::packet::{
    Body, Ip, Keep, Mac, Nanos, Net, Packet, Seen, ACK, FIN, MICRO, MILLI, PSH, SYN,
};
use super::tls::{self, Hello};
use std::net::IpAddr;

/// What a segment carries at most, with timestamps (1,500 less 20, 20 and 12).
const SEGMENT: usize = 1448;
/// From the router to a server and back, and to a device and back.
const FAR: Nanos = 18 * MILLI;
const NEAR: Nanos = 2 * MILLI;
/// Between two segments of a burst: 100 Mbit/s.
const PACE: Nanos = 120 * MICRO;

/// One end.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub mac: Mac,
    pub at: (IpAddr, u16),
    pub ttl: u8,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Client,
    Server,
}

/// A datagram.
pub fn datagram(at: Nanos, from: End, to: End, payload: Vec<u8>) -> Packet {
    packet(at, from, to, Body::Udp { payload })
}

fn packet(at: Nanos, from: End, to: End, body: Body) -> Packet {
    let ip = Ip {
        from: from.at,
        to: to.at,
        ttl: from.ttl,
        id: 0,
        body,
    };
    Packet {
        at,
        from: from.mac,
        to: to.mac,
        net: Net::Ip(ip),
        keep: Keep::All,
        seen: Seen::Lan,
    }
}

/// Asks for a name's address; returns when the answer is there.
pub fn look_up(
    chance: &mut Chance,
    out: &mut Vec<Packet>,
    at: Nanos,
    (client, router): (End, End),
    name: &str,
    address: IpAddr,
) -> Nanos {
    let kind = if address.is_ipv4() { dns::A } else { dns::AAAA };
    let question = Message {
        id: chance.word(),
        flags: dns::QUERY,
        questions: vec![(name.to_owned(), kind)],
        ..Message::default()
    };
    let answer = Message {
        flags: dns::ANSWER,
        answers: vec![Record {
            owner: name.to_owned(),
            ttl: 300,
            data: Data::Address(address),
        }],
        ..question.clone()
    };
    let back = at + chance.between(1, 30) * MILLI;
    out.push(datagram(at, client, router, question.bytes()));
    out.push(datagram(back, router, client, answer.bytes()));
    back + NEAR
}

/// A TCP connection with TLS inside.
#[derive(Clone, Debug)]
pub struct Connection {
    client: End,
    server: End,
    /// Next sequence number of the client's and the server's.
    next: [u32; 2],
    /// Until when the wire is taken by what was sent.
    pub now: Nanos,
}

impl Connection {
    /// Shakes hands: TCP's three packets, then TLS 1.3 with the server's name in the first hello.
    pub fn open(
        chance: &mut Chance,
        out: &mut Vec<Packet>,
        at: Nanos,
        (client, server): (End, End),
        name: &str,
    ) -> Self {
        let mut connection = Self {
            client,
            server,
            next: [chance.long(), chance.long()],
            now: at,
        };
        connection.segment(out, Who::Client, SYN, Vec::new());
        connection.now += FAR;
        connection.segment(out, Who::Server, SYN | ACK, Vec::new());
        connection.now += NEAR;
        connection.segment(out, Who::Client, ACK, Vec::new());
        let hello = tls::client_hello(chance, name, Hello::Small, &[]);
        connection.bytes(out, Who::Client, &tls::hello_record(&hello));
        connection.now += FAR;
        let flight = tls::server_flight(chance, 2800);
        connection.bytes(out, Who::Server, &flight);
        connection.now += NEAR;
        let finished = tls::client_finished(chance);
        connection.bytes(out, Who::Client, &finished);
        connection
    }

    /// Sends so many bytes of ciphertext, not before `at`.
    pub fn send(
        &mut self,
        chance: &mut Chance,
        out: &mut Vec<Packet>,
        at: Nanos,
        who: Who,
        count: usize,
    ) {
        self.now = self.now.max(at);
        self.bytes(out, who, &tls::record(chance, count));
    }

    /// Ends it from the client's side.
    pub fn close(mut self, out: &mut Vec<Packet>, at: Nanos) {
        self.now = self.now.max(at);
        self.segment(out, Who::Client, FIN | ACK, Vec::new());
        self.now += FAR;
        self.segment(out, Who::Server, FIN | ACK, Vec::new());
        self.now += NEAR;
        self.segment(out, Who::Client, ACK, Vec::new());
    }

    /// Bytes in segments; the other end acknowledges every second one, and the last.
    fn bytes(&mut self, out: &mut Vec<Packet>, who: Who, bytes: &[u8]) {
        let (other, away) = match who {
            Who::Client => (Who::Server, FAR),
            Who::Server => (Who::Client, NEAR),
        };
        let segments = bytes.chunks(SEGMENT);
        let last = segments.len() - 1;
        for (i, segment) in segments.enumerate() {
            let flags = if i == last { PSH | ACK } else { ACK };
            self.segment(out, who, flags, segment.to_vec());
            if i % 2 == 1 || i == last {
                let sent = self.now;
                self.now += away;
                self.segment(out, other, ACK, Vec::new());
                self.now = sent;
            }
            self.now += PACE;
        }
    }

    fn segment(&mut self, out: &mut Vec<Packet>, who: Who, flags: u8, payload: Vec<u8>) {
        let (from, to, mine, theirs) = match who {
            Who::Client => (self.client, self.server, 0, 1),
            Who::Server => (self.server, self.client, 1, 0),
        };
        // Timestamps of a clock that ticks every millisecond, padded to a multiple of four; in the first segments also a
        // size of segments, selective acknowledgements and windows in units of 128 (RFC 7323, RFC 9293).
        let ticks = ((self.now / MILLI) as u32).to_be_bytes();
        let options = if flags & SYN == 0 {
            [&[1, 1, 8, 10][..], &ticks, &ticks].concat()
        } else {
            [
                &[2, 4, 5, 180, 4, 2, 8, 10][..],
                &ticks,
                &ticks,
                &[1, 3, 3, 7],
            ]
            .concat()
        };
        let length = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let body = Body::Tcp {
            seq: self.next[mine],
            ack: if flags & ACK == 0 {
                0
            } else {
                self.next[theirs]
            },
            flags,
            window: 65_535,
            options,
            payload,
        };
        self.next[mine] = self.next[mine].wrapping_add(length);
        out.push(packet(self.now, from, to, body));
    }
}
