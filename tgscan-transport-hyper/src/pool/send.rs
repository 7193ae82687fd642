//! Sends a request over a connection of the pool.

use std::sync::Arc;

use http::header::HOST;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;

use super::open::{ConnectError, Connection};
use super::origin::Pool;
use crate::outgoing::{Handover, Outgoing};

/// No head of a response came.
#[derive(Debug)]
pub(crate) enum SendError {
    /// There is no connection.
    Connect(ConnectError),
    /// The connection ended, and hyper says whether it gave the request back unsent.
    Request { error: hyper::Error, is_handed_back: bool },
}

impl Pool {
    /// Sends a request and waits for the head of the response. A request that hyper hands back, of which then nothing was
    /// sent, is sent once more over a connection that was never used: what ended was a connection that had been idle.
    ///
    /// The request is taken from where it stands, because a future that has it twice is large. `handover` tells, also if
    /// this is dropped, who has it.
    pub(crate) async fn request(
        self: &Arc<Self>,
        request: &mut Option<Request<Outgoing>>,
        handover: &Handover,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let mut is_resend = false;
        loop {
            let connection = match self.connection(is_resend) {
                Ok(connection) => connection,
                Err(waiting) => waiting.connection().await.map_err(SendError::Connect)?,
            };
            if let (Connection::Http1(_), Some(request)) = (&connection, &mut *request) {
                self.prepare_http1(request);
            }
            let Some(taken) = request.take() else {
                return Err(SendError::Connect(ConnectError::new("there is no request")));
            };
            handover.give();
            let mut error = match connection {
                Connection::Http1(mut sender) => match sender.try_send_request(taken).await {
                    Ok(response) => return Ok((response, Lease(Some((Arc::clone(self), sender))))),
                    Err(error) => error,
                },
                #[cfg(feature = "http2")]
                Connection::Http2(mut sender) => match sender.try_send_request(taken).await {
                    Ok(response) => return Ok((response, Lease(None))),
                    Err(error) => error,
                },
            };
            let Some(handed_back) = error.take_message() else {
                return Err(SendError::Request { error: error.into_error(), is_handed_back: false });
            };
            handover.take_back();
            if is_resend {
                return Err(SendError::Request { error: error.into_error(), is_handed_back: true });
            }
            is_resend = true;
            self.restore_target(request.insert(handed_back));
        }
    }

    /// Opens a connection if there is none that a call could have.
    pub(crate) async fn warm_up(self: Arc<Self>) -> Result<(), ConnectError> {
        let connection = match self.connection(false) {
            Ok(connection) => connection,
            Err(waiting) => waiting.connection().await?,
        };
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

/// A connection whose answer is being read. Dropped before the end, it closes.
pub(crate) struct Lease(Option<(Arc<Pool>, http1::SendRequest<Outgoing>)>);

impl Lease {
    /// Gives the connection back: the answer was read to its end.
    pub(crate) fn give_back(self) {
        let Some((pool, mut sender)) = self.0 else { return };
        if sender.is_ready() {
            pool.put(Connection::Http1(sender));
        } else if !sender.is_closed() {
            // Its task has still to see the end.
            let task = {
                let pool = Arc::clone(&pool);
                async move {
                    if sender.ready().await.is_ok() {
                        pool.put(Connection::Http1(sender));
                    }
                }
            };
            pool.spawn(task);
        }
    }
}
