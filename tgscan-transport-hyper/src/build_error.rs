//! The error of building a transport.

use std::fmt;

/// An invalid setting of a [`HyperTransportBuilder`](crate::HyperTransportBuilder). The message names the setting and
/// the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A timeout is zero, so every call would fail.
    #[non_exhaustive]
    ZeroTimeout {
        /// The builder's method that set it.
        setting: &'static str,
    },
    /// `max_body_size` is zero, so every answer would be too large.
    ZeroMaxBodySize,
    /// The user agent is not a valid header value.
    UserAgent,
    /// PEM data contains no certificate.
    NoCertificate,
    /// PEM data cannot be parsed.
    #[non_exhaustive]
    Pem {
        /// The message of the parser.
        reason: String,
    },
    /// An extra root is not a valid root certificate.
    #[non_exhaustive]
    RootCertificate {
        /// The position among the extra roots, starting at 1.
        number: usize,
        /// The message of rustls.
        reason: String,
    },
    /// A proxy URL is invalid or not supported.
    #[non_exhaustive]
    Proxy {
        /// The builder's method or the environment variable. The URL itself is omitted, because it can contain a password.
        setting: &'static str,
        /// The fault.
        reason: &'static str,
    },
    /// `NO_PROXY`, the list of hosts to reach without a proxy, is invalid.
    #[non_exhaustive]
    NoProxy {
        /// The environment variable.
        setting: &'static str,
        /// The fault.
        reason: &'static str,
    },
    /// Two settings contradict each other.
    #[non_exhaustive]
    ConflictingSettings {
        /// The settings.
        settings: &'static str,
        /// The change that resolves the conflict.
        remedy: &'static str,
    },
    /// The crate was built without a crypto provider, and none was given to the builder.
    NoCryptoProvider,
    /// TLS cannot be set up.
    #[non_exhaustive]
    Tls {
        /// The message of rustls.
        reason: String,
    },
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroTimeout { setting: setting @ "pool_idle_timeout" } => write!(
                f,
                "`{setting}` is zero; give a longer time, or `pool_max_idle_per_host(0)` to keep no idle connection"
            ),
            Self::ZeroTimeout { setting: setting @ "tcp_keepalive" } => {
                write!(f, "`{setting}` is zero; give a longer time, or `None` to send no keep-alives")
            }
            Self::ZeroTimeout { setting } => {
                write!(f, "`{setting}` is zero, so every call would fail; give a longer time")
            }
            Self::ZeroMaxBodySize => {
                f.write_str("`max_body_size` is zero, so every answer would be too large; give at least 1 byte")
            }
            Self::UserAgent => f.write_str(
                "`user_agent` is empty or has a character other than visible ASCII and spaces, such as a line break; \
                 give a value like `my-app/1.0`",
            ),
            Self::NoCertificate => f.write_str(
                "the data for `extra_roots_pem` contains no certificate; give one with `-----BEGIN CERTIFICATE-----` \
                 (a key or DER bytes are not PEM certificates)",
            ),
            Self::Pem { reason } => {
                write!(f, "the data for `extra_roots_pem` is not valid PEM: {reason}; give the unchanged file")
            }
            Self::RootCertificate { number, reason } => {
                write!(f, "extra root certificate {number} is invalid: {reason}; give a root certificate")
            }
            Self::Proxy { setting, reason } => write!(
                f,
                "the proxy in `{setting}` cannot be used: {reason}; give a URL like `http://proxy.example:3128` or \
                 `socks5h://127.0.0.1:9050`"
            ),
            Self::NoProxy { setting, reason } => write!(
                f,
                "the list of hosts in `{setting}` is invalid: {reason}; give hosts, addresses and networks like \
                 `internal.example, 10.0.0.0/8, [::1]:8443`"
            ),
            Self::ConflictingSettings { settings, remedy } => {
                write!(f, "{settings} contradict each other; {remedy}")
            }
            Self::NoCryptoProvider => f.write_str(
                "no crypto provider for TLS is available; enable the feature `ring` or `aws-lc-rs`, or set one with \
                 `crypto_provider` or `tls_config`",
            ),
            Self::Tls { reason } => write!(f, "TLS cannot be set up: {reason}"),
        }
    }
}
