//! A flood, for the test that memory stays small: any number of spoofed flows and names, streamed and never stored, and in
//! the middle of it one real device, the WeMo switch of the evening with its beats and its eight activities.

use super::chance::Chance;
use super::dns::{self, Data, Message, Record};
use super::file::{self, Classic, Order};
use super::packet::{Body, Bytes, Ip, Keep, Nanos, Net, Packet, Seen, SYN};
use super::world::{World, ROUTER, ROUTER_MAC};
use super::{devices, home};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

/// What a flood held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Poured {
    /// Packets in all.
    pub packets: u64,
    /// Those of the one real device.
    pub real: u64,
    /// Bytes written, the file's header included.
    pub bytes: u64,
}

impl Poured {
    fn put(&mut self, out: &mut impl Write, bytes: &Bytes) -> io::Result<()> {
        let record = file::pcap_record(Order::Little, Classic::Micros, bytes);
        self.packets += 1;
        self.bytes += record.len() as u64;
        out.write_all(&record)
    }
}

/// Pours `flows` spoofed TCP flows of one SYN each and `names` spoofed DNS answers, each for another name and address,
/// evenly over the evening, around the real device's packets; as classic pcap at the LAN, in order of time. Those of which
/// there are fewer come evenly among the others.
pub fn pour(out: &mut impl Write, flows: u64, names: u64) -> io::Result<Poured> {
    let real = real();
    let (first, last) = (real[0].at, real[real.len() - 1].at);
    let total = flows + names;
    let mut chance = Chance::of("flood");
    let mut poured = Poured::default();
    let header = file::pcap_header(Order::Little, Classic::Micros, 1);
    poured.bytes += header.len() as u64;
    out.write_all(&header)?;
    let mut real = real.iter().peekable();
    for i in 0..total {
        let at = first + (i128::from(last - first) * i128::from(i) / i128::from(total)) as Nanos;
        while let Some(packet) = real.next_if(|packet| packet.at <= at) {
            poured.real += 1;
            poured.put(out, &packet.captured())?;
        }
        // Bresenham's line between the two kinds.
        let share = |i: u64| u128::from(i) * u128::from(flows) / u128::from(total);
        let packet = if share(i + 1) > share(i) {
            syn(&mut chance, at)
        } else {
            answer(&mut chance, at, i)
        };
        poured.put(out, &packet.captured())?;
    }
    for packet in real {
        poured.real += 1;
        poured.put(out, &packet.captured())?;
    }
    Ok(poured)
}

/// The switch's packets at the LAN.
fn real() -> Vec<Packet> {
    let mut world = World::new(home::hosts());
    devices::wemo(&mut world);
    let packets = world.finish().into_iter();
    packets.filter(|packet| packet.seen != Seen::Wan).collect()
}

/// Somebody at home, who does not exist, calls somebody outside.
fn syn(chance: &mut Chance, at: Nanos) -> Packet {
    let [_, _, a, b, ..] = chance.long().to_be_bytes();
    let body = Body::Tcp {
        seq: chance.long(),
        ack: 0,
        flags: SYN,
        window: 1024,
        options: Vec::new(),
        payload: Vec::new(),
    };
    let from = IpAddr::from(Ipv4Addr::new(10, 9, a, b));
    let to = IpAddr::from(Ipv4Addr::from(0x2000_0000 | chance.long() >> 3));
    let ports = [1024 | chance.word(), 1 | chance.word()];
    let net = Net::Ip(Ip {
        from: (from, ports[0]),
        to: (to, ports[1]),
        ttl: 64,
        id: chance.word(),
        body,
    });
    let mac = [0x06, 9, chance.bits() as u8, chance.bits() as u8, a, b];
    Packet {
        at,
        from: mac,
        to: ROUTER_MAC,
        net,
        keep: Keep::All,
        seen: Seen::Lan,
    }
}

/// The router answers a question nobody asked.
fn answer(chance: &mut Chance, at: Nanos, i: u64) -> Packet {
    let owner = format!("{i:x}-{:x}.flood.example", chance.word());
    let address = IpAddr::from(Ipv4Addr::from(0x4000_0000 | chance.long() >> 2));
    let message = Message {
        id: chance.word(),
        flags: dns::ANSWER,
        questions: vec![(owner.clone(), dns::A)],
        answers: vec![Record {
            owner,
            ttl: 60,
            data: Data::Address(address),
        }],
        ..Message::default()
    };
    let [a, b, ..] = chance.long().to_be_bytes();
    let net = Net::Ip(Ip {
        from: (ROUTER.into(), 53),
        to: (Ipv4Addr::new(10, 9, a, b).into(), 1024 | chance.word()),
        ttl: 64,
        id: chance.word(),
        body: Body::Udp {
            payload: message.bytes(),
        },
    });
    let mac = [0x06, 9, 0, 0, a, b];
    Packet {
        at,
        from: ROUTER_MAC,
        to: mac,
        net,
        keep: Keep::All,
        seen: Seen::Lan,
    }
}
