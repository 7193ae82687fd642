//! Limits of backoffs and attempts.

use std::time::Duration;

/// Limits of backoffs and of the number of attempts. [Credits](crate::_credits) lists the rules, which only
/// [`resend_uncertain`](Self::resend_uncertain) changes.
///
/// ```
/// use std::time::Duration;
/// use tgscan_core::RetryPolicy;
///
/// let mut patient = RetryPolicy::default();
/// patient.max_elapsed = Duration::from_secs(300);
/// assert_eq!(RetryPolicy::none().max_attempts, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Maximum number of attempts; 0 means 1. Default: 4.
    pub max_attempts: u32,
    /// Upper bound of the first backoff. The bound doubles with each further backoff. Default: 250 ms.
    pub base_backoff: Duration,
    /// Maximum duration of one backoff. A longer `Retry-After` ends the call. Default: 30 s.
    pub max_backoff: Duration,
    /// Maximum time from the start of the call to the start of its last attempt. Default: 60 s.
    pub max_elapsed: Duration,
    /// Seed of the jitter. Use a different seed in each process, so that processes do not retry simultaneously.
    /// Default: 0.
    pub seed: u64,
    /// Whether to send a call that costs credits again even if the earlier attempt may have been processed. Default: `false`.
    ///
    /// **This can pay twice for one answer**, and cannot be made safe, because the service has no idempotency key. Each
    /// uncertain attempt keeps a separate reserve in the book.
    pub resend_uncertain: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(30),
            max_elapsed: Duration::from_secs(60),
            seed: 0,
            resend_uncertain: false,
        }
    }
}

impl RetryPolicy {
    /// Returns a policy that never retries.
    pub fn none() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }
}
