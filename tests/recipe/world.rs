//! A home network: its hosts, its router, the servers outside, and every packet that passes between them.

use super::chance::Chance;
use super::dns::{self, Data, Message, Record};
use super::local;
use super::packet::{
    Body, Ip, Keep, Mac, Nanos, Net, Packet, Seen, BROADCAST, MICRO, MILLI, SECOND,
};
use super::zone;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The router's card at home, from the range for documentation (RFC 7042).
pub const ROUTER_MAC: Mac = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
/// The router at home.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The home's one public address.
pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// The provider's resolver, which the router asks.
const PROVIDER_DNS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// A resolver some devices ask on their own.
const OPEN_DNS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 153);

/// How a host numbers its IPv4 packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbering {
    /// One counter for all it sends, as small stacks do.
    Counter,
    /// A counter of its own for each conversation, as Linux does.
    Conversation,
}

/// What is to be known of a host at home.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: &'static str,
    pub mac: Mac,
    pub ip: Ipv4Addr,
    pub ip6: Option<Ipv6Addr>,
    pub ttl: u8,
    pub numbering: Numbering,
    /// Ticks a second of its TCP timestamps; none where it sends none.
    pub clock_hz: Option<u32>,
    pub window: u16,
    /// Whether it asks a resolver outside rather than the router.
    pub asks_outside: bool,
    pub host_name: &'static str,
    pub vendor_class: &'static str,
}

/// A TCP timestamp clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    hz: u32,
    base: u32,
}

impl Clock {
    /// The clock's value at a time.
    pub fn at(self, at: Nanos) -> u32 {
        let ticks = i128::from(at) * i128::from(self.hz) / i128::from(SECOND);
        self.base.wrapping_add(ticks as u32)
    }
}

/// One end of a conversation.
#[derive(Clone, Debug)]
pub struct End {
    pub mac: Mac,
    pub at: (IpAddr, u16),
    pub ttl: u8,
    pub clock: Option<Clock>,
    pub window: u16,
    pub home: bool,
    /// How long the end takes to react, seen from the router.
    pub reacts: Nanos,
}

/// The network and what has happened in it.
pub struct World {
    pub hosts: Vec<Host>,
    pub packets: Vec<Packet>,
    chances: Vec<Chance>,
    ports: Vec<u16>,
    router: Chance,
    /// Until when the router remembers an answer.
    remembered: HashMap<(String, u16), Nanos>,
}

/// A number that belongs to an address, the same for ever.
fn trait_of(address: IpAddr, purpose: &str) -> u64 {
    Chance::of(&format!("server {address} {purpose}")).bits()
}

impl World {
    /// A network in which nothing has happened yet.
    pub fn new(hosts: Vec<Host>) -> Self {
        let mut chances: Vec<Chance> = hosts
            .iter()
            .map(|host| Chance::of(&format!("host {}", host.name)))
            .collect();
        let ports = chances
            .iter_mut()
            .map(|chance| chance.between(32_768, 55_000) as u16)
            .collect();
        Self {
            hosts,
            packets: Vec::new(),
            chances,
            ports,
            router: Chance::of("router"),
            remembered: HashMap::new(),
        }
    }

    /// A host's own chance.
    pub fn chance(&mut self, host: usize) -> &mut Chance {
        &mut self.chances[host]
    }

    /// A time around `at`, up to `spread` later.
    pub fn soon(&mut self, host: usize, at: Nanos, spread: Nanos) -> Nanos {
        at + self.chances[host].between(0, spread)
    }

    /// An unused port of a host.
    pub fn port(&mut self, host: usize) -> u16 {
        let step = self.chances[host].between(1, 7) as u16;
        self.ports[host] = self.ports[host].wrapping_add(step).max(32_768);
        self.ports[host]
    }

    /// A host's end of a conversation.
    pub fn home(&self, host: usize, port: u16) -> End {
        let it = &self.hosts[host];
        let base = Chance::of(&format!("clock {}", it.name)).long();
        End {
            mac: it.mac,
            at: (it.ip.into(), port),
            ttl: it.ttl,
            clock: it.clock_hz.map(|hz| Clock { hz, base }),
            window: it.window,
            home: true,
            reacts: MILLI + (trait_of(it.ip.into(), "reacts") % 2_000) as Nanos * MICRO,
        }
    }

    /// The same over IPv6.
    pub fn home6(&self, host: usize, port: u16) -> End {
        let address = self.hosts[host].ip6.unwrap();
        let mut end = self.home(host, port);
        end.at = (address.into(), port);
        end
    }

    /// A server's end: 6 to 18 hops and 8 to 60 ms away.
    pub fn server(&self, address: IpAddr, port: u16) -> End {
        let hops = 6 + (trait_of(address, "hops") % 13) as u8;
        let from = if trait_of(address, "ttl").is_multiple_of(4) {
            255
        } else {
            64
        };
        let base = trait_of(address, "clock") as u32;
        End {
            mac: ROUTER_MAC,
            at: (address, port),
            ttl: from - hops,
            clock: Some(Clock { hz: 1000, base }),
            window: 28_960,
            home: false,
            reacts: 8 * MILLI + (trait_of(address, "rtt") % 52_000) as Nanos * MICRO,
        }
    }

    /// The router's end at home.
    pub fn router(&self, port: u16) -> End {
        End {
            mac: ROUTER_MAC,
            at: (ROUTER.into(), port),
            ttl: 64,
            clock: None,
            window: 28_960,
            home: true,
            reacts: MILLI,
        }
    }

    /// Lets a packet pass.
    pub fn send(&mut self, at: Nanos, from: &End, to: &End, body: Body, keep: Keep) {
        let seen = if from.home && to.home {
            Seen::Lan
        } else {
            Seen::Both
        };
        let ip = Ip {
            from: from.at,
            to: to.at,
            ttl: from.ttl,
            id: 0,
            body,
        };
        let (from, to) = (from.mac, to.mac);
        self.packets.push(Packet {
            at,
            from,
            to,
            net: Net::Ip(ip),
            keep,
            seen,
        });
    }

    /// Lets a UDP datagram pass.
    pub fn udp(&mut self, at: Nanos, from: &End, to: &End, payload: Vec<u8>, keep: Keep) {
        self.send(at, from, to, Body::Udp { payload }, keep);
    }

    /// A datagram to a group, or to everybody.
    pub fn shout(&mut self, at: Nanos, from: &End, group: Ipv4Addr, port: u16, payload: Vec<u8>) {
        let [_, b, c, d] = group.octets();
        let mac = if group.is_broadcast() || d == 255 {
            BROADCAST
        } else {
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        };
        let to = End {
            mac,
            at: (group.into(), port),
            ..from.clone()
        };
        self.udp(at, from, &to, payload, Keep::All);
    }

    /// A frame with ARP.
    pub fn arp(&mut self, at: Nanos, op: u8, from: (Mac, Ipv4Addr), to: (Mac, Ipv4Addr)) {
        let to_mac = if op == 1 { BROADCAST } else { to.0 };
        let asked = if op == 1 { [0; 6] } else { to.0 };
        self.packets.push(Packet {
            at,
            from: from.0,
            to: to_mac,
            net: Net::Arp(local::arp(op, from, (asked, to.1))),
            keep: Keep::All,
            seen: Seen::Lan,
        });
    }

    /// A packet that only the outside sees, to or from the router itself; its frame's addresses are set there.
    fn outside(&mut self, at: Nanos, from: (IpAddr, u16), to: (IpAddr, u16), ttl: u8, body: Body) {
        self.packets.push(Packet {
            at,
            from: ROUTER_MAC,
            to: ROUTER_MAC,
            net: Net::Ip(Ip {
                from,
                to,
                ttl,
                id: 0,
                body,
            }),
            keep: Keep::All,
            seen: Seen::Wan,
        });
    }

    /// The router asks the time.
    pub fn router_ntp(&mut self, at: Nanos) {
        let server: IpAddr = zone::find("0.pool.ntp.org").v4[0].parse().unwrap();
        let us = (IpAddr::V4(PUBLIC), 123);
        let back = at + self.server(server, 123).reacts;
        let ask = Body::Udp {
            payload: local::ntp_question(at),
        };
        self.outside(at, us, (server, 123), 64, ask);
        let answer = Body::Udp {
            payload: local::ntp_answer(at, back - MILLI),
        };
        self.outside(
            back,
            (server, 123),
            us,
            self.server(server, 123).ttl,
            answer,
        );
    }

    /// Somebody far away tries a door; the router does not answer.
    pub fn knock(&mut self, at: Nanos) {
        let doors = [22, 23, 80, 443, 2323, 3389, 5555, 8080, 8443];
        let (host, port) = (self.router.word(), self.router.word() | 0x8000);
        let from = Ipv4Addr::from(0xc612_0000 | u32::from(host));
        let door = doors[self.router.between(0, doors.len() as i64 - 1) as usize];
        let body = Body::Tcp {
            seq: self.router.long(),
            ack: 0,
            flags: super::packet::SYN,
            window: 1024,
            options: vec![2, 4, 5, 0xb4],
            payload: Vec::new(),
        };
        self.outside(at, (from.into(), port), (PUBLIC.into(), door), 238, body);
    }

    /// A host asks a name; when the answer is there, and the addresses.
    pub fn resolve(
        &mut self,
        host: usize,
        at: Nanos,
        name: &str,
        kind: u16,
    ) -> (Nanos, Vec<IpAddr>) {
        let entry = zone::find(name);
        let answers = entry.answers(kind);
        let query = Message {
            id: self.chances[host].word(),
            flags: dns::QUERY,
            questions: vec![(name.to_owned(), kind)],
            ..Message::default()
        };
        let port = 49_152 | self.chances[host].word() >> 2;
        let asker = self.home(host, port);
        let (answered, server) = if self.hosts[host].asks_outside {
            let server = self.server(OPEN_DNS.into(), 53);
            (at + server.reacts, server)
        } else {
            (
                self.ask_provider(at, name, kind, &answers, entry.ttl),
                self.router(53),
            )
        };
        self.udp(at, &asker, &server, query.bytes(), Keep::All);
        let answer = reply(&query, &answers);
        self.udp(answered, &server, &asker, answer.bytes(), Keep::All);
        let addresses = answers.iter().filter_map(|record| match record.data {
            Data::Address(address) => Some(address),
            _ => None,
        });
        (answered + 2 * MILLI, addresses.collect())
    }

    /// What the router does with a question: answers from memory, or asks the provider. When its answer goes out.
    fn ask_provider(
        &mut self,
        at: Nanos,
        name: &str,
        kind: u16,
        answers: &[Record],
        ttl: u32,
    ) -> Nanos {
        let key = (name.to_owned(), kind);
        if self.remembered.get(&key).is_some_and(|until| *until > at) {
            return at + 400 * MICRO;
        }
        let query = Message {
            id: self.router.word(),
            flags: dns::QUERY,
            questions: vec![(name.to_owned(), kind)],
            additional: vec![Record {
                owner: String::new(),
                ttl: 0,
                data: Data::Edns(1232),
            }],
            ..Message::default()
        };
        let us = (IpAddr::V4(PUBLIC), 1024 | self.router.word());
        let them = (IpAddr::V4(PROVIDER_DNS), 53);
        let end = self.server(PROVIDER_DNS.into(), 53);
        let (asked, back) = (at + 500 * MICRO, at + 500 * MICRO + end.reacts);
        self.outside(
            asked,
            us,
            them,
            64,
            Body::Udp {
                payload: query.bytes(),
            },
        );
        let payload = reply(&query, answers).bytes();
        self.outside(back, them, us, end.ttl, Body::Udp { payload });
        self.remembered.insert(key, back + i64::from(ttl) * SECOND);
        back + 600 * MICRO
    }

    /// A host asks a time server.
    pub fn ntp(&mut self, host: usize, at: Nanos, name: &str) {
        let (at, addresses) = self.resolve(host, at, name, dns::A);
        let (us, server) = (self.home(host, 123), self.server(addresses[0], 123));
        let back = at + server.reacts;
        self.udp(at, &us, &server, local::ntp_question(at), Keep::All);
        self.udp(
            back,
            &server,
            &us,
            local::ntp_answer(at, back - MILLI),
            Keep::All,
        );
    }

    /// All packets in order of time, with their IPv4 identifications as their senders count.
    pub fn finish(mut self) -> Vec<Packet> {
        self.packets.sort_by_key(|packet| packet.at);
        let mut counters: HashMap<Mac, u16> = HashMap::new();
        let mut conversations = HashMap::new();
        for packet in &mut self.packets {
            let mac = packet.from;
            let Net::Ip(ip) = &mut packet.net else {
                continue;
            };
            let (from, to) = (ip.from, ip.to);
            let counts = self
                .hosts
                .iter()
                .any(|host| host.mac == mac && host.numbering == Numbering::Counter);
            let next = if counts {
                counters
                    .entry(mac)
                    .or_insert_with(|| Chance::of(&format!("ids {mac:?}")).word())
            } else {
                conversations
                    .entry((from, to, ip.protocol()))
                    .or_insert_with(|| Chance::of(&format!("ids {from:?} {to:?}")).word())
            };
            if from.0.is_ipv4() {
                ip.id = *next;
                *next = next.wrapping_add(1);
            }
        }
        self.packets
    }
}

fn reply(query: &Message, answers: &[Record]) -> Message {
    Message {
        flags: dns::ANSWER,
        answers: answers.to_vec(),
        ..query.clone()
    }
}
