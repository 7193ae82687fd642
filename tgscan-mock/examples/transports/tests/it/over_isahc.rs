//! A transport over isahc, an asynchronous client over curl.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncReadExt};
use http::{Request, Response};
use isahc::config::{Configurable, RedirectPolicy, VersionNegotiation};
use isahc::error::ErrorKind;
use isahc::{AsyncBody, HttpClient};
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use tgscan_core::{Transport, TransportError, async_trait};
use tgscan_example_transports::Settings;
use tokio::sync::Semaphore;

/// The limit of concurrent clients, since each has a thread.
static CLIENTS: Semaphore = Semaphore::const_new(8);

/// A transport with a client for each call: isahc notices a dropped future only when bytes arrive, but dropping a
/// client ends its requests immediately.
#[derive(Debug)]
pub(crate) struct IsahcTransport(Settings);

impl IsahcTransport {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(settings.clone())
    }

    fn client(&self) -> Result<HttpClient, isahc::Error> {
        HttpClient::builder()
            .timeout(self.0.time_limit)
            .version_negotiation(VersionNegotiation::http11())
            .redirect_policy(RedirectPolicy::None)
            .automatic_decompression(false)
            // isahc's default is the proxy of the environment.
            .proxy(None)
            .build()
    }
}

/// A body that sets a flag when curl begins to read it, which it does when it sends it.
struct Noted(io::Cursor<Bytes>, Arc<AtomicBool>);

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.1.store(true, Ordering::SeqCst);
        Poll::Ready(io::Read::read(&mut self.0, buffer))
    }
}

#[async_trait]
impl Transport for IsahcTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        SendBy::check(&request)?;
        let (head, body) = request.into_parts();
        let is_read = Arc::new(AtomicBool::new(body.is_empty()));
        let length = body.len() as u64;
        let body = AsyncBody::from_reader_sized(Noted(io::Cursor::new(body), Arc::clone(&is_read)), length);
        let request = Request::from_parts(head, body);
        let _turn = CLIENTS.acquire().await.map_err(TransportError::never_sent)?;
        let client = self.client().map_err(TransportError::never_sent)?;
        let incoming = match client.send_async(request).await {
            Ok(incoming) => incoming,
            Err(error) => {
                let kind = kind(error.kind());
                let is_unsent = !is_read.load(Ordering::SeqCst) || kind == Kind::Connect;
                let error =
                    if is_unsent { TransportError::never_sent(error) } else { TransportError::new(error) };
                return Err(error.with_kind(kind));
            }
        };
        let (head, incoming) = incoming.into_parts();
        let mut received = Vec::new();
        // One more byte than allowed shows that the body is too large.
        let read = incoming.take(self.0.max_body_size as u64 + 1).read_to_end(&mut received).await;
        let is_too_large = received.len() > self.0.max_body_size;
        received.truncate(self.0.max_body_size);
        let response = Response::from_parts(head, Bytes::from(received));
        match read {
            Ok(_) if is_too_large => {
                Err(TransportError::response_started(response, "too large").with_kind(Kind::BodyTooLarge))
            }
            Ok(_) => Ok(response),
            Err(error) => {
                let kind = if error.kind() == io::ErrorKind::TimedOut { Kind::Timeout } else { Kind::Broken };
                Err(TransportError::response_started(response, error).with_kind(kind))
            }
        }
    }
}

fn kind(kind: &ErrorKind) -> Kind {
    match kind {
        ErrorKind::Timeout => Kind::Timeout,
        ErrorKind::ConnectionFailed | ErrorKind::NameResolution => Kind::Connect,
        _ => Kind::Broken,
    }
}
