//! Which chains are in use at once, and how likely that is to change from one window to the next.
//!
//! Of n chains there are 2^n joint states. Only those are kept in which few are in use at once: as many as leave 512 states,
//! and four at most. Twelve devices are 299 states with up to three in use. What would lead to more in use is left out, as if
//! it had been told never to happen.
//!
//! Changes factor by chain, and are applied chain by chain (Ghahramani and Jordan, appendix B), which costs as many steps as
//! states have members instead of the square of the states. So that no step on the way leaves the states that are kept, all
//! ends come first, and then all begins: a chain in use ends with chance e, and begins anew at once with chance b; so with
//! e = ends / (1 - begins) it is idle in the next window with chance ends.

/// Chains in use at once, at most.
const AT_ONCE: usize = 4;
/// Joint states, at most.
const STATES_AT_MOST: usize = 512;

/// The joint states of some chains: the first is that nobody is in use.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// Chains in use, ascending, of each state.
    pub sets: Vec<Vec<usize>>,
    /// For each chain: states without it, and the same with it.
    pairs: Vec<Vec<(usize, usize)>>,
    /// Of each chain: the chance that it ends before it may begin anew, and that it begins.
    ends: Vec<f64>,
    begins: Vec<f64>,
    /// Of each state: the chance that none of those begins that are idle in it.
    stays: Vec<f64>,
}

/// How many subsets of `chains` have `size` members; saturating.
fn subsets(chains: usize, size: usize) -> usize {
    (0..size).fold(1usize, |count, n| {
        count.saturating_mul(chains.saturating_sub(n)) / (n + 1)
    })
}

/// How many of so many chains may be in use at once.
pub fn at_once(chains: usize) -> usize {
    let states = |most: usize| {
        (0..=most)
            .map(|size| subsets(chains, size))
            .fold(0, usize::saturating_add)
    };
    let all = (1..=AT_ONCE.min(chains)).rev();
    let mut fit = all.filter(|&most| states(most) <= STATES_AT_MOST);
    fit.next().unwrap_or(1)
}

/// How many sums of levels there are to look at, of so many chains with so many levels each.
pub fn sums(chains: usize, levels: usize) -> usize {
    (1..=at_once(chains))
        .map(|size| {
            let levels = (0..size).fold(1usize, |all, _| all.saturating_mul(levels));
            subsets(chains, size).saturating_mul(levels)
        })
        .fold(0, usize::saturating_add)
}

impl States {
    /// Of chains that begin and end with these chances a window, each within 0 and 1 and no two together above 1.
    pub fn new(chances: &[(f64, f64)]) -> Self {
        let chains = chances.len();
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..at_once(chains) {
            let upto = sets.len();
            for place in from..upto {
                let Some(set) = sets.get(place).cloned() else {
                    continue;
                };
                let next = set.last().map_or(0, |last| last + 1);
                sets.extend((next..chains).map(|chain| [&set[..], &[chain]].concat()));
            }
            from = upto;
        }
        let place = |wanted: &[usize]| sets.iter().position(|set| set == wanted);
        let mut pairs = vec![Vec::new(); chains];
        for (with, set) in sets.iter().enumerate() {
            for &chain in set {
                let without: Vec<usize> = set.iter().copied().filter(|&c| c != chain).collect();
                if let (Some(of), Some(without)) = (pairs.get_mut(chain), place(&without)) {
                    of.push((without, with));
                }
            }
        }
        let idle: Vec<f64> = chances.iter().map(|(begins, _)| 1.0 - begins).collect();
        let stays = sets.iter().map(|set| {
            let all = idle.iter().enumerate();
            all.filter(|(chain, _)| !set.contains(chain))
                .map(|(_, idle)| *idle)
                .product()
        });
        Self {
            stays: stays.collect(),
            pairs,
            ends: chances
                .iter()
                .map(|(begins, ends)| (ends / (1.0 - begins).max(f64::MIN_POSITIVE)).min(1.0))
                .collect(),
            begins: chances.iter().map(|(begins, _)| *begins).collect(),
            sets,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there are none; there is always one.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The chance that nobody is in use one window later either, where nobody is.
    pub fn nobody_begins(&self) -> f64 {
        at(&self.stays, 0)
    }

    /// The chances of states one window later; in place. Shape (states).
    pub fn forward(&self, chances: &mut [f64]) {
        for (pairs, ends) in self.pairs.iter().zip(&self.ends) {
            for &(without, with) in pairs {
                let ending = at(chances, with) * ends;
                add(chances, with, -ending);
                add(chances, without, ending);
            }
        }
        for (pairs, begins) in self.pairs.iter().zip(&self.begins) {
            for &(without, with) in pairs {
                let beginning = at(chances, without) * begins;
                add(chances, with, beginning);
            }
        }
        for (chance, stays) in chances.iter_mut().zip(&self.stays) {
            *chance *= stays;
        }
    }

    /// What is ahead of states, of what is ahead one window later: the transpose of [`forward`](Self::forward). Shape (states).
    pub fn backward(&self, ahead: &mut [f64]) {
        for (ahead, stays) in ahead.iter_mut().zip(&self.stays) {
            *ahead *= stays;
        }
        for (pairs, begins) in self.pairs.iter().zip(&self.begins).rev() {
            for &(without, with) in pairs {
                let beginning = at(ahead, with) * begins;
                add(ahead, without, beginning);
            }
        }
        for (pairs, ends) in self.pairs.iter().zip(&self.ends).rev() {
            for &(without, with) in pairs {
                let change = (at(ahead, without) - at(ahead, with)) * ends;
                add(ahead, with, change);
            }
        }
    }

    /// The chances of states in the long run, of chains by themselves. Shape (states), sums to 1.
    pub fn stationary(&self) -> Vec<f64> {
        let odds: Vec<f64> = self
            .begins
            .iter()
            .zip(&self.ends)
            .map(|(begins, ends)| {
                let ends = ends * (1.0 - begins);
                begins / ends.max(f64::MIN_POSITIVE)
            })
            .map(|odds| odds.min(1e12))
            .collect();
        let of = |set: &Vec<usize>| -> f64 { set.iter().map(|&c| at(&odds, c)).product() };
        let chances: Vec<f64> = self.sets.iter().map(of).collect();
        let all: f64 = chances.iter().sum();
        chances.into_iter().map(|chance| chance / all).collect()
    }
}

fn at(of: &[f64], place: usize) -> f64 {
    of.get(place).copied().unwrap_or_default()
}

fn add(to: &mut [f64], place: usize, more: f64) {
    if let Some(of) = to.get_mut(place) {
        *of += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_in_use_at_once_as_states_may_be() {
        let many = [1, 2, 7, 9, 12, 14, 15, 31, 32, 128].map(at_once);
        assert_eq!(many, [1, 2, 4, 4, 3, 3, 2, 2, 1, 1]);
        let chances = [(0.1, 0.5); 12];
        assert_eq!(States::new(&chances).len(), 1 + 12 + 66 + 220);
        // Two chains of three levels: three and three, and nine of both.
        assert_eq!(sums(2, 3), 15);
    }

    #[test]
    fn changes_are_those_of_each_chain() {
        // Idle, A, B, both. A begins with .1 and ends with .4, B with .2 and .5.
        let states = States::new(&[(0.1, 0.4), (0.2, 0.5)]);
        assert_eq!(states.sets, [vec![], vec![0], vec![1], vec![0, 1]]);
        let goes = |from: usize| -> Vec<f64> {
            let mut chances = vec![0.0; 4];
            chances[from] = 1.0;
            states.forward(&mut chances);
            chances
        };
        let expected = [
            [0.9 * 0.8, 0.1 * 0.8, 0.9 * 0.2, 0.1 * 0.2],
            [0.4 * 0.8, 0.6 * 0.8, 0.4 * 0.2, 0.6 * 0.2],
            [0.9 * 0.5, 0.1 * 0.5, 0.9 * 0.5, 0.1 * 0.5],
            [0.4 * 0.5, 0.6 * 0.5, 0.4 * 0.5, 0.6 * 0.5],
        ];
        for (from, expected) in expected.iter().enumerate() {
            for (to, (found, expected)) in goes(from).iter().zip(expected).enumerate() {
                assert!((found - expected).abs() < 1e-12, "{from} to {to}: {found}");
                // Backwards the same numbers, by column.
                let mut ahead = vec![0.0; 4];
                ahead[to] = 1.0;
                states.backward(&mut ahead);
                assert!((ahead[from] - expected).abs() < 1e-12);
            }
        }
        // A is in use .1 / (.1 + .4) of the time, B .2 / .7; and that stays so.
        let mut long = states.stationary();
        assert!((long[1] + long[3] - 0.2).abs() < 1e-12);
        assert!((long[2] + long[3] - 2.0 / 7.0).abs() < 1e-12);
        let before = long.clone();
        states.forward(&mut long);
        assert!(long.iter().zip(before).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
