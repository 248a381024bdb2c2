//! Traffic rates: whole bytes a bin, up and down, only where there were any.
//!
//! A camera's week has 600,000 seconds, most of them silent; a capture may hold one packet in 1970 and one in 2106. So a
//! series keeps the active bins alone, each as three variable-length integers (gap, up, down: about five bytes), and the
//! bin being filled apart.

use crate::units::{nanos, Direction, Span, Timestamp};
use std::time::Duration;

/// Where bins begin and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Start of bin 0.
    pub origin: Timestamp,
    /// Length of a bin in nanoseconds, at least 1.
    bin: i64,
}

impl Grid {
    /// A grid of bins as long as `bin` (at least 1 ns) from `origin`.
    pub fn new(origin: Timestamp, bin: Duration) -> Self {
        Self {
            origin,
            bin: nanos(bin).max(1),
        }
    }

    /// The bin that holds `at`; negative before the origin.
    pub fn index(self, at: Timestamp) -> i64 {
        at.0.saturating_sub(self.origin.0).div_euclid(self.bin)
    }

    /// When bin `index` begins.
    pub fn start(self, index: i64) -> Timestamp {
        Timestamp(self.origin.0.saturating_add(index.saturating_mul(self.bin)))
    }

    /// From the beginning of bin `first` to the end of bin `last`.
    pub fn span(self, first: i64, last: i64) -> Span {
        Span::new(self.start(first), self.start(last.saturating_add(1)))
    }

    /// Length of a bin.
    pub fn bin(self) -> Duration {
        Duration::from_nanos(self.bin.unsigned_abs())
    }

    /// Length of a bin in seconds.
    pub fn bin_secs(self) -> f64 {
        self.bin as f64 / crate::units::NANOS as f64
    }
}

/// One active bin: bytes each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Which bin of the grid.
    pub index: i64,
    /// Bytes from the device.
    pub up: u64,
    /// Bytes to the device.
    pub down: u64,
}

impl Cell {
    /// Bytes in one direction.
    pub fn bytes(self, direction: Direction) -> u64 {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }

    fn add(&mut self, up: u64, down: u64) {
        self.up = self.up.saturating_add(up);
        self.down = self.down.saturating_add(down);
    }
}

/// Active bins in ascending order, packed. Grows by about five bytes an active bin.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// The bin being filled, once there is one.
    open: Option<Cell>,
    /// Bins before the open one, each `gap, up, down` as LEB128.
    packed: Vec<u8>,
    /// Index of the last packed bin; the base of the next gap.
    packed_last: i64,
    /// How many bins are packed.
    packed_len: usize,
    /// Bins of packets that came out of order, folded in when they are many.
    late: Vec<Cell>,
}

/// Out-of-order packets kept apart before they are folded in; folding waits for a quarter of what is packed, so that it
/// costs amortised constant time whatever the order.
const LATE_AT_LEAST: usize = 64;

impl Cells {
    /// Adds bytes to bin `index`; true where that opened a bin.
    #[inline]
    pub fn add(&mut self, index: i64, up: u64, down: u64) -> bool {
        match &mut self.open {
            Some(open) if open.index == index => {
                open.add(up, down);
                false
            }
            _ => {
                self.turn(index, up, down);
                true
            }
        }
    }

    /// Adds bytes in one direction to bin `index` if it is the one being filled; false where it is not.
    #[inline(always)]
    pub fn add_to_open(&mut self, index: i64, direction: Direction, bytes: u64) -> bool {
        match &mut self.open {
            Some(open) if open.index == index => {
                let sum = match direction {
                    Direction::Up => &mut open.up,
                    Direction::Down => &mut open.down,
                };
                *sum = sum.saturating_add(bytes);
                true
            }
            _ => false,
        }
    }

    /// Leaves the open bin for another.
    fn turn(&mut self, index: i64, up: u64, down: u64) {
        let next = Cell { index, up, down };
        match self.open {
            None => self.open = Some(next),
            Some(open) if index > open.index => {
                self.push(open);
                self.open = Some(next);
            }
            Some(_) => {
                match self.late.last_mut() {
                    Some(last) if last.index == index => last.add(up, down),
                    _ => self.late.push(next),
                }
                if self.late.len() >= LATE_AT_LEAST.max(self.packed_len / 4) {
                    self.fold();
                }
            }
        }
    }

    fn push(&mut self, cell: Cell) {
        let gap = cell.index.wrapping_sub(self.packed_last) as u64;
        for value in [gap, cell.up, cell.down] {
            leb128(&mut self.packed, value);
        }
        self.packed_last = cell.index;
        self.packed_len += 1;
    }

    /// Sorts the late bins in among the packed ones.
    fn fold(&mut self) {
        *self = Self::from_sorted(self.iter());
    }

    fn from_sorted(cells: impl IntoIterator<Item = Cell>) -> Self {
        let mut folded = Self::default();
        for cell in cells {
            folded.add(cell.index, cell.up, cell.down);
        }
        folded
    }

    /// Takes the bins out of `cells`, in any order and any of them several times.
    fn from_unsorted(cells: &mut Vec<Cell>) -> Self {
        cells.sort_unstable_by_key(|cell| cell.index);
        Self::from_sorted(cells.drain(..))
    }

    /// The active bins, ascending, each once.
    pub fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        let mut late = self.late.clone();
        late.sort_unstable_by_key(|cell| cell.index);
        Merge::new(Unpack::new(&self.packed).chain(self.open), late.into_iter())
    }

    /// Adds every bin of `other`; with `flipped`, its up is our down.
    pub fn absorb(&mut self, other: &Self, flipped: bool) {
        let turned = other.iter().map(|mut cell| {
            if flipped {
                std::mem::swap(&mut cell.up, &mut cell.down);
            }
            cell
        });
        if self.open.is_none() {
            *self = Self::from_sorted(turned);
        } else if other.len() < self.len() / 4 || other.first() >= self.open.map(|open| open.index)
        {
            // Bins that follow ours, or a few into many: as if their packets came now. A thousand small flows folded into
            // one cost about what their bins do, not a rewrite each.
            for cell in turned {
                self.add(cell.index, cell.up, cell.down);
            }
        } else {
            *self = Self::from_sorted(Merge::new(self.iter(), turned));
        }
    }

    /// The first bin, where late ones do not matter: a hint.
    fn first(&self) -> Option<i64> {
        Unpack::new(&self.packed)
            .chain(self.open)
            .next()
            .map(|cell| cell.index)
    }

    /// How many active bins there are at most (late ones may repeat packed ones).
    pub fn len(&self) -> usize {
        self.packed_len + usize::from(self.open.is_some()) + self.late.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.open.is_none()
    }

    /// Forgets the bins before `index`, and gives their memory back; tells how many went at least.
    pub fn forget_before(&mut self, index: i64) -> usize {
        let late = self.late.iter().any(|cell| cell.index < index);
        if !late && self.first().is_none_or(|first| first >= index) {
            return 0;
        }
        let before = self.len();
        *self = Self::from_sorted(self.iter().filter(|cell| cell.index >= index));
        self.shrink();
        before.saturating_sub(self.len())
    }

    /// Gives back memory kept for growth.
    pub fn shrink(&mut self) {
        self.packed.shrink_to_fit();
        self.late.shrink_to_fit();
    }
}

fn leb128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what [`Cells::push`] wrote.
struct Unpack<'a> {
    bytes: std::slice::Iter<'a, u8>,
    index: i64,
}

impl<'a> Unpack<'a> {
    fn new(packed: &'a [u8]) -> Self {
        Self {
            bytes: packed.iter(),
            index: 0,
        }
    }

    fn value(&mut self) -> Option<u64> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let byte = *self.bytes.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
    }
}

impl Iterator for Unpack<'_> {
    type Item = Cell;
    fn next(&mut self) -> Option<Cell> {
        self.index = self.index.wrapping_add(self.value()? as i64);
        Some(Cell {
            index: self.index,
            up: self.value()?,
            down: self.value()?,
        })
    }
}

/// Two ascending runs of bins as one, equal bins added up.
struct Merge<A: Iterator<Item = Cell>, B: Iterator<Item = Cell>> {
    a: std::iter::Peekable<A>,
    b: std::iter::Peekable<B>,
}

impl<A: Iterator<Item = Cell>, B: Iterator<Item = Cell>> Merge<A, B> {
    fn new(a: A, b: B) -> Self {
        Self {
            a: a.peekable(),
            b: b.peekable(),
        }
    }

    fn smallest(&mut self, only: Option<i64>) -> Option<Cell> {
        let a = self.a.peek().map(|cell| cell.index);
        let b = self.b.peek().map(|cell| cell.index);
        let least = match (a, b) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        if only.is_some_and(|index| index != least) {
            return None;
        }
        if a == Some(least) {
            self.a.next()
        } else {
            self.b.next()
        }
    }
}

impl<A: Iterator<Item = Cell>, B: Iterator<Item = Cell>> Iterator for Merge<A, B> {
    type Item = Cell;
    fn next(&mut self) -> Option<Cell> {
        let mut cell = self.smallest(None)?;
        while let Some(more) = self.smallest(Some(cell.index)) {
            cell.add(more.up, more.down);
        }
        Some(cell)
    }
}

/// A device's rates over the capture: active bins on a grid.
#[derive(Clone, Debug)]
pub struct RateSeries {
    grid: Grid,
    cells: Cells,
}

impl RateSeries {
    /// An empty series on `grid`.
    pub fn new(grid: Grid) -> Self {
        Self {
            grid,
            cells: Cells::default(),
        }
    }

    /// The series of bins that are counted already.
    pub fn of(grid: Grid, cells: Cells) -> Self {
        Self { grid, cells }
    }

    /// The sum of many flows' bins; of those marked, up is down.
    pub fn sum<'a>(grid: Grid, flows: impl IntoIterator<Item = (&'a Cells, bool)>) -> Self {
        // Sorting a batch costs less than merging flow by flow; the batch bounds the memory.
        const BATCH: usize = 1 << 17;
        let mut sum = Cells::default();
        let mut batch: Vec<Cell> = Vec::new();
        for (cells, flipped) in flows {
            for cell in cells.iter() {
                let (up, down) = if flipped {
                    (cell.down, cell.up)
                } else {
                    (cell.up, cell.down)
                };
                batch.push(Cell { up, down, ..cell });
            }
            if batch.len() >= BATCH {
                sum.absorb(&Cells::from_unsorted(&mut batch), false);
            }
        }
        sum.absorb(&Cells::from_unsorted(&mut batch), false);
        sum.shrink();
        Self { grid, cells: sum }
    }

    /// Adds a packet of `bytes` seen at `at`.
    pub fn add(&mut self, at: Timestamp, direction: Direction, bytes: u64) {
        let (up, down) = direction.split(bytes);
        self.cells.add(self.grid.index(at), up, down);
    }

    /// The grid its bins lie on.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The active bins, ascending, each once; silent bins are not given.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.cells.iter()
    }

    /// Whether there was no packet.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn secs(s: i64) -> Timestamp {
        Timestamp::new(s, 0)
    }

    fn cells(series: &RateSeries) -> Vec<(i64, u64, u64)> {
        series.cells().map(|c| (c.index, c.up, c.down)).collect()
    }

    #[test]
    fn bins_count_from_the_origin() {
        let mut series =
            RateSeries::new(Grid::new(Timestamp::new(100, 500), Duration::from_secs(1)));
        series.add(Timestamp::new(100, 500), Direction::Up, 60);
        series.add(Timestamp::new(101, 499), Direction::Up, 40);
        series.add(Timestamp::new(101, 500), Direction::Down, 7);
        assert_eq!(cells(&series), [(0, 100, 0), (1, 0, 7)]);
        assert_eq!(series.grid().start(1), Timestamp::new(101, 500));
    }

    #[test]
    fn a_packet_in_1970_and_one_in_2106_cost_two_bins() {
        let mut series = RateSeries::new(Grid::new(secs(0), Duration::from_secs(1)));
        series.add(secs(0), Direction::Up, 1);
        series.add(secs(4_294_967_295), Direction::Up, 2);
        assert_eq!(cells(&series), [(0, 1, 0), (4_294_967_295, 2, 0)]);
        assert!(series.cells.packed.len() < 16);
    }

    #[test]
    fn late_packets_find_their_bin() {
        let mut series = RateSeries::new(Grid::new(secs(0), Duration::from_secs(1)));
        for s in [5, 3, 9, 3, 5, -2] {
            series.add(secs(s), Direction::Down, 10);
        }
        assert_eq!(
            cells(&series),
            [(-2, 0, 10), (3, 0, 20), (5, 0, 20), (9, 0, 10)]
        );
    }

    #[test]
    fn a_flipped_flow_has_its_directions_swapped() {
        let grid = Grid::new(secs(0), Duration::from_secs(1));
        let mut flow = Cells::default();
        flow.add(1, 100, 7);
        let mut other = Cells::default();
        other.add(1, 1, 0);
        let series = RateSeries::sum(grid, [(&flow, true), (&flow, false), (&other, false)]);
        assert_eq!(cells(&series), [(1, 108, 107)]);
    }

    proptest! {
        /// Whatever the order of packets, a series is the sum by bin; split in two and absorbed, it is the same.
        #[test]
        fn nothing_is_lost(packets in prop::collection::vec((-500i64..500, 0u64..3000, any::<bool>()), 0..600)) {
            let grid = Grid::new(secs(0), Duration::from_secs(1));
            let mut expected: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
            let mut whole = RateSeries::new(grid);
            let (mut left, mut right) = (Cells::default(), Cells::default());
            for (i, (s, bytes, up)) in packets.iter().enumerate() {
                let (u, d) = if *up { (*bytes, 0) } else { (0, *bytes) };
                let cell = expected.entry(*s).or_default();
                cell.0 += u;
                cell.1 += d;
                whole.add(secs(*s), if *up { Direction::Up } else { Direction::Down }, *bytes);
                if i % 3 == 0 { left.add(*s, u, d) } else { right.add(*s, u, d) };
            }
            let expected: Vec<_> = expected.into_iter().map(|(i, (u, d))| (i, u, d)).collect();
            prop_assert_eq!(cells(&whole), expected.clone());
            prop_assert_eq!(cells(&RateSeries::sum(grid, [(&left, false), (&right, false)])), expected.clone());
            left.absorb(&right, false);
            prop_assert_eq!(left.iter().map(|c| (c.index, c.up, c.down)).collect::<Vec<_>>(), expected);
        }
    }
}
