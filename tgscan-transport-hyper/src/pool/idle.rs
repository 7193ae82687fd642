//! The idle connections of a pool.

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connection::Connection;
use super::open::Settings;

/// The open connections that are available to calls.
#[derive(Default)]
pub(super) struct Idle {
    /// Most recently used last, so that in quiet times the others expire.
    #[expect(clippy::vec_box, reason = "they move between here and the calls")]
    connections: Vec<Box<Connection>>,
    pub(super) sweeper: Option<Sweeper>,
}

/// A task that closes expired connections. Aborted on drop.
pub(super) struct Sweeper {
    /// The time of the next sweep.
    pub(super) at: Instant,
    pub(super) task: AbortHandle,
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Idle {
    /// Takes the most recently used connection, or another handle on a shared one.
    pub(super) fn take(&mut self) -> Option<Box<Connection>> {
        self.connections.last()?.share().or_else(|| self.connections.pop())
    }

    pub(super) fn put(&mut self, connection: Box<Connection>, settings: &Settings) {
        let is_here = connection.is_shared() && self.position(&connection).is_some();
        if !is_here && self.connections.len() < settings.max_idle {
            self.connections.push(connection);
        }
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

    pub(super) fn clear(&mut self) {
        self.connections.clear();
        self.sweeper = None;
    }

    /// Closes expired connections, and returns the time of the next sweep, or `None` if no connection is left. Calls on a
    /// shared connection hold other handles.
    pub(super) fn sweep(&mut self) -> Option<Instant> {
        self.connections.retain(|idle| !idle.is_old() && !idle.is_closed());
        self.connections.iter().map(|idle| idle.expiry()).min()
    }
}
