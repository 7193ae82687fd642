//! HTTP/1.1 only, with a dozen fewer crates.

use std::error::Error;
use std::io;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::body::MockBody;

/// Serves one connection to its end.
pub(in crate::server) async fn serve<S>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: S,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<MockBody>, Error = io::Error> + Send + 'static,
    S::Future: Send,
{
    let mut http = Builder::new();
    // No dates, so that the same seed gives the same bytes.
    // No limit for the head of a request, which would set a timer for each.
    // One buffer per response: copying a small body is cheaper than a vectored write.
    http.auto_date_header(false).header_read_timeout(None).writev(false);
    Ok(http.serve_connection(TokioIo::new(stream), service).await?)
}
