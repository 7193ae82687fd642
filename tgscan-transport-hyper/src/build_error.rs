//! Why a transport was not built.

use std::fmt;

/// Settings that were refused: says which one and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A time limit is zero, so that every call would fail.
    #[non_exhaustive]
    ZeroTimeout {
        /// The builder's method that set it.
        setting: &'static str,
    },
    /// The cap of the body is zero, so that every answer would be too large.
    ZeroMaxBodySize,
    /// The user agent cannot be a header value.
    UserAgent,
    /// A PEM text has no certificate in it.
    NoCertificate,
    /// A PEM text cannot be read.
    #[non_exhaustive]
    Pem {
        /// What the reader says.
        reason: String,
    },
    /// An extra root is not a certificate that can be trusted.
    #[non_exhaustive]
    RootCertificate {
        /// Which of the extra roots, counted from 1 in the order in which they were added.
        number: usize,
        /// What rustls says.
        reason: String,
    },
    /// A proxy cannot be used.
    #[non_exhaustive]
    Proxy {
        /// The builder's method or the environment variable that names it. Its text is left out: it can hold a password.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The list of hosts that are reached without a proxy cannot be read.
    #[non_exhaustive]
    NoProxy {
        /// The environment variable.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Settings that cannot hold together.
    #[non_exhaustive]
    ConflictingSettings {
        /// Which ones.
        settings: &'static str,
        /// What to change.
        remedy: &'static str,
    },
    /// The crate was built without a crypto provider, and none was given.
    NoCryptoProvider,
    /// TLS cannot be set up.
    #[non_exhaustive]
    Tls {
        /// What rustls says.
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
                 give a text like `my-app/1.0`",
            ),
            Self::NoCertificate => f.write_str(
                "`extra_roots_pem` got a text without any certificate; give one with `-----BEGIN CERTIFICATE-----` \
                 (a key or DER bytes are not PEM certificates)",
            ),
            Self::Pem { reason } => {
                write!(f, "`extra_roots_pem` got a text that is not PEM: {reason}; give the file as it is")
            }
            Self::RootCertificate { number, reason } => {
                write!(f, "extra root certificate {number} cannot be used: {reason}; give a root certificate")
            }
            Self::Proxy { setting, reason } => write!(
                f,
                "the proxy in `{setting}` cannot be used: {reason}; give a URL like `http://proxy.example:3128` or \
                 `socks5h://127.0.0.1:9050`"
            ),
            Self::NoProxy { setting, reason } => write!(
                f,
                "the list of hosts in `{setting}` cannot be read: {reason}; give hosts, addresses and networks like \
                 `internal.example, 10.0.0.0/8, [::1]:8443`"
            ),
            Self::ConflictingSettings { settings, remedy } => {
                write!(f, "{settings} contradict each other; {remedy}")
            }
            Self::NoCryptoProvider => f.write_str(
                "there is no crypto provider for TLS; turn on the feature `ring` or `aws-lc-rs`, or give one with \
                 `crypto_provider` or `tls_config`",
            ),
            Self::Tls { reason } => write!(f, "TLS cannot be set up: {reason}"),
        }
    }
}
