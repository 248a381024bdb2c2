//! What can be asked of a wire: of each padded period, and of each burst where nothing is padded, whether somebody used a
//! device then. And the packets of each, for those who answer.
//!
//! Padding is read off the wire as [`padding`](super::padding) reads it; padding that never ends is cut into pieces of the
//! longest activity known. Elsewhere packets that are no farther apart than two seconds are one burst. Flows that the same
//! device is known by are looked at together, and so are all that tell nobody.

use super::padding::{padding, Padding};
use super::wire::{half_open, whose, Wire};
use crate::threat::{Knowledge, Sighting, GAP_S};
use crate::units::{Direction, Span, Timestamp, NANOS};
use std::collections::BTreeMap;
use std::time::Duration;

/// Questions of one wire at most; what comes after them is not asked.
const UNITS_AT_MOST: usize = 8_000_000;

/// A padded period, or a burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// From its begin to its last instant.
    pub span: Span,
    /// Its place in its run, from 0.
    pub position: u32,
    /// Periods of its run; 1 of a burst.
    pub of_run: u32,
}

/// What is looked at as one: a padded flow, or what one device, or nobody, is known to send without padding.
#[derive(Clone, Debug)]
pub struct Track {
    /// Whose it is; `None`: of any device.
    pub device: Option<usize>,
    /// T, where it is padded.
    pub period: Option<Duration>,
    /// Its units, ascending; none overlaps another.
    pub units: Vec<Unit>,
    /// Its packets, ascending by begin: places in [`Observation::sightings`](crate::threat::Observation::sightings).
    pub sightings: Vec<u32>,
}

/// All that can be asked of a wire.
pub fn tracks(wire: &Wire, knowledge: &Knowledge) -> Vec<Track> {
    let seen = wire.seen;
    let whose = whose(seen, knowledge);
    let endless = seen.flows.iter().filter_map(|flow| flow.shaping);
    let cut;
    let paddings = match endless.into_iter().any(|shaping| shaping.period.is_none()) {
        true => {
            cut = padding(seen, Some(longest(knowledge)));
            &cut[..]
        }
        false => wire.padding(),
    };
    let mut tracks: Vec<Track> = Vec::new();
    let mut place_of: Vec<Option<usize>> = vec![None; seen.flows.len()];
    for padding in paddings {
        let flow = padding.flow as usize;
        if let Some(place) = place_of.get_mut(flow) {
            *place = Some(tracks.len());
            tracks.push(Track {
                device: whose.get(flow).copied().flatten(),
                period: Some(padding.period),
                units: units(padding),
                sightings: Vec::new(),
            });
        }
    }
    let mut unpadded: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for (place, device) in place_of.iter_mut().zip(&whose) {
        if place.is_none() {
            let of_device = *unpadded.entry(*device).or_insert_with(|| {
                tracks.push(Track {
                    device: *device,
                    period: None,
                    units: Vec::new(),
                    sightings: Vec::new(),
                });
                tracks.len() - 1
            });
            *place = Some(of_device);
        }
    }
    for (sighting, index) in seen.sightings.iter().zip(0u32..) {
        let place = place_of.get(sighting.flow as usize).copied().flatten();
        if let Some(track) = place.and_then(|place| tracks.get_mut(place)) {
            track.sightings.push(index);
            if track.period.is_none() {
                burst(&mut track.units, sighting);
            }
        }
    }
    let mut left = UNITS_AT_MOST;
    for track in &mut tracks {
        track.units.truncate(left);
        left -= track.units.len();
    }
    tracks.retain(|track| !track.units.is_empty());
    tracks
}

/// How long padding that never ends is cut: as T would be chosen.
fn longest(knowledge: &Knowledge) -> Duration {
    let signatures = knowledge.devices.iter().flat_map(|known| &known.signatures);
    let longest = signatures.map(|signature| signature.seconds);
    let longest = longest.fold(1.0, f64::max).ceil();
    Duration::try_from_secs_f64(longest).unwrap_or(Duration::from_secs(1))
}

fn units(padding: &Padding) -> Vec<Unit> {
    let runs = padding.runs.iter().flat_map(|run| {
        (0..run.periods).map(move |position| {
            let start = run.start + padding.period.saturating_mul(position);
            Unit {
                span: half_open(Span::new(start, start + padding.period)),
                position,
                of_run: run.periods,
            }
        })
    });
    runs.take(UNITS_AT_MOST).collect()
}

fn burst(units: &mut Vec<Unit>, sighting: &Sighting) {
    let end = sighting.end().max(sighting.at);
    let goes_on = |unit: &Unit| sighting.at.0.saturating_sub(unit.span.end.0) <= GAP_S * NANOS;
    if let Some(unit) = units.last_mut().filter(|unit| goes_on(unit)) {
        unit.span.extend(end);
    } else if units.len() < UNITS_AT_MOST {
        units.push(Unit {
            span: Span::new(sighting.at, end),
            position: 0,
            of_run: 1,
        });
    }
}

/// Packets of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// How many bytes.
    pub bytes: u64,
    /// How many packets.
    pub packets: u64,
    /// Of them by size: up to 100, 300 and 700 bytes, and above.
    pub sizes: [u64; 4],
}

/// Packets of a unit, upwards and downwards, and bytes of its first half.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Held {
    /// From the home.
    pub up: Amount,
    /// To the home.
    pub down: Amount,
    /// Bytes of both in the first half of its time.
    pub first_half: u64,
}

/// What each unit of a track holds, and what lies outside all of them: (when, packets, bytes), ascending.
pub fn held(track: &Track, sightings: &[Sighting]) -> (Vec<Held>, Vec<(Timestamp, u32, u64)>) {
    let mut held = vec![Held::default(); track.units.len()];
    let mut outside = Vec::new();
    let mut first = 0;
    let of_track = track.sightings.iter();
    for sighting in of_track.filter_map(|&index| sightings.get(index as usize)) {
        while track
            .units
            .get(first)
            .is_some_and(|unit| unit.span.end < sighting.at)
        {
            first += 1;
        }
        let last = sighting.end();
        let mut within = 0u32;
        for (unit, held) in track.units.iter().zip(&mut held).skip(first) {
            if unit.span.start > last {
                break;
            }
            let middle = Timestamp(unit.span.start.0 / 2 + unit.span.end.0 / 2);
            let after = Timestamp(unit.span.end.0.saturating_add(1));
            let before = sighting.count_before(unit.span.start);
            let count = sighting.count_before(after).saturating_sub(before);
            let early = sighting.count_before(middle).saturating_sub(before);
            within = within.saturating_add(count);
            let amount = match sighting.direction {
                Direction::Up => &mut held.up,
                Direction::Down => &mut held.down,
            };
            let bytes = u64::from(sighting.bytes);
            amount.bytes = amount.bytes.saturating_add(bytes * u64::from(count));
            amount.packets = amount.packets.saturating_add(u64::from(count));
            let size = match sighting.bytes {
                0..=100 => 0,
                101..=300 => 1,
                301..=700 => 2,
                _ => 3,
            };
            if let Some(of_size) = amount.sizes.get_mut(size) {
                *of_size = of_size.saturating_add(u64::from(count));
            }
            held.first_half = held.first_half.saturating_add(bytes * u64::from(early));
        }
        if within == 0 {
            outside.push((sighting.at, sighting.count, sighting.total_bytes()));
        }
    }
    (held, outside)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{knowledge, seen};
    use super::*;

    #[test]
    fn periods_and_bursts_are_asked_about_and_hold_their_packets() {
        let (seen, knowledge) = (seen(), knowledge());
        let wire = Wire::new(&seen, &knowledge, Duration::from_secs(1));
        let tracks = tracks(&wire, &knowledge);
        let brief = |track: &Track| -> Vec<(i64, u32, u32)> {
            let units = track.units.iter();
            units
                .map(|unit| (unit.span.start.0 / NANOS, unit.position, unit.of_run))
                .collect()
        };
        assert_eq!(brief(&tracks[0]), [(10, 0, 2), (14, 1, 2), (30, 0, 1)]);
        assert_eq!(brief(&tracks[1]), [(50, 0, 1), (60, 0, 1)]);
        assert_eq!((tracks[0].device, tracks[1].device), (Some(0), None));
        let (inside, outside) = held(&tracks[0], &seen.sightings);
        let packets: Vec<u64> = inside.iter().map(|held| held.up.packets).collect();
        assert_eq!(packets, [4, 4, 4]);
        // Cells at 0, 1, 2 and 3 s of 4: two in the first half.
        assert_eq!(inside[0].first_half, 200);
        assert_eq!(outside, [(Timestamp::new(20, 0), 1, 60)]);
        let (bursts, none) = held(&tracks[1], &seen.sightings);
        assert_eq!((bursts[0].up.bytes, bursts[0].down.bytes), (1_200, 90));
        assert_eq!((bursts[0].up.sizes, none.len()), ([0, 0, 0, 1], 0));
    }
}
