//! One packet in plain values, and its bytes: Ethernet, ARP, IPv4, IPv6, TCP, UDP, ICMP, all checksums right.

use std::net::IpAddr;

/// Nanoseconds since 1970.
pub type Nanos = i64;
/// A second.
pub const SECOND: Nanos = 1_000_000_000;
/// A millisecond.
pub const MILLI: Nanos = 1_000_000;
/// A microsecond.
pub const MICRO: Nanos = 1_000;

/// A hardware address.
pub type Mac = [u8; 6];
/// Everybody on the link.
pub const BROADCAST: Mac = [0xff; 6];

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// How much of a packet the capture keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// All: DNS, DHCP, time, and the hellos that name a server.
    All,
    /// The headers: what the payload says is nobody's business.
    Headers,
}

/// On which side of the router a packet is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// At home only.
    Lan,
    /// Outside only: the router's own, and what knocks at its door.
    Wan,
    /// On both sides; the packet is told as the LAN sees it.
    Both,
}

/// What an IP packet carries.
#[derive(Clone, Debug)]
pub enum Body {
    Tcp {
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        options: Vec<u8>,
        payload: Vec<u8>,
    },
    Udp {
        payload: Vec<u8>,
    },
    /// ICMP or ICMPv6, by the address: type, code, and what follows the checksum.
    Icmp {
        kind: [u8; 2],
        rest: Vec<u8>,
    },
}

/// An IP packet's values. Ports are 0 where the body has none.
#[derive(Clone, Debug)]
pub struct Ip {
    pub from: (IpAddr, u16),
    pub to: (IpAddr, u16),
    pub ttl: u8,
    /// IPv4 identification; given last, in the order of sending.
    pub id: u16,
    pub body: Body,
}

/// What a frame carries.
#[derive(Clone, Debug)]
pub enum Net {
    Arp(Vec<u8>),
    Ip(Ip),
}

/// A frame and when it passed the router.
#[derive(Clone, Debug)]
pub struct Packet {
    pub at: Nanos,
    pub from: Mac,
    pub to: Mac,
    pub net: Net,
    pub keep: Keep,
    pub seen: Seen,
}

/// A packet's bytes: what was kept, and how long it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    pub at: Nanos,
    pub kept: Vec<u8>,
    pub wire_len: u32,
}

/// The Internet checksum (RFC 1071) over parts of which only the last may have an odd length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

impl Ip {
    /// The protocol's number.
    pub fn protocol(&self) -> u8 {
        match (&self.body, self.from.0) {
            (Body::Tcp { .. }, _) => 6,
            (Body::Udp { .. }, _) => 17,
            (Body::Icmp { .. }, IpAddr::V4(_)) => 1,
            (Body::Icmp { .. }, IpAddr::V6(_)) => 58,
        }
    }

    /// The packet, and how many of its bytes are headers.
    pub fn bytes(&self) -> (Vec<u8>, usize) {
        let (mut inner, sum_at, headers) = self.inner();
        let (source, target) = (octets(self.from.0), octets(self.to.0));
        let (length, protocol) = (u16::try_from(inner.len()).unwrap(), self.protocol());
        let pseudo = [&[0, protocol][..], &length.to_be_bytes()].concat();
        let sum = if protocol == 1 {
            checksum(&[&inner])
        } else {
            checksum(&[&source, &target, &pseudo, &inner])
        };
        // UDP writes a sum of zero as its other form (RFC 768).
        let sum = if protocol == 17 && sum == 0 {
            0xffff
        } else {
            sum
        };
        inner[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
        let mut header = Vec::new();
        if self.from.0.is_ipv4() {
            header.extend([0x45, 0]);
            header.extend((length + 20).to_be_bytes());
            header.extend(self.id.to_be_bytes());
            // Path MTU discovery, as everybody does: don't fragment.
            header.extend([0x40, 0, self.ttl, protocol, 0, 0]);
            header.extend(source);
            header.extend(target);
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        } else {
            header.extend([0x60, 0, 0, 0]);
            header.extend(length.to_be_bytes());
            header.extend([protocol, self.ttl]);
            header.extend(source);
            header.extend(target);
        }
        let headers = header.len() + headers;
        header.extend(inner);
        (header, headers)
    }

    /// What follows the IP header, where its checksum stands, and the length of its header.
    fn inner(&self) -> (Vec<u8>, usize, usize) {
        let mut bytes = Vec::new();
        match &self.body {
            Body::Tcp {
                seq,
                ack,
                flags,
                window,
                options,
                payload,
            } => {
                assert!(options.len() % 4 == 0 && options.len() <= 40);
                bytes.extend(self.from.1.to_be_bytes());
                bytes.extend(self.to.1.to_be_bytes());
                bytes.extend(seq.to_be_bytes());
                bytes.extend(ack.to_be_bytes());
                bytes.extend([(((20 + options.len()) / 4) << 4) as u8, *flags]);
                bytes.extend(window.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(options);
                let headers = bytes.len();
                bytes.extend(payload);
                (bytes, 16, headers)
            }
            Body::Udp { payload } => {
                bytes.extend(self.from.1.to_be_bytes());
                bytes.extend(self.to.1.to_be_bytes());
                bytes.extend(u16::try_from(payload.len() + 8).unwrap().to_be_bytes());
                bytes.extend([0; 2]);
                bytes.extend(payload);
                (bytes, 6, 8)
            }
            Body::Icmp { kind, rest } => {
                bytes.extend(kind);
                bytes.extend([0; 2]);
                bytes.extend(rest);
                (bytes, 2, 4)
            }
        }
    }
}

impl Packet {
    /// The IP packet's values, where it is one.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.net {
            Net::Ip(ip) => Some(ip),
            Net::Arp(_) => None,
        }
    }

    /// The frame whole.
    pub fn whole(&self) -> Bytes {
        let (frame, _) = self.frame();
        Bytes {
            at: self.at,
            wire_len: frame.len() as u32,
            kept: frame,
        }
    }

    /// The frame as the capture keeps it.
    pub fn captured(&self) -> Bytes {
        let (mut frame, headers) = self.frame();
        let wire_len = frame.len() as u32;
        if self.keep == Keep::Headers {
            frame.truncate(headers);
        }
        Bytes {
            at: self.at,
            kept: frame,
            wire_len,
        }
    }

    fn frame(&self) -> (Vec<u8>, usize) {
        let (ether_type, (net, headers)) = match &self.net {
            Net::Arp(arp) => (0x0806_u16, (arp.clone(), arp.len())),
            Net::Ip(ip) if ip.from.0.is_ipv4() => (0x0800, ip.bytes()),
            Net::Ip(ip) => (0x86dd, ip.bytes()),
        };
        let mut frame = [&self.to[..], &self.from, &ether_type.to_be_bytes()].concat();
        frame.extend(net);
        (frame, headers + 14)
    }
}
