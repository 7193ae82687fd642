//! A strategy that draws answers from the world, whole, and shrinks them part by part.
//!
//! Whoever is drawn is the same person to a mock with seed 0, until a part shrinks.

use std::fmt;
use std::sync::LazyLock;

use proptest::arbitrary::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::leaf::Dice;
use super::{Date, World};

/// The world of a mock that was not given a seed.
pub(super) static WORLD: LazyLock<World> = LazyLock::new(|| World::new(0, Date::DEFAULT, 0));

/// Draws with one function, and shrinks with many.
pub(super) struct Drawn<T: 'static> {
    pub(super) draw: fn(&mut Dice) -> T,
    /// What shrinks, in this order.
    pub(super) parts: &'static [Part<T>],
    /// Makes the answer agree with itself after a part has shrunk.
    pub(super) settle: fn(&mut T),
}

/// A part of an answer.
pub(super) struct Part<T> {
    /// In how many places it stands.
    pub(super) places: fn(&T) -> usize,
    /// Makes it simpler in one of them; `false` if that is not possible.
    pub(super) simplify: fn(&mut T, usize) -> bool,
}

/// A part that stands in one place.
macro_rules! one {
    ($simplify:expr) => {
        $crate::data::drawn::Part { places: |_| 1, simplify: |answer, _| $simplify(answer) }
    };
}

/// A field of every item of a list.
macro_rules! each {
    ($list:ident, $field:ident, $simplify:expr) => {
        $crate::data::drawn::Part {
            places: |answer| answer.$list.len(),
            simplify: |answer, place| {
                answer.$list.get_mut(place).is_some_and(|item| $simplify(&mut item.$field))
            },
        }
    };
}

/// One item of a list after the other.
macro_rules! items {
    ($($list:ident).+) => {
        $crate::data::drawn::Part {
            places: |answer| answer.$($list).+.len(),
            simplify: |answer, place| {
                answer.$($list).+.remove(place);
                true
            },
        }
    };
}
pub(super) use {each, items, one};

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

/// Leaves a text its first character.
pub(super) fn first_char(text: &mut String) -> bool {
    keep_chars::<1>(text)
}

/// Leaves a text so many characters at most.
pub(super) fn keep_chars<const MOST: usize>(text: &mut String) -> bool {
    let cut = text.char_indices().nth(MOST).map(|(at, _)| at);
    cut.is_some_and(|at| {
        text.truncate(at);
        true
    })
}

/// Takes away what may be missing.
pub(super) fn none<T>(value: &mut Option<T>) -> bool {
    value.take().is_some()
}

/// Sets a value to the simplest one.
pub(super) fn to<T: PartialEq>(value: &mut T, simplest: T) -> bool {
    let changes = *value != simplest;
    *value = simplest;
    changes
}

impl<T> Clone for Drawn<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Drawn<T> {}

impl<T> fmt::Debug for Drawn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawn")
    }
}

impl<T: Clone + fmt::Debug> Strategy for Drawn<T> {
    type Tree = DrawnTree<T>;
    type Value = T;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        Ok(DrawnTree { drawn: *self, seed, now: None, before: None, part: 0, place: 0 })
    }
}

/// The shrinking state of a [`Drawn`].
pub(super) struct DrawnTree<T: 'static> {
    drawn: Drawn<T>,
    seed: u64,
    /// The value, once it is not the one that was drawn.
    now: Option<T>,
    before: Option<T>,
    part: usize,
    place: usize,
}

impl<T: Clone> DrawnTree<T> {
    fn now(&self) -> T {
        self.now.clone().unwrap_or_else(|| (self.drawn.draw)(&mut Dice::new(self.seed)))
    }
}

impl<T: Clone + fmt::Debug> ValueTree for DrawnTree<T> {
    type Value = T;

    fn current(&self) -> T {
        self.now()
    }

    fn simplify(&mut self) -> bool {
        let now = self.now();
        while let Some(part) = self.drawn.parts.get(self.part) {
            if self.place >= (part.places)(&now) {
                (self.part, self.place) = (self.part + 1, 0);
                continue;
            }
            let mut simpler = now.clone();
            if (part.simplify)(&mut simpler, self.place) {
                (self.drawn.settle)(&mut simpler);
                (self.now, self.before) = (Some(simpler), Some(now));
                return true;
            }
            self.place += 1;
        }
        self.now = Some(now);
        false
    }

    fn complicate(&mut self) -> bool {
        // The step went too far: go back. From there the same step would fail again.
        let Some(before) = self.before.take() else { return false };
        self.now = Some(before);
        self.place += 1;
        true
    }
}
