//! Which end of a flow is the home's, and whether we look at the LAN or at the WAN behind NAT.
//!
//! Told from three signs, the strongest first: prefixes given by the user; private addresses; hardware addresses (one
//! behind which many public networks sit is a router's, and the other end is then at home). Where there is neither, the
//! home is the one public address that takes part in most of the traffic.

use crate::flow::key::{End, FlowKey};
use crate::flow::table::Flow;
use crate::units::Mac;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Public networks behind one hardware address before it must be a router's. A host with an IPv4 and an IPv6 address of
/// its own shows two.
const NETWORKS_OF_A_HOST: usize = 2;
/// Addresses watched while the home's is guessed as flows come.
const CANDIDATES: usize = 8;

/// Where the observer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    /// Inside: one address, and often one MAC, a device.
    Lan,
    /// Outside: one public address for the whole home.
    Wan,
}

/// Whether an address belongs to a home network by its very number.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_loopback()
                || v6.is_unspecified()
        }
    }
}

/// Whether an address names a group: multicast, or IPv4 broadcast.
pub fn is_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

fn is_public(address: IpAddr) -> bool {
    !is_private(address) && !is_group(address)
}

/// The network a public address stands for: itself for IPv4, its /64 for IPv6 (hosts change the lower half as they like).
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() & !u128::from(u64::MAX)).to_be_bytes()),
    }
}

/// A running guess of the home's public address: the one that the most flows share (Misra and Gries).
#[derive(Debug, Default)]
pub struct Guess {
    seen: Vec<(IpAddr, u32)>,
}

impl Guess {
    /// Which end of a new flow looks like the home's.
    pub fn local(&mut self, key: &FlowKey, began: End, prefixes: &[IpNet]) -> End {
        let (a, b) = (key.end(End::A), key.end(End::B));
        let at_home = |address: &IpAddr| prefixes.iter().any(|prefix| prefix.contains(address));
        let by = |yes: &dyn Fn(IpAddr) -> bool| match (yes(a.address), yes(b.address)) {
            (true, false) => Some(End::A),
            (false, true) => Some(End::B),
            _ => None,
        };
        if let Some(end) = by(&|address| at_home(&address)).or_else(|| by(&is_private)) {
            return end;
        }
        let (votes_a, votes_b) = (self.votes(a.address), self.votes(b.address));
        if is_public(a.address) && is_public(b.address) {
            self.vote(a.address);
            self.vote(b.address);
        }
        match votes_a.cmp(&votes_b) {
            std::cmp::Ordering::Greater => End::A,
            std::cmp::Ordering::Less => End::B,
            // Servers have the low port.
            std::cmp::Ordering::Equal if a.port != b.port && a.port.min(b.port) < 1024 => {
                if a.port < b.port {
                    End::B
                } else {
                    End::A
                }
            }
            std::cmp::Ordering::Equal => began,
        }
    }

    fn votes(&self, address: IpAddr) -> u32 {
        self.seen
            .iter()
            .find(|(seen, _)| *seen == address)
            .map_or(0, |(_, votes)| *votes)
    }

    fn vote(&mut self, address: IpAddr) {
        if let Some((_, votes)) = self.seen.iter_mut().find(|(seen, _)| *seen == address) {
            *votes = votes.saturating_add(1);
        } else if self.seen.len() < CANDIDATES {
            self.seen.push((address, 1));
        } else {
            for (_, votes) in &mut self.seen {
                *votes -= 1;
            }
            self.seen.retain(|(_, votes)| *votes > 0);
        }
    }
}

/// Which end of a flow is the home's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// One end; the other is out in the world, or the router, or a group address.
    One(End),
    /// Both: two devices at home talk to each other. The end given began.
    Both(End),
    /// Neither: traffic that passes by.
    Neither,
}

/// The home as it was found.
#[derive(Clone, Debug)]
pub struct Home {
    /// LAN or WAN.
    pub vantage: Vantage,
    /// The home's public addresses, where they could be told; empty at a LAN.
    pub addresses: Vec<IpAddr>,
    prefixes: Vec<IpNet>,
    routers: BTreeSet<Mac>,
}

impl Home {
    /// Finds the home in the flows of a capture; what the user said (`vantage`, `prefixes`) goes before what is told from
    /// the traffic.
    pub fn find(flows: &[(FlowKey, Flow)], vantage: Option<Vantage>, prefixes: &[IpNet]) -> Self {
        let mut home = Self {
            vantage: Vantage::Lan,
            addresses: Vec::new(),
            prefixes: prefixes.to_vec(),
            routers: routers(flows),
        };
        home.addresses = home.public_addresses(flows, vantage == Some(Vantage::Wan));
        home.vantage = vantage.unwrap_or_else(|| home.look(flows));
        if home.vantage == Vantage::Lan {
            home.addresses.clear();
        }
        home
    }

    /// The address of each IP version that takes part in at least half of the packets between public addresses, or
    /// (`any`) between any.
    fn public_addresses(&self, flows: &[(FlowKey, Flow)], any: bool) -> Vec<IpAddr> {
        if !self.prefixes.is_empty() {
            let ends = flows
                .iter()
                .flat_map(|(key, _)| [key.end(End::A).address, key.end(End::B).address]);
            let inside: BTreeSet<IpAddr> =
                ends.filter(|address| self.in_prefixes(*address)).collect();
            return inside.into_iter().collect();
        }
        let mut found = Vec::new();
        for v4 in [true, false] {
            let mut packets: BTreeMap<IpAddr, u64> = BTreeMap::new();
            let mut total = 0;
            for (key, flow) in flows {
                let ends = [key.end(End::A).address, key.end(End::B).address];
                let counts = |address: &IpAddr| {
                    address.is_ipv4() == v4 && (is_public(*address) || any && !is_group(*address))
                };
                if ends.iter().all(counts) {
                    total += flow.packets();
                    for (end, address) in [End::A, End::B].into_iter().zip(ends) {
                        let router =
                            flow.macs[end.index()].is_some_and(|mac| self.routers.contains(&mac));
                        if !router {
                            *packets.entry(address).or_default() += flow.packets();
                        }
                    }
                }
            }
            let most = packets
                .into_iter()
                .max_by_key(|(address, packets)| (*packets, std::cmp::Reverse(*address)));
            if let Some((address, _)) =
                most.filter(|(_, packets)| packets * 2 >= total && total > 0)
            {
                found.push(address);
            }
        }
        found
    }

    fn in_prefixes(&self, address: IpAddr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }

    /// LAN where the home's ends are several hosts or private addresses, by bytes; WAN where they are one public address.
    fn look(&self, flows: &[(FlowKey, Flow)]) -> Vantage {
        let (mut inside, mut outside) = (0u64, 0u64);
        let mut hosts: BTreeSet<(Option<Mac>, Option<IpAddr>)> = BTreeSet::new();
        for (key, flow) in flows {
            match self.side(key, flow) {
                Side::One(end) => {
                    let (near, far) = (key.end(end).address, key.end(end.other()).address);
                    if is_private(near) {
                        inside += flow.bytes();
                    } else if is_public(far) {
                        outside += flow.bytes();
                        let mac = flow.macs[end.index()];
                        hosts.insert((mac, mac.is_none().then_some(near)));
                    }
                }
                Side::Both(_) => inside += flow.bytes(),
                Side::Neither => {}
            }
        }
        // Without hardware addresses, a home may show one address of each IP version.
        let by_address = hosts.iter().filter(|(mac, _)| mac.is_none()).count();
        let one_host = hosts.len() - by_address <= 1 && by_address <= 2;
        if outside > inside && one_host {
            Vantage::Wan
        } else {
            Vantage::Lan
        }
    }

    /// Whether a hardware address is a router's.
    pub fn is_router(&self, mac: Mac) -> bool {
        self.routers.contains(&mac)
    }

    /// Which end of a flow is the home's.
    pub fn side(&self, key: &FlowKey, flow: &Flow) -> Side {
        let near = |end: End| {
            let address = key.end(end).address;
            if is_group(address) {
                return false;
            }
            if !self.prefixes.is_empty() {
                return self.in_prefixes(address);
            }
            let mac = flow.macs[end.index()];
            let other = flow.macs[end.other().index()];
            is_private(address)
                || self.addresses.contains(&address)
                // A public address with a card of its own, across from the router's: a host of a LAN with IPv6.
                || mac.is_some_and(|mac| !self.routers.contains(&mac) && !mac.is_group())
                    && other.is_some_and(|mac| self.routers.contains(&mac))
        };
        match (near(End::A), near(End::B)) {
            (true, false) => Side::One(End::A),
            (false, true) => Side::One(End::B),
            (false, false) => Side::Neither,
            (true, true) => self.between(key, flow),
        }
    }

    /// Two ends at home: the router (by its MAC, else by serving a low port) is no device.
    fn between(&self, key: &FlowKey, flow: &Flow) -> Side {
        let router =
            |end: End| flow.macs[end.index()].is_some_and(|mac| self.routers.contains(&mac));
        match (router(End::A), router(End::B)) {
            (true, false) => return Side::One(End::B),
            (false, true) => return Side::One(End::A),
            _ => {}
        }
        match (key.end(End::A).port, key.end(End::B).port) {
            (53 | 67 | 123, port) if port != key.end(End::A).port => Side::One(End::B),
            (port, 53 | 67 | 123) if port != key.end(End::B).port => Side::One(End::A),
            _ => Side::Both(flow.began),
        }
    }
}

/// Hardware addresses behind which more public networks sit than one host has.
fn routers(flows: &[(FlowKey, Flow)]) -> BTreeSet<Mac> {
    let mut networks: BTreeMap<Mac, BTreeSet<IpAddr>> = BTreeMap::new();
    for (key, flow) in flows {
        for end in [End::A, End::B] {
            let address = key.end(end).address;
            if let Some(mac) = flow.macs[end.index()].filter(|mac| !mac.is_group()) {
                if is_public(address) {
                    let known = networks.entry(mac).or_default();
                    if known.len() <= NETWORKS_OF_A_HOST {
                        known.insert(network_of(address));
                    }
                }
            }
        }
    }
    networks
        .into_iter()
        .filter(|(_, networks)| networks.len() > NETWORKS_OF_A_HOST)
        .map(|(mac, _)| mac)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::key::Endpoint;
    use crate::packet::dissect::Protocol;
    use crate::units::Timestamp;

    fn end(text: &str) -> Endpoint {
        let (address, port) = text.rsplit_once('/').unwrap();
        Endpoint {
            address: address.parse().unwrap(),
            port: port.parse().unwrap(),
        }
    }

    /// A flow of `bytes` that `one` (with its MAC's last byte) began towards `two`.
    fn flow(one: (&str, u8), two: (&str, u8), bytes: u64) -> (FlowKey, Flow) {
        let key = FlowKey::between(Protocol::TCP, end(one.0), end(two.0));
        let began = if key.end(End::A) == end(one.0) {
            End::A
        } else {
            End::B
        };
        let mut macs = [None; 2];
        for (side, last) in [(began, one.1), (began.other(), two.1)] {
            macs[side.index()] = (last > 0).then_some(Mac([2, 0, 0, 0, 0, last]));
        }
        let mut flow = Flow::new(Timestamp(0), began, began, macs);
        flow.sent[began.index()].bytes = bytes;
        flow.sent[began.index()].packets = bytes / 100;
        (key, flow)
    }

    fn local(home: &Home, (key, flow): &(FlowKey, Flow)) -> String {
        match home.side(key, flow) {
            Side::One(end) => key.end(end).to_string(),
            Side::Both(end) => format!("both, {} began", key.end(end)),
            Side::Neither => "neither".into(),
        }
    }

    #[test]
    fn private_addresses_are_a_lan() {
        let flows = [
            flow(("192.168.1.9/50000", 9), ("8.8.8.8/443", 1), 5_000),
            flow(("192.168.1.9/50001", 9), ("192.168.1.7/80", 7), 100),
            flow(("192.168.1.9/50002", 9), ("192.168.1.1/53", 1), 100),
        ];
        let home = Home::find(&flows, None, &[]);
        assert_eq!(home.vantage, Vantage::Lan);
        assert_eq!(local(&home, &flows[0]), "192.168.1.9:50000");
        assert_eq!(local(&home, &flows[1]), "both, 192.168.1.9:50001 began");
        assert_eq!(local(&home, &flows[2]), "192.168.1.9:50002");
    }

    #[test]
    fn one_public_address_across_from_many_is_a_home_behind_nat() {
        let flows: Vec<_> = (1..6)
            .map(|i| {
                flow(
                    ("203.0.113.9/40000", 0),
                    (&format!("8.8.8.{i}/443"), 0),
                    1_000,
                )
            })
            .collect();
        let home = Home::find(&flows, None, &[]);
        assert_eq!(home.vantage, Vantage::Wan);
        assert_eq!(home.addresses, ["203.0.113.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(local(&home, &flows[0]), "203.0.113.9:40000");
    }

    #[test]
    fn hosts_with_public_ipv6_addresses_are_a_lan_told_by_their_macs() {
        let mut flows = Vec::new();
        for i in 1..5 {
            for device in [7u8, 8] {
                let near = format!("2001:db8::{device}/50000");
                let far = format!("2a00:{i}::1/443");
                flows.push(flow((&near, device), (&far, 1), 1_000));
            }
        }
        let home = Home::find(&flows, None, &[]);
        assert_eq!(home.vantage, Vantage::Lan);
        assert!(home.is_router(Mac([2, 0, 0, 0, 0, 1])));
        assert_eq!(local(&home, &flows[0]), "[2001:db8::7]:50000");
    }

    #[test]
    fn what_the_user_says_goes_first() {
        let flows = [flow(("10.0.0.2/40000", 0), ("10.9.9.9/443", 0), 1_000)];
        let home = Home::find(
            &flows,
            Some(Vantage::Wan),
            &["10.0.0.2/32".parse().unwrap()],
        );
        assert_eq!(home.vantage, Vantage::Wan);
        assert_eq!(local(&home, &flows[0]), "10.0.0.2:40000");
    }

    #[test]
    fn the_running_guess_settles_on_the_address_that_flows_share() {
        let mut guess = Guess::default();
        for i in 1..100 {
            let server = format!("8.8.{i}.1/40000");
            let (key, flow) = flow(("203.0.113.9/40000", 0), (&server, 0), 100);
            let local = guess.local(&key, flow.began.other(), &[]);
            if i > 1 {
                assert_eq!(key.end(local), end("203.0.113.9/40000"));
            }
        }
    }
}
