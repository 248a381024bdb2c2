//! Fitting a hidden Markov model: Baum-Welch from several beginnings, and how many states by what they earn.
//!
//! L. E. Baum, T. Petrie, G. Soules, N. Weiss, "A Maximization Technique Occurring in the Statistical Analysis of
//! Probabilistic Functions of Markov Chains", Annals of Mathematical Statistics 41, 1970: each turn gives a model under
//! which the sequence is at least as likely. It climbs the hill it begins on, so there are several beginnings, drawn from a
//! stream of chance that is given. States are added while the criterion of G. Schwarz ("Estimating the Dimension of a Model",
//! Annals of Statistics 6, 1978), known as BIC, falls.

use super::markov::{Markov, Said, STATES_AT_MOST};
use super::steps::Steps;
use ndarray::{Array1, Array2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Most states that are tried; at most [`STATES_AT_MOST`].
    pub states: usize,
    /// Beginnings for each number of states.
    pub beginnings: usize,
    /// Turns that each beginning is given before the best goes on alone.
    pub first_turns: usize,
    /// Turns of the best at most.
    pub turns: usize,
    /// The logarithm of the likelihood rises by less than this in a turn: done.
    pub enough: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            states: 4,
            beginnings: 4,
            first_turns: 8,
            turns: 80,
            enough: 1e-2,
        }
    }
}

/// One turn of Baum-Welch: the model under which what was said is most likely.
pub fn turn(model: &Markov, said: &Said) -> Markov {
    let mut next = model.clone();
    let first = said.first.sum();
    if first > 0.0 {
        next.start = &said.first / first;
    }
    for (mut goes, changes) in next
        .transition
        .rows_mut()
        .into_iter()
        .zip(said.changes.rows())
    {
        let all = changes.sum();
        // A state that is never left, or never entered, keeps what it had.
        if all > 0.0 {
            goes.assign(&(&changes / all));
        }
    }
    for ((rate, begins), weight) in next.rate.iter_mut().zip(&said.begins).zip(&said.weight) {
        if *weight > 0.0 {
            *rate = begins / weight;
        }
    }
    next
}

/// Turns until it hardly gets better, and the logarithm of the likelihood: of this model, or where turns ran out of the one
/// before the last, which is no more likely.
pub fn climb(mut model: Markov, steps: &Steps, turns: usize, enough: f64) -> (Markov, f64) {
    let mut before = f64::NEG_INFINITY;
    for _ in 0..turns {
        let Some(said) = model.says(steps) else {
            break;
        };
        let rose = said.log_likelihood - before;
        before = said.log_likelihood;
        if rose.is_finite() && rose < enough {
            break;
        }
        model = turn(&model, &said);
    }
    (model, before)
}

/// A model to begin with: states that last from minutes to hours, and rates from a tenth to ten times the mean.
fn beginning(states: usize, mean: f64, chance: &mut ChaCha8Rng) -> Markov {
    let stays = Array1::from_shape_fn(states, |_| {
        1.0 - 10f64.powf(-1.0 - 2.0 * chance.gen::<f64>())
    });
    let others = (states.max(2) - 1) as f64;
    Markov {
        start: Array1::from_elem(states, 1.0 / states as f64),
        transition: Array2::from_shape_fn((states, states), |(from, to)| match from == to {
            true if states == 1 => 1.0,
            true => stays[from],
            false => (1.0 - stays[from]) / others,
        }),
        rate: Array1::from_shape_fn(states, |state| {
            // Spread out, so that no two begin alike.
            let even = (state as f64 + chance.gen::<f64>()) / states as f64;
            mean * 10f64.powf(2.0 * even - 1.0)
        }),
    }
}

/// Schwarz's criterion: twice what the likelihood lacks, and a price for each number that is free.
pub fn criterion(model: &Markov, log_likelihood: f64, steps: &Steps) -> f64 {
    let states = model.states();
    let free = states.saturating_sub(1) + states * states.saturating_sub(1) + states;
    free as f64 * (steps.len().max(1) as f64).ln() - 2.0 * log_likelihood
}

/// The model of so many states under which the sequence is most likely, as far as was found, and that likelihood's logarithm.
pub fn fit_states(
    steps: &Steps,
    states: usize,
    effort: &Effort,
    chance: &mut ChaCha8Rng,
) -> Option<(Markov, f64)> {
    let states = states.clamp(1, STATES_AT_MOST);
    let (count, weight) = steps.totals();
    if steps.is_empty() || count <= 0.0 {
        return None;
    }
    let mean = count / weight;
    if states == 1 {
        let mut only = beginning(1, mean, chance);
        only.rate = Array1::from_elem(1, mean);
        let log_likelihood = only.log_likelihood(steps);
        return Some((only, log_likelihood));
    }
    let begun = (0..effort.beginnings.max(1)).map(|_| {
        let model = beginning(states, mean, chance);
        climb(model, steps, effort.first_turns, effort.enough)
    });
    // What is no number would be the largest of all.
    let sound = begun.filter(|(_, log_likelihood)| log_likelihood.is_finite());
    let (best, _) = sound.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(climb(best, steps, effort.turns, effort.enough))
}

/// The model that Schwarz's criterion prefers; `None` of a sequence without a single begin.
pub fn fit(steps: &Steps, effort: &Effort, chance: &mut ChaCha8Rng) -> Option<Markov> {
    let mut best: Option<(f64, Markov)> = None;
    for states in 1..=effort.states.clamp(1, STATES_AT_MOST) {
        let Some((model, log_likelihood)) = fit_states(steps, states, effort, chance) else {
            break;
        };
        let costs = criterion(&model, log_likelihood, steps);
        match &best {
            Some((least, _)) if *least <= costs => break,
            _ => best = Some((costs, model)),
        }
    }
    best.map(|(_, model)| in_order(model))
}

/// The same model, its states from the quietest to the busiest.
pub fn in_order(model: Markov) -> Markov {
    let mut order: Vec<usize> = (0..model.states()).collect();
    let rate = |state: usize| model.rate.get(state).copied().unwrap_or(0.0);
    order.sort_by(|&a, &b| rate(a).total_cmp(&rate(b)));
    Markov {
        start: model.start.select(Axis(0), &order),
        transition: model
            .transition
            .select(Axis(0), &order)
            .select(Axis(1), &order),
        rate: model.rate.select(Axis(0), &order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use rand::SeedableRng;

    fn sample(model: &Markov, steps: usize, chance: &mut ChaCha8Rng) -> Steps {
        let mut state = 0;
        let counts: Vec<(u32, f64)> = (0..steps)
            .map(|_| {
                // D. E. Knuth, "Seminumerical Algorithms", 3.4.1: factors until their product is small.
                let end = (-model.rate[state]).exp();
                let (mut count, mut product) = (0, chance.gen::<f64>());
                while product > end {
                    product *= chance.gen::<f64>();
                    count += 1;
                }
                let stays = model.transition[[state, state]];
                state = if chance.gen::<f64>() < stays {
                    state
                } else {
                    1 - state
                };
                (count, 1.0)
            })
            .collect();
        Steps::of(counts)
    }

    #[test]
    fn a_known_model_is_recovered() {
        let truth = Markov {
            start: array![1.0, 0.0],
            transition: array![[0.98, 0.02], [0.05, 0.95]],
            rate: array![0.1, 1.0],
        };
        let mut chance = ChaCha8Rng::seed_from_u64(6);
        let steps = sample(&truth, 100_000, &mut chance);
        // Schwarz's criterion finds out that there are two.
        let found = fit(&steps, &Effort::default(), &mut chance).unwrap();
        assert_eq!(found.states(), 2);
        for (found, truth) in found.transition.iter().zip(&truth.transition) {
            assert!((found - truth).abs() < 0.02, "{found} is not {truth}");
        }
        for (found, truth) in found.rate.iter().zip(&truth.rate) {
            assert!((found / truth - 1.0).abs() < 0.05, "{found} is not {truth}");
        }
        assert!((found.start.sum() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn moods_of_hours_are_found_in_minutes() {
        // Ten days; two hours with a begin each ten minutes, then ten without any.
        let day = (0..14_400u32).map(|n| (u32::from(n % 720 < 120 && n % 10 == 0), 1.0));
        let mut chance = ChaCha8Rng::seed_from_u64(1);
        let found = fit_states(&Steps::of(day), 2, &Effort::default(), &mut chance);
        let found = in_order(found.unwrap().0);
        // From the first begin to the last of a block are 111 minutes; ten more on either side may belong to it.
        assert!(found.rate[0] < 1e-6, "{found:?}");
        assert!(
            (12.0 / 132.0..12.0 / 110.0).contains(&found.rate[1]),
            "{found:?}"
        );
        let lasts = 1.0 / found.transition[[1, 0]];
        assert!((100.0..135.0).contains(&lasts), "{lasts} minutes");
    }

    #[test]
    fn one_mood_is_enough_for_what_has_one() {
        let mut chance = ChaCha8Rng::seed_from_u64(2);
        let even = Markov {
            start: array![0.5, 0.5],
            transition: array![[0.5, 0.5], [0.5, 0.5]],
            rate: array![0.3, 0.3],
        };
        let steps = sample(&even, 5_000, &mut chance);
        let found = fit(&steps, &Effort::default(), &mut chance).unwrap();
        let (count, _) = steps.totals();
        assert_eq!((found.states(), found.rate[0]), (1, count / 5_000.0));
        assert_eq!(
            fit(&Steps::of([(0, 1.0)]), &Effort::default(), &mut chance),
            None
        );
    }
}
