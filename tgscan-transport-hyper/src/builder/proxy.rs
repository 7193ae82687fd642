//! The proxy settings of the builder.

use super::HyperTransportBuilder;

impl HyperTransportBuilder {
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
}
