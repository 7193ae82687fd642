//! The state that the socket of a connection shares with its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The traffic of one connection. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<State>);

#[derive(Default)]
struct State {
    /// The number of successful writes.
    writes: AtomicU64,
    has_ended: AtomicBool,
    needs_check: AtomicBool,
}

impl Traffic {
    /// Returns whether both belong to one connection.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Records a successful write.
    pub(crate) fn wrote(&self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the end of the connection: nothing is written after it.
    pub(crate) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }

    /// Makes the socket check its state before it reads again, and returns the number of writes so far. Call this before the
    /// connection receives a request.
    pub(crate) fn begin_request(&self) -> u64 {
        self.0.needs_check.store(true, Ordering::Relaxed);
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Returns whether a request is coming and the socket has not been checked since.
    pub(crate) fn needs_check(&self) -> bool {
        self.0.needs_check.load(Ordering::Relaxed)
    }

    /// Records a check of the socket.
    pub(crate) fn checked(&self) {
        self.0.needs_check.store(false, Ordering::Relaxed);
    }

    /// Returns whether the connection ended without another write. One task writes and ends it, so that a call that sees the
    /// end sees all writes.
    pub(crate) fn ended_after(&self, writes: u64) -> bool {
        self.has_ended() && self.0.writes.load(Ordering::Relaxed) == writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_after_needs_the_end_and_no_further_write() {
        let traffic = Traffic::default();
        traffic.wrote();
        let before = traffic.begin_request();
        assert!(!traffic.ended_after(before));
        traffic.end();
        assert!(traffic.ended_after(before));
        traffic.wrote();
        assert!(!traffic.ended_after(before));
    }
}
