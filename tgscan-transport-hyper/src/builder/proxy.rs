//! The settings of proxies.

use super::HyperTransportBuilder;

impl HyperTransportBuilder {
    /// Sends everything through this proxy, loopback hosts too: `http://proxy.example:3128` (HTTP `CONNECT`) or
    /// `socks5h://127.0.0.1:9050` (SOCKS5, such as Tor). Default: no proxy.
    ///
    /// Credentials go before the host, percent-encoded: `http://user:pass%40word@proxy.example:3128`. They are shown
    /// by no `Debug` and no error. A URL that can be read in two ways, such as one with an unescaped `@` or `/` in the
    /// password, or whose port is none, is an error of [`build`](Self::build).
    ///
    /// TLS runs through the tunnel, so the proxy sees the host's name and neither the key nor the query. It also resolves
    /// that name, with `socks5` as with `socks5h`. If the proxy fails, the call fails as "never sent", with the proxy's
    /// status and reason: there is no way around it. What it refuses for good, such as with 407 or 403, is not tried again.
    ///
    /// Plain `http` goes through no proxy that is not on this machine, unless
    /// [`allow_plain_http`](Self::allow_plain_http) says so: the proxy and everyone on the way to it could read the API key.
    ///
    /// ```
    /// use tgscan_transport_hyper::HyperTransport;
    ///
    /// let through_tor = HyperTransport::builder().proxy("socks5h://127.0.0.1:9050").build()?;
    /// # Ok::<(), tgscan_transport_hyper::BuildError>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.route.by_hand = Some(url.into());
        self
    }

    /// Takes the proxy from the environment when the transport is built: `HTTPS_PROXY` for `https`, else `ALL_PROXY`,
    /// but not for hosts in `NO_PROXY`. Lower case goes first. Default: `false`.
    ///
    /// `NO_PROXY` is read as curl reads it: `*` for all, or hosts (with all below them), addresses and networks like
    /// `10.0.0.0/8`, separated by commas or spaces; dots before and behind a host and brackets around an address change
    /// nothing. `host:8443` is that port alone. What cannot be read is an error of [`build`](Self::build).
    ///
    /// Loopback hosts never go through a proxy of the environment: it cannot reach them, and a sidecar or a mock is
    /// meant then. Plain `http` hosts only go through `ALL_PROXY`.
    ///
    /// Off by default, because the way that requests take is the program's decision: a variable that was set for another
    /// program should not change it, and neither should a Cargo feature that another crate turns on.
    pub fn proxy_from_environment(mut self, take: bool) -> Self {
        self.route.from_environment = take;
        self
    }
}
