//! Time for the asynchronous client.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// The clock for backoffs and deadlines: the runtime's, or a virtual one in tests.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns the time since a fixed moment. Never decreases.
    fn now(&self) -> Duration;

    /// Waits for this duration.
    async fn sleep(&self, duration: Duration);

    /// Returns the current date, if it is known. Needed for periodic budgets in a ledger, and for a `Retry-After` date
    /// in a response without a `Date`. Default: `None`.
    fn date(&self) -> Option<SystemTime> {
        None
    }
}
