//! A cap of bytes in 30 days, kept by trial.

use super::padded::Stp;
use crate::defense::settings::DefenseError;
use crate::defense::solve::{q_for_cap, Promise, MONTH};
use crate::threat::Defense;
use crate::trace::Trace;
use crate::units::Probability;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Packets through which a cap is kept in a round: large traces, which vary little, get a few trials, small ones many.
const CAP_PACKETS: usize = 4_000_000;
/// Trials of a round, and rounds at most.
const CAP_TRIALS: std::ops::RangeInclusive<usize> = 8..=48;
const CAP_ROUNDS: usize = 6;
/// A cap is used up when so much of it is.
const CAP_NEAR: f64 = 0.97;

impl Stp {
    /// Lowers or raises q until what is carried, by trial, comes to a cap of bytes in 30 days and not more: a forecast is off
    /// by some hundredths, and a cap is a cap.
    ///
    /// # Errors
    /// A cap that not even q = 0 keeps; what it needs is named.
    pub(super) fn keep(&mut self, cap: f64, trace: &Trace) -> Result<(), DefenseError> {
        let promises: Vec<Promise> = self.padded.iter().map(|one| one.promise.clone()).collect();
        let seconds = trace.seconds().max(1.0);
        let mut best: Option<Probability> = None;
        let (mut aim, mut least) = (cap, f64::INFINITY);
        let trials = CAP_PACKETS / trace.packets.len().max(1);
        let trials = trials.clamp(*CAP_TRIALS.start(), *CAP_TRIALS.end());
        for _ in 0..CAP_ROUNDS {
            let q = q_for_cap(&promises, self.beside, seconds, aim).unwrap_or(Probability::NEVER);
            self.padded.iter_mut().for_each(|one| one.q = q);
            let carried = (0..trials).map(|trial| {
                let mut chance = ChaCha8Rng::seed_from_u64(trial as u64);
                self.shape(trace, &mut chance).cost.carried() as f64
            });
            let month = carried.sum::<f64>() / trials as f64 / seconds * MONTH;
            least = least.min(month);
            if month <= cap && best.is_none_or(|best| q > best) {
                best = Some(q);
            }
            let near = month <= cap && month > CAP_NEAR * cap;
            let end = q == Probability::ALWAYS && month <= cap;
            if near || end || q == Probability::NEVER && month > cap {
                break;
            }
            // A hair below, so that the next is not just above.
            aim *= (1.0 + CAP_NEAR) / 2.0 * cap / month.max(1.0);
        }
        let q = best.ok_or_else(|| DefenseError::OutOfReach {
            what: "a data cap",
            wanted: format!("{:.3} GB a month", cap / 1e9),
            reach: format!(
                "with as little padding as there can be it comes to {:.3} GB a month; raise the cap, or lower the rates or the period",
                least / 1e9
            ),
        })?;
        self.padded.iter_mut().for_each(|one| one.q = q);
        Ok(())
    }
}
