//! A transport with tower's layers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{
    Transport, TransportError,
    transport::{ServiceTransport, TransportErrorKind as Kind},
};
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, service_fn};

/// A short name for a tower service that sends HTTP requests.
pub type HttpService = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, TransportError>;

/// Limits a transport to a number of concurrent requests and to a time for each.
///
/// Calls above the concurrency limit wait; that wait is not part of the time limit.
///
/// The transport's own time limit must be shorter. Tower's layer drops the request at its limit, and with it a partial
/// response that the transport would have kept, so it only guards against a transport that hangs.
pub fn layered(
    transport: impl Transport + 'static,
    max_concurrent: usize,
    last_limit: Duration,
) -> ServiceTransport<HttpService> {
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let base = service_fn(move |request| {
        let transport = Arc::clone(&transport);
        async move { transport.send(request).await }
    });
    let service = ServiceBuilder::new()
        .map_err(transport_error)
        .concurrency_limit(max_concurrent)
        .timeout(last_limit)
        .service(base);
    ServiceTransport::new(BoxCloneSyncService::new(service))
}

/// Finds the transport's error, with its delivery, in the error of tower's layers.
fn transport_error(error: BoxError) -> TransportError {
    match error.downcast::<TransportError>() {
        Ok(error) => *error,
        // It is not known whether the request left, so it may have.
        Err(error) if error.is::<Elapsed>() => TransportError::new(error).with_kind(Kind::Timeout),
        Err(error) => TransportError::new(error),
    }
}
