//! Repeats operations after a failed transaction.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::batch::has_token;
use super::{Job, Writer};
use crate::panics::CatchPanic;
use crate::store::StoreError;

/// The pauses before a failed transaction is repeated, in milliseconds.
const PAUSES: [u64; 6] = [50, 100, 300, 1000, 3000, 10_000];
/// The number of failures, without other callers, after which an operation is dropped: after about an hour.
const MAX_FAILURES: usize = 360;

impl Writer {
    /// Reports a failed transaction to the callers, and queues the operations again that must not be lost.
    pub(super) async fn keep_unwritten(self: &Arc<Self>, batch: Vec<Job>, error: &StoreError) {
        let (mut failures, mut first) = (0, Vec::new());
        let has_callers = self.lock().has_callers();
        for mut job in batch {
            // An earlier failure may have been in doubt.
            job.runs_alone = !has_token(&job.operation);
            let must_be_written = job.sender.is_none() || job.operation.must_be_written(error.is_in_doubt());
            if let Some(sender) = job.sender.take() {
                job.counted.take_if(|_| !must_be_written);
                sender.send(Err(error.clone()));
            } else {
                failures = failures.max(job.failures + usize::from(!has_callers));
            }
            let mut queue = self.lock();
            if job.failures > MAX_FAILURES {
                queue.lost += 1;
            } else if must_be_written && has_token(&job.operation) {
                first.push(job);
            } else if must_be_written {
                queue.waiting.push_back(job);
            }
        }
        // Before others, which would displace their tokens.
        first.into_iter().rev().for_each(|job| self.lock().waiting.push_front(job));
        let pause = if has_callers { PAUSES[0] } else { PAUSES[failures.min(PAUSES.len() - 1)] };
        let mut pause = CatchPanic::new(|| self.store.pause(Duration::from_millis(pause)));
        let mut has_yielded = false;
        // A new caller ends the pause.
        let is_over = poll_fn(|context| {
            let mut queue = self.lock();
            if !has_callers && queue.has_callers() {
                return Poll::Ready(false);
            }
            let former = queue.paused.replace(context.waker().clone());
            drop(queue);
            drop(former);
            let paused = Pin::new(&mut pause).poll(context);
            // After a panic of the store, other tasks run before the operations are repeated.
            if paused == Poll::Ready(None) && !std::mem::replace(&mut has_yielded, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            paused.map(|paused| paused.is_some())
        })
        .await;
        let mut queue = self.lock();
        let former = queue.paused.take();
        if is_over && !has_callers {
            // Counts whole pauses, so that callers who come and fail do not shorten the time until an operation is dropped.
            let alone = queue.waiting.iter_mut().filter(|job| job.sender.is_none());
            alone.for_each(|job| job.failures += 1);
        }
        drop(queue);
        drop(former);
    }
}
