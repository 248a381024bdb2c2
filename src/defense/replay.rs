//! One stream of a trace while it is replayed through its shaper, in virtual time: what it puts on the wire, and the books.

use super::wire::{Delays, Trains};
use crate::stp::shaper::{Output, Shaper};
use crate::threat::Sighting;
use crate::units::{Span, Timestamp};
use rand_chacha::ChaCha8Rng;

/// Marks the tag of a packet that belongs to an activity; a trace has fewer than 2^31 packets.
pub(super) const ACTIVE: u32 = 1 << 31;

/// A stream while a trace is replayed through its shaper.
pub(super) struct Replay<'a> {
    pub(super) shaper: Shaper,
    pub(super) chance: ChaCha8Rng,
    pub(super) flow: u32,
    pub(super) cell_bytes: u32,
    pub(super) spans: &'a [Span],
    /// Which span is looked at.
    pub(super) place: usize,
    /// When the shaper is to be polled next; kept, for most packets come while nothing is due.
    pub(super) wake: Option<Timestamp>,
    /// Begins of periods of padding, and whether a byte of an activity went in them.
    pub(super) periods: Vec<(Timestamp, bool)>,
    pub(super) cover: u64,
    pub(super) framing: u64,
}

impl Replay<'_> {
    /// Lets the shaper do all that is due by `until`.
    pub(super) fn run(&mut self, until: Timestamp, trains: &mut Trains, delays: &mut Delays) {
        while let Some(output) = self.shaper.poll(until, until, &mut self.chance) {
            match output {
                Output::Period(at) => self.periods.push((at, false)),
                Output::Cells {
                    at,
                    direction,
                    count,
                    every,
                    genuine,
                } => {
                    let bytes = u64::from(self.cell_bytes) * u64::from(count);
                    match genuine {
                        0 => self.cover += bytes,
                        _ => self.framing += bytes.saturating_sub(u64::from(genuine)),
                    }
                    trains.add(Sighting {
                        count,
                        every,
                        ..Sighting::one(at, self.flow, direction, self.cell_bytes)
                    });
                    while let Some(done) = self.shaper.delivered() {
                        delays.passed(done.since, done.at);
                        if let Some(period) = self.periods.last_mut() {
                            period.1 |= done.tag & ACTIVE != 0;
                        }
                    }
                }
            }
        }
    }

    /// The activity that an instant belongs to; instants come ascending.
    pub(super) fn activity(&mut self, at: Timestamp) -> Option<Span> {
        while self.spans.get(self.place).is_some_and(|span| span.end < at) {
            self.place += 1;
        }
        let span = self.spans.get(self.place).copied();
        span.filter(|span| span.start <= at)
    }
}
