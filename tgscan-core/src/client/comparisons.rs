//! The comparisons that a client starts by itself: one at a time.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::panics;

/// The comparisons that a client and its clones start for calls.
#[derive(Default)]
pub(super) struct Comparisons {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_running: bool,
    /// The number of comparisons that ended and were not dropped.
    ended: u64,
    /// The book's revision after the last comparison, if that was conclusive.
    revision: Option<u64>,
    waiting: Vec<Waker>,
}

/// A running comparison. If it is dropped before its [end](Self::end), another caller may compare.
pub(super) struct RunningComparison<'a>(&'a Comparisons);

impl Comparisons {
    /// Begins a comparison. If one is running, waits for its end instead, and returns `None`.
    pub(super) async fn begin(&self) -> Option<RunningComparison<'_>> {
        let mut seen = None;
        poll_fn(|context| {
            let mut state = self.lock();
            if *seen.get_or_insert(state.ended) != state.ended {
                return Poll::Ready(None);
            }
            if !std::mem::replace(&mut state.is_running, true) {
                return Poll::Ready(Some(RunningComparison(self)));
            }
            if !state.waiting.iter().any(|other| other.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Returns the book's revision after the last comparison, if that was conclusive.
    pub(super) fn revision(&self) -> Option<u64> {
        self.lock().revision
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningComparison<'_> {
    /// Ends the comparison, with the book's revision after it if it was conclusive. Callers that wait for it continue.
    pub(super) fn end(self, revision: Option<u64>) {
        let mut state = self.0.lock();
        (state.ended, state.revision) = (state.ended + 1, revision);
    }
}

impl Drop for RunningComparison<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_running = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(panics::wake);
    }
}
