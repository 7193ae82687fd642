//! The SDK in blocking code, without a runtime: ureq sends the requests, and `tgscan_core::blocking` drives the calls.
//!
//! Copy it: [`send`] is the whole transport.
//!
//! ```no_run
//! use tgscan_core::{Api, ApiKey, blocking, types::Balance};
//! use tgscan_example_blocking::{Settings, send};
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! let (settings, agent) = (Settings::default(), Settings::default().agent()?);
//! let reply = blocking::call(&api, Balance {}, |request| send(&agent, settings.max_body_size, request))?;
//! println!("{} credits are left", reply.answer.num_credits);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::TransportError;
use tgscan_core::transport::{SendBy, TransportErrorKind as Kind};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, SendBody};

/// A body, and whether ureq has read it, which it does after it has connected. An empty body is never read.
struct Noted<'a>(&'a [u8], bool);

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = true;
        self.0.read(buffer)
    }
}

/// Sends a request with ureq, and reads its response up to `most` bytes.
///
/// # Errors
/// If no complete response arrived, with its delivery.
pub fn send(agent: &Agent, most: usize, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
    SendBy::check(&request)?;
    let (head, body) = request.into_parts();
    let mut body = Noted(&body, body.is_empty());
    let (head, mut incoming) = match agent.run(Request::from_parts(head, SendBody::from_reader(&mut body))) {
        Ok(response) => response.into_parts(),
        Err(error) if body.1 => return Err(failed(error, Kind::Broken, TransportError::new)),
        Err(error) => return Err(failed(error, Kind::Connect, TransportError::never_sent)),
    };
    // One more byte than allowed shows that the body is too large. After an error, `bytes` has the received ones.
    let mut bytes = Vec::new();
    let read = incoming.as_reader().take((most as u64).saturating_add(1)).read_to_end(&mut bytes);
    let (is_too_large, came) = (bytes.len() > most, bytes.len().min(most));
    let response = Response::from_parts(head, Bytes::from(bytes).slice(..came));
    match read.map_err(Error::from) {
        Ok(_) if !is_too_large => Ok(response),
        Ok(_) => Err(TransportError::response_started(response, "too large").with_kind(Kind::BodyTooLarge)),
        Err(error) => Err(failed(error, Kind::Broken, |it| TransportError::response_started(response, it))),
    }
}

fn failed(error: Error, usual: Kind, delivery: impl FnOnce(Error) -> TransportError) -> TransportError {
    let kind = match &error {
        Error::Timeout(_) => Kind::Timeout,
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Kind::Tls,
        _ => usual,
    };
    delivery(error).with_kind(kind)
}

/// The settings of a transport.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limit for a whole request, from the name's resolution to the last byte. Default: 30 seconds.
    pub time_limit: Duration,
    /// The largest body of a response, in bytes. Default: 64 MiB.
    pub max_body_size: usize,
    /// The only trusted certificate authorities, as PEM. Default: Mozilla's list.
    pub ca_pem: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { time_limit: Duration::from_secs(30), max_body_size: 64 * 1024 * 1024, ca_pem: None }
    }
}

impl Settings {
    /// Creates an agent, which keeps connections open between requests.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn agent(&self) -> Result<Agent, ureq::Error> {
        let config = Agent::config_builder()
            // A status of 4xx or 5xx is an answer, and its body has the reason.
            .http_status_as_error(false)
            // A redirect is an answer too. Following it would send the API key to another host.
            .max_redirects(0)
            .timeout_global(Some(self.time_limit))
            // ureq's default is the proxy of the environment.
            .proxy(None)
            // The request has all headers that it needs.
            .user_agent("")
            .accept_encoding("")
            .tls_config(TlsConfig::builder().root_certs(self.root_certs()?).build());
        Ok(config.build().new_agent())
    }

    fn root_certs(&self) -> Result<RootCerts, ureq::Error> {
        let Some(pem) = &self.ca_pem else { return Ok(RootCerts::WebPki) };
        let mut authorities = Vec::new();
        for item in parse_pem(pem.as_bytes()) {
            if let PemItem::Certificate(authority) = item? {
                authorities.push(authority);
            }
        }
        Ok(RootCerts::Specific(Arc::new(authorities)))
    }
}
