//! The home: who lives in it, and what each does next.

use super::chance::Chance;
use super::packet::{Mac, Nanos, Net, Packet, BROADCAST, MILLI, SECOND};
use super::talk::{datagram, look_up, Connection, End, Who};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MINUTE: Nanos = 60 * SECOND;
const ROUTER_MAC: Mac = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
/// How many sites people visit.
const SITES: i64 = 2000;

/// What a device is like. Sizes are bytes of ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A picture every second, many while something moves.
    Camera,
    /// A word now and then, a few more when switched.
    Plug,
    /// Chatter with its hub's service several times a second.
    Hub,
    /// A beat; when spoken to, a voice up and an answer down.
    Speaker,
    /// In the evening a piece of film every four seconds.
    Television,
    /// Pages: a look-up, a connection and a download, over and over.
    Phone,
}

/// The kinds by turns: a home of any size has them all.
const KINDS: [Kind; 10] = [
    Kind::Camera,
    Kind::Plug,
    Kind::Hub,
    Kind::Phone,
    Kind::Plug,
    Kind::Speaker,
    Kind::Camera,
    Kind::Phone,
    Kind::Television,
    Kind::Plug,
];

struct Device {
    kind: Kind,
    mac: Mac,
    ip: Ipv4Addr,
    ip6: Ipv6Addr,
    /// The name of its service; of a phone, none.
    name: String,
    chance: Chance,
    /// Its standing connection, and when it opens a new one.
    standing: Option<Connection>,
    reconnects: Nanos,
    /// Until when it is busy: something moves, a film runs.
    busy_until: Nanos,
    next_port: u16,
    /// Numbers its IPv4 packets.
    next_id: u16,
}

/// What is to happen.
enum Next {
    Passes(Box<Packet>),
    Wakes(usize),
    AsksTheTime(usize),
}

/// The home, from which packets come in order of time, without end.
pub struct Home {
    devices: Vec<Device>,
    /// By time, then in the order of planning; the third is the place in `plans`.
    agenda: BinaryHeap<Reverse<(Nanos, u64, usize)>>,
    plans: Vec<Option<Next>>,
    free: Vec<usize>,
    planned: u64,
}

impl Home {
    /// A home with so many devices that begins to live at `begin`.
    pub fn new(seed: u64, count: usize, begin: Nanos) -> Self {
        let mut home = Self {
            devices: Vec::new(),
            agenda: BinaryHeap::new(),
            plans: Vec::new(),
            free: Vec::new(),
            planned: 0,
        };
        for i in 0..count {
            let host = i as u8 + 10;
            let mut chance = Chance::from_seed(seed ^ (i as u64 + 1) << 32);
            home.plan(begin + chance.between(0, 30_000) * MILLI, Next::Wakes(i));
            let asks = begin + chance.between(0, 17 * 60) * SECOND;
            home.plan(asks, Next::AsksTheTime(i));
            home.devices.push(Device {
                kind: KINDS[i % KINDS.len()],
                mac: [0x06, 0, 0, 0, 0x53, host],
                ip: Ipv4Addr::new(192, 168, 1, host),
                ip6: Ipv6Addr::new(0x2001, 0xdb8, 0x40, 0, 0, 0, 0, host.into()),
                name: format!("device{i}.service{}.example", i % 13),
                standing: None,
                reconnects: begin,
                busy_until: begin,
                next_port: 32_768 + chance.word() / 4,
                next_id: chance.word(),
                chance,
            });
        }
        home
    }

    /// The next packet.
    pub fn next_packet(&mut self) -> Packet {
        loop {
            let Reverse((at, _, place)) = self.agenda.pop().expect("a device always wakes again");
            self.free.push(place);
            match self.plans[place].take().expect("what is planned is kept") {
                Next::Passes(packet) => return self.numbered(*packet),
                Next::Wakes(device) => self.wake(device, at),
                Next::AsksTheTime(device) => self.ask_the_time(device, at),
            }
        }
    }

    fn plan(&mut self, at: Nanos, next: Next) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.plans.push(None);
            self.plans.len() - 1
        });
        self.plans[place] = Some(next);
        self.agenda.push(Reverse((at, self.planned, place)));
        self.planned += 1;
    }

    fn plan_all(&mut self, packets: Vec<Packet>) {
        for packet in packets {
            self.plan(packet.at, Next::Passes(Box::new(packet)));
        }
    }

    /// Devices number what they send in the order of sending; servers write nothing there.
    fn numbered(&mut self, mut packet: Packet) -> Packet {
        let sender = packet.from;
        if let (Net::Ip(ip), Some(device)) = (
            &mut packet.net,
            self.devices.iter_mut().find(|device| device.mac == sender),
        ) {
            ip.id = device.next_id;
            device.next_id = device.next_id.wrapping_add(1);
        }
        packet
    }

    fn wake(&mut self, i: usize, at: Nanos) {
        let mut out = Vec::new();
        let next = match self.devices[i].kind {
            Kind::Phone => self.devices[i].visit(&mut out, at),
            _ => self.devices[i].go_on(&mut out, at),
        };
        self.plan_all(out);
        self.plan(next, Next::Wakes(i));
    }

    /// NTP version 4, about every 17 minutes (1,024 s).
    fn ask_the_time(&mut self, i: usize, at: Nanos) {
        let device = &mut self.devices[i];
        let (client, server) = (device.end(123, false), outside("time.example", 123, false));
        let question = [&[0x23][..], &[0; 47]].concat();
        let answer = [&[0x24, 2][..], &device.chance.bytes(46)].concat();
        let packets = vec![
            datagram(at, client, server, question),
            datagram(at + 21 * MILLI, server, client, answer),
            device.announce(at + SECOND),
        ];
        self.plan_all(packets);
        self.plan(at + 1024 * SECOND, Next::AsksTheTime(i));
    }
}

/// The resolver at home.
fn router(v6: bool) -> End {
    let ip: IpAddr = if v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0x40, 0, 0, 0, 0, 1).into()
    } else {
        Ipv4Addr::new(192, 168, 1, 1).into()
    };
    End {
        mac: ROUTER_MAC,
        at: (ip, 53),
        ttl: 64,
    }
}

/// A server outside, its address drawn from its name.
fn outside(name: &str, port: u16, v6: bool) -> End {
    let [.., a, b, c] = Chance::of(name).long().to_be_bytes();
    let ip: IpAddr = if v6 {
        Ipv6Addr::new(0x2001, 0xdb8, 0x5e, a.into(), 0, 0, b.into(), c.into()).into()
    } else {
        Ipv4Addr::new(198, 18 | (a & 1), b, c).into()
    };
    End {
        mac: ROUTER_MAC,
        at: (ip, port),
        ttl: 52,
    }
}

impl Device {
    fn end(&self, port: u16, v6: bool) -> End {
        let ip: IpAddr = if v6 { self.ip6.into() } else { self.ip.into() };
        End {
            mac: self.mac,
            at: (ip, port),
            ttl: 64,
        }
    }

    /// Its end of a new conversation.
    fn new_end(&mut self, v6: bool) -> End {
        self.next_port = self.next_port.checked_add(1).unwrap_or(32_768);
        self.end(self.next_port, v6)
    }

    /// Looks a name up and connects to it.
    fn connect(&mut self, out: &mut Vec<Packet>, at: Nanos, name: &str, v6: bool) -> Connection {
        let server = outside(name, 443, v6);
        let asks = (self.new_end(v6), router(v6));
        let at = look_up(&mut self.chance, out, at, asks, name, server.at.0);
        let client = self.new_end(v6);
        Connection::open(&mut self.chance, out, at, (client, server), name)
    }

    /// A multicast DNS question to everybody at home.
    fn announce(&mut self, at: Nanos) -> Packet {
        let question = super::dns::Message {
            questions: vec![("_services._dns-sd._udp.local".to_owned(), super::dns::PTR)],
            ..Default::default()
        };
        let group = End {
            mac: BROADCAST,
            at: (Ipv4Addr::new(224, 0, 0, 251).into(), 5353),
            ttl: 255,
        };
        let speaker = End {
            ttl: 255,
            ..self.end(5353, false)
        };
        datagram(at, speaker, group, question.bytes())
    }

    /// A page or four, then a pause; when it returns.
    fn visit(&mut self, out: &mut Vec<Packet>, at: Nanos) -> Nanos {
        for _ in 0..self.chance.between(1, 4) {
            // The lesser of two draws: some sites are visited more than others.
            let site = self
                .chance
                .between(1, SITES)
                .min(self.chance.between(1, SITES));
            let name = format!("www.site{site}.example");
            let mut connection = self.connect(out, at, &name, site % 2 == 0);
            let (up, down) = (
                self.chance.between(400, 2000),
                self.chance.between(2_000, 60_000),
            );
            let asked = connection.now + 5 * MILLI;
            connection.send(&mut self.chance, out, asked, Who::Client, up as usize);
            let answered = connection.now + 40 * MILLI;
            connection.send(&mut self.chance, out, answered, Who::Server, down as usize);
            let done = connection.now + self.chance.between(1, 20) * SECOND;
            connection.close(out, done);
        }
        at + self.chance.between(2_000, 10_000) * MILLI
    }

    /// A device's next word on its standing connection; when it wakes again.
    fn go_on(&mut self, out: &mut Vec<Packet>, at: Nanos) -> Nanos {
        let mut connection = match self.standing.take() {
            Some(connection) if at < self.reconnects => connection,
            old => {
                if let Some(old) = old {
                    old.close(out, at);
                }
                self.reconnects = at + self.chance.between(30, 90) * MINUTE;
                let name = self.name.clone();
                self.connect(out, at, &name, false)
            }
        };
        if at >= self.busy_until && self.chance.between(1, self.idle_wakes()) == 1 {
            self.busy_until = at + self.chance.between(10, 60) * self.busy_unit();
        }
        let busy = at < self.busy_until;
        let (up, down, pause) = self.words(busy);
        connection.send(&mut self.chance, out, at, Who::Client, up);
        let answered = connection.now + 20 * MILLI;
        connection.send(&mut self.chance, out, answered, Who::Server, down);
        let next = connection.now.max(at + pause);
        self.standing = Some(connection);
        next
    }

    /// Of how many wakings while idle one, on average, begins something.
    fn idle_wakes(&self) -> i64 {
        match self.kind {
            Kind::Camera => 1500,
            Kind::Plug | Kind::Television => 60,
            _ => 200,
        }
    }

    fn busy_unit(&self) -> Nanos {
        match self.kind {
            Kind::Television => MINUTE,
            Kind::Speaker | Kind::Plug => SECOND / 5,
            _ => SECOND,
        }
    }

    /// What goes up, what comes down, and how long until the next.
    fn words(&mut self, busy: bool) -> (usize, usize, Nanos) {
        let mut some = |least, most| self.chance.between(least, most) as usize;
        let (up, down, pause) = match (self.kind, busy) {
            (Kind::Camera, false) => (some(2_000, 5_000), 60, some(900, 1100)),
            (Kind::Camera, true) => (some(40_000, 90_000), 60, some(400, 600)),
            (Kind::Plug, false) => (some(90, 110), some(60, 80), some(25_000, 35_000)),
            (Kind::Plug, true) => (some(600, 900), some(200, 400), some(300, 900)),
            (Kind::Hub, _) => (some(80, 300), some(60, 200), some(30, 90)),
            (Kind::Speaker, false) => (some(60, 90), some(60, 90), some(9_000, 11_000)),
            (Kind::Speaker, true) => (some(4_000, 12_000), some(10_000, 40_000), some(200, 500)),
            (Kind::Television, false) => (some(200, 400), some(200, 400), some(20_000, 40_000)),
            (Kind::Television, true) => {
                (some(300, 600), some(100_000, 250_000), some(3_800, 4_200))
            }
            // Phones hold no standing connection.
            (Kind::Phone, _) => (0, 0, 1000),
        };
        (up, down, pause as Nanos * MILLI)
    }
}
