//! A small random number generator.

use super::seed::mix;

/// A random number generator for one value (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // The odd number next to 2^64 divided by the golden ratio.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Returns a number from `from` to `to`, both included.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        let width = u128::from(to - from) + 1;
        from + u64::try_from((u128::from(self.next()) * width) >> 64).unwrap_or_default()
    }

    /// Returns a signed number from `from` to `to`, both included.
    pub(super) fn between_signed(&mut self, from: i64, to: i64) -> i64 {
        from.wrapping_add_unsigned(self.between(0, to.abs_diff(from)))
    }

    /// Returns `true` in `cases` of 10 cases.
    pub(super) fn in_ten(&mut self, cases: u64) -> bool {
        self.between(1, 10) <= cases
    }

    /// Returns one of several values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let last = u64::try_from(values.len() - 1).unwrap_or_default();
        values[usize::try_from(self.between(0, last)).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_covers_its_range() {
        let mut rng = Rng::new(3);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| rng.between(5, 9)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert_eq!((rng.between(4, 4), rng.between_signed(-4, -4)), (4, -4));
        rng.between(0, u64::MAX);
        let signed: Vec<i64> = (0..50).map(|_| rng.between_signed(i64::MIN, i64::MAX)).collect();
        assert!(signed.iter().any(|number| *number < 0) && signed.iter().any(|number| *number > 0));
    }
}
