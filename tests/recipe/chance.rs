//! Chance that is the same on every machine: SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom
//! Number Generators", OOPSLA 2014), in whole numbers only, so that no rounding differs between machines.

/// A stream of random numbers.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream that belongs to a purpose: a new one never moves another.
    pub fn of(purpose: &str) -> Self {
        // FNV-1a, 64 bits.
        let seed = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(seed)
    }

    /// The stream of a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        let width = u128::try_from(most - least).unwrap() + 1;
        least + i64::try_from((u128::from(self.bits()) * width) >> 64).unwrap()
    }

    /// A number of 16 bits.
    pub fn word(&mut self) -> u16 {
        (self.bits() >> 48) as u16
    }

    /// A number of 32 bits.
    pub fn long(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// That many bytes; what ciphertext looks like.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.bits().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
