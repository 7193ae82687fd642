//! Whether anything was written on a connection since it got a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a connection writes, as its socket counts it for its calls.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Grows with each write that the system accepted.
    writes: AtomicU64,
    has_ended: AtomicBool,
}

impl Traffic {
    /// Whether both are of one connection.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The system accepted bytes.
    pub(crate) fn wrote(&self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is written from now on.
    pub(crate) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }

    /// Returns how many writes there were. Ask before a request is given to the connection.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Returns whether the connection ended without another write. It writes and ends in one task, so that a caller who
    /// sees the end sees all writes.
    pub(crate) fn ended_after(&self, writes: u64) -> bool {
        self.has_ended() && self.writes() == writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_written_only_if_nothing_can_be_written_any_more() {
        let traffic = Traffic::default();
        traffic.wrote();
        let before = traffic.writes();
        assert!(!traffic.ended_after(before));
        traffic.end();
        assert!(traffic.ended_after(before));
        traffic.wrote();
        assert!(!traffic.ended_after(before));
    }
}
