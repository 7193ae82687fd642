//! A transport over reqwest.

use std::io;
use std::mem;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use tgscan_core::{Transport, TransportError, async_trait};

use crate::body::withdrawable;
use crate::{Settings, tls};

/// A transport over reqwest: HTTP/1.1 and HTTP/2 with pooled connections.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    max_body_size: usize,
}

impl ReqwestTransport {
    /// Creates a transport with its own connections.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn new(settings: &Settings) -> io::Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(settings.ca_pem.as_deref(), &["h2", "http/1.1"])?)
            // A redirect is an answer. Following it would send the API key to another host.
            .redirect(reqwest::redirect::Policy::none())
            // The core decides about retries. By default, reqwest retries when HTTP/2 refuses a stream.
            .retry(reqwest::retry::never())
            // From the start to the last byte of the body. reqwest has no time limit by default.
            .timeout(settings.time_limit)
            // reqwest's default is the proxy of the environment.
            .no_proxy()
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, max_body_size: settings.max_body_size })
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        SendBy::check(&request)?;
        let (head, body) = request.into_parts();
        let (body, withdrawal) = withdrawable(body);
        let request = Request::from_parts(head, reqwest::Body::wrap(body))
            .try_into()
            .map_err(|error| TransportError::never_sent(error).with_kind(Kind::Refused))?;
        match self.client.execute(request).await {
            Ok(response) => receive(response, self.max_body_size).await,
            Err(error) => {
                let kind = kind(&error);
                // Both are checked, because an empty body cannot be withdrawn.
                let is_unsent = withdrawal.succeeds() || error.is_connect();
                let error =
                    if is_unsent { TransportError::never_sent(error) } else { TransportError::new(error) };
                Err(error.with_kind(kind))
            }
        }
    }
}

/// Reads the body in chunks, to apply the cap and to keep the received bytes if it ends early.
async fn receive(
    mut response: reqwest::Response,
    max_body_size: usize,
) -> Result<Response<Bytes>, TransportError> {
    let mut received = Response::new(BytesMut::new());
    *received.status_mut() = response.status();
    *received.version_mut() = response.version();
    *received.headers_mut() = mem::take(response.headers_mut());
    loop {
        let left = max_body_size - received.body().len();
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > left => {
                received.body_mut().extend_from_slice(&chunk[..left]);
                let partial = received.map(BytesMut::freeze);
                let error =
                    TransportError::response_started(partial, format!("more than {max_body_size} bytes"));
                return Err(error.with_kind(Kind::BodyTooLarge));
            }
            Ok(Some(chunk)) => received.body_mut().extend_from_slice(&chunk),
            Ok(None) => return Ok(received.map(BytesMut::freeze)),
            Err(error) => {
                let (partial, kind) = (received.map(BytesMut::freeze), kind(&error));
                return Err(TransportError::response_started(partial, error).with_kind(kind));
            }
        }
    }
}

fn kind(error: &reqwest::Error) -> Kind {
    if error.is_timeout() {
        Kind::Timeout
    } else if error.is_connect() && tls::is_from_tls(error) {
        Kind::Tls
    } else if error.is_connect() {
        Kind::Connect
    } else {
        Kind::Broken
    }
}
