//! Why a proxy made no tunnel.

use std::error::Error as StdError;
use std::fmt;
use std::io;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The proxy failed, before anything was sent to the host.
#[derive(Debug)]
pub(crate) struct ProxyError {
    said: String,
    source: Option<BoxError>,
    /// Asking again would end the same way, or worse: proxies lock out who tries a wrong password again and again.
    pub(crate) is_permanent: bool,
    /// Some of the words are the proxy's.
    pub(crate) quotes_proxy: bool,
}

impl ProxyError {
    pub(super) fn unreachable(source: BoxError) -> Self {
        Self { source: Some(source), ..Self::new("the proxy cannot be reached") }
    }

    /// No answer of the proxy that could be read.
    pub(super) fn broken(source: io::Error) -> Self {
        Self { source: Some(source.into()), ..Self::new("the proxy did not connect to the host") }
    }

    /// The proxy said no, or nothing that makes sense.
    pub(super) fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), source: None, is_permanent: false, quotes_proxy: false }
    }

    pub(super) fn permanent(mut self, is_permanent: bool) -> Self {
        self.is_permanent = is_permanent;
        self
    }

    pub(super) fn quoting(mut self, quotes_proxy: bool) -> Self {
        self.quotes_proxy = quotes_proxy;
        self
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl StdError for ProxyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
