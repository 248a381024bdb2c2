//! A hidden Markov model of when a device is used: moods that last, and in each of them its own rate of activities.
//!
//! The paper, sections 6.1 and 6.4 and Figure 5, times padding by one. Ours goes in steps of one length. Unseen, the home is
//! in one of a few states, and changes from step to step with fixed chances; the begins within a step are Poisson
//! distributed, with the rate of the state times the weight of the step: how busy that time of day is. So states may last for
//! hours, and what they say holds beside the hour: a quiet day, a busy evening.
//!
//! The mathematics is L. R. Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition",
//! Proceedings of the IEEE 77, 1989, sections III A to C. Emissions are worked out as logarithms and the recursions scaled
//! at each step (section V A), which is the same as sums of exponentials of logarithms, without taking one for each pair of
//! states.

use super::steps::Steps;
use ndarray::{Array1, Array2};

/// Most states.
pub const STATES_AT_MOST: usize = 8;
/// An emission so much less likely than the likeliest state's counts as this: it never is quite impossible.
const LEAST: f64 = 1e-250;

/// The model. Chances sum to 1, rates are finite and not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Markov {
    /// Chance of each state at the first step; Rabiner's pi. Shape (states).
    pub start: Array1<f64>,
    /// Chance to go from the state of the row to that of the column; Rabiner's A. Shape (states, states).
    pub transition: Array2<f64>,
    /// Begins per step of weight 1, in each state. Shape (states).
    pub rate: Array1<f64>,
}

/// What the model says of a sequence, summed: all that training needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Natural logarithm of the likelihood of the whole sequence.
    pub log_likelihood: f64,
    /// Chance of each state at the first step, the whole sequence known.
    pub first: Array1<f64>,
    /// Expected number of changes from the state of the row to that of the column.
    pub changes: Array2<f64>,
    /// Expected begins while in each state.
    pub begins: Array1<f64>,
    /// Expected weight of the steps in each state.
    pub weight: Array1<f64>,
}

/// Emission probabilities by kind of step, divided by the likeliest state's, and the logarithm of that.
struct Emissions {
    by_kind: Array2<f64>,
    log_best: Vec<f64>,
}

/// Logarithm of the Poisson probability of a count.
pub fn log_poisson(count: u32, mean: f64) -> f64 {
    let factorial: f64 = (2..=count).map(|n| f64::from(n).ln()).sum();
    match (count, mean > 0.0) {
        (0, _) => -mean.max(0.0),
        (_, true) => f64::from(count) * mean.ln() - mean - factorial,
        (_, false) => f64::NEG_INFINITY,
    }
}

impl Markov {
    /// How many states.
    pub fn states(&self) -> usize {
        self.rate.len()
    }

    /// The share of time spent in each state in the long run. Shape (states).
    ///
    /// Chances are squared again and again, with a half of staying for sure, so that states that alternate settle too.
    pub fn stationary(&self) -> Array1<f64> {
        let states = self.states();
        let mut goes = (&self.transition + &Array2::<f64>::eye(states)) / 2.0;
        for _ in 0..60 {
            goes = goes.dot(&goes);
            for mut row in goes.rows_mut() {
                let all = row.sum();
                if all > 0.0 {
                    row /= all;
                }
            }
        }
        self.start.dot(&goes)
    }

    fn emissions(&self, steps: &Steps) -> Emissions {
        let states = self.states();
        let mut by_kind = Array2::zeros((steps.kinds().len(), states));
        let mut log_best = Vec::with_capacity(steps.kinds().len());
        for (kind, mut row) in steps.kinds().iter().zip(by_kind.rows_mut()) {
            let logs = self
                .rate
                .mapv(|rate| log_poisson(kind.count, rate * kind.weight));
            let best = logs.fold(f64::NEG_INFINITY, |best, &log| best.max(log));
            // Where no state can say it, all say it as badly.
            let best = if best.is_finite() { best } else { LEAST.ln() };
            row.zip_mut_with(&logs, |chance, log| *chance = (log - best).exp().max(LEAST));
            log_best.push(best);
        }
        Emissions { by_kind, log_best }
    }

    /// Forward: the chance of each state at each step, what came before known (shape (steps, states)), the scale of each
    /// step, and the logarithm of the likelihood.
    fn forward(&self, steps: &Steps, emissions: &Emissions) -> (Array2<f64>, Vec<f64>, f64) {
        let states = self.states();
        let mut alpha = vec![0.0; steps.len() * states];
        let mut scales = Vec::with_capacity(steps.len());
        let mut log_likelihood = 0.0;
        let transition = self.transition.as_standard_layout();
        let transition = transition.as_slice().unwrap_or_default();
        let emitted = emissions.by_kind.as_slice().unwrap_or_default();
        let mut foreseen = self.start.to_vec();
        for (row, &kind) in alpha.chunks_exact_mut(states.max(1)).zip(steps.sequence()) {
            let kind = kind as usize;
            let emitted = emitted.get(kind * states..).unwrap_or_default();
            let mut scale = 0.0;
            for ((now, foreseen), emitted) in row.iter_mut().zip(&foreseen).zip(emitted) {
                *now = foreseen * emitted;
                scale += *now;
            }
            let by = 1.0 / scale;
            foreseen.fill(0.0);
            for (now, goes) in row.iter_mut().zip(transition.chunks_exact(states)) {
                *now *= by;
                for (foreseen, chance) in foreseen.iter_mut().zip(goes) {
                    *foreseen += *now * chance;
                }
            }
            log_likelihood += scale.ln() + emissions.log_best.get(kind).copied().unwrap_or(0.0);
            scales.push(scale);
        }
        let alpha = Array2::from_shape_vec((steps.len(), states), alpha).unwrap_or_default();
        (alpha, scales, log_likelihood)
    }

    /// Natural logarithm of the likelihood of a sequence.
    pub fn log_likelihood(&self, steps: &Steps) -> f64 {
        self.forward(steps, &self.emissions(steps)).2
    }

    /// What the model says of a sequence (Rabiner, equations 18 to 40); `None` of an empty one.
    pub fn says(&self, steps: &Steps) -> Option<Said> {
        if steps.is_empty() {
            return None;
        }
        let states = self.states();
        let emissions = self.emissions(steps);
        let (alpha, scales, log_likelihood) = self.forward(steps, &emissions);
        let emitted = emissions.by_kind.as_slice()?;
        let transition = self.transition.as_standard_layout();
        let transition = transition.as_slice()?;
        let forward = alpha.as_slice()?;
        // What is ahead of a step: its emission times what comes after it, scaled; Rabiner's b beta.
        let mut ahead = vec![0.0; steps.len() * states];
        let mut after = vec![1.0; states];
        let mut said = Said {
            log_likelihood,
            first: Array1::zeros(states),
            changes: Array2::zeros((states, states)),
            begins: Array1::zeros(states),
            weight: Array1::zeros(states),
        };
        let all = ahead
            .chunks_exact_mut(states)
            .zip(forward.chunks_exact(states));
        let all = all.zip(steps.sequence()).zip(&scales).rev();
        let (begins, weight) = (said.begins.as_slice_mut()?, said.weight.as_slice_mut()?);
        for (((ahead, alpha), &kind), scale) in all {
            let of = steps.kinds().get(kind as usize)?;
            let count = f64::from(of.count);
            for (((alpha, after), begins), weight) in alpha
                .iter()
                .zip(&after)
                .zip(begins.iter_mut())
                .zip(weight.iter_mut())
            {
                let here = alpha * after;
                *begins += here * count;
                *weight += here * of.weight;
            }
            let emitted = emitted.get(kind as usize * states..)?;
            let by = 1.0 / scale;
            for ((ahead, after), emitted) in ahead.iter_mut().zip(&after).zip(emitted) {
                *ahead = emitted * after * by;
            }
            for (after, goes) in after.iter_mut().zip(transition.chunks_exact(states)) {
                *after = goes
                    .iter()
                    .zip(ahead.iter())
                    .map(|(chance, ahead)| chance * ahead)
                    .sum();
            }
        }
        // The first step's own share.
        let ahead = Array2::from_shape_vec((steps.len(), states), ahead).ok()?;
        said.first = &self.start * &ahead.row(0);
        let last = steps.len() - 1;
        let pairs = alpha.slice(ndarray::s![..last, ..]);
        let pairs = pairs.t().dot(&ahead.slice(ndarray::s![1.., ..]));
        said.changes = &self.transition * &pairs;
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// The likelihood as the sum over every path, one exponential after the other.
    fn by_paths(model: &Markov, counts: &[(u32, f64)]) -> f64 {
        let states = model.states();
        let paths = states.pow(u32::try_from(counts.len()).unwrap());
        (0..paths)
            .map(|path| {
                let state = |step: u32| path / states.pow(step) % states;
                let mut chance = model.start[state(0)];
                for (step, &(count, weight)) in (0..).zip(counts) {
                    if step > 0 {
                        chance *= model.transition[[state(step - 1), state(step)]];
                    }
                    chance *= log_poisson(count, model.rate[state(step)] * weight).exp();
                }
                chance
            })
            .sum()
    }

    fn model() -> Markov {
        Markov {
            start: array![0.6, 0.4],
            transition: array![[0.9, 0.1], [0.3, 0.7]],
            rate: array![0.2, 2.0],
        }
    }

    #[test]
    fn poisson_by_hand() {
        // Mean 2: e^-2, 2 e^-2, 8/6 e^-2.
        for (count, chance) in [(0, 1.0), (1, 2.0), (3, 8.0 / 6.0)] {
            assert!((log_poisson(count, 2.0).exp() - chance * (-2f64).exp()).abs() < 1e-12);
        }
        assert_eq!(log_poisson(0, 0.0), 0.0);
        assert_eq!(log_poisson(1, 0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn the_recursion_is_the_sum_over_all_paths() {
        let counts = [
            (0, 1.0),
            (1, 0.5),
            (3, 1.0),
            (0, 2.0),
            (2, 1.0),
            (0, 0.5),
            (0, 1.0),
        ];
        let steps = Steps::of(counts);
        let (found, all) = (
            model().log_likelihood(&steps),
            by_paths(&model(), &counts).ln(),
        );
        assert!((found - all).abs() < 1e-10, "{found} {all}");
        let said = model().says(&steps).unwrap();
        assert!((said.log_likelihood - all).abs() < 1e-10);
        // A state at the first step, six changes, six begins, and the weights, however they are dealt.
        for (sum, expected) in [
            (said.first.sum(), 1.0),
            (said.changes.sum(), 6.0),
            (said.begins.sum(), 6.0),
            (said.weight.sum(), 7.0),
        ] {
            assert!((sum - expected).abs() < 1e-9, "{sum} is not {expected}");
        }
        assert_eq!(model().says(&Steps::default()), None);
    }

    #[test]
    fn two_steps_by_hand() {
        // One state sees nothing, the other always something: the path is known.
        let sure = Markov {
            start: array![1.0, 0.0],
            transition: array![[0.8, 0.2], [0.5, 0.5]],
            rate: array![0.0, 3.0],
        };
        let said = sure.says(&Steps::of([(0, 1.0), (2, 1.0)])).unwrap();
        assert!((said.changes[[0, 1]] - 1.0).abs() < 1e-9);
        assert!((said.begins[1] - 2.0).abs() < 1e-9 && (said.weight[0] - 1.0).abs() < 1e-9);
        // 1 * .2 * e^-3 3^2 / 2.
        assert!((said.log_likelihood - (0.2 * 4.5 * (-3f64).exp()).ln()).abs() < 1e-9);
    }

    #[test]
    fn the_long_run_by_hand() {
        // Left with .1 and .3: three quarters and one.
        let shares = model().stationary();
        assert!((shares[0] - 0.75).abs() < 1e-9 && (shares[1] - 0.25).abs() < 1e-9);
        let turns = Markov {
            transition: array![[0.0, 1.0], [1.0, 0.0]],
            ..model()
        };
        assert!((turns.stationary()[0] - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_nearly_impossible_is_still_counted() {
        // 255 begins at rates of 1e-9: no number is lost to underflow.
        let quiet = Markov {
            rate: array![1e-9, 2e-9],
            ..model()
        };
        let found = quiet.log_likelihood(&Steps::of(vec![(255, 1.0); 1000]));
        assert!(found.is_finite() && found < -1e6, "{found}");
    }
}
