//! Time for the asynchronous client.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

/// The clock for backoffs: the runtime's own, or a virtual one in tests.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns the time since a fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Returns after this long.
    async fn sleep(&self, duration: Duration);

    /// Returns the time of day, where it is known: a `Retry-After` that is a date is compared with it, if its response
    /// has no `Date` of its own.
    fn date(&self) -> Option<SystemTime> {
        None
    }
}

#[async_trait]
impl<T: Timer + ?Sized> Timer for Arc<T> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    async fn sleep(&self, duration: Duration) {
        (**self).sleep(duration).await;
    }

    fn date(&self) -> Option<SystemTime> {
        (**self).date()
    }
}
