//! How long the uses of a device keep a shaper busy: until their last byte has gone in a cell, not until their last packet
//! has come.
//!
//! At a rate just above what a use needs, its last bytes still wait when it is over. Padding goes on for them, so that cover
//! which lasts only as long as uses do would be extended less often than genuine padding is: run lengths would tell on it.
//! Durations of cover and the automatic T therefore come from here.

use super::fit::wanted;
use super::settings::Settings;
use super::stream::{streams_of_flows, way, Stream};
use crate::stp::durations::DURATIONS_AT_MOST;
use crate::stp::lane::CELL_HEADER_BYTES;
use crate::trace::Trace;
use crate::units::{Span, Timestamp, NANOS};
use std::time::Duration;

/// The golden ratio's fraction: its multiples are spread evenly over 0 to 1, however many there are.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// One direction: cells at a constant distance, and what the next of them carry.
#[derive(Clone, Copy, Debug)]
struct Pipe {
    /// Nanoseconds from cell to cell.
    every: f64,
    /// Genuine bytes that a cell holds.
    room: f64,
    /// When the cell goes that was filled last, and the room left in it.
    slot: f64,
    left: f64,
    /// Whether anything came in this use.
    used: bool,
}

impl Pipe {
    /// Bytes come, while cells go at `first` and every so often after it.
    fn take(&mut self, come: f64, bytes: f64, first: f64) {
        if self.slot < come || !self.used {
            let passed = ((come - first) / self.every).ceil().max(0.0);
            let next = first + passed * self.every;
            if next > self.slot {
                self.slot = next;
                self.left = self.room;
            }
        }
        let beyond = (bytes - self.left).max(0.0);
        let cells = (beyond / self.room).ceil();
        self.slot += cells * self.every;
        self.left += cells * self.room - bytes;
        self.used = true;
    }
}

/// One stream while its packets pass.
struct Server {
    pipes: [Pipe; 2],
    place: usize,
    lasted: Vec<Duration>,
}

impl Server {
    fn new(rates: [f64; 2], cell: u32) -> Self {
        let cell_bytes = f64::from(cell);
        Self {
            pipes: rates.map(|rate| Pipe {
                every: cell_bytes / rate * NANOS as f64,
                room: cell_bytes - f64::from(CELL_HEADER_BYTES),
                slot: 0.0,
                left: 0.0,
                used: false,
            }),
            place: 0,
            lasted: Vec::new(),
        }
    }

    /// So much of the distance after the begin of this use the first cell goes: uses begin anywhere between two.
    fn phase(&self) -> f64 {
        (self.place as f64 * GOLDEN).fract()
    }

    /// Ends all uses that are over at an instant.
    fn close(&mut self, spans: &[Span], origin: Timestamp, at: Option<Timestamp>) {
        while let Some(span) = spans.get(self.place) {
            if at.is_some_and(|at| at <= span.end) {
                break;
            }
            let begin = span.start.since(origin).as_nanos() as f64;
            let used = self.pipes.iter().filter(|pipe| pipe.used);
            let through = used.map(|pipe| pipe.slot - begin);
            let busy = through.fold(0.0, f64::max);
            let longer = Duration::try_from_secs_f64(busy / NANOS as f64).unwrap_or_default();
            self.lasted.push(span.duration().max(longer));
            for pipe in &mut self.pipes {
                pipe.used = false;
            }
            self.place += 1;
        }
    }
}

/// Lets every use of each stream last until its last byte has gone.
pub(super) fn serve(trace: &Trace, settings: &Settings, streams: &mut [Stream]) {
    let mut servers: Vec<Option<Server>> = streams
        .iter()
        .map(|stream| wanted(settings, stream).map(|(rates, cell)| Server::new(rates, cell)))
        .collect();
    let of_flows = streams_of_flows(trace, settings.scope);
    let origin = trace.window.start;
    for packet in &trace.packets {
        let Some(Some(index)) = of_flows.get(packet.flow as usize) else {
            continue;
        };
        let (Some(Some(server)), Some(stream)) = (servers.get_mut(*index), streams.get(*index))
        else {
            continue;
        };
        server.close(&stream.spans, origin, Some(packet.at));
        let inside = stream.spans.get(server.place);
        if let Some(span) = inside.filter(|span| span.start <= packet.at) {
            let phase = server.phase();
            if let Some(pipe) = server.pipes.get_mut(way(packet.direction)) {
                let since = |at: Timestamp| at.since(origin).as_nanos() as f64;
                let first = since(span.start) + phase * pipe.every;
                pipe.take(since(packet.at), f64::from(packet.bytes), first);
            }
        }
    }
    for (server, stream) in servers.into_iter().zip(streams) {
        let Some(mut server) = server else { continue };
        server.close(&stream.spans, origin, None);
        let sampled = server.lasted.len().div_ceil(DURATIONS_AT_MOST).max(1);
        stream.longest = server.lasted.iter().max().copied();
        stream.durations = server.lasted.into_iter().step_by(sampled).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::measure;
    use super::*;
    use crate::trace::tests::tiny;
    use crate::units::Rate;

    #[test]
    fn a_use_lasts_until_its_last_byte_has_gone() {
        // 1881 bytes at second 3, of a use from 3 to 4, at 1000 B/s in cells of 1000, of which 940 are room: three cells, at
        // 3, 4 and 5, as the first use finds a cell at once. 94 down go before the use is over.
        let trace = tiny(
            &[
                (1, true, 40),
                (3, true, 1881),
                (4, false, 94),
                (9, true, 40),
            ],
            &[(3, 4), (7, 8)],
        );
        let settings = Settings {
            cell_bytes: Some(1000),
            rate_up: Rate::new(1000.0),
            rate_down: Rate::new(100_000.0),
            ..Settings::default()
        };
        let mut streams = measure(&trace, &settings);
        assert_eq!(streams[0].longest, Some(Duration::from_secs(1)));
        serve(&trace, &settings, &mut streams);
        let lasted: Vec<f64> = streams[0]
            .durations
            .iter()
            .map(Duration::as_secs_f64)
            .collect();
        assert!((lasted[0] - 2.0).abs() < 1e-6, "{lasted:?}");
        assert_eq!(
            lasted[1], 1.0,
            "a use without packets lasts as long as it is told to"
        );
        assert_eq!(streams[0].longest.map(|d| d.as_secs()), Some(2));
    }
}
