//! How sure the model is of each device in each window, everything seen before and after known.
//!
//! Forward and backward over the joint states (L. Rabiner, Proceedings of the IEEE 77, 1989, section III), exact but for the
//! joint states that are left out. Emissions are worked out as logarithms and the recursions scaled at each step, which is
//! the same as sums of exponentials of logarithms, as in the model of habits.
//!
//! In a gap, one window without traffic or many, nobody is in use: whatever was before, the first window after it follows on
//! nobody in use, so a gap of any length takes a single step. Of a wire without gaps a month of joint states would fill a
//! gigabyte: the forward pass keeps one row of a thousand, and the backward pass works the rows between out again.

use super::model::{Emissions, Factorial};
use super::series::Step;
use super::states::States;
use ndarray::Array2;

/// Steps whose forward rows are kept at once.
const CHUNK: usize = 1_024;

/// A model that is asked.
struct Passes<'a> {
    states: States,
    emissions: Emissions,
    steps: &'a [Step],
}

/// Scales to a sum of 1, and tells what it was.
fn scale(row: &mut [f64]) -> f64 {
    let sum: f64 = row.iter().sum();
    let by = 1.0 / sum.max(f64::MIN_POSITIVE);
    row.iter_mut().for_each(|of| *of *= by);
    sum
}

fn nobody(row: &mut [f64]) {
    row.fill(0.0);
    if let Some(first) = row.first_mut() {
        *first = 1.0;
    }
}

impl Passes<'_> {
    /// Whether there are windows without traffic before this step, and how many.
    fn gap(&self, place: usize) -> i64 {
        let (Some(before), Some(here)) = (
            place
                .checked_sub(1)
                .and_then(|before| self.steps.get(before)),
            self.steps.get(place),
        ) else {
            return 0;
        };
        here.index.saturating_sub(before.index).saturating_sub(1)
    }

    /// The forward row of a step, of that of the step before it (of what holds beforehand, at the first); in place. The
    /// logarithm of its part of the likelihood.
    fn forward(&mut self, place: usize, row: &mut [f64]) -> f64 {
        let mut log = 0.0;
        if place > 0 {
            self.states.forward(row);
            let gap = self.gap(place);
            if gap > 0 {
                log += row
                    .first()
                    .copied()
                    .unwrap_or(1.0)
                    .max(f64::MIN_POSITIVE)
                    .ln();
                log += (gap - 1) as f64 * self.states.nobody_begins().ln();
                nobody(row);
                self.states.forward(row);
            }
        }
        let bytes = self.steps.get(place).map_or([0.0; 2], |step| step.bytes);
        let (emitted, best) = self.emissions.of(bytes);
        for (of, emitted) in row.iter_mut().zip(emitted) {
            *of *= emitted;
        }
        log + best + scale(row).ln()
    }

    /// What is ahead of the step before this one, of what is ahead of this one; in place.
    fn backward(&mut self, place: usize, ahead: &mut [f64]) {
        if self.gap(place) > 0 {
            nobody(ahead);
        } else {
            let bytes = self.steps.get(place).map_or([0.0; 2], |step| step.bytes);
            let (emitted, _) = self.emissions.of(bytes);
            for (of, emitted) in ahead.iter_mut().zip(emitted) {
                *of *= emitted;
            }
        }
        self.states.backward(ahead);
        scale(ahead);
    }
}

impl Factorial {
    fn passes<'a>(&self, steps: &'a [Step]) -> Passes<'a> {
        let states = self.states();
        let emissions = self.emissions(&states);
        Passes {
            states,
            emissions,
            steps,
        }
    }

    /// The natural logarithm of the likelihood of a wire's windows with traffic, as a density of the logarithms of their bytes
    /// with one added; that nobody is in use in between is counted in, that there is no traffic is not. 0 of none.
    pub fn log_likelihood(&self, steps: &[Step]) -> f64 {
        let mut passes = self.passes(steps);
        let mut row = passes.states.stationary();
        (0..steps.len())
            .map(|place| passes.forward(place, &mut row))
            .sum()
    }

    /// The chance of each chain to be in use in each of a wire's windows with traffic, all of them seen. Ascending by index.
    /// Shape (windows, chains), 0 to 1.
    pub fn posterior(&self, steps: &[Step]) -> Array2<f32> {
        let mut passes = self.passes(steps);
        let (width, chains) = (passes.states.len(), self.chains.len());
        let mut found = Array2::zeros((steps.len(), chains));
        // The forward rows before each chunk.
        let mut before = Vec::new();
        let mut row = passes.states.stationary();
        for place in 0..steps.len() {
            if place % CHUNK == 0 {
                before.extend_from_slice(&row);
            }
            passes.forward(place, &mut row);
        }
        let mut ahead = vec![1.0; width];
        let mut rows = vec![0.0; CHUNK * width];
        let mut sums = vec![0.0; chains];
        let chunks = before.chunks_exact(width.max(1)).enumerate();
        for (chunk, first) in chunks.rev() {
            let from = chunk * CHUNK;
            let upto = (from + CHUNK).min(steps.len());
            row.copy_from_slice(first);
            for (place, kept) in (from..upto).zip(rows.chunks_exact_mut(width.max(1))) {
                passes.forward(place, &mut row);
                kept.copy_from_slice(&row);
            }
            let kept = rows.chunks_exact(width.max(1));
            let here: Vec<(usize, &[f64])> = (from..upto).zip(kept).collect();
            for (place, forward) in here.into_iter().rev() {
                let all: f64 = forward.iter().zip(&ahead).map(|(a, b)| a * b).sum();
                sums.fill(0.0);
                for ((alpha, beta), set) in forward.iter().zip(&ahead).zip(&passes.states.sets) {
                    for &chain in set {
                        if let Some(of) = sums.get_mut(chain) {
                            *of += alpha * beta;
                        }
                    }
                }
                for (of, sum) in found.row_mut(place).iter_mut().zip(&sums) {
                    // Sums of rounded numbers may be a little more than 1.
                    *of = (sum / all.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0) as f32;
                }
                passes.backward(place, &mut ahead);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Chain, Level};
    use super::*;

    fn level(mean: [f64; 2], variance: [f64; 2]) -> Level {
        Level {
            share: 1.0,
            mean,
            variance,
        }
    }

    fn chain(part: u32, begins: f64, ends: f64, mean: [f64; 2]) -> Chain {
        Chain {
            part,
            begins,
            ends,
            levels: vec![level(mean, mean.map(|of| of * of / 4.0))],
        }
    }

    fn two() -> Factorial {
        let idle = level([100.0, 50.0], [400.0, 100.0]);
        Factorial {
            background: vec![idle.clone()],
            beside: idle,
            anything: level([5.0, 5.0], [4.0, 4.0]),
            chains: vec![
                chain(0, 0.1, 0.4, [300.0, 200.0]),
                chain(1, 0.2, 0.5, [900.0, 400.0]),
            ],
        }
    }

    fn steps(all: &[(i64, [f64; 2])]) -> Vec<Step> {
        let of = |&(index, bytes)| Step { index, bytes };
        all.iter().map(of).collect()
    }

    /// Density of ln(1 + bytes) when A and B are in use or not, written out anew.
    fn density(a: bool, b: bool, bytes: [f64; 2]) -> f64 {
        let gauss = |x: f64, mean: f64, variance: f64| {
            (-(x - mean).powi(2) / 2.0 / variance).exp()
                / (2.0 * std::f64::consts::PI * variance).sqrt()
        };
        let of = |place: usize, idle: (f64, f64), means: [f64; 2]| {
            let (mut mean, mut variance) = (1.0 + idle.0, idle.1);
            for (used, of) in [a, b].into_iter().zip(means) {
                if used {
                    mean += of;
                    variance += of * of / 4.0;
                }
            }
            let spread = (1.0 + variance / mean / mean).ln();
            // No less than a twentieth is told apart.
            let wide = spread.max(0.0025);
            gauss(bytes[place].ln_1p(), mean.ln() - spread / 2.0, wide)
        };
        let own = of(0, (100.0, 400.0), [300.0, 900.0]) * of(1, (50.0, 100.0), [200.0, 400.0]);
        let any = gauss(bytes[0].ln_1p(), 5.0, 4.0) * gauss(bytes[1].ln_1p(), 5.0, 4.0);
        0.999 * own + 0.001 * any
    }

    /// Likelihood, and the chance of A and B in each of three windows: the sum over all 64 paths.
    fn by_hand(bytes: [[f64; 2]; 3]) -> (f64, [[f64; 2]; 3]) {
        let (mut all, mut used) = (0.0, [[0.0; 2]; 3]);
        for path in 0..64u32 {
            let is = |window: usize, chain: usize| path >> (2 * window + chain) & 1 == 1;
            let mut chance = 1.0;
            for (chain, (begins, ends)) in [(0.1, 0.4), (0.2, 0.5)].into_iter().enumerate() {
                let long = begins / (begins + ends);
                chance *= if is(0, chain) { long } else { 1.0 - long };
                for window in 1..3 {
                    chance *= match (is(window - 1, chain), is(window, chain)) {
                        (false, true) => begins,
                        (false, false) => 1.0 - begins,
                        (true, false) => ends,
                        (true, true) => 1.0 - ends,
                    };
                }
            }
            for (window, bytes) in bytes.into_iter().enumerate() {
                chance *= density(is(window, 0), is(window, 1), bytes);
            }
            all += chance;
            for (window, used) in used.iter_mut().enumerate() {
                for (chain, used) in used.iter_mut().enumerate() {
                    *used += if is(window, chain) { chance } else { 0.0 };
                }
            }
        }
        (all, used.map(|of| of.map(|of| of / all)))
    }

    #[test]
    fn three_windows_of_two_chains_are_those_of_all_paths() {
        let bytes = [[120.0, 60.0], [900.0, 400.0], [1_400.0, 700.0]];
        let (likelihood, expected) = by_hand(bytes);
        let model = two();
        let steps = steps(&[(4, bytes[0]), (5, bytes[1]), (6, bytes[2])]);
        let log = model.log_likelihood(&steps);
        assert!((log - likelihood.ln()).abs() < 1e-9, "{log}");
        let found = model.posterior(&steps);
        assert_eq!(found.shape(), [3, 2]);
        for (window, expected) in expected.iter().enumerate() {
            for (chain, expected) in expected.iter().enumerate() {
                let found = f64::from(found[(window, chain)]);
                assert!((found - expected).abs() < 1e-6, "{window} {chain}: {found}");
            }
        }
        // Idle, then one of them, then both: as one would read it.
        assert!(expected[0][0] < 0.1 && expected[2][1] > 0.9);
    }

    #[test]
    fn in_a_gap_nobody_is_in_use() {
        let bytes = [[900.0, 400.0], [1_400.0, 700.0]];
        let model = two();
        // Before the gap: what holds beforehand, what is seen, and that all are idle next. After it: from idle.
        let (mut before, mut after) = ([0.0; 4], [0.0; 4]);
        for state in 0..4usize {
            let (a, b) = (state & 1 == 1, state & 2 == 2);
            let pick = |used: bool, yes: f64| if used { yes } else { 1.0 - yes };
            let ends = if a { 0.4 } else { 0.9 } * if b { 0.5 } else { 0.8 };
            before[state] = pick(a, 0.2) * pick(b, 2.0 / 7.0) * density(a, b, bytes[0]) * ends;
            after[state] = pick(a, 0.1) * pick(b, 0.2) * density(a, b, bytes[1]);
        }
        let gap = steps(&[(0, bytes[0]), (10, bytes[1])]);
        let found = model.posterior(&gap);
        for (window, of) in [before, after].into_iter().enumerate() {
            let all: f64 = of.iter().sum();
            let expected = [(of[1] + of[3]) / all, (of[2] + of[3]) / all];
            for (chain, expected) in expected.into_iter().enumerate() {
                let found = f64::from(found[(window, chain)]);
                assert!((found - expected).abs() < 1e-6, "{window} {chain}: {found}");
            }
        }
        // Nine windows without anybody: eight times nobody begins.
        let sum = |of: [f64; 4]| of.iter().sum::<f64>().ln();
        let expected = sum(before) + 8.0 * (0.9f64 * 0.8).ln() + sum(after);
        assert!((model.log_likelihood(&gap) - expected).abs() < 1e-9);
        assert_eq!(model.posterior(&[]).shape(), [0, 2]);
        assert_eq!(model.log_likelihood(&[]), 0.0);
    }

    #[test]
    fn chunks_do_not_show() {
        // The same windows over and over, over the border of a chunk: away from both ends every round is like the one before.
        let round = [
            [120.0, 60.0],
            [900.0, 400.0],
            [1_400.0, 700.0],
            [110.0, 55.0],
        ];
        let all: Vec<(i64, [f64; 2])> = (0..2_048).map(|n| (n, round[n as usize % 4])).collect();
        let found = two().posterior(&steps(&all));
        for window in 960..1_100 {
            for chain in 0..2 {
                let (here, before) = (found[(window, chain)], found[(window - 4, chain)]);
                assert!((here - before).abs() < 1e-6, "{window}");
            }
        }
    }
}
