//! `packet-pairs`: knows the lengths of packets that an activity of a kind exchanges, and so tells "switched on by the app"
//! where others tell "used".
//!
//! See [`learning::pairs`](crate::learning::pairs) for whose idea it is and where we differ. Taught on labelled days, for each
//! device by itself; of a padded wire, whose cells are all of one length, nothing is left to tell.

use super::features::Question;
use super::pupil::{Pupil, Way};
use super::questions::tracks;
use super::wire::Wire;
use crate::learning::pairs::{length, pair};
use crate::threat::{Knowledge, Sighting};
use crate::units::{Direction, Span};

/// Packets of one unit that are looked at: an exchange is over by then.
const PACKETS_AT_MOST: usize = 400;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct PacketPairs;

impl Pupil for PacketPairs {
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64])) {
        for track in tracks(wire, knowledge) {
            let part = track.device.map_or(0, |device| device.saturating_add(1));
            let mut first = 0;
            for unit in &track.units {
                let of_track = |place: usize| {
                    let index = *track.sightings.get(place)?;
                    wire.seen.sightings.get(index as usize)
                };
                // Trains that began before may still run: cells, which the first of the unit's own tell as well.
                while of_track(first).is_some_and(|s| s.end() < unit.span.start) {
                    first += 1;
                }
                let within = (first..)
                    .map_while(of_track)
                    .take_while(|s| s.at <= unit.span.end)
                    .take(PACKETS_AT_MOST);
                let question = Question {
                    span: unit.span,
                    device: track.device,
                    part: u32::try_from(part).unwrap_or(u32::MAX),
                };
                show(&question, &words(within, unit.span));
            }
        }
    }

    fn way(&self) -> Way {
        Way::Pairs
    }

    fn devices_from(&self) -> Option<u32> {
        // The first is of flows that tell nobody.
        Some(1)
    }

    fn tells_kinds(&self) -> bool {
        true
    }
}

/// The lengths of packets of a span, and of those that follow one another in opposite directions, each once.
pub fn words<'s>(packets: impl Iterator<Item = &'s Sighting>, span: Span) -> Vec<f64> {
    let mut words = Vec::new();
    let mut before: Option<&Sighting> = None;
    for packet in packets.filter(|packet| packet.end() >= span.start) {
        let up = packet.direction == Direction::Up;
        words.push(length(up, packet.bytes));
        if let Some(request) = before.filter(|before| before.direction != packet.direction) {
            words.push(pair(!up, request.bytes, packet.bytes));
        }
        before = Some(packet);
    }
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(f64::from).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{knowledge, seen};
    use super::*;
    use std::time::Duration;

    #[test]
    fn words_by_hand() {
        let (seen, knowledge) = (seen(), knowledge());
        let wire = Wire::new(&seen, &knowledge, Duration::from_secs(1));
        let mut rows = Vec::new();
        PacketPairs.look(&wire, &knowledge, &mut |question, row| {
            rows.push((question.part, row.to_vec()));
        });
        // Periods of cells of one length; the tunnel's burst of a request of 1200 and a reply of 90 bytes.
        let cell = vec![f64::from(length(true, 100))];
        assert_eq!(rows[0], (1, cell.clone()));
        assert_eq!(rows[1], (1, cell));
        let mut exchange = [
            length(true, 1_200),
            length(false, 90),
            pair(true, 1_200, 90),
        ];
        exchange.sort_unstable();
        assert_eq!(rows[3], (0, exchange.map(f64::from).to_vec()));
    }
}
