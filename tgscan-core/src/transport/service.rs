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
/// # use std::future::{Ready, ready};
/// # use std::task::{Context, Poll};
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use tgscan_core::{Api, ApiKey, Client, TransportError, transport::ServiceTransport};
///
/// /// Usually built with `tower::ServiceBuilder`.
/// #[derive(Clone)]
/// struct Offline;
///
/// impl tower_service::Service<Request<Bytes>> for Offline {
///     type Response = Response<Bytes>;
///     type Error = TransportError;
///     type Future = Ready<Result<Response<Bytes>, TransportError>>;
///
///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
///         Poll::Ready(Ok(()))
///     }
///
///     fn call(&mut self, _: Request<Bytes>) -> Self::Future {
///         ready(Err(TransportError::never_sent("there is no network here")))
///     }
/// }
///
/// # struct MyTimer;
/// # #[tgscan_core::async_trait]
/// # impl tgscan_core::Timer for MyTimer {
/// #     fn now(&self) -> std::time::Duration { std::time::Duration::ZERO }
/// #     async fn sleep(&self, _: std::time::Duration) {}
/// # }
/// let api = Api::new(ApiKey::live("0123456789abcdef")?);
/// let client = Client::new(api, ServiceTransport::new(Offline), MyTimer);
/// let error = futures_executor::block_on(client.balance()).unwrap_err();
/// assert!(error.to_string().contains("there is no network here"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
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
