//! Rates as an observer of the wire has them: one series for each device whose flows can be told by their far ends, and one
//! for all flows that tell nobody.
//!
//! Trains of packets are never walked packet by packet: what counts is how many of a train fall into a bin. Trains that last
//! for years (two packets, one in 1970 and one in 2106, and padding between) are binned as much coarser as memory needs.

use super::padding::{padding, Padding};
use crate::rate::{Cell, Grid};
use crate::threat::{Adversary, Guess, Knowledge, Observation, Sighting};
use crate::units::{nanos, Direction, Span, Timestamp};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bins that trains may fill on one wire: half a year of seconds, in 400 MB.
const BINS_AT_MOST: u64 = 16_000_000;

/// What is watched as one.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Whose it is; `None`: of any device, as within a tunnel.
    pub device: Option<usize>,
    /// What its bins lie on.
    pub grid: Grid,
    /// Its active bins, ascending, each once.
    pub cells: Vec<Cell>,
}

/// An observation, and what several adversaries work out of it alike: rates and padding, once each and only where somebody
/// asks. It tells nothing that the observation and what was learned beforehand do not tell.
#[derive(Debug)]
pub struct Wire<'a> {
    /// What is seen.
    pub seen: &'a Observation,
    knowledge: Arc<Knowledge>,
    bin: Duration,
    watched: OnceLock<Vec<Watched>>,
    padding: OnceLock<Vec<Padding>>,
}

impl<'a> Wire<'a> {
    /// Nothing is worked out yet.
    pub fn new(seen: &'a Observation, knowledge: &Arc<Knowledge>, bin: Duration) -> Self {
        Self {
            seen,
            knowledge: Arc::clone(knowledge),
            bin,
            watched: OnceLock::new(),
            padding: OnceLock::new(),
        }
    }

    /// The [`rates`].
    pub fn watched(&self) -> &[Watched] {
        self.watched
            .get_or_init(|| rates(self.seen, &self.knowledge, self.bin))
    }

    /// The [`padding`] that ends.
    pub fn padding(&self) -> &[Padding] {
        self.padding.get_or_init(|| padding(self.seen, None))
    }
}

/// An [`Adversary`] that can share what others have worked out of the same wire.
pub trait Watcher: Adversary {
    /// What [`Adversary::guess`] answers to `wire.seen`, where the wire was made with the knowledge and the bins that this
    /// adversary was made with.
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        self.guess(wire.seen)
    }
}

/// Bins the wire, flows put together by device; those nobody can be told by first, then by device. What is silent is left out.
pub fn rates(seen: &Observation, knowledge: &Knowledge, bin: Duration) -> Vec<Watched> {
    let grid = Grid::new(seen.window.start, affordable(seen, bin));
    let whose = whose(seen, knowledge);
    if whose.iter().all(Option::is_none) {
        // All in one, as in a tunnel.
        if let Some(cells) = side_by_side(seen, grid) {
            let device = None;
            let watched = (!cells.is_empty()).then_some(Watched {
                device,
                grid,
                cells,
            });
            return watched.into_iter().collect();
        }
    }
    let mut filling: Vec<Filling> = Vec::new();
    filling.resize_with(knowledge.devices.len().saturating_add(1), Filling::default);
    let place = |sighting: &Sighting| {
        let device = whose.get(sighting.flow as usize).copied().flatten();
        device.map_or(0, |device| device.saturating_add(1))
    };
    // Room at once for as many bins as there can be.
    let mut bins = vec![0u64; filling.len()];
    for sighting in &seen.sightings {
        if let Some(bins) = bins.get_mut(place(sighting)) {
            *bins = bins.saturating_add(bins_of(sighting, nanos(grid.bin())).saturating_add(1));
        }
    }
    let window = grid.index(seen.window.end).max(0).unsigned_abs();
    for (filling, bins) in filling.iter_mut().zip(bins) {
        let most = bins.min(window.saturating_add(1)).min(BINS_AT_MOST);
        filling.cells.reserve(usize::try_from(most).unwrap_or(0));
    }
    for sighting in &seen.sightings {
        if let Some(filling) = filling.get_mut(place(sighting)) {
            filling.add(sighting, grid);
        }
    }
    let watched = filling.into_iter().enumerate();
    watched
        .map(|(place, filling)| Watched {
            device: place.checked_sub(1),
            grid,
            cells: filling.cells(),
        })
        .filter(|watched| !watched.cells.is_empty())
        .collect()
}

/// Bins of a window that are filled by their places, at most, and how many of them a train must fill so that it is worth it.
const SIDE_BY_SIDE_AT_MOST: u64 = 4_000_000;
const SIDE_BY_SIDE_PER_TRAIN_BIN: u64 = 4;

/// The active bins of a wire whose trains fill most of its window: every bin of the window has its place, and none is looked
/// for. `None` where trains are few, or leave the window.
fn side_by_side(seen: &Observation, grid: Grid) -> Option<Vec<Cell>> {
    let window = seen.window;
    let (first, last) = (grid.index(window.start), grid.index(window.end));
    let bins = last.checked_sub(first)?.checked_add(1)?;
    let few = bins_of_trains(seen, grid.bin()).saturating_mul(SIDE_BY_SIDE_PER_TRAIN_BIN);
    if bins.unsigned_abs() > SIDE_BY_SIDE_AT_MOST.min(few) {
        return None;
    }
    // At the end of all time borders pile up, and no bin ends after what falls into it.
    if grid.start(last.saturating_add(1)) <= window.end {
        return None;
    }
    let within = |of: &Sighting| window.start <= of.at && of.end() <= window.end;
    if !seen.sightings.iter().all(within) {
        return None;
    }
    let bin = nanos(grid.bin()).max(1);
    let mut cells: Vec<Cell> = (first..=last)
        .map(|index| Cell {
            index,
            ..Cell::default()
        })
        .collect();
    for sighting in &seen.sightings {
        let (every, bytes) = (sighting.every.max(0), u64::from(sighting.bytes));
        let usual = bin.checked_div(every).unwrap_or(0);
        let (mut at, mut left) = (sighting.at.0, i64::from(sighting.count));
        let index = grid.index(sighting.at);
        let mut border = grid.start(index.saturating_add(1)).0;
        let mut place = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        while left > 0 {
            let before = border.saturating_sub(at);
            if before > 0 {
                // Packets before the border: mostly as many as fill a bin, or one more.
                let is = |n: i64| {
                    every.saturating_mul(n - 1) < before && every.saturating_mul(n) >= before
                };
                let passing = match every {
                    0 => left,
                    _ if is(usual) => usual,
                    _ if is(usual.saturating_add(1)) => usual.saturating_add(1),
                    _ => (before - 1) / every + 1,
                };
                let passing = passing.min(left);
                let cell = cells.get_mut(place)?;
                let bytes = bytes.saturating_mul(passing.unsigned_abs());
                put(cell, sighting.direction, bytes);
                at = at.saturating_add(every.saturating_mul(passing));
                left -= passing;
            }
            // A slow train leaves bins out.
            let on = match at.saturating_sub(border) < bin {
                true => 1,
                false => at.saturating_sub(border) / bin + 1,
            };
            border = border.saturating_add(bin.saturating_mul(on));
            place = place.saturating_add(usize::try_from(on).unwrap_or(usize::MAX));
        }
    }
    cells.retain(|cell| cell.up > 0 || cell.down > 0);
    Some(cells)
}

/// The length of a bin: `bin`, doubled until trains fill no more than [`BINS_AT_MOST`].
fn affordable(seen: &Observation, mut bin: Duration) -> Duration {
    // No train is longer than time is: 64 doublings end it, and so many trains do not fit into memory.
    for _ in 0..64 {
        if bins_of_trains(seen, bin) <= BINS_AT_MOST {
            break;
        }
        bin = bin.saturating_mul(2);
    }
    bin
}

/// How many bins trains fill, each counted by itself and without its last.
fn bins_of_trains(seen: &Observation, bin: Duration) -> u64 {
    let trains = seen.sightings.iter().filter(|train| train.count > 1);
    let of = |train: &Sighting| bins_of(train, nanos(bin));
    trains.map(of).fold(0u64, u64::saturating_add)
}

/// How many bins of so many nanoseconds a train fills, without its last.
fn bins_of(train: &Sighting, bin: i64) -> u64 {
    if train.count <= 1 {
        return 0;
    }
    let length = train.end().0.abs_diff(train.at.0);
    u64::from(train.count).min(length / bin.max(1).unsigned_abs())
}

/// The device of each flow, where its far end tells.
pub fn whose(seen: &Observation, knowledge: &Knowledge) -> Vec<Option<usize>> {
    let flows = seen.flows.iter();
    flows.map(|flow| knowledge.device_of(&flow.far)).collect()
}

/// The same span without its last instant, so that what begins where it ends is not within.
pub fn half_open(span: Span) -> Span {
    let end = Timestamp(span.end.0.saturating_sub(1));
    Span::new(span.start, end.max(span.start))
}

/// Bins being filled. Sightings ascend by begin and most trains are short or fill bin after bin, so that nearly every bin is
/// the last one, or the one after the bin that was filled before.
#[derive(Default)]
struct Filling {
    /// Ascending, each once.
    cells: Vec<Cell>,
    /// Bins that would have to be put in between.
    late: Vec<Cell>,
    /// From when to before when the last bin reaches that a single packet fell into, and its place: most packets fall into
    /// the bin of the one before.
    last: (i64, i64, usize),
}

impl Filling {
    fn add(&mut self, sighting: &Sighting, grid: Grid) {
        let at = sighting.at.0;
        if sighting.count == 1 {
            let bytes = u64::from(sighting.bytes);
            let (from, to, place) = self.last;
            if from <= at && at < to {
                if let Some(cell) = self.cells.get_mut(place) {
                    return put(cell, sighting.direction, bytes);
                }
            }
            let index = grid.index(sighting.at);
            let before = self.cells.len().saturating_sub(1);
            if let Some(place) = self.fill(index, before, sighting.direction, bytes) {
                let (from, to) = (grid.start(index), grid.start(index.saturating_add(1)));
                self.last = (from.0, to.0, place);
            }
            return;
        }
        let mut done = 0;
        let mut border = Timestamp(i64::MIN);
        let mut index = 0i64;
        let mut place = self.cells.len().saturating_sub(1);
        let usual = nanos(grid.bin()) / sighting.every.max(1);
        while done < sighting.count {
            let passed = sighting.every.saturating_mul(i64::from(done));
            let at = Timestamp(sighting.at.0.saturating_add(passed));
            // Mostly it is the bin after the last one.
            let next = grid.start(index.saturating_add(2));
            (index, border) = match done > 0 && border <= at && at < next {
                true => (index.saturating_add(1), next),
                false => {
                    let index = grid.index(at);
                    (index, grid.start(index.saturating_add(1)))
                }
            };
            // At the end of all time instants pile up, and so do its bins.
            let upto = match border > at {
                true => before(sighting, border, done, usual).max(done.saturating_add(1)),
                false => sighting.count,
            };
            let bytes = u64::from(upto - done).saturating_mul(u64::from(sighting.bytes));
            let filled = self.fill(index, place, sighting.direction, bytes);
            place = filled.unwrap_or(place);
            done = upto;
        }
    }

    /// Adds bytes to a bin and tells its place, which may be that of the bin filled `before` or the one after; none where it
    /// would have to be put in between.
    fn fill(
        &mut self,
        index: i64,
        before: usize,
        direction: Direction,
        bytes: u64,
    ) -> Option<usize> {
        let mut new = Cell {
            index,
            ..Cell::default()
        };
        put(&mut new, direction, bytes);
        let Some(last) = self.cells.last().filter(|last| index <= last.index) else {
            self.cells.push(new);
            return Some(self.cells.len() - 1);
        };
        let is_there = |place: &usize| self.cells.get(*place).is_some_and(|of| of.index == index);
        // Where no bin is silent it is as many places from the end as bins.
        let back = usize::try_from(last.index.abs_diff(index)).unwrap_or(usize::MAX);
        let from_end = self.cells.len().wrapping_sub(1).wrapping_sub(back);
        let near = [before.saturating_add(1), before, from_end];
        let place = near.into_iter().find(is_there).or_else(|| {
            let found = self.cells.binary_search_by_key(&index, |cell| cell.index);
            found.ok()
        });
        match place.and_then(|place| self.cells.get_mut(place)) {
            Some(cell) => put(cell, direction, bytes),
            None => self.late.push(new),
        }
        place
    }

    fn cells(mut self) -> Vec<Cell> {
        if self.late.is_empty() {
            return self.cells;
        }
        // Stable sorting takes ascending runs as they are, and long trains are such runs.
        self.late.sort_by_key(|cell| cell.index);
        self.late.dedup_by(|later, kept| {
            let same = later.index == kept.index;
            if same {
                unite(kept, later);
            }
            same
        });
        merged(self.cells, self.late)
    }
}

/// [`Sighting::count_before`] `border`, of a train of which `done` packets have passed and `usual` or one more are likely to
/// pass before it: telling whether that is so costs less than the division.
fn before(train: &Sighting, border: Timestamp, done: u32, usual: i64) -> u32 {
    let nth = |n: i64| train.at.0.checked_add(train.every.checked_mul(n)?);
    let likely = i64::from(done).saturating_add(usual);
    [likely, likely.saturating_add(1)]
        .into_iter()
        .find(|&n| {
            let within = nth(n - 1).is_some_and(|at| at < border.0);
            within && nth(n).is_some_and(|at| at >= border.0)
        })
        .and_then(|n| u32::try_from(n).ok())
        .map_or_else(|| train.count_before(border), |n| n.min(train.count))
}

/// Two ascending lists as one, equal bins added up.
fn merged(a: Vec<Cell>, b: Vec<Cell>) -> Vec<Cell> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let mut a = a.into_iter().peekable();
    for mut cell in b {
        while let Some(earlier) = a.next_if(|earlier| earlier.index < cell.index) {
            all.push(earlier);
        }
        if let Some(same) = a.next_if(|same| same.index == cell.index) {
            unite(&mut cell, &same);
        }
        all.push(cell);
    }
    all.extend(a);
    all
}

fn unite(cell: &mut Cell, other: &Cell) {
    cell.up = cell.up.saturating_add(other.up);
    cell.down = cell.down.saturating_add(other.down);
}

fn put(cell: &mut Cell, direction: Direction, bytes: u64) {
    let of = match direction {
        Direction::Up => &mut cell.up,
        Direction::Down => &mut cell.down,
    };
    *of = of.saturating_add(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::{KnownDevice, SeenFlow, Vantage};
    use proptest::prelude::*;

    fn seen(sightings: Vec<Sighting>) -> Observation {
        let flow = |far: &str| SeenFlow {
            far: far.into(),
            shaping: None,
        };
        Observation {
            vantage: Vantage::Outside,
            window: Span::new(Timestamp(0), Timestamp::new(100, 0)),
            flows: vec![flow("tunnel"), flow("plug.example"), flow("plug2.example")],
            sightings,
        }
    }

    fn knowledge() -> Knowledge {
        let servers = ["plug.example", "plug2.example"].map(String::from).into();
        Knowledge {
            devices: vec![KnownDevice {
                servers,
                ..KnownDevice::default()
            }],
            ..Knowledge::default()
        }
    }

    fn cells(watched: &Watched) -> Vec<(i64, u64, u64)> {
        let cells = watched.cells.iter();
        cells.map(|c| (c.index, c.up, c.down)).collect()
    }

    #[test]
    fn flows_of_a_device_are_one_and_those_of_nobody_another() {
        let one =
            |s, flow, direction, bytes| Sighting::one(Timestamp::new(s, 0), flow, direction, bytes);
        // Five packets of 10 bytes from 1.2 s every 0.4 s: 1.2, 1.6 | 2.0, 2.4, 2.8.
        let train = Sighting {
            count: 5,
            every: 400_000_000,
            ..Sighting::one(Timestamp(1_200_000_000), 0, Direction::Down, 10)
        };
        let found = rates(
            &seen(vec![
                one(1, 1, Direction::Up, 7),
                train,
                one(1, 2, Direction::Down, 9),
            ]),
            &knowledge(),
            Duration::from_secs(1),
        );
        assert_eq!((found[0].device, found[1].device), (None, Some(0)));
        assert_eq!(cells(&found[0]), [(1, 0, 20), (2, 0, 30)]);
        assert_eq!(cells(&found[1]), [(1, 7, 9)]);
    }

    #[test]
    fn a_train_of_a_century_is_binned_coarsely() {
        let century = Sighting {
            count: u32::MAX,
            every: 1_000_000_000,
            ..Sighting::one(Timestamp(0), 0, Direction::Up, 1)
        };
        // 2^32 seconds in bins of 2^9 are 2^23 bins; of 2^8 they would be above 16 million.
        let bin = affordable(&seen(vec![century]), Duration::from_secs(1));
        assert_eq!(bin, Duration::from_secs(512));
        let week = Sighting {
            count: 6_048_000,
            every: 100_000_000,
            ..century
        };
        let bin = affordable(&seen(vec![week]), Duration::from_secs(1));
        assert_eq!(bin, Duration::from_secs(1));
    }

    #[test]
    fn time_may_end_within_a_bin() {
        // Two trains up to the last instant there is, the last bin of which ends after it.
        let end = Timestamp(i64::MAX);
        let train = |direction| Sighting {
            count: 10,
            every: 1_000_000_000,
            ..Sighting::one(Timestamp(i64::MAX - 9_000_000_000), 0, direction, 5)
        };
        let seen = Observation {
            window: Span::new(Timestamp(i64::MAX - 10_000_000_000), end),
            flows: vec![SeenFlow {
                far: "tunnel".into(),
                shaping: None,
            }],
            ..seen(vec![train(Direction::Up), train(Direction::Down)])
        };
        let found = rates(&seen, &knowledge(), Duration::from_secs(1));
        let all = found[0].cells.iter().map(|cell| cell.up + cell.down);
        assert_eq!(all.sum::<u64>(), 100);
    }

    proptest! {
        /// A train bins as its packets do.
        #[test]
        fn trains_are_their_packets(
            trains in prop::collection::vec((0i64..50, 1u32..40, 0i64..3_000_000_000, any::<bool>()), 1..20)
        ) {
            let trains: Vec<Sighting> = trains.into_iter().map(|(at, count, every, up)| Sighting {
                count,
                every,
                ..Sighting::one(Timestamp::new(at, at), 0, if up { Direction::Up } else { Direction::Down }, 3)
            }).collect();
            let singles = trains.iter().flat_map(|train| {
                train.instants().map(|at| Sighting::one(at, 0, train.direction, train.bytes)).collect::<Vec<_>>()
            }).collect();
            let of = |sightings| cells(&rates(&seen(sightings), &knowledge(), Duration::from_secs(1))[0]);
            prop_assert_eq!(of(trains.clone()), of(singles));
        }

        /// Bins that have their places hold what bins that are looked for hold.
        #[test]
        fn side_by_side_or_one_by_one(
            trains in prop::collection::vec((0i64..50_000, 1u32..40, 0i64..1_200_000_000, any::<bool>()), 1..20)
        ) {
            let trains: Vec<Sighting> = trains.into_iter().map(|(at, count, every, up)| Sighting {
                count,
                every,
                ..Sighting::one(Timestamp(at * 1_000_000), 0, if up { Direction::Up } else { Direction::Down }, 3)
            }).collect();
            let long = Sighting { count: 99, every: 1_000_000_000, ..Sighting::one(Timestamp(0), 0, Direction::Up, 1) };
            let seen = Observation {
                flows: vec![SeenFlow { far: "tunnel".into(), shaping: None }],
                ..seen(trains.into_iter().chain([long]).collect())
            };
            let grid = Grid::new(seen.window.start, Duration::from_secs(1));
            let mut filling = Filling::default();
            seen.sightings.iter().for_each(|of| filling.add(of, grid));
            prop_assert_eq!(side_by_side(&seen, grid), Some(filling.cells()));
        }
    }
}
