//! The builder of a transport. `build` validates all settings together.

mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::connect::Connector;
use crate::limits::{AttemptLimits, MAX_TIMEOUT};
use crate::pool::{Opener, Pools, Settings};
use crate::proxy::{ProxySettings, Route};
use crate::tls::Tls;
use crate::transport::Inner;
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
/// assert_eq!(error.to_string(), "`attempt_timeout` is zero, so every call would fail; use a longer time");
/// # Ok::<(), tgscan_transport_hyper::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HyperTransportBuilder {
    limits: AttemptLimits,
    connect_timeout: Duration,
    pool_idle_timeout: Duration,
    pool_max_idle_per_host: usize,
    tcp_keepalive: Option<Duration>,
    user_agent: String,
    http1_only: bool,
    allow_plain_http: bool,
    gzip: bool,
    tls: Tls,
    route: ProxySettings,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            limits: AttemptLimits::new(),
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_secs(50),
            pool_max_idle_per_host: 256,
            tcp_keepalive: Some(Duration::from_secs(15)),
            user_agent: concat!("tgscan-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            http1_only: false,
            allow_plain_http: false,
            gzip: false,
            tls: Tls::default(),
            route: ProxySettings::default(),
        }
    }
}

impl HyperTransportBuilder {
    /// Sets the time limit of one attempt, from its start to the last byte of the body. Default: 30 s, because an attempt
    /// that is abandoned after it was sent may have been paid for; at most a year.
    ///
    /// Retries are further attempts. Limit the whole call with
    /// [`Client::with_deadline`](tgscan_core::Client::with_deadline).
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.limits = self.limits.attempt_timeout(timeout);
        self
    }

    /// Sets the maximum pause within a response body. Default: as long as `attempt_timeout` allows, because an answer that
    /// has begun is paid for.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.limits = self.limits.read_timeout(timeout);
        self
    }

    /// Sets the maximum size of a response body, in bytes. Default: 64 MiB, so that a faulty gateway cannot exhaust the
    /// memory. A longer body fails with an error that keeps exactly the first `bytes` bytes.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.limits = self.limits.max_body_size(bytes);
        self
    }

    /// Sets the time limit for DNS, TCP and TLS together. Default: 10 s. A failure here is never sent, so failing
    /// early costs nothing.
    ///
    /// All addresses of a host share this time. `attempt_timeout` applies as well, so the shorter limit ends a slow
    /// connect.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum age of an idle connection. Default: 50 s.
    ///
    /// The default is below the 60 s to 75 s of common servers and gateways, so that the client closes first: a request
    /// that crosses the server's close on the wire can end as "maybe sent", and a paid call is then not sent again. No
    /// call uses an older connection, even if the runtime was blocked or the machine was suspended meanwhile. If an
    /// HTTP/1.1 server announces its own limit (`Keep-Alive: timeout=5`), the connection is closed one second before
    /// that.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Sets the maximum number of idle connections per host; 0 opens a new connection for each call. Default: 256, which
    /// limits the number of sockets that stay open after a burst of calls.
    ///
    /// HTTP/2 needs only one. Over HTTP/1.1, more concurrent calls than this keep opening and closing connections.
    pub fn pool_max_idle_per_host(mut self, count: usize) -> Self {
        self.pool_max_idle_per_host = count;
        self
    }

    /// Sets the idle time before TCP keep-alive probes; `None` disables them. Default: 15 s.
    ///
    /// Probes keep NAT and firewall entries alive, and detect a vanished peer: after three unanswered probes, at most
    /// 10 s apart, the connection is closed, after 45 s with the default. A quiet HTTP/2 connection with calls in
    /// flight is also pinged, and closed within 20 s if no reply arrives.
    pub fn tcp_keepalive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.tcp_keepalive = silence.into();
        self
    }

    /// Sets the `User-Agent` of requests without one. Default: `tgscan-rust/` and this crate's version.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// Uses only HTTP/1.1 if `true`. Default: `false`.
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

    /// Sends all requests through a proxy, including those to loopback hosts: `http://proxy.example:3128` (HTTP
    /// `CONNECT`) or `socks5h://127.0.0.1:9050` (SOCKS5, such as Tor). Default: no proxy.
    ///
    /// Credentials go before the host, percent-encoded: `http://user:pass%40word@proxy.example:3128`. No `Debug` output and
    /// no error shows them. [`build`](Self::build) rejects invalid and ambiguous URLs, such as one with an unescaped `@` or
    /// `/` in the password.
    ///
    /// TLS runs through the tunnel, so the proxy sees the name of the host, but neither the key nor the query. It also
    /// resolves that name, for `socks5` and `socks5h` alike. If the proxy fails, the call fails as "never sent", with the
    /// proxy's status and reason, and never connects directly. A permanent refusal, such as 407 or 403, is not retried.
    ///
    /// Plain `http` through a remote proxy needs [`allow_plain_http`](Self::allow_plain_http), because the proxy and
    /// anyone on the network path to it could read the API key.
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// let through_tor = HyperTransport::builder().proxy("socks5h://127.0.0.1:9050").build()?;
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.route.explicit = Some(url.into());
        self
    }

    /// Reads the proxy from the environment when the transport is built: `HTTPS_PROXY` for `https`, else `ALL_PROXY`,
    /// except for hosts in `NO_PROXY`. The lower-case form of a name takes precedence. Default: `false`.
    ///
    /// `NO_PROXY` has the syntax of curl: `*` for all hosts, or a list of hosts (including their subdomains), addresses and
    /// networks like `10.0.0.0/8`, separated by commas or spaces. Dots around a host and brackets around an address are
    /// ignored. `host:8443` matches only that port. [`build`](Self::build) rejects invalid entries.
    ///
    /// Requests to loopback hosts always connect directly. Requests over plain `http` use only `ALL_PROXY`.
    ///
    /// Off by default, because the route of requests is the program's decision: neither a variable that was set for another
    /// program nor a Cargo feature that another crate enables should change it.
    pub fn proxy_from_environment(mut self, enable: bool) -> Self {
        self.route.from_environment = enable;
        self
    }

    /// Requests gzip-compressed answers and expands them. Default: `false`, because enabling a Cargo feature should not
    /// change requests.
    ///
    /// [`max_body_size`](Self::max_body_size) limits both the compressed and the expanded body. An answer that expands
    /// beyond it fails with an error that names the limit and keeps the part that was expanded. Replies and errors have
    /// the expanded body, without the `content-encoding` and `content-length` of the compressed one. The answer is
    /// returned unchanged if the request already has an `accept-encoding`, or if the answer has another coding.
    ///
    /// Padding after the compressed body is ignored. If the body is not gzip despite its `content-encoding`, the error names
    /// the coding and has the body and headers as received. If the body turns invalid midway, the error has the expanded part,
    /// and the received bytes as [`EncodedBody`](crate::EncodedBody).
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// // Receives at most 1 MiB, and expands it to at most 1 MiB.
    /// let transport = HyperTransport::builder().gzip(true).max_body_size(1 << 20).build()?;
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    #[cfg(feature = "gzip")]
    pub fn gzip(mut self, enable: bool) -> Self {
        self.gzip = enable;
        self
    }

    /// Validates the settings and builds the transport. Does not connect and needs no runtime.
    ///
    /// # Errors
    /// Returns an error that names the invalid setting and the remedy.
    pub fn build(self) -> Result<HyperTransport, BuildError> {
        if let Some(limit) = self.limits.zero() {
            let effect = match limit {
                "max_body_size" => "every answer would be too large; use at least 1 byte",
                _ => "every call would fail; use a longer time",
            };
            return Err(BuildError::new(format!("`{limit}` is zero, so {effect}")));
        }
        for (setting, timeout, remedy) in [
            ("connect_timeout", Some(self.connect_timeout), ", so every call would fail; use a longer time"),
            (
                "pool_idle_timeout",
                Some(self.pool_idle_timeout),
                "; use a longer time, or `pool_max_idle_per_host(0)` to keep no idle connection",
            ),
            ("tcp_keepalive", self.tcp_keepalive, "; use a longer time, or `None` to send no keep-alives"),
        ] {
            if timeout == Some(Duration::ZERO) {
                return Err(BuildError::new(format!("`{setting}` is zero{remedy}")));
            }
        }
        if self.limits.is_read_timeout_too_long() {
            return Err(BuildError::conflict(
                "`read_timeout` and `attempt_timeout`",
                "`attempt_timeout` covers the whole attempt, so the other one must be shorter",
            ));
        }
        let user_agent = HeaderValue::from_str(&self.user_agent).ok().filter(|value| !value.is_empty());
        let user_agent = user_agent.ok_or_else(|| {
            BuildError::new(
                "`user_agent` is empty or has a character other than visible ASCII and spaces, such as a line break; \
                 use a value like `my-app/1.0`",
            )
        })?;
        let (gzip, limits) = (self.gzip, self.limits);
        let (pools, route) = self.pools()?;
        Ok(HyperTransport::new(Inner { pools, user_agent, route, gzip, limits }))
    }

    fn pools(self) -> Result<(Pools, Route), BuildError> {
        let connect_timeout = self.connect_timeout.min(MAX_TIMEOUT);
        let mut tcp = HttpConnector::new();
        // A request is one small write, which should not wait for more.
        tcp.set_nodelay(true);
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
            offers_http2: !self.http1_only,
        };
        Ok((Pools::new(Opener::new(connector, settings)), route))
    }
}

impl fmt::Debug for HyperTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits roots and proxies: a PEM text can contain a private key, and a proxy's URL credentials.
        f.debug_struct("HyperTransportBuilder")
            .field("limits", &self.limits)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

// Building needs a crypto provider.
#[cfg(test)]
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod tests;
