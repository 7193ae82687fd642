//! What the tests share: each store with a clock, and a mock to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tgscan_core::store::{Store, StorePolicy};
use tgscan_mock::types::Search;
use tgscan_mock::{Client, Mock};
use tgscan_store::{Clock, MemoryStore};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that only moves when it is told to.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000)))
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.0.fetch_add(duration.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = self.0.clone();
        Clock::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }
}

/// One store under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: TestClock,
    memory: Option<MemoryStore>,
    #[cfg(feature = "redb")]
    directory: Option<tempfile::TempDir>,
}

impl Subject {
    pub(crate) fn memory() -> Self {
        let clock = TestClock::new();
        let memory = MemoryStore::new().with_clock(clock.clock());
        Self {
            name: "memory",
            store: Arc::new(memory.clone()),
            clock,
            memory: Some(memory),
            #[cfg(feature = "redb")]
            directory: None,
        }
    }

    #[cfg(feature = "redb")]
    pub(crate) fn file() -> Self {
        let (clock, directory) = (TestClock::new(), tempfile::tempdir().unwrap());
        let store = tgscan_store::FileStore::open_with_clock(directory.path().join("store"), clock.clock());
        Self {
            name: "file",
            store: Arc::new(store.unwrap()),
            clock,
            memory: None,
            directory: Some(directory),
        }
    }

    /// The store as another process finds it after its owner died.
    pub(crate) fn reopen(&mut self) {
        if let Some(memory) = &self.memory {
            memory.owners_died();
            return;
        }
        #[cfg(feature = "redb")]
        if let Some(directory) = &self.directory {
            self.store = Arc::new(MemoryStore::new());
            let path = directory.path().join("store");
            self.store =
                Arc::new(tgscan_store::FileStore::open_with_clock(path, self.clock.clock()).unwrap());
        }
    }

    /// A client of `mock` with this store, which keeps answers for ten hours and uses them for one.
    pub(crate) fn client(&self, mock: &Mock) -> Client {
        mock.client().with_store(self.store.clone(), policy())
    }
}

pub(crate) fn policy() -> StorePolicy {
    StorePolicy::new("main", HOUR, 10 * HOUR)
}

/// Runs a test with each store.
pub(crate) fn each(test: impl Fn(Subject)) {
    test(Subject::memory());
    #[cfg(feature = "redb")]
    test(Subject::file());
}

/// A mock where a search costs two credits.
pub(crate) fn mock() -> Mock {
    Mock::builder().seed(7).cost::<Search>(2).build().unwrap()
}

/// How many paid questions the service has seen.
pub(crate) fn searches(mock: &Mock) -> usize {
    mock.requests().iter().filter(|request| request.method == Some("search")).count()
}
