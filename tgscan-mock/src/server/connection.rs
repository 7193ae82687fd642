//! Connections: bytes to requests, answers to bytes. The mock decides everything else.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Mock;

/// The largest request body that is read, in bytes. The longest legal form has 10 usernames of 32 characters.
const MAX_REQUEST: usize = 64 * 1024;

/// How a connection becomes a byte stream.
#[derive(Clone)]
pub(super) enum Acceptor {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Accepts and serves connections until dropped.
pub(super) async fn accept_all(listener: std::net::TcpListener, acceptor: Acceptor, mock: Mock) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is that of one connection, or of a moment without file descriptors.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, acceptor.clone(), mock.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, acceptor: Acceptor, mock: Mock) {
    // Answers are small and one write each; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    match acceptor {
        Acceptor::Plain => speak_http(stream, mock).await,
        #[cfg(feature = "tls")]
        Acceptor::Tls(acceptor) => {
            // A client that refuses the certificate ends here; it knows why, and the mock has nothing to add.
            if let Ok(stream) = acceptor.accept(stream).await {
                speak_http(stream, mock).await;
            }
        }
    }
}

async fn speak_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, mock: Mock) {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // Without dates, so that the same seed gives the same bytes.
    http.http1().auto_date_header(false).timer(TokioTimer::new());
    http.http2().auto_date_header(false).timer(TokioTimer::new());
    let service = service_fn(move |request| respond(mock.clone(), request));
    // A connection that broke is the client's to notice.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(mock: Mock, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let response = match Limited::new(body, MAX_REQUEST).collect().await {
        Ok(body) => mock.respond(&Request::from_parts(head, body.to_bytes())),
        Err(_) => mock.refuse_body(MAX_REQUEST),
    };
    Ok(response.map(Full::new))
}
