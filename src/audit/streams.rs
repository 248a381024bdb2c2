//! Chance, told apart by what it is for: a stream for each seed, defense and trial, so that a new row never moves an old one.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The stream of a seed, some names and a trial. SHA-256 is the same on every machine and in every version.
pub fn stream(seed: u64, names: &[&str], trial: u32) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(b"stp-audit");
    hash.update(seed.to_le_bytes());
    hash.update(trial.to_le_bytes());
    for name in names {
        // With its length, so that no two lists of names read the same.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |seed, names: &[&str], trial| stream(seed, names, trial).gen::<u64>();
        let all = [
            draw(1, &["stp", "defense"], 0),
            draw(2, &["stp", "defense"], 0),
            draw(1, &["stp", "defense"], 1),
            draw(1, &["ilp", "defense"], 0),
            draw(1, &["stpd", "efense"], 0),
        ];
        for (place, number) in all.iter().enumerate() {
            assert!(!all[..place].contains(number));
        }
        assert_eq!(draw(1, &["stp", "defense"], 0), all[0]);
    }
}
