//! The tunnel over real sockets, in real time.
//!
//! Both ends (`port`) and the relay between them (`observer`) run in a thread each and speak UDP on
//! 127.0.0.1, under SCHED_FIFO where the system allows it. With `clock` these are the only files of this room that know
//! what time it is. The trace's time may run faster than the clock's (`scale`): then everything does, handshakes too.

use super::clock::{day_ahead, monotonic, Clock};
use super::endpoint::Endpoint;
use super::observer::{between, Middle};
use super::port::{side, Flags, Port};
use super::relay::{Relay, Seen};
use crate::units::{Direction, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

pub use super::clock::Pace;
pub use super::port::{Arrival, Sent, What};

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
    /// Packets that had neither come out nor been refused when the tunnels were stopped before their time.
    pub unfinished: u64,
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
    /// Each datagram that was sent, up and down, in the order they went.
    pub sent: [Vec<Sent>; 2],
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

/// What became of all tunnels.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Of each, in their order.
    pub outcomes: Vec<Outcome>,
    /// The trace's instant at which somebody stopped them; none where they went to their end.
    pub stopped: Option<Timestamp>,
    /// The clock of the day, in nanoseconds since 1970, at the trace's origin: as it was told when the tunnels began, and as it
    /// was told when they ended. It may be set or slewed meanwhile.
    pub day: [i64; 2],
}

/// Where the datagrams of a tunnel come from and go to on 127.0.0.1, as the relay sees them come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Up: from the near end's port to the relay's.
    pub up: [u16; 2],
    /// Down: from the far end's port to the relay's.
    pub down: [u16; 2],
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

/// Tunnels whose sockets are there, before anything goes.
pub struct Bound {
    arrivals: Vec<Vec<Arrival>>,
    ends: Vec<(Endpoint, UdpSocket, Endpoint, UdpSocket)>,
    middles: Vec<Middle>,
    ports: Vec<Ports>,
}

/// Opens the sockets of all tunnels.
///
/// # Errors
/// Sockets that cannot be had.
pub fn bind(tunnels: Vec<Tunnel>) -> Result<Bound, RunError> {
    let mut bound = Bound {
        arrivals: Vec::new(),
        ends: Vec::new(),
        middles: Vec::new(),
        ports: Vec::new(),
    };
    let way = |from: &UdpSocket, to: &UdpSocket| -> io::Result<[u16; 2]> {
        Ok([from.local_addr()?.port(), to.local_addr()?.port()])
    };
    for tunnel in tunnels {
        let failed = system("a UDP socket");
        let (near, towards_near) = pair()?;
        let (far, towards_far) = pair()?;
        bound.ports.push(Ports {
            up: way(&near, &towards_near).map_err(&failed)?,
            down: way(&far, &towards_far).map_err(&failed)?,
        });
        let middle = Middle::new(tunnel.relay, [towards_near, towards_far]);
        bound.middles.push(middle.map_err(&failed)?);
        bound.ends.push((tunnel.near, near, tunnel.far, far));
        bound.arrivals.push(tunnel.arrivals);
    }
    Ok(bound)
}

/// Runs all tunnels at once over UDP on 127.0.0.1, in the trace's time, to their end.
///
/// # Errors
/// Sockets, timers or threads that cannot be had.
pub fn loopback(tunnels: Vec<Tunnel>, pace: Pace) -> Result<Vec<Outcome>, RunError> {
    let ran = bind(tunnels)?.run(pace, &AtomicBool::new(false))?;
    Ok(ran.outcomes)
}

impl Bound {
    /// The ports of each tunnel, in their order.
    pub fn ports(&self) -> &[Ports] {
        &self.ports
    }

    /// Runs all tunnels at once, in the trace's time, to their end, or until the flag goes up: then nothing more comes to them,
    /// and what waits has a second of the clock to pass.
    ///
    /// # Errors
    /// Timers or threads that cannot be had.
    pub fn run(self, pace: Pace, stop: &AtomicBool) -> Result<Ran, RunError> {
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for ((near_end, near_socket, far_end, far_socket), arrivals) in
            self.ends.into_iter().zip(&self.arrivals)
        {
            near.push(Port::new(near_end, near_socket, arrivals, Direction::Up));
            far.push(Port::new(far_end, far_socket, arrivals, Direction::Down));
        }
        let middles = self.middles;
        let clock = Clock {
            start: monotonic(),
            pace,
        };
        let began = day_ahead();
        let flags = Flags::new(stop);
        let (near, far, middles, preferred) = std::thread::scope(|scope| {
            let flags = &flags;
            let end = move |ports, index| {
                let preferred = prefer();
                let result = side(ports, clock, flags, index).map_err(system("an end"));
                flags.failed.fetch_or(result.is_err(), Ordering::SeqCst);
                flags.over.fetch_add(1, Ordering::SeqCst);
                (result, preferred)
            };
            let near = scope.spawn(move || end(near, 0));
            let far = scope.spawn(move || end(far, 1));
            let relay = scope.spawn(move || {
                let preferred = prefer();
                let result = between(middles, clock, &flags.over).map_err(system("the relay"));
                flags.failed.fetch_or(result.is_err(), Ordering::SeqCst);
                (result, preferred)
            });
            let (near, far, relay) = (joined(near), joined(far), joined(relay));
            let ((near, a), (far, b), (middles, c)) = (near?, far?, relay?);
            Ok::<_, RunError>((near, far, middles, a && b && c))
        })?;
        let stopped = flags.stopped.get().map(|(at, _)| *at);
        let all = near.into_iter().zip(far).zip(middles);
        Ok(Ran {
            outcomes: all
                .map(|((near, far), middle)| outcome(near, far, middle, preferred, stopped))
                .collect(),
            stopped,
            day: [began, day_ahead()].map(|ahead| clock.start.saturating_add(ahead)),
        })
    }
}

fn outcome(
    near: Port,
    far: Port,
    middle: Middle,
    preferred: bool,
    stopped: Option<Timestamp>,
) -> Outcome {
    // Ascending in time: the others had not come yet.
    let upto = stopped.unwrap_or(Timestamp(i64::MAX));
    let count = near.arrivals.partition_point(|arrival| arrival.at <= upto);
    let arrivals = near.arrivals.get(..count).unwrap_or_default();
    let mut outcome = Outcome {
        offered: arrivals.len() as u64,
        refused: near.ledger.refused + far.ledger.refused,
        missed: near.endpoint.missed() + far.endpoint.missed(),
        empty: near.ledger.empty + far.ledger.empty,
        offered_bytes: arrivals.iter().map(|a| u64::from(a.bytes)).sum(),
        handshakes: near.endpoint.counts().handshakes,
        seen: middle.into_relay().into_seen(),
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
    let (mut count, mut bytes) = (0u64, 0u64);
    for (arrival, _) in lost {
        count += 1;
        bytes = bytes.saturating_add(u64::from(arrival.bytes));
    }
    outcome.dropped_bytes = bytes;
    if stopped.is_some() {
        outcome.unfinished = count.saturating_sub(outcome.refused);
    }
    let mut near = near;
    outcome.periods = std::iter::from_fn(|| near.endpoint.period()).collect();
    outcome.sent = [near.ledger.sent, far.ledger.sent];
    outcome
}
