//! A strategy that draws a whole value at once and still shrinks.
//!
//! Strategies made of character, range and union strategies cost a tree per character or choice: ten times as much as the
//! value. A leaf only keeps from where to draw, and draws when the value is asked for.

use std::fmt;

use proptest::arbitrary::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::Profile;
use super::seed::mix;

/// Draws with one function, shrinks with another.
#[derive(Clone, Copy)]
pub(super) struct Leaf<T> {
    profile: Profile,
    draw: Draw<T>,
    simpler: Simpler<T>,
}

type Draw<T> = fn(Profile, &mut Dice) -> T;

/// The next simpler value in one of two ways, if there is one: a great step (0), and small ones (1) once that went too
/// far.
type Simpler<T> = fn(&T, u8) -> Option<T>;

const WAYS: u8 = 2;

impl<T> Leaf<T> {
    pub(super) fn new(profile: Profile, draw: Draw<T>, simpler: Simpler<T>) -> Self {
        Self { profile, draw, simpler }
    }
}

impl<T> fmt::Debug for Leaf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

impl<T: Clone + fmt::Debug> Strategy for Leaf<T> {
    type Tree = LeafTree<T>;
    type Value = T;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        Ok(LeafTree { leaf: Self { ..*self }, seed, now: None, before: None, way: 0 })
    }
}

/// The shrinking state of a [`Leaf`].
#[derive(Clone)]
pub(super) struct LeafTree<T> {
    leaf: Leaf<T>,
    seed: u64,
    /// The value, once it is not the one that was drawn.
    now: Option<T>,
    before: Option<T>,
    way: u8,
}

impl<T> LeafTree<T> {
    fn drawn(&self) -> T {
        (self.leaf.draw)(self.leaf.profile, &mut Dice::new(self.seed))
    }
}

impl<T: Clone + fmt::Debug> ValueTree for LeafTree<T> {
    type Value = T;

    fn current(&self) -> T {
        self.now.clone().unwrap_or_else(|| self.drawn())
    }

    fn simplify(&mut self) -> bool {
        let now = self.now.take().unwrap_or_else(|| self.drawn());
        while self.way < WAYS {
            if let Some(simpler) = (self.leaf.simpler)(&now, self.way) {
                (self.now, self.before) = (Some(simpler), Some(now));
                return true;
            }
            self.way += 1;
        }
        self.now = Some(now);
        false
    }

    fn complicate(&mut self) -> bool {
        // The step went too far: go back. From there the same step would fail again.
        let Some(before) = self.before.take() else { return false };
        self.now = Some(before);
        self.way += 1;
        true
    }
}

/// Text cut to `LEAST` characters, then a character less.
#[expect(clippy::ptr_arg, reason = "it is used as a `fn(&String, u8)`")]
pub(super) fn shorter<const LEAST: usize>(text: &String, way: u8) -> Option<String> {
    let (shortest, _) = text.char_indices().nth(LEAST)?;
    let (end, _) = text.char_indices().next_back()?;
    Some(text[..if way == 0 { shortest } else { end }].to_owned())
}

/// Random numbers for one value.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        // SplitMix64, whose step is the odd number next to 2^64 by the golden ratio.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `from` to `to`, both included.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        let width = u128::from(to - from) + 1;
        from + u64::try_from((u128::from(self.roll()) * width) >> 64).unwrap_or_default()
    }

    /// The same below zero too.
    pub(super) fn between_signed(&mut self, from: i64, to: i64) -> i64 {
        from.wrapping_add_unsigned(self.between(0, to.abs_diff(from)))
    }

    /// True in so many of ten cases.
    pub(super) fn in_ten(&mut self, cases: u64) -> bool {
        self.between(1, 10) <= cases
    }

    /// One of several values.
    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let last = u64::try_from(values.len() - 1).unwrap_or_default();
        values[usize::try_from(self.between(0, last)).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> LeafTree<String> {
        let leaf = Leaf::new(Profile::Typical, |_, _| "añbc".into(), shorter::<1>);
        LeafTree { leaf, seed: 0, now: None, before: None, way: 0 }
    }

    #[test]
    fn shrinks_to_the_least_in_a_great_step_or_in_small_ones() {
        let mut shrinking = tree();
        assert_eq!(shrinking.current(), "añbc");
        assert!(shrinking.simplify());
        assert_eq!(shrinking.current(), "a");
        assert!(shrinking.complicate());
        assert_eq!(shrinking.current(), "añbc");
        assert!(shrinking.simplify() && shrinking.simplify());
        assert_eq!(shrinking.current(), "añ");
        assert!(shrinking.complicate());
        assert_eq!(shrinking.current(), "añb");
        assert!(!shrinking.simplify() && !shrinking.complicate());
        assert_eq!(shrinking.current(), "añb");
        assert!(!tree().complicate());

        let mut simplest = tree();
        while simplest.simplify() {}
        assert_eq!(simplest.current(), "a", "one character is the least");
    }

    #[test]
    fn between_covers_its_range() {
        let mut dice = Dice::new(3);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| dice.between(5, 9)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert_eq!((dice.between(4, 4), dice.between_signed(-4, -4)), (4, -4));
        dice.between(0, u64::MAX);
        let signed: Vec<i64> = (0..50).map(|_| dice.between_signed(i64::MIN, i64::MAX)).collect();
        assert!(signed.iter().any(|number| *number < 0) && signed.iter().any(|number| *number > 0));
    }
}
