//! An open connection, and its readiness for a request.

use std::time::Duration;

use http::HeaderMap;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use tokio::time::Instant;

use crate::outgoing::Outgoing;
use crate::probe::ProbeSender;
use crate::since::Since;
use crate::tcp::{CHECK_VALIDITY, Traffic};

/// The margin before the server's idle limit.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);

/// An open connection. Boxed, because it is moved often.
pub(super) struct Connection {
    pub(super) sender: Sender,
    pub(super) traffic: Traffic,
    /// The time of opening or of the last use.
    since: Since,
    /// The maximum age.
    idle_timeout: Duration,
}

pub(super) enum Sender {
    /// Serves one request at a time.
    Http1(http1::SendRequest<Outgoing>),
    /// Serves concurrent requests.
    Http2(http2::SendRequest<Outgoing>, ProbeSender),
}

impl Connection {
    pub(super) fn new(sender: Sender, traffic: Traffic, idle_timeout: Duration) -> Self {
        Self { sender, traffic, since: Since::now(), idle_timeout }
    }

    /// Applies the idle limit that an HTTP/1.1 server announced (`Keep-Alive: timeout=5, max=100`; RFC 2068, 19.7.1.1), with a
    /// margin, so that no request crosses the server's close on the wire.
    pub(super) fn apply_keep_alive(&mut self, headers: &HeaderMap) {
        let parameters = headers.get("keep-alive").and_then(|value| value.to_str().ok());
        let mut parameters = parameters.into_iter().flat_map(|value| value.split([',', ';', ' ']));
        let seconds = parameters.find_map(|parameter| {
            let (name, seconds) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("timeout").then(|| seconds.trim_matches('"').parse().ok())?
        });
        if let Some(limit) = seconds.map(Duration::from_secs) {
            self.idle_timeout = self.idle_timeout.min(limit.saturating_sub(CLOSE_MARGIN).max(limit / 2));
        }
    }

    /// Records a use.
    pub(super) fn renew(&mut self) {
        self.since = Since::now();
    }

    /// Returns another handle if calls can share the connection.
    pub(super) fn share(&self) -> Option<Box<Self>> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender, prober) => Some(Box::new(Self {
                sender: Sender::Http2(sender.clone(), prober.clone()),
                traffic: self.traffic.clone(),
                since: self.since,
                idle_timeout: self.idle_timeout,
            })),
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        !matches!(self.sender, Sender::Http1(_))
    }

    /// Returns whether the connection can take a request now.
    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(..) => true,
        }
    }

    /// Waits until the connection is ready. Returns `false` if it ended.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(..) => true,
        }
    }

    /// Returns whether the connection is too old for another request.
    pub(super) fn is_old(&self) -> bool {
        self.since.has_passed(self.idle_timeout)
    }

    /// Returns when the connection becomes too old, on the monotonic clock.
    pub(super) fn expiry(&self) -> Instant {
        self.since.monotonic() + self.idle_timeout
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender, _) => sender.is_closed(),
        }
    }

    /// Returns whether the connection can be used without a [`probe`](Self::probe). An HTTP/1.1 connection checks its socket
    /// just before a request, and returns the request if it has ended. An HTTP/2 connection may check too late, so it must
    /// have been used a moment ago.
    pub(super) fn is_known(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            Sender::Http2(..) => !self.since.has_passed(CHECK_VALIDITY),
        }
    }

    /// Waits until the task of the connection has checked its socket, and returns whether the connection is still open.
    pub(super) async fn probe(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            Sender::Http2(_, prober) => prober.probe().await,
        }
    }
}
