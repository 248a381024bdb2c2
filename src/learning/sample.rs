//! A bounded, even sample of what passes by, so that a month of rows can be learned from without being kept.
//!
//! J. S. Vitter, "Random Sampling with a Reservoir", ACM TOMS 11, 1985, algorithm R: each of n rows is kept with the same
//! chance. One reservoir for genuine rows and one for others, for the genuine are few, and one for both as they come.

use super::examples::{Example, Examples};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Rows that stand for all that passed.
#[derive(Clone, Debug)]
pub struct Reservoir {
    kept: Vec<Example>,
    room: usize,
    passed: u64,
}

impl Reservoir {
    /// Of so many rows at most.
    pub fn new(room: usize) -> Self {
        Self {
            kept: Vec::new(),
            room,
            passed: 0,
        }
    }

    /// A row passes; it is made only where it is kept.
    pub fn pass(&mut self, chance: &mut ChaCha8Rng, make: impl FnOnce() -> Example) {
        self.passed += 1;
        if self.kept.len() < self.room {
            self.kept.push(make());
            return;
        }
        let place = chance.gen_range(0..self.passed);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let Some(kept) = self.kept.get_mut(place) {
            *kept = make();
        }
    }

    /// How many passed for each that was kept; 1 where none did.
    fn weight(&self) -> f64 {
        match self.kept.len() {
            0 => 1.0,
            kept => self.passed as f64 / kept as f64,
        }
    }
}

/// Reservoirs by class, and one of all.
#[derive(Clone, Debug)]
pub struct Sample {
    genuine: Reservoir,
    other: Reservoir,
    all: Reservoir,
}

impl Sample {
    /// Of so many rows of each class at most, and as many again as they come, by `natural`.
    pub fn new(each: usize, natural: usize) -> Self {
        Self {
            genuine: Reservoir::new(each),
            other: Reservoir::new(each),
            all: Reservoir::new(natural),
        }
    }

    /// A row passes.
    pub fn pass(&mut self, row: &[f64], class: u16, group: u32, chance: &mut ChaCha8Rng) {
        let make = || Example {
            row: row.to_vec(),
            class,
            group,
        };
        let of_class = match class > 0 {
            true => &mut self.genuine,
            false => &mut self.other,
        };
        of_class.pass(chance, make);
        self.all.pass(chance, make);
    }

    /// As many of each class as there is room for.
    pub fn balanced(&self) -> Examples {
        let rows = self.genuine.kept.iter().chain(&self.other.kept);
        Examples {
            rows: rows.cloned().collect(),
            weight_genuine: self.genuine.weight(),
            weight_other: self.other.weight(),
        }
    }

    /// Rows as they came, in their own proportion.
    pub fn natural(&self) -> Examples {
        Examples::whole(self.all.kept.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::tests::chance;
    use super::*;

    #[test]
    fn few_genuine_rows_are_all_kept_and_weights_tell_how_many_passed() {
        let mut sample = Sample::new(50, 40);
        let mut chance = chance(1);
        for n in 0..1_000u32 {
            let class = u16::from(n % 100 == 0);
            sample.pass(&[f64::from(n)], class, n / 100, &mut chance);
        }
        let balanced = sample.balanced();
        assert_eq!(balanced.counts(), (10, 50));
        // 990 others passed and 50 were kept.
        let weights = (balanced.weight_genuine, balanced.weight_other);
        assert_eq!(weights, (1.0, 19.8));
        assert_eq!(sample.natural().rows.len(), 40);
        // Even: the mean of the kept is near that of all, 500, with a deviation of 289 / sqrt(50) = 41.
        let others = balanced.rows.iter().filter(|example| !example.genuine());
        let mean = others.map(|example| example.row[0]).sum::<f64>() / 50.0;
        assert!((mean - 500.0).abs() < 150.0, "{mean}");
    }
}
