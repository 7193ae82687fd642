//! The trait of transports.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::TransportError;

/// Sends one HTTP request to the service and returns the whole response.
///
/// A transport must:
/// - send each request once and unchanged, without retries and redirects. It may only set `host` and the length of the
///   body, as HTTP clients do;
/// - return every complete response as `Ok`, including 4xx and 5xx;
/// - limit the time of a request and the size of a response body; a timeout must be on by default;
/// - report the correct [`Delivery`](super::Delivery) in its error; if in doubt, "maybe sent", as
///   [`TransportError::new`] does;
/// - keep the received part of a response that broke off ([`TransportError::response_started`]);
/// - not begin to write a request whose [`SendBy`](super::SendBy) has passed;
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
    /// If no complete response was received. The error states the [`Delivery`](super::Delivery).
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
