//! How long an attempt may take and how large its answer may be: for all attempts, and for those of one call.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

/// Longer times count as this one: adding [`Duration::MAX`] to a clock would overflow it.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What holds for each attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) attempt_timeout: Duration,
    pub(crate) first_byte_timeout: Option<Duration>,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) max_body_size: usize,
}

/// Limits of each attempt of a call, which override the transport's. Limits that are not set stay the transport's.
///
/// ```
/// use std::time::Duration;
/// use tgscan_core::ApiKey;
/// use tgscan_transport_hyper::AttemptLimits;
///
/// let client = tgscan_transport_hyper::client(ApiKey::live("0123456789abcdef")?)?;
/// // Every call over this clone; the connections are still shared.
/// let hasty = client.clone().with_extension(AttemptLimits::new().attempt_timeout(Duration::from_secs(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whoever builds requests without a `Client` puts it into the request's extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits do nothing until they are in a request's extensions"]
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

    /// See [`HyperTransportBuilder::attempt_timeout`](crate::HyperTransportBuilder::attempt_timeout).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// See [`HyperTransportBuilder::first_byte_timeout`](crate::HyperTransportBuilder::first_byte_timeout).
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = Some(timeout);
        self
    }

    /// See [`HyperTransportBuilder::read_timeout`](crate::HyperTransportBuilder::read_timeout).
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// See [`HyperTransportBuilder::max_body_size`](crate::HyperTransportBuilder::max_body_size).
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = Some(bytes);
        self
    }
}

impl Limits {
    /// These limits where the call has none of its own.
    pub(crate) fn of_call(mut self, call: &AttemptLimits) -> Self {
        self.attempt_timeout = call.attempt_timeout.unwrap_or(self.attempt_timeout);
        self.first_byte_timeout = call.first_byte_timeout.or(self.first_byte_timeout);
        self.read_timeout = call.read_timeout.or(self.read_timeout);
        self.max_body_size = call.max_body_size.unwrap_or(self.max_body_size);
        self
    }

    /// The first setting that is zero, so that every call would fail.
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

/// What an attempt waits for.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// The head of the response, from the beginning on.
    Head,
    /// The next piece of the body, from now on.
    Piece,
}

impl<'a> Running<'a> {
    pub(crate) fn begin(limits: &'a Limits) -> Self {
        Self { began: Instant::now(), limits }
    }

    pub(crate) fn max_body_size(&self) -> usize {
        self.limits.max_body_size
    }

    /// Until when the attempt must have ended.
    fn end(&self) -> Instant {
        self.began + self.limits.attempt_timeout.min(LONGEST)
    }

    /// Until when it must be there.
    pub(crate) fn deadline(&self, stage: Stage) -> Instant {
        let end = self.end();
        let from = || if let Stage::Head = stage { self.began } else { Instant::now() };
        self.setting(stage).1.map_or(end, |limit| end.min(from() + limit.min(LONGEST)))
    }

    fn setting(&self, stage: Stage) -> (&'static str, Option<Duration>) {
        match stage {
            Stage::Head => ("first_byte_timeout", self.limits.first_byte_timeout),
            Stage::Piece => ("read_timeout", self.limits.read_timeout),
        }
    }

    /// That this deadline has passed, and the setting that it comes from.
    pub(crate) fn passed(&self, deadline: Instant, stage: Stage) -> String {
        let (setting, limit) = match self.setting(stage) {
            (setting, Some(limit)) if deadline < self.end() => (setting, limit),
            _ => ("attempt_timeout", self.limits.attempt_timeout),
        };
        format!("`{setting}` of {limit:?} passed")
    }
}

/// What the future brings, or `None` if it is not there by the deadline, which is then the timer's.
///
/// In a runtime that was blocked past the deadline, the future may wait for a task that has not run since. So the others
/// get one more turn before the deadline is taken for passed.
///
/// As tokio's `timeout_at`, with a timer that all waiting of an attempt shares, because mostly all of it has one deadline;
/// and without a look at the clock where there is nothing to wait for.
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
        // A future that uses up what tokio allows a task at a time must not keep the timer from being looked at.
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
    async fn the_earlier_deadline_holds_and_names_its_setting() {
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
        assert_eq!(passed(&running, Stage::Piece), "`read_timeout` of 3s passed");
        tokio::time::advance(2 * second).await;
        assert_eq!(passed(&running, Stage::Piece), "`attempt_timeout` of 4s passed", "from the call on");
        let call = AttemptLimits::new().attempt_timeout(second).first_byte_timeout(5 * second);
        let limits = limits.of_call(&call);
        let running = Running::begin(&limits);
        assert_eq!(passed(&running, Stage::Head), "`attempt_timeout` of 1s passed");
    }
}
