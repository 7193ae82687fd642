//! State that the socket of a connection shares with its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Of one connection.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Grows with each write that the system accepted.
    writes: AtomicU64,
    has_ended: AtomicBool,
    gets_request: AtomicBool,
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

    /// Call this before the connection gets a request, so that its socket looks at its state first. Returns how many writes
    /// there were.
    pub(crate) fn begin_request(&self) -> u64 {
        self.0.gets_request.store(true, Ordering::Relaxed);
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Returns whether a request comes and the socket has not looked since.
    pub(crate) fn gets_request(&self) -> bool {
        self.0.gets_request.load(Ordering::Relaxed)
    }

    /// The socket has looked.
    pub(crate) fn looked(&self) {
        self.0.gets_request.store(false, Ordering::Relaxed);
    }

    /// Returns whether the connection ended without another write. It writes and ends in one task, so that a caller who
    /// sees the end sees all writes.
    pub(crate) fn ended_after(&self, writes: u64) -> bool {
        self.has_ended() && self.0.writes.load(Ordering::Relaxed) == writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_written_only_if_nothing_can_be_written_any_more() {
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
