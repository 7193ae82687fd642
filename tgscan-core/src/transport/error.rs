//! Why a transport brought no complete response back, and what is known about delivery.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::panics::catch;
use crate::redact::Redactor;

/// What is known about the delivery of a request that got no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The service cannot have processed the request: it was never sent, or never completely, or its HTTP layer
    /// handed it back unprocessed (`REFUSED_STREAM` of HTTP/2).
    NeverSent,
    /// The request may have reached the service and may have been processed.
    MaybeSent,
    /// The service began to answer: it has processed the request, or is doing so.
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

/// What went wrong, as far as retrying or reporting it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The name was not resolved, or no connection was made.
    Connect,
    /// No trusted TLS session was made; trying again would end the same way.
    Tls,
    /// A time limit passed.
    Timeout,
    /// The body is larger than the transport's cap; what fits is kept.
    BodyTooLarge,
    /// The connection broke.
    Broken,
    /// The transport refuses to send this request, such as plain `http` to another host.
    Refused,
    /// Anything else.
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

/// Why a [`Transport`](super::Transport) returned no complete response.
///
/// ```
/// use tgscan_core::{TransportError, transport::{Delivery, TransportErrorKind}};
///
/// // A foreign error about which nothing is known counts as "maybe sent".
/// assert_eq!(TransportError::new("socket trouble").delivery(), Delivery::MaybeSent);
///
/// let error = TransportError::never_sent("connection refused").with_kind(TransportErrorKind::Connect);
/// assert_eq!(error.to_string(), "no connection (never sent): connection refused");
/// ```
pub struct TransportError {
    // Boxed, because it travels in every `Result` of every call.
    inner: Box<Inner>,
}

struct Inner {
    kind: TransportErrorKind,
    delivery: Delivery,
    partial: Option<Response<Bytes>>,
    source: Box<dyn StdError + Send + Sync>,
    /// The chain of causes without key and query, once the call that failed is known.
    clean_causes: Option<String>,
    /// Whether the causes are printed as they are.
    has_trusted_text: bool,
}

impl TransportError {
    /// Creates an error after which the request may have been processed ("maybe sent").
    pub fn new(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with_delivery(Delivery::MaybeSent, None, source.into())
    }

    /// Creates an error after which the service certainly cannot process the request.
    pub fn never_sent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with_delivery(Delivery::NeverSent, None, source.into())
    }

    /// Creates an error after the response started: `partial` has its status, its headers, and the body bytes so far.
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
                source,
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

    /// Prints its causes as they are: for sources that never quote the request.
    ///
    /// Without it, the client replaces whatever looks like the key or the query in the causes, because a foreign
    /// error may quote the request. That can also hit innocent text: a query of `host` would blank every "host" in an
    /// error. Do not set it where a cause quotes what the peer said, such as a reason phrase: peers echo requests.
    #[must_use]
    pub fn with_trusted_text(mut self) -> Self {
        self.inner.has_trusted_text = true;
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> TransportErrorKind {
        self.inner.kind
    }

    /// Returns what is known about delivery.
    pub fn delivery(&self) -> Delivery {
        self.inner.delivery
    }

    /// Returns what was received before the failure: status, headers, and the beginning of the body.
    pub fn partial(&self) -> Option<&Response<Bytes>> {
        self.inner.partial.as_ref()
    }

    /// Takes out what was received before the failure.
    pub(crate) fn take_partial(&mut self) -> Option<Response<Bytes>> {
        self.inner.partial.take()
    }

    /// Returns whether a time limit passed.
    pub fn is_timeout(&self) -> bool {
        self.inner.kind == TransportErrorKind::Timeout
    }

    /// Removes key and query from what is printed: a foreign error may quote the request.
    ///
    /// Leaves causes alone that [never quote it](Self::with_trusted_text).
    pub(crate) fn redact(&mut self, redactor: &Redactor<'_>) {
        if self.inner.has_trusted_text {
            return;
        }
        let causes = catch(|| Causes(self.inner.source.as_ref()).to_string());
        let clean =
            causes.map_or_else(|| "the text of the error panics".into(), |text| redactor.clean(&text));
        self.inner.clean_causes = Some(clean);
    }

    /// Whether sending the same request again may end differently.
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
            None => write!(f, "): {}", Causes(self.inner.source.as_ref())),
        }
    }
}

/// An error with its sources on one line, because the outermost one alone rarely says anything.
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
        // As `Display`: the `Debug` of the body or of a foreign source could show the answer or the request.
        f.debug_tuple("TransportError").field(&format_args!("{self}")).finish()
    }
}

impl StdError for TransportError {
    /// Returns the cause where its text [never quotes the request](TransportError::with_trusted_text). Reporters print
    /// sources, so all others are only in [`cause`](TransportError::cause).
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.has_trusted_text.then_some(&*self.inner.source as _)
    }
}

impl TransportError {
    /// Returns the cause that the transport gave, e.g. to downcast it. Its text may quote the request.
    pub fn cause(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.inner.source.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_has_the_whole_chain_and_debug_hides_the_body() {
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
    fn trusted_text_is_printed_as_it_is_and_other_text_without_the_query() {
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
    fn each_kind_has_words_and_says_if_it_is_transient() {
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
