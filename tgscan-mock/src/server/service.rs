//! The shared parts of connections, and requests in flight.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::coding::ContentCoding;
use crate::Mock;

pub(super) struct Service {
    pub(super) mock: Mock,
    pub(super) coding: ContentCoding,
    pub(super) log: Option<fn(&str)>,
    /// When the server started, in milliseconds since 1970.
    pub(super) started_ms: u64,
    /// Makes the server's thread close its connections.
    pub(super) close: Notify,
    /// Each connection has a clone.
    pub(super) connections: Arc<()>,
    /// Each request of the API in flight has a clone. Requests to control paths do not count, since some wait for changes.
    pub(super) requests: Arc<()>,
}

/// A request in flight, until dropped.
pub(super) struct InFlight {
    pub(super) service: Arc<Service>,
    pub(super) start: Instant,
    /// The number of its record.
    pub(super) number: Option<u64>,
    pub(super) _count: Option<Arc<()>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.service.mock.record_end(number, self.start.elapsed());
        }
    }
}
