//! Shared by the tests: each store with a clock, and a mock to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tgscan_core::store::{Account, AccountName, Store, StorePolicy, StoreRefusal};
use tgscan_mock::types::Search;
use tgscan_mock::{Client, Mock};
use tgscan_store::{Clock, MemoryStore};

#[cfg(feature = "postgres")]
use crate::postgres::Database;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A wall clock that only a test moves.
#[derive(Clone)]
pub(crate) struct TestClock {
    seconds: Arc<AtomicU64>,
    /// The database whose clock moves with it.
    #[cfg(feature = "postgres")]
    database: Option<Database>,
}

impl TestClock {
    fn new() -> Self {
        Self {
            seconds: Arc::new(AtomicU64::new(1_700_000_000)),
            #[cfg(feature = "postgres")]
            database: None,
        }
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.seconds.fetch_add(duration.as_secs(), Ordering::Relaxed);
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            database.advance(duration);
        }
    }

    pub(crate) fn set_back(&self, duration: Duration) {
        self.seconds.fetch_sub(duration.as_secs(), Ordering::Relaxed);
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.database {
            database.set_back(duration);
        }
    }

    fn clock(&self) -> Clock {
        let seconds = self.seconds.clone();
        Clock::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
    }
}

/// One store under test.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: TestClock,
    kind: Kind,
}

enum Kind {
    Memory(MemoryStore),
    #[cfg(feature = "redb")]
    File(tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Postgres(Database),
}

impl Subject {
    pub(crate) fn memory() -> Self {
        let clock = TestClock::new();
        let memory = MemoryStore::new().with_clock(clock.clock());
        Self { name: "memory", store: Arc::new(memory.clone()), clock, kind: Kind::Memory(memory) }
    }

    #[cfg(feature = "redb")]
    pub(crate) fn file() -> Self {
        let (clock, directory) = (TestClock::new(), tempfile::tempdir().unwrap());
        let store = tgscan_store::FileStore::open_with_clock(directory.path().join("store"), clock.clock());
        Self { name: "file", store: Arc::new(store.unwrap()), clock, kind: Kind::File(directory) }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres() -> Self {
        let database = Database::new();
        let store = Arc::new(database.open());
        let clock = TestClock { database: Some(database.clone()), ..TestClock::new() };
        Self { name: "PostgreSQL", store, clock, kind: Kind::Postgres(database) }
    }

    /// The store as another process finds it after its owner died.
    pub(crate) fn reopen(&mut self) {
        match &self.kind {
            Kind::Memory(memory) => memory.simulate_crash(),
            #[cfg(feature = "redb")]
            Kind::File(directory) => {
                // The old one is closed first.
                self.store = Arc::new(MemoryStore::new());
                let path = directory.path().join("store");
                let store = tgscan_store::FileStore::open_with_clock(path, self.clock.clock());
                self.store = Arc::new(store.unwrap());
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres(database) => {
                database.lose_owners();
                self.store = Arc::new(database.open());
            }
        }
    }

    /// The account that the clients spend from.
    pub(crate) fn account(&self) -> Account {
        Account::new(self.store.clone(), AccountName::new("main", "mock"))
    }

    /// A client of `mock` with this store, which keeps answers for ten hours and uses them for one.
    pub(crate) fn client(&self, mock: &Mock) -> Client {
        mock.client().with_store(self.store.clone(), policy())
    }
}

pub(crate) fn policy() -> StorePolicy {
    StorePolicy::new("main", HOUR, 10 * HOUR)
}

/// Makes a test for each store of each function that takes a way to open one.
macro_rules! with_each_store {
    ($($test:ident,)+) => {
        mod memory {
            $(#[test] fn $test() { super::$test(crate::support::Subject::memory); })+
        }
        #[cfg(feature = "redb")]
        mod file {
            $(#[test] fn $test() { super::$test(crate::support::Subject::file); })+
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(
                #[test]
                #[ignore = "needs the programs of a PostgreSQL server"]
                fn $test() { super::$test(crate::support::Subject::postgres); }
            )+
        }
    };
}
pub(crate) use with_each_store;

/// A mock where a search costs two credits.
pub(crate) fn mock() -> Mock {
    Mock::builder().seed(7).cost::<Search>(2).build().unwrap()
}

/// A directory in memory if the system has one: faster, and as good as a disk where no power is lost.
#[cfg(feature = "redb")]
pub(crate) fn memory_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How many paid questions the service has seen.
pub(crate) fn searches(mock: &Mock) -> usize {
    mock.requests().iter().filter(|request| request.method == Some("search")).count()
}

/// The store's reason to refuse a call.
pub(crate) fn refusal(error: &tgscan_core::Error) -> &StoreRefusal {
    error.store_refusal().unwrap_or_else(|| panic!("{error}"))
}
