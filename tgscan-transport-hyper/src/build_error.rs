//! The error of building a transport.

use std::borrow::Cow;
use std::fmt;

/// An invalid setting of a [`HyperTransportBuilder`](crate::HyperTransportBuilder).
///
/// The message names the setting and the remedy. It quotes no proxy URL, which can contain a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(Cow<'static, str>);

impl BuildError {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    /// Reports two settings that contradict each other.
    pub(crate) fn conflict(settings: &str, remedy: &str) -> Self {
        Self::new(format!("{settings} contradict each other; {remedy}"))
    }

    pub(crate) fn tls(error: &rustls::Error) -> Self {
        Self::new(format!("TLS cannot be set up: {error}"))
    }
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
