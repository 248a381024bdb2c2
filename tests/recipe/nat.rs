//! The same packets outside, as a Linux router with masquerading and random ports sends them on: one public IPv4 address,
//! other ports, one hop less, IPv4 identifications as they were; IPv6 passes unchanged but for the hop.

use super::chance::Chance;
use super::packet::{Body, Mac, Net, Packet, Seen, MICRO};
use super::world::PUBLIC;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// The router's card towards the provider.
const OUTER_MAC: Mac = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x09];
/// The provider's first router.
const PROVIDER_MAC: Mac = [0x00, 0x00, 0x5e, 0x00, 0x53, 0xfe];

fn is_home(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4 == PUBLIC,
        IpAddr::V6(v6) => v6.segments()[..3] == [0x2001, 0x0db8, 9],
    }
}

/// What the provider sees, in order of time.
pub fn outside(packets: &[Packet]) -> Vec<Packet> {
    let mut chance = Chance::of("nat");
    let mut ports = HashMap::new();
    let mut taken = HashSet::new();
    let mut seen = Vec::new();
    for packet in packets {
        let (Seen::Both | Seen::Wan, Net::Ip(ip)) = (packet.seen, &packet.net) else {
            continue;
        };
        let mut ip = ip.clone();
        let up = is_home(ip.from.0);
        // What the router takes to pass a packet on.
        let takes = 150 * MICRO + chance.between(0, 40) * MICRO;
        let mut at = packet.at;
        if packet.seen == Seen::Both {
            at += if up { takes } else { -takes };
            ip.ttl = if up { ip.ttl - 1 } else { ip.ttl + 1 };
            let (near, far) = if up {
                (ip.from, ip.to)
            } else {
                (ip.to, ip.from)
            };
            if near.0.is_ipv4() {
                let udp = matches!(ip.body, Body::Udp { .. });
                let port = *ports.entry((udp, near, far)).or_insert_with(|| loop {
                    let port = chance.between(1024, 65_535) as u16;
                    if taken.insert((udp, port)) {
                        break port;
                    }
                });
                let public = (IpAddr::V4(PUBLIC), port);
                if up {
                    ip.from = public;
                } else {
                    ip.to = public;
                }
            }
        }
        let (from, to) = if up {
            (OUTER_MAC, PROVIDER_MAC)
        } else {
            (PROVIDER_MAC, OUTER_MAC)
        };
        seen.push(Packet {
            at,
            from,
            to,
            net: Net::Ip(ip),
            ..packet.clone()
        });
    }
    seen.sort_by_key(|packet| packet.at);
    seen
}
