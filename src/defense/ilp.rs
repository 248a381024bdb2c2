//! Independent link padding: a tunnel that always carries the same, whatever happens at home.
//!
//! The paper, section 5.3: "Constant rate padding to enforce fixed-size packets with constant interpacket intervals is the
//! simplest form of ILP. An alternative method is to draw packet sizes and interpacket intervals from probability
//! distributions independent of user behavior." Both are here. As in the paper's own test the home's router does it, for
//! all devices together and both ways; its 40 KB/s come to 104 GB in a month of 30 days. What comes faster than the rate
//! waits and is never dropped; the wire is watched until the last of it has gone.
//!
//! The random one draws sizes evenly between a quarter of the largest and the largest, and intervals evenly between nothing
//! and twice their mean; each draw holds for 16 packets, or for as many more as it takes that a long trace comes to
//! 150,000 draws and not to twenty million. How many is worked out from the rates and the length of the trace alone, and
//! told among the parameters.

use super::settings::{DefenseError, Settings, PACKETS_AT_MOST};
use super::stream::way;
use super::vpn::TUNNEL;
use super::wire::{merged, Delays};
use crate::stp::lane::CELL_HEADER_BYTES;
use crate::threat::{
    Cost, Defense, Observation, SeenFlow, ShapedTrace, Shaping, Sighting, Vantage,
};
use crate::trace::Trace;
use crate::units::{Direction, Rate, Span, Timestamp, NANOS};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// Bytes of a cell, and the most of one of random size, where nothing is said.
const CELL: u32 = 1000;
const LARGEST: u32 = 1400;

/// Random packets that share a draw, at least.
const TRAIN: u32 = 16;
/// Draws for the whole of a trace, about: two weeks at home then have one every sixteen seconds each way, and cost little more
/// than at a constant rate.
const DRAWS_AT_MOST: f64 = 150_000.0;

struct Ilp {
    random: bool,
    /// Bytes of a cell; of random ones the least and the most.
    sizes: (u32, u32),
    /// R_u and R_d on the wire.
    rates: [Rate; 2],
    chosen: bool,
    /// Packets that share a draw; of random ones.
    hold: u32,
}

/// Constant rate.
///
/// # Errors
/// Settings out of range, or more packets than can be worked with.
pub fn constant(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    make(settings, trace, false)
}

/// Random sizes and intervals.
///
/// # Errors
/// Settings out of range, or more packets than can be worked with.
pub fn random(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    make(settings, trace, true)
}

fn make(
    settings: &Settings,
    trace: &Trace,
    random: bool,
) -> Result<Box<dyn Defense>, DefenseError> {
    settings.check()?;
    let sizes = match (random, settings.cell_bytes) {
        (false, cell) => (cell.unwrap_or(CELL), cell.unwrap_or(CELL)),
        (true, cell) => {
            let most = cell.unwrap_or(LARGEST);
            // Room for a header and a little more.
            ((most / 4).max(CELL_HEADER_BYTES + 4), most)
        }
    };
    let mean = (f64::from(sizes.0) + f64::from(sizes.1)) / 2.0;
    let room = mean - f64::from(CELL_HEADER_BYTES);
    let peaks = busiest_seconds(trace);
    let both = peaks[0] + peaks[1];
    let rate = |way: usize| {
        let peak = peaks.get(way).copied().unwrap_or(0.0);
        let given = match settings.ilp_rate {
            // Shared as the busiest seconds are; each way gets something.
            Some(rate) if both > 0.0 => rate.bytes_per_s() * (peak / both).clamp(0.05, 0.95),
            Some(rate) => rate.bytes_per_s() / 2.0,
            // At least two cells a second: little would wait long otherwise.
            None => (peak * mean / room).max(2.0 * mean),
        };
        Rate::new(given).ok_or(DefenseError::Range {
            what: "a rate of independent link padding",
            got: format!("{given} B/s"),
            allowed: format!("above 0 and at most {:e} B/s", Rate::MOST.bytes_per_s()),
        })
    };
    let rates = [rate(0)?, rate(1)?];

    // As long as the trace, and then until the last byte has gone.
    let mut cells = 0.0;
    let mut longest: f64 = 0.0;
    for rate in rates {
        let a_second = rate.bytes_per_s() / mean;
        let drain = trace.bytes() as f64 / room / a_second;
        cells += a_second * (trace.seconds() + drain) + 2.0;
        longest = longest.max(drain);
    }
    // Random intervals may come to more than their mean.
    let late = trace.window.end.as_secs_f64() + 2.0 * longest + 10.0;
    if late >= i64::MAX as f64 / NANOS as f64 {
        return Err(DefenseError::TooLate {
            end: trace.window.end,
        });
    }
    if cells > PACKETS_AT_MOST {
        return Err(DefenseError::TooMany {
            what: "packets on the wire",
            count: cells,
            most: PACKETS_AT_MOST,
        });
    }
    Ok(Box::new(Ilp {
        random,
        sizes,
        rates,
        chosen: settings.ilp_rate.is_none(),
        // Far below 2^32: so many packets were refused.
        hold: ((cells / DRAWS_AT_MOST).ceil() as u32).max(TRAIN),
    }))
}

/// Most bytes in any second of a trace, up and down.
fn busiest_seconds(trace: &Trace) -> [f64; 2] {
    let (mut second, mut within, mut most) = (i64::MIN, [0u64; 2], [0u64; 2]);
    for packet in &trace.packets {
        let this = packet.at.0.saturating_sub(trace.window.start.0) / NANOS;
        if this != second {
            (second, within) = (this, [0; 2]);
        }
        let way = way(packet.direction);
        if let Some((within, most)) = within.get_mut(way).zip(most.get_mut(way)) {
            *within += u64::from(packet.bytes);
            *most = (*most).max(*within);
        }
    }
    most.map(|bytes| bytes as f64)
}

/// A genuine packet of one direction: when it comes, and its bytes.
type Offered = (Timestamp, u32);

/// The packets of a trace, up and down: told apart once, for a guess at each packet's direction is wrong half the time.
fn offered(trace: &Trace) -> [Vec<Offered>; 2] {
    let mut ways = [(); 2].map(|()| Vec::with_capacity(trace.packets.len()));
    for packet in &trace.packets {
        if let Some(of) = ways.get_mut(way(packet.direction)) {
            of.push((packet.at, packet.bytes));
        }
    }
    ways
}

/// What one direction comes to.
#[derive(Default)]
struct Carried {
    sightings: Vec<Sighting>,
    cover: u64,
    framing: u64,
}

impl Ilp {
    /// One way at a constant rate: where each packet's last byte goes is worked out without walking the cells.
    fn constant_way(
        &self,
        window: Span,
        direction: Direction,
        packets: impl Iterator<Item = Offered>,
        delays: &mut Delays,
    ) -> Carried {
        let cell = self.sizes.0;
        let room = u64::from(cell - CELL_HEADER_BYTES);
        let rate = self.rates[way(direction)];
        let every = every(f64::from(cell), rate);
        let start = window.start;
        // The cell that is being filled, what still fits in, and how many bear anything.
        let (mut place, mut free, mut used) = (0i64, room, 0u64);
        let mut genuine = 0u64;
        let sent = |place: i64| Timestamp(start.0.saturating_add(every.saturating_mul(place)));
        for (at, bytes) in packets {
            let bytes = u64::from(bytes);
            genuine += bytes;
            let since = at.0.saturating_sub(start.0);
            let first = since / every + i64::from(since % every != 0);
            if first > place {
                (place, free) = (first, room);
            }
            if free == 0 && bytes > 0 {
                (place, free) = (place.saturating_add(1), room);
            }
            used += u64::from(free == room && bytes > 0);
            if bytes <= free {
                free -= bytes;
            } else {
                let left = bytes - free;
                let more = left.div_ceil(room);
                used += more;
                free = more * room - left;
                place = place.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
            }
            delays.passed(at, sent(place));
        }
        let watched = window.end.0.saturating_sub(start.0) / every;
        let last = if used > 0 { place } else { 0 };
        let all = u64::try_from(watched.max(last))
            .unwrap_or(0)
            .saturating_add(1);
        Carried {
            sightings: vec![Sighting {
                // Checked in `make`: far fewer.
                count: u32::try_from(all).unwrap_or(u32::MAX),
                every,
                ..Sighting::one(start, 0, direction, cell)
            }],
            cover: (all - used) * u64::from(cell),
            framing: used * u64::from(cell) - genuine,
        }
    }

    /// One way with random sizes and intervals.
    fn random_way(
        &self,
        window: Span,
        direction: Direction,
        packets: impl Iterator<Item = Offered> + Clone,
        delays: &mut Delays,
        chance: &mut ChaCha8Rng,
    ) -> Carried {
        let (least, most) = self.sizes;
        let mean = (f64::from(least) + f64::from(most)) / 2.0;
        let mean_every = every(mean, self.rates[way(direction)]);
        let mut waiting = Waiting::new(packets.clone());
        let mut packets = packets.peekable();
        let mut carried = Carried::default();
        let mut at = window.start;
        loop {
            let size = chance.gen_range(least..=most);
            let every = chance.gen_range(1..=mean_every.saturating_mul(2).max(1));
            let room = size - CELL_HEADER_BYTES;
            let begin = at;
            let mut count = 0;
            while count < self.hold {
                while packets.next_if(|packet| packet.0 <= at).is_some() {
                    waiting.count += 1;
                }
                if at > window.end && waiting.count == 0 {
                    break;
                }
                // Nothing waits: dummies until the next packet has come, or the trace is over.
                let idle = match waiting.count == 0 {
                    true => packets.peek().map_or(window.end, |packet| packet.0),
                    false => at,
                };
                let dummies =
                    (idle.0.saturating_sub(at.0) / every).min(i64::from(self.hold - count));
                let cells = match u32::try_from(dummies) {
                    Ok(dummies @ 1..) => {
                        carried.cover += u64::from(size) * u64::from(dummies);
                        dummies
                    }
                    _ => {
                        match waiting.fill(room, at, delays) {
                            0 => carried.cover += u64::from(size),
                            genuine => carried.framing += u64::from(size - genuine),
                        }
                        1
                    }
                };
                count += cells;
                let passed = every.saturating_mul(i64::from(cells));
                at = Timestamp(at.0.saturating_add(passed));
            }
            if count == 0 {
                break;
            }
            carried.sightings.push(Sighting {
                count,
                every,
                ..Sighting::one(begin, 0, direction, size)
            });
        }
        carried
    }
}

/// What waits: so many of the packets that have not gone, the first of which may have gone in part. Nothing is copied, for they
/// go in the order in which they come.
struct Waiting<P> {
    packets: P,
    /// How many have come and not gone.
    count: usize,
    /// The first of all that have not gone, with its bytes that have not.
    first: Option<Offered>,
}

impl<P: Iterator<Item = Offered>> Waiting<P> {
    fn new(mut packets: P) -> Self {
        Self {
            first: packets.next(),
            packets,
            count: 0,
        }
    }

    /// Puts up to `room` bytes of what waits into a packet that goes now: how many.
    fn fill(&mut self, room: u32, now: Timestamp, delays: &mut Delays) -> u32 {
        let mut free = room;
        while let Some((since, left)) = self.first.as_mut().filter(|_| self.count > 0) {
            let taken = (*left).min(free);
            *left -= taken;
            free -= taken;
            if *left > 0 {
                break;
            }
            delays.passed(*since, now);
            self.first = self.packets.next();
            self.count -= 1;
        }
        room - free
    }
}

/// Nanoseconds between cells of that size at that rate.
fn every(cell: f64, rate: Rate) -> i64 {
    ((cell / rate.bytes_per_s() * NANOS as f64).round() as i64).max(1)
}

impl Defense for Ilp {
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace {
        let mut delays = Delays::default();
        let offered = offered(trace);
        let [up, down] = [Direction::Up, Direction::Down].map(|direction| match self.random {
            false => {
                let packets = offered[way(direction)].iter().copied();
                self.constant_way(trace.window, direction, packets, &mut delays)
            }
            true => {
                // A stream of chance for each way: what one draws does not move the other.
                let mut own = ChaCha8Rng::seed_from_u64(chance.gen());
                let packets = offered[way(direction)].iter().copied();
                self.random_way(trace.window, direction, packets, &mut delays, &mut own)
            }
        });
        let (cover, framing) = (up.cover + down.cover, up.framing + down.framing);
        let sightings = merged(up.sightings, down.sightings);
        let last = sightings.iter().map(Sighting::end).max();
        let mut window = trace.window;
        window.extend(last.unwrap_or(window.end));
        let [up, down] = self.rates;
        let shaping = Shaping {
            period: None,
            up,
            down,
            cell_bytes: self.sizes.1,
        };
        ShapedTrace {
            seen: Observation {
                vantage: Vantage::Outside,
                window,
                flows: vec![SeenFlow {
                    far: TUNNEL.into(),
                    shaping: Some(shaping),
                }],
                sightings,
            },
            cost: Cost {
                genuine: trace.bytes(),
                dropped: 0,
                cover,
                framing,
            },
            delay: delays.finish(),
            periods: Vec::new(),
            broken: Vec::new(),
        }
    }

    fn parameters(&self) -> BTreeMap<&'static str, Value> {
        let [up, down] = self.rates.map(Rate::bytes_per_s);
        let mut all = BTreeMap::from([
            ("rate_up_bytes_per_s", json!(up)),
            ("rate_down_bytes_per_s", json!(down)),
            (
                "rate_from",
                json!(if self.chosen {
                    "busiest second"
                } else {
                    "given"
                }),
            ),
            ("cell_bytes", json!(self.sizes.1)),
        ]);
        if self.random {
            all.insert("least_cell_bytes", json!(self.sizes.0));
            all.insert("packets_per_draw", json!(self.hold));
        }
        all
    }

    fn is_random(&self) -> bool {
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::tiny;

    fn with(rate: f64) -> Settings {
        Settings {
            ilp_rate: Rate::new(rate),
            ..Settings::default()
        }
    }

    #[test]
    fn forty_kilobytes_a_second_are_104_gigabytes_a_month() {
        // 30 days: 2,592,000 s at 40,000 B/s come to 103.68 GB (the paper, section 5.3: 104 GB).
        let month = tiny(&[(0, true, 100), (2_592_000, false, 100)], &[]);
        let shaped = constant(&with(40_000.0), &month)
            .unwrap()
            .shape(&month, &mut ChaCha8Rng::seed_from_u64(1));
        let gigabytes = shaped.seen.bytes() as f64 / 1e9;
        assert!((gigabytes - 103.68).abs() < 0.001, "{gigabytes}");
        assert_eq!(shaped.seen.sightings.len(), 2);
        // An hour of random ones comes to 144 MB, as far as chance lets it.
        let hour = tiny(&[(0, true, 100), (3600, false, 100)], &[]);
        let shaped = random(&with(40_000.0), &hour)
            .unwrap()
            .shape(&hour, &mut ChaCha8Rng::seed_from_u64(1));
        let share = shaped.seen.bytes() as f64 / 144e6;
        // 165,000 packets in 10,000 draws: three standard deviations are 2 %.
        assert!((share - 1.0).abs() < 0.02, "{share}");
    }

    #[test]
    fn what_comes_faster_than_the_rate_waits() {
        // 1000 B/s each way in cells of 500: one each half second with room for 440. 1000 bytes at 10 s fill those at 10,
        // 10.5 and 120 bytes of the one at 11; the 300 bytes at 10 s as well fit in there; 1 byte at 11 s does not wait.
        let trace = tiny(
            &[
                (0, false, 1000),
                (10, true, 1000),
                (10, true, 300),
                (11, true, 1),
            ],
            &[],
        );
        let settings = Settings {
            cell_bytes: Some(500),
            ..with(2000.0)
        };
        // The busiest seconds are 1000 down and 1300 up: make them alike for the sake of easy numbers.
        let mut ilp = Ilp {
            random: false,
            sizes: (500, 500),
            rates: [Rate::new(1000.0).unwrap(); 2],
            chosen: false,
            hold: TRAIN,
        };
        let shaped = ilp.shape(&trace, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(shaped.delay.max.as_millis(), 1000);
        // Up: cells at 0, 0.5, ... 11: 23 of which 3 bear 1301 bytes. Down: 23 of which 3 bear 1000.
        assert_eq!(shaped.cost.cover, 40 * 500);
        assert_eq!(shaped.cost.framing, 6 * 500 - 2301);
        assert_eq!(shaped.seen.bytes(), shaped.cost.carried());
        // At a tenth of the rate the wire is watched until all has gone.
        ilp.rates = [Rate::new(100.0).unwrap(); 2];
        let slow = ilp.shape(&trace, &mut ChaCha8Rng::seed_from_u64(1));
        // Up, a cell each 5 s: 1000 bytes at 10, 15, 20; 300 at 20; 1 at 20.
        assert_eq!(slow.seen.window.end, Timestamp::new(20, 0));
        assert_eq!(slow.delay.max.as_secs(), 10);
        assert!(constant(&settings, &trace).is_ok());
    }

    #[test]
    fn a_long_trace_has_longer_draws() {
        // A month at 40 KB/s in packets of 875 bytes on the mean: 1.2e8, so that about 790 share a draw.
        let month = tiny(&[(0, true, 100), (2_592_000, false, 100)], &[]);
        let ilp = random(&with(40_000.0), &month).unwrap();
        let hold = ilp.parameters()["packets_per_draw"].as_u64().unwrap();
        assert!((785..=798).contains(&hold), "{hold}");
        let shaped = ilp.shape(&month, &mut ChaCha8Rng::seed_from_u64(1));
        let trains = shaped.seen.sightings.len();
        assert!((130_000..170_000).contains(&trains), "{trains}");
        assert_eq!(shaped.seen.bytes(), shaped.cost.carried());
        let hour = tiny(&[(0, true, 100), (3600, false, 100)], &[]);
        let ilp = random(&with(40_000.0), &hour).unwrap();
        assert_eq!(ilp.parameters()["packets_per_draw"], 16);
    }

    #[test]
    fn rates_that_cannot_be_are_refused() {
        let trace = tiny(&[(0, true, 100), (2_592_000, false, 100)], &[]);
        let refused = |rate| constant(&with(rate), &trace).err().unwrap().to_string();
        assert!(refused(12.5e9).contains("packets on the wire"));
        let slow = with(1e-9);
        assert!(matches!(
            constant(&slow, &trace),
            Err(DefenseError::TooLate { .. })
        ));
    }
}
