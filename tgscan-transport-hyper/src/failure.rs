//! Turns what hyper reports into a transport error: what went wrong, and what it says about delivery.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::InvalidDnsNameError;
use tgscan_core::{TransportError, transport::TransportErrorKind as Kind};

use crate::connect::{ConnectTimeout, PlainHttp, Route, proxy_on_the_way};
use crate::incoming::Failed;
use crate::outgoing::Handover;
use crate::pool::{ConnectError, SendError};
use crate::runtime::Lack;
use crate::tls::explain;

/// No response head came.
pub(crate) fn before_head(error: SendError, handover: &Handover, target: &Target<'_>) -> TransportError {
    let (error, is_unsent) = match error {
        SendError::Connect(error) => return while_connecting(error, target),
        SendError::Request { error, is_unsent } => (error, is_unsent),
    };
    let is_refused = is_refused(&error);
    let never_sent = is_unsent || handover.never_sent() || is_refused;
    let no_session = if never_sent { no_session(&error, target) } else { None };
    let kind = if no_session.is_some() { Kind::Tls } else { kind(&error) };
    let context = if let Some(why) = no_session {
        why
    } else if is_refused {
        format!("{target} refused the request before processing it")
    } else if never_sent {
        format!("the connection to {target} ended before the request began")
    } else {
        format!("no answer from {target}")
    };
    let is_trusted = !quotes_peer(&error);
    let source = Cause { context, error: Box::new(error) };
    let failed = if never_sent { TransportError::never_sent(source) } else { TransportError::new(source) };
    trusting(failed.with_kind(kind), is_trusted)
}

/// There is no connection to send anything over.
pub(crate) fn while_connecting(error: ConnectError, target: &Target<'_>) -> TransportError {
    if let Some(why) = find::<PlainHttp>(&error) {
        return TransportError::never_sent(why.to_string()).with_kind(Kind::Refused).with_trusted_text();
    }
    if let Some(lack) = find::<Lack>(&error) {
        return TransportError::never_sent(lack.remedy()).with_kind(Kind::Refused).with_trusted_text();
    }
    let proxy = of_proxy(&error);
    let is_trusted = !quotes_peer(&error);
    let is_ended = || !proxy.is && target.uri.scheme() == Some(&Scheme::HTTPS) && ended_in_handshake(&error);
    let (kind, context) = if is_timeout(&error) {
        (Kind::Timeout, format!("connecting to {target}"))
    } else if let Some(why) = no_session(&error, target) {
        (Kind::Tls, why)
    } else if is_ended() {
        (Kind::Connect, format!("{target} ended the connection within the TLS handshake"))
    } else {
        (Kind::Connect, format!("connecting to {target}"))
    };
    let failed = TransportError::never_sent(Cause { context, error: Box::new(error) });
    trusting(failed.with_kind(if proxy.is_permanent { Kind::Refused } else { kind }), is_trusted)
}

/// A time limit passed without a response head.
pub(crate) fn timed_out_before_head(
    passed: &str,
    handover: &Handover,
    target: &Target<'_>,
) -> TransportError {
    let host = target;
    let failed = if handover.never_sent() {
        TransportError::never_sent(format!("{passed} while connecting to {host}"))
    } else {
        TransportError::new(format!("{passed} without an answer from {host}"))
    };
    failed.with_kind(Kind::Timeout).with_trusted_text()
}

/// A response body broke off after `received` bytes.
pub(crate) fn in_body(error: hyper::Error, received: u64, announced: Option<u64>) -> Failed {
    let context = match announced {
        Some(announced) if received < announced => broke_off(received, announced),
        _ => "the body broke off".to_owned(),
    };
    let (kind, is_trusted) = (kind(&error), !quotes_peer(&error));
    Failed { kind, source: Box::new(Cause { context, error: Box::new(error) }), is_trusted }
}

/// A response body ended in due form, and is shorter than announced.
pub(crate) fn short_body(received: u64, announced: u64) -> Failed {
    Failed { kind: Kind::Broken, source: broke_off(received, announced).into(), is_trusted: true }
}

fn broke_off(received: u64, announced: u64) -> String {
    format!("the body broke off after {received} of the {announced} bytes that `content-length` announces")
}

/// Says so if there is no TLS session that can be trusted.
fn no_session(error: &(dyn StdError + 'static), target: &Target<'_>) -> Option<String> {
    let of_rustls = find::<rustls::Error>(error);
    (of_rustls.is_some() || find::<InvalidDnsNameError>(error).is_some()).then(|| {
        let why = of_rustls.and_then(|error| explain(error, &target.to_string()));
        why.unwrap_or_else(|| format!("no TLS session with {target}"))
    })
}

/// Why a connection that stood failed.
fn kind(error: &(dyn StdError + 'static)) -> Kind {
    if is_timeout(error) {
        Kind::Timeout
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        // Something answered, but not in HTTP.
        Kind::Other
    } else {
        Kind::Broken
    }
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<ConnectTimeout>(error).is_some()
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_timeout)
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// What a proxy on the way had to do with it.
#[derive(Clone, Copy, Default)]
struct OfProxy {
    is: bool,
    is_permanent: bool,
    quotes_proxy: bool,
}

#[cfg(feature = "proxy")]
fn of_proxy(error: &(dyn StdError + 'static)) -> OfProxy {
    find::<crate::proxy::ProxyError>(error).map_or_else(OfProxy::default, |error| OfProxy {
        is: true,
        is_permanent: error.is_permanent,
        quotes_proxy: error.quotes_proxy,
    })
}

#[cfg(not(feature = "proxy"))]
fn of_proxy(_: &(dyn StdError + 'static)) -> OfProxy {
    OfProxy::default()
}

/// Whether an error prints words of the other side, which may be those of the request: names in a certificate, what
/// comes with a GOAWAY, a proxy's reason.
fn quotes_peer(error: &(dyn StdError + 'static)) -> bool {
    find::<rustls::Error>(error).is_some() || is_goaway(error) || of_proxy(error).quotes_proxy
}

#[cfg(feature = "http2")]
fn is_goaway(error: &(dyn StdError + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(h2::Error::is_go_away)
}

#[cfg(not(feature = "http2"))]
fn is_goaway(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// Own words, and those of causes that never quote the request, are printed as they are.
fn trusting(error: TransportError, is_trusted: bool) -> TransportError {
    if is_trusted { error.with_trusted_text() } else { error }
}

/// Whether a connection that stood was ended by the other side. Who cannot connect gets other errors than these.
fn ended_in_handshake(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    chain(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe))
}

/// Whether the server says that it did not process the request, so that it can be sent again (RFC 9113, 8.7). It resets
/// the stream with `REFUSED_STREAM`, as when too many streams are open; or its GOAWAY names a last stream below this one,
/// whatever the reason: h2 gives that error to no other stream.
#[cfg(feature = "http2")]
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_refused || error.is_go_away())
    })
}

#[cfg(not(feature = "http2"))]
fn is_refused(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// The first error of a type among an error and its causes.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// An error and its causes.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

/// What an error was caused by. An `io::Error` leaves out the error that it wraps and names that one's source, which
/// would hide a certificate error from a look at the sources.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// An error with what was being done.
#[derive(Debug)]
struct Cause {
    context: String,
    error: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // "no connection" says less than the context.
        match self.error.downcast_ref::<ConnectError>().and_then(StdError::source) {
            Some(source) => Some(source),
            None => Some(self.error.as_ref()),
        }
    }
}

/// Where a request goes, and on which way.
pub(crate) struct Target<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) route: &'a Route,
}

/// Host and port, without user name, password and path; and the proxy on the way.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri.host().unwrap_or_default())?;
        if let Some(port) = self.uri.port_u16() {
            write!(f, ":{port}")?;
        }
        match proxy_on_the_way(self.route, self.uri) {
            Some(proxy) => write!(f, " through the proxy {proxy}"),
            None => Ok(()),
        }
    }
}
