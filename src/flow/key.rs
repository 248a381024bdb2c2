//! What makes packets one flow: protocol, addresses and ports, the same for both directions.

use crate::packet::dissect::{Packet, Protocol};
use std::net::{IpAddr, Ipv6Addr};

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address.
    pub address: IpAddr,
    /// Port; 0 where the protocol has none, or where flows were folded together.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.port),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

/// An address as 128 bits, IPv4 in the mapped range: quick to compare and to hash.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).to_canonical()
}

/// A flow's key: the two ends in order of their addresses, whoever speaks.
///
/// Which end is the home's is not known while packets are read; [`crate::flow::home`] decides at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    a: u128,
    b: u128,
    ports: u32,
    protocol: u8,
}

/// Which end of a key sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The lower one.
    A,
    /// The higher one.
    B,
}

impl End {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 for A, 1 for B.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

impl FlowKey {
    /// The key of a packet's flow, and which end sent the packet.
    #[inline]
    pub fn of(packet: &Packet<'_>) -> (Self, End) {
        let source = (bits(packet.source), packet.source_port);
        let destination = (bits(packet.destination), packet.destination_port);
        let (a, b, sender) = if source <= destination {
            (source, destination, End::A)
        } else {
            (destination, source, End::B)
        };
        let key = Self {
            a: a.0,
            b: b.0,
            ports: u32::from(a.1) << 16 | u32::from(b.1),
            protocol: packet.protocol.0,
        };
        (key, sender)
    }

    /// The key of a flow between two ends.
    pub fn between(protocol: Protocol, one: Endpoint, two: Endpoint) -> Self {
        let one = (bits(one.address), one.port);
        let two = (bits(two.address), two.port);
        let (a, b) = if one <= two { (one, two) } else { (two, one) };
        Self {
            a: a.0,
            b: b.0,
            ports: u32::from(a.1) << 16 | u32::from(b.1),
            protocol: protocol.0,
        }
    }

    /// One end.
    pub fn end(&self, end: End) -> Endpoint {
        match end {
            End::A => Endpoint {
                address: address(self.a),
                port: (self.ports >> 16) as u16,
            },
            End::B => Endpoint {
                address: address(self.b),
                port: self.ports as u16,
            },
        }
    }

    /// A few bits of the key, cheap to get: a place to look first, no hash.
    #[inline(always)]
    pub fn mix(&self) -> usize {
        let bits =
            (self.a as u32) ^ (self.b as u32).rotate_left(8) ^ self.ports ^ (self.ports >> 16);
        (bits ^ (bits >> 10)) as usize
    }

    /// What the flow's packets bear.
    pub fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// The key of all flows that differ from this one only in the port of `end`: what flows are folded into when the
    /// table is full.
    pub fn without_port(&self, end: End) -> Self {
        let mut one = self.end(end);
        one.port = 0;
        Self::between(self.protocol(), one, self.end(end.other()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str, port: u16) -> Endpoint {
        Endpoint {
            address: text.parse().unwrap(),
            port,
        }
    }

    #[test]
    fn both_directions_are_one_flow() {
        let (home, server) = (end("192.168.1.9", 50_000), end("8.8.8.8", 53));
        let key = FlowKey::between(Protocol::UDP, home, server);
        assert_eq!(key, FlowKey::between(Protocol::UDP, server, home));
        assert_eq!((key.end(End::A), key.end(End::B)), (server, home));
        assert_ne!(key, FlowKey::between(Protocol::TCP, home, server));
    }

    #[test]
    fn a_folded_flow_forgets_one_port() {
        let (home, server) = (end("10.0.0.2", 50_000), end("10.0.0.1", 53));
        let key = FlowKey::between(Protocol::UDP, home, server);
        let folded = key.without_port(End::B);
        assert_eq!(
            (folded.end(End::A), folded.end(End::B)),
            (server, end("10.0.0.2", 0))
        );
    }
}
