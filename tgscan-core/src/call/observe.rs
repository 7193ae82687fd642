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

    /// Called when the end of a call raises the use of a budget or the cap to 80 % of its limit, and when it leaves no
    /// room for another such call. Only the client that made the call reports this. Each is reported once, and again
    /// only if resolved calls made room in the meantime.
    fn budget_used(&self, _usage: &BudgetUse) {}

    /// Called when the future of a call is dropped before the call has finished, for example after a disconnect. A paid
    /// call in flight is then uncertain. The summary has no `error`.
    fn call_dropped(&self, _call: &CallSummary<'_>) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Request, Response};

    use super::*;
    use crate::types::Search;
    use crate::{Api, ApiKey, Client, TransportError, transport_fn};

    struct Stopped;

    #[crate::async_trait]
    impl crate::Timer for Stopped {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        async fn sleep(&self, _: Duration) {}
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Observer for Log {
        fn call_finished(&self, call: &CallSummary<'_>) {
            let error = call.error.map(ToString::to_string);
            let line = format!("{} {} {} {error:?}", call.method, call.attempts, call.credits);
            self.0.lock().unwrap().push(line);
        }
    }

    fn observed(answer: Result<&'static str, &'static str>) -> String {
        let transport = transport_fn(move |request: Request<Bytes>| async move {
            let attempt = request.extensions().get::<Attempt>();
            assert_eq!(attempt, Some(&Attempt { method: "search", number: 1 }));
            answer.map(|body| Response::new(Bytes::from_static(body.as_bytes()))).map_err(TransportError::new)
        });
        let log = Log::default();
        let client =
            Client::new(Api::new(ApiKey::live("k3y").unwrap()).with_attempt_extension(), transport, Stopped)
                .with_observer(log.clone());
        let _ = futures_executor::block_on(client.send(Search { query: "private_name".parse().unwrap() }));
        let lines = log.0.lock().unwrap();
        assert_eq!(lines.len(), 1);
        assert!(!lines[0].contains("private_name") && !lines[0].contains("k3y"));
        lines[0].clone()
    }

    #[test]
    fn reports_each_call_once_with_its_cost() {
        let answer = r#"{"status":"ok","result":{"user":{"id":1},"meta":{"known_num_groups":0,"num_groups":0,"op_cost":2}}}"#;
        assert_eq!(observed(Ok(answer)), "search 1 2 credits charged None");
        let failed = observed(Err("the connection with private_name broke"));
        assert!(failed.starts_with("search 1 credits uncertain Some("), "{failed}");
        let refused = observed(Ok(r#"{"status":"error","result":{"message":"no"}}"#));
        assert!(refused.starts_with("search 1 credits uncertain Some("), "{refused}");
    }
}
