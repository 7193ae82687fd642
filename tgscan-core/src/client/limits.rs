//! What a client waits for, and how long: room under a cap, and a deadline for the whole call.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tgscan_types::ApiMethod;

use crate::call::{Prepared, Step};
use crate::ledger::CapReached;
use crate::panics::CatchPanic;
use crate::transport::TransportErrorKind;
use crate::{Client, Credits, Error, ErrorKind, TransportError};

impl Client {
    /// Limits a whole call: attempts, backoffs, and what it waits for before. A clone can have its own, which is how a
    /// single call gets one. Default: none; the transport limits each attempt, and
    /// `RetryPolicy::max_elapsed` says until when another one begins.
    ///
    /// A call that is still in flight then ends as a timeout, and is uncertain if it can cost credits. A backoff that
    /// would last beyond the deadline is not begun.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        std::sync::Arc::make_mut(&mut self.shared).deadline = Some(deadline);
        self
    }

    /// Makes paid calls wait for room under a cap, where calls in flight hold it, instead of failing with
    /// `ErrorKind::CapReached`. Where waiting cannot help, they fail all the same. Limit it with
    /// [`with_deadline`](Self::with_deadline).
    ///
    /// A client with a store asks it again from time to time, because other processes share its cap.
    #[must_use]
    pub fn with_wait_at_cap(mut self) -> Self {
        std::sync::Arc::make_mut(&mut self.shared).waits_for_room = true;
        self
    }

    /// When a call that begins now must end.
    pub(super) fn until(&self) -> Option<Duration> {
        self.shared.deadline.map(|deadline| self.now().saturating_add(deadline))
    }

    /// Waits for a future until the deadline; `None` if it passes.
    pub(crate) async fn before<T>(
        &self,
        until: Option<Duration>,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let Some(until) = until else { return Some(future.await) };
        let timer = &self.shared.timer;
        let mut future = pin!(future);
        let mut deadline = CatchPanic::new(timer.sleep(until.saturating_sub(timer.now())));
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Pin::new(&mut deadline).poll(context).map(|_| None),
        })
        .await
    }

    /// Sets credits aside for a request, and sends it; or ends the call with the error of a refusal.
    pub(super) async fn begin<M: ApiMethod>(
        &self,
        prepared: Prepared<M>,
        until: Option<Duration>,
        refused: impl FnOnce(CapReached) -> Error,
    ) -> Step<M> {
        let waited = if self.shared.waits_for_room && self.shared.api.can_cost::<M>() {
            let ledger = self.ledger();
            let room = poll_fn(|context| ledger.poll_reserve(M::NAME, context.waker()));
            self.before(until, room).await
        } else {
            None
        };
        match waited.map_or_else(|| prepared.reserve(), |room| room.map(Some)) {
            // The wait may have ended at the deadline, and there may be room just then.
            Ok(reservation) if self.is_over(until) => {
                if let Some(reservation) = reservation {
                    reservation.settle(Credits::NotCharged);
                }
                Step::Done(Err(too_late::<M>()))
            }
            Ok(reservation) => prepared.send(reservation),
            Err(cap) => Step::Done(Err(refused(cap))),
        }
    }

    /// Whether a deadline has passed.
    pub(super) fn is_over(&self, until: Option<Duration>) -> bool {
        until.is_some_and(|until| self.now() >= until)
    }
}

/// The error of a call whose deadline passed before it was sent, as while it waited for the store or the balance.
pub(crate) fn too_late<M: ApiMethod>() -> Error {
    let error = TransportError::never_sent("the deadline of the call passed before it was sent")
        .with_kind(TransportErrorKind::Timeout)
        .with_trusted_text();
    Error::new(M::NAME, ErrorKind::Transport(error), Credits::NotCharged, 0)
}

/// The outcome of a request that was in flight at the deadline.
pub(super) fn passed() -> TransportError {
    TransportError::new("the deadline of the call passed")
        .with_kind(TransportErrorKind::Timeout)
        .with_trusted_text()
}
