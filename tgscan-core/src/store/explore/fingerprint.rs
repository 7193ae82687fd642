//! Fingerprints of states.

use std::hash::{Hash, Hasher};

/// Returns a hash. Collisions among a few million states are negligible.
pub(super) fn fingerprint(state: &impl Hash) -> u64 {
    // Not zero, so that a first zero has an effect.
    let mut hasher = Fingerprint(1);
    state.hash(&mut hasher);
    hasher.finish()
}

/// A simple hasher for words. Most of an exploration's time would be spent in std's hasher without optimization.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u64(&mut self, word: u64) {
        // An odd number close to 2^64 divided by the golden ratio.
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
