//! Rhythms: what a device does by itself, again and again, at a steady pace.
//!
//! Heartbeats, polls and reconnects make the same spikes as people do. Told apart by three marks: bursts of *like size* in
//! both directions, *evenly spaced* (a period with some jitter, a beat missing now and then), through *most of the capture*.
//! Splitting a device's traffic into periodic, user and other events is after T. Hu, D. J. Dubois, D. Choffnes, "BehavIoT:
//! Measuring Smart Home IoT Behavior Using Network-Inferred Behavior Models", IMC 2023. Tested here are the times of bursts
//! and not a spectrum, because a reconnect every 300 to 360 s has no sharp line in one.
//!
//! The test: were there no rhythm, N bursts of like size would lie anywhere on their span of s periods. How many trains of
//! b beats on d due slots would one then expect whose gaps are off by u_1 .. u_{b-1} periods with squares that sum to at most
//! r²? There are N! / (N - b)! ways to put bursts on beats and C(d - 2, b - 2) ways to leave slots empty; first and last beat
//! settle the period, each of the b - 2 others falls near its slot with density 1 / s, and their offsets fill at most the
//! (b - 2)-ball of radius r. That number, over all trains tried in the series, must stay under `CHANCE`.

use super::bursts::{classes, loudness, Bursts, Element};
use crate::rate::Cell;

/// Chance, at most, of finding a rhythm anywhere in a series of bursts at random times.
const CHANCE: f64 = 0.01;
/// Fewest beats of a rhythm.
const BEATS: usize = 4;
/// Largest offset of a beat from when it was due, in periods.
const JITTER: f64 = 0.2;
/// Beats that may follow one another with some missing between: at most so many periods apart.
const PERIODS_APART: i64 = 3;
/// Share of the beats due that must be there.
const PRESENT: f64 = 2.0 / 3.0;
/// Share of the device's active time a rhythm lasts. A rhythm that comes and goes belongs to a visit: an app that polls
/// while it is open is a sign of use.
const LASTING: f64 = 0.5;
/// Rounds of finding rhythms and taking them off: what covered one another shows in the next.
const ROUNDS: usize = 3;
/// Earlier bursts looked at for each one when a train is linked.
const LOOK_BACK: usize = 32;

/// A rhythm that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Rhythm {
    /// Mean time from beat to beat, in bins.
    pub period: f64,
    /// Largest offset of a beat from when it was due, in bins.
    pub jitter: f64,
    /// Bytes from the device in a typical beat.
    pub up: u64,
    /// Bytes to the device in a typical beat.
    pub down: u64,
    /// The bins in which beats begin, ascending.
    pub beats: Vec<i64>,
    /// Beats found where one was due though their size is another: cut short, or mixed with other traffic.
    pub uneven: usize,
}

/// Takes the rhythms off a series whose capture has `bins` bins: what is left, and what was taken.
///
/// Cells come and go in ascending order. Time goes with the active bins and the logarithm of their number.
pub fn take_off(cells: &[Cell], bins: u64) -> (Vec<Cell>, Vec<Rhythm>) {
    let mut left = cells.to_vec();
    let bursts = Bursts::of(cells, bins);
    let lasting = match (cells.first(), cells.last()) {
        (Some(first), Some(last)) => LASTING * (last.index.saturating_sub(first.index)) as f64,
        _ => return (left, Vec::new()),
    };
    let mut rhythms: Vec<Rhythm> = Vec::new();
    for _ in 0..ROUNDS {
        let known = rhythms.len();
        let elements = bursts.elements(&left);
        take_trains(&mut left, &elements, lasting, &mut rhythms);
        let mut uneven = 0;
        for rhythm in rhythms.iter_mut().skip(known) {
            take_uneven(&mut left, &bursts, rhythm);
            uneven += rhythm.uneven;
        }
        if rhythms.len() == known && uneven == 0 {
            break;
        }
    }
    left.retain(|cell| cell.up > 0 || cell.down > 0);
    (left, rhythms)
}

/// Finds trains among the elements, empties their bins and adds their rhythms.
fn take_trains(left: &mut [Cell], elements: &[Element], lasting: f64, rhythms: &mut Vec<Rhythm>) {
    let tried: Vec<_> = classes(elements)
        .into_iter()
        .filter(|class| {
            let ends = (class.members.first(), class.members.last());
            let (Some(first), Some(last)) = ends else {
                return false;
            };
            class.members.len() >= BEATS
                && (elements[*last].start.saturating_sub(elements[*first].start)) as f64 >= lasting
        })
        .collect();
    let chance = CHANCE / tried.len().max(1) as f64;
    let mut taken = vec![false; left.len()];
    for class in &tried {
        let free: Vec<usize> = class
            .members
            .iter()
            .copied()
            .filter(|&member| !taken[elements[member].cells.clone()].contains(&true))
            .collect();
        let starts: Vec<i64> = free.iter().map(|&member| elements[member].start).collect();
        let Some(train) = best_train(&starts, lasting, chance) else {
            continue;
        };
        for &beat in &train.beats {
            taken[elements[free[beat]].cells.clone()].fill(true);
        }
        rhythms.push(Rhythm {
            period: train.period,
            jitter: (train.offset * train.period).max(1.0),
            up: class.up,
            down: class.down,
            beats: train.beats.iter().map(|&beat| starts[beat]).collect(),
            uneven: 0,
        });
    }
    for (cell, taken) in left.iter_mut().zip(taken) {
        if taken {
            cell.up = 0;
            cell.down = 0;
        }
    }
}

/// Where a beat was due but none of like size came, takes a typical beat off the burst there, if one holds at least half of
/// it each way: a beat cut short leaves nothing, one mixed with a user's traffic leaves the user's.
fn take_uneven(left: &mut [Cell], bursts: &Bursts, rhythm: &mut Rhythm) {
    let mut due: Vec<f64> = Vec::new();
    for pair in rhythm.beats.windows(2) {
        let (from, to) = (pair[0] as f64, pair[1] as f64);
        let periods = ((to - from) / rhythm.period).round().max(1.0);
        let mut missing = 1.0;
        while missing < periods {
            due.push(from + (to - from) * missing / periods);
            missing += 1.0;
        }
    }
    if let (Some(first), Some(last)) = (rhythm.beats.first(), rhythm.beats.last()) {
        due.push(*first as f64 - rhythm.period);
        due.push(*last as f64 + rhythm.period);
    }
    let loud = (loudness(rhythm.up), loudness(rhythm.down));
    for at in due {
        let near = bursts.within(left, at - rhythm.jitter, at + rhythm.jitter);
        let likest = near
            .filter(|burst| {
                burst.up >= rhythm.up.div_ceil(2) && burst.down >= rhythm.down.div_ceil(2)
            })
            .min_by(|a, b| {
                let unlike = |burst: &Element| {
                    let (up, down) = burst.unlike(loud);
                    up + down
                };
                unlike(a).total_cmp(&unlike(b)).then(a.start.cmp(&b.start))
            });
        let Some(burst) = likest else { continue };
        let cells = &mut left[burst.cells];
        take_bytes(cells, rhythm.up, |cell| &mut cell.up);
        take_bytes(cells, rhythm.down, |cell| &mut cell.down);
        rhythm.uneven += 1;
    }
}

/// Takes `bytes` off the cells, from the fullest down.
fn take_bytes(cells: &mut [Cell], mut bytes: u64, side: impl Fn(&mut Cell) -> &mut u64) {
    let mut order: Vec<(u64, usize)> = cells
        .iter_mut()
        .enumerate()
        .map(|(i, cell)| (*side(cell), i))
        .collect();
    order.sort_by_key(|&(held, i)| (std::cmp::Reverse(held), i));
    for (held, i) in order {
        let taken = held.min(bytes);
        *side(&mut cells[i]) -= taken;
        bytes -= taken;
    }
}

/// Bursts linked at a steady pace.
struct Train {
    period: f64,
    /// Largest offset from a whole number of periods, in periods.
    offset: f64,
    /// Which of the starts it links.
    beats: Vec<usize>,
}

/// The longest train among bursts that start at `starts` (ascending, distinct) which chance would make too rarely.
fn best_train(starts: &[i64], lasting: f64, chance: f64) -> Option<Train> {
    let mut best: Option<Train> = None;
    for period in guesses(starts) {
        let Some(train) = settle(starts, period, lasting) else {
            continue;
        };
        let better = best.as_ref().is_none_or(|best| {
            (train.beats.len(), -train.offset) > (best.beats.len(), -best.offset)
        });
        if better && stands(starts, &train, lasting, chance) {
            best = Some(train);
        }
    }
    best
}

/// Periods worth trying: quartiles of the gaps between neighbours, and the median gap to the next but one in case something
/// of like size comes between.
fn guesses(starts: &[i64]) -> Vec<f64> {
    let gaps = |apart: usize| {
        let mut gaps: Vec<i64> = starts
            .iter()
            .zip(starts.iter().skip(apart))
            .map(|(a, b)| b.saturating_sub(*a))
            .collect();
        gaps.sort_unstable();
        gaps
    };
    let (next, over) = (gaps(1), gaps(2));
    let mut periods: Vec<i64> = [
        next.get(next.len() / 4),
        next.get(next.len() / 2),
        next.get(3 * next.len() / 4),
        over.get(over.len() / 2),
    ]
    .into_iter()
    .flatten()
    .copied()
    // A beat in every bin is no rhythm but a rate.
    .filter(|&period| period >= 2)
    .collect();
    periods.sort_unstable();
    periods.dedup();
    periods.into_iter().map(|period| period as f64).collect()
}

/// Links a train at about `period`, and again at the period that train has, until it stays.
fn settle(starts: &[i64], mut period: f64, lasting: f64) -> Option<Train> {
    let mut beats = Vec::new();
    for _ in 0..3 {
        beats = link(starts, period);
        // Far from filling the time it must last: no need to go on.
        if beats.len() < BEATS || (beats.len() as f64) < PRESENT / 2.0 * lasting / period {
            return None;
        }
        let periods: f64 = steps(starts, &beats, period).map(f64::round).sum();
        let first = starts[*beats.first()?];
        let last = starts[*beats.last()?];
        let settled = (last.saturating_sub(first)) as f64 / periods;
        if settled == period {
            break;
        }
        period = settled;
    }
    let offset = steps(starts, &beats, period)
        .map(|step| (step - step.round()).abs())
        .fold(1.0 / period, f64::max);
    Some(Train {
        period,
        offset,
        beats,
    })
}

/// The gaps of a train, in periods.
fn steps<'a>(starts: &'a [i64], beats: &'a [usize], period: f64) -> impl Iterator<Item = f64> + 'a {
    beats
        .windows(2)
        .map(move |pair| (starts[pair[1]].saturating_sub(starts[pair[0]])) as f64 / period)
}

/// The longest chain of starts whose gaps are one to three periods, give or take the jitter; of equal ones the most even.
fn link(starts: &[i64], period: f64) -> Vec<usize> {
    // For each start: beats up to it, sum of offsets, the one before.
    let mut chains: Vec<(usize, f64, Option<usize>)> = Vec::with_capacity(starts.len());
    let reach = (PERIODS_APART as f64 + JITTER) * period;
    let rate = period.recip();
    for (j, &start) in starts.iter().enumerate() {
        let mut best = (1, 0.0, None);
        for i in (0..j).rev().take(LOOK_BACK) {
            let gap = (start.saturating_sub(starts[i])) as f64;
            if gap > reach {
                break;
            }
            // Rounded by a cast: this is the innermost loop.
            let periods = (gap * rate + 0.5) as i64;
            let offset = (gap - periods as f64 * period).abs();
            if periods < 1 || offset > JITTER * period {
                continue;
            }
            let (beats, offsets, _) = chains[i];
            if (beats + 1, -(offsets + offset)) > (best.0, -best.1) {
                best = (beats + 1, offsets + offset, Some(i));
            }
        }
        chains.push(best);
    }
    let mut at = (0..chains.len()).max_by(|&a, &b| {
        let (x, y) = (chains[a], chains[b]);
        x.0.cmp(&y.0).then(y.1.total_cmp(&x.1)).then(b.cmp(&a))
    });
    let mut beats = Vec::new();
    while let Some(j) = at {
        beats.push(j);
        at = chains[j].2;
    }
    beats.reverse();
    beats
}

/// Whether a train lasts, misses few beats, and is too even for chance.
fn stands(starts: &[i64], train: &Train, lasting: f64, chance: f64) -> bool {
    let (Some(&first), Some(&last)) = (train.beats.first(), train.beats.last()) else {
        return false;
    };
    let gaps: Vec<f64> = steps(starts, &train.beats, train.period).collect();
    let due = gaps.iter().map(|gap| gap.round()).sum::<f64>() + 1.0;
    let beats = train.beats.len() as f64;
    if (starts[last].saturating_sub(starts[first]) as f64) < lasting
        || beats < PRESENT * due
        || train.offset > 1.1 * JITTER
    {
        return false;
    }
    // No offset is measured finer than a bin.
    let squares: f64 = gaps
        .iter()
        .map(|gap| (gap - gap.round()).abs().max(1.0 / train.period).powi(2))
        .sum();
    let bursts = starts.len() as f64;
    let span = match (starts.first(), starts.last()) {
        (Some(first), Some(last)) => last.saturating_sub(*first) as f64 / train.period,
        _ => return false,
    };
    let free = beats - 2.0;
    let expected = ln_factorial(bursts) - ln_factorial(bursts - beats) + ln_factorial(due - 2.0)
        - ln_factorial(free)
        - ln_factorial(due - beats)
        - free * span.ln()
        + ln_ball(free, squares);
    expected <= chance.ln()
}

/// Logarithm of the volume of the n-ball whose squared radius is `squares`.
fn ln_ball(n: f64, squares: f64) -> f64 {
    n / 2.0 * (std::f64::consts::PI * squares).ln() - ln_gamma(n / 2.0 + 1.0)
}

/// ln x!
fn ln_factorial(x: f64) -> f64 {
    ln_gamma(x + 1.0)
}

/// ln Γ(x) for x >= 1 by Stirling's series after shifting x above 10 (error under 1e-9).
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = x * x;
    (x - 0.5) * x.ln() - x
        + 0.5 * (2.0 * std::f64::consts::PI).ln()
        + (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * square)) / square) / x
        - shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(index: i64, up: u64, down: u64) -> Cell {
        Cell { index, up, down }
    }

    fn indices(cells: &[Cell]) -> Vec<i64> {
        cells.iter().map(|cell| cell.index).collect()
    }

    #[test]
    fn a_heartbeat_is_taken_off_and_a_user_stays() {
        let mut cells: Vec<Cell> = (0..10).map(|i| cell(i * 300, 2000, 6000)).collect();
        cells.push(cell(1010, 9000, 800));
        cells.push(cell(2390, 8000, 900));
        cells.sort_by_key(|cell| cell.index);
        let (left, rhythms) = take_off(&cells, 3000);
        assert_eq!(indices(&left), [1010, 2390]);
        assert_eq!(rhythms.len(), 1);
        assert_eq!(rhythms[0].period, 300.0);
        assert_eq!((rhythms[0].up, rhythms[0].down), (2000, 6000));
        assert_eq!(rhythms[0].beats.len(), 10);
    }

    #[test]
    fn jitter_and_a_missing_beat_are_no_matter() {
        // Every 300 to 360 s, the sixth missing: a reconnect with a random delay.
        let at = [10, 340, 655, 1010, 1322, 1980, 2330, 2640, 2995, 3310];
        let cells: Vec<Cell> = at.iter().map(|&i| cell(i, 4900, 12_100)).collect();
        let (left, rhythms) = take_off(&cells, 3600);
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(rhythms[0].beats, at);
        assert!((rhythms[0].period - 330.0).abs() < 5.0);
    }

    #[test]
    fn a_beat_under_a_users_burst_leaves_the_users_part() {
        let mut cells: Vec<Cell> = (0..9).map(|i| cell(i * 100, 2000, 3000)).collect();
        cells[4].up += 20_000;
        let (left, rhythms) = take_off(&cells, 900);
        assert_eq!(left, [cell(400, 20_000, 0)]);
        assert_eq!(rhythms[0].uneven, 1);
    }

    #[test]
    fn a_poll_while_the_app_is_open_is_use() {
        // Eight polls ten seconds apart in an hour.
        let mut cells: Vec<Cell> = (0..8).map(|i| cell(i * 10, 4700, 2900)).collect();
        cells.push(cell(3600, 60, 60));
        let (left, rhythms) = take_off(&cells, 3601);
        assert_eq!(left, cells);
        assert!(rhythms.is_empty());
    }

    #[test]
    fn two_rhythms_side_by_side_are_both_found() {
        // Every 100 s one burst, every 150 s another; at 300 s, 600 s ... they fall in adjacent bins.
        let mut cells: Vec<Cell> = (0..12).map(|i| cell(i * 100, 2000, 3000)).collect();
        cells.extend((0..8).map(|i| cell(i * 150 + 1, 9000, 500)));
        cells.sort_by_key(|cell| cell.index);
        let (left, rhythms) = take_off(&cells, 1200);
        assert!(left.is_empty(), "{left:?}");
        let mut periods: Vec<f64> = rhythms.iter().map(|rhythm| rhythm.period).collect();
        periods.sort_by(f64::total_cmp);
        assert_eq!(periods, [100.0, 150.0]);
    }

    #[test]
    fn the_volume_of_balls() {
        use std::f64::consts::{FRAC_PI_4, PI};
        // 2 r in one dimension, pi r^2 in two, 4/3 pi r^3 in three.
        for (n, r, volume) in [
            (1.0f64, 0.25f64, 0.5),
            (2.0, 0.5, FRAC_PI_4),
            (3.0, 1.0, 4.0 / 3.0 * PI),
        ] {
            assert!((ln_ball(n, r * r).exp() - volume).abs() < 1e-8);
        }
        assert!((ln_factorial(6.0) - 720f64.ln()).abs() < 1e-9);
        assert!(ln_factorial(0.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(take_off(&[], 0), (vec![], vec![]));
        let ends = [cell(i64::MIN, 5, 5), cell(i64::MAX, 5, 5)];
        assert_eq!(take_off(&ends, u64::MAX).0, ends);
    }

    #[test]
    fn random_bursts_have_no_rhythm() {
        // 60 bursts of one size at random seconds of an hour, 200 times over: the chance promised is 1 in 100 a series.
        let mut state = 1u64;
        let mut random = |below: u64| {
            // Numerical Recipes' linear congruence; the high bits are good enough to scatter bursts.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % below) as i64
        };
        let mut found = 0;
        for round in 0..200 {
            let bursts = 6 + round % 60;
            let mut at: Vec<i64> = (0..bursts).map(|_| random(3600)).collect();
            at.sort_unstable();
            at.dedup();
            let cells: Vec<Cell> = at.iter().map(|&i| cell(i, 5000, 5000)).collect();
            found += usize::from(!take_off(&cells, 3600).1.is_empty());
        }
        assert!(found <= 6, "{found} rhythms in 200 series without any");
    }

    proptest! {
        /// Whatever the series: bytes are only ever taken, bins stay in order, no bin is new.
        #[test]
        fn bytes_are_only_taken(given in prop::collection::btree_map(-400i64..400, (0u64..6, 0u64..6), 0..80)) {
            let cells: Vec<Cell> = given.iter().map(|(&i, &(u, d))| cell(i, u * 900, d * 900)).collect();
            let (left, _) = take_off(&cells, 800);
            prop_assert!(left.windows(2).all(|pair| pair[0].index < pair[1].index));
            for cell in left {
                let (u, d) = given[&cell.index];
                prop_assert!(cell.up <= u * 900 && cell.down <= d * 900);
            }
        }
    }
}
