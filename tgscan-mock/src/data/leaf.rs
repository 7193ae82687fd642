//! A strategy that draws a whole value at once and still shrinks.
//!
//! Strategies made of character or regex strategies cost a tree per character: ten times as much as the value.

use std::fmt;

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{TestRng, TestRunner};

/// Draws with one function, shrinks with another.
#[derive(Clone, Copy)]
pub(super) struct Leaf<T> {
    draw: fn(&mut TestRng) -> T,
    /// The next simpler value, if there is one.
    simpler: fn(&T) -> Option<T>,
}

impl<T> Leaf<T> {
    pub(super) fn new(draw: fn(&mut TestRng) -> T, simpler: fn(&T) -> Option<T>) -> Self {
        Self { draw, simpler }
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
        let now = (self.draw)(runner.rng());
        Ok(LeafTree { now, before: None, simpler: self.simpler })
    }
}

/// The shrinking state of a [`Leaf`].
#[derive(Clone)]
pub(super) struct LeafTree<T> {
    now: T,
    before: Option<T>,
    simpler: fn(&T) -> Option<T>,
}

impl<T: Clone + fmt::Debug> ValueTree for LeafTree<T> {
    type Value = T;

    fn current(&self) -> T {
        self.now.clone()
    }

    fn simplify(&mut self) -> bool {
        let Some(simpler) = (self.simpler)(&self.now) else { return false };
        self.before = Some(std::mem::replace(&mut self.now, simpler));
        true
    }

    fn complicate(&mut self) -> bool {
        // The step went too far: go back. From there the same step would fail again, so shrinking ends here.
        let Some(before) = self.before.take() else { return false };
        self.now = before;
        self.simpler = |_| None;
        true
    }
}

/// Text with its last character gone, down to `LEAST` characters.
#[expect(clippy::ptr_arg, reason = "it is used as a `fn(&String)`")]
pub(super) fn shorter<const LEAST: usize>(text: &String) -> Option<String> {
    let (end, _) = text.char_indices().next_back()?;
    (text.chars().count() > LEAST).then(|| text[..end].to_owned())
}

/// A number from `from` to `to`, both included.
pub(super) fn between(rng: &mut TestRng, from: u64, to: u64) -> u64 {
    use proptest::prelude::Rng;
    let width = u128::from(to - from) + 1;
    from + u64::try_from((u128::from(rng.next_u64()) * width) >> 64).unwrap_or_default()
}

/// One of several values.
pub(super) fn one_of<'a, T: ?Sized>(rng: &mut TestRng, values: &[&'a T]) -> &'a T {
    let last = u64::try_from(values.len() - 1).unwrap_or_default();
    values[usize::try_from(between(rng, 0, last)).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> LeafTree<String> {
        LeafTree { now: "añb".into(), before: None, simpler: shorter::<1> }
    }

    #[test]
    fn shrinks_to_the_least_and_goes_back_one_step() {
        let mut shrinking = tree();
        assert!(shrinking.simplify() && shrinking.simplify());
        assert_eq!(shrinking.current(), "a");
        assert!(!shrinking.simplify(), "one character is the least");
        assert!(shrinking.complicate());
        assert_eq!(shrinking.current(), "añ");
        assert!(!shrinking.simplify() && !shrinking.complicate());
        assert!(!tree().complicate());
    }

    #[test]
    fn between_covers_its_range() {
        let mut rng = super::super::runner(3).new_rng();
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| between(&mut rng, 5, 9)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        assert_eq!(between(&mut rng, 4, 4), 4);
        between(&mut rng, 0, u64::MAX);
    }
}
