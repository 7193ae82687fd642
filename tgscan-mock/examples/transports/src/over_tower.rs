//! A transport with tower's layers around it.

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

/// A tower service with a name short enough for a struct's field.
pub type HttpService = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, TransportError>;

/// Any transport, with at most so many requests at once and a last time limit for each.
///
/// Calls beyond the limit of concurrency wait for their turn, and that wait is not part of the time limit.
///
/// The transport's own time limit must be the shorter one. Tower's layer drops the request when its time has passed,
/// and with it the beginning of an answer that the transport would have kept; so it is for a transport that hangs.
pub fn layered(
    transport: impl Transport + 'static,
    max_at_once: usize,
    last_limit: Duration,
) -> ServiceTransport<HttpService> {
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let base = service_fn(move |request| {
        let transport = Arc::clone(&transport);
        async move { transport.send(request).await }
    });
    let service = ServiceBuilder::new()
        .map_err(transport_error)
        .concurrency_limit(max_at_once)
        .timeout(last_limit)
        .service(base);
    ServiceTransport::new(BoxCloneSyncService::new(service))
}

/// Tower's layers change the error's type, so what the transport said about delivery must be found again.
fn transport_error(error: BoxError) -> TransportError {
    match error.downcast::<TransportError>() {
        Ok(error) => *error,
        // Whether the request left is not known here, so it perhaps did.
        Err(error) if error.is::<Elapsed>() => TransportError::new(error).with_kind(Kind::Timeout),
        Err(error) => TransportError::new(error),
    }
}
