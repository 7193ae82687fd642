//! Connections that nobody uses, until they have been idle for too long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::open::Settings;
use super::origin::Pool;

/// The open connections that the next call can have.
#[derive(Default)]
pub(super) struct Idle {
    /// The latest last, so that in quiet times the others age.
    #[expect(clippy::vec_box, reason = "they move between here and the calls")]
    connections: Vec<Box<Connection>>,
    /// Closes those that are idle for too long.
    sweeper: Option<Sweeper>,
}

/// A task that ends with what it looks after.
struct Sweeper(AbortHandle);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Idle {
    /// Takes the connection that was used last. One that can be shared stays as well.
    pub(super) fn take(&mut self) -> Option<Box<Connection>> {
        self.connections.last()?.share().or_else(|| self.connections.pop())
    }

    pub(super) fn put(&mut self, connection: Box<Connection>, settings: &Settings) {
        let is_here = connection.is_shared() && self.position(&connection).is_some();
        if !is_here && self.connections.len() < settings.max_idle {
            self.connections.push(connection);
        }
    }

    /// A shared connection is used now, or was until now.
    pub(super) fn renew(&mut self, used: &Connection) {
        if let Some(at) = self.position(used) {
            self.connections[at].renew();
        }
    }

    /// Removes a shared connection, which has ended.
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

    /// Closes those that have been idle for this long, and says when to look again; `None` if none is left. Calls that use
    /// a shared one have separate handles.
    fn sweep(&mut self, timeout: Duration) -> Option<Instant> {
        self.connections.retain(|idle| !idle.has_passed(timeout) && !idle.is_closed());
        let oldest = self.connections.iter().map(|idle| idle.since().monotonic()).min();
        oldest.map(|since| since + timeout)
    }
}

impl Pool {
    /// Sees to it that connections that are idle for too long are closed, also if no call ever comes again.
    pub(super) fn look_after(self: &Arc<Self>, idle: &mut Idle) {
        if idle.sweeper.is_none() {
            let sweeping = sweeping(Arc::downgrade(self), self.settings().idle_timeout);
            idle.sweeper = self.spawn(sweeping).map(Sweeper);
        }
    }
}

async fn sweeping(pool: Weak<Pool>, timeout: Duration) {
    let mut next = Instant::now() + timeout;
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.locked();
        let Some(at) = state.idle.sweep(timeout) else {
            state.idle.sweeper = None;
            return;
        };
        next = at;
    }
}
