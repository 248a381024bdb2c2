//! When a device is used, by chance: the first half of the simulator, and the streams of chance that both halves draw from.
//!
//! Time goes in seconds. In each second in which the device is idle an activity begins with probability p, and one of those
//! recorded is drawn. Lengths are kept to the nanosecond and need not be whole: an activity that begins at second s and
//! lasts 1.25 s has traffic until s + 1.25, and the next may begin at s + 2, the first whole second not before its end.

use crate::model::{DeviceModel, Geometric};
use crate::units::Probability;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// An activity by its traffic, in nanoseconds since the begin of the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// First byte, at a whole second.
    pub begin: u64,
    /// Last byte, after `begin`.
    pub end: u64,
}

/// What may begin: the chance of an activity, and the length and bytes of each.
#[derive(Clone, Debug)]
pub struct Habit {
    arrivals: Geometric,
    recorded: Vec<Length>,
}

#[derive(Clone, Copy, Debug)]
struct Length {
    nanos: u64,
    busy_seconds: u64,
    bytes: u64,
}

impl Habit {
    /// Of a device, at a chance per idle second.
    pub fn new(model: &DeviceModel, chance: Probability) -> Self {
        let recorded = model.activities.iter().map(|activity| Length {
            // A single packet has its instant: it lasts a nanosecond.
            nanos: u64::try_from(activity.duration.as_nanos())
                .unwrap_or(u64::MAX)
                .max(1),
            // To the first whole second not before its end, as the paper has it: "until time (t + t')".
            busy_seconds: whole_seconds(activity.duration),
            bytes: activity.bytes(),
        });
        Self {
            arrivals: Geometric::new(chance),
            recorded: recorded.collect(),
        }
    }

    /// The next use that begins at or after the second `idle`, its bytes, and when the device is idle again; `None` from
    /// `seconds` on.
    #[inline]
    pub fn next(
        &self,
        idle: u64,
        seconds: u64,
        chance: &mut ChaCha8Rng,
    ) -> Option<(Use, u64, u64)> {
        let second = idle.saturating_add(self.arrivals.draw(chance));
        if second >= seconds || self.recorded.is_empty() {
            return None;
        }
        let place = chance.gen_range(0..self.recorded.len());
        let length = self.recorded.get(place)?;
        let begin = second.saturating_mul(SECOND);
        let end = begin.saturating_add(length.nanos);
        let idle = second.saturating_add(length.busy_seconds);
        Some((Use { begin, end }, length.bytes, idle))
    }

    /// All uses that begin within a trial, ascending, and their bytes together.
    pub fn timeline(&self, seconds: u64, chance: &mut ChaCha8Rng) -> (Vec<Use>, u64) {
        let (mut uses, mut bytes, mut from) = (Vec::new(), 0u64, 0);
        while let Some((one, more, idle)) = self.next(from, seconds, chance) {
            uses.push(one);
            bytes = bytes.saturating_add(more);
            from = idle;
        }
        (uses, bytes)
    }
}

/// Rounded up; one at least.
fn whole_seconds(duration: Duration) -> u64 {
    let more = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(more).max(1)
}

/// Which chance: of activities, the same whatever q is; or of padding.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// When activities begin, and which.
    Activities,
    /// When padding begins that covers none.
    Padding(Probability),
}

/// The chance of one trial. A fixed function of what it is for: another device, p, q or trial beside it moves nothing.
///
/// ChaCha's key is seed, device, p and q, 64 bits each, and its stream the trial: no two can be the same, save that devices
/// are told apart by 64 bits of their id's hash (FNV-1a).
pub fn stream(seed: u64, device: &str, p: Probability, what: Stream, trial: u32) -> ChaCha8Rng {
    let device = device.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let last = match what {
        // The bits of no probability.
        Stream::Activities => u64::MAX,
        Stream::Padding(q) => q.get().to_bits(),
    };
    let mut key = [0u8; 32];
    let words = [seed, device, p.get().to_bits(), last];
    for (place, word) in key.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let mut chance = ChaCha8Rng::from_seed(key);
    chance.set_stream(u64::from(trial));
    chance
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn uses_follow_one_another_in_whole_seconds() {
        for model in DeviceModel::published() {
            let habit = Habit::new(&model, Probability::new(0.3).unwrap());
            let p = Probability::new(0.3).unwrap();
            let mut chance = stream(1, &model.id, p, Stream::Activities, 0);
            let (uses, bytes) = habit.timeline(10_000, &mut chance);
            assert!(uses.len() > 500 && bytes > 0);
            for pair in uses.windows(2) {
                assert_eq!(pair[1].begin % SECOND, 0);
                assert!(pair[0].begin < pair[0].end && pair[0].end <= pair[1].begin);
            }
            assert!(uses.last().unwrap().begin < 10_000 * SECOND);
        }
    }

    #[test]
    fn every_purpose_has_a_stream_of_its_own() {
        let chance = |n: f64| Probability::new(n).unwrap();
        let mut firsts: Vec<u64> = [
            (1, "wemo", 0.1, Stream::Activities, 0),
            (2, "wemo", 0.1, Stream::Activities, 0),
            (1, "nest", 0.1, Stream::Activities, 0),
            (1, "wemo", 0.2, Stream::Activities, 0),
            (1, "wemo", 0.1, Stream::Activities, 1),
            (1, "wemo", 0.1, Stream::Padding(chance(0.1)), 0),
            (1, "wemo", 0.1, Stream::Padding(chance(0.0)), 0),
        ]
        .into_iter()
        .map(|(seed, device, p, what, trial)| {
            stream(seed, device, chance(p), what, trial).next_u64()
        })
        .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 7);
    }
}
