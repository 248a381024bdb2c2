//! The one in the path: sees every datagram that passes, and may do harm to it.
//!
//! As an observer it notes when what size went which way, and nothing else: what [`crate::stp`] promises is judged by that.
//! As an attacker it loses, doubles, delays, alters and forges datagrams and says old ones again, by seeded chance. It has no
//! clock and no socket; [`super::run`] gives it both, tests give it simulated time.

use crate::units::{Direction, Probability, Timestamp};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Most datagrams that are remembered to be said again.
const REMEMBERED: usize = 1024;

/// What happens on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// One way delay.
    pub delay: Duration,
    /// Chance that a datagram is lost.
    pub loss: Probability,
    /// Chance that it comes twice.
    pub duplicate: Probability,
    /// Chance that it is late, and how late it is at most.
    pub late: (Probability, Duration),
    /// Chance that one bit of it is flipped.
    pub flip: Probability,
    /// Chance that an earlier one of the same direction comes with it.
    pub replay: Probability,
    /// Chance that one of random bytes comes with it.
    pub forge: Probability,
}

impl Faults {
    /// A path that only takes its time.
    pub fn none(delay: Duration) -> Self {
        let never = Probability::NEVER;
        Self {
            delay,
            loss: never,
            duplicate: never,
            late: (never, Duration::ZERO),
            flip: never,
            replay: never,
            forge: never,
        }
    }
}

/// A datagram as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// Bytes of its UDP payload.
    pub payload_bytes: usize,
}

/// A datagram that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    /// When it arrives.
    pub at: Timestamp,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// The one in the path.
#[derive(Debug)]
pub struct Relay {
    faults: Faults,
    chance: ChaCha8Rng,
    seen: Vec<Seen>,
    remembered: [Vec<Vec<u8>>; 2],
}

impl Relay {
    /// A relay with these faults.
    pub fn new(faults: Faults, chance: ChaCha8Rng) -> Self {
        Self {
            faults,
            chance,
            seen: Vec::new(),
            remembered: [Vec::new(), Vec::new()],
        }
    }

    /// A datagram passes: what arrives at the other side for it.
    pub fn pass(&mut self, now: Timestamp, direction: Direction, datagram: &[u8]) -> Vec<Onward> {
        self.seen.push(Seen {
            at: now,
            direction,
            payload_bytes: datagram.len(),
        });
        let faults = self.faults;
        let mut onward = Vec::new();
        if !self.happens(faults.loss) {
            let mut bytes = datagram.to_vec();
            if self.happens(faults.flip) && !bytes.is_empty() {
                let place = self.chance.gen_range(0..bytes.len());
                let bit = self.chance.gen_range(0..8);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << bit;
                }
            }
            let copies = 1 + usize::from(self.happens(faults.duplicate));
            for _ in 0..copies {
                let mut at = now + faults.delay;
                if self.happens(faults.late.0) {
                    at = at + faults.late.1.mul_f64(self.chance.gen::<f64>());
                }
                onward.push(Onward {
                    at,
                    bytes: bytes.clone(),
                });
            }
        }
        if self.happens(faults.forge) {
            let mut bytes = vec![0; datagram.len()];
            self.chance.fill_bytes(&mut bytes);
            let at = now + faults.delay;
            onward.push(Onward { at, bytes });
        }
        if faults.replay > Probability::NEVER {
            let again = self.happens(faults.replay);
            self.repeat(direction, datagram, again.then_some(now), &mut onward);
        }
        onward
    }

    fn repeat(
        &mut self,
        direction: Direction,
        datagram: &[u8],
        again: Option<Timestamp>,
        onward: &mut Vec<Onward>,
    ) {
        let Self {
            chance, remembered, ..
        } = self;
        let [up, down] = remembered;
        let log = match direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        if let (Some(now), false) = (again, log.is_empty()) {
            let bytes = log.get(chance.gen_range(0..log.len())).cloned();
            let at = now + self.faults.delay;
            onward.extend(bytes.map(|bytes| Onward { at, bytes }));
        }
        if log.len() < REMEMBERED {
            log.push(datagram.to_vec());
        } else if let Some(old) = log.get_mut(chance.gen_range(0..REMEMBERED)) {
            *old = datagram.to_vec();
        }
    }

    fn happens(&mut self, chance: Probability) -> bool {
        chance > Probability::NEVER && self.chance.gen_bool(chance.get())
    }

    /// All that was seen, in the order it passed.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// All that was seen, when nothing passes any more.
    pub fn into_seen(self) -> Vec<Seen> {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn harm_comes_as_often_as_told_and_all_is_seen() {
        let chance = |p| Probability::new(p).unwrap();
        let faults = Faults {
            loss: chance(0.1),
            duplicate: chance(0.2),
            flip: chance(0.05),
            forge: chance(0.3),
            ..Faults::none(Duration::from_millis(5))
        };
        let mut relay = Relay::new(faults, ChaCha8Rng::seed_from_u64(1));
        let (mut whole, mut altered) = (0, 0);
        for n in 0..10_000 {
            for onward in relay.pass(Timestamp(n), Direction::Up, &[7; 100]) {
                assert_eq!(onward.at.0, n + 5_000_000);
                match onward.bytes == [7; 100] {
                    true => whole += 1,
                    false => altered += 1,
                }
            }
        }
        // 9000 arrive, of which 1800 twice and 5 % altered, and 3000 forged ones; within four standard deviations.
        assert!((10_260i64 - whole).abs() < 250, "{whole}");
        assert!((3540i64 - altered).abs() < 250, "{altered}");
        assert_eq!(relay.seen().len(), 10_000);
    }

    #[test]
    fn old_datagrams_are_said_again_the_way_they_went() {
        let faults = Faults {
            replay: Probability::ALWAYS,
            ..Faults::none(Duration::ZERO)
        };
        let mut relay = Relay::new(faults, ChaCha8Rng::seed_from_u64(1));
        for n in 0..200u8 {
            let way = [Direction::Up, Direction::Down][usize::from(n % 2)];
            let onward = relay.pass(Timestamp(0), way, &[n]);
            let expected = if n < 2 { 1 } else { 2 };
            assert_eq!(onward.len(), expected);
            assert!(onward
                .iter()
                .all(|o| o.bytes[0] % 2 == n % 2 && o.bytes[0] <= n));
        }
    }
}
