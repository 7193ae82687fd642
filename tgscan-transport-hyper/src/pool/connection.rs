//! An open connection, and its readiness for a request.

use std::time::Duration;

use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;

use crate::outgoing::Outgoing;
#[cfg(feature = "http2")]
use crate::probe::ProbeSender;
use crate::since::Since;
#[cfg(feature = "http2")]
use crate::tcp::CHECK_VALIDITY;
use crate::traffic::Traffic;

/// An open connection. Boxed, because it is moved often.
pub(super) struct Connection {
    pub(super) sender: Sender,
    pub(super) traffic: Traffic,
    /// The time of opening or of the last use.
    since: Since,
}

pub(super) enum Sender {
    /// Serves one request at a time.
    Http1(http1::SendRequest<Outgoing>),
    /// Serves concurrent requests.
    #[cfg(feature = "http2")]
    Http2(http2::SendRequest<Outgoing>, ProbeSender),
}

impl Connection {
    pub(super) fn new(sender: Sender, traffic: Traffic) -> Self {
        Self { sender, traffic, since: Since::now() }
    }

    /// Records a use.
    pub(super) fn renew(&mut self) {
        self.since = Since::now();
    }

    /// Returns another handle if calls can share the connection.
    pub(super) fn share(&self) -> Option<Box<Self>> {
        match &self.sender {
            Sender::Http1(_) => None,
            #[cfg(feature = "http2")]
            Sender::Http2(sender, prober) => Some(Box::new(Self {
                sender: Sender::Http2(sender.clone(), prober.clone()),
                traffic: self.traffic.clone(),
                since: self.since,
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
            #[cfg(feature = "http2")]
            Sender::Http2(..) => true,
        }
    }

    /// Waits until the connection is ready. Returns `false` if it ended.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            #[cfg(feature = "http2")]
            Sender::Http2(..) => true,
        }
    }

    pub(super) fn has_passed(&self, limit: Duration) -> bool {
        self.since.has_passed(limit)
    }

    pub(super) fn since(&self) -> Since {
        self.since
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            #[cfg(feature = "http2")]
            Sender::Http2(sender, _) => sender.is_closed(),
        }
    }

    /// Returns whether the connection can be used without a [`probe`](Self::probe). An HTTP/1.1 connection checks its socket
    /// just before a request, and returns the request if it has ended. An HTTP/2 connection may check too late, so it must
    /// have been used a moment ago.
    pub(super) fn is_known(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            #[cfg(feature = "http2")]
            Sender::Http2(..) => !self.since.has_passed(CHECK_VALIDITY),
        }
    }

    /// Waits until the task of the connection has checked its socket, and returns whether the connection is still open.
    #[cfg_attr(not(feature = "http2"), expect(clippy::unused_async, reason = "HTTP/2 waits"))]
    pub(super) async fn probe(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            #[cfg(feature = "http2")]
            Sender::Http2(_, prober) => prober.probe().await,
        }
    }
}
