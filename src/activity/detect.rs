//! From rates to claims: spikes, hills and depressions over the usual rate of a device.
//!
//! After the paper, section 3: activities are inferred "based on standard deviations from mean traffic rates". What it
//! leaves open is closed here: bins whose rate is over mean + k sigma in a watched direction make *spikes*; a stretch more
//! than half of whose bins are over mean + k standard errors of its median makes a *hill*; an unbroken stretch under
//! mean - k sigma makes a *depression*, which only steady traffic can have, for elsewhere that bound is below zero. Bins near
//! one another are one activity; a spike within a hill is part of it. An activity stands in both directions when it does in
//! each.

use super::baseline::Baseline;
use super::claim::{Activity, Shape, Side};
use super::parameters::{Parameters, ParametersError};
use super::periodic::{take_off, Rhythm};
use crate::rate::{Cell, Grid, RateSeries};
use crate::units::{nanos, Direction, Span};

/// Standard error of the median of n normal values, in standard deviations over the root of n: √(π/2).
const MEDIAN_ERROR: f64 = 1.253_314_137_315_500_1;

/// What was found in one device's series.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// When the device was used, ascending by start.
    pub activities: Vec<Activity>,
    /// Rhythms that were taken off; empty unless asked for.
    pub rhythms: Vec<Rhythm>,
}

/// Finds the activities in `series`, of which the part in `window` (the capture's first to last packet) is looked at.
///
/// Time and memory go with the active bins, however long the window is. The result depends on nothing but the arguments.
///
/// # Errors
/// Parameters that make no sense.
pub fn detect(
    series: &RateSeries,
    window: Span,
    parameters: &Parameters,
) -> Result<Detection, ParametersError> {
    let grid = series.grid();
    parameters.check(grid.bin())?;
    let (first, last) = (grid.index(window.start), grid.index(window.end));
    let all: Vec<Cell> = series
        .cells()
        .skip_while(|cell| cell.index < first)
        .take_while(|cell| cell.index <= last)
        .collect();
    let bins = bins_between(first, last);
    let (cells, rhythms) = if parameters.ignore_periodic {
        take_off(&all, bins)
    } else {
        (all.clone(), Vec::new())
    };

    let mut raised: Vec<Run> = Vec::new();
    if parameters.looks_for(Shape::Spike) {
        let marks = over_blocks(&cells, first, last, grid, parameters, |block| {
            raised_bins(block, parameters)
        });
        let marks = keep_near(marks, whole_bins(parameters.near, grid));
        raised.extend(marks.iter().map(Mark::run));
    }
    raised = unite(raised, whole_bins(parameters.merge, grid).max(1));
    if parameters.looks_for(Shape::Hill) {
        let hills = over_blocks(&cells, first, last, grid, parameters, |block| {
            hills(block, parameters, grid)
        });
        let hills = unite(hills, whole_bins(parameters.merge, grid).max(1));
        raised = unite_touching(raised, hills);
    }
    let mut activities: Vec<Activity> = raised
        .iter()
        .map(|run| activity(run, &cells, grid))
        .collect();
    if parameters.looks_for(Shape::Depression) {
        // On the traffic as it was: what was taken off would leave holes.
        let low = over_blocks(&all, first, last, grid, parameters, |block| {
            depressions(block, parameters, grid)
        });
        let low = unite(low, whole_bins(parameters.merge, grid).max(1));
        activities.extend(low.iter().map(|run| activity(run, &all, grid)));
    }
    activities.sort_by_key(|activity| (activity.span, activity.shape));
    Ok(Detection {
        activities,
        rhythms,
    })
}

/// How many bins there are from `first` to `last`.
fn bins_between(first: i64, last: i64) -> u64 {
    last.abs_diff(first).saturating_add(1)
}

/// A duration in whole bins, rounded down.
fn whole_bins(duration: std::time::Duration, grid: Grid) -> i64 {
    nanos(duration) / nanos(grid.bin()).max(1)
}

/// A part of the capture with a baseline of its own.
struct Block<'a> {
    cells: &'a [Cell],
    /// First and last bin of the block in which the device is there: between its first and last traffic.
    present: (i64, i64),
    baselines: [(Direction, Baseline); 2],
}

impl Block<'_> {
    /// The watched directions with their baselines.
    fn watched(&self, side: Side) -> impl Iterator<Item = (Direction, Baseline)> + '_ {
        self.baselines
            .into_iter()
            .filter(move |(direction, _)| side.directions().contains(direction))
    }
}

/// Calls `find` with each block that has cells, in order, and strings the findings together.
fn over_blocks<T>(
    cells: &[Cell],
    first: i64,
    last: i64,
    grid: Grid,
    parameters: &Parameters,
    find: impl Fn(&Block) -> Vec<T>,
) -> Vec<T> {
    let length = parameters
        .window
        .map_or(i64::MAX, |window| whole_bins(window, grid).max(1));
    let number = |cell: &Cell| cell.index.abs_diff(first) / length.unsigned_abs();
    let (Some(from), Some(to)) = (cells.first(), cells.last()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for cells in cells.chunk_by(|a, b| number(a) == number(b)) {
        let Some(cell) = cells.first() else { continue };
        // Below 2^63: it starts at or before a cell.
        let start =
            first.saturating_add_unsigned(number(cell).saturating_mul(length.unsigned_abs()));
        let end = start.saturating_add(length - 1).min(last);
        let baseline = |direction| {
            let active: Vec<u64> = cells
                .iter()
                .map(|cell| cell.bytes(direction))
                .filter(|&bytes| bytes > 0)
                .collect();
            let bins = bins_between(start, end);
            let baseline =
                Baseline::of(parameters.baseline, &active, bins, parameters.count_silent);
            (direction, baseline)
        };
        found.extend(find(&Block {
            cells,
            present: (start.max(from.index), end.min(to.index)),
            baselines: [baseline(Direction::Up), baseline(Direction::Down)],
        }));
    }
    found
}

/// A raised bin.
struct Mark {
    index: i64,
    /// Whether it is over the high threshold and not the low one only.
    strong: bool,
    side: Side,
    sigma: f64,
}

impl Mark {
    fn run(&self) -> Run {
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
struct Run {
    first: i64,
    last: i64,
    shape: Shape,
    side: Side,
    /// Of the bin that stands out most.
    sigma: f64,
}

impl Run {
    fn absorb(&mut self, other: &Self) {
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
fn raised_bins(block: &Block, parameters: &Parameters) -> Vec<Mark> {
    let (high, low) = (parameters.sigma, parameters.effective_weak_sigma());
    let mut marks = Vec::new();
    for cell in block.cells {
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
fn keep_near(marks: Vec<Mark>, near: i64) -> Vec<Mark> {
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

/// Stretches of `hill_bins` more than half of whose bins are over k standard errors of such a stretch's median.
fn hills(block: &Block, parameters: &Parameters, grid: Grid) -> Vec<Run> {
    let length = parameters.hill_bins(grid.bin());
    let half = length / 2;
    let k = parameters.sigma * MEDIAN_ERROR / (length as f64).sqrt();
    let mut runs = Vec::new();
    for (direction, baseline) in block.watched(parameters.direction) {
        let raised: Vec<(i64, f64)> = block
            .cells
            .iter()
            .map(|cell| (cell.index, cell.bytes(direction)))
            .filter(|&(_, bytes)| over(bytes, &baseline, k))
            .map(|(index, bytes)| (index, baseline.sigmas(bytes)))
            .collect();
        // The stretch that begins at each raised bin; one with the most raised bins begins at some.
        let mut end = 0;
        for (start, &(first, _)) in raised.iter().enumerate() {
            while raised
                .get(end)
                .is_some_and(|&(index, _)| index.abs_diff(first) < length.unsigned_abs())
            {
                end += 1;
            }
            let stretch = &raised[start..end];
            if stretch.len() as i64 > half {
                let last = stretch.last().map_or(first, |&(index, _)| index);
                runs.push(Run {
                    first,
                    last,
                    shape: Shape::Hill,
                    side: direction.into(),
                    sigma: stretch.iter().map(|&(_, sigma)| sigma).fold(0.0, f64::max),
                });
            }
        }
    }
    runs.sort_by_key(|run| (run.first, run.last));
    runs
}

/// Stretches of at least `hill_bins` bins, all under mean - k sigma.
fn depressions(block: &Block, parameters: &Parameters, grid: Grid) -> Vec<Run> {
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
fn unite(runs: Vec<Run>, merge: i64) -> Vec<Run> {
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

/// Unites spikes and hills that share a bin, into hills.
fn unite_touching(spikes: Vec<Run>, hills: Vec<Run>) -> Vec<Run> {
    let mut all = spikes;
    all.extend(hills);
    all.sort_by_key(|run| (run.first, run.last));
    unite(all, 0)
}

/// The claim a run makes.
fn activity(run: &Run, cells: &[Cell], grid: Grid) -> Activity {
    let from = cells.partition_point(|cell| cell.index < run.first);
    let to = cells.partition_point(|cell| cell.index <= run.last);
    let held = cells.get(from..to).unwrap_or_default();
    let rates = held.iter().map(|cell| {
        run.side.directions().iter().fold(0u64, |sum, &direction| {
            sum.saturating_add(cell.bytes(direction))
        })
    });
    let peak = if run.shape == Shape::Depression {
        // A bin without a cell is a silent one.
        let silent = (held.len() as u64) < bins_between(run.first, run.last);
        if silent {
            Some(0)
        } else {
            rates.min()
        }
    } else {
        rates.max()
    };
    Activity {
        span: grid.span(run.first, run.last),
        shape: run.shape,
        direction: run.side,
        peak_bytes_per_s: peak.unwrap_or(0) as f64 / grid.bin_secs(),
        sigma: run.sigma,
        label: None,
    }
}
