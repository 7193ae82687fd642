//! Connections: converts bytes to requests and outcomes to bytes. The mock does everything else.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::body::MockBody;
use super::control::{self, Refused};
use super::service::{InFlight, Service};
use crate::engine::check::method_name;
use crate::engine::route::has_path;
use crate::engine::{End, Outcome, Wire};

/// The largest request body in bytes. The longest valid form has 10 usernames of 32 characters.
const MAX_REQUEST: usize = 64 * 1024;

/// The pause in accepting after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The transformation of a connection into a byte stream.
#[derive(Clone)]
pub(super) enum Acceptor {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Accepts and serves connections until dropped.
pub(super) async fn accept_all(listener: std::net::TcpListener, acceptor: Acceptor, service: Arc<Service>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    // Dropped with this future, which closes every connection.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // Counted before a later connection can be accepted.
                    let open = service.connections.clone();
                    tasks.spawn(serve(stream, acceptor.clone(), service.clone(), open));
                } else {
                    // A failed connection, or no free file descriptors until some connections close.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            Some(_) = tasks.join_next() => {}
            () = service.close.notified() => tasks.abort_all(),
        }
    }
}

/// Serves a connection. `_open` counts it until it ends.
async fn serve(
    stream: TcpStream,
    acceptor: Acceptor,
    service: Arc<Service>,
    _open: Arc<()>,
) -> io::Result<()> {
    // Answers are small and take one write, so waiting to fill a packet would only delay them.
    stream.set_nodelay(true)?;
    let reset = Arc::default();
    let stream = Resettable { stream, reset: Arc::clone(&reset) };
    match acceptor {
        Acceptor::Plain => speak_http(stream, service, reset).await,
        #[cfg(feature = "tls")]
        // If the client refuses the certificate, it knows the reason.
        Acceptor::Tls(acceptor) => speak_http(acceptor.accept(stream).await?, service, reset).await,
    }
    Ok(())
}

/// A stream that is reset instead of closed if `reset` is set.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Closing without lingering sends RST, as a crashed or overloaded server does.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn speak_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Arc<Service>,
    reset: Arc<AtomicBool>,
) {
    let service = service_fn(move |request| respond(service.clone(), reset.clone(), request));
    let mut http = Builder::new(TokioExecutor::new());
    // No dates, so that the same seed gives the same bytes.
    // No limit for the head of a request, which would set a timer for each.
    // One buffer per response: copying a small body is cheaper than a vectored write.
    http.http1().auto_date_header(false).header_read_timeout(None).writev(false);
    http.http2().auto_date_header(false).timer(TokioTimer::new());
    // The client notices a broken connection.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// Reads the body, or returns why it cannot be read. Incomplete requests are not processed.
async fn read(request: Request<Incoming>) -> (Request<Bytes>, Option<Refused>) {
    let (head, body) = request.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bad = |why: &str| Some((StatusCode::BAD_REQUEST, why.to_owned()));
    let (body, unread) = match Limited::new(body, MAX_REQUEST).collect().await.map(Collected::to_bytes) {
        Ok(body) if announced.is_some_and(|length: usize| length != body.len()) => {
            (Bytes::new(), bad("the request's body is shorter than its content-length"))
        }
        Ok(body) => (body, None),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("the request's body is larger than {MAX_REQUEST} bytes");
            (Bytes::new(), Some((StatusCode::PAYLOAD_TOO_LARGE, why)))
        }
        Err(_) => (Bytes::new(), bad("the request's body is cut off, or its chunks are broken")),
    };
    (Request::from_parts(head, body), unread)
}

/// Returns the response. An error makes hyper end the connection (HTTP/1.1) or the stream (HTTP/2) without a response.
async fn respond(
    service: Arc<Service>,
    reset: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> io::Result<Response<MockBody>> {
    let start = Instant::now();
    let is_counted = !control::is_control(request.uri().path());
    let count = is_counted.then(|| service.requests.clone());
    let mut in_flight = InFlight { service: service.clone(), start, number: None, _count: count };
    let Service { mock, coding, log, started_ms, .. } = &*service;
    let coding = coding.accepted_by(request.headers());
    let (request, unread) = read(request).await;
    let wire = if let Some(response) = control::answer(mock, *started_ms, &request, unread.as_ref()).await {
        Wire::Whole(response)
    } else {
        let now = SystemTime::now();
        let outcome = match unread {
            None => mock.respond_at(&request, Some(now)),
            Some((status, why)) => mock.refuse_unread(&request, now, status, &why),
        };
        mock.record_answer(outcome.number, &outcome.wire);
        in_flight.number = Some(outcome.number);
        if let Some(log) = log {
            log(&log_line(&request, &outcome));
        }
        if let Some(latency) = outcome.latency {
            tokio::time::sleep(latency).await;
        }
        outcome.wire
    };
    let ended = || io::Error::other("a fault of the mock ended the connection");
    match coding.apply(wire) {
        Wire::Whole(response) => Ok(response.map(|body| MockBody::whole(body, in_flight))),
        Wire::Slow(response) => Ok(response.map(|body| MockBody::slow(body, in_flight))),
        Wire::Partial(response, at, end) => {
            Ok(response.map(|body| MockBody::partial(body, in_flight, at, end, coding.filler())))
        }
        // Without a body, no bytes can trickle.
        Wire::Nothing(End::Stall | End::Trickle) => std::future::pending().await,
        Wire::Nothing(End::Close) => Err(ended()),
        // The connection is already open, so the closest fault is a reset.
        Wire::Nothing(End::Reset) | Wire::Refused => {
            reset.store(true, Ordering::Relaxed);
            Err(ended())
        }
    }
}

/// Returns a log line without secrets: an unknown path or HTTP method could be a query or a key in the wrong place.
fn log_line(request: &Request<Bytes>, outcome: &Outcome) -> String {
    let path = Some(request.uri().path()).filter(|path| has_path(path)).unwrap_or("(unknown path)");
    let answer = match &outcome.wire {
        Wire::Whole(response) => response.status().as_u16().to_string(),
        Wire::Slow(response) => format!("{} slowly", response.status().as_u16()),
        Wire::Partial(response, _, end) => format!("{} then {}", response.status().as_u16(), end.name()),
        Wire::Nothing(end) => end.name().into(),
        Wire::Refused => "reset".into(),
    };
    format!("{} {path}: {answer}, charged {}", method_name(request.method()), outcome.charged)
}
