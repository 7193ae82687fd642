//! Opens connections: connects and negotiates the protocol.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connection::{Connection, Sender};
use crate::connect::Connector;
use crate::frames::MAX_HEADER_LIST;

/// The interval and the timeout of pings on a quiet HTTP/2 connection with calls in flight. Without pings, calls on a dead
/// connection would run into the attempt timeout one after the other, because a timeout closes the stream and not the
/// connection.
const PING: Duration = Duration::from_secs(10);

/// The settings of a pool.
pub(crate) struct Settings {
    pub(crate) idle_timeout: Duration,
    pub(crate) max_idle: usize,
    /// Whether HTTP/2 is offered to `https` servers.
    pub(crate) offers_http2: bool,
}

/// Opens connections to any host.
pub(crate) struct Opener {
    pub(super) connector: Connector,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    pub(super) settings: Settings,
}

impl Opener {
    pub(crate) fn new(connector: Connector, settings: Settings) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // Copying a body of a few bytes behind the head is cheaper than a vectored write.
            .writev(false)
            // A paid answer should survive a malformed head that has one possible meaning.
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let http2 = {
            let mut http2 = http2::Builder::new(TokioExecutor::new());
            http2
                .timer(TokioTimer::new())
                .max_header_list_size(MAX_HEADER_LIST)
                .keep_alive_interval(PING)
                .keep_alive_timeout(PING);
            http2
        };
        Self { connector, http1, http2, settings }
    }

    /// Opens a connection, driven by a task of the current runtime.
    pub(super) async fn open(&self, uri: Uri) -> Result<Box<Connection>, ConnectError> {
        let mut socket = self.connector.connect(uri).await.map_err(connect_error)?;
        let traffic = socket.traffic().clone();
        if socket.is_http2() {
            let prober = socket.prober();
            let (sender, connection) = self.http2.handshake(socket).await.map_err(connect_error)?;
            // Its calls receive the error.
            tokio::spawn(async { drop(connection.await) });
            return Ok(Box::new(Connection::new(
                Sender::Http2(sender, prober),
                traffic,
                self.settings.idle_timeout,
            )));
        }
        let (sender, connection) = self.http1.handshake(socket).await.map_err(connect_error)?;
        tokio::spawn(async { drop(connection.await) });
        Ok(Box::new(Connection::new(Sender::Http1(sender), traffic, self.settings.idle_timeout)))
    }
}

/// A connection failed to open. Cloned for all calls that waited for it.
pub(crate) type ConnectError = Arc<dyn StdError + Send + Sync>;

/// Converts an error of opening a connection.
pub(super) fn connect_error(error: impl Into<Box<dyn StdError + Send + Sync>>) -> ConnectError {
    error.into().into()
}
