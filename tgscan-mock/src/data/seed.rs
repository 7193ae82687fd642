//! Seeds, mixed from the inputs of an answer, and random numbers from a seed.

/// A seed mixed from numbers and strings. Unlike std's hashers, stable across versions of Rust and machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Mixes in a string (FNV-1a, then [`mix`]).
    pub(crate) fn and_text(self, text: &str) -> Self {
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(mix(hash))
    }

    /// Mixes in a number.
    pub(crate) fn and(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number)))
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// Returns 16 bytes for proptest's `XorShift`.
    pub(crate) fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes[8..].copy_from_slice(&mix(self.0).to_le_bytes());
        bytes
    }
}

/// Spreads every bit of the input over all bits of the output: the finaliser of `SplitMix64`.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random number generator for one value (`SplitMix64`).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        // The odd number next to 2^64 divided by the golden ratio.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let width = u128::from(to - from) + 1;
        from + u64::try_from((u128::from(mix(self.0)) * width) >> 64).unwrap_or_default()
    }

    /// Returns `true` in `cases` of 10 cases.
    pub(super) fn in_ten(&mut self, cases: u64) -> bool {
        self.between(1, 10) <= cases
    }

    /// Returns an index below `length`.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.between(0, length as u64 - 1)).unwrap_or_default()
    }

    /// Returns one of several values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.index(values.len())]
    }
}
