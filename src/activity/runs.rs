//! Bins that stand out, and the runs they make.

use super::baseline::Baseline;
use super::blocks::{bins_between, Block};
use super::claim::{Shape, Side};
use super::parameters::Parameters;
use crate::rate::Grid;
use crate::units::Direction;

/// A raised bin.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Which bin.
    pub index: i64,
    /// Whether it is over the high threshold and not the low one only.
    pub strong: bool,
    side: Side,
    sigma: f64,
}

impl Mark {
    /// A run of this bin alone.
    pub fn run(&self) -> Run {
        Run {
            first: self.index,
            last: self.index,
            shape: Shape::Spike,
            side: self.side,
            sigma: self.sigma,
        }
    }
}

/// Consecutive bins that are one activity.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// First bin.
    pub first: i64,
    /// Last bin.
    pub last: i64,
    /// How traffic changes.
    pub shape: Shape,
    /// Where.
    pub side: Side,
    /// Standard deviations by which the bin that stands out most does.
    pub sigma: f64,
}

impl Run {
    /// Grows to hold another run, and is what stands out more of the two.
    pub fn absorb(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.shape = self.shape.max(other.shape);
        self.side = self.side.union(other.side);
        if other.sigma.abs() > self.sigma.abs() {
            self.sigma = other.sigma;
        }
    }
}

/// The bins over the high or the low threshold. Where a bin is over the high one in any direction, its side is where it is
/// over the high one.
pub fn raised_bins(block: &Block, parameters: &Parameters) -> Vec<Mark> {
    let (high, low) = (parameters.sigma, parameters.effective_weak_sigma());
    let mut marks = Vec::new();
    // Most bins are usual, and are done with at the lower threshold; what is not watched reaches none.
    let mut floors = [f64::INFINITY; 2];
    for (direction, baseline) in block.watched(parameters.direction) {
        let [up, down] = &mut floors;
        let floor = match direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        if baseline.scale > 0.0 {
            *floor = baseline.at(low).min(baseline.at(high));
        }
    }
    for cell in block.cells {
        if cell.up as f64 <= floors[0] && cell.down as f64 <= floors[1] {
            continue;
        }
        let over = |k: f64| {
            block
                .watched(parameters.direction)
                .filter(|(direction, baseline)| over(cell.bytes(*direction), baseline, k))
                .map(|(direction, baseline)| {
                    (
                        Side::from(direction),
                        baseline.sigmas(cell.bytes(direction)),
                    )
                })
                .reduce(|a, b| (a.0.union(b.0), a.1.max(b.1)))
        };
        let strong = over(high);
        if let Some((side, sigma)) = strong.or_else(|| over(low)) {
            marks.push(Mark {
                index: cell.index,
                strong: strong.is_some(),
                side,
                sigma,
            });
        }
    }
    marks
}

/// Whether `bytes` are more than `k` scales over the baseline; never where all bins are alike.
fn over(bytes: u64, baseline: &Baseline, k: f64) -> bool {
    baseline.scale > 0.0 && bytes as f64 > baseline.at(k)
}

/// Drops the weak marks that have no strong one within `near` bins.
pub fn keep_near(marks: Vec<Mark>, near: i64) -> Vec<Mark> {
    let strong: Vec<i64> = marks
        .iter()
        .filter(|mark| mark.strong)
        .map(|mark| mark.index)
        .collect();
    marks
        .into_iter()
        .filter(|mark| {
            let after = strong.partition_point(|&index| index < mark.index);
            let neighbours = [
                strong.get(after),
                after.checked_sub(1).and_then(|i| strong.get(i)),
            ];
            mark.strong
                || neighbours
                    .into_iter()
                    .flatten()
                    .any(|index| mark.index.abs_diff(*index) <= near.unsigned_abs())
        })
        .collect()
}

/// Stretches of `length` bins more than half of which are raised.
///
/// Hills are asked for the same height as spikes, so that looking for them never adds a claim where no bin stands out: a
/// smoothed rate over mean + k sigma of the smoothed rate does, and on real captures what it adds are retransmissions. Who
/// wants lower hills takes longer bins.
pub fn hills(marks: &[Mark], length: u64) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut end = 0;
    // The stretch that begins at each raised bin; one that holds the most begins at some.
    for (start, first) in marks.iter().enumerate() {
        while marks
            .get(end)
            .is_some_and(|mark| mark.index.abs_diff(first.index) < length)
        {
            end += 1;
        }
        let stretch = marks.get(start..end).unwrap_or_default();
        if stretch.len() as u64 > length / 2 {
            let hill = stretch.iter().map(Mark::run).reduce(|mut hill, run| {
                hill.absorb(&run);
                hill
            });
            runs.extend(hill.map(|hill| Run {
                shape: Shape::Hill,
                ..hill
            }));
        }
    }
    runs
}

/// Stretches of at least `hill_bins` bins, all under mean - k sigma.
pub fn depressions(block: &Block, parameters: &Parameters, grid: Grid) -> Vec<Run> {
    let length = parameters.hill_bins(grid.bin());
    let mut runs = Vec::new();
    for (direction, baseline) in block.watched(parameters.direction) {
        let floor = baseline.at(-parameters.sigma);
        // No traffic is less than none.
        if floor <= 0.0 || baseline.scale <= 0.0 {
            continue;
        }
        let mut push = |first: i64, last: i64, lowest: u64| {
            if last >= first && bins_between(first, last) >= length.unsigned_abs() {
                runs.push(Run {
                    first,
                    last,
                    shape: Shape::Depression,
                    side: direction.into(),
                    sigma: baseline.sigmas(lowest),
                });
            }
        };
        // The stretch being walked: its first bin and its lowest bytes.
        let (mut first, mut lowest) = (block.present.0, u64::MAX);
        let mut next = block.present.0;
        for cell in block.cells {
            if cell.index > next {
                if parameters.count_silent {
                    lowest = 0;
                } else {
                    push(first, next.saturating_sub(1), lowest);
                    (first, lowest) = (cell.index, u64::MAX);
                }
            }
            let bytes = cell.bytes(direction);
            next = cell.index.saturating_add(1);
            if bytes as f64 >= floor || (bytes == 0 && !parameters.count_silent) {
                push(first, cell.index.saturating_sub(1), lowest);
                (first, lowest) = (next, u64::MAX);
            } else {
                lowest = lowest.min(bytes);
            }
        }
        if block.present.1 >= next && parameters.count_silent {
            lowest = 0;
            next = block.present.1.saturating_add(1);
        }
        push(first, next.saturating_sub(1), lowest);
    }
    runs.sort_by_key(|run| (run.first, run.last));
    runs
}

/// Unites runs (ascending by first bin) of which one starts within `merge` bins of another's last.
pub fn unite(runs: Vec<Run>, merge: i64) -> Vec<Run> {
    let mut united: Vec<Run> = Vec::new();
    for run in runs {
        match united.last_mut() {
            Some(last)
                if run.first <= last.last
                    || run.first.abs_diff(last.last) <= merge.unsigned_abs() =>
            {
                last.absorb(&run);
            }
            _ => united.push(run),
        }
    }
    united
}
