//! The time and size limits of an attempt: the transport's, and those of one call.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

/// The maximum of every timeout: adding [`Duration::MAX`] to a clock would overflow.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The limits of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) attempt_timeout: Duration,
    pub(crate) first_byte_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) max_body_size: usize,
}

/// Overrides the transport's limits for the attempts of a call. Unset limits keep the transport's value.
///
/// ```
/// use std::time::Duration;
/// use tgscan_core::ApiKey;
/// use tgscan_transport_hyper::AttemptLimits;
///
/// let client = tgscan_transport_hyper::client(ApiKey::live("0123456789abcdef")?)?;
/// // Applies to every call over this clone. The clones share their connections.
/// let impatient = client.clone().with_extension(AttemptLimits::new().attempt_timeout(Duration::from_secs(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without a `Client`, insert the limits into the extensions of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits apply only in the extensions of a request"]
pub struct AttemptLimits {
    attempt_timeout: Option<Duration>,
    first_byte_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    max_body_size: Option<usize>,
}

impl AttemptLimits {
    /// Creates limits that override nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Overrides [`HyperTransportBuilder::attempt_timeout`](crate::HyperTransportBuilder::attempt_timeout).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Overrides [`HyperTransportBuilder::first_byte_timeout`](crate::HyperTransportBuilder::first_byte_timeout).
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = Some(timeout);
        self
    }

    /// Overrides [`HyperTransportBuilder::read_timeout`](crate::HyperTransportBuilder::read_timeout).
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// Overrides [`HyperTransportBuilder::max_body_size`](crate::HyperTransportBuilder::max_body_size).
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = Some(bytes);
        self
    }
}

impl Limits {
    /// Returns these limits with the overrides of a call.
    pub(crate) fn overridden_by(mut self, call: &AttemptLimits) -> Self {
        self.attempt_timeout = call.attempt_timeout.unwrap_or(self.attempt_timeout);
        self.first_byte_timeout = call.first_byte_timeout.or(self.first_byte_timeout);
        self.read_timeout = call.read_timeout.or(self.read_timeout);
        self.max_body_size = call.max_body_size.unwrap_or(self.max_body_size);
        self
    }

    /// Returns the name of the first timeout that is zero.
    pub(crate) fn zero_timeout(&self) -> Option<&'static str> {
        [
            ("attempt_timeout", Some(self.attempt_timeout)),
            ("first_byte_timeout", self.first_byte_timeout),
            ("read_timeout", self.read_timeout),
        ]
        .into_iter()
        .find_map(|(setting, timeout)| (timeout == Some(Duration::ZERO)).then_some(setting))
    }
}

/// The limits of an attempt that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    began: Instant,
    limits: &'a Limits,
}

/// The part of the response that an attempt waits for.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// The head, since the start of the attempt.
    Head,
    /// The next chunk of the body, from now on.
    Chunk,
}

impl<'a> Running<'a> {
    pub(crate) fn begin(limits: &'a Limits) -> Self {
        Self { began: Instant::now(), limits }
    }

    pub(crate) fn max_body_size(&self) -> usize {
        self.limits.max_body_size
    }

    /// Returns the deadline of the whole attempt.
    fn end(&self) -> Instant {
        self.began + self.limits.attempt_timeout.min(MAX_TIMEOUT)
    }

    /// Returns the deadline of a stage.
    pub(crate) fn deadline(&self, stage: Stage) -> Instant {
        let end = self.end();
        let from = || if let Stage::Head = stage { self.began } else { Instant::now() };
        self.setting(stage).1.map_or(end, |limit| end.min(from() + limit.min(MAX_TIMEOUT)))
    }

    fn setting(&self, stage: Stage) -> (&'static str, Option<Duration>) {
        match stage {
            Stage::Head => ("first_byte_timeout", self.limits.first_byte_timeout),
            Stage::Chunk => ("read_timeout", self.limits.read_timeout),
        }
    }

    /// Describes a passed deadline, with the setting that it comes from.
    pub(crate) fn passed(&self, deadline: Instant, stage: Stage) -> String {
        let (setting, limit) = match self.setting(stage) {
            (setting, Some(limit)) if deadline < self.end() => (setting, limit),
            _ => ("attempt_timeout", self.limits.attempt_timeout),
        };
        format!("`{setting}` of {limit:?} passed")
    }
}

/// Returns the output of the future, or `None` if the deadline passes first. The timer then has that deadline.
///
/// After a runtime was blocked past the deadline, the future may depend on a task that has not run since. So other tasks get
/// one more turn before the deadline counts as passed.
///
/// Unlike tokio's `timeout_at`, all waits of an attempt share one timer, because they usually have one deadline, and the clock
/// is not read if the future is ready.
pub(crate) fn before<F: Future + Unpin>(
    deadline: impl FnOnce() -> Instant,
    mut timer: Pin<&mut Sleep>,
    mut future: F,
) -> impl Future<Output = Option<F::Output>> {
    let mut deadline = Some(deadline);
    let mut is_late = false;
    poll_fn(move |context| {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(context) {
            return Poll::Ready(Some(output));
        }
        if let Some(deadline) = deadline.take() {
            let deadline = deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
        }
        // A future that uses up the task's budget must not prevent polling the timer.
        ready!(pin!(unconstrained(timer.as_mut())).poll(context));
        if std::mem::replace(&mut is_late, true) {
            return Poll::Ready(None);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn earlier_deadline_applies_and_names_its_setting() {
        let second = Duration::from_secs(1);
        let limits = Limits {
            attempt_timeout: 4 * second,
            first_byte_timeout: Some(2 * second),
            read_timeout: Some(3 * second),
            max_body_size: 1,
        };
        let passed = |running: &Running<'_>, stage| running.passed(running.deadline(stage), stage);
        let running = Running::begin(&limits);
        assert_eq!(passed(&running, Stage::Head), "`first_byte_timeout` of 2s passed");
        assert_eq!(passed(&running, Stage::Chunk), "`read_timeout` of 3s passed");
        tokio::time::advance(2 * second).await;
        assert_eq!(passed(&running, Stage::Chunk), "`attempt_timeout` of 4s passed", "since the start");
        let call = AttemptLimits::new().attempt_timeout(second).first_byte_timeout(5 * second);
        let limits = limits.overridden_by(&call);
        let running = Running::begin(&limits);
        assert_eq!(passed(&running, Stage::Head), "`attempt_timeout` of 1s passed");
    }
}
