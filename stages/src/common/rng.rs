//! Random numbers that are the same on every machine.
//!
//! Each consumer derives its own stream from the study's seed and a label, so adding a consumer moves nobody else's
//! numbers. Only integer arithmetic and `libm` are used between the stream and the caller.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A named stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `label` under `seed`: `ChaCha8` keyed by BLAKE3 of both.
    pub fn new(seed: u64, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("clinpipe random stream v1");
        hasher.update(&seed.to_le_bytes());
        hasher.update(label.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform 64 bits; also the seed for libraries that want an integer.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in {0, …, n − 1}, without bias; 0 when n is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.bits();
            if draw < limit {
                return draw % n;
            }
        }
    }

    /// Hands `take` `count` numbers uniform in {0, …, n − 1}, without bias; none when n is 0. Each costs 32 bits: half of
    /// a word times n, of that the upper half, with the few that would bias it left out (Lemire 2019).
    pub fn draw_below(&mut self, n: u32, count: usize, mut take: impl FnMut(usize)) {
        if n == 0 {
            return;
        }
        let biased = n.wrapping_neg() % n;
        let mut left = count;
        while left > 0 {
            let word = self.bits();
            for half in [word as u32, (word >> 32) as u32] {
                let product = u64::from(half) * u64::from(n);
                if left > 0 && product as u32 >= biased {
                    take((product >> 32) as usize);
                    left -= 1;
                }
            }
        }
    }

    /// Uniform in {low, …, high}, both ends included.
    pub fn integer(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// Whether an event of probability `p` happens.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal, by Box–Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// Poisson with a small mean, by Knuth's product of uniforms.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let floor = libm::exp(-mean);
        let mut product = self.uniform();
        let mut count = 0;
        while product > floor {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// Puts a slice into random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_label_and_repeat_by_seed() {
        let draw = |seed, label| Stream::new(seed, label).bits();
        assert_eq!(draw(42, "split"), draw(42, "split"));
        assert_ne!(draw(42, "split"), draw(42, "folds"));
        assert_ne!(draw(42, "split"), draw(43, "split"));
    }

    #[test]
    fn drawn_numbers_fill_their_range_evenly() {
        let mut counts = [0_u32; 7];
        Stream::new(3, "draw").draw_below(7, 70_000, |number| counts[number] += 1);
        assert_eq!(counts.iter().sum::<u32>(), 70_000);
        // Five standard deviations of a binomial count.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 463), "{counts:?}");
        Stream::new(3, "draw").draw_below(0, 5, |number| unreachable!("{number} of none"));
        // n = 3·2³⁰: a quarter of the words is left out, and the rest is even over the thirds.
        let mut thirds = [0_u32; 3];
        Stream::new(3, "draw").draw_below(3 << 30, 30_000, |number| thirds[number >> 30] += 1);
        assert!(thirds.iter().all(|&count| count.abs_diff(10_000) < 409), "{thirds:?}");
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(1, "moments");
        let n = 20_000;
        let mean = |draws: &mut dyn FnMut() -> f64| (0..n).map(|_| draws()).sum::<f64>() / f64::from(n);
        assert!((mean(&mut || stream.uniform()) - 0.5).abs() < 0.01);
        assert!(mean(&mut || stream.normal()).abs() < 0.03);
        assert!((mean(&mut || stream.poisson(1.7) as f64) - 1.7).abs() < 0.05);
        assert!((mean(&mut || stream.below(7) as f64) - 3.0).abs() < 0.06);
    }
}
