//! A queue of events, with a virtual clock.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Future events. The clock advances when the next event is taken.
pub(super) struct EventQueue<E> {
    now: Duration,
    entries: BinaryHeap<Entry<E>>,
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { now: Duration::ZERO, entries: BinaryHeap::new() }
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// Advances the clock while the queue is empty.
    pub(super) fn advance(&mut self, duration: Duration) {
        self.now += duration;
    }

    /// Adds an event after `wait`. Events at the same time are ordered by `tie`.
    pub(super) fn after(&mut self, wait: Duration, tie: u64, event: E) {
        self.entries.push(Entry { at: self.now + wait, tie, event });
    }

    /// Takes the next event, and advances the clock to its time.
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
        // Reversed, because the heap returns the greatest first.
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
