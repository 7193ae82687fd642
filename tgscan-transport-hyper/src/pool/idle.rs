//! The idle connections of a pool.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connection::Connection;

/// The open connections that are available to calls.
#[derive(Default)]
pub(super) struct Idle {
    /// Most recently used last, so that in quiet times the others expire.
    #[expect(clippy::vec_box, reason = "they move between here and the calls")]
    connections: Vec<Box<Connection>>,
    pub(super) sweeper: Option<Sweeper>,
}

/// The task that closes expired connections. Aborted on drop.
pub(super) struct Sweeper(pub(super) AbortHandle);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Idle {
    /// Takes the most recently used connection, or another handle on a shared one.
    pub(super) fn take(&mut self) -> Option<Box<Connection>> {
        self.connections.last()?.share().or_else(|| self.connections.pop())
    }

    /// Adds a connection, unless there are `most`. Returns the time of the first sweep if there is no sweeper.
    pub(super) fn put(&mut self, connection: Box<Connection>, most: usize) -> Option<Instant> {
        let is_here = connection.is_shared() && self.position(&connection).is_some();
        if is_here || self.connections.len() >= most {
            return None;
        }
        let expiry = connection.expiry();
        self.connections.push(connection);
        self.sweeper.is_none().then_some(expiry)
    }

    /// Records a use of a shared connection.
    pub(super) fn renew(&mut self, used: &Connection) {
        if let Some(at) = self.position(used) {
            self.connections[at].renew();
        }
    }

    /// Removes a shared connection that has ended.
    pub(super) fn remove(&mut self, ended: &Connection) {
        if let Some(at) = self.position(ended) {
            self.connections.remove(at);
        }
    }

    fn position(&self, connection: &Connection) -> Option<usize> {
        self.connections.iter().position(|idle| idle.traffic.is_of(&connection.traffic))
    }

    /// Closes expired connections, and returns the time of the next sweep, or `None` if no connection is left. Calls on a
    /// shared connection hold other handles.
    pub(super) fn sweep(&mut self) -> Option<Instant> {
        self.connections.retain(|idle| !idle.is_old() && !idle.is_closed());
        let next = self.connections.iter().map(|idle| idle.expiry()).min();
        if next.is_none() {
            self.sweeper = None;
        }
        next
    }
}
