//! A transport made of a closure around hyper, with a new connection for each call.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::uri::{Parts, Scheme, Uri};
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use tgscan_core::{Transport, TransportError, transport_fn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::body::{SlotBody, Withdrawal, withdrawable};
use crate::{Settings, tls};

/// Creates a transport that opens a connection for each call and closes it afterwards (HTTP/1.1).
///
/// It has no pool and no tasks: all work happens in the call's future, and ends when that is dropped.
///
/// # Errors
/// If the certificate authorities cannot be read.
pub fn one_connection_per_call(settings: &Settings) -> io::Result<impl Transport + fmt::Debug + use<>> {
    let tls = TlsConnector::from(Arc::new(tls::client_config(settings.ca_pem.as_deref(), &["http/1.1"])?));
    let (time_limit, max_body_size) = (settings.time_limit, settings.max_body_size);
    Ok(transport_fn(move |request: Request<Bytes>| {
        let tls = tls.clone();
        async move {
            let deadline = Instant::now() + time_limit;
            let stream = match timeout_at(deadline, connect(&tls, request.uri())).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    let kind = if tls::is_from_tls(&error) { Kind::Tls } else { Kind::Connect };
                    return Err(TransportError::never_sent(error).with_kind(kind));
                }
                Err(elapsed) => return Err(TransportError::never_sent(elapsed).with_kind(Kind::Timeout)),
            };
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(TransportError::never_sent)?;
            SendBy::check(&request)?;
            let mut exchange = pin!(exchange(sender, request, deadline, max_body_size));
            tokio::select! {
                result = &mut exchange => result,
                // The connection ended first, and the exchange has its error.
                _ = connection => exchange.await,
            }
        }
    }))
}

/// TCP, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

async fn connect(tls: &TlsConnector, uri: &Uri) -> io::Result<Pin<Box<dyn Stream>>> {
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    let host = uri.host().unwrap_or_default();
    // An IPv6 address has brackets only in a URI.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }))).await?;
    // A request is one small write, so waiting to fill a packet would only delay it.
    stream.set_nodelay(true)?;
    if !is_tls {
        return Ok(Box::pin(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(Box::pin(tls.connect(name, stream).await?))
}

async fn exchange(
    mut sender: http1::SendRequest<SlotBody>,
    request: Request<Bytes>,
    deadline: Instant,
    max_body_size: usize,
) -> Result<Response<Bytes>, TransportError> {
    let (request, withdrawal) = for_one_host(request)?;
    match timeout_at(deadline, sender.send_request(request)).await {
        Ok(Ok(response)) => receive(response, deadline, max_body_size).await,
        Ok(Err(error)) => Err(no_response(error, &withdrawal).with_kind(Kind::Broken)),
        Err(elapsed) => Err(no_response(elapsed, &withdrawal).with_kind(Kind::Timeout)),
    }
}

/// Converts a request to the form that hyper's connections need: the path in the first line, the host in a header.
fn for_one_host(request: Request<Bytes>) -> Result<(Request<SlotBody>, Withdrawal), TransportError> {
    let (mut head, body) = request.into_parts();
    let Parts { authority, path_and_query, .. } = head.uri.into_parts();
    let host = authority.as_ref().map_or("", |authority| authority.as_str());
    head.headers.insert(HOST, HeaderValue::from_str(host).map_err(TransportError::never_sent)?);
    head.uri = path_and_query.map_or_else(Uri::default, Uri::from);
    let (body, withdrawal) = withdrawable(body);
    Ok((Request::from_parts(head, body), withdrawal))
}

fn no_response(
    error: impl std::error::Error + Send + Sync + 'static,
    withdrawal: &Withdrawal,
) -> TransportError {
    if withdrawal.succeeds() { TransportError::never_sent(error) } else { TransportError::new(error) }
}

/// Reads the body up to the cap, and keeps the received bytes if it ends early.
async fn receive(
    response: Response<Incoming>,
    deadline: Instant,
    max_body_size: usize,
) -> Result<Response<Bytes>, TransportError> {
    let (head, mut body) = response.into_parts();
    let mut received = Response::from_parts(head, BytesMut::new());
    let (error, kind): (Box<dyn std::error::Error + Send + Sync>, _) = loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                // Other frames are trailers, which have no meaning here.
                let data = frame.into_data().unwrap_or_default();
                let left = max_body_size - received.body().len();
                received.body_mut().extend_from_slice(&data[..data.len().min(left)]);
                if data.len() > left {
                    break (format!("more than {max_body_size} bytes").into(), Kind::BodyTooLarge);
                }
            }
            Ok(None) => return Ok(received.map(BytesMut::freeze)),
            Ok(Some(Err(error))) => break (error.into(), Kind::Broken),
            Err(elapsed) => break (elapsed.into(), Kind::Timeout),
        }
    };
    Err(TransportError::response_started(received.map(BytesMut::freeze), error).with_kind(kind))
}
