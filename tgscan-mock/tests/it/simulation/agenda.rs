//! What happens next, on a virtual clock.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Events to come. The clock stands still until the next one is taken.
pub(super) struct Agenda<E> {
    now: Duration,
    entries: BinaryHeap<Entry<E>>,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { now: Duration::ZERO, entries: BinaryHeap::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Moves the clock while no event is to come.
    pub(super) fn rest(&mut self, duration: Duration) {
        self.now += duration;
    }

    /// Puts an event after this long. Events of the same moment happen in the order of `tie`.
    pub(super) fn after(&mut self, wait: Duration, tie: u64, event: E) {
        self.entries.push(Entry { at: self.now + wait, tie, event });
    }

    /// Takes the next event and moves the clock to it.
    pub(super) fn next(&mut self) -> Option<E> {
        let Entry { at, event, .. } = self.entries.pop()?;
        self.now = at;
        Some(event)
    }
}

struct Entry<E> {
    at: Duration,
    tie: u64,
    event: E,
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Turned round, because the heap gives the greatest first.
        (other.at, other.tie).cmp(&(self.at, self.tie))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}
