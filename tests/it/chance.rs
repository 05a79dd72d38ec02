//! Numbers that look random and come back with the same seed.

/// A stream of numbers.
pub struct Chance(blake3::OutputReader);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// From 0 to `limit` − 1; 0 when there is no choice.
    pub fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit.max(1)
    }
}
