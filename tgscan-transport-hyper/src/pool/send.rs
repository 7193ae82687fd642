//! Sends a request over a connection of the pool.

use std::sync::Arc;

use http::header::HOST;
use http::{Request, Response, Uri};
use hyper::body::Incoming;

use super::connection::{Connection, Sender};
use super::open::ConnectError;
use super::origin::Pool;
use crate::outgoing::{Handover, Outgoing};

/// No head of a response came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// There is no connection.
    Connect(ConnectError),
    /// The connection ended, maybe before anything of the request was written.
    Request { error: hyper::Error, is_unsent: bool },
}

impl Pool {
    /// Sends a request and waits for the head of the response. A request that hyper hands back, of which then nothing was
    /// sent, is sent over the next connection: any number of idle ones may have ended, and one that was opened for it.
    ///
    /// The request is taken from where it stands, because a future that has it twice is large. `handover` tells, also if
    /// this is dropped, who has it.
    pub(crate) async fn request(
        self: &Arc<Self>,
        request: &mut Option<Request<Outgoing>>,
        handover: &Handover,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut has_failed = false;
        loop {
            let (mut connection, is_idle) = match self.take_known() {
                Some(connection) => (connection, true),
                // In a box, so that the future of the usual call is small.
                None => Box::pin(self.connection()).await.map_err(SendError::Connect)?,
            };
            if let (Sender::Http1(_), Some(request)) = (&connection.sender, &mut *request) {
                self.prepare_http1(request);
            }
            let Some(taken) = request.take() else {
                return Err(SendError::Connect(ConnectError::new("there is no request")));
            };
            handover.give();
            let writes = connection.traffic.begin_request();
            let sent = match &mut connection.sender {
                Sender::Http1(sender) => sender.try_send_request(taken).await,
                #[cfg(feature = "http2")]
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

    /// Opens a connection if there is none that a call could have.
    pub(crate) async fn warm_up(self: Arc<Self>) -> Result<(), ConnectError> {
        let (connection, _) = self.connection().await?;
        self.put(connection);
        Ok(())
    }

    /// The target is a path (RFC 9112, 3.2.1), and the host a header.
    fn prepare_http1(&self, request: &mut Request<Outgoing>) {
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = path.into();
        }
        let headers = request.headers_mut();
        if !headers.contains_key(HOST) {
            headers.insert(HOST, self.host.clone());
        }
    }

    /// The target and the headers as they were, for whatever protocol comes now.
    fn restore_target(&self, request: &mut Request<Outgoing>) {
        let mut parts = self.uri().clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        request.headers_mut().remove(HOST);
    }
}

/// A connection whose answer is being read. Dropped before the end, one of HTTP/1.1 closes.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    connection: Box<Connection>,
}

impl Lease {
    /// Gives the connection back: the answer was read to its end.
    pub(crate) fn give_back(self) {
        let Self { pool, mut connection } = self;
        if connection.is_shared() {
            pool.locked().idle.renew(&connection);
        } else if connection.is_ready() {
            connection.renew();
            pool.put(connection);
        } else if !connection.is_closed() {
            // Its task has still to see the end.
            let task = {
                let pool = Arc::clone(&pool);
                async move {
                    if connection.ready().await {
                        connection.renew();
                        pool.put(connection);
                    }
                }
            };
            pool.spawn(task);
        }
    }
}
