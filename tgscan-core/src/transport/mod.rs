//! Sends requests to the service: the trait, its error, and adapters.

pub(crate) mod adapters;
pub(crate) mod error;
#[cfg(feature = "tower")]
mod service;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use crate::base_url::is_loopback_host;
pub(crate) use error::TransportError;
pub use error::{Delivery, TransportErrorKind};
#[cfg(feature = "tower")]
pub use service::ServiceTransport;

/// Sends one HTTP request to the service and returns the whole response.
///
/// A transport must:
/// - send each request once and unchanged, without retries and redirects. It may only set `host` and the length of the
///   body, as HTTP clients do;
/// - return every complete response as `Ok`, including 4xx and 5xx;
/// - limit the time of a request and the size of a response body; a timeout must be on by default;
/// - report the correct [`Delivery`] in its error; if in doubt, "maybe sent", as
///   [`TransportError::new`] does;
/// - keep the received part of a response that broke off ([`TransportError::response_started`]);
/// - not begin to write a request whose [`SendBy`] has passed;
/// - stop, and free the connection, when the future is dropped;
/// - show neither the `api-key` header nor the body in `Debug`, in errors or in logs.
///
/// `tgscan-mock` has a conformance suite that checks a transport against these rules.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use tgscan_core::{Transport, TransportError, async_trait};
///
/// struct Offline;
///
/// #[async_trait]
/// impl Transport for Offline {
///     async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
///         Err(TransportError::never_sent("there is no network here"))
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the request and returns the response with its whole body.
    ///
    /// # Errors
    /// If no complete response was received. The error states the [`Delivery`].
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;

    /// Discards all open connections. [`Client`](crate::Client) calls this after a response that answered a different
    /// request: a server or gateway sent a response late or twice, and later responses on its connections may be
    /// mismatched too.
    ///
    /// A transport that reuses connections must not send new requests on connections that are open now, whether idle or
    /// in use. Requests in flight continue. A transport that wraps another must forward the call. The default does
    /// nothing, which suits transports that reuse no connections.
    fn discard_connections(&self) {}
}

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
