//! Reports calls to transports and observers.

use std::time::Duration;

use crate::account::BudgetUse;
use crate::{Credits, Error, Storage};

/// The attempt that a request belongs to. [`Api::with_attempt_extension`](crate::Api::with_attempt_extension) adds it
/// to the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The API method.
    pub method: &'static str,
    /// The number of the attempt, counted from 1.
    pub number: u32,
}

/// A finished or dropped call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallSummary<'a> {
    /// The API method.
    pub method: &'static str,
    /// The number of requests passed to the transport.
    pub attempts: u32,
    /// The time from the start to the end of the call, including backoffs.
    pub duration: Duration,
    /// The cost of the call, as in [`Reply::credits`](crate::Reply) and [`Error::credits`].
    pub credits: Credits,
    /// How the client's store was involved; see [`Reply::storage`](crate::Reply::storage).
    pub storage: Option<&'a Storage>,
    /// The error of a failed call.
    pub error: Option<&'a Error>,
}

impl CallSummary<'_> {
    /// Returns whether the answer came from the store and cost nothing.
    pub fn is_from_store(&self) -> bool {
        matches!(self.storage, Some(Storage::Cached { .. }))
    }
}

/// A finished attempt of a call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptSummary<'a> {
    /// The API method.
    pub method: &'static str,
    /// The number of the attempt, counted from 1.
    pub number: u32,
    /// The time from the request to its outcome.
    pub duration: Duration,
    /// The known cost of the call so far.
    pub credits: Credits,
    /// The error of a failed attempt.
    pub error: Option<&'a Error>,
    /// The wait before the next attempt; `None` for the last attempt.
    pub backoff: Option<Duration>,
}

/// Observes calls, for example to record metrics. Only [`call_finished`](Self::call_finished) is required.
///
/// Methods run within the call, so they should be quick. Their panics are caught. Their arguments never print the key,
/// the query or the answer.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tgscan_core::call::{CallSummary, Observer};
///
/// #[derive(Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn call_finished(&self, call: &CallSummary<'_>) {
///         // For example `metrics::counter!("tgscan_calls", "method" => call.method)`.
///         self.0.fetch_add(u64::from(call.error.is_some()), Ordering::Relaxed);
///     }
/// }
/// // client.with_observer(Failures::default())
/// ```
pub trait Observer: Send + Sync {
    /// Called once for each finished call, whether it succeeded or failed.
    fn call_finished(&self, call: &CallSummary<'_>);

    /// Called after each attempt, including the last.
    fn attempt_finished(&self, _attempt: &AttemptSummary<'_>) {}

    /// Called when the end of a call raises the use of a budget or the cap to 80% of its limit, and when it leaves no
    /// room for another such call. Only the client that made the call reports this. Each is reported once, and again
    /// only if resolved calls made room in the meantime.
    fn budget_used(&self, _usage: &BudgetUse) {}

    /// Called when the future of a call is dropped before the call has finished, for example after a disconnect. A paid
    /// call in flight is then uncertain. The summary has no `error`.
    fn call_dropped(&self, _call: &CallSummary<'_>) {}
}
