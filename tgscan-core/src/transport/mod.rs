//! Sends requests to the service: the trait, its error, and adapters.

pub(crate) mod adapters;
pub(crate) mod error;
pub(crate) mod send;
#[cfg(feature = "tower")]
mod service;

use std::fmt;
use std::sync::Arc;

use http::Request;

pub use crate::base_url::is_loopback_host;
pub use adapters::FnTransport;
pub(crate) use error::TransportError;
pub use error::{Delivery, TransportErrorKind};
pub(crate) use send::Transport;
#[cfg(feature = "tower")]
pub use service::ServiceTransport;

/// The latest time at which a transport may begin to write a request. [`Client`](crate::Client) and
/// [`blocking`](crate::blocking) add it to the extensions of requests with a claim in a store.
///
/// Check this directly before writing, for example after waiting for a connection. If the limit
/// [has passed](Self::has_passed), do not write the request, and return [`TransportError::never_sent`]. The claim may
/// have expired, for example while the process was suspended, so another process may have sent and paid for the same
/// question.
#[derive(Clone)]
pub struct SendBy(Arc<dyn Fn() -> bool + Send + Sync>);

impl SendBy {
    /// Creates a limit that has passed once `has_passed` returns `true`, for tests of a transport.
    pub fn new(has_passed: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(has_passed))
    }

    /// Checks that the limit of a request, if it has one, has not passed. Call this before writing the request.
    ///
    /// # Errors
    /// If the limit has passed: a timeout, never sent.
    pub fn check<B>(request: &Request<B>) -> Result<(), TransportError> {
        match request.extensions().get::<Self>() {
            Some(send_by) if send_by.has_passed() => Err(TransportError::never_sent(
                "the confirmation of the claim expired before the request was written",
            )
            .with_kind(TransportErrorKind::Timeout)
            .with_trusted_text()),
            _ => Ok(()),
        }
    }

    /// Returns whether the limit has passed.
    pub fn has_passed(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for SendBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendBy").finish_non_exhaustive()
    }
}
