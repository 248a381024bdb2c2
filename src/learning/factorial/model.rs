//! The parameters of the model, and how likely what is seen is in each joint state.
//!
//! Contributions add: a window's bytes are those of the background and those of every device in use. What a device sends in
//! one window is far from one number (a use may have begun or ended in it, or be of another kind), so each has a few levels,
//! with the share, mean and variance of each. Of a state every combination of its members' levels is looked at, means and
//! variances added up.
//!
//! Rates span from a heartbeat's 60 bytes to a camera's millions, and what one use of a device differs from another grows with
//! what it sends. A Gaussian of the raw sum would leave half of a heartbeat's below zero, and call every large sum equally far
//! from all that is small. So the logarithm of the sum (one byte more, for there may be none) is taken as Gaussian, with the
//! mean and variance that give the sum's own: L. Fenton, "The Sum of Log-Normal Probability Distributions in Scatter
//! Transmission Systems", IRE Transactions on Communications Systems 8, 1960. Means add as they should, a small device beside a
//! large one is lost in the large one's spread, as it should be.
//!
//! A thousandth of all windows may hold anything, in any state: what fits nothing then says nothing, as in Kolter and
//! Jaakkola's robust mixture component.

use super::states::States;
use crate::learning::examples::{LearnError, EACH_AT_LEAST};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Chains at most.
pub const CHAINS_AT_MOST: usize = 128;
/// Levels of a chain at most; one of them is that nothing is sent.
pub const LEVELS_AT_MOST: usize = 4;
/// Levels of the background at most: heartbeats of several devices fall together in many ways.
pub const BACKGROUND_LEVELS_AT_MOST: usize = 8;
/// Sums of levels that are looked at in all states together at most; levels are fewer where there would be more.
pub const SUMS_AT_MOST: usize = 16_384;
/// Share of windows that may hold anything.
const ANYTHING: f64 = 1e-3;
/// Least standard deviation of a logarithm: a twentieth of what is sent. Sums of whole packets are spread less, until a packet
/// is sent again.
const SPREAD_AT_LEAST: f64 = 0.05;
/// Most bytes of a window that a model is read back with, and their square.
const BYTES_AT_MOST: f64 = 1e18;
/// Windows whose emissions are remembered: without anybody in use the same few sums come again and again.
const REMEMBERED: usize = 4_096;
/// An emission that is less likely than the likeliest state's by more than this counts as by this.
const LEAST: f64 = 1e-100;

/// One way of sending in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// How often: those of one sender sum to 1.
    pub share: f64,
    /// Mean bytes up and down.
    pub mean: [f64; 2],
    /// Variance of both, in bytes squared.
    pub variance: [f64; 2],
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    /// Which one: the part of the questions about it.
    pub part: u32,
    /// Chance that it is in use in a window when it was idle in the one before.
    pub begins: f64,
    /// Chance that it is idle in a window when it was in use in the one before.
    pub ends: f64,
    /// What it sends in a window in use.
    pub levels: Vec<Level>,
}

/// The model; see the module. Parameters are finite, chances strictly within 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factorial {
    /// What is sent in windows with traffic when nobody is in use.
    pub background: Vec<Level>,
    /// The same as one level, its share that of windows in which there is traffic at all: what is added to the bytes of
    /// devices in use.
    pub beside: Level,
    /// Of all windows: mean and variance of the logarithms, up and down; its share is of no use.
    pub anything: Level,
    /// The devices, ascending by part.
    pub chains: Vec<Chain>,
}

/// A Gaussian of logarithms, up and down.
pub(super) struct Sum {
    /// Logarithm of its share and of its height.
    height: f64,
    mean: [f64; 2],
    /// Half of one over the variance.
    narrow: [f64; 2],
}

/// What each state sends.
pub struct Emissions {
    sums: Vec<Sum>,
    /// Where the sums of each state end.
    ends: Vec<usize>,
    anything: Sum,
    rows: Vec<f64>,
    known: HashMap<[u64; 2], usize>,
    scratch: Vec<f64>,
    logs: Vec<f64>,
}

impl Sum {
    fn of_logs(share: f64, mean: [f64; 2], variance: [f64; 2]) -> Self {
        let variance = variance.map(|of| of.max(SPREAD_AT_LEAST * SPREAD_AT_LEAST));
        Self {
            // The density's constant, 1 / 2 pi, is the same for all.
            height: share.max(f64::MIN_POSITIVE).ln()
                - variance.map(f64::ln).iter().sum::<f64>() / 2.0,
            mean,
            narrow: variance.map(|of| 0.5 / of),
        }
    }

    /// Of bytes with this mean and variance.
    fn of(share: f64, mean: [f64; 2], variance: [f64; 2]) -> Self {
        let one = |place: usize| {
            let (mean, variance) = match place {
                0 => (mean[0], variance[0]),
                _ => (mean[1], variance[1]),
            };
            let mean = 1.0 + mean;
            let spread = (variance / (mean * mean)).ln_1p();
            (mean.ln() - spread / 2.0, spread)
        };
        let (up, down) = (one(0), one(1));
        Self::of_logs(share, [up.0, down.0], [up.1, down.1])
    }

    /// The logarithm of its share times its density, but for a constant, of logarithms of bytes with one added.
    pub(super) fn log(&self, [up, down]: [f64; 2]) -> f64 {
        let (up, down) = (up - self.mean[0], down - self.mean[1]);
        self.height - up * up * self.narrow[0] - down * down * self.narrow[1]
    }
}

fn plus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

impl Level {
    /// Nothing, or a share of it.
    pub fn silent(share: f64) -> Self {
        Self {
            share,
            mean: [0.0; 2],
            variance: [0.0; 2],
        }
    }

    /// The sum of both, each as often as its share.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            share: self.share * other.share,
            mean: plus(self.mean, other.mean),
            variance: plus(self.variance, other.variance),
        }
    }

    /// Whether nothing is sent.
    pub fn is_silent(&self) -> bool {
        self.mean == [0.0; 2] && self.variance == [0.0; 2]
    }

    /// The same, as a density.
    pub(super) fn sum(&self) -> Sum {
        Sum::of(self.share, self.mean, self.variance)
    }

    fn check(&self) -> Result<(), String> {
        let numbers = self.mean.iter().chain(&self.variance);
        let bytes = |most: f64| move |of: &f64| of.is_finite() && (0.0..=most).contains(of);
        let fine = self.mean.iter().all(bytes(BYTES_AT_MOST))
            && numbers
                .copied()
                .all(|of| bytes(BYTES_AT_MOST * BYTES_AT_MOST)(&of))
            && (0.0..=1.0).contains(&self.share);
        match fine {
            true => Ok(()),
            false => Err("a level of bytes that cannot be".into()),
        }
    }
}

impl Factorial {
    /// The joint states.
    pub fn states(&self) -> States {
        let chances: Vec<(f64, f64)> = self.chains.iter().map(|of| (of.begins, of.ends)).collect();
        States::new(&chances)
    }

    /// What the background adds to what is sent: nothing, or something.
    fn beside(&self) -> [Level; 2] {
        [Level::silent(1.0 - self.beside.share), self.beside.clone()]
    }

    /// What each of the states sends.
    pub fn emissions(&self, states: &States) -> Emissions {
        let (mut sums, mut ends) = (Vec::new(), Vec::new());
        let beside = self.beside();
        for set in &states.sets {
            let mut all = vec![Level::silent(1.0)];
            for chain in set.iter().filter_map(|&chain| self.chains.get(chain)) {
                let with = |of: &Level| -> Vec<Level> {
                    chain.levels.iter().map(|level| of.with(level)).collect()
                };
                all = all.iter().flat_map(with).collect();
            }
            for sent in all.iter().filter(|of| of.share > 0.0) {
                // Where none of those in use sends anything, the background is all that there is.
                let under = match sent.is_silent() {
                    true => &self.background[..],
                    false => &beside,
                };
                let under = under.iter().map(|of| of.with(sent));
                sums.extend(under.filter(|of| of.share > 0.0).map(|of| of.sum()));
            }
            ends.push(sums.len());
        }
        let any = &self.anything;
        Emissions {
            sums,
            ends,
            anything: Sum::of_logs(ANYTHING, any.mean, any.variance),
            rows: Vec::new(),
            known: HashMap::new(),
            scratch: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// The model of a home in which parts are called otherwise: each chain is kept under the name that `part` gives it, and
    /// left out, as a device that is not there, where that is none.
    #[must_use]
    pub fn renamed(&self, part: &dyn Fn(u32) -> Option<u32>) -> Self {
        let of = |chain: &Chain| {
            Some(Chain {
                part: part(chain.part)?,
                ..chain.clone()
            })
        };
        let mut chains: Vec<Chain> = self.chains.iter().filter_map(of).collect();
        chains.sort_by_key(|chain| chain.part);
        Self {
            chains,
            ..self.clone()
        }
    }

    /// The parts there is a chain for.
    pub fn parts(&self) -> BTreeSet<u32> {
        self.chains.iter().map(|chain| chain.part).collect()
    }

    /// Whether it is one that could have been learned: of one that was read from a file.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn check(&self) -> Result<(), String> {
        let few = |what: &str, found: usize, most: usize| match (1..=most).contains(&found) {
            true => Ok(()),
            false => Err(format!("{found} {what} where 1 to {most} may be")),
        };
        few("chains", self.chains.len(), CHAINS_AT_MOST)?;
        few(
            "levels of the background",
            self.background.len(),
            BACKGROUND_LEVELS_AT_MOST,
        )?;
        if self.parts().len() != self.chains.len() {
            return Err("two chains for one part".into());
        }
        self.background.iter().try_for_each(Level::check)?;
        self.beside.check()?;
        let any = self.anything.mean.iter().chain(&self.anything.variance);
        if !any
            .copied()
            .all(|of| of.is_finite() && (0.0..=BYTES_AT_MOST).contains(&of))
        {
            return Err("a spread of all windows that cannot be".into());
        }
        for chain in &self.chains {
            few("levels", chain.levels.len(), LEVELS_AT_MOST)
                .and_then(|()| chain.levels.iter().try_for_each(Level::check))
                .and_then(|()| {
                    let strictly = |chance: f64| chance > 0.0 && chance < 1.0;
                    match strictly(chain.begins) && strictly(chain.ends) {
                        true => Ok(()),
                        false => Err("a chance to begin or end that cannot be".into()),
                    }
                })
                .map_err(|why| format!("chain of part {}: {why}", chain.part))?;
        }
        Ok(())
    }

    /// Whether so many windows in use and not, by part, are enough for a chain each; the parts of which they are.
    ///
    /// # Errors
    /// Not of one part, or too many.
    pub fn enough(used: &BTreeMap<u32, usize>, windows: usize) -> Result<Vec<u32>, LearnError> {
        let both = |count: usize| count.min(windows.saturating_sub(count));
        let enough = used
            .iter()
            .filter(|(_, count)| both(**count) >= EACH_AT_LEAST);
        let parts: Vec<u32> = enough.map(|(part, _)| *part).collect();
        if parts.is_empty() {
            let most = used.values().copied().max_by_key(|count| both(*count));
            let genuine = most.unwrap_or(0);
            let other = windows.saturating_sub(genuine);
            return Err(LearnError::Few { genuine, other });
        }
        match parts.len() > CHAINS_AT_MOST {
            true => Err(LearnError::Chains {
                found: parts.len(),
                most: CHAINS_AT_MOST,
            }),
            false => Ok(parts),
        }
    }
}

impl Emissions {
    /// How likely bytes up and down are in each state, over the likeliest state (shape (states), 0 to 1), and the logarithm of
    /// that one's density of the logarithms of the bytes, each with one added.
    pub fn of(&mut self, bytes: [f64; 2]) -> (&[f64], f64) {
        let width = self.ends.len() + 1;
        let key = bytes.map(f64::to_bits);
        if let Some(&place) = self.known.get(&key) {
            return split(self.rows.get(place..place + width).unwrap_or_default());
        }
        self.work_out(bytes.map(f64::ln_1p));
        if self.known.len() < REMEMBERED {
            self.known.insert(key, self.rows.len());
            self.rows.extend_from_slice(&self.scratch);
        }
        split(&self.scratch)
    }

    fn work_out(&mut self, seen: [f64; 2]) {
        self.logs.clear();
        self.logs.extend(self.sums.iter().map(|sum| sum.log(seen)));
        self.scratch.clear();
        let anything = self.anything.log(seen);
        let mut from = 0;
        let mut best = f64::NEG_INFINITY;
        for &end in &self.ends {
            let logs = self.logs.get(from..end).unwrap_or_default();
            from = end;
            let most = logs.iter().fold(anything, |most, &log| f64::max(most, log));
            // What is less likely by far adds nothing, and its exponential is not worth the time.
            let near = logs.iter().map(|log| log - most).filter(|log| *log > -36.0);
            let sum: f64 = near.map(f64::exp).sum();
            let all = (1.0 - ANYTHING) * sum + (anything - most).exp();
            let log = most + all.ln();
            best = best.max(log);
            self.scratch.push(log);
        }
        for log in &mut self.scratch {
            *log = (*log - best).exp().max(LEAST);
        }
        self.scratch.push(best - (2.0 * std::f64::consts::PI).ln());
    }
}

/// The emissions, and what stands after them.
fn split(row: &[f64]) -> (&[f64], f64) {
    match row.split_last() {
        Some((log, emissions)) => (emissions, *log),
        None => (&[], 0.0),
    }
}
