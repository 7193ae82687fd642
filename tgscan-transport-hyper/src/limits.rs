//! The time and size limits of an attempt: the transport's, and those of one call.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

/// The maximum of every timeout: adding [`Duration::MAX`] to a clock would overflow.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

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

    /// Returns these limits, and those of the transport where they are unset.
    pub(crate) fn or(self, transport: &Self) -> Self {
        Self {
            attempt_timeout: self.attempt_timeout.or(transport.attempt_timeout),
            read_timeout: self.read_timeout.or(transport.read_timeout),
            max_body_size: self.max_body_size.or(transport.max_body_size),
        }
    }

    /// Returns the name of the first limit that is zero.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        let is_zero = |timeout| timeout == Some(Duration::ZERO);
        [
            ("attempt_timeout", is_zero(self.attempt_timeout)),
            ("read_timeout", is_zero(self.read_timeout)),
            ("max_body_size", self.max_body_size == Some(0)),
        ]
        .into_iter()
        .find_map(|(limit, is_zero)| is_zero.then_some(limit))
    }

    /// Returns whether the limit of a pause exceeds that of the whole attempt.
    pub(crate) fn is_read_timeout_too_long(&self) -> bool {
        self.read_timeout.is_some_and(|timeout| timeout > self.attempt())
    }

    fn attempt(&self) -> Duration {
        self.attempt_timeout.unwrap_or(Duration::from_secs(30))
    }

    pub(crate) fn body_size(&self) -> usize {
        self.max_body_size.unwrap_or(64 << 20)
    }
}

/// The limits of an attempt that has begun.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    limits: &'a AttemptLimits,
    end: Instant,
}

impl<'a> Running<'a> {
    pub(crate) fn begin(limits: &'a AttemptLimits) -> Self {
        Self { limits, end: Instant::now() + limits.attempt().min(MAX_TIMEOUT) }
    }

    /// Returns the deadline of the whole attempt.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    pub(crate) fn body_size(&self) -> usize {
        self.limits.body_size()
    }

    /// Returns the deadline of the next chunk of the body.
    pub(crate) fn chunk_deadline(&self) -> Instant {
        let pause = self.limits.read_timeout;
        pause.map_or(self.end, |pause| self.end.min(Instant::now() + pause.min(MAX_TIMEOUT)))
    }

    /// Describes a passed deadline, with the setting that it comes from.
    pub(crate) fn passed(&self, deadline: Instant) -> String {
        match self.limits.read_timeout {
            Some(pause) if deadline < self.end => format!("`read_timeout` of {pause:?} passed"),
            _ => format!("`attempt_timeout` of {:?} passed", self.limits.attempt()),
        }
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
        let limits = AttemptLimits::new().attempt_timeout(4 * second).read_timeout(3 * second);
        let passed = |running: &Running<'_>| running.passed(running.chunk_deadline());
        let running = Running::begin(&limits);
        assert_eq!(running.passed(running.end()), "`attempt_timeout` of 4s passed");
        assert_eq!(passed(&running), "`read_timeout` of 3s passed");
        tokio::time::advance(2 * second).await;
        assert_eq!(passed(&running), "`attempt_timeout` of 4s passed", "since the start");
        let limits = AttemptLimits::new().attempt_timeout(second).or(&limits);
        assert_eq!(passed(&Running::begin(&limits)), "`attempt_timeout` of 1s passed");
    }
}
