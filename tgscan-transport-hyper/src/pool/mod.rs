//! Connection pools, one per origin and tokio runtime.
//!
//! A connection is driven by the runtime that opened it. A call in another runtime would wait while that one does not run.

mod connection;
mod idle;
mod open;
mod origin;
mod send;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use http::uri::{Authority, Scheme};
use tokio::runtime::Id;

pub(crate) use self::open::{ConnectError, Opener, Settings};
pub(crate) use self::origin::Pool;
pub(crate) use self::send::SendError;
use crate::runtime;

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

    /// Returns the pool for a URI in the current runtime.
    pub(crate) fn here(&self, uri: Option<&Uri>) -> Result<Arc<Pool>, &'static str> {
        const NO_HOST: &str = "the request's URI has no valid host; use an absolute URI";
        let origin = uri.and_then(|uri| uri.scheme().zip(uri.authority()));
        let (scheme, authority) = origin.ok_or(NO_HOST)?;
        let here = runtime::current()?;
        let mut pools = self.locked();
        if let Some(at) = pools.iter().position(|entry| entry.is_for(here, scheme, authority)) {
            if at > 0 {
                pools[..=at].rotate_right(1);
            }
            return Ok(Arc::clone(&pools[0].pool));
        }
        runtime::check_time()?;
        runtime::check_io()?;
        let pool = Pool::new(Arc::clone(&self.opener), here, scheme, authority).ok_or(NO_HOST)?;
        let pool = Arc::new(pool);
        let (scheme, authority) = (scheme.clone(), authority.clone());
        let most = pools.len().min(POOLS - 1);
        let gone = pools.split_off(most);
        pools.insert(0, Entry { runtime: here, scheme, authority, pool: Arc::clone(&pool) });
        drop(pools);
        for entry in gone {
            entry.pool.discard();
        }
        Ok(pool)
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
