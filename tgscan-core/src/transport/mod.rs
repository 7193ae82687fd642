//! What carries requests to the service: the trait, its error, and adapters.

mod adapters;
mod error;
#[cfg(feature = "tower")]
mod service;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

pub use crate::base_url::is_loopback_host;
pub use adapters::{FnTransport, transport_fn};
pub use error::{Delivery, TransportError, TransportErrorKind};
#[cfg(feature = "tower")]
pub use service::ServiceTransport;

/// Sends one HTTP request to the service and returns the whole response.
///
/// A transport must:
/// - send each request exactly as it is, once: no retry, no replay, no redirect followed, no change of the body. Only `host`
///   and the length of the body are its own to state, as HTTP clients do;
/// - return every complete response as `Ok`, whatever its status: 4xx and 5xx are answers;
/// - bound its time and the size of the body, with a timeout that is on by default;
/// - say truthfully in its error what is known about [`Delivery`]; if in doubt "maybe sent", the default of
///   [`TransportError::new`];
/// - keep what it received of a response that broke off ([`TransportError::response_started`]);
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
    /// If no complete response came back, with what is known about delivery.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;

    /// Called when a response turned out to answer another request: some server or gateway between sent a late second
    /// answer, and whatever else waits on its connections may be somebody else's too.
    ///
    /// A transport that reuses connections must not use those that are open now, idle or in use, for new requests.
    /// Requests that are in flight go on. Does nothing by default, which is right for a transport without connections.
    /// A transport that wraps another one must forward it.
    fn discard_connections(&self) {}
}
