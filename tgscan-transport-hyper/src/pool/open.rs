//! Opens connections: connects, and agrees on the protocol.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
#[cfg(feature = "http2")]
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connection::{Connection, Sender};
use crate::connect::Connector;
#[cfg(feature = "http2")]
use crate::frames::MAX_HEADER_LIST;

/// How often a quiet HTTP/2 connection with calls in flight is asked whether it still lives, and how long it may take
/// to answer. Without this, calls on a connection that a router forgot would each run into the attempt timeout, one
/// after the other, because a timeout closes one HTTP/2 stream and not the connection.
#[cfg(feature = "http2")]
const PING: Duration = Duration::from_secs(10);

/// What the builder says about pools.
pub(crate) struct Settings {
    pub(crate) idle_timeout: Duration,
    pub(crate) max_idle: usize,
    /// Whether HTTP/2 is offered to `https` servers.
    pub(crate) offers_http2: bool,
}

/// Opens connections to any host.
pub(crate) struct Opener {
    connector: Connector,
    http1: http1::Builder,
    #[cfg(feature = "http2")]
    http2: http2::Builder<TokioExecutor>,
    pub(super) settings: Settings,
}

impl Opener {
    pub(crate) fn new(connector: Connector, settings: Settings) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // A form is a few bytes: to copy them behind the head is cheaper than to send two pieces.
            .writev(false)
            // A paid answer is read whatever its head is like, as far as there is only one way to understand it.
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        #[cfg(feature = "http2")]
        let http2 = {
            let mut http2 = http2::Builder::new(TokioExecutor::new());
            http2
                .timer(TokioTimer::new())
                .max_header_list_size(MAX_HEADER_LIST)
                .keep_alive_interval(PING)
                .keep_alive_timeout(PING);
            http2
        };
        Self {
            connector,
            http1,
            #[cfg(feature = "http2")]
            http2,
            settings,
        }
    }

    /// Opens one, driven by a task of the runtime in which this is called.
    pub(super) async fn open(&self, uri: Uri) -> Result<Box<Connection>, ConnectError> {
        #[cfg_attr(not(feature = "http2"), expect(unused_mut, reason = "HTTP/2 changes it"))]
        let mut socket = self.connector.connect(uri).await.map_err(ConnectError::new)?;
        let traffic = socket.traffic().clone();
        #[cfg(feature = "http2")]
        if socket.is_http2() {
            let prober = socket.prober();
            let (sender, connection) = self.http2.handshake(socket).await.map_err(ConnectError::new)?;
            // How it ends is told to its calls.
            tokio::spawn(async { drop(connection.await) });
            return Ok(Box::new(Connection::new(Sender::Http2(sender, prober), traffic)));
        }
        let (sender, connection) = self.http1.handshake(socket).await.map_err(ConnectError::new)?;
        tokio::spawn(async { drop(connection.await) });
        Ok(Box::new(Connection::new(Sender::Http1(sender), traffic)))
    }
}

/// No connection. For all that waited for it.
#[derive(Clone)]
pub(crate) struct ConnectError(Arc<dyn StdError + Send + Sync>);

impl ConnectError {
    pub(super) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into().into())
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection")
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}
