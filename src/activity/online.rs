//! The detector of [`super::detect()`], while the traffic goes on: one device, bin by bin, over a sliding window.
//!
//! Whether a bin stands out is judged as soon as it is over, by the mean and deviation of the last window, that bin among
//! them. These come from exact running sums, so that a threshold is the very one that [`detect`](super::detect::detect_in)
//! has over the same window, at the cost of two additions a bin. What comes later cannot be known: a device's first loud bin
//! stands out until louder ones have followed, and a claim once told is not taken back. So a device is watched for a while
//! before anything is claimed of it ([`Online::new`], `warm_up`).
//!
//! An activity begins with its first bin that stands out, is a spike until more than half of a stretch does and then a hill,
//! and is over once [`Parameters::merge`] has passed without another. A depression begins when it has lasted for
//! [`Parameters::hill`]; of silence that is known only when the device speaks again, for one that is switched off is
//! depressed for ever. Median and rhythms take the whole window: the baseline is then renewed once in [`RENEWED_AFTER`] bins,
//! and with `ignore_periodic` each bin that stands out is looked at by the whole detector.

use super::baseline::{Baseline, Sums};
use super::blocks::{bins_between, whole_bins, Block};
use super::claim::{Activity, Shape};
use super::detect::{activity, detect_in};
use super::parameters::{BaselineKind, Parameters};
use super::periodic::take_off;
use super::runs::{raised_bins, Mark, Run};
use crate::rate::{Cell, Grid};
use crate::units::{Direction, Span};
use std::collections::VecDeque;

/// Bins until a baseline that takes the whole window is made anew.
pub const RENEWED_AFTER: i64 = 60;

/// What the detector has to say at the end of a bin.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Somebody began to use the device: what is known so far.
    Began(Activity),
    /// The use is over.
    Ended(Activity),
}

/// One device's window and what is going on in it.
#[derive(Debug)]
pub struct Online {
    parameters: Parameters,
    grid: Grid,
    /// Length of the window in bins, at least two.
    length: i64,
    /// Bins from a device's first traffic until something is claimed of it.
    warm_up: i64,
    /// The first bin that counts: when the watch began, or what had to be forgotten for want of room.
    from: i64,
    /// The last bin that is over.
    now: i64,
    /// The device's first bin.
    met: Option<i64>,
    /// The window's active bins, ascending.
    cells: VecDeque<Cell>,
    up: Sums,
    down: Sums,
    /// A baseline that takes the whole window, and when it was made.
    taken: Option<(i64, [Baseline; 2])>,
    /// The last bin that was judged, for what needs order.
    judged: Option<i64>,
    /// Raised bins of the last stretch a hill could have, as runs of one bin.
    raised: VecDeque<Run>,
    /// Weak bins that no strong one has vouched for yet.
    weak: VecDeque<Mark>,
    /// The last strong bin.
    strong: Option<i64>,
    /// Bins under the floor, one after the other, up to the last judged: the first of them, and the fewest bytes.
    low: [Option<(i64, u64)>; 2],
    open: Option<Run>,
    /// The highest rate told of it: a flow that is found to be another's takes its bins along.
    peak: f64,
    depressed: Option<Run>,
}

impl Online {
    /// A device that nothing was seen of, from bin `from` on: `length` bins of window, and `warm_up` bins from its first
    /// traffic in which nothing is claimed.
    pub fn new(parameters: &Parameters, grid: Grid, length: i64, warm_up: i64, from: i64) -> Self {
        Self {
            parameters: parameters.clone(),
            grid,
            length: length.max(2),
            warm_up: warm_up.max(0),
            from,
            now: from.saturating_sub(1),
            met: None,
            cells: VecDeque::new(),
            up: Sums::default(),
            down: Sums::default(),
            taken: None,
            judged: None,
            raised: VecDeque::new(),
            weak: VecDeque::new(),
            strong: None,
            low: [None; 2],
            open: None,
            peak: 0.0,
            depressed: None,
        }
    }

    /// The first bin of the window that ends with the last bin that is over.
    pub fn first(&self) -> i64 {
        let first = self.now.saturating_sub(self.length - 1);
        first.max(self.from)
    }

    /// How many active bins are remembered.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Bytes of the window, up and down.
    pub fn bytes(&self) -> (u64, u64) {
        (self.up.bytes(), self.down.bytes())
    }

    /// What is going on: a use that is not over yet.
    pub fn going_on(&self) -> bool {
        self.open.is_some() || self.depressed.is_some()
    }

    /// Adds a bin's bytes, late ones too; what is before the window is left out.
    pub fn add(&mut self, cell: Cell) {
        if cell.index < self.first() || (cell.up == 0 && cell.down == 0) {
            return;
        }
        self.met = Some(self.met.map_or(cell.index, |met| met.min(cell.index)));
        let at = match self.cells.back() {
            Some(last) if last.index >= cell.index => {
                self.cells.partition_point(|known| known.index < cell.index)
            }
            _ => self.cells.len(),
        };
        let mut whole = cell;
        match self.cells.get_mut(at).filter(|k| k.index == cell.index) {
            Some(known) => {
                self.up.take(known.up);
                self.down.take(known.down);
                known.up = known.up.saturating_add(cell.up);
                known.down = known.down.saturating_add(cell.down);
                whole = *known;
            }
            None => self.cells.insert(at, cell),
        }
        self.up.put(whole.up);
        self.down.put(whole.down);
    }

    /// Takes these bins for the window's, all of them; what is going on goes on.
    pub fn replace(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.cells.clear();
        (self.up, self.down) = (Sums::default(), Sums::default());
        self.taken = None;
        for cell in cells {
            self.add(cell);
        }
    }

    /// Forgets the oldest quarter of the active bins: the window is then shorter by what they spanned.
    pub fn shorten(&mut self) {
        let going = (self.cells.len() / 4).max(1);
        if let Some(last) = self.cells.get(going - 1) {
            self.from = last.index.saturating_add(1);
            self.slide();
            self.cells.shrink_to_fit();
        }
    }

    /// Forgets what is before the window.
    fn slide(&mut self) {
        let first = self.first();
        while let Some(cell) = self.cells.front().filter(|cell| cell.index < first) {
            self.up.take(cell.up);
            self.down.take(cell.down);
            self.cells.pop_front();
        }
    }

    /// Time has come to the end of bin `bin`: the window moves, and what has had no successor for long is over.
    pub fn pass(&mut self, bin: i64) -> Vec<Finding> {
        self.now = self.now.max(bin);
        self.slide();
        let mut findings = Vec::new();
        let merge = self.merge();
        let now = self.now;
        let over = |run: &Run| now.saturating_sub(run.last) > merge;
        if let Some(run) = self.open.take_if(|run| over(run)) {
            findings.push(Finding::Ended(self.claim(&run)));
        }
        if let Some(run) = self.depressed.take_if(|run| over(run)) {
            findings.push(Finding::Ended(self.claim(&run)));
        }
        findings
    }

    /// The watch is over: so is everything.
    pub fn end(&mut self) -> Vec<Finding> {
        let runs = [self.open.take(), self.depressed.take()];
        let runs = runs.into_iter().flatten();
        runs.map(|run| Finding::Ended(self.claim(&run))).collect()
    }

    /// Judges bin `bin`, which is over (see [`Self::pass`]) and whose bytes are in; late ones may be judged again.
    pub fn judge(&mut self, bin: i64) -> Vec<Finding> {
        let mut findings = Vec::new();
        let at = self.cells.partition_point(|cell| cell.index < bin);
        let Some(cell) = self.cells.get(at).copied().filter(|c| c.index == bin) else {
            return findings;
        };
        let known = self
            .met
            .is_some_and(|met| bin.saturating_sub(met) >= self.warm_up);
        if !known {
            return findings;
        }
        let baselines = self.baselines();
        let block = [cell];
        let block = Block::with(&block, (bin, bin), baselines);
        let lifts =
            self.parameters.looks_for(Shape::Spike) || self.parameters.looks_for(Shape::Hill);
        let mark = match lifts {
            true => raised_bins(&block, &self.parameters).pop(),
            false => None,
        };
        if let Some(mark) = mark.filter(|mark| self.is_no_beat(mark)) {
            self.raise(mark, &mut findings);
        }
        if self.judged.is_none_or(|judged| judged < bin) {
            if self.parameters.looks_for(Shape::Depression) {
                self.sink(cell, baselines, &mut findings);
            }
            self.judged = Some(bin);
        }
        findings
    }

    /// Bins that may lie between two of one activity, and one.
    fn merge(&self) -> i64 {
        whole_bins(self.parameters.merge, self.grid).max(1)
    }

    /// The usual rates up and down, now.
    fn baselines(&mut self) -> [Baseline; 2] {
        let bins = bins_between(self.first(), self.now);
        let silent = self.parameters.count_silent;
        let exact = self.parameters.baseline == BaselineKind::Mean;
        if exact && !self.parameters.ignore_periodic {
            return [&self.up, &self.down].map(|sums| sums.baseline(bins, silent));
        }
        let young = |(made, _): &(i64, _)| self.now.saturating_sub(*made) < RENEWED_AFTER;
        if let Some((_, baselines)) = self.taken.filter(|taken| young(taken)) {
            return baselines;
        }
        let cells = self.cells.make_contiguous();
        let left = match self.parameters.ignore_periodic {
            true => take_off(cells, bins).0,
            false => cells.to_vec(),
        };
        let baselines = [Direction::Up, Direction::Down].map(|direction| {
            let bytes = left.iter().map(|cell| cell.bytes(direction));
            Baseline::of(self.parameters.baseline, bytes, bins, silent)
        });
        self.taken = Some((self.now, baselines));
        baselines
    }

    /// Whether a bin stands out once the device's own rhythm is taken off, where that is asked for.
    fn is_no_beat(&mut self, mark: &Mark) -> bool {
        if !self.parameters.ignore_periodic {
            return true;
        }
        let window = self.grid.span(self.first(), self.now);
        // A span ends within its last bin.
        let window = Span::new(window.start, crate::units::Timestamp(window.end.0 - 1));
        let at = self.grid.start(mark.index);
        let grid = self.grid;
        let cells = self.cells.make_contiguous();
        detect_in(cells, grid, window, &self.parameters).is_ok_and(|found| {
            let mut raised = found.activities.iter();
            raised.any(|a| a.shape != Shape::Depression && a.span.start <= at && at < a.span.end)
        })
    }

    /// A bin stands out. Weak ones count near strong ones alone.
    fn raise(&mut self, mark: Mark, findings: &mut Vec<Finding>) {
        let near = whole_bins(self.parameters.near, self.grid);
        let index = mark.index;
        if mark.strong {
            self.strong = Some(self.strong.map_or(index, |strong| strong.max(index)));
            let waiting = std::mem::take(&mut self.weak);
            for weak in waiting
                .into_iter()
                .filter(|weak| index - weak.index <= near)
            {
                self.lift(weak.run(), findings);
            }
            self.lift(mark.run(), findings);
        } else if self
            .strong
            .is_some_and(|strong| index.abs_diff(strong) <= near.unsigned_abs())
        {
            self.lift(mark.run(), findings);
        } else {
            self.weak
                .retain(|weak| index.saturating_sub(weak.index) <= near);
            if self.weak.back().is_none_or(|last| last.index < index) {
                self.weak.push_back(mark);
            }
        }
    }

    /// A bin counts: it begins an activity or goes on with one.
    fn lift(&mut self, run: Run, findings: &mut Vec<Finding>) {
        let length = self.parameters.hill_bins(self.grid.bin());
        let newest = self
            .raised
            .back()
            .map_or(run.last, |last| last.last.max(run.last));
        self.raised
            .retain(|one| newest.saturating_sub(one.last) < length && one.last != run.last);
        let place = self.raised.partition_point(|one| one.last < run.last);
        self.raised.insert(place, run.clone());
        if self.parameters.looks_for(Shape::Spike) {
            self.go_on(run, findings);
        }
        if self.parameters.looks_for(Shape::Hill)
            && self.raised.len() as u64 > length.unsigned_abs() / 2
        {
            let hill = self.raised.iter().cloned().reduce(|mut hill, one| {
                hill.absorb(&one);
                hill
            });
            if let Some(hill) = hill {
                let shape = Shape::Hill;
                self.go_on(Run { shape, ..hill }, findings);
            }
        }
    }

    fn go_on(&mut self, run: Run, findings: &mut Vec<Finding>) {
        let merge = self.merge();
        unite(&mut self.open, run, merge)
            .into_iter()
            .for_each(|change| {
                let finding = self.told(change);
                findings.push(finding);
            });
    }

    /// A bin is over: whether the device is depressed.
    fn sink(&mut self, cell: Cell, baselines: [Baseline; 2], findings: &mut Vec<Finding>) {
        let length = self.parameters.hill_bins(self.grid.bin());
        let count_silent = self.parameters.count_silent;
        let watched = self.parameters.direction.directions().to_vec();
        // From the bin after the last judged to the one before this all were silent.
        let next = self
            .judged
            .map_or(cell.index, |judged| judged.saturating_add(1));
        for direction in watched {
            let place = usize::from(direction == Direction::Down);
            let baseline = match baselines.get(place) {
                Some(baseline) => *baseline,
                None => continue,
            };
            let floor = baseline.at(-self.parameters.sigma);
            let mut low = self.low.get_mut(place).and_then(Option::take);
            let mut runs = Vec::new();
            let mut stretch = |(first, lowest): (i64, u64), last: i64| {
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
            // No traffic is less than none.
            if floor > 0.0 && baseline.scale > 0.0 {
                if cell.index > next {
                    low = match count_silent {
                        true => Some((low.map_or(next, |(first, _)| first), 0)),
                        false => None,
                    };
                }
                let bytes = cell.bytes(direction);
                if bytes as f64 >= floor || (bytes == 0 && !count_silent) {
                    if let Some(ended) = low.take() {
                        stretch(ended, cell.index.saturating_sub(1));
                    }
                } else {
                    let (first, lowest) = low.unwrap_or((cell.index, u64::MAX));
                    let going = (first, lowest.min(bytes));
                    stretch(going, cell.index);
                    low = Some(going);
                }
            } else {
                low = None;
            }
            if let Some(slot) = self.low.get_mut(place) {
                *slot = low;
            }
            let merge = self.merge();
            for run in runs {
                for change in unite(&mut self.depressed, run, merge) {
                    let finding = self.told(change);
                    findings.push(finding);
                }
            }
        }
    }

    fn told(&mut self, change: Change) -> Finding {
        match change {
            Change::Began(run) => {
                if run.shape != Shape::Depression {
                    self.peak = 0.0;
                }
                Finding::Began(self.claim(&run))
            }
            Change::Ended(run) => Finding::Ended(self.claim(&run)),
        }
    }

    fn claim(&mut self, run: &Run) -> Activity {
        let grid = self.grid;
        let cells = self.cells.make_contiguous();
        let from = cells.partition_point(|cell| cell.index < run.first);
        let to = cells.partition_point(|cell| cell.index <= run.last);
        let mut claim = activity(run, cells.get(from..to).unwrap_or_default(), grid);
        if run.shape != Shape::Depression {
            claim.peak_bytes_per_s = claim.peak_bytes_per_s.max(self.peak);
            self.peak = claim.peak_bytes_per_s;
        }
        claim
    }
}

/// What becomes of the runs when one more comes.
enum Change {
    Began(Run),
    Ended(Run),
}

/// Unites a run with the one that is open, or ends that and opens it.
fn unite(open: &mut Option<Run>, run: Run, merge: i64) -> Vec<Change> {
    let merge = merge.unsigned_abs();
    if let Some(known) = open {
        let apart = match run.first > known.last {
            true => run.first.abs_diff(known.last),
            // It may be late, and lie before.
            false => known.first.saturating_sub(run.last).max(0).unsigned_abs(),
        };
        if apart <= merge {
            known.absorb(&run);
            return Vec::new();
        }
        if run.last < known.first {
            // Long over, and told too late to be told at all: it ended when it began.
            return vec![Change::Began(run.clone()), Change::Ended(run)];
        }
    }
    let mut changes: Vec<Change> = open.take().map(Change::Ended).into_iter().collect();
    changes.push(Change::Began(run.clone()));
    *open = Some(run);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::claim::Side;
    use crate::units::Timestamp;
    use proptest::prelude::*;
    use std::time::Duration;

    fn grid() -> Grid {
        Grid::new(Timestamp(0), Duration::from_secs(1))
    }

    fn spikes() -> Parameters {
        Parameters {
            merge: Duration::from_secs(3),
            shapes: vec![Shape::Spike, Shape::Hill],
            ..Parameters::default()
        }
    }

    /// Feeds seconds as (second, up, down) through one detector, second by second to `last`; what it said, with when.
    fn run(online: &mut Online, cells: &[(i64, u64, u64)], last: i64) -> Vec<(i64, Finding)> {
        let mut said = Vec::new();
        let mut cells = cells.iter().peekable();
        for second in 0..=last {
            let mut heard = false;
            while let Some(&(index, up, down)) = cells.next_if(|cell| cell.0 <= second) {
                online.add(Cell { index, up, down });
                heard = true;
            }
            let passed = online.pass(second).into_iter();
            said.extend(passed.map(|finding| (second, finding)));
            if heard {
                let judged = online.judge(second).into_iter();
                said.extend(judged.map(|finding| (second, finding)));
            }
        }
        said
    }

    /// When, whether it began, start and end in seconds, shape.
    fn brief(said: &[(i64, Finding)]) -> Vec<(i64, bool, i64, i64, Shape)> {
        let tell = |(at, finding): &(i64, Finding)| {
            let (began, a) = match finding {
                Finding::Began(a) => (true, a),
                Finding::Ended(a) => (false, a),
            };
            let second = |at: Timestamp| at.as_secs_f64() as i64;
            (
                *at,
                began,
                second(a.span.start),
                second(a.span.end),
                a.shape,
            )
        };
        said.iter().map(tell).collect()
    }

    #[test]
    fn a_spike_is_told_in_its_second_and_ended_after_the_gap() {
        let mut online = Online::new(&spikes(), grid(), 1000, 0, 0);
        let said = run(&mut online, &[(50, 1000, 0), (52, 900, 0)], 99);
        // The first of fifty-one seconds: (1000 - 19.6) / 138.6 = 7.07 sigma.
        assert_eq!(
            brief(&said),
            [
                (50, true, 50, 51, Shape::Spike),
                (56, false, 50, 53, Shape::Spike)
            ]
        );
        let Finding::Began(began) = &said[0].1 else {
            panic!("{said:?}");
        };
        assert!((began.sigma - 50f64.sqrt()).abs() < 1e-9, "{}", began.sigma);
        assert_eq!(
            (began.peak_bytes_per_s, began.direction),
            (1000.0, Side::Up)
        );
    }

    #[test]
    fn a_newcomer_is_watched_before_anything_is_claimed() {
        let mut online = Online::new(&spikes(), grid(), 1000, 30, 0);
        let said = run(
            &mut online,
            &[(50, 1000, 0), (79, 900, 0), (80, 900, 0)],
            81,
        );
        assert_eq!(brief(&said), [(80, true, 80, 81, Shape::Spike)]);
    }

    #[test]
    fn a_spike_that_lasts_becomes_a_hill() {
        let cells: Vec<_> = (500..520).map(|s| (s, 400, 0)).collect();
        let mut online = Online::new(&spikes(), grid(), 1000, 0, 0);
        let said = brief(&run(&mut online, &cells, 600));
        assert_eq!(
            said,
            [
                (500, true, 500, 501, Shape::Spike),
                (523, false, 500, 520, Shape::Hill)
            ]
        );
        // Who looks for hills alone is told once six of ten seconds stand out.
        let hills = Parameters {
            shapes: vec![Shape::Hill],
            ..spikes()
        };
        let mut online = Online::new(&hills, grid(), 1000, 0, 0);
        let said = brief(&run(&mut online, &cells, 600));
        assert_eq!(said[0], (505, true, 500, 506, Shape::Hill));
    }

    #[test]
    fn the_window_forgets() {
        // What was loud long ago no longer hides what is loud now.
        let mut cells: Vec<_> = (0..50).map(|s| (s, 10_000, 0)).collect();
        cells.push((180, 400, 0));
        let mut short = Online::new(&spikes(), grid(), 100, 60, 0);
        assert_eq!(brief(&run(&mut short, &cells, 180)).len(), 1);
        assert_eq!((short.len(), short.bytes()), (1, (400, 0)));
        let mut long = Online::new(&spikes(), grid(), 1000, 60, 0);
        assert!(run(&mut long, &cells, 180).is_empty());
        assert_eq!(long.len(), 51);
        long.shorten();
        assert_eq!((long.len(), long.first()), (39, 12));
    }

    #[test]
    fn steady_traffic_that_stops_is_told_when_it_comes_back() {
        let steady = |s: i64| (s, if s % 2 == 0 { 990 } else { 1010 }, 0);
        let low = Parameters {
            shapes: vec![Shape::Depression],
            ..spikes()
        };
        let mut cells: Vec<_> = (0..1000).map(steady).collect();
        cells.drain(700..712);
        let mut online = Online::new(&low, grid(), 2000, 60, 0);
        let said = brief(&run(&mut online, &cells, 999));
        assert_eq!(
            said,
            [
                (712, true, 700, 712, Shape::Depression),
                (715, false, 700, 712, Shape::Depression)
            ]
        );
        // Where a little is left it is known while it lasts.
        let mut cells: Vec<_> = (0..1000).map(steady).collect();
        cells[700..712].iter_mut().for_each(|cell| cell.1 = 100);
        let mut online = Online::new(&low, grid(), 2000, 60, 0);
        let said = brief(&run(&mut online, &cells, 999));
        assert_eq!(said[0], (709, true, 700, 710, Shape::Depression));
        assert_eq!(said[1], (715, false, 700, 712, Shape::Depression));
    }

    #[test]
    fn late_bytes_count_and_are_judged() {
        let mut online = Online::new(&spikes(), grid(), 1000, 0, 0);
        run(&mut online, &[(10, 40, 0), (90, 60, 0)], 99);
        online.add(Cell {
            index: 70,
            up: 9_000,
            down: 0,
        });
        let said = online.judge(70);
        assert!(matches!(said.as_slice(), [Finding::Began(_)]), "{said:?}");
        assert_eq!(online.bytes(), (9_100, 0));
    }

    proptest! {
        #[test]
        fn what_stands_out_does_so_over_the_last_window(
            bytes in prop::collection::vec((0u64..4, 0u64..2000, 0u64..2000), 1..160),
            length in 20i64..80,
            count_silent: bool,
        ) {
            let parameters = Parameters { count_silent, ..spikes() };
            let mut online = Online::new(&parameters, grid(), length, 0, 0);
            let mut cells: Vec<Cell> = Vec::new();
            let mut index = 0;
            for (gap, up, down) in bytes {
                index += 1 + gap as i64;
                // Mostly quiet, at times loud.
                let loud = up % 19 == 0;
                let cell = Cell { index, up: if loud { up * 50 } else { up % 100 }, down };
                cells.push(cell);
                online.add(cell);
                online.pass(index);
                online.judge(index);
                let window = Span::new(grid().start(online.first()), grid().start(index));
                let found = detect_in(&cells, grid(), window, &parameters).unwrap().activities;
                let now = grid().span(index, index);
                let offline = found.iter().any(|a| a.span.end == now.end && cell.up + cell.down > 0);
                let ours = online.open.as_ref().is_some_and(|run| run.last == index);
                prop_assert_eq!(ours, offline, "bin {} of {:?}", index, cells);
            }
        }
    }
}
