//! Periods of padding, read off the wire by who knows how a flow is shaped but not why.
//!
//! Padding is a row of equal cells at the shaped rate. A period begins with the first cell that no period holds and lasts
//! T; where the next cell comes without a gap the next period begins right there, so that a *run* of padding is cut into
//! periods of T from its start. Packets that merely happen to be as large as a cell are no padding: within T there must be
//! half of the cells the rates promise, or half of those of the period before where rates were lowered meanwhile; no matter
//! where in T, for the shape of a period need not be constant.
//!
//! Padding that never ends (independent link padding) has no periods of its own; whoever wants some gives a length.

use crate::threat::{Observation, Shaping, Sighting};
use crate::units::{nanos, Direction, Span, Timestamp, NANOS};
use std::time::Duration;

/// Periods read of one flow at most: five years of padding in periods of 16 s.
const PERIODS_AT_MOST: u32 = 10_000_000;

/// Padding without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When its first period begins.
    pub start: Timestamp,
    /// How many periods it has.
    pub periods: u32,
}

/// The padding of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padding {
    /// The flow: a place in [`Observation::flows`].
    pub flow: u32,
    /// T.
    pub period: Duration,
    /// Its runs, ascending.
    pub runs: Vec<Run>,
}

impl Padding {
    /// A run from its begin to its end.
    pub fn span(&self, run: &Run) -> Span {
        Span::new(
            run.start,
            run.start + self.period.saturating_mul(run.periods),
        )
    }

    /// All periods, ascending, each from its begin to its end T later.
    pub fn periods(&self) -> impl Iterator<Item = Span> + '_ {
        self.runs.iter().flat_map(move |run| {
            (0..run.periods).map(move |n| {
                let start = run.start + self.period.saturating_mul(n);
                Span::new(start, start + self.period)
            })
        })
    }
}

/// The padding of every shaped flow; padding that never ends is cut into pieces of `endless`, or left out where that is `None`.
pub fn padding(seen: &Observation, endless: Option<Duration>) -> Vec<Padding> {
    let mut all: Vec<Option<Cells>> = seen
        .flows
        .iter()
        .map(|flow| {
            let shaping = flow.shaping?;
            let period = shaping.period.or(endless)?;
            (!period.is_zero()).then(|| Cells::new(shaping, period))
        })
        .collect();
    for sighting in &seen.sightings {
        if let Some(Some(cells)) = all.get_mut(sighting.flow as usize) {
            cells.add(sighting);
        }
    }
    let all = all.into_iter().zip(0..);
    all.filter_map(|(cells, flow)| {
        let cells = cells?;
        Some(Padding {
            flow,
            period: cells.period,
            runs: cells.runs(seen.window),
        })
    })
    .collect()
}

/// The periods of all that padding as (flow, span), by flow and then by begin.
pub fn periods(padding: &[Padding]) -> Vec<(u32, Span)> {
    let of = |padding: &Padding| {
        let flow = padding.flow;
        padding.periods().map(move |span| (flow, span)).collect()
    };
    padding
        .iter()
        .flat_map(of as fn(&Padding) -> Vec<_>)
        .collect()
}

/// The cells of a flow.
struct Cells {
    shaping: Shaping,
    period: Duration,
    /// Up and down.
    ways: [Way; 2],
}

/// Cells in one direction: trains ascending by begin. They follow one another; where a strange wire has them overlap, those
/// before an instant are counted as if the earlier trains were over.
#[derive(Default)]
struct Way {
    trains: Vec<Sighting>,
    /// Cells in all trains before.
    before: Vec<u64>,
    total: u64,
}

impl Way {
    /// Cells that come one by one are put together where they are exactly one train, so that a captured wire is as short as
    /// a simulated one.
    fn add(&mut self, sighting: Sighting) {
        self.total = self.total.saturating_add(u64::from(sighting.count));
        if let (1, Some(last)) = (sighting.count, self.trains.last_mut()) {
            // What is farther apart than can be told is no train.
            let apart = sighting.at.0.checked_sub(last.at.0).unwrap_or(0);
            let next = match last.count {
                1 => apart,
                count => last.every.saturating_mul(i64::from(count)),
            };
            if apart > 0 && apart == next && last.count < u32::MAX {
                if last.count == 1 {
                    last.every = apart;
                }
                last.count += 1;
                return;
            }
        }
        let before = self.total.saturating_sub(u64::from(sighting.count));
        self.trains.push(sighting);
        self.before.push(before);
    }

    /// How many cells pass before `at`. `place` only ever moves on, so `at` must not go back from call to call.
    fn count(&self, at: Timestamp, place: &mut usize) -> u64 {
        while self.trains.get(*place).is_some_and(|train| train.at < at) {
            *place += 1;
        }
        let last = place.checked_sub(1);
        let last = last.and_then(|last| Some((self.trains.get(last)?, self.before.get(last)?)));
        last.map_or(0, |(train, before)| {
            before.saturating_add(u64::from(train.count_before(at)))
        })
    }

    /// The first cell at or after `at`, with the same `place`.
    fn next(&self, at: Timestamp, place: &mut usize) -> Option<Timestamp> {
        self.count(at, place);
        let within = place
            .checked_sub(1)
            .and_then(|last| self.trains.get(last))
            .and_then(|train| {
                let passed = train.count_before(at);
                let nth = train.every.saturating_mul(i64::from(passed));
                (passed < train.count).then(|| Timestamp(train.at.0.saturating_add(nth)))
            });
        // Trains longer than time is are counted wrongly at their ends; nobody is led back by them.
        let within = within.filter(|&next| next >= at);
        within.or_else(|| self.trains.get(*place).map(|train| train.at))
    }
}

impl Cells {
    fn new(shaping: Shaping, period: Duration) -> Self {
        Self {
            shaping,
            period,
            ways: Default::default(),
        }
    }

    fn add(&mut self, sighting: &Sighting) {
        // Of padding that never ends every packet is part, whatever its size.
        if self.shaping.period.is_some() && sighting.bytes != self.shaping.cell_bytes {
            return;
        }
        let [up, down] = &mut self.ways;
        let way = match sighting.direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        way.add(*sighting);
    }

    /// Cells the rates promise within `duration`, both ways.
    fn promised(&self, duration: Duration) -> f64 {
        let cell = f64::from(self.shaping.cell_bytes.max(1));
        let rates = [self.shaping.up, self.shaping.down];
        let of =
            |rate: crate::units::Rate| (rate.bytes_per_s() * duration.as_secs_f64() / cell).floor();
        rates.map(of).iter().sum()
    }

    /// How far the next cell may be from the end of a period to follow it without a break: the distance of two cells.
    fn distance(&self) -> Duration {
        let rate = self.shaping.up.bytes_per_s();
        let rate = rate.max(self.shaping.down.bytes_per_s());
        let seconds = f64::from(self.shaping.cell_bytes) / rate;
        let most = self.period / 2;
        // A thousandth of a second for clocks that are not quite even.
        let ns = (seconds * NANOS as f64).min(nanos(most) as f64) as u64;
        Duration::from_nanos(ns.saturating_add(1_000_000)).min(most)
    }

    fn runs(&self, window: Span) -> Vec<Run> {
        let distance = self.distance();
        let mut runs: Vec<Run> = Vec::new();
        // When the last period ended, and from when on cells are looked at.
        let mut open: Option<Timestamp> = None;
        let mut from = Timestamp(i64::MIN);
        let [up, down] = &self.ways;
        let (mut looked, mut begun, mut ended) = ([0; 2], [0; 2], [0; 2]);
        let mut usual = self.promised(self.period);
        for _ in 0..PERIODS_AT_MOST {
            let next = [
                up.next(from, &mut looked[0]),
                down.next(from, &mut looked[1]),
            ];
            let Some(first) = next.into_iter().flatten().min() else {
                return runs;
            };
            let goes_on = open.filter(|&end| first.since(end) <= distance);
            let start = goes_on.unwrap_or(first);
            let end = start + self.period;
            let cells = up.count(end, &mut ended[0]) + down.count(end, &mut ended[1]);
            let before = up.count(start, &mut begun[0]) + down.count(start, &mut begun[1]);
            let held = cells.saturating_sub(before) as f64;
            // The capture may end within a period; one that begins at its last instant has its first cell.
            let share = end.min(window.end).since(start).as_secs_f64() / self.period.as_secs_f64();
            let endless = self.shaping.period.is_none();
            if endless || held * 2.0 >= (usual * share).max(1.0) {
                if end <= window.end {
                    usual = usual.min(held);
                }
                match runs.last_mut().filter(|_| goes_on.is_some()) {
                    Some(run) => run.periods = run.periods.saturating_add(1),
                    None => runs.push(Run { start, periods: 1 }),
                }
                open = Some(end);
                from = end;
            } else {
                from = Timestamp(first.0.saturating_add(1));
            }
            // Where time stands still, at the end of all time, nothing more is to be found.
            if from <= first {
                break;
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::{SeenFlow, Vantage};
    use crate::units::Rate;

    /// Cells of 100 bytes every 0.1 s upwards and every 0.2 s downwards.
    fn shaping(period: Option<u64>) -> Shaping {
        Shaping {
            period: period.map(Duration::from_secs),
            up: Rate::new(1000.0).unwrap(),
            down: Rate::new(500.0).unwrap(),
            cell_bytes: 100,
        }
    }

    fn wire(shaping: Shaping, mut sightings: Vec<Sighting>) -> Observation {
        sightings.sort_by_key(|sighting| sighting.at);
        Observation {
            vantage: Vantage::Outside,
            window: Span::new(Timestamp(0), Timestamp::new(100, 0)),
            flows: vec![SeenFlow {
                far: "x".into(),
                shaping: Some(shaping),
            }],
            sightings,
        }
    }

    /// Cells both ways from one second to before another.
    fn cells(from: i64, to: i64) -> [Sighting; 2] {
        let seconds = u32::try_from(to - from).unwrap();
        [(Direction::Up, 10), (Direction::Down, 5)].map(|(direction, a_second)| Sighting {
            count: seconds * a_second,
            every: NANOS / i64::from(a_second),
            ..Sighting::one(Timestamp::new(from, 0), 0, direction, 100)
        })
    }

    fn runs(seen: &Observation) -> Vec<(i64, u32)> {
        let found = padding(seen, None);
        let runs = found.iter().flat_map(|padding| &padding.runs);
        runs.map(|run| (run.start.0 / NANOS, run.periods)).collect()
    }

    #[test]
    fn runs_are_cut_into_periods_from_their_start() {
        let [a, b, c] = [cells(3, 7), cells(20, 28), cells(28, 32)];
        let sightings = [a, b, c].concat();
        // A packet as large as a cell, alone, and one of another size.
        let guests = [(10, 100), (26, 99)]
            .map(|(s, bytes)| Sighting::one(Timestamp::new(s, 0), 0, Direction::Up, bytes));
        let seen = wire(shaping(Some(4)), [sightings, guests.to_vec()].concat());
        assert_eq!(runs(&seen), [(3, 1), (20, 3)]);
        let spans: Vec<(i64, i64)> = periods(&padding(&seen, None))
            .iter()
            .map(|(_, span)| (span.start.0 / NANOS, span.end.0 / NANOS))
            .collect();
        assert_eq!(spans, [(3, 7), (20, 24), (24, 28), (28, 32)]);
        // Packet by packet it is the same wire.
        let singles = seen.sightings.iter().flat_map(|train| {
            let of = |at| Sighting::one(at, 0, train.direction, train.bytes);
            train.instants().map(of).collect::<Vec<_>>()
        });
        assert_eq!(
            runs(&wire(shaping(Some(4)), singles.collect())),
            runs(&seen)
        );
    }

    #[test]
    fn rates_may_be_lowered() {
        // By a third each time, to below a tenth of what was promised.
        let mut sightings = Vec::new();
        for (place, a_second) in [10, 7, 5, 3, 2, 1].into_iter().enumerate() {
            let at = Timestamp::new(place as i64 * 10, 0);
            sightings.push(Sighting {
                count: 4 * a_second,
                every: NANOS / i64::from(a_second),
                ..Sighting::one(at, 0, Direction::Up, 100)
            });
        }
        let found = runs(&wire(shaping(Some(4)), sightings));
        assert_eq!(found, [0, 10, 20, 30, 40, 50].map(|at| (at, 1)));
    }

    #[test]
    fn the_end_of_the_capture_may_cut_a_period() {
        let seen = wire(shaping(Some(40)), cells(90, 100).to_vec());
        assert_eq!(runs(&seen), [(90, 1)]);
    }

    #[test]
    fn padding_without_end_is_cut_as_wanted() {
        let seen = wire(shaping(None), cells(0, 100).to_vec());
        assert_eq!(padding(&seen, None), []);
        let cut = padding(&seen, Some(Duration::from_secs(25)));
        assert_eq!(cut[0].periods().count(), 4);
    }
}
