//! One request and its response over ureq.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

use crate::Settings;

/// Sends requests over ureq, which keeps connections open between them.
#[derive(Clone, Debug)]
pub struct Sender {
    agent: Agent,
    max_body_size: usize,
}

impl Sender {
    /// A sender with connections of its own.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ureq::Error> {
        let agent = Agent::config_builder()
            // A status of 4xx or 5xx is an answer, with a body that says why.
            .http_status_as_error(false)
            // A redirect is an answer too. Following it would carry the API key to another host.
            .max_redirects(0)
            .timeout_global(Some(settings.time_limit))
            // A proxy is a choice; ureq's default is what the environment says.
            .proxy(None)
            // The request is complete as it is.
            .user_agent("")
            .accept_encoding("")
            .tls_config(TlsConfig::builder().root_certs(root_certs(settings)?).build())
            .build()
            .new_agent();
        Ok(Self { agent, max_body_size: settings.max_body_size })
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// If no complete response came back, with what is known about delivery.
    pub fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (head, body) = request.into_parts();
        let mut body = Noted { rest: &body, is_complete_without: body.is_empty(), is_read: false };
        let request = Request::from_parts(head, SendBody::from_reader(&mut body));
        match self.agent.run(request) {
            Ok(response) => receive(response, self.max_body_size),
            Err(error) => Err(no_response(error, body.may_have_left())),
        }
    }

    /// Ends the request that is being sent, if there is one, and every later one: for another thread.
    pub fn shut_down(self) {
        self.agent.shutdown();
    }
}

fn root_certs(settings: &Settings) -> Result<RootCerts, ureq::Error> {
    let Some(pem) = &settings.ca_pem else { return Ok(RootCerts::WebPki) };
    let mut authorities = Vec::new();
    for item in parse_pem(pem.as_bytes()) {
        if let PemItem::Certificate(authority) = item? {
            authorities.push(authority);
        }
    }
    Ok(RootCerts::Specific(Arc::new(authorities)))
}

/// A request's body that notes when ureq reads it, which it does after the connection stands and the head is written.
///
/// That tells a request that never left from one that perhaps did, also where ureq's error does not: its time limit
/// covers both, and an I/O error may be from either.
struct Noted<'a> {
    rest: &'a [u8],
    /// Without a body, the head alone is a complete request, and nothing notes when that is written.
    is_complete_without: bool,
    is_read: bool,
}

impl Noted<'_> {
    fn may_have_left(&self) -> bool {
        self.is_complete_without || self.is_read
    }
}

impl Read for Noted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_read = true;
        self.rest.read(buffer)
    }
}

fn no_response(error: ureq::Error, may_have_left: bool) -> TransportError {
    use ureq::Error as Ureq;
    // These end a request before it starts, whatever its body.
    let is_before =
        matches!(error, Ureq::HostNotFound | Ureq::ConnectionFailed | Ureq::Tls(_) | Ureq::BadUri(_));
    let is_unsent = is_before || !may_have_left;
    let kind = kind(&error, is_unsent);
    if is_unsent {
        return TransportError::never_sent(error).with_kind(kind);
    }
    TransportError::new(error).with_kind(kind)
}

fn kind(error: &ureq::Error, is_unsent: bool) -> Kind {
    use ureq::Error as Ureq;
    match error {
        Ureq::Timeout(_) => Kind::Timeout,
        Ureq::Tls(_) | Ureq::Rustls(_) | Ureq::TlsRequired => Kind::Tls,
        // What rustls reports of a handshake that failed, above all of a certificate that is not trusted.
        Ureq::Io(error) if error.kind() == io::ErrorKind::InvalidData => Kind::Tls,
        _ if is_unsent => Kind::Connect,
        Ureq::Io(_) => Kind::Broken,
        _ => Kind::Other,
    }
}

/// Reads the body up to the cap, and keeps what came if it breaks off.
fn receive(response: Response<Body>, max_body_size: usize) -> Result<Response<Bytes>, TransportError> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    // One byte more than the cap tells a body that is too large from one that just fits.
    let limit = u64::try_from(max_body_size).unwrap_or(u64::MAX).saturating_add(1);
    // On an error, `read_to_end` leaves what it read before.
    let result = body.as_reader().take(limit).read_to_end(&mut bytes);
    let is_too_large = bytes.len() > max_body_size;
    bytes.truncate(max_body_size);
    let response = Response::from_parts(head, Bytes::from(bytes));
    if is_too_large {
        let error = TransportError::response_started(response, format!("more than {max_body_size} bytes"));
        return Err(error.with_kind(Kind::BodyTooLarge));
    }
    match result.map_err(ureq::Error::from) {
        Ok(_) => Ok(response),
        Err(error) => {
            let kind = kind(&error, false);
            Err(TransportError::response_started(response, error).with_kind(kind))
        }
    }
}
