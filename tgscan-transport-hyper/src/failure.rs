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
use crate::runtime::Lack;
use crate::tls::explain;

/// No response head came, and hyper says why.
pub(crate) fn before_head(
    error: hyper_util::client::legacy::Error,
    handover: &Handover,
    target: &Target<'_>,
) -> TransportError {
    // hyper cancels a request that it gives back, and none that it began to write.
    let returned = find::<hyper::Error>(&error).is_some_and(hyper::Error::is_canceled);
    let refused = is_handed_back(&error);
    let never_sent = handover.never_sent(returned) || refused;
    if let Some(why) = find::<PlainHttp>(&error) {
        return TransportError::never_sent(why.to_string()).with_kind(Kind::Refused).with_trusted_text();
    }
    if let Some(lack) = find::<Lack>(&error) {
        return TransportError::never_sent(lack.remedy()).with_kind(Kind::Refused).with_trusted_text();
    }
    let proxy = of_proxy(&error);
    let is_trusted = !quotes_peer(&error);
    let kind = kind(&error, never_sent);
    let host = target;
    let context = match kind {
        Kind::Tls => {
            let why = find::<rustls::Error>(&error).and_then(|error| explain(error, &host.to_string()));
            why.unwrap_or_else(|| format!("no TLS session with {host}"))
        }
        Kind::Connect
            if !proxy.is && ended_in_handshake(&error) && target.uri.scheme() == Some(&Scheme::HTTPS) =>
        {
            format!("{host} ended the connection within the TLS handshake")
        }
        _ if error.is_connect() => format!("connecting to {host}"),
        _ if refused => format!("{host} refused the request before processing it"),
        _ if never_sent => format!("the connection to {host} ended before the request began"),
        _ => format!("no answer from {host}"),
    };
    let source = Cause { context, error: Box::new(error) };
    let failed = if never_sent { TransportError::never_sent(source) } else { TransportError::new(source) };
    let kind = if proxy.is_permanent { Kind::Refused } else { kind };
    trusting(failed.with_kind(kind), is_trusted)
}

/// A time limit passed without a response head.
pub(crate) fn timed_out_before_head(
    passed: &str,
    handover: &Handover,
    target: &Target<'_>,
) -> TransportError {
    let host = target;
    let failed = if handover.never_sent(false) {
        TransportError::never_sent(format!("{passed} while connecting to {host}"))
    } else {
        TransportError::new(format!("{passed} without an answer from {host}"))
    };
    failed.with_kind(Kind::Timeout).with_trusted_text()
}

/// A response body broke off after `received` bytes.
pub(crate) fn in_body(error: hyper::Error, received: u64, announced: Option<u64>) -> Failed {
    let context = match announced {
        Some(announced) if received < announced => {
            format!(
                "the body broke off after {received} of the {announced} bytes that `content-length` announces"
            )
        }
        _ => "the body broke off".to_owned(),
    };
    let (kind, is_trusted) = (kind(&error, false), !quotes_peer(&error));
    Failed { kind, source: Box::new(Cause { context, error: Box::new(error) }), is_trusted }
}

fn kind(error: &(dyn StdError + 'static), never_sent: bool) -> Kind {
    let timed_out = find::<ConnectTimeout>(error).is_some()
        || find::<hyper::Error>(error).is_some_and(hyper::Error::is_timeout)
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    let no_session = find::<rustls::Error>(error).is_some() || find::<InvalidDnsNameError>(error).is_some();
    let connecting = find::<hyper_util::client::legacy::Error>(error)
        .is_some_and(hyper_util::client::legacy::Error::is_connect);
    if timed_out {
        Kind::Timeout
    } else if no_session && never_sent {
        Kind::Tls
    } else if connecting {
        Kind::Connect
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        // Something answered, but not in HTTP.
        Kind::Other
    } else {
        Kind::Broken
    }
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
    // hyper-rustls wraps the error of the handshake in one of kind "other".
    chain(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe))
}

/// Whether the server says that it did not process the request, so that it can be sent again (RFC 9113, 8.7). It resets
/// the stream with `REFUSED_STREAM`, as when too many streams are open; or its GOAWAY names a last stream below this one,
/// whatever the reason: h2 gives that error to no other stream.
#[cfg(feature = "http2")]
fn is_handed_back(error: &(dyn StdError + 'static)) -> bool {
    find::<h2::Error>(error).is_some_and(|error| {
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_refused || error.is_go_away())
    })
}

#[cfg(not(feature = "http2"))]
fn is_handed_back(_: &(dyn StdError + 'static)) -> bool {
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
        // hyper-util's own words ("client error (Connect)") say less than the context.
        match self.error.downcast_ref::<hyper_util::client::legacy::Error>().and_then(StdError::source) {
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
