//! The tunnel over real sockets: the only file of this room with a clock.
//!
//! Both ends and the relay between them run in a thread each and speak UDP on 127.0.0.1. Each waits in `poll` for its sockets
//! and for a timer set to the absolute instant of the next cell, under SCHED_FIFO where the system allows it: what is late
//! does not make the next one late, and what was slept through is not caught up ([`Endpoint::missed`]). A cell is made a little
//! before it goes, so that what it carries does not move it.
//!
//! The trace's time may run faster than the clock's (`scale`): then everything does, handshakes too.

use super::endpoint::{Datagram, Endpoint, Offered};
use super::relay::{Onward, Relay, Seen};
use crate::units::{Direction, Timestamp, NANOS};
use rustix::event::{poll, PollFd, PollFlags};
use rustix::time::{
    clock_gettime, timerfd_create, timerfd_settime, ClockId, Itimerspec, TimerfdClockId,
    TimerfdFlags, TimerfdTimerFlags, Timespec,
};
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// Longest datagram there may be.
const DATAGRAM_BYTES: usize = 65_536;

/// Bytes of a header that tells which packet it is.
const PACKET_HEADER_BYTES: usize = 20;

/// How long both ends stay when nothing waits any more: what is on its way arrives.
const LAST: Duration = Duration::from_millis(100);

/// So long before a cell goes it is made, in nanoseconds on the clock: what it carries, and how much there was to do for it,
/// does not move it. Longer than a thread takes to wake.
const AHEAD: i64 = 200_000;

/// Nanoseconds on the clock after which flags are looked at, at the latest.
const GLANCE: i64 = NANOS / 20;

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

/// Two ends, and what comes to them.
pub struct Tunnel {
    /// The end at the device's side.
    pub near: Endpoint,
    /// The end at the cloud's side.
    pub far: Endpoint,
    /// The one between them.
    pub relay: Relay,
    /// Ascending in time.
    pub arrivals: Vec<Arrival>,
}

/// How the trace's time goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The trace's first instant.
    pub origin: Timestamp,
    /// Its last.
    pub end: Timestamp,
    /// How long after it what still waits may take.
    pub linger: Duration,
    /// The trace's seconds in one of the clock; above 0.
    pub scale: f64,
}

/// What became of a tunnel.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Packets that came to an end.
    pub offered: u64,
    /// Bytes of the packets that came to an end.
    pub offered_bytes: u64,
    /// Of those, bytes of packets that did not come out.
    pub dropped_bytes: u64,
    /// Datagrams that carried nothing genuine.
    pub empty: u64,
    /// Packets that came out at the other, each counted once.
    pub delivered: u64,
    /// Packets that came out, but not byte for byte as they went in.
    pub altered: u64,
    /// Packets that came out again.
    pub repeated: u64,
    /// Packets that came out after a later one of their flow and direction.
    pub disordered: u64,
    /// Packets that the ends refused: too much waited, or they are none.
    pub refused: u64,
    /// How much later packets came out than they came: nanoseconds of the trace's time, up and down.
    pub delays: [Vec<u64>; 2],
    /// How much later than planned each cell of padding was sent: nanoseconds on the clock.
    pub lateness: Vec<u64>,
    /// Cells that were due and did not go.
    pub missed: u64,
    /// Begins of the periods of padding.
    pub periods: Vec<Timestamp>,
    /// Every datagram as the relay saw it.
    pub seen: Vec<Seen>,
    /// Handshakes that the near end completed.
    pub handshakes: u64,
    /// Whether the threads ran under SCHED_FIFO.
    pub real_time: bool,
}

/// Why nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A socket or a timer.
    #[error("{what} on 127.0.0.1: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: io::Error,
    },
    /// A thread ended without a result.
    #[error("a thread of the tunnel ended before its time: this is a fault of the program")]
    Thread,
}

fn system(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// The clock, and how it maps to the trace's time.
#[derive(Clone, Copy)]
struct Clock {
    /// The clock at the trace's origin.
    start: i64,
    pace: Pace,
}

fn monotonic() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.saturating_mul(NANOS).saturating_add(now.tv_nsec)
}

impl Clock {
    fn now(&self) -> Timestamp {
        let passed = monotonic().saturating_sub(self.start) as f64 * self.pace.scale;
        Timestamp(self.pace.origin.0.saturating_add(passed as i64))
    }

    /// When it is then, on the clock.
    fn at(&self, then: Timestamp) -> i64 {
        let after = then.0.saturating_sub(self.pace.origin.0) as f64 / self.pace.scale;
        // Rounded up: who wakes then finds it due.
        self.start
            .saturating_add((after.ceil() as i64).saturating_add(1))
    }
}

/// A timer for absolute instants of the clock.
struct Alarm {
    timer: OwnedFd,
    set: Option<i64>,
}

impl Alarm {
    fn new() -> Result<Self, RunError> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK);
        let timer = timer.map_err(|error| system("a timer")(error.into()))?;
        Ok(Self { timer, set: None })
    }

    /// Sleeps until then, or until one of the sockets has something.
    fn wait(&mut self, then: i64, sockets: &[&UdpSocket]) -> Result<(), RunError> {
        let failed = |error: rustix::io::Errno| system("waiting")(error.into());
        let glance = monotonic().saturating_add(GLANCE);
        let then = then.clamp(1, glance);
        if self.set != Some(then) {
            let new = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: then / NANOS,
                    tv_nsec: then % NANOS,
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &new).map_err(failed)?;
            self.set = Some(then);
        }
        let timer = PollFd::new(&self.timer, PollFlags::IN);
        let sockets = sockets
            .iter()
            .map(|s| PollFd::from_borrowed_fd(s.as_fd(), PollFlags::IN));
        let mut all: Vec<PollFd> = std::iter::once(timer).chain(sockets).collect();
        match poll(&mut all, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A packet of that number, byte for byte the same whenever it is made.
fn packet(number: u32, flow: u32, bytes: u32) -> Option<Vec<u8>> {
    let length = u16::try_from(bytes).ok()?;
    let mut packet = Vec::with_capacity(usize::from(length));
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&length.to_be_bytes());
    // Protocol 253 is for experiments (RFC 3692).
    packet.extend_from_slice(&[0, 0, 0, 0, 64, 253, 0, 0]);
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&flow.to_be_bytes());
    if packet.len() > usize::from(length) {
        return None;
    }
    // A multiplicative sequence: no two packets have the same filling.
    let mut word = u64::from(number) << 32 | u64::from(flow) | 1;
    while packet.len() < usize::from(length) {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        packet.push(word.to_be_bytes()[0]);
    }
    Some(packet)
}

/// Which packet that is.
fn number(packet: &[u8]) -> Option<usize> {
    let header = packet.get(..PACKET_HEADER_BYTES)?;
    let number = header.get(12..)?.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

/// What an end notes.
#[derive(Default)]
struct Ledger {
    /// Number and instant of packets that came out, and whether they are as they were.
    out: Vec<(usize, Timestamp, bool)>,
    refused: u64,
    empty: u64,
    lateness: Vec<u64>,
}

/// An end with its socket and what comes to it.
struct Port<'a> {
    endpoint: Endpoint,
    socket: UdpSocket,
    /// Of both directions; those of its own are offered here.
    arrivals: &'a [Arrival],
    place: usize,
    own: Direction,
    ledger: Ledger,
}

/// How two ends and a relay tell each other that it is over.
#[derive(Default)]
struct Flags {
    idle: [AtomicBool; 2],
    over: AtomicUsize,
    failed: AtomicBool,
}

impl Port<'_> {
    fn hear(&mut self, clock: &Clock, buffer: &mut [u8]) {
        // An error here is an answer to a datagram that nobody took: the other end is gone.
        while let Ok(length) = self.socket.recv(buffer) {
            let now = clock.now();
            let datagram = buffer.get(..length).unwrap_or_default();
            for packet in self.endpoint.receive(now, datagram) {
                let Some(index) = number(&packet) else {
                    continue;
                };
                let sent = self.arrivals.get(index);
                let sent = sent.and_then(|sent| self::packet(index as u32, sent.flow, sent.bytes));
                let same = sent.is_some_and(|sent| sent == packet);
                self.ledger.out.push((index, now, same));
            }
        }
    }

    fn offer(&mut self, now: Timestamp) {
        while let Some(arrival) = self.arrivals.get(self.place).filter(|a| a.at <= now) {
            let number = u32::try_from(self.place).unwrap_or(u32::MAX);
            self.place += 1;
            if arrival.direction != self.own {
                continue;
            }
            let packet = packet(number, arrival.flow, arrival.bytes);
            let taken = packet.map(|packet| self.endpoint.offer(now, packet, arrival.activity));
            if taken != Some(Offered::Taken) {
                self.ledger.refused += 1;
            }
        }
    }

    /// Makes what is due by an instant, which may lie a little ahead.
    fn make(&mut self, due: Timestamp) -> Vec<Datagram> {
        std::iter::from_fn(|| self.endpoint.poll(due)).collect()
    }

    fn send(&mut self, made: Vec<Datagram>, clock: &Clock) {
        for datagram in made {
            if datagram.padded {
                let late = clock.now().since(datagram.planned).as_nanos() as f64;
                self.ledger.lateness.push((late / clock.pace.scale) as u64);
            }
            self.ledger.empty += u64::from(datagram.genuine == 0);
            // What the system does not take is lost, as on any wire.
            let _ = self.socket.send(&datagram.bytes);
        }
    }

    /// Whether nothing comes or waits any more.
    fn is_done(&self) -> bool {
        self.endpoint.is_empty() && self.place >= self.arrivals.len()
    }

    /// When something is to be done. While padded a genuine packet waits for a cell anyway, so none wakes the thread.
    fn wake(&self) -> Option<Timestamp> {
        let arrival = self.arrivals.get(self.place).map(|arrival| arrival.at);
        let arrival = arrival.filter(|_| !self.endpoint.is_padding());
        self.endpoint.wake().into_iter().chain(arrival).min()
    }
}

fn side<'a>(
    mut ports: Vec<Port<'a>>,
    clock: Clock,
    flags: &Flags,
    index: usize,
) -> Result<Vec<Port<'a>>, RunError> {
    let mut alarm = Alarm::new()?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let pace = clock.pace;
    let mut idle_since = None;
    loop {
        for port in &mut ports {
            port.hear(&clock, &mut buffer);
            if !port.endpoint.is_padding() {
                let now = clock.now();
                port.offer(now.min(pace.end));
                if !port.endpoint.is_padding() {
                    let made = port.make(now);
                    port.send(made, &clock);
                }
            }
        }
        let now = clock.now();
        let ended = now > pace.end;
        let idle = ended && ports.iter().all(Port::is_done);
        if let Some(flag) = flags.idle.get(index) {
            flag.store(idle, Ordering::SeqCst);
        }
        let all_idle = flags.idle.iter().all(|flag| flag.load(Ordering::SeqCst));
        match (all_idle, idle_since) {
            (true, None) => idle_since = Some(monotonic()),
            (true, Some(_)) => {}
            (false, _) => idle_since = None,
        }
        let rested = idle_since
            .is_some_and(|since: i64| monotonic().saturating_sub(since) > LAST.as_nanos() as i64);
        if rested || now > pace.end + pace.linger || flags.failed.load(Ordering::SeqCst) {
            return Ok(ports);
        }
        let wake = ports.iter().filter_map(Port::wake).min();
        let then = wake.map_or(i64::MAX, |wake| clock.at(wake));
        let early = then.saturating_sub(AHEAD);
        if monotonic() < early {
            let sockets: Vec<&UdpSocket> = ports.iter().map(|port| &port.socket).collect();
            alarm.wait(early, &sockets)?;
            continue;
        }
        let now = clock.now();
        let due = wake.map_or(now, |wake| wake.max(now));
        let mut made = Vec::with_capacity(ports.len());
        for port in &mut ports {
            let padding = port.endpoint.is_padding();
            if padding {
                port.offer(now.min(pace.end));
            }
            made.push(if padding { port.make(due) } else { Vec::new() });
        }
        alarm.wait(then, &[])?;
        for (port, made) in ports.iter_mut().zip(made) {
            port.send(made, &clock);
        }
    }
}

/// A relay with its two sockets.
struct Middle {
    relay: Relay,
    /// Towards the device's side, and towards the cloud's.
    sockets: [UdpSocket; 2],
}

/// A datagram on its way; the soonest is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: std::cmp::Reverse<(Timestamp, u64)>,
    middle: usize,
    to: usize,
    bytes: Vec<u8>,
}

fn between(mut middles: Vec<Middle>, clock: Clock, flags: &Flags) -> Result<Vec<Middle>, RunError> {
    let mut alarm = Alarm::new()?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut flights: BinaryHeap<Flight> = BinaryHeap::new();
    let mut count = 0u64;
    while flags.over.load(Ordering::SeqCst) < 2 {
        for (index, middle) in middles.iter_mut().enumerate() {
            let Middle { relay, sockets } = middle;
            for (from, socket) in sockets.iter().enumerate() {
                let direction = [Direction::Up, Direction::Down][from.min(1)];
                while let Ok(length) = socket.recv(&mut buffer) {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    for Onward { at, bytes } in relay.pass(clock.now(), direction, datagram) {
                        count += 1;
                        flights.push(Flight {
                            at: std::cmp::Reverse((at, count)),
                            middle: index,
                            to: 1 - from.min(1),
                            bytes,
                        });
                    }
                }
            }
        }
        let now = clock.now();
        while flights.peek().is_some_and(|flight| flight.at.0 .0 <= now) {
            let Some(flight) = flights.pop() else { break };
            let socket = middles
                .get(flight.middle)
                .and_then(|m| m.sockets.get(flight.to));
            if let Some(socket) = socket {
                let _ = socket.send(&flight.bytes);
            }
        }
        let then = flights
            .peek()
            .map_or(i64::MAX, |flight| clock.at(flight.at.0 .0));
        let sockets: Vec<&UdpSocket> = middles.iter().flat_map(|m| &m.sockets).collect();
        alarm.wait(then, &sockets)?;
    }
    Ok(middles)
}

/// Sends this thread's work before everybody else's; `false` where the system does not allow it.
fn prefer() -> bool {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        ThreadPriority::Min,
        policy,
    )
    .is_ok()
}

fn pair() -> Result<(UdpSocket, UdpSocket), RunError> {
    let bound = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let connected = || -> io::Result<(UdpSocket, UdpSocket)> {
        let (a, b) = (bound()?, bound()?);
        a.connect(b.local_addr()?)?;
        b.connect(a.local_addr()?)?;
        Ok((a, b))
    };
    connected().map_err(system("a UDP socket"))
}

/// What each thread gives back, and whether it was preferred.
fn joined<T>(
    handle: std::thread::ScopedJoinHandle<'_, (Result<T, RunError>, bool)>,
) -> Result<(T, bool), RunError> {
    let (result, preferred) = handle.join().map_err(|_| RunError::Thread)?;
    Ok((result?, preferred))
}

/// Runs all tunnels at once over UDP on 127.0.0.1, in the trace's time.
///
/// # Errors
/// Sockets, timers or threads that cannot be had.
pub fn loopback(tunnels: Vec<Tunnel>, pace: Pace) -> Result<Vec<Outcome>, RunError> {
    let (mut near, mut far, mut middles) = (Vec::new(), Vec::new(), Vec::new());
    let mut ends = Vec::new();
    let mut lists = Vec::new();
    for tunnel in tunnels {
        lists.push(tunnel.arrivals);
        ends.push((tunnel.near, tunnel.far, tunnel.relay));
    }
    for ((near_end, far_end, relay), arrivals) in ends.into_iter().zip(&lists) {
        let (near_socket, towards_near) = pair()?;
        let (far_socket, towards_far) = pair()?;
        let port = |endpoint, socket, own| Port {
            endpoint,
            socket,
            arrivals,
            place: 0,
            own,
            ledger: Ledger::default(),
        };
        near.push(port(near_end, near_socket, Direction::Up));
        far.push(port(far_end, far_socket, Direction::Down));
        middles.push(Middle {
            relay,
            sockets: [towards_near, towards_far],
        });
    }
    let clock = Clock {
        start: monotonic(),
        pace,
    };
    let flags = Flags::default();
    let (near, far, middles, preferred) = std::thread::scope(|scope| {
        let flags = &flags;
        let end = move |ports, index| {
            let preferred = prefer();
            let result = side(ports, clock, flags, index);
            flags.failed.fetch_or(result.is_err(), Ordering::SeqCst);
            flags.over.fetch_add(1, Ordering::SeqCst);
            (result, preferred)
        };
        let near = scope.spawn(move || end(near, 0));
        let far = scope.spawn(move || end(far, 1));
        let relay = scope.spawn(move || {
            let preferred = prefer();
            let result = between(middles, clock, flags);
            flags.failed.fetch_or(result.is_err(), Ordering::SeqCst);
            (result, preferred)
        });
        let (near, far, relay) = (joined(near), joined(far), joined(relay));
        let ((near, a), (far, b), (middles, c)) = (near?, far?, relay?);
        Ok::<_, RunError>((near, far, middles, a && b && c))
    })?;
    let all = near.into_iter().zip(far).zip(middles);
    Ok(all
        .map(|((near, far), middle)| outcome(near, far, middle, preferred))
        .collect())
}

fn outcome(near: Port, far: Port, middle: Middle, preferred: bool) -> Outcome {
    let arrivals = near.arrivals;
    let mut outcome = Outcome {
        offered: arrivals.len() as u64,
        refused: near.ledger.refused + far.ledger.refused,
        missed: near.endpoint.missed() + far.endpoint.missed(),
        empty: near.ledger.empty + far.ledger.empty,
        offered_bytes: arrivals.iter().map(|a| u64::from(a.bytes)).sum(),
        handshakes: near.endpoint.counts().handshakes,
        seen: middle.relay.into_seen(),
        real_time: preferred,
        ..Outcome::default()
    };
    let mut came = vec![false; arrivals.len()];
    let mut last: BTreeMap<(u32, Direction), usize> = BTreeMap::new();
    for (index, at, same) in near.ledger.out.iter().chain(&far.ledger.out) {
        let (Some(arrival), Some(came)) = (arrivals.get(*index), came.get_mut(*index)) else {
            outcome.altered += 1;
            continue;
        };
        outcome.altered += u64::from(!same);
        if std::mem::replace(came, true) {
            outcome.repeated += 1;
            continue;
        }
        outcome.delivered += u64::from(*same);
        let latest = last.entry((arrival.flow, arrival.direction)).or_insert(0);
        outcome.disordered += u64::from(*index < *latest);
        *latest = (*latest).max(*index);
        let late = at.since(arrival.at).as_nanos();
        let [up, down] = &mut outcome.delays;
        let delays = match arrival.direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        delays.push(u64::try_from(late).unwrap_or(u64::MAX));
    }
    let lost = arrivals.iter().zip(&came).filter(|(_, came)| !**came);
    outcome.dropped_bytes = lost.map(|(arrival, _)| u64::from(arrival.bytes)).sum();
    let mut near = near;
    outcome.periods = std::iter::from_fn(|| near.endpoint.period()).collect();
    outcome.lateness = near.ledger.lateness;
    outcome.lateness.extend(far.ledger.lateness);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_by_its_number_and_is_the_same_whenever_it_is_made() {
        let made = packet(77, 3, 100).unwrap();
        assert_eq!((made.len(), number(&made)), (100, Some(77)));
        assert_eq!(packet(77, 3, 100), Some(made.clone()));
        assert_ne!(packet(78, 3, 100).unwrap()[20..], made[20..]);
        assert_eq!((packet(0, 0, 19), packet(0, 0, 65_536)), (None, None));
        assert_eq!(packet(0, 0, 20).map(|p| p.len()), Some(20));
    }
}
