//! The builder of a transport. `build` validates all settings together.

mod connections;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "proxy")]
mod proxy;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::connect::{Connector, ProxySettings, Route};
use crate::incoming::Coding;
use crate::limits::{Limits, MAX_TIMEOUT};
use crate::pool::{Opener, Pools, Settings};
use crate::tls::Tls;
use crate::{BuildError, HyperTransport};

/// The interval of unanswered TCP keep-alive probes, and their number before the connection is closed. Systems default to
/// nine probes every 75 s.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// The head start of the preferred address family (the value that RFC 8305, section 8, recommends).
const HEAD_START: Duration = Duration::from_millis(250);

/// Builds a [`HyperTransport`]. Created by [`HyperTransport::builder`]; every setting has a default.
///
/// ```
/// use std::time::Duration;
/// use tgscan_transport_hyper::HyperTransport;
///
/// let transport = HyperTransport::builder()
///     .attempt_timeout(Duration::from_secs(10))
///     .user_agent("my-app/1.0")
///     .build()?;
///
/// let error = HyperTransport::builder().attempt_timeout(Duration::ZERO).build().unwrap_err();
/// assert_eq!(error.to_string(), "`attempt_timeout` is zero, so every call would fail; give a longer time");
/// # Ok::<(), tgscan_transport_hyper::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HyperTransportBuilder {
    connect_timeout: Duration,
    attempt_timeout: Duration,
    first_byte_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    pool_idle_timeout: Duration,
    tcp_keepalive: Option<Duration>,
    tcp_nodelay: bool,
    pool_max_idle_per_host: usize,
    max_body_size: usize,
    user_agent: String,
    http1_only: bool,
    allow_plain_http: bool,
    tls: Tls,
    route: ProxySettings,
    coding: Coding,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(30),
            first_byte_timeout: None,
            read_timeout: None,
            tcp_keepalive: Some(Duration::from_secs(15)),
            tcp_nodelay: true,
            pool_idle_timeout: Duration::from_secs(50),
            pool_max_idle_per_host: 256,
            max_body_size: 64 << 20,
            user_agent: concat!("tgscan-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            http1_only: false,
            allow_plain_http: false,
            tls: Tls::default(),
            route: ProxySettings::default(),
            coding: Coding::default(),
        }
    }
}

impl HyperTransportBuilder {
    /// Sets the time limit of one attempt, from its start to the last byte of the body. Default: 30 s; at most a year.
    ///
    /// Retries are further attempts. Limit the whole call with
    /// [`Client::with_deadline`](tgscan_core::Client::with_deadline).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the time limit from the start of an attempt to the first byte of the response, including connecting. Default:
    /// as long as `attempt_timeout` allows.
    ///
    /// Use it with a long `attempt_timeout`, for large answers over slow connections. A paid call that exceeds it is
    /// "maybe sent" and not sent again.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = Some(timeout);
        self
    }

    /// Sets the maximum pause within a response body. Default: as long as `attempt_timeout` allows, because an answer that
    /// has begun is paid for.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = Some(timeout);
        self
    }

    /// Sets the maximum size of a response body, in bytes. Default: 64 MiB. A longer body fails with an error that
    /// keeps exactly the first `bytes` bytes.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Sets the `User-Agent` of requests without one. Default: `tgscan-rust/` and this crate's version.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// Disables HTTP/2. Default: `false`.
    pub fn http1_only(mut self, only: bool) -> Self {
        self.http1_only = only;
        self
    }

    /// Allows plain `http` to other hosts and through remote proxies. Default: `false`, which allows loopback hosts and
    /// proxies on this machine.
    ///
    /// **Anyone on the network path can read the API key and spend its credits.** Intended for a sidecar in a private
    /// network. The base URL must allow it too, with
    /// [`Api::with_plain_http_base_url`](tgscan_core::Api::with_plain_http_base_url).
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Validates the settings and builds the transport. Does not connect and needs no runtime.
    ///
    /// # Errors
    /// Returns an error that names the invalid setting and the remedy.
    pub fn build(self) -> Result<HyperTransport, BuildError> {
        let limits = Limits {
            attempt_timeout: self.attempt_timeout,
            first_byte_timeout: self.first_byte_timeout,
            read_timeout: self.read_timeout,
            max_body_size: self.max_body_size,
        };
        if let Some(setting) = limits.zero_timeout().or_else(|| self.zero_timeout()) {
            return Err(BuildError::ZeroTimeout { setting });
        }
        for (settings, timeout) in [
            ("`first_byte_timeout` and `attempt_timeout`", self.first_byte_timeout),
            ("`read_timeout` and `attempt_timeout`", self.read_timeout),
        ] {
            if timeout.is_some_and(|timeout| timeout > self.attempt_timeout) {
                let remedy = "`attempt_timeout` covers the whole attempt, so the other one must be shorter";
                return Err(BuildError::ConflictingSettings { settings, remedy });
            }
        }
        if self.max_body_size == 0 {
            return Err(BuildError::ZeroMaxBodySize);
        }
        let user_agent = HeaderValue::from_str(&self.user_agent).map_err(|_| BuildError::UserAgent)?;
        if user_agent.is_empty() {
            return Err(BuildError::UserAgent);
        }
        let coding = self.coding;
        let (pools, route) = self.pools()?;
        Ok(HyperTransport::new(pools, user_agent, route, coding, limits))
    }

    fn zero_timeout(&self) -> Option<&'static str> {
        [
            ("connect_timeout", Some(self.connect_timeout)),
            ("pool_idle_timeout", Some(self.pool_idle_timeout)),
            ("tcp_keepalive", self.tcp_keepalive),
        ]
        .into_iter()
        .find_map(|(setting, timeout)| (timeout == Some(Duration::ZERO)).then_some(setting))
    }

    fn pools(self) -> Result<(Pools, Route), BuildError> {
        let connect_timeout = self.connect_timeout.min(MAX_TIMEOUT);
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(self.tcp_nodelay);
        tcp.set_keepalive(self.tcp_keepalive.map(|silence| silence.min(MAX_TIMEOUT)));
        tcp.set_keepalive_interval(self.tcp_keepalive.map(|silence| silence.min(PROBE_INTERVAL)));
        tcp.set_keepalive_retries(self.tcp_keepalive.map(|_| PROBES));
        // Divided among the addresses of a host, so that an unresponsive one leaves time for the next.
        tcp.set_connect_timeout(Some(connect_timeout));
        tcp.set_happy_eyeballs_timeout(Some(HEAD_START));
        // `Connector` handles the scheme; the TCP connector would refuse `https`.
        tcp.enforce_http(false);
        let route = self.route.route(tcp)?;
        let tls = Arc::new(self.tls.config(self.http1_only)?);
        let (timeout, allow_plain_http) = (connect_timeout, self.allow_plain_http);
        let connector = Connector { route: route.clone(), tls, timeout, allow_plain_http };
        let settings = Settings {
            idle_timeout: self.pool_idle_timeout.min(MAX_TIMEOUT),
            max_idle: self.pool_max_idle_per_host,
            offers_http2: cfg!(feature = "http2") && !self.http1_only,
        };
        Ok((Pools::new(Opener::new(connector, settings)), route))
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits roots and proxies: a PEM text can contain a private key, and a proxy's URL credentials.
        f.debug_struct("HyperTransportBuilder")
            .field("connect_timeout", &self.connect_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("read_timeout", &self.read_timeout)
            .field("pool_idle_timeout", &self.pool_idle_timeout)
            .field("pool_max_idle_per_host", &self.pool_max_idle_per_host)
            .field("max_body_size", &self.max_body_size)
            .field("user_agent", &self.user_agent)
            .field("http1_only", &self.http1_only)
            .field("allow_plain_http", &self.allow_plain_http)
            .finish_non_exhaustive()
    }
}

// Building needs a crypto provider.
#[cfg(test)]
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod tests;
