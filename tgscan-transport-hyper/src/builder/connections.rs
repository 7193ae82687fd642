//! The connection settings of the builder.

use std::time::Duration;

use super::HyperTransportBuilder;

impl HyperTransportBuilder {
    /// Sets the time limit for DNS, TCP and TLS together. Default: 10 s.
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

    /// Sets the maximum number of idle connections per host; 0 opens a new connection for each call. Default: 256.
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

    /// Sends small packets immediately (`TCP_NODELAY`). Default: `true`, because a request is one small write that should
    /// not wait for more.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.tcp_nodelay = nodelay;
        self
    }
}
