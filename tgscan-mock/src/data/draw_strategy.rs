//! A strategy that draws a value with one function and shrinks it part by part.
//!
//! Combined strategies of proptest build a tree per character or choice, which costs ten times as much as the value.
//! This one stores a seed, and draws when the value is requested. Until a part of an answer shrinks, a person in it is
//! the same as in a mock with seed 0.

use std::fmt;
use std::sync::LazyLock;

use proptest::arbitrary::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::rng::Rng;
use super::{Date, Profile, World};

/// The world of a mock with the default seed.
pub(super) static WORLD: LazyLock<World> = LazyLock::new(|| World::new(0, Date::DEFAULT, 0));

/// A strategy with one function that draws and a list of parts that shrink.
pub(super) struct DrawStrategy<T: 'static> {
    pub(super) profile: Profile,
    pub(super) draw: fn(Profile, &mut Rng) -> T,
    /// The parts that shrink, in this order.
    pub(super) parts: &'static [Part<T>],
    /// Makes the parts consistent after one of them has shrunk.
    pub(super) settle: fn(&mut T),
}

/// A part of a value.
pub(super) struct Part<T> {
    /// Returns the number of places that the part has in a value.
    pub(super) places: fn(&T) -> usize,
    /// Simplifies one place, or returns `false` if that is not possible.
    pub(super) simplify: fn(&mut T, usize) -> bool,
}

/// A part with one place.
macro_rules! one {
    ($simplify:expr) => {
        $crate::data::draw_strategy::Part { places: |_| 1, simplify: |answer, _| $simplify(answer) }
    };
}

/// A field of every item of a list.
macro_rules! each {
    ($list:ident, $field:ident, $simplify:expr) => {
        $crate::data::draw_strategy::Part {
            places: |answer| answer.$list.len(),
            simplify: |answer, place| {
                answer.$list.get_mut(place).is_some_and(|item| $simplify(&mut item.$field))
            },
        }
    };
}

/// The items of a list, removed one by one.
macro_rules! items {
    ($($list:ident).+) => {
        $crate::data::draw_strategy::Part {
            places: |answer| answer.$($list).+.len(),
            simplify: |answer, place| {
                answer.$($list).+.remove(place);
                true
            },
        }
    };
}

/// A strategy for a value of one part, which `simplify` shrinks by a large step (0), then by small steps (1).
macro_rules! value {
    ($profile:expr, $draw:expr, $simplify:expr $(,)?) => {
        $crate::data::draw_strategy::DrawStrategy {
            profile: $profile,
            draw: $draw,
            parts: const { &[$crate::data::draw_strategy::Part { places: |_| 2, simplify: $simplify }] },
            settle: |_| {},
        }
    };
}
pub(super) use {each, items, one, value};

/// Keeps the first half of a list, rounded down.
pub(super) fn keep_front<T>(list: &mut Vec<T>) -> bool {
    let is_any = !list.is_empty();
    list.truncate(list.len() / 2);
    is_any
}

/// Keeps the last half of a list, rounded down.
pub(super) fn keep_back<T>(list: &mut Vec<T>) -> bool {
    let is_any = !list.is_empty();
    list.drain(..list.len().div_ceil(2));
    is_any
}

/// Cuts a string to its first character.
pub(super) fn first_char(text: &mut String) -> bool {
    keep_chars::<1>(text)
}

/// Cuts a string to at most `MOST` characters.
pub(super) fn keep_chars<const MOST: usize>(text: &mut String) -> bool {
    let cut = text.char_indices().nth(MOST).map(|(at, _)| at);
    cut.is_some_and(|at| {
        text.truncate(at);
        true
    })
}

/// Cuts a string to `LEAST` characters, then by one character at a time.
pub(super) fn shorten<const LEAST: usize>(text: &mut String, step: usize) -> bool {
    if step == 0 { keep_chars::<LEAST>(text) } else { text.chars().count() > LEAST && text.pop().is_some() }
}

/// Removes an optional value.
pub(super) fn none<T>(value: &mut Option<T>) -> bool {
    value.take().is_some()
}

/// Sets a value to the simplest one.
pub(super) fn to<T: PartialEq>(value: &mut T, simplest: T) -> bool {
    let changes = *value != simplest;
    *value = simplest;
    changes
}

impl<T> Clone for DrawStrategy<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DrawStrategy<T> {}

impl<T> fmt::Debug for DrawStrategy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrawStrategy")
    }
}

impl<T: Clone + fmt::Debug> Strategy for DrawStrategy<T> {
    type Tree = DrawTree<T>;
    type Value = T;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        Ok(DrawTree { strategy: *self, seed, now: None, before: None, part: 0, place: 0 })
    }
}

/// The shrinking state of a [`DrawStrategy`].
pub(super) struct DrawTree<T: 'static> {
    strategy: DrawStrategy<T>,
    seed: u64,
    /// The current value, once it differs from the drawn one.
    now: Option<T>,
    before: Option<T>,
    part: usize,
    place: usize,
}

impl<T: Clone> DrawTree<T> {
    fn now(&self) -> T {
        self.now
            .clone()
            .unwrap_or_else(|| (self.strategy.draw)(self.strategy.profile, &mut Rng::new(self.seed)))
    }
}

impl<T: Clone + fmt::Debug> ValueTree for DrawTree<T> {
    type Value = T;

    fn current(&self) -> T {
        self.now()
    }

    fn simplify(&mut self) -> bool {
        let now = self.now();
        while let Some(part) = self.strategy.parts.get(self.part) {
            if self.place >= (part.places)(&now) {
                (self.part, self.place) = (self.part + 1, 0);
                continue;
            }
            let mut simpler = now.clone();
            if (part.simplify)(&mut simpler, self.place) {
                (self.strategy.settle)(&mut simpler);
                (self.now, self.before) = (Some(simpler), Some(now));
                return true;
            }
            self.place += 1;
        }
        self.now = Some(now);
        false
    }

    fn complicate(&mut self) -> bool {
        // The step went too far, and would fail again from the earlier value, so it is not repeated.
        let Some(before) = self.before.take() else { return false };
        self.now = Some(before);
        self.place += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> impl ValueTree<Value = String> {
        let strategy = value!(Profile::Typical, |_, _| "añbc".into(), shorten::<1>);
        strategy.new_tree(&mut TestRunner::deterministic()).unwrap()
    }

    #[test]
    fn shrinks_by_a_large_step_or_by_small_steps() {
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
        assert_eq!(simplest.current(), "a", "the shortest text");
    }
}
