//! A tower service as a transport.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::{Transport, TransportError};

/// A tower service (with its layers: timeouts, limits, tracing) as a [`Transport`].
///
/// The service's own error must be a [`TransportError`]; map foreign errors at the layer that makes them, since only
/// it knows what they say about delivery. Each call works on a clone of the service, as tower means it to.
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
}

impl<S> ServiceTransport<S> {
    /// Wraps a service.
    pub fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S> fmt::Debug for ServiceTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S> Transport for ServiceTransport<S>
where
    S: Service<Request<Bytes>, Response = Response<Bytes>, Error = TransportError> + Clone + Send + Sync,
    S::Future: Send,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut service = self.service.clone();
        std::future::poll_fn(|context| service.poll_ready(context)).await?;
        service.call(request).await
    }
}
