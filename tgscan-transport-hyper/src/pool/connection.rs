//! An open connection, and whether it can take a request now.

use std::time::Duration;

use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;

use crate::outgoing::Outgoing;
#[cfg(feature = "http2")]
use crate::probe::ProbeSender;
use crate::since::Since;
#[cfg(feature = "http2")]
use crate::tcp::MOMENT;
use crate::traffic::Traffic;

/// A connection that a request can be given to. In a box, because it is moved often.
pub(super) struct Connection {
    pub(super) sender: Sender,
    pub(super) traffic: Traffic,
    /// When it was opened, or last used.
    since: Since,
}

pub(super) enum Sender {
    /// For one request at a time.
    Http1(http1::SendRequest<Outgoing>),
    /// Shared.
    #[cfg(feature = "http2")]
    Http2(http2::SendRequest<Outgoing>, ProbeSender),
}

impl Connection {
    pub(super) fn new(sender: Sender, traffic: Traffic) -> Self {
        Self { sender, traffic, since: Since::now() }
    }

    /// It is used now, or was until now.
    pub(super) fn renew(&mut self) {
        self.since = Since::now();
    }

    /// Returns another handle on it, if calls can share it.
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

    /// Returns whether the answer to the last request was read.
    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            #[cfg(feature = "http2")]
            Sender::Http2(..) => true,
        }
    }

    /// Waits until it is ready. Returns whether it is, and did not end.
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

    /// Returns whether its task sees the state of its socket before it has a request. Over HTTP/1.1 it looks just before,
    /// and hands the request back if the connection has ended. Over HTTP/2 it can look too late, so that it must have
    /// looked a moment ago.
    pub(super) fn is_known(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            #[cfg(feature = "http2")]
            Sender::Http2(..) => !self.since.has_passed(MOMENT),
        }
    }

    /// Waits until its task has seen the state of its socket, and returns whether the connection is still open.
    #[cfg_attr(not(feature = "http2"), expect(clippy::unused_async, reason = "HTTP/2 waits"))]
    pub(super) async fn probe(&self) -> bool {
        match &self.sender {
            Sender::Http1(_) => true,
            #[cfg(feature = "http2")]
            Sender::Http2(_, prober) => prober.probe().await,
        }
    }
}
