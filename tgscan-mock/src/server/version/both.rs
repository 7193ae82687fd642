//! HTTP/1.1 and HTTP/2, detected from the client's first bytes.

use std::error::Error;
use std::io;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::body::MockBody;

/// Serves one connection to its end.
pub(in crate::server) async fn serve<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<MockBody>, Error = io::Error> + Send + 'static,
    S::Future: Send + 'static,
{
    let mut http = Builder::new(TokioExecutor::new());
    // No dates, so that the same seed gives the same bytes.
    // No limit for the head of a request, which would set a timer for each.
    // One buffer per response: copying a small body is cheaper than a vectored write.
    http.http1().auto_date_header(false).header_read_timeout(None).writev(false);
    http.http2().auto_date_header(false).timer(TokioTimer::new());
    http.serve_connection(TokioIo::new(stream), service).await
}
