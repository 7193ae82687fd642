//! Converts hyper's errors into transport errors, with their kind and delivery.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::InvalidDnsNameError;
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};

use crate::connect::Refused;
use crate::outgoing::{Handover, Withdrawn};
use crate::pool::{ConnectError, SendError};
use crate::proxy::{ProxyError, Route};
use crate::tls::explain;

pub(crate) fn refused(why: &'static str) -> TransportError {
    TransportError::never_sent(why).with_kind(Kind::Refused).with_trusted_text()
}

/// Converts an error from before the response head.
pub(crate) fn before_head(error: SendError, handover: &Handover, target: &Target<'_>) -> TransportError {
    let (error, is_unsent) = match error {
        SendError::Connect(error) => return while_connecting(error, target),
        SendError::Late => {
            let failed = TransportError::never_sent(too_late(target)).with_kind(Kind::Timeout);
            return failed.with_trusted_text();
        }
        SendError::Request { error, is_unsent } => (error, is_unsent),
    };
    let is_refused = is_refused(&error);
    let never_sent = is_unsent || handover.never_sent() || is_refused;
    let no_session = if never_sent { no_session(&error, target) } else { None };
    let kind = if no_session.is_some() { Kind::Tls } else { kind(&error) };
    let context = if let Some(why) = no_session {
        why
    } else if find::<Withdrawn>(&error).is_some() {
        too_late(target)
    } else if is_refused {
        format!("{target} refused the request before processing it")
    } else if never_sent {
        format!("the connection to {target} ended before the request began")
    } else {
        format!("no answer from {target}")
    };
    let is_trusted = !quotes_peer(&error);
    let source = Cause { context, error: Arc::new(error) };
    let failed = if never_sent { TransportError::never_sent(source) } else { TransportError::new(source) };
    with_trust(failed.with_kind(kind), is_trusted)
}

fn too_late(target: &Target<'_>) -> String {
    format!("the request to {target} waited for a connection until the confirmation of its claim had expired")
}

/// Converts an error of connecting.
pub(crate) fn while_connecting(failed: ConnectError, target: &Target<'_>) -> TransportError {
    let error: &(dyn StdError + 'static) = &*failed;
    if let Some(Refused(why)) = find(error) {
        return refused(why);
    }
    let proxy = find::<ProxyError>(error);
    let is_permanent = proxy.is_some_and(|proxy| proxy.is_permanent);
    let is_trusted = !quotes_peer(error);
    let is_ended =
        || proxy.is_none() && target.uri.scheme() == Some(&Scheme::HTTPS) && ended_in_handshake(error);
    let (kind, context) = if is_timeout(error) {
        (Kind::Timeout, format!("connecting to {target}"))
    } else if let Some(why) = no_session(error, target) {
        (Kind::Tls, why)
    } else if is_ended() {
        (Kind::Connect, format!("{target} ended the connection within the TLS handshake"))
    } else {
        (Kind::Connect, format!("connecting to {target}"))
    };
    let failed = TransportError::never_sent(Cause { context, error: failed });
    with_trust(failed.with_kind(if is_permanent { Kind::Refused } else { kind }), is_trusted)
}

/// Converts a timeout from before the response head.
pub(crate) fn timed_out_before_head(
    passed: &str,
    handover: &Handover,
    target: &Target<'_>,
) -> TransportError {
    let failed = if handover.never_sent() {
        TransportError::never_sent(format!("{passed} while connecting to {target}"))
    } else {
        TransportError::new(format!("{passed} without an answer from {target}"))
    };
    failed.with_kind(Kind::Timeout).with_trusted_text()
}

/// The failure of reading a body.
pub(crate) struct BodyFailure {
    pub(crate) kind: Kind,
    pub(crate) source: Box<dyn StdError + Send + Sync>,
    /// Contains no text from the peer.
    pub(crate) is_trusted: bool,
}

impl BodyFailure {
    pub(crate) fn new(kind: Kind, text: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: text.into(), is_trusted: true }
    }
}

/// Converts an error after `received` bytes of the body.
pub(crate) fn in_body(error: hyper::Error, received: u64, announced: Option<u64>) -> BodyFailure {
    let context = match announced {
        Some(announced) if received < announced => broke_off(received, announced),
        _ => "the body broke off".to_owned(),
    };
    let (kind, is_trusted) = (kind(&error), !quotes_peer(&error));
    BodyFailure { kind, source: Box::new(Cause { context, error: Arc::new(error) }), is_trusted }
}

/// Reports a body that ended regularly but is shorter than announced.
pub(crate) fn short_body(received: u64, announced: u64) -> BodyFailure {
    BodyFailure::new(Kind::Broken, broke_off(received, announced))
}

fn broke_off(received: u64, announced: u64) -> String {
    format!("the body broke off after {received} of the {announced} bytes that `content-length` announces")
}

/// Returns the explanation of a TLS error, or `None` for other errors.
fn no_session(error: &(dyn StdError + 'static), target: &Target<'_>) -> Option<String> {
    let of_rustls = find::<rustls::Error>(error);
    (of_rustls.is_some() || find::<InvalidDnsNameError>(error).is_some()).then(|| {
        let why = of_rustls.and_then(|error| explain(error, &target.to_string()));
        why.unwrap_or_else(|| format!("no TLS session with {target}"))
    })
}

/// Returns the kind of an error on an established connection.
fn kind(error: &(dyn StdError + 'static)) -> Kind {
    if is_timeout(error) {
        Kind::Timeout
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        // The response is not HTTP.
        Kind::Other
    } else {
        Kind::Broken
    }
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_timeout)
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Returns whether an error prints text from the peer, which may repeat the request: names in a certificate, the debug data
/// of a GOAWAY, a proxy's reason.
fn quotes_peer(error: &(dyn StdError + 'static)) -> bool {
    find::<rustls::Error>(error).is_some()
        || is_goaway(error)
        || find::<ProxyError>(error).is_some_and(|error| error.quotes_proxy)
}

fn is_goaway(error: &(dyn StdError + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(h2::Error::is_go_away)
}

/// Marks an error as printable if its text never quotes the request.
fn with_trust(error: TransportError, is_trusted: bool) -> TransportError {
    if is_trusted { error.with_trusted_text() } else { error }
}

/// Returns whether the peer closed an established connection. Failed connects have other error kinds.
fn ended_in_handshake(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    chain(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe))
}

/// Returns whether the server did not process the request, so that it can be sent again (RFC 9113, 8.7): it reset the stream
/// with `REFUSED_STREAM`, or its GOAWAY names a last stream below this one. h2 reports the GOAWAY to no other stream. No other
/// code states this, so the request may have been processed before a reset with `HTTP_1_1_REQUIRED`.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_refused || error.is_go_away())
    })
}

/// Returns the first error of type `E` in the chain of an error and its sources.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Iterates over an error and its sources.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// Returns the source of an error. `io::Error::source` skips the error that it wraps, which would hide a certificate error.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// An error with its context.
#[derive(Debug)]
struct Cause {
    context: String,
    error: Arc<dyn StdError + Send + Sync>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.error)
    }
}

/// The destination of a request, and its route.
pub(crate) struct Target<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) route: &'a Route,
}

/// Prints the host, the port and the proxy, without user name, password and path.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.host().unwrap_or_default())?;
        if let Some(port) = self.uri.port_u16() {
            write!(f, ":{port}")?;
        }
        match self.route.proxy_address(self.uri) {
            Some(proxy) => write!(f, " through the proxy {proxy}"),
            None => Ok(()),
        }
    }
}
