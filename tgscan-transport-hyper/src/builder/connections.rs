//! The settings of connections.

use std::time::Duration;

use super::HyperTransportBuilder;

impl HyperTransportBuilder {
    /// Sets the time limit for DNS, TCP and TLS together. Default: 10 s. `attempt_timeout` applies as well, so that the
    /// shorter of the two ends a slow connect.
    ///
    /// A host with several addresses gives each its share of this time.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long an idle connection is kept. Default: 50 s.
    ///
    /// Shorter than the 60 s to 75 s of common servers and gateways, so that connections are closed from this side:
    /// a request that meets a server's closing on the wire may be "maybe sent", and is then not sent again. A call takes no
    /// connection that is older, also if the runtime was blocked or the machine was suspended meanwhile. Where an
    /// HTTP/1.1 server says itself when it closes (`Keep-Alive: timeout=5`), the connection ends a second before that.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Sets the maximum number of idle connections per host; 0 opens a new connection for each call. Default: 256.
    ///
    /// With HTTP/2 one suffices. A program that has more calls than this under way over HTTP/1.1 closes connections and
    /// opens others all the time.
    pub fn pool_max_idle_per_host(mut self, count: usize) -> Self {
        self.pool_max_idle_per_host = count;
        self
    }

    /// Sets the idle time before TCP keep-alive probes; `None` disables them. Default: 15 s.
    ///
    /// Keeps the entries of routers and firewalls alive, and finds out about a peer that vanished without a word: it asks
    /// three times, at least every 10 s, and then closes the connection, after 45 s with the default. A quiet HTTP/2
    /// connection with calls in flight is asked by a ping as well, and closed within 20 s.
    pub fn tcp_keepalive(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.tcp_keepalive = silence.into();
        self
    }

    /// Sends small packets at once (`TCP_NODELAY`). Default: `true`, because a request is one small write that should
    /// not wait for more.
    pub fn tcp_nodelay(mut self, at_once: bool) -> Self {
        self.tcp_nodelay = at_once;
        self
    }
}
