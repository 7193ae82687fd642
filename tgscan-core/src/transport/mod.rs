//! Sends requests to the service: the trait, its error, and adapters.

mod adapters;
mod error;
#[cfg(feature = "tower")]
mod service;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use crate::base_url::is_loopback_host;
pub use adapters::{FnTransport, transport_fn};
pub use error::{Delivery, TransportError, TransportErrorKind};
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

/// Sends one HTTP request to the service and returns the whole response.
///
/// A transport must:
/// - send each request once and unchanged: no retries, no redirects. It may set only `host` and the length of the body, as
///   HTTP clients do;
/// - return every complete response as `Ok`, including 4xx and 5xx;
/// - limit its time and the size of the body, with a timeout by default;
/// - report the correct [`Delivery`] in its error; if in doubt "maybe sent", the default of [`TransportError::new`];
/// - keep the received part of a response that broke off ([`TransportError::response_started`]);
/// - not begin to write a request whose [`SendBy`] has passed;
/// - stop and free its connection when the future is dropped;
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

    /// Discards all open connections. Called after a response that answered a different request: a server or gateway sent a
    /// late second answer, and further responses on its connections may be mismatched too.
    ///
    /// A transport that reuses connections must not send new requests on those that are open now, idle or in use.
    /// Requests in flight continue. A transport that wraps another must forward the call. The default does nothing, for
    /// transports without connections.
    fn discard_connections(&self) {}
}
