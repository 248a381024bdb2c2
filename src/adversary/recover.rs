//! Reads off a wire nobody told about how its flows are shaped, and puts single packets together into trains.
//!
//! Whoever audits a black box has two captures and no parameters. Padding gives itself away: packets of one size at one
//! distance, for long. Of each flow the size that most packets have is tried as that of its cells; the distance of a
//! direction is the median between two of them; where four in five are about that far apart the flow is shaped, its rates
//! are size over distance, and its T is the length that all runs are multiples of. A single run that fills the capture has
//! no T: padding that never ends.
//!
//! Ours; the paper tells its adversary everything but the coins.

use crate::threat::{Observation, SeenFlow, Shaping, Sighting};
use crate::units::{Direction, Rate, Span, NANOS};
use std::collections::BTreeMap;
use std::time::Duration;

/// Cells a direction must have to tell anything.
const CELLS_AT_LEAST: usize = 16;
/// How far from the median a distance may be and still be about that: clocks and queues.
const ABOUT: f64 = 0.2;
/// Share of distances that must be about the median, and of runs about multiples of T.
const MOST: f64 = 0.8;
/// Distances that make a break between two runs.
const BREAK: f64 = 2.5;
/// How far packets of a train may be from their place in nanoseconds: what captures round.
const TRAIN_WITHIN: u64 = 1_000;

/// The same wire with the shaping of its flows filled in where it can be read off, and packets put together into trains.
///
/// What is told already is kept.
pub fn recover(mut seen: Observation) -> Observation {
    seen.sightings.sort_by_key(|sighting| sighting.at);
    let mut flows: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); seen.flows.len()];
    for sighting in &seen.sightings {
        if let Some(sizes) = flows.get_mut(sighting.flow as usize) {
            // Sizes of IP packets: at most 65,536 of them.
            let count = sizes.entry(sighting.bytes).or_default();
            *count = count.saturating_add(u64::from(sighting.count));
        }
    }
    // The commonest size; of equals the largest.
    let sizes: Vec<Option<u32>> = flows
        .iter()
        .map(|sizes| sizes.iter().max_by_key(|(_, &count)| count))
        .map(|most| most.map(|(&bytes, _)| bytes))
        .collect();
    let mut cells: Vec<[Vec<i64>; 2]> = Vec::new();
    cells.resize_with(seen.flows.len(), Default::default);
    for sighting in &seen.sightings {
        let flow = sighting.flow as usize;
        let untold = seen
            .flows
            .get(flow)
            .is_some_and(|flow| flow.shaping.is_none());
        if !untold || sizes.get(flow).copied().flatten() != Some(sighting.bytes) {
            continue;
        }
        if let Some([up, down]) = cells.get_mut(flow) {
            let way = match sighting.direction {
                Direction::Up => up,
                Direction::Down => down,
            };
            way.extend(sighting.instants().map(|at| at.0));
        }
    }
    let found = cells.into_iter().zip(&sizes);
    let found: Vec<Option<Shaping>> = found
        .map(|(ways, &bytes)| shaping(ways, bytes?, seen.window))
        .collect();
    let fill = |flow: &mut SeenFlow, found: Option<Shaping>| {
        flow.shaping = flow.shaping.or(found);
    };
    let each = seen.flows.iter_mut().zip(found);
    each.for_each(|(flow, found)| fill(flow, found));
    seen.sightings = trains(&seen.sightings);
    seen
}

/// How a flow is shaped whose cells pass at these instants, up and down.
fn shaping(mut ways: [Vec<i64>; 2], cell_bytes: u32, window: Span) -> Option<Shaping> {
    ways.iter_mut().for_each(|way| way.sort_unstable());
    let [up, down] = [distance(&ways[0]), distance(&ways[1])];
    // One direction may be too slow to tell, or have no cells at all; one with many that come anyhow is no padding.
    let irregular =
        |way: &Vec<i64>, distance: Option<i64>| way.len() >= CELLS_AT_LEAST && distance.is_none();
    if irregular(&ways[0], up) || irregular(&ways[1], down) {
        return None;
    }
    let fastest = up.into_iter().chain(down).min()?;
    let rate = |distance: Option<i64>, way: &Vec<i64>| {
        // Of too few cells: their share of the time the others fill is all that can be said.
        let distance = distance.map(|distance| distance as f64).or_else(|| {
            let other = ways.iter().map(Vec::len).max()?;
            (!way.is_empty()).then(|| fastest as f64 * other as f64 / way.len() as f64)
        });
        // A direction without a cell has some rate below that of one cell in a capture.
        let distance = distance.unwrap_or(window.duration().as_nanos() as f64 * 2.0);
        Rate::new(f64::from(cell_bytes) * NANOS as f64 / distance.max(1.0))
    };
    let (up, down) = (rate(up, &ways[0])?, rate(down, &ways[1])?);
    let mut all = ways.concat();
    all.sort_unstable();
    let period = match period(&all, fastest, window) {
        Found::Every(period) => Some(period),
        Found::Endless => None,
        Found::Nothing => return None,
    };
    Some(Shaping {
        period,
        up,
        down,
        cell_bytes,
    })
}

/// The distance most cells are apart; `None` where they come anyhow.
fn distance(way: &[i64]) -> Option<i64> {
    if way.len() < CELLS_AT_LEAST {
        return None;
    }
    let apart: Vec<i64> = way
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.saturating_sub(*pair.first()?)))
        .collect();
    let mut sorted = apart.clone();
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable(middle).1;
    let about = |&&apart: &&i64| apart.abs_diff(median) as f64 <= ABOUT * median as f64;
    let regular = apart.iter().filter(about).count();
    (median > 0 && regular as f64 >= MOST * apart.len() as f64).then_some(median)
}

enum Found {
    Every(Duration),
    Endless,
    Nothing,
}

/// T: what the lengths of all runs are multiples of.
fn period(cells: &[i64], distance: i64, window: Span) -> Found {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for &at in cells {
        match runs.last_mut() {
            Some((_, last)) if at.saturating_sub(*last) as f64 <= BREAK * distance as f64 => {
                *last = at;
            }
            _ => runs.push((at, at)),
        }
    }
    // The last cell of a run holds its place as the others do.
    let lengths: Vec<i64> = runs
        .iter()
        .filter(|(_, last)| last.saturating_add(distance.saturating_mul(2)) < window.end.0)
        .map(|(first, last)| last.saturating_sub(*first).saturating_add(distance))
        .collect();
    let whole = crate::units::nanos(window.duration());
    if runs
        .iter()
        .any(|(first, last)| last.saturating_sub(*first) as f64 >= 0.9 * whole as f64)
    {
        return Found::Endless;
    }
    // A stray packet as large as a cell is no run.
    let long = |length: &&i64| **length >= distance.saturating_mul(4);
    let Some(&least) = lengths.iter().filter(long).min() else {
        return Found::Nothing;
    };
    let multiple = |length: i64| {
        let times = (length as f64 / least as f64).round().max(1.0);
        let off = (length as f64 - times * least as f64).abs();
        (off <= (times + 1.0) * distance as f64).then_some(length as f64 / times)
    };
    let of: Vec<f64> = lengths
        .iter()
        .filter(long)
        .filter_map(|&l| multiple(l))
        .collect();
    let runs = lengths.iter().filter(long).count();
    if (of.len() as f64) < MOST * runs as f64 {
        return Found::Nothing;
    }
    let mut of: Vec<i64> = of.iter().map(|length| length.round() as i64).collect();
    let middle = of.len() / 2;
    let period = *of.select_nth_unstable(middle).1;
    Found::Every(Duration::from_nanos(period.unsigned_abs()))
}

/// Packets of a flow and direction of equal size and distance as one train each.
fn trains(sightings: &[Sighting]) -> Vec<Sighting> {
    let mut open: BTreeMap<(u32, Direction), usize> = BTreeMap::new();
    let mut trains: Vec<Sighting> = Vec::new();
    for &sighting in sightings {
        let key = (sighting.flow, sighting.direction);
        let train = open.get(&key).and_then(|&place| trains.get_mut(place));
        let joined = train.is_some_and(|train| join(train, &sighting));
        if !joined {
            open.insert(key, trains.len());
            trains.push(sighting);
        }
    }
    trains
}

/// Lengthens a train by a packet, if it is its next.
fn join(train: &mut Sighting, next: &Sighting) -> bool {
    if train.bytes != next.bytes || next.count != 1 || train.count == u32::MAX {
        return false;
    }
    let Some(apart) = next.at.0.checked_sub(train.at.0) else {
        return false;
    };
    if train.count == 1 {
        // Two that far apart would tell nothing.
        if apart <= 0 || apart > 60 * NANOS {
            return false;
        }
        train.every = apart;
    } else {
        let place = train.every.saturating_mul(i64::from(train.count));
        if apart.abs_diff(place) > TRAIN_WITHIN {
            return false;
        }
    }
    train.count += 1;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::Vantage;
    use crate::units::Timestamp;

    /// Runs of cells of 500 bytes from these seconds, this long, every 0.1 s up and 0.25 s down, packet by packet.
    fn wire(runs: &[(i64, i64)], stray: &[(i64, u32)]) -> Observation {
        let mut sightings = Vec::new();
        for &(from, seconds) in runs {
            for (direction, every) in [(Direction::Up, 100), (Direction::Down, 250)] {
                let cells = (0..seconds * 1000 / every).map(|n| {
                    let at = Timestamp(from * NANOS + n * every * 1_000_000);
                    Sighting::one(at, 0, direction, 500)
                });
                sightings.extend(cells);
            }
        }
        let strays = stray
            .iter()
            .map(|&(at, bytes)| Sighting::one(Timestamp::new(at, 7), 0, Direction::Up, bytes));
        sightings.extend(strays);
        Observation {
            vantage: Vantage::Outside,
            window: Span::new(Timestamp(0), Timestamp::new(1000, 0)),
            flows: vec![SeenFlow {
                far: "tunnel".into(),
                shaping: None,
            }],
            sightings,
        }
    }

    #[test]
    fn shaping_is_read_off() {
        let runs = [(5, 16), (100, 32), (300, 16), (600, 16), (990, 10)];
        let seen = wire(&runs, &[(50, 60), (51, 500), (70, 90)]);
        let (packets, bytes) = (seen.packets(), seen.bytes());
        let seen = recover(seen);
        let shaping = seen.flows[0].shaping.unwrap();
        assert_eq!(shaping.period, Some(Duration::from_secs(16)));
        assert_eq!(
            (shaping.up.bytes_per_s(), shaping.down.bytes_per_s()),
            (5000.0, 2000.0)
        );
        assert_eq!(shaping.cell_bytes, 500);
        // Nothing is lost, and a run is a few trains.
        assert_eq!((seen.packets(), seen.bytes()), (packets, bytes));
        assert!(seen.sightings.len() < 25, "{}", seen.sightings.len());
        assert!(seen
            .sightings
            .windows(2)
            .all(|pair| pair[0].at <= pair[1].at));
    }

    #[test]
    fn padding_without_end_has_no_period() {
        let seen = recover(wire(&[(0, 1000)], &[]));
        assert_eq!(seen.flows[0].shaping.unwrap().period, None);
    }

    #[test]
    fn what_comes_anyhow_is_no_padding() {
        let bursts: Vec<(i64, u32)> = (0..200).map(|n| (n * n % 997, 1500)).collect();
        assert_eq!(recover(wire(&[], &bursts)).flows[0].shaping, None);
        assert_eq!(recover(wire(&[], &[])).flows[0].shaping, None);
        // Nor is what never lasts equally long.
        let runs = [(5, 7), (100, 11), (300, 16), (400, 18), (500, 9), (600, 25)];
        assert_eq!(recover(wire(&runs, &[])).flows[0].shaping, None);
    }
}
