//! A tower service as a transport.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::{SendBy, Transport, TransportError};

/// A tower service, including its layers, as a [`Transport`].
///
/// The service's error must be a [`TransportError`]. Map foreign errors at their layer, where the delivery is known. Each call
/// clones the service, as usual in tower.
///
/// ```
/// # use bytes::Bytes;
/// # use http::{Request, Response};
/// use tgscan_core::{Api, Client, Timer, TransportError, transport::ServiceTransport};
///
/// /// `service` is usually built with `tower::ServiceBuilder`.
/// fn client<S>(api: Api, service: S, timer: impl Timer + 'static) -> Client
/// where
///     S: tower_service::Service<Request<Bytes>, Response = Response<Bytes>, Error = TransportError>
///         + Clone + Send + Sync + 'static,
///     S::Future: Send,
/// {
///     Client::new(api, ServiceTransport::new(service), timer)
/// }
/// ```
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
        SendBy::check(&request)?;
        service.call(request).await
    }
}
