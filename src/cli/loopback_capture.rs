//! A capture on lo while tunnels run: a second observer, who knows nothing of the first.
//!
//! libpcap sees each datagram as it passes the loopback interface, on its way from an end to the relay; what it saw is held
//! against what the relays saw. It takes a right that not everybody has: without it the report says so, and nothing else changes.

use crate::capture::{self, Listen, Live, LiveError};
use crate::gateway::relay::Seen;
use crate::gateway::run::{Ports, Ran};
use crate::packet::dissect::{dissect, Packet, Protocol};
use crate::units::{Direction, Timestamp};
use crate::verdict::loopback::{Captured, Tail};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The loopback interface.
const INTERFACE: &str = "lo";

/// Bytes of a frame that are kept: its headers.
const SNAPLEN: u32 = 64;

/// How long it listens on after the last datagram: the kernel hands over a block of frames that is not full after half as long.
const LAST: Duration = Duration::from_millis(200);

/// Most datagrams that are kept; those beyond are counted alone.
const KEPT_AT_MOST: u64 = 1 << 24;

/// A way of a tunnel: from whose port to whose.
type Way = [u16; 2];

/// What was seen of a way: when, by the clock of the day, and bytes of the IP packet.
type Passed = Vec<(i64, u32)>;

/// Whoever listens on lo.
pub struct Witness {
    thread: JoinHandle<Result<Heard, LiveError>>,
    over: Arc<AtomicBool>,
}

/// What was heard.
struct Heard {
    ways: HashMap<Way, Passed>,
    datagrams: u64,
    dropped: u64,
}

impl Witness {
    /// Listens from now on to the tunnels with these ports.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn begin(ports: &[Ports]) -> Result<Self, String> {
        let listen = Listen {
            snaplen: SNAPLEN,
            promiscuous: false,
            immediate: false,
            buffer_mib: 16,
            filter: Some("udp and host 127.0.0.1".to_owned()),
        };
        let live = Live::open(INTERFACE, &listen).map_err(|error| error.to_string())?;
        let over = Arc::new(AtomicBool::new(false));
        let ways = ports.iter().flat_map(|ports| [ports.up, ports.down]);
        let ways = ways.map(|way| (way, Vec::new())).collect();
        let flag = over.clone();
        let thread = std::thread::Builder::new()
            .spawn(move || listen_until(live, ways, &flag))
            .map_err(|error| error.to_string())?;
        Ok(Self { thread, over })
    }

    /// Listens no more: what it heard, beside what the relays saw.
    ///
    /// # Errors
    /// Why it heard nothing.
    pub fn end(
        self,
        ports: &[Ports],
        ran: &Ran,
        pace: (Timestamp, f64),
    ) -> Result<Captured, String> {
        self.over.store(true, Ordering::SeqCst);
        let heard = self.thread.join();
        let heard = heard.map_err(|_| "its thread ended before its time".to_owned())?;
        let heard = heard.map_err(|error| error.to_string())?;
        Ok(beside(&heard, ports, ran, pace))
    }
}

fn listen_until(
    mut live: Live,
    ways: HashMap<Way, Passed>,
    over: &AtomicBool,
) -> Result<Heard, LiveError> {
    let mut heard = Heard {
        ways,
        datagrams: 0,
        dropped: 0,
    };
    let mut last = false;
    loop {
        while let Some(frame) = live.next()? {
            let mut packet = Packet::blank();
            if dissect(&frame, &mut packet).is_ok() {
                heard.take(frame.at, &packet);
            }
        }
        if last {
            heard.dropped = live.counts().dropped;
            return Ok(heard);
        }
        last = over.load(Ordering::SeqCst);
        if last {
            std::thread::sleep(LAST);
        } else {
            let _ = capture::wait(std::slice::from_ref(&live), None, LAST);
        }
    }
}

impl Heard {
    fn take(&mut self, at: Timestamp, packet: &Packet<'_>) {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let way = [packet.source_port, packet.destination_port];
        if packet.protocol != Protocol::UDP || packet.source != here || packet.destination != here {
            return;
        }
        let Some(passed) = self.ways.get_mut(&way) else {
            return;
        };
        self.datagrams = self.datagrams.saturating_add(1);
        if self.datagrams <= KEPT_AT_MOST {
            passed.push((at.0, packet.length));
        }
    }
}

/// Two observers of the same wire. `pace`: the trace's origin, and its seconds in one of the clock.
fn beside(heard: &Heard, ports: &[Ports], ran: &Ran, pace: (Timestamp, f64)) -> Captured {
    let (origin, scale) = pace;
    let [day, later] = ran.day;
    let length = ran.outcomes.iter().flat_map(|one| &one.seen);
    let length = length.map(|seen| seen.at.0).max().unwrap_or(origin.0);
    let length = length.saturating_sub(origin.0).max(1) as f64;
    // The clock of the day, as a relay would have told it; what it was slewed meanwhile is spread evenly.
    let told = |seen: &Seen| {
        let passed = seen.at.0.saturating_sub(origin.0) as f64;
        let slewed = later.saturating_sub(day) as f64 * passed / length;
        day.saturating_add((passed / scale + slewed) as i64)
    };
    let mut sizes: BTreeSet<u64> = BTreeSet::new();
    let mut apart: Vec<u64> = Vec::new();
    let mut same = true;
    for (outcome, ports) in ran.outcomes.iter().zip(ports) {
        for (direction, way) in [(Direction::Up, ports.up), (Direction::Down, ports.down)] {
            let passed = heard.ways.get(&way).map_or(&[][..], Vec::as_slice);
            sizes.extend(passed.iter().map(|(_, bytes)| u64::from(*bytes)));
            let seen: Vec<&Seen> = outcome
                .seen
                .iter()
                .filter(|seen| seen.direction == direction)
                .collect();
            let outer = crate::gateway::wire::OUTER_BYTES;
            let alike = seen
                .iter()
                .zip(passed)
                .all(|(seen, (_, bytes))| seen.payload_bytes + outer == *bytes as usize);
            if seen.len() != passed.len() || !alike {
                same = false;
                continue;
            }
            let both = seen.iter().zip(passed);
            apart.extend(both.map(|(seen, (at, _))| told(seen).abs_diff(*at)));
        }
    }
    Captured {
        datagrams: heard.datagrams,
        datagram_sizes: sizes.into_iter().collect(),
        dropped: heard.dropped,
        apart_us: Tail::of(&mut apart, 1e3),
        agrees: same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::run::Outcome;

    /// Two datagrams up and one down, 4 ms after the trace's origin at 1 s, and a tunnel 10 times as fast as the clock.
    fn ran() -> Ran {
        let seen = |at: i64, direction| Seen {
            at: Timestamp(1_000_000_000 + at),
            direction,
            payload_bytes: 172,
        };
        Ran {
            outcomes: vec![Outcome {
                seen: vec![
                    seen(4_000_000, Direction::Up),
                    seen(5_000_000, Direction::Down),
                    seen(8_000_000, Direction::Up),
                ],
                ..Outcome::default()
            }],
            stopped: None,
            day: [70_000_000_000, 70_000_000_000],
        }
    }

    const PORTS: Ports = Ports {
        up: [1000, 2000],
        down: [3000, 4000],
    };

    fn heard(up: &[(i64, u32)]) -> Heard {
        Heard {
            datagrams: up.len() as u64 + 1,
            ways: [
                (PORTS.up, up.to_vec()),
                (PORTS.down, vec![(70_000_500_000, 200)]),
            ]
            .into(),
            dropped: 0,
        }
    }

    #[test]
    fn two_observers_are_held_against_each_other() {
        let of = |heard: &Heard| beside(heard, &[PORTS], &ran(), (Timestamp(1_000_000_000), 10.0));
        // 4 ms of the trace are 400 us of the clock: it was heard 1 and 3 us later, down at once.
        let told = of(&heard(&[(70_000_401_000, 200), (70_000_803_000, 200)]));
        assert!(told.agrees);
        assert_eq!((told.datagrams, &told.datagram_sizes[..]), (3, &[200][..]));
        assert_eq!(
            (told.apart_us.p50, told.apart_us.max),
            (Some(1.0), Some(3.0))
        );
        // One was not heard; one had another size.
        assert!(!of(&heard(&[(70_000_401_000, 200)])).agrees);
        let other = of(&heard(&[(70_000_401_000, 200), (70_000_803_000, 260)]));
        assert!(!other.agrees);
        assert_eq!(other.datagram_sizes, [200, 260]);
    }

    #[test]
    fn of_other_traffic_on_the_interface_nothing_is_kept() {
        let mut heard = heard(&[]);
        let mut packet = Packet {
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            destination: IpAddr::V4(Ipv4Addr::LOCALHOST),
            source_port: 1000,
            destination_port: 2000,
            protocol: Protocol::UDP,
            length: 200,
            ..Packet::blank()
        };
        heard.take(Timestamp(5), &packet);
        packet.destination_port = 53;
        heard.take(Timestamp(6), &packet);
        (packet.destination_port, packet.protocol) = (2000, Protocol::TCP);
        heard.take(Timestamp(7), &packet);
        assert_eq!(heard.ways[&PORTS.up], [(5, 200)]);
    }
}
