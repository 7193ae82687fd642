//! Deadlines, waiting for room under a cap, and draining.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tgscan_types::ApiMethod;

use crate::panics::{self, CatchPanic};
use crate::transport::TransportErrorKind;
use crate::{Client, Credits, Error, ErrorKind, TransportError};

/// The work that remains after [`Client::drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that have not ended.
    pub calls: u64,
    /// Claims and settlements that are not written to the store yet, including those of dropped callers. If the process
    /// ends first, their calls are uncertain.
    pub unwritten: u64,
    /// Settlements that were dropped, because the store failed for about an hour or dropped the task that writes them.
    /// Their calls are uncertain once the store is closed.
    pub lost: u64,
}

/// The calls of a client and its clones.
#[derive(Default)]
pub(super) struct Calls {
    /// The number of running calls. The highest bit is set once the client is drained.
    running: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

const CLOSED: u64 = 1 << 63;

/// A call that is running.
pub(super) struct Running(Arc<Calls>);

impl Calls {
    /// Counts a call.
    #[inline]
    pub(super) fn begin<M: ApiMethod>(self: &Arc<Self>) -> Result<Running, Error> {
        let running = Running(self.clone());
        if self.running.fetch_add(1, Ordering::AcqRel) & CLOSED == 0 {
            return Ok(running);
        }
        let error = TransportError::never_sent("the client is drained and accepts no calls")
            .with_kind(TransportErrorKind::Refused)
            .with_trusted_text();
        Err(Error::new(M::NAME, ErrorKind::Transport(error), Credits::NotCharged, 0))
    }

    fn left(&self) -> u64 {
        self.running.load(Ordering::Acquire) & !CLOSED
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        // The last call of a drained client.
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            let waiting = std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(panics::wake);
        }
    }
}

impl Client {
    /// Limits how long a caller waits for a call, including the store, requests for the balance, attempts and backoffs.
    /// Set it on a clone to limit a single call. Default: no limit.
    ///
    /// No attempt begins after the deadline. If the client can [spawn](Self::with_spawn), an attempt in flight
    /// continues, and is booked and stored; its caller receives a timeout with uncertain credits. Otherwise, the
    /// attempt ends and is uncertain. An answer that arrived before the deadline is returned, even if it is not stored
    /// yet. For that, a caller waits up to a second longer. If its task does not run in that time, the error has the
    /// response.
    ///
    /// These limits apply to a call:
    ///
    /// | limit | on | default |
    /// |---|---|---|
    /// | `attempt_timeout` and other limits of the transport; `AttemptLimits` for one call | one attempt | 30 s |
    /// | [`RetryPolicy::max_backoff`](crate::RetryPolicy) | one backoff; a longer `Retry-After` ends the call | 30 s |
    /// | [`RetryPolicy::max_elapsed`](crate::RetryPolicy) | from the start of a call to the start of its last attempt, including waits for room, for another call with the same question, and for a turn under the rate limit | 60 s |
    /// | `with_deadline` | the caller's wait | no limit |
    /// | [`Store::fence`](crate::store::Store::fence) | from the confirmation of a claim to an attempt | 5 s |
    /// | [`with_late_charge_window`](Self::with_late_charge_window) | from the end of an uncertain call to a comparison | 30 s |
    /// | [`drain`](Self::drain) | calls in flight at a shutdown | its argument |
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        Arc::make_mut(&mut self.shared).deadline = Some(deadline);
        self
    }

    /// Makes calls wait instead of failing with `ErrorKind::CapReached` while calls in flight leave no room under a
    /// cap or budget. They wait for up to [`RetryPolicy::max_elapsed`](crate::RetryPolicy), and still fail
    /// immediately if waiting cannot help.
    #[must_use]
    pub fn with_wait_at_cap(mut self) -> Self {
        Arc::make_mut(&mut self.shared).waits_at_cap = true;
        self
    }

    /// Shuts down this client and its clones: refuses new calls, waits up to `limit` for calls in flight and unwritten
    /// settlements, and returns how many remain.
    pub async fn drain(&self, limit: Duration) -> Drained {
        let calls = &self.shared.calls;
        calls.running.fetch_or(CLOSED, Ordering::AcqRel);
        let until = self.now().saturating_add(limit);
        let ended = poll_fn(|context| {
            calls.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(context.waker().clone());
            if calls.left() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        self.before(Some(until), ended).await;
        let unwritten = || self.account().map_or((0, 0), |account| account.writer().unwritten());
        while unwritten().0 > 0 && self.now() < until {
            self.shared.timer.sleep(Duration::from_millis(20)).await;
        }
        let (unwritten, lost) = unwritten();
        Drained { calls: calls.left(), unwritten, lost }
    }

    /// Waits for a future until the deadline. Returns `None` if the deadline passes.
    pub(super) async fn before<T>(
        &self,
        until: Option<Duration>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let Some(until) = until else { return Some(future.await) };
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => {
                let sleep = || self.shared.timer.sleep(until.saturating_sub(self.now()));
                // If the timer panics, there is no deadline, because an attempt in flight may be paid for.
                match Pin::new(deadline.get_or_insert_with(|| CatchPanic::new(sleep))).poll(context) {
                    Poll::Ready(Some(())) => Poll::Ready(None),
                    _ => Poll::Pending,
                }
            }
        })
        .await
    }
}

/// Returns the error of a request in flight at the deadline.
pub(super) fn deadline_passed() -> TransportError {
    TransportError::new("the deadline of the call passed")
        .with_kind(TransportErrorKind::Timeout)
        .with_trusted_text()
}
