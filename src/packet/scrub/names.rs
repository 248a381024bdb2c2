//! Which payloads bear a name, and how much of them.
//!
//! Listens as the inference does, packet by packet and with the same readers, so that a file of headers and names tells it
//! what the whole capture would: every DNS message; what a client says of itself to DHCP; TLS hellos in all their segments;
//! QUIC's first packets; the host of an HTTP request, its path and cookies overwritten. What is no name is not kept, in two
//! cases not even where the inference might have made a name of it later:
//!
//! - a segment that comes more than [`AHEAD`] bytes before the beginning of its stream, and
//! - of a stream that the capture joined midway, a segment that comes before the one its hello begins in.
//!
//! Nobody could tell such a segment from contents.

use crate::packet::dissect::{Packet, Protocol, Tcp};
use crate::packet::dns::Message;
use crate::packet::hello::Progress;
use crate::packet::tls::{sni_of_whole_hello, Reassembly};
use crate::packet::{dhcp, http, quic};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::net::IpAddr;

/// Payloads of a flow that are listened to; as many as the inference has patience for.
const PATIENCE: u8 = 100;
/// Bytes by which a segment may overtake the first one of its stream and still be kept, in case it is a hello's.
const AHEAD: u32 = 4096;
/// Flows remembered: so many sets of so many. Whoever was silent longest in a set makes room, and is new when next seen.
const SETS: usize = 8192;
const WAYS: usize = 4;
/// Scatters flows over sets; fixed, as the same capture shall always give the same file.
const SCATTER: u64 = 0x5bd1_e995_a4c3_1f07;

const DNS: u16 = 53;
const MDNS: u16 = 5353;
const LLMNR: u16 = 5355;
const SYN: u8 = 0x02;

/// What of a payload is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Its first bytes.
    First(usize),
    /// Of an HTTP request its host: see [`http::only_host`].
    Host,
}

impl Kept {
    const NOTHING: Self = Self::First(0);
}

/// The two ends of a flow, the lower one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Ends {
    addresses: [u128; 2],
    ports: [u16; 2],
    protocol: u8,
}

impl Ends {
    /// The ends, and whether the lower one sent the packet.
    fn of(packet: &Packet<'_>) -> (Self, bool) {
        let source = (bits(packet.source), packet.source_port);
        let destination = (bits(packet.destination), packet.destination_port);
        let first = source <= destination;
        let (a, b) = match first {
            true => (source, destination),
            false => (destination, source),
        };
        let ends = Self {
            addresses: [a.0, b.0],
            ports: [a.1, b.1],
            protocol: packet.protocol.0,
        };
        (ends, first)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// What is remembered of a flow.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    ends: Ends,
    /// When it was last seen, in payloads of all flows; 0 for a place not taken.
    seen: u64,
    /// Its number among all flows.
    serial: u64,
    /// The sequence number of the client's SYN.
    opened: Option<u32>,
    /// Whether the lower end is the client, where that is known.
    client: Option<bool>,
    patience: u8,
    /// Whether an HTTP request was seen: what follows is contents.
    http: bool,
}

/// Listens for names.
pub struct Listener {
    flows: Box<[[Flow; WAYS]]>,
    scatter: FixedState,
    clock: u64,
    hellos: Reassembly,
    message: Message,
}

impl Listener {
    /// One that has heard nothing.
    pub fn new() -> Self {
        Self {
            flows: vec![[Flow::default(); WAYS]; SETS].into(),
            scatter: FixedState::with_seed(SCATTER),
            clock: 0,
            hellos: Reassembly::default(),
            message: Message::default(),
        }
    }

    /// What of a packet's payload bears a name. To be asked about every packet that has a payload or opens a TCP connection;
    /// others tell nothing.
    pub fn listen(&mut self, packet: &Packet<'_>) -> Kept {
        if let Some(tcp) = packet.tcp.filter(|tcp| tcp.flags & SYN != 0) {
            let (flow, first) = self.flow(packet);
            if tcp.is_syn() {
                flow.client = Some(first);
                flow.opened = Some(tcp.sequence);
                flow.patience = PATIENCE;
                flow.http = false;
            } else if tcp.is_syn_ack() {
                flow.client = Some(!first);
            }
        }
        let payload = packet.payload;
        if payload.is_empty() {
            return Kept::NOTHING;
        }
        let whole = Kept::First(payload.len());
        let leased = |lease: Option<dhcp::Lease>| match lease {
            Some(lease) if lease.from_client && tells(&lease) => whole,
            _ => Kept::NOTHING,
        };
        match (packet.protocol, packet.source_port, packet.destination_port) {
            (Protocol::UDP, DNS | MDNS | LLMNR, _) | (Protocol::UDP, _, DNS | MDNS | LLMNR) => {
                match self.message.read(payload) {
                    Ok(()) => whole,
                    // No message, and counted as such: for that a byte will do.
                    Err(_) => Kept::First(1),
                }
            }
            (Protocol::TCP, DNS, _) | (Protocol::TCP, _, DNS) => whole,
            (Protocol::UDP, 67 | 68, 67 | 68) => leased(dhcp::parse(payload)),
            (Protocol::UDP, 546 | 547, 546 | 547) => leased(dhcp::parse_v6(payload)),
            (Protocol::TCP, _, _) => match packet.tcp {
                Some(tcp) => self.segment(packet, &tcp),
                None => Kept::NOTHING,
            },
            (Protocol::UDP, _, _) => {
                let (flow, _) = self.flow(packet);
                let heard = flow.patience > 0;
                flow.patience = flow.patience.saturating_sub(1);
                // Encrypted, but under a key that it bears itself; shortened it could not be read.
                match heard && quic::is_initial(payload) {
                    true => whole,
                    false => Kept::NOTHING,
                }
            }
            _ => Kept::NOTHING,
        }
    }

    /// A TCP segment that may be part of a hello or an HTTP request.
    fn segment(&mut self, packet: &Packet<'_>, tcp: &Tcp<'_>) -> Kept {
        let payload = packet.payload;
        let (flow, first) = self.flow(packet);
        if flow.patience == 0 {
            return Kept::NOTHING;
        }
        flow.patience -= 1;
        if first != flow.client.unwrap_or(first) {
            return Kept::NOTHING;
        }
        if http::host(payload).is_some() {
            flow.patience = 0;
            return Kept::Host;
        }
        if http::is_request(payload) {
            flow.http = true;
            return Kept::NOTHING;
        }
        let (serial, http) = (flow.serial, flow.http);
        let start = flow.opened.map(|opened| opened.wrapping_add(1));
        let sequence = tcp.sequence.wrapping_add(u32::from(tcp.is_syn()));
        let cut = (payload.len() as u32) < packet.payload_len;
        match self.hellos.push(serial, sequence, payload, start) {
            Progress::NeedMore if !cut => {
                let ahead = start.is_some_and(|start| sequence.wrapping_sub(start) < AHEAD);
                let expected = self.hellos.has_begun(serial) || ahead && !http;
                match expected {
                    true => Kept::First(payload.len()),
                    false => Kept::NOTHING,
                }
            }
            Progress::Name(_) => {
                self.flow(packet).0.patience = 0;
                Kept::First(hello_end(payload))
            }
            _ => {
                self.hellos.forget(serial);
                self.flow(packet).0.patience = 0;
                Kept::NOTHING
            }
        }
    }

    /// The flow of a packet, a fresh one where it is not remembered, and whether its lower end sent the packet.
    fn flow(&mut self, packet: &Packet<'_>) -> (&mut Flow, bool) {
        let (ends, first) = Ends::of(packet);
        self.clock += 1;
        let set = self.scatter.hash_one(ends) as usize % SETS;
        // There is no other number of sets.
        let set = &mut self.flows[set];
        let known = set
            .iter()
            .position(|flow| flow.seen > 0 && flow.ends == ends);
        let place = known.unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|way| set[*way].seen).unwrap_or(0);
            self.hellos.forget(set[oldest].serial);
            set[oldest] = Flow {
                ends,
                serial: self.clock,
                patience: PATIENCE,
                ..Flow::default()
            };
            oldest
        });
        let flow = &mut set[place];
        flow.seen = self.clock;
        (flow, first)
    }
}

/// Whether there is anything in it that the inference takes.
fn tells(lease: &dhcp::Lease) -> bool {
    lease.vendor_class.is_some() || lease.host_name.is_some()
}

/// Where a hello ends that fills the record its payload begins with; the payload's end otherwise.
fn hello_end(payload: &[u8]) -> usize {
    let [22, 3, _, high, low, ..] = payload else {
        return payload.len();
    };
    let end = 5 + usize::from(u16::from_be_bytes([*high, *low]));
    match payload.get(..end).map(sni_of_whole_hello) {
        Some(Progress::Name(_)) => end,
        _ => payload.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::hello::tests::hello_for;

    const CLIENT: &str = "192.168.1.5";
    const SERVER: &str = "203.0.113.9";

    fn segment(from_client: bool, sequence: u32, flags: u8, payload: &[u8]) -> Packet<'_> {
        let ends = [(CLIENT, 40_000), (SERVER, 443)];
        let [from, to] = if from_client {
            ends
        } else {
            [ends[1], ends[0]]
        };
        Packet {
            version: 4,
            source: from.0.parse().unwrap(),
            destination: to.0.parse().unwrap(),
            source_port: from.1,
            destination_port: to.1,
            protocol: Protocol::TCP,
            tcp: Some(Tcp {
                sequence,
                flags,
                window: 0,
                options: &[],
            }),
            payload,
            payload_len: payload.len() as u32,
            ..Packet::blank()
        }
    }

    fn record(handshake: &[u8]) -> Vec<u8> {
        let length = (handshake.len() as u16).to_be_bytes();
        [&[22, 3, 1], &length[..], handshake].concat()
    }

    #[test]
    fn a_split_hello_is_kept_in_all_its_segments_and_nothing_behind_it() {
        let hello = record(&hello_for(b"example.com", 0));
        let (one, two) = hello.split_at(30);
        let mut listener = Listener::new();
        assert_eq!(listener.listen(&segment(true, 99, 2, &[])), Kept::First(0));
        assert_eq!(
            listener.listen(&segment(true, 100, 16, one)),
            Kept::First(30)
        );
        let last = listener.listen(&segment(true, 130, 16, two));
        assert_eq!(last, Kept::First(two.len()));
        let after = segment(true, 100 + hello.len() as u32, 16, b"\x17\x03\x03\x00\x01x");
        assert_eq!(listener.listen(&after), Kept::First(0));
    }

    #[test]
    fn of_a_hello_with_more_behind_it_the_rest_goes() {
        let hello = record(&hello_for(b"example.com", 0));
        let long = [&hello[..], b"\x17\x03\x03\x00\x05early"].concat();
        let mut listener = Listener::new();
        let kept = listener.listen(&segment(true, 100, 16, &long));
        assert_eq!(kept, Kept::First(hello.len()));
    }

    #[test]
    fn contents_are_not_kept_whoever_sends_them() {
        let mut listener = Listener::new();
        for (from_client, opened) in [(true, true), (true, false), (false, true)] {
            if opened {
                listener.listen(&segment(true, 99, 2, &[]));
            }
            let kept = listener.listen(&segment(from_client, 100, 24, b"password: secret"));
            assert_eq!(kept, Kept::First(0), "{from_client} {opened}");
        }
    }

    #[test]
    fn what_follows_a_request_is_not_kept() {
        let mut listener = Listener::new();
        listener.listen(&segment(true, 99, 2, &[]));
        let request = segment(true, 100, 24, b"POST /login HTTP/1.1\r\n");
        assert_eq!(listener.listen(&request), Kept::First(0));
        let body = segment(true, 122, 24, b"user=me");
        assert_eq!(listener.listen(&body), Kept::First(0));
    }

    #[test]
    fn what_is_no_dns_on_its_port_is_kept_by_a_byte() {
        let mut listener = Listener::new();
        let mut packet = segment(true, 0, 0, b"not dns");
        (packet.protocol, packet.tcp, packet.destination_port) = (Protocol::UDP, None, 53);
        assert_eq!(listener.listen(&packet), Kept::First(1));
    }
}
