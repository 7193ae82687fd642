//! The errors of transports.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::panics::{Contained, catch};
use crate::redact::Redactor;

/// The delivery of a request without a complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The service cannot have processed the request: it was not sent completely, or the server refused it unprocessed
    /// (HTTP/2 `REFUSED_STREAM`).
    NeverSent,
    /// The service may have received and processed the request.
    MaybeSent,
    /// The response started and broke off. The service may have processed the request; the status and the received body
    /// decide.
    ResponseStarted,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverSent => "never sent",
            Self::MaybeSent => "maybe sent",
            Self::ResponseStarted => "response started",
        })
    }
}

/// The kind of a [`TransportError`]. Retries depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The name was not resolved, or no connection was made.
    Connect,
    /// No trusted TLS session was established. Not retried.
    Tls,
    /// A time limit passed.
    Timeout,
    /// The body is larger than the transport's limit; the bytes up to the limit are kept.
    BodyTooLarge,
    /// The connection broke.
    Broken,
    /// The transport refuses to send this request, such as plain `http` to another host.
    Refused,
    /// Any other failure.
    Other,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Tls => "no trusted TLS session",
            Self::Timeout => "timed out",
            Self::BodyTooLarge => "the answer is too large",
            Self::Broken => "the connection broke",
            Self::Refused => "refused by the transport",
            Self::Other => "the transport failed",
        })
    }
}

/// The error of a [`Transport`](super::Transport) that received no complete response.
///
/// ```
/// use tgscan_core::{TransportError, transport::{Delivery, TransportErrorKind}};
///
/// // By default, an error means "maybe sent".
/// assert_eq!(TransportError::new("socket trouble").delivery(), Delivery::MaybeSent);
///
/// let error = TransportError::never_sent("connection refused").with_kind(TransportErrorKind::Connect);
/// assert_eq!(error.to_string(), "no connection (never sent): connection refused");
/// ```
pub struct TransportError {
    // Boxed to keep the `Result` of every call small.
    inner: Box<Inner>,
}

struct Inner {
    kind: TransportErrorKind,
    delivery: Delivery,
    partial: Option<Response<Bytes>>,
    source: Contained<Box<dyn StdError + Send + Sync>>,
    /// The chain of causes without key and query, once the client has redacted it.
    clean_causes: Option<String>,
    /// Whether the causes are printed without redaction.
    has_trusted_text: bool,
}

impl TransportError {
    /// Creates an error for a request that may have been processed ("maybe sent").
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with_delivery(Delivery::MaybeSent, None, source.into())
    }

    /// Creates an error for a request that the service certainly has not processed and will not process.
    pub fn never_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with_delivery(Delivery::NeverSent, None, source.into())
    }

    /// Creates an error for a response that broke off: `partial` has its status, headers and received body bytes.
    pub fn response_started(
        partial: Response<Bytes>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::with_delivery(Delivery::ResponseStarted, Some(partial), source.into())
    }

    fn with_delivery(
        delivery: Delivery,
        partial: Option<Response<Bytes>>,
        source: Box<dyn StdError + Send + Sync>,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                kind: TransportErrorKind::Other,
                delivery,
                partial,
                source: Contained::new(source),
                clean_causes: None,
                has_trusted_text: false,
            }),
        }
    }

    /// Sets the kind. Default: [`TransportErrorKind::Other`].
    #[must_use]
    pub fn with_kind(mut self, kind: TransportErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Prints the causes without redaction, for sources that never quote the request.
    ///
    /// By default, the client replaces text in the causes that looks like the key or the query, because a foreign error
    /// may quote the request. This can affect other text: with the query `host`, every word "host" is replaced. Do not
    /// trust causes that quote the peer, such as a reason phrase, because peers may echo requests.
    #[must_use]
    pub fn with_trusted_text(mut self) -> Self {
        self.inner.has_trusted_text = true;
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> TransportErrorKind {
        self.inner.kind
    }

    /// Returns whether the request was delivered.
    pub fn delivery(&self) -> Delivery {
        self.inner.delivery
    }

    /// Returns the response received before the failure: status, headers, and the start of the body.
    pub fn partial(&self) -> Option<&Response<Bytes>> {
        self.inner.partial.as_ref()
    }

    /// Takes the response received before the failure.
    pub(crate) fn take_partial(&mut self) -> Option<Response<Bytes>> {
        self.inner.partial.take()
    }

    /// Returns the transport's cause, for example to downcast it. Its text may quote the request.
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.inner.source.get().as_ref()
    }

    /// Returns whether a time limit passed.
    pub fn is_timeout(&self) -> bool {
        self.inner.kind == TransportErrorKind::Timeout
    }

    /// Removes key and query from the printed causes, unless they are [trusted](Self::with_trusted_text).
    pub(crate) fn redact(&mut self, redactor: &Redactor<'_>) {
        if self.inner.has_trusted_text {
            return;
        }
        let causes = catch(|| Causes(self.inner.source.get().as_ref()).to_string());
        let clean =
            causes.map_or_else(|| "the `Display` of the error panicked".into(), |text| redactor.clean(&text));
        self.inner.clean_causes = Some(clean);
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        use TransportErrorKind as Kind;
        match self.inner.kind {
            Kind::Connect | Kind::Timeout | Kind::Broken | Kind::Other => true,
            Kind::Tls | Kind::BodyTooLarge | Kind::Refused => false,
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.inner.kind, self.inner.delivery)?;
        if let Some(partial) = &self.inner.partial {
            write!(f, ": HTTP {}, {} bytes kept", partial.status().as_u16(), partial.body().len())?;
        }
        match &self.inner.clean_causes {
            Some(causes) => write!(f, "): {causes}"),
            None => write!(f, "): {}", Causes(self.inner.source.get().as_ref())),
        }
    }
}

/// An error with its sources on one line, because the outermost error is rarely specific.
struct Causes<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Uses `Display`, because the `Debug` of the body or of a foreign source could show the answer or the request.
        f.debug_tuple("TransportError").field(&format_args!("{self}")).finish()
    }
}

impl StdError for TransportError {
    /// Returns the cause only if its text [is trusted](TransportError::with_trusted_text), because error reporters
    /// print sources. [`cause`](TransportError::cause) always returns it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.has_trusted_text.then_some(&**self.inner.source.get() as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_all_causes_and_hides_the_body() {
        let io = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset by peer");
        let partial = Response::builder().status(200).body(Bytes::from_static(b"private")).unwrap();
        let error = TransportError::response_started(partial, io).with_kind(TransportErrorKind::Broken);
        assert_eq!(
            error.to_string(),
            "the connection broke (response started: HTTP 200, 7 bytes kept): reset by peer"
        );
        assert!(!format!("{error:?} {error:#?}").contains("private"));
        assert_eq!(error.partial().unwrap().body(), "private");
        assert!(error.cause().downcast_ref::<std::io::Error>().is_some());
    }

    #[test]
    fn redacts_the_query_unless_the_text_is_trusted() {
        let key = crate::ApiKey::live("5ec4e7").unwrap();
        let form = Bytes::from_static(b"query=host");
        let said = |mut error: TransportError| {
            error.redact(&Redactor::new(&key, &form));
            error.to_string()
        };
        let error = || TransportError::new("no answer from host.example");
        assert_eq!(said(error()), "the transport failed (maybe sent): no answer from <query>.example");
        assert_eq!(
            said(error().with_trusted_text()),
            "the transport failed (maybe sent): no answer from host.example"
        );
    }

    #[test]
    fn each_kind_has_a_text_and_is_transient_or_not() {
        use TransportErrorKind as Kind;
        for (kind, says, is_transient) in [
            (Kind::Connect, "no connection", true),
            (Kind::Tls, "no trusted TLS session", false),
            (Kind::Timeout, "timed out", true),
            (Kind::BodyTooLarge, "the answer is too large", false),
            (Kind::Broken, "the connection broke", true),
            (Kind::Refused, "refused by the transport", false),
            (Kind::Other, "the transport failed", true),
        ] {
            let error = TransportError::new("why").with_kind(kind);
            assert_eq!(error.to_string(), format!("{says} (maybe sent): why"));
            assert_eq!((error.kind(), error.is_transient()), (kind, is_transient));
            assert_eq!(error.is_timeout(), kind == Kind::Timeout);
            assert!(error.source().is_none(), "it may quote the request");
            assert!(error.with_trusted_text().source().is_some());
        }
    }
}
