//! The shared parts of the server, its connections and requests.

use std::sync::Arc;
use std::time::Instant;

use http::Request;
use hyper::body::Incoming;

use super::coding::ContentCoding;
use super::connections::Connections;
use super::control;
use super::socket::Reset;
use crate::Mock;

/// The shared parts of all connections.
pub(super) struct Service {
    pub(super) mock: Mock,
    pub(super) connections: Connections,
    pub(super) coding: ContentCoding,
    pub(super) log: Option<fn(&str)>,
    /// When the server started, in milliseconds since 1970.
    pub(super) started_ms: u64,
}

/// The shared parts of the requests on one connection.
pub(super) struct Connection {
    pub(super) service: Arc<Service>,
    pub(super) reset: Reset,
}

/// A request of the API in flight, until dropped. Requests to control paths do not count, since some wait for changes.
pub(super) struct InFlight {
    pub(super) connection: Arc<Connection>,
    pub(super) start: Instant,
    pub(super) is_counted: bool,
    /// The number of its record.
    pub(super) number: Option<u64>,
}

impl InFlight {
    pub(super) fn of(connection: Arc<Connection>, request: &Request<Incoming>) -> Self {
        let is_counted = !control::is_control(request.uri().path());
        if is_counted {
            connection.service.connections.request_begins();
        }
        Self { connection, start: Instant::now(), is_counted, number: None }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let service = &self.connection.service;
        if self.is_counted {
            service.connections.request_ends();
        }
        if let Some(number) = self.number {
            service.mock.record_end(number, self.start.elapsed());
        }
    }
}
