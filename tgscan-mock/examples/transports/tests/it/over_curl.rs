//! A transport over curl's easy interface, which blocks, on tokio's blocking threads.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use curl::easy::{Easy2, Handler, HttpVersion, List, ReadError, WriteError};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use tgscan_core::{Transport, TransportError, async_trait};
use tgscan_example_transports::Settings;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The limit of concurrent calls, since each needs a thread.
static CALLS: Semaphore = Semaphore::const_new(16);

#[derive(Debug)]
pub(crate) struct CurlTransport(Settings);

impl CurlTransport {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(settings.clone())
    }
}

#[async_trait]
impl Transport for CurlTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let guard = Abandon(Arc::default());
        let exchange = Exchange::new(self.0.max_body_size, Arc::clone(&guard.0));
        let settings = self.0.clone();
        let turn = CALLS.acquire().await.map_err(TransportError::never_sent)?;
        SendBy::check(&request)?;
        let result = spawn_blocking(move || run(&settings, &request, exchange)).await;
        drop(turn);
        result.unwrap_or_else(|error| Err(TransportError::new(error)))
    }
}

/// Cancels curl's transfer when the caller has dropped its future.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One request and its response.
struct Exchange {
    body: Bytes,
    /// Whether curl has begun to read the body, which it does when it sends it.
    is_read: bool,
    status: StatusCode,
    headers: HeaderMap,
    /// Whether the head of the final response has ended. Later headers are trailers.
    has_head: bool,
    received: Vec<u8>,
    most: usize,
    is_too_large: bool,
    is_abandoned: Arc<AtomicBool>,
}

impl Exchange {
    fn new(most: usize, is_abandoned: Arc<AtomicBool>) -> Self {
        Self {
            body: Bytes::new(),
            is_read: false,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            has_head: false,
            received: Vec::new(),
            most,
            is_too_large: false,
            is_abandoned,
        }
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }
}

impl Handler for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if self.is_abandoned() {
            return Err(ReadError::Abort);
        }
        self.is_read = true;
        let length = buffer.len().min(self.body.len());
        buffer[..length].copy_from_slice(&self.body.split_to(length));
        Ok(length)
    }

    fn header(&mut self, line: &[u8]) -> bool {
        let line = line.trim_ascii();
        if line.starts_with(b"HTTP/") {
            let status = line.split(|byte| *byte == b' ').nth(1);
            self.status = status.and_then(|code| StatusCode::from_bytes(code).ok()).unwrap_or_default();
            self.headers.clear();
        } else if line.is_empty() {
            self.has_head = !self.status.is_informational();
        } else if let (false, Some(colon)) = (self.has_head, line.iter().position(|byte| *byte == b':')) {
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                self.headers.append(name, value);
            }
        }
        true
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let length = bytes.len().min(self.most - self.received.len());
        self.received.extend_from_slice(&bytes[..length]);
        self.is_too_large |= length < bytes.len();
        // Accepting fewer bytes makes curl cancel the transfer.
        Ok(length)
    }

    fn progress(&mut self, _: f64, _: f64, _: f64, _: f64) -> bool {
        !self.is_abandoned()
    }
}

fn run(
    settings: &Settings,
    request: &Request<Bytes>,
    mut exchange: Exchange,
) -> Result<Response<Bytes>, TransportError> {
    exchange.body = request.body().clone();
    // An empty body is never read, so the request may have been sent.
    exchange.is_read = exchange.body.is_empty();
    let mut easy = Easy2::new(exchange);
    set_up(&mut easy, settings, request).map_err(TransportError::never_sent)?;
    let result = easy.perform();
    let exchange = easy.get_mut();
    let mut response = Response::new(Bytes::from(mem::take(&mut exchange.received)));
    *response.status_mut() = exchange.status;
    *response.headers_mut() = mem::take(&mut exchange.headers);
    match result {
        Ok(()) => Ok(response),
        Err(error) if exchange.has_head => {
            let kind = if exchange.is_too_large { Kind::BodyTooLarge } else { kind(&error) };
            Err(TransportError::response_started(response, error).with_kind(kind))
        }
        Err(error) if !exchange.is_read || error.is_couldnt_connect() => {
            let kind = kind(&error);
            Err(TransportError::never_sent(error).with_kind(kind))
        }
        Err(error) => {
            let kind = kind(&error);
            Err(TransportError::new(error).with_kind(kind))
        }
    }
}

fn set_up(
    easy: &mut Easy2<Exchange>,
    settings: &Settings,
    request: &Request<Bytes>,
) -> Result<(), curl::Error> {
    easy.url(&request.uri().to_string())?;
    easy.http_version(HttpVersion::V11)?;
    easy.post(true)?;
    easy.post_field_size(request.body().len() as u64)?;
    // Removes curl's own headers.
    let mut headers = List::new();
    for name in ["Accept:", "Expect:"] {
        headers.append(name)?;
    }
    for (name, value) in request.headers() {
        headers.append(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))?;
    }
    easy.http_headers(headers)?;
    easy.timeout(settings.time_limit)?;
    // curl's default is the proxy of the environment.
    easy.proxy("")?;
    // On a reused connection, curl retries a request without the core's knowledge.
    easy.fresh_connect(true)?;
    easy.forbid_reuse(true)?;
    easy.signal(false)?;
    easy.progress(true)
}

fn kind(error: &curl::Error) -> Kind {
    if error.is_operation_timedout() {
        Kind::Timeout
    } else if error.is_couldnt_connect() || error.is_couldnt_resolve_host() {
        Kind::Connect
    } else {
        Kind::Broken
    }
}
