//! TCP conversations with honest sequence numbers, acknowledgements and timestamps, and the TLS that rides on them.

use super::dns;
use super::packet::{Body, Keep, Nanos, ACK, FIN, MICRO, MILLI, PSH, SYN};
use super::tls::{self, Hello};
use super::world::{Clock, End, World};

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    Client,
    Server,
}

impl From {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One thing said at a time: that many bytes up, then that many down; none where 0.
#[derive(Clone, Copy, Debug)]
pub struct Say {
    pub at: Nanos,
    pub up: usize,
    pub down: usize,
}

/// A connection.
pub struct Tcp {
    ends: [End; 2],
    host: usize,
    /// The next sequence number of each end.
    seq: [u32; 2],
    /// The last timestamp each end has sent.
    told: [u32; 2],
    clocks: bool,
    /// Nothing further happens before.
    pub now: Nanos,
}

/// Between two segments sent in one go.
const GAP: Nanos = 150 * MICRO;

impl Tcp {
    /// A connection that is hours old when the capture begins.
    pub fn old(world: &mut World, host: usize, client: End, server: End, at: Nanos) -> Self {
        let seq = [world.chance(host).long(), world.chance(host).long()];
        let clocks = client.clock.is_some() && server.clock.is_some();
        let told = [&client, &server].map(|end| stamp(end.clock, at));
        Self {
            ends: [client, server],
            host,
            seq,
            told,
            clocks,
            now: at,
        }
    }

    /// Opens a connection.
    pub fn open(world: &mut World, host: usize, client: End, server: End, at: Nanos) -> Self {
        let mut it = Self::old(world, host, client, server, at);
        it.told[1] = 0;
        let segment = it.mss() as u16 + if it.clocks { 12 } else { 0 };
        let mut options = [&[2, 4][..], &segment.to_be_bytes()].concat();
        options.extend([4, 2]);
        if it.clocks {
            options.extend([8, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        } else {
            options.extend([1, 1]);
        }
        options.extend([1, 3, 3, 7]);
        it.knock(world, From::Client, at, SYN, options.clone());
        let at = at + it.ends[1].reacts;
        it.knock(world, From::Server, at, SYN | ACK, options);
        let at = at + it.ends[0].reacts;
        it.segment(world, From::Client, at, ACK, Vec::new(), Keep::Headers);
        it.now = at;
        it
    }

    /// Resolves a name, connects and shakes hands over TLS.
    pub fn tls(world: &mut World, host: usize, at: Nanos, name: &str, port: u16) -> Self {
        Self::tls_with(world, host, at, name, port, Hello::Small)
    }

    /// The same with a hello of one's choice.
    pub fn tls_with(
        world: &mut World,
        host: usize,
        at: Nanos,
        name: &str,
        port: u16,
        hello: Hello,
    ) -> Self {
        let (at, addresses) = world.resolve(host, at, name, dns::A);
        let local = world.port(host);
        let (client, server) = (world.home(host, local), world.server(addresses[0], port));
        let mut it = Self::open(world, host, client, server, at);
        it.shake(world, name, hello);
        it
    }

    /// The TLS handshake on an open connection.
    pub fn shake(&mut self, world: &mut World, name: &str, hello: Hello) {
        let chance = world.chance(self.host);
        let message = tls::client_hello(chance, name, hello, &[]);
        let certificates = 2_100 + chance.between(0, 900) as usize;
        let flight = tls::server_flight(chance, certificates);
        let finished = tls::client_finished(chance);
        self.send(
            world,
            From::Client,
            self.now,
            tls::hello_record(&message),
            Keep::All,
            false,
        );
        let at = self.now + self.ends[1].reacts;
        self.send(world, From::Server, at, flight, Keep::Headers, true);
        // A slow processor at work on the certificates.
        let at = self.now + 9 * MILLI;
        self.send(world, From::Client, at, finished, Keep::Headers, true);
    }

    fn mss(&self) -> usize {
        let headers = if self.ends[0].at.0.is_ipv4() { 40 } else { 60 };
        1500 - headers - if self.clocks { 12 } else { 0 }
    }

    fn knock(&mut self, world: &mut World, who: From, at: Nanos, flags: u8, mut options: Vec<u8>) {
        let i = who as usize;
        self.told[i] = stamp(self.ends[i].clock, at);
        if self.clocks {
            options[8..12].copy_from_slice(&self.told[i].to_be_bytes());
            options[12..16].copy_from_slice(&self.told[1 - i].to_be_bytes());
        }
        let ack = if flags & ACK == 0 { 0 } else { self.seq[1 - i] };
        let body = Body::Tcp {
            seq: self.seq[i],
            ack,
            flags,
            window: self.ends[i].window,
            options,
            payload: Vec::new(),
        };
        world.send(at, &self.ends[i], &self.ends[1 - i], body, Keep::Headers);
        self.seq[i] = self.seq[i].wrapping_add(1);
    }

    fn segment(
        &mut self,
        world: &mut World,
        who: From,
        at: Nanos,
        flags: u8,
        payload: Vec<u8>,
        keep: Keep,
    ) {
        let i = who as usize;
        let mut options = Vec::new();
        if self.clocks {
            self.told[i] = stamp(self.ends[i].clock, at);
            options.extend([1, 1, 8, 10]);
            options.extend(self.told[i].to_be_bytes());
            options.extend(self.told[1 - i].to_be_bytes());
        }
        let (seq, ack) = (self.seq[i], self.seq[1 - i]);
        let length = payload.len() as u32 + u32::from(flags & FIN);
        let window = self.ends[i].window / 128;
        let body = Body::Tcp {
            seq,
            ack,
            flags,
            window,
            options,
            payload,
        };
        world.send(at, &self.ends[i], &self.ends[1 - i], body, keep);
        self.seq[i] = seq.wrapping_add(length);
    }

    /// One end sends bytes; the other acknowledges every second segment, and the last where `acknowledged` says so rather
    /// than leaving that to its own answer.
    pub fn send(
        &mut self,
        world: &mut World,
        who: From,
        at: Nanos,
        bytes: Vec<u8>,
        keep: Keep,
        acknowledged: bool,
    ) {
        let first = at.max(self.now + 100 * MICRO);
        let before = self.seq[who as usize];
        let mss = self.mss();
        let count = bytes.len().div_ceil(mss);
        for (i, part) in bytes.chunks(mss).enumerate() {
            let flags = if i + 1 == count { PSH | ACK } else { ACK };
            self.segment(
                world,
                who,
                first + i as Nanos * GAP,
                flags,
                part.to_vec(),
                keep,
            );
        }
        // The acknowledgements answer what had come by then.
        let after = self.seq[who as usize];
        let reacts = self.ends[who.other() as usize].reacts;
        let mut end = first + (count as Nanos - 1) * GAP;
        for i in 0..count {
            let last = i + 1 == count;
            if (i % 2 == 0 && !last) || (last && !acknowledged) {
                continue;
            }
            let lone = if i % 2 == 0 { 40 * MILLI } else { 0 };
            let at = first + i as Nanos * GAP + reacts + lone;
            let through = ((i + 1) * mss).min(bytes.len()) as u32;
            self.seq[who as usize] = before.wrapping_add(through);
            self.segment(world, who.other(), at, ACK, Vec::new(), Keep::Headers);
            end = end.max(at);
        }
        self.seq[who as usize] = after;
        self.now = end;
    }

    /// Ciphertext up, ciphertext down, in order of time.
    pub fn say(&mut self, world: &mut World, mut says: Vec<Say>) {
        says.sort_by_key(|say| say.at);
        for Say { at, up, down } in says {
            if up > 0 {
                let bytes = tls::record(world.chance(self.host), up);
                self.send(world, From::Client, at, bytes, Keep::Headers, down == 0);
            }
            if down > 0 {
                let at = if up > 0 {
                    self.now + self.ends[1].reacts
                } else {
                    at
                };
                let bytes = tls::record(world.chance(self.host), down);
                self.send(world, From::Server, at, bytes, Keep::Headers, true);
            }
        }
    }

    /// The client says goodbye.
    pub fn close(mut self, world: &mut World, at: Nanos) {
        let at = at.max(self.now + MILLI);
        self.segment(
            world,
            From::Client,
            at,
            FIN | ACK,
            Vec::new(),
            Keep::Headers,
        );
        let at = at + self.ends[1].reacts;
        self.segment(
            world,
            From::Server,
            at,
            FIN | ACK,
            Vec::new(),
            Keep::Headers,
        );
        let at = at + self.ends[0].reacts;
        self.segment(world, From::Client, at, ACK, Vec::new(), Keep::Headers);
    }
}

fn stamp(clock: Option<Clock>, at: Nanos) -> u32 {
    clock.map_or(0, |clock| clock.at(at))
}
