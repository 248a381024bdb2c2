//! Bursts: neighbouring bins over the mean, and which bursts are alike.

use crate::rate::Cell;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::ops::Range;

/// Added to sizes before they are compared by proportion, so that a tenth of it, 60 bytes, is no difference even between
/// small bursts: an acknowledgement or a DNS question more or less makes no other burst. (What is found in the captures with
/// truth does not change from 100 to 600.)
const SLACK: f64 = 600.0;
/// Bursts are alike when neither direction differs by more than this much in logarithm: a tenth.
const LIKE: f64 = 0.1;
/// Bursts of more bins than this are not looked into bin by bin.
const LOOKED_INTO: usize = 8;

/// Size on the scale on which equal steps are equal proportions.
pub fn loudness(bytes: u64) -> f64 {
    (bytes as f64 + SLACK).ln()
}

/// A burst, or one bin of it: something that may be a beat.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its first bin that is not empty.
    pub start: i64,
    /// Bytes from the device.
    pub up: u64,
    /// Bytes to the device.
    pub down: u64,
    /// [`loudness`] of the two: logarithms are the dear part of comparing bursts.
    pub loud: (f64, f64),
    /// Where its cells lie in the series.
    pub cells: Range<usize>,
}

impl Element {
    /// A burst of these sizes in these cells.
    fn new(start: i64, up: u64, down: u64, cells: Range<usize>) -> Self {
        Self {
            start,
            up,
            down,
            loud: (loudness(up), loudness(down)),
            cells,
        }
    }

    /// How unlike its size is to a size of this loudness, in each direction.
    pub fn unlike(&self, loud: (f64, f64)) -> (f64, f64) {
        ((self.loud.0 - loud.0).abs(), (self.loud.1 - loud.1).abs())
    }

    /// Whether its size differs from one of this loudness by no more than chance and a tenth, either way.
    fn alike(&self, loud: (f64, f64)) -> bool {
        let (up, down) = self.unlike(loud);
        up <= LIKE && down <= LIKE
    }
}

/// The bursts of a series: runs of adjacent bins over the mean of either direction, as ranges of its cells.
pub struct Bursts(Vec<Range<usize>>);

impl Bursts {
    /// The bursts of cells (ascending) of a capture of `bins` bins.
    pub fn of(cells: &[Cell], bins: u64) -> Self {
        let mut sums = (0u128, 0u128);
        for cell in cells {
            sums.0 += u128::from(cell.up);
            sums.1 += u128::from(cell.down);
        }
        let bins = u128::from(bins.max(1));
        let over = |cell: &Cell| {
            u128::from(cell.up).saturating_mul(bins) > sums.0
                || u128::from(cell.down).saturating_mul(bins) > sums.1
        };
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut previous: Option<i64> = None;
        for (i, cell) in cells.iter().enumerate() {
            if !over(cell) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if previous == cell.index.checked_sub(1) => run.end = i + 1,
                _ => runs.push(i..i + 1),
            }
            previous = Some(cell.index);
        }
        Self(runs)
    }

    /// The burst in `range` as far as it is not emptied.
    fn element(cells: &[Cell], range: &Range<usize>) -> Option<Element> {
        let held = cells.get(range.clone())?;
        let start = held.iter().find(|cell| cell.up > 0 || cell.down > 0)?.index;
        let sum = |side: fn(&Cell) -> u64| held.iter().map(side).fold(0, u64::saturating_add);
        let (up, down) = (sum(|cell| cell.up), sum(|cell| cell.down));
        Some(Element::new(start, up, down, range.clone()))
    }

    /// Every burst, and every bin of the short ones: two beats that fall side by side are one burst.
    pub fn elements(&self, cells: &[Cell]) -> Vec<Element> {
        let mut elements = Vec::with_capacity(self.0.len());
        for run in &self.0 {
            let Some(whole) = Self::element(cells, run) else {
                continue;
            };
            elements.push(whole);
            if (2..=LOOKED_INTO).contains(&run.len()) {
                let bins = run.clone().map(|i| i..i + 1);
                elements.extend(bins.filter_map(|bin| Self::element(cells, &bin)));
            }
        }
        elements
    }

    /// The bursts that share a bin with `from..=to`.
    pub fn within<'a>(
        &'a self,
        cells: &'a [Cell],
        from: f64,
        to: f64,
    ) -> impl Iterator<Item = Element> + 'a {
        let index = |at: usize| cells.get(at).map_or(f64::MAX, |cell| cell.index as f64);
        let first = self
            .0
            .partition_point(|run| index(run.end.saturating_sub(1)) < from);
        self.0
            .iter()
            .skip(first)
            .take_while(move |run| index(run.start) <= to)
            .filter_map(|run| Self::element(cells, run))
    }
}

/// Elements alike in both directions.
pub struct Class {
    /// Typical bytes from the device.
    pub up: u64,
    /// Typical bytes to the device.
    pub down: u64,
    /// Which elements, ascending in time, no two of the same start.
    pub members: Vec<usize>,
}

/// Sorts elements into classes of like size, each element in one; the densest class first. An element is alike to the
/// typical one of its class, so that a class has no more spread than that however many there are.
pub fn classes(elements: &[Element]) -> Vec<Class> {
    let square = |element: &Element| {
        (
            (element.loud.0 / LIKE).floor() as i64,
            (element.loud.1 / LIKE).floor() as i64,
        )
    };
    let mut squares: HashMap<(i64, i64), Vec<usize>, FixedState> = HashMap::default();
    for (i, element) in elements.iter().enumerate() {
        squares.entry(square(element)).or_default().push(i);
    }
    let mut order: Vec<(i64, i64)> = squares.keys().copied().collect();
    order.sort_unstable_by_key(|at| (std::cmp::Reverse(squares[at].len()), *at));

    let mut taken = vec![false; elements.len()];
    let mut classes = Vec::new();
    for (x, y) in order {
        let seeds: Vec<usize> = squares[&(x, y)]
            .iter()
            .copied()
            .filter(|&i| !taken[i])
            .collect();
        let Some(up) = median(seeds.iter().map(|&i| elements[i].up)) else {
            continue;
        };
        let down = median(seeds.iter().map(|&i| elements[i].down)).unwrap_or(0);
        let loud = (loudness(up), loudness(down));
        let mut members: Vec<usize> = Vec::new();
        for near in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy))) {
            for &i in squares.get(&near).into_iter().flatten() {
                if !taken[i] && elements[i].alike(loud) {
                    taken[i] = true;
                    members.push(i);
                }
            }
        }
        members.sort_unstable_by_key(|&i| (elements[i].start, i));
        members.dedup_by_key(|&mut i| elements[i].start);
        classes.push(Class { up, down, members });
    }
    classes
}

/// The middle value, the lower of two.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(index: i64, up: u64, down: u64) -> Cell {
        Cell { index, up, down }
    }

    #[test]
    fn bursts_are_runs_over_the_mean() {
        // Mean of up over 10 bins: 31. Bin 0 is under it, 2 and 3 are one burst, 5 another.
        let cells = [
            cell(0, 10, 0),
            cell(2, 100, 0),
            cell(3, 100, 0),
            cell(5, 100, 0),
        ];
        let bursts = Bursts::of(&cells, 10);
        assert_eq!(bursts.0, [1..3, 3..4]);
        let elements = bursts.elements(&cells);
        let starts: Vec<_> = elements.iter().map(|e| (e.start, e.up)).collect();
        assert_eq!(starts, [(2, 200), (2, 100), (3, 100), (5, 100)]);
        let within: Vec<_> = bursts.within(&cells, 3.0, 4.5).collect();
        assert_eq!(within.len(), 1);
        assert_eq!(within[0].start, 2);
    }

    #[test]
    fn emptied_bins_are_no_part_of_a_burst() {
        let mut cells = [cell(2, 100, 0), cell(3, 90, 0), cell(9, 0, 0)];
        let bursts = Bursts::of(&cells, 10);
        cells[0] = cell(2, 0, 0);
        let elements = bursts.elements(&cells);
        assert_eq!(elements[0].start, 3);
        assert_eq!((elements[0].up, elements[0].cells.clone()), (90, 0..2));
        cells[1] = cell(3, 0, 0);
        assert!(bursts.elements(&cells).is_empty());
    }

    #[test]
    fn like_sizes_make_a_class() {
        let element = |start, up, down| Element::new(start, up, down, 0..0);
        let elements = [
            element(0, 5000, 12_000),
            element(10, 5200, 12_100),
            element(20, 9000, 12_000),
            element(30, 4900, 12_900),
            // Alike upwards only.
            element(40, 5000, 400),
        ];
        let classes = classes(&elements);
        let mut members: Vec<_> = classes.iter().map(|class| class.members.clone()).collect();
        members.sort();
        assert_eq!(members, [vec![0, 1, 3], vec![2], vec![4]]);
    }

    #[test]
    fn sizes_are_alike_within_a_tenth() {
        let alike = |a, b| Element::new(0, a, 0, 0..0).alike((loudness(b), loudness(0)));
        assert!(alike(10_000, 10_900));
        assert!(!alike(10_000, 12_000));
        // A header more or less makes no other burst.
        assert!(alike(100, 120));
        assert!(!alike(0, 100));
    }
}
