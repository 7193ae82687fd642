//! Closures and `Arc` as transports.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use super::{Transport, TransportError};

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        (**self).send(request).await
    }

    fn discard_connections(&self) {
        (**self).discard_connections();
    }
}

/// Turns a closure into a transport.
///
/// A function, because an `impl` for closures would overlap with the `impl` for `Arc`.
///
/// ```
/// use bytes::Bytes;
/// use tgscan_core::{Transport, transport_fn};
///
/// let canned = transport_fn(|_request| async {
///     Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
/// });
/// let shared: std::sync::Arc<dyn Transport> = std::sync::Arc::new(canned);
/// ```
pub fn transport_fn<F, Answer>(send: F) -> impl Transport + fmt::Debug
where
    F: Fn(Request<Bytes>) -> Answer + Send + Sync,
    Answer: Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'static,
{
    FnTransport { send }
}

struct FnTransport<F> {
    send: F,
}

impl<F> fmt::Debug for FnTransport<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnTransport").finish_non_exhaustive()
    }
}

impl<F, Answer> Transport for FnTransport<F>
where
    F: Fn(Request<Bytes>) -> Answer + Send + Sync,
    Answer: Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'static,
{
    // Written out as `async_trait` expands it, to avoid a second future and a move of the request.
    fn send<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin((self.send)(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Transport for Counting {
        async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
            Err(TransportError::never_sent("there is no network here"))
        }

        fn discard_connections(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn arc_forwards_discard_connections() {
        let counting = Arc::new(Counting::default());
        // With the wrapper's own method, not that of the wrapped transport.
        Transport::discard_connections(&Arc::clone(&counting));
        assert_eq!(counting.0.load(Ordering::Relaxed), 1);
    }
}
