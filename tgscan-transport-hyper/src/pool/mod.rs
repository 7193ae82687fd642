//! Connection pools, one per origin and tokio runtime.
//!
//! A connection is driven by the runtime that opened it. A call in another runtime would wait while that one does not run.

mod connection;
mod idle;
mod open;
mod origin;
mod send;
mod sweep;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use http::uri::{Authority, Scheme};
use tokio::runtime::Id;

pub(crate) use self::open::{ConnectError, Opener, Settings};
pub(crate) use self::origin::Pool;
pub(crate) use self::send::SendError;
use crate::runtime::{self, RuntimeError};

/// The maximum number of pools, so that pools of ended runtimes do not accumulate.
const POOLS: usize = 16;

/// The pools of a transport.
pub(crate) struct Pools {
    opener: Arc<Opener>,
    /// Most recently used first.
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    runtime: Id,
    scheme: Scheme,
    authority: Authority,
    pool: Arc<Pool>,
}

impl Entry {
    fn is_for(&self, runtime: Id, scheme: &Scheme, authority: &Authority) -> bool {
        self.runtime == runtime
            // Case-sensitive: a name in another case gets a separate pool, which is harmless.
            && self.authority.as_str() == authority.as_str()
            && self.scheme == *scheme
    }
}

impl Pools {
    pub(crate) fn new(opener: Opener) -> Self {
        Self { opener: Arc::new(opener), entries: Mutex::default() }
    }

    /// Returns the pool for a URI in the current runtime, or `None` if the URI has no valid host.
    pub(crate) fn here(&self, uri: &Uri) -> Result<Option<Arc<Pool>>, RuntimeError> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Ok(None) };
        let here = runtime::current()?;
        if let Some(pool) = find(&mut self.locked(), here, scheme, authority) {
            return Ok(Some(pool));
        }
        runtime::check_time(here)?;
        runtime::check_io(here)?;
        let mut pools = self.locked();
        // Another thread of the runtime may have added it meanwhile.
        if let Some(pool) = find(&mut pools, here, scheme, authority) {
            return Ok(Some(pool));
        }
        let Some(pool) = Pool::new(Arc::clone(&self.opener), here, scheme, authority).map(Arc::new) else {
            return Ok(None);
        };
        let (scheme, authority) = (scheme.clone(), authority.clone());
        let most = pools.len().min(POOLS - 1);
        let gone = pools.split_off(most);
        pools.insert(0, Entry { runtime: here, scheme, authority, pool: Arc::clone(&pool) });
        drop(pools);
        for entry in gone {
            entry.pool.discard();
        }
        Ok(Some(pool))
    }

    /// Closes idle connections, and those in use when their calls end.
    pub(crate) fn discard(&self) {
        let discarded = std::mem::take(&mut *self.locked());
        for entry in discarded {
            entry.pool.discard();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        // No code panics while holding the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(pools: &mut [Entry], runtime: Id, scheme: &Scheme, authority: &Authority) -> Option<Arc<Pool>> {
    let at = pools.iter().position(|entry| entry.is_for(runtime, scheme, authority))?;
    if at > 0 {
        pools[..=at].rotate_right(1);
    }
    Some(Arc::clone(&pools[0].pool))
}
