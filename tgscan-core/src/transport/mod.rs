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

/// The time limit for writing a request, in the extensions of requests with a claim in a store. A transport must not begin to
/// write a request whose limit [has passed](Self::has_passed), for example after waiting for a connection. It returns
/// [`TransportError::never_sent`] instead.
///
/// If the process is suspended, the claim may expire, and another process may send and pay for the same question.
#[derive(Clone)]
pub struct SendBy(Arc<dyn Fn() -> bool + Send + Sync>);

impl SendBy {
    /// Creates a limit that has passed once `has_passed` returns `true`. For tests of a transport;
    /// [`Client`](crate::Client) creates the limits of its requests.
    pub fn new(has_passed: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(has_passed))
    }

    /// Checks a request before it is written.
    ///
    /// # Errors
    /// If its `SendBy` has passed: "never sent".
    pub fn check<B>(request: &Request<B>) -> Result<(), TransportError> {
        match request.extensions().get::<Self>() {
            Some(send_by) if send_by.has_passed() => {
                Err(TransportError::never_sent("the request waited longer than its claim is confirmed")
                    .with_kind(TransportErrorKind::Timeout)
                    .with_trusted_text())
            }
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
