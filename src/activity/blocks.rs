//! Parts of a capture that have a baseline of their own.

use super::baseline::Baseline;
use super::claim::Side;
use super::parameters::Parameters;
use crate::rate::{Cell, Grid};
use crate::units::{nanos, Direction};

/// How many bins there are from `first` to `last`.
pub fn bins_between(first: i64, last: i64) -> u64 {
    last.abs_diff(first).saturating_add(1)
}

/// A duration in whole bins, rounded down.
pub fn whole_bins(duration: std::time::Duration, grid: Grid) -> i64 {
    nanos(duration) / nanos(grid.bin()).max(1)
}

/// A part of the capture with a baseline of its own.
pub struct Block<'a> {
    /// Its active bins, ascending; at least one.
    pub cells: &'a [Cell],
    /// First and last bin of the block in which the device is there: between its first and last traffic.
    pub present: (i64, i64),
    baselines: [(Direction, Baseline); 2],
}

impl<'a> Block<'a> {
    /// A part whose baselines are known: up and down.
    pub fn with(cells: &'a [Cell], present: (i64, i64), baselines: [Baseline; 2]) -> Self {
        let [up, down] = baselines;
        Self {
            cells,
            present,
            baselines: [(Direction::Up, up), (Direction::Down, down)],
        }
    }

    /// The watched directions with their baselines.
    pub fn watched(&self, side: Side) -> impl Iterator<Item = (Direction, Baseline)> + '_ {
        self.baselines
            .into_iter()
            .filter(move |(direction, _)| side.directions().contains(direction))
    }
}

/// The blocks that have cells, in order.
pub fn blocks<'a>(
    cells: &'a [Cell],
    first: i64,
    last: i64,
    grid: Grid,
    parameters: &Parameters,
) -> Vec<Block<'a>> {
    let length = parameters
        .window
        .map_or(i64::MAX, |window| whole_bins(window, grid).max(1));
    let number = |cell: &Cell| cell.index.abs_diff(first) / length.unsigned_abs();
    let (Some(from), Some(to)) = (cells.first(), cells.last()) else {
        return Vec::new();
    };
    let block = |cells: &'a [Cell]| {
        let cell = cells.first()?;
        // Below 2^63: it starts at or before a cell.
        let start =
            first.saturating_add_unsigned(number(cell).saturating_mul(length.unsigned_abs()));
        let end = start.saturating_add(length - 1).min(last);
        let baseline = |direction| {
            let bytes = cells.iter().map(|cell| cell.bytes(direction));
            let bins = bins_between(start, end);
            let baseline = Baseline::of(parameters.baseline, bytes, bins, parameters.count_silent);
            (direction, baseline)
        };
        Some(Block {
            cells,
            present: (start.max(from.index), end.min(to.index)),
            baselines: [baseline(Direction::Up), baseline(Direction::Down)],
        })
    };
    if parameters.window.is_none() {
        return block(cells).into_iter().collect();
    }
    let chunks = cells.chunk_by(|a, b| number(a) == number(b));
    chunks.filter_map(block).collect()
}
