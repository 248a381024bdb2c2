//! What was heard already: a sliding window over counters, after RFC 6479 (a ring of words, nothing is shifted).

/// Bits in a word.
const WORD: u64 = 64;
/// Words of the ring; one is being filled, so the window is one word shorter.
const WORDS: u64 = 33;

/// How far behind the highest counter one may be and still be taken: more than any path reorders.
pub const WINDOW: u64 = WORD * (WORDS - 1);

/// Counters that were heard, under one key.
#[derive(Clone, Debug)]
pub struct Window {
    highest: Option<u64>,
    ring: [u64; WORDS as usize],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            highest: None,
            ring: [0; WORDS as usize],
        }
    }
}

/// The place of a counter: word in the ring, bit in the word.
fn place(counter: u64) -> (usize, u64) {
    // At most 32: it fits.
    ((counter / WORD % WORDS) as usize, 1 << (counter % WORD))
}

impl Window {
    /// The highest counter that was marked.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether a counter is neither heard nor too old. Nothing changes: who says so is not known yet.
    pub fn is_fresh(&self, counter: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        if counter > highest {
            return true;
        }
        if highest - counter >= WINDOW {
            return false;
        }
        let (word, bit) = place(counter);
        self.ring.get(word).is_some_and(|heard| heard & bit == 0)
    }

    /// Marks a counter as heard: only after its datagram was authenticated.
    pub fn mark(&mut self, counter: u64) {
        let last = self.highest.unwrap_or(0);
        if self.highest.is_none_or(|highest| counter > highest) {
            let (from, to) = (last / WORD, counter / WORD);
            // Words that come round again are cleared; all of them after a long way.
            for word in (from + 1..=to).take(WORDS as usize) {
                if let Some(word) = self.ring.get_mut((word % WORDS) as usize) {
                    *word = 0;
                }
            }
            if to - from >= WORDS {
                self.ring = [0; WORDS as usize];
            }
            self.highest = Some(counter);
        }
        let (word, bit) = place(counter);
        if let Some(word) = self.ring.get_mut(word) {
            *word |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use std::collections::BTreeSet;

    #[test]
    fn each_counter_is_fresh_once_and_old_ones_never() {
        let mut window = Window::default();
        for counter in [5, 3, 4, 5000, 5000 - WINDOW + 1] {
            assert!(window.is_fresh(counter), "{counter}");
            window.mark(counter);
            assert!(!window.is_fresh(counter), "{counter}");
        }
        assert!(!window.is_fresh(5000 - WINDOW), "too old");
        assert!(!window.is_fresh(6), "too old, though never heard");
        window.mark(u64::MAX);
        assert!(window.is_fresh(u64::MAX - 1) && !window.is_fresh(u64::MAX));
    }

    #[test]
    fn it_agrees_with_a_set_that_forgets_nothing() {
        let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let (mut window, mut heard, mut highest) = (Window::default(), BTreeSet::new(), 0u64);
        for _ in 0..100_000 {
            let jump = if chance.gen_bool(0.01) { 5000 } else { 3 };
            let counter = (highest + chance.gen_range(0..=jump))
                .saturating_sub(chance.gen_range(0..WINDOW + 200));
            let plain =
                !heard.contains(&counter) && (counter > highest || highest - counter < WINDOW);
            assert_eq!(
                window.is_fresh(counter),
                plain || heard.is_empty(),
                "{counter} of {highest}"
            );
            if window.is_fresh(counter) {
                window.mark(counter);
                heard.insert(counter);
                highest = highest.max(counter);
            }
        }
        assert!(heard.len() > 10_000);
    }
}
