//! Random numbers of a seed (SplitMix64), for models of networks, clients and encoders.

#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another generator for each number of the same seed.
    pub fn stream(seed: u64, number: u64) -> Self {
        let mut of_number = Self(number.wrapping_add(1));
        Self(Self(seed).next() ^ of_number.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    pub fn chance(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability. A probability of 0 takes no number, so that it changes nothing else.
    pub fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.chance() < probability
    }

    /// About normal, with mean 0 and deviation 1: the sum of twelve uniform numbers.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.chance()).sum::<f64>() - 6.0
    }
}
