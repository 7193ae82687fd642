//! Sends a request over a connection of the pool.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, Request, Response, Uri};
use hyper::body::Incoming;
use tgscan_core::transport::SendBy;

use super::connection::{Connection, Sender};
use super::open::{ConnectError, connect_error};
use super::origin::Pool;
use crate::outgoing::{Handover, Outgoing};

/// A request failed before the response head.
#[derive(Debug)]
pub(crate) enum SendError {
    /// No connection was opened.
    Connect(ConnectError),
    /// The request had to wait for a connection until its [`SendBy`] had passed.
    Late,
    /// The request failed on a connection. `is_unsent` if no part of it was written.
    Request { error: hyper::Error, is_unsent: bool },
}

impl Pool {
    /// Sends a request and waits for the response head. A request that hyper returns unsent goes over the next connection,
    /// after any number of idle connections that ended, and at most one new one.
    ///
    /// Takes the request out of `request` to keep the future small. `handover` records the state of the request, even if this
    /// future is dropped.
    pub(crate) async fn request(
        self: &Arc<Self>,
        request: &mut Option<Request<Outgoing>>,
        handover: &Handover,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut has_failed = false;
        loop {
            let (mut connection, is_idle) = match self.take_known() {
                Some(connection) => (connection, true),
                // Boxed, so that the future of the usual call is small.
                None => Box::pin(self.connection()).await.map_err(SendError::Connect)?,
            };
            if request.as_ref().is_some_and(|request| SendBy::check(request).is_err()) {
                self.put_when_ready(connection);
                return Err(SendError::Late);
            }
            if !connection.is_known() {
                // Further calls need not probe it.
                self.locked().idle.renew(&connection);
            }
            if let (Sender::Http1(_), Some(request)) = (&connection.sender, &mut *request) {
                self.prepare_http1(request);
            }
            let Some(taken) = request.take() else {
                return Err(SendError::Connect(connect_error("there is no request")));
            };
            handover.give();
            let writes = connection.traffic.begin_request();
            let sent = match &mut connection.sender {
                Sender::Http1(sender) => sender.try_send_request(taken).await,
                Sender::Http2(sender, _) => sender.try_send_request(taken).await,
            };
            let mut error = match sent {
                Ok(response) => return Ok((response, Lease { pool: Arc::clone(self), connection })),
                Err(error) => error,
            };
            let Some(handed_back) = error.take_message() else {
                let is_unsent = connection.traffic.ended_after(writes);
                return Err(SendError::Request { error: error.into_error(), is_unsent });
            };
            handover.take_back();
            if has_failed && !is_idle {
                return Err(SendError::Request { error: error.into_error(), is_unsent: true });
            }
            has_failed |= !is_idle;
            self.restore_target(request.insert(handed_back));
        }
    }

    /// Opens a connection, unless one is idle. Does not renew the idle one, because no traffic resets the server's idle limit.
    pub(crate) async fn warm_up(self: &Arc<Self>) -> Result<(), ConnectError> {
        let (connection, _) = self.within_limit(self.connection()).await?;
        self.put_when_ready(connection);
        Ok(())
    }

    /// Changes the target to a path, and adds the `host` header (RFC 9112, 3.2.1).
    fn prepare_http1(&self, request: &mut Request<Outgoing>) {
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = path.into();
        }
        let headers = request.headers_mut();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, self.host.clone());
        }
    }

    /// Reverts `prepare_http1`, because the next connection may use HTTP/2.
    fn restore_target(&self, request: &mut Request<Outgoing>) {
        let mut parts = self.uri().clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request.headers_mut().remove(HOST);
    }
}

/// A connection whose answer is being read. Dropping it closes an HTTP/1.1 connection.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    connection: Box<Connection>,
}

impl Lease {
    /// Returns the connection to the pool after the whole answer, which has these headers, was read.
    pub(crate) fn give_back(self, headers: &HeaderMap) {
        let Self { pool, mut connection } = self;
        connection.apply_keep_alive(headers);
        if connection.is_shared() {
            pool.locked().idle.renew(&connection);
        } else {
            connection.renew();
            pool.put_when_ready(connection);
        }
    }
}
