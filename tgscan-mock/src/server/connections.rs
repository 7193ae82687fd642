//! The server's counts of open connections, and the signal to close them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts of a server, shared with its owner.
#[derive(Clone, Default)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    close: Arc<Notify>,
}

/// Counts a connection as open until dropped.
pub(super) struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    pub(super) fn count_connection(&self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.open.clone())
    }

    pub(super) fn request_begins(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn request_ends(&self) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Makes the server's thread close its connections, now or when it next waits.
    pub(super) fn close_all(&self) {
        self.close.notify_one();
    }

    pub(super) async fn close_ordered(&self) {
        self.close.notified().await;
    }
}
