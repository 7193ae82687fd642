//! The connections: a pool for each tokio runtime, because a connection is driven by the runtime in which it was made, and
//! a call of another one would wait for it while nobody runs that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper_util::client::legacy::{Builder, Client};
use tokio::runtime::Id;

use crate::connect::Connector;
use crate::outgoing::Outgoing;
use crate::runtime::{self, Lack};

/// The connections of one runtime.
type Pool = Client<Connector, Outgoing>;

/// As many runtimes keep their connections. Those that ended must not pile up in a program that makes many of them.
const RUNTIMES: usize = 16;

/// Makes connections and keeps them for the next call.
pub(crate) struct Pools {
    settings: Builder,
    connector: Connector,
    /// The latest first.
    of_runtimes: Mutex<Vec<(Id, Arc<Pool>)>>,
}

impl Pools {
    pub(crate) fn new(settings: Builder, connector: Connector) -> Self {
        Self { settings, connector, of_runtimes: Mutex::default() }
    }

    /// The pool of the runtime in which this is called.
    pub(crate) fn here(&self) -> Result<Arc<Pool>, Lack> {
        let here = runtime::current()?;
        if let Some(pool) = self.kept(here) {
            return Ok(pool);
        }
        runtime::check_time(here)?;
        let mut pools = self.locked();
        // Another thread of the runtime may have been faster.
        if let Some((_, pool)) = pools.iter().find(|(of, _)| *of == here) {
            return Ok(Arc::clone(pool));
        }
        let pool = Arc::new(self.settings.build(self.connector.clone()));
        pools.truncate(RUNTIMES - 1);
        pools.insert(0, (here, Arc::clone(&pool)));
        Ok(pool)
    }

    fn kept(&self, here: Id) -> Option<Arc<Pool>> {
        let mut pools = self.locked();
        let at = pools.iter().position(|(of, _)| *of == here)?;
        if at > 0 {
            pools[..=at].rotate_right(1);
        }
        Some(Arc::clone(&pools[0].1))
    }

    /// Lets no new call have a connection that is open now: idle ones are closed, and those in use end with their calls.
    pub(crate) fn discard(&self) {
        let discarded = std::mem::take(&mut *self.locked());
        // Without the lock: connections are let go.
        drop(discarded);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(Id, Arc<Pool>)>> {
        // Nothing panics while it is locked.
        self.of_runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
