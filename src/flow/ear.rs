//! Listens for names in the clear within packets: DNS, TLS, QUIC, HTTP, DHCP.

use crate::flow::census::Census;
use crate::flow::key::{End, FlowKey};
use crate::flow::names::{Answer, NameBook, NameKind};
use crate::flow::table::Flow;
use crate::packet::dissect::{Packet, Protocol};
use crate::packet::dns::{self, Message};
use crate::packet::hello::Progress;
use crate::packet::quic::{self, Initials};
use crate::packet::tls::Reassembly;
use crate::packet::{dhcp, http};
use crate::units::Timestamp;

const DNS: u16 = 53;
const MDNS: u16 = 5353;
const LLMNR: u16 = 5355;

/// A packet with a payload, and the flow it belongs to.
pub struct Heard<'a, 'p> {
    /// When.
    pub at: Timestamp,
    /// The packet.
    pub packet: &'a Packet<'p>,
    /// Its flow's key.
    pub key: FlowKey,
    /// The end that sent it.
    pub sender: End,
    /// Its flow.
    pub flow: &'a mut Flow,
}

/// Everything half heard: handshakes in pieces.
#[derive(Debug, Default)]
pub struct Ear {
    hellos: Reassembly,
    initials: Initials,
    message: Message,
    chain: Vec<(String, String)>,
}

impl Ear {
    /// Handshakes given up because too many were open at a time.
    pub fn dropped(&self) -> u64 {
        self.hellos.evicted() + self.initials.evicted()
    }

    /// Whether packets of a flow may bear names: most flows are silent about them after their first few packets. Those
    /// that bear names at any time, by their ports, never use up their patience: see [`Self::listen`].
    #[inline(always)]
    pub fn cares(flow: &Flow) -> bool {
        flow.patience > 0
    }

    /// Listens to one packet. Patience is for what names a server once, early in a flow; all else leaves it as it is.
    pub fn listen(&mut self, heard: Heard<'_, '_>, names: &mut NameBook, census: &mut Census) {
        let ports = (heard.packet.source_port, heard.packet.destination_port);
        match (heard.packet.protocol, ports) {
            (Protocol::UDP, (DNS, _) | (_, DNS)) => {
                census.dns_messages += 1;
                self.dns(heard.packet.payload, heard, NameKind::Dns, names, census);
            }
            (Protocol::UDP, (MDNS, _) | (_, MDNS)) => {
                census.local_dns_messages += 1;
                self.dns(heard.packet.payload, heard, NameKind::Mdns, names, census);
            }
            (Protocol::UDP, (LLMNR, _) | (_, LLMNR)) => {
                census.local_dns_messages += 1;
                self.dns(heard.packet.payload, heard, NameKind::Llmnr, names, census);
            }
            (Protocol::TCP, (DNS, _) | (_, DNS)) => self.dns_over_tcp(heard, names, census),
            (Protocol::UDP, (67 | 68, 67 | 68)) => {
                lease(dhcp::parse(heard.packet.payload), &heard, names)
            }
            (Protocol::UDP, (546 | 547, 546 | 547)) => {
                lease(dhcp::parse_v6(heard.packet.payload), &heard, names);
            }
            (Protocol::TCP, _) if heard.flow.patience > 0 => self.stream(heard, names),
            (Protocol::UDP, _) if heard.flow.patience > 0 => self.datagram(heard, names),
            _ => {}
        }
    }

    fn dns_over_tcp(&mut self, heard: Heard<'_, '_>, names: &mut NameBook, census: &mut Census) {
        let mut framed = dns::messages(heard.packet.payload);
        for message in framed.by_ref() {
            census.dns_messages += 1;
            let again = Heard {
                flow: &mut *heard.flow,
                ..heard
            };
            self.dns(message, again, NameKind::Dns, names, census);
        }
        if framed.split() {
            census.dns_split += 1;
        }
    }

    fn dns(
        &mut self,
        payload: &[u8],
        heard: Heard<'_, '_>,
        kind: NameKind,
        names: &mut NameBook,
        census: &mut Census,
    ) {
        let message = &mut self.message;
        if message.read(payload).is_err() {
            census.dns_damaged += 1;
            return;
        }
        census.dns_damaged += u64::from(message.partial);
        let Heard {
            at,
            packet,
            key,
            flow,
            ..
        } = heard;
        if !message.response {
            for (name, _) in message.questions() {
                let name = names.hear(kind, name);
                names.note(packet.source, kind, &name, at);
                flow.note(kind, &name, at);
            }
            return;
        }
        if kind == NameKind::Mdns {
            // What a device announces names itself; what a question says it knows already are others' services (RFC 6762,
            // section 7.1).
            for (_, target) in message.services() {
                let name = names.hear(kind, target);
                names.note(packet.source, kind, &name, at);
            }
            return;
        }
        // A capture that joined late, or a filter, may show the answer alone; it repeats the question.
        let asker = packet.destination;
        for (name, _) in message.questions() {
            let name = names.hear(NameKind::DnsAlias, name);
            names.note(asker, kind, &name, at);
            flow.note(kind, &name, at);
        }
        self.chain.clear();
        self.chain.extend(
            message
                .aliases()
                .map(|(from, to)| (from.to_string(), to.to_string())),
        );
        for (owner, address) in message.addresses() {
            for (name, alias) in ancestry(&self.chain, owner) {
                let answer = Answer {
                    name: names.hear(NameKind::DnsAlias, name),
                    alias,
                    asker,
                    via: key,
                    first: at,
                    last: at,
                };
                names.answer(address, answer);
            }
        }
    }

    /// A TCP segment that may be part of a ClientHello or an HTTP request.
    fn stream(&mut self, heard: Heard<'_, '_>, names: &mut NameBook) {
        let Heard {
            at,
            packet,
            key,
            sender,
            flow,
        } = heard;
        let Some(tcp) = packet.tcp else { return };
        flow.patience -= 1;
        if sender != flow.client.unwrap_or(sender) {
            return;
        }
        let payload = packet.payload;
        if let Some(host) = http::host(payload) {
            told(names, flow, &key, sender, NameKind::HttpHost, &host, at);
            flow.patience = 0;
            return;
        }
        if http::is_request(payload) {
            // Its Host line may come in the next segment.
            return;
        }
        let start = flow.isn.map(|isn| isn.wrapping_add(1));
        // Data on the SYN itself (TCP Fast Open) comes after the SYN's own place in the sequence.
        let sequence = tcp.sequence.wrapping_add(u32::from(tcp.is_syn()));
        match self.hellos.push(flow.serial, sequence, payload, start) {
            // What the capture cut off never comes.
            Progress::NeedMore if (payload.len() as u32) < packet.payload_len => {
                self.hellos.forget(flow.serial);
                flow.patience = 0;
            }
            Progress::NeedMore => {}
            Progress::Name(name) => {
                told(names, flow, &key, sender, NameKind::Sni, &name, at);
                flow.patience = 0;
            }
            Progress::NoName | Progress::NotHello | Progress::GaveUp(_) => flow.patience = 0,
        }
    }

    /// A datagram that may be a QUIC Initial.
    fn datagram(&mut self, heard: Heard<'_, '_>, names: &mut NameBook) {
        let Heard {
            at,
            packet,
            key,
            sender,
            flow,
        } = heard;
        flow.patience -= 1;
        if !quic::is_initial(packet.payload) {
            return;
        }
        match self.initials.push(flow.serial, packet.payload) {
            Progress::Name(name) => {
                told(names, flow, &key, sender, NameKind::Quic, &name, at);
                flow.patience = 0;
            }
            Progress::NoName | Progress::GaveUp(_) => flow.patience = 0,
            Progress::NeedMore | Progress::NotHello => {}
        }
    }
}

/// Notes the name that a client called its server by.
fn told(
    names: &mut NameBook,
    flow: &mut Flow,
    key: &FlowKey,
    client: End,
    kind: NameKind,
    name: &str,
    at: Timestamp,
) {
    let name = names.hear(kind, name);
    names.note(key.end(client).address, kind, &name, at);
    flow.note(kind, &name, at);
}

fn lease(lease: Option<dhcp::Lease>, heard: &Heard<'_, '_>, names: &mut NameBook) {
    let Some(lease) = lease.filter(|lease| lease.from_client) else {
        return;
    };
    let Some(mac) = lease.mac.or(heard.packet.macs.source()) else {
        return;
    };
    if let Some(class) = lease.vendor_class {
        names.dhcp(mac, NameKind::DhcpVendor, &class, heard.at);
    }
    if let Some(host) = lease.host_name {
        names.dhcp(mac, NameKind::DhcpHost, &host, heard.at);
    }
}

/// The names that stand for `owner`, itself the first, up to the name asked for; true for those that are aliases on the way.
fn ancestry<'a>(chain: &'a [(String, String)], owner: &'a str) -> Vec<(&'a str, bool)> {
    let mut names = vec![owner];
    // A chain cannot be longer than its links; one that turns in a circle ends here as well.
    for _ in 0..chain.len() {
        let Some(last) = names.last().copied() else {
            break;
        };
        match chain.iter().find(|(_, to)| to == last) {
            Some((from, _)) if !names.contains(&from.as_str()) => names.push(from),
            _ => break,
        }
    }
    let top = names.len() - 1;
    names
        .into_iter()
        .enumerate()
        .map(|(depth, name)| (name, depth < top))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it is listened to after 300 packets of two bytes on a flow between two ports.
    fn still_cares(protocol: Protocol, source_port: u16, destination_port: u16) -> bool {
        let packet = Packet {
            protocol,
            source_port,
            destination_port,
            payload: &[0, 1],
            payload_len: 2,
            ..Packet::blank()
        };
        let (key, sender) = FlowKey::of(&packet);
        let mut flow = Flow::new(Timestamp(0), sender, sender, [None; 2]);
        let (mut ear, mut names) = (Ear::default(), NameBook::default());
        for at in (0..300).map(Timestamp) {
            if !Ear::cares(&flow) {
                return false;
            }
            let heard = Heard {
                at,
                packet: &packet,
                key,
                sender,
                flow: &mut flow,
            };
            ear.listen(heard, &mut names, &mut Census::default());
        }
        true
    }

    #[test]
    fn what_bears_names_at_any_time_is_listened_to_for_ever() {
        for (source, destination) in [
            (40_000, 53),
            (53, 40_000),
            (5353, 5353),
            (40_000, 5355),
            (68, 67),
            (546, 547),
        ] {
            assert!(still_cares(Protocol::UDP, source, destination));
        }
        assert!(still_cares(Protocol::TCP, 40_000, 53));
        assert!(!still_cares(Protocol::UDP, 40_000, 443));
    }

    #[test]
    fn a_chain_is_followed_back_to_the_name_asked_for() {
        let link = |from: &str, to: &str| (from.to_string(), to.to_string());
        let chain = [link("api.example", "edge.cdn"), link("edge.cdn", "e1.cdn")];
        assert_eq!(
            ancestry(&chain, "e1.cdn"),
            [("e1.cdn", true), ("edge.cdn", true), ("api.example", false)]
        );
        assert_eq!(ancestry(&chain, "other"), [("other", false)]);
        let circle = [link("a", "b"), link("b", "a")];
        assert_eq!(ancestry(&circle, "a"), [("a", true), ("b", false)]);
    }
}
