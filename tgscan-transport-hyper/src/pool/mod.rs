//! The connections, kept for the next call: a pool for each origin in each tokio runtime, because a connection is driven by
//! the runtime in which it was made, and a call of another one would wait for it while nobody runs that.

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
use crate::runtime::{self, Lack};

/// As many pools are kept. Those of runtimes that ended must not pile up in a program that makes many of them.
const POOLS: usize = 16;

/// Makes connections and keeps them for the next call.
pub(crate) struct Pools {
    opener: Arc<Opener>,
    /// The latest first.
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
            // Names in other letters get a pool of their own, which is no harm.
            && self.authority.as_str() == authority.as_str()
            && self.scheme == *scheme
    }
}

impl Pools {
    pub(crate) fn new(opener: Opener) -> Self {
        Self { opener: Arc::new(opener), entries: Mutex::default() }
    }

    /// The pool for requests to a host from the runtime in which this is called. `None` without a host.
    pub(crate) fn here(&self, uri: &Uri) -> Result<Option<Arc<Pool>>, Lack> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Ok(None) };
        let here = runtime::current()?;
        if let Some(pool) = find(&mut self.locked(), here, scheme, authority) {
            return Ok(Some(pool));
        }
        runtime::check_time(here)?;
        let mut pools = self.locked();
        // Another thread of the runtime may have been faster.
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

    /// Lets no new call have a connection that is open now: idle ones are closed, and those in use end with their calls.
    pub(crate) fn discard(&self) {
        let discarded = std::mem::take(&mut *self.locked());
        for entry in discarded {
            entry.pool.discard();
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it is locked.
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
