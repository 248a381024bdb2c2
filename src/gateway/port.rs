//! Ends of tunnels in real time: each waits for its packets, for datagrams from the other end, and for its next cell.
//!
//! What a cell carries must not move it. So cells are made some time before they go, from what has come until then, and only
//! sent when their instant comes: whatever there was to do for them, to seal genuine bytes or to make a handshake, is done by
//! then. Nothing is heard in between, so that what comes from the other end, or from anybody, does not move them either.
//! What was slept through is not caught up ([`Endpoint::missed`]).

use super::clock::{monotonic, Alarm, Clock};
use super::endpoint::{Datagram, Endpoint, Offered};
use crate::units::{Direction, Timestamp};
use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};

/// Longest datagram there may be.
pub(super) const DATAGRAM_BYTES: usize = 65_536;

/// Bytes of a header that tells which packet it is.
const PACKET_HEADER_BYTES: usize = 20;

/// How long both ends stay when nothing waits any more: what is on its way arrives.
const LAST: i64 = 100_000_000;

/// How long, on the clock, what waits may still take once somebody stopped the tunnels.
const STOPPING: i64 = 1_000_000_000;

/// So long before a cell goes it is made, in nanoseconds on the clock, or half as long as there is since the last one: several
/// times what a handshake takes, and what a thread takes to wake.
const AHEAD: i64 = 1_000_000;

/// Most datagrams that are heard before other things are seen to: whoever floods an end does not hold it.
const HEARD_AT_ONCE: usize = 64;

/// A genuine packet that comes to an end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Timestamp,
    /// Up: at the device's side.
    pub direction: Direction,
    /// Its flow, for its order among others.
    pub flow: u32,
    /// Bytes of the IP packet.
    pub bytes: u32,
    /// Of a packet of an activity: until when that is known to last.
    pub activity: Option<Timestamp>,
}

/// A datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it was to go.
    pub planned: Timestamp,
    /// How much later it went, in nanoseconds on the clock, up to four seconds.
    pub late: u32,
    /// What was in it.
    pub what: What,
    /// Whether it was a cell of padding.
    pub padded: bool,
}

/// What is in a datagram; for the books of its own end, nobody else can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing, or what nobody can open.
    Cover,
    /// Genuine bytes.
    Genuine,
    /// A handshake.
    Handshake,
}

/// Bytes that packets are filled from, each from a place of its own on: to make a packet, and to see whether it is still the
/// same, takes no longer than to copy it. What an end has to do besides its cells is felt in their timing, half a microsecond
/// where its caches were needed for more.
static FILLING: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut word = 1u64;
    let next = |_| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word.to_be_bytes()[0]
    };
    (0..2 * DATAGRAM_BYTES).map(next).collect()
});

/// The header of a packet of that number, and its filling; none where no packet is so long.
fn parts(number: u32, flow: u32, bytes: u32) -> Option<([u8; PACKET_HEADER_BYTES], &'static [u8])> {
    let [high, low] = u16::try_from(bytes).ok()?.to_be_bytes();
    let [a, b, c, d] = number.to_be_bytes();
    let [e, f, g, h] = flow.to_be_bytes();
    // Protocol 253 is for experiments (RFC 3692).
    let header = [
        0x45, 0, high, low, 0, 0, 0, 0, 64, 253, 0, 0, a, b, c, d, e, f, g, h,
    ];
    // An odd factor: of 65,536 packets in a row no two are filled alike.
    let from = usize::from((number ^ flow.rotate_left(16)).wrapping_mul(40_503) as u16);
    let length = usize::try_from(bytes).ok()?.checked_sub(header.len())?;
    let filling = FILLING.get(from..from.checked_add(length)?)?;
    Some((header, filling))
}

/// A packet of that number, byte for byte the same whenever it is made.
fn packet(number: u32, flow: u32, bytes: u32) -> Option<Vec<u8>> {
    let (header, filling) = parts(number, flow, bytes)?;
    Some([&header, filling].concat())
}

/// Whether that is the packet of that number, byte for byte.
fn is_packet(packet: &[u8], number: u32, flow: u32, bytes: u32) -> bool {
    let made = parts(number, flow, bytes);
    made.is_some_and(|(header, filling)| packet.strip_prefix(&header) == Some(filling))
}

/// Which packet that is.
fn number(packet: &[u8]) -> Option<usize> {
    let header = packet.get(..PACKET_HEADER_BYTES)?;
    let number = header.get(12..)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

/// What an end notes.
#[derive(Default)]
pub(super) struct Ledger {
    /// Number and instant of packets that came out, and whether they are as they were.
    pub(super) out: Vec<(usize, Timestamp, bool)>,
    pub(super) refused: u64,
    pub(super) empty: u64,
    pub(super) sent: Vec<Sent>,
}

/// How two ends and a relay tell each other that it is over.
pub(super) struct Flags<'a> {
    pub(super) idle: [AtomicBool; 2],
    pub(super) over: AtomicUsize,
    pub(super) failed: AtomicBool,
    /// Somebody wants it to end.
    pub(super) stop: &'a AtomicBool,
    /// When that was seen first, and on the clock.
    pub(super) stopped: OnceLock<(Timestamp, i64)>,
}

impl<'a> Flags<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Self {
        Self {
            idle: Default::default(),
            over: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            stop,
            stopped: OnceLock::new(),
        }
    }

    /// Until when packets come, and when it ends on the clock whatever still waits: of a run that goes to its end, or is
    /// stopped before.
    fn end(&self, clock: &Clock) -> (Timestamp, i64) {
        let end = clock.pace.end;
        if self.stop.load(Ordering::Relaxed) {
            self.stopped
                .get_or_init(|| (clock.now().min(end), monotonic()));
        }
        match self.stopped.get() {
            Some((at, instant)) => (*at, instant.saturating_add(STOPPING)),
            None => (end, clock.at(end + clock.pace.linger)),
        }
    }
}

/// An end with its socket and what comes to it.
pub(super) struct Port<'a> {
    pub(super) endpoint: Endpoint,
    socket: UdpSocket,
    /// Of both directions; those of its own are offered here.
    pub(super) arrivals: &'a [Arrival],
    /// The next of its own: what comes to the other end moves nothing at this one, it does not even wake it.
    place: usize,
    own: Direction,
    /// The latest instant it was asked for cells of: its time never goes back.
    asked: Timestamp,
    pub(super) ledger: Ledger,
}

impl<'a> Port<'a> {
    pub(super) fn new(
        endpoint: Endpoint,
        socket: UdpSocket,
        arrivals: &'a [Arrival],
        own: Direction,
    ) -> Self {
        let mut port = Self {
            endpoint,
            socket,
            arrivals,
            place: 0,
            own,
            asked: Timestamp(i64::MIN),
            ledger: Ledger::default(),
        };
        port.skip();
        // Made before anything goes.
        LazyLock::force(&FILLING);
        port
    }

    /// Goes on to the next arrival of its own, from where it is.
    fn skip(&mut self) {
        let left = self.arrivals.get(self.place..).unwrap_or_default();
        let others = left.iter().take_while(|a| a.direction != self.own).count();
        self.place += others;
    }

    /// Hears what has come, as long as there is time.
    fn hear(&mut self, clock: &Clock, until: i64, buffer: &mut [u8]) {
        for heard in 0..HEARD_AT_ONCE {
            if heard > 0 && monotonic() >= until {
                return;
            }
            // An error here is an answer to a datagram that nobody took: the other end is gone.
            let Ok(length) = self.socket.recv(buffer) else {
                return;
            };
            let now = clock.now();
            let datagram = buffer.get(..length).unwrap_or_default();
            for packet in self.endpoint.receive(now.max(self.asked), datagram) {
                let Some(index) = number(&packet) else {
                    continue;
                };
                let sent = self.arrivals.get(index);
                let same = sent
                    .is_some_and(|sent| is_packet(&packet, index as u32, sent.flow, sent.bytes));
                self.ledger.out.push((index, now, same));
            }
        }
    }

    /// Takes in the packets that have come.
    fn offer(&mut self, now: Timestamp, end: Timestamp) {
        let upto = now.min(end);
        let now = now.max(self.asked);
        while let Some(arrival) = self.arrivals.get(self.place).filter(|a| a.at <= upto) {
            let number = u32::try_from(self.place).unwrap_or(u32::MAX);
            self.place += 1;
            self.skip();
            let packet = packet(number, arrival.flow, arrival.bytes);
            let taken = packet.map(|packet| self.endpoint.offer(now, packet, arrival.activity));
            if taken != Some(Offered::Taken) {
                self.ledger.refused += 1;
            }
        }
    }

    /// Outside the schedule: what has come goes at once.
    fn pass(&mut self, clock: &Clock, end: Timestamp) {
        if self.endpoint.is_scheduled() {
            return;
        }
        let now = clock.now();
        self.offer(now, end);
        if self.endpoint.is_scheduled() {
            return;
        }
        self.asked = now.max(self.asked);
        while let Some(datagram) = self.endpoint.poll(self.asked) {
            self.send(&datagram, clock);
        }
    }

    /// On schedule: makes the cells up to an instant that lies a little ahead.
    fn make(&mut self, clock: &Clock, upto: Timestamp, end: Timestamp) -> Vec<Datagram> {
        let mut made = Vec::new();
        let now = clock.now();
        if !self.endpoint.is_scheduled() {
            return made;
        }
        self.offer(now, end);
        // One instant after the other: of cells that are due together but for one an end would leave out all others.
        while let Some(wake) = self.endpoint.wake().filter(|wake| *wake <= upto) {
            let before = (self.asked, made.len());
            self.asked = self.asked.max(wake).max(now);
            made.extend(std::iter::from_fn(|| self.endpoint.poll(self.asked)));
            let same = before == (self.asked, made.len());
            if same || !self.endpoint.is_scheduled() {
                break;
            }
        }
        made
    }

    fn send(&mut self, datagram: &Datagram, clock: &Clock) {
        let late = monotonic().saturating_sub(clock.at(datagram.planned));
        self.ledger.sent.push(Sent {
            planned: datagram.planned,
            late: u32::try_from(late.max(0)).unwrap_or(u32::MAX),
            what: match (datagram.handshake, datagram.genuine) {
                (true, _) => What::Handshake,
                (false, 0) => What::Cover,
                (false, _) => What::Genuine,
            },
            padded: datagram.padded,
        });
        self.ledger.empty += u64::from(datagram.genuine == 0);
        // What the system does not take is lost, as on any wire.
        let _ = self.socket.send(&datagram.bytes);
    }

    /// Whether nothing comes or waits any more.
    fn is_done(&self, end: Timestamp) -> bool {
        let next = self.arrivals.get(self.place);
        self.endpoint.is_empty() && next.is_none_or(|next| next.at > end)
    }

    /// When something is to be done. While padded a genuine packet waits for a cell anyway, so none wakes the thread.
    fn wake(&self, end: Timestamp) -> Option<Timestamp> {
        let arrival = self.arrivals.get(self.place).map(|arrival| arrival.at);
        let arrival = arrival.filter(|at| *at <= end && !self.endpoint.is_padding());
        self.endpoint.wake().into_iter().chain(arrival).min()
    }
}

/// When something is to be done next, and when to begin to see to it.
fn next(ports: &[Port], clock: &Clock, end: Timestamp, last: i64) -> (i64, i64) {
    let wake = ports.iter().filter_map(|port| port.wake(end)).min();
    let then = wake.map_or(i64::MAX, |wake| clock.at(wake));
    let half = then.saturating_sub(last).max(0) / 2;
    (then, then.saturating_sub(AHEAD.min(half)))
}

/// Runs one end of each tunnel until all is over.
pub(super) fn side<'a>(
    mut ports: Vec<Port<'a>>,
    clock: Clock,
    flags: &Flags,
    index: usize,
) -> io::Result<Vec<Port<'a>>> {
    let mut alarm = Alarm::new()?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut idle_since = None;
    let mut last = monotonic();
    loop {
        let (end, over) = flags.end(&clock);
        let (_, early) = next(&ports, &clock, end, last);
        for port in &mut ports {
            port.hear(&clock, early, &mut buffer);
            port.pass(&clock, end);
        }
        let ended = clock.now() > end;
        let idle = ended && ports.iter().all(|port| port.is_done(end));
        if let Some(flag) = flags.idle.get(index) {
            flag.store(idle, Ordering::SeqCst);
        }
        match flags.idle.iter().all(|flag| flag.load(Ordering::SeqCst)) {
            true => _ = idle_since.get_or_insert_with(monotonic),
            false => idle_since = None,
        }
        let rested = |since: i64| monotonic().saturating_sub(since) > LAST;
        let over = idle_since.is_some_and(rested) || monotonic() > over;
        if over || flags.failed.load(Ordering::SeqCst) {
            return Ok(ports);
        }
        let (then, early) = next(&ports, &clock, end, last);
        if monotonic() < early {
            let sockets: Vec<&UdpSocket> = ports.iter().map(|port| &port.socket).collect();
            alarm.wait(early, &sockets)?;
            continue;
        }
        let ahead = clock.scaled(then.saturating_sub(early));
        let upto = Timestamp(clock.of(then).0.saturating_add(ahead));
        let mut made: Vec<(Timestamp, usize, Datagram)> = Vec::new();
        for (place, port) in ports.iter_mut().enumerate() {
            let all = port.make(&clock, upto, end).into_iter();
            made.extend(all.map(|one| (one.planned, place, one)));
        }
        if made.is_empty() {
            // Something else than a cell: it happens when its time has come.
            alarm.sleep(then.min(monotonic().saturating_add(AHEAD)))?;
            continue;
        }
        // Those of one end stay in their order.
        made.sort_by_key(|(planned, place, _)| (*planned, *place));
        for (planned, place, datagram) in made {
            alarm.sleep(clock.at(planned))?;
            if let Some(port) = ports.get_mut(place) {
                port.send(&datagram, &clock);
            }
        }
        last = monotonic();
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::Identity;
    use super::super::keys::Pair;
    use super::super::session::Limits;
    use super::*;
    use crate::stp::cadence::Cadence;
    use crate::stp::follower::Follows;
    use crate::stp::lane::{Bounds, Quiet};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::time::Duration;

    /// The cloud's end of a tunnel, with no padding yet.
    fn follower() -> Endpoint {
        let pair = |seed| Pair::generate(&mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let identity = Identity {
            own: pair(1),
            peer: pair(2).public,
            tunnel: 0,
            limits: Limits::default(),
            secrets: ChaCha8Rng::seed_from_u64(3),
        };
        let follows = Follows {
            period: Duration::from_secs(10),
            cell_bytes: 300,
            cadence: Cadence::Constant { every: 15_000_000 },
            waiting_at_most: Bounds::NONE,
            quiet: Quiet::Pass,
            origin: Timestamp(0),
        };
        Endpoint::follower(follows, identity).unwrap()
    }

    /// After .3 s something comes to the near end, after .5 s to the far one. A far end that wakes after .3 s is felt by all
    /// tunnels on its machine: whoever timed them saw that a near end, whose far end could not be reached, was busy.
    #[test]
    fn an_end_sleeps_through_what_comes_to_the_other() {
        let tenth = |n: i64| Timestamp(n * 100_000_000);
        let arrival = |n, direction| Arrival {
            at: tenth(n),
            direction,
            flow: 0,
            bytes: 100,
            activity: None,
        };
        let arrivals = [arrival(3, Direction::Up), arrival(5, Direction::Down)];
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut far = Port::new(follower(), socket, &arrivals, Direction::Down);
        let end = tenth(60);
        assert_eq!(far.wake(end), Some(tenth(5)));
        assert!(!far.is_done(end));
        far.offer(tenth(5), end);
        assert_eq!(far.endpoint.tally().offered, 1);
        // Next it begins a handshake by itself, as if nothing had come.
        assert_eq!(
            (far.wake(end), far.wake(end) > Some(tenth(5))),
            (follower().wake(), true)
        );

        let only = &arrivals[..1];
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = Port::new(follower(), socket, only, Direction::Down);
        assert_eq!(far.wake(end), follower().wake());
        assert!(far.is_done(end));
    }

    #[test]
    fn a_packet_is_told_by_its_number_and_is_the_same_whenever_it_is_made() {
        let made = packet(77, 3, 100).unwrap();
        assert_eq!((made.len(), number(&made)), (100, Some(77)));
        assert_eq!(packet(77, 3, 100), Some(made.clone()));
        assert_ne!(packet(78, 3, 100).unwrap()[20..], made[20..]);
        assert!(is_packet(&made, 77, 3, 100));
        for place in [0, 15, 20, 99] {
            let mut other = made.clone();
            other[place] ^= 1;
            assert!(!is_packet(&other, 77, 3, 100), "{place}");
        }
        for other in [(78, 3, 100), (77, 4, 100), (77, 3, 99), (77, 3, 101)] {
            assert!(!is_packet(&made, other.0, other.1, other.2), "{other:?}");
        }
        // The longest, from any place on.
        assert!((0..70_000).all(|n| parts(n, n, 65_535).is_some()));
        assert_eq!((packet(0, 0, 19), packet(0, 0, 65_536)), (None, None));
        assert_eq!(packet(0, 0, 20).map(|p| p.len()), Some(20));
    }
}
