//! The relay in real time: the observer in the path, who notes when a datagram was there and sends it on.
//!
//! When it was there is told by the system, which notes that as the datagram comes in: the wire's time, not that of a thread
//! which was waiting for its turn.

use super::clock::{day_ahead, monotonic, Alarm, Clock};
use super::port::DATAGRAM_BYTES;
use super::relay::{Onward, Relay};
use crate::units::{Direction, Timestamp, NANOS};
use nix::sys::socket::{recvmsg, setsockopt, sockopt, ControlMessageOwned, MsgFlags};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A datagram was not there longer ago than this, in nanoseconds: else the clock of the day was set meanwhile.
const LONGEST: i64 = NANOS;

/// A relay with its two sockets.
pub(super) struct Middle {
    relay: Relay,
    /// Towards the device's side, and towards the cloud's.
    sockets: [UdpSocket; 2],
}

/// A datagram on its way; the soonest is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Reverse<(Timestamp, u64)>,
    middle: usize,
    to: usize,
    bytes: Vec<u8>,
}

impl Middle {
    pub(super) fn new(relay: Relay, sockets: [UdpSocket; 2]) -> io::Result<Self> {
        for socket in &sockets {
            setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
        }
        Ok(Self { relay, sockets })
    }

    pub(super) fn into_relay(self) -> Relay {
        self.relay
    }
}

/// A datagram that is there, its length, and when it came, on the clock.
fn hear(socket: &UdpSocket, buffer: &mut [u8], space: &mut [u8]) -> Option<(usize, i64)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let heard = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(space), flags).ok()?;
    let now = monotonic();
    let told = heard
        .cmsgs()
        .ok()
        .and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(at) => Some(at),
                _ => None,
            })
        })
        .map(|at| {
            at.tv_sec()
                .saturating_mul(NANOS)
                .saturating_add(at.tv_nsec())
        });
    let told = told.map(|at| at.saturating_sub(day_ahead()));
    let at = told.filter(|at| (0..LONGEST).contains(&now.saturating_sub(*at)));
    Some((heard.bytes, at.unwrap_or(now)))
}

/// Runs all relays until both ends of their tunnels are over.
pub(super) fn between(
    mut middles: Vec<Middle>,
    clock: Clock,
    over: &AtomicUsize,
) -> io::Result<Vec<Middle>> {
    let mut alarm = Alarm::new()?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut flights: BinaryHeap<Flight> = BinaryHeap::new();
    let mut count = 0u64;
    loop {
        // Asked before it listens: what went before they were over is still heard.
        let last = over.load(Ordering::SeqCst) >= 2;
        for (index, middle) in middles.iter_mut().enumerate() {
            let Middle { relay, sockets } = middle;
            for (from, socket) in sockets.iter().enumerate() {
                let direction = [Direction::Up, Direction::Down][from.min(1)];
                while let Some((length, at)) = hear(socket, &mut buffer, &mut space) {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    for Onward { at, bytes } in relay.pass(clock.of(at), direction, datagram) {
                        count += 1;
                        flights.push(Flight {
                            at: Reverse((at, count)),
                            middle: index,
                            to: 1 - from.min(1),
                            bytes,
                        });
                    }
                }
            }
        }
        if last {
            return Ok(middles);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_was_there_when_it_came_and_not_when_it_was_heard() {
        let [a, b] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        a.connect(b.local_addr().unwrap()).unwrap();
        b.connect(a.local_addr().unwrap()).unwrap();
        setsockopt(&b, sockopt::ReceiveTimestampns, &true).unwrap();
        let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut buffer = [0; 100];
        assert_eq!(hear(&b, &mut buffer, &mut space), None);
        // The first one: the system begins to note times when somebody first wants them.
        for n in 0..20u8 {
            let before = monotonic();
            a.send(&[n; 50]).unwrap();
            let after = monotonic();
            std::thread::sleep(std::time::Duration::from_millis(10));
            let (length, at) = hear(&b, &mut buffer, &mut space).unwrap();
            assert_eq!((length, buffer[0]), (50, n));
            // Two clocks are read one after the other: a thread may be taken off between.
            let near = (before - 2_000_000..after + 2_000_000).contains(&at);
            assert!(near || n == 0, "{n}: {before} {at} {after}");
        }
    }
}
