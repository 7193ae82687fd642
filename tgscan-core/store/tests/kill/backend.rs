//! What the store is kept in.

use std::fmt;
use std::sync::Arc;

use tgscan_core::store::Store;

/// Where a store is kept.
pub(crate) enum Backend {
    /// A file in a directory that goes when the test ends.
    File(tempfile::TempDir),
    /// A PostgreSQL server of this process.
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Backend {
    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::File(tempfile::tempdir().unwrap()),
            #[cfg(feature = "postgres")]
            Self::Postgres,
        ]
    }

    /// How a process opens a store of its own name.
    pub(crate) fn location(&self, name: &str) -> String {
        match self {
            Self::File(directory) => directory.path().join(name).display().to_string(),
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("{name}@{}", crate::server::server().url()),
        }
    }

    /// How long a child lives at most, in microseconds: long enough for answers, and too short for all its questions.
    pub(crate) fn longest_life(&self) -> u64 {
        match self {
            Self::File(_) => 20_000,
            #[cfg(feature = "postgres")]
            Self::Postgres => 60_000,
        }
    }

    /// Restarts the server of the store, if it has one, while a process uses it.
    pub(crate) fn restart(&self) {
        match self {
            Self::File(_) => {}
            #[cfg(feature = "postgres")]
            Self::Postgres => crate::server::server().restart(),
        }
    }

    /// Waits until nothing of a dead process is at work any more.
    pub(crate) fn quiesce(&self, location: &str) {
        match self {
            // The file is closed with its process.
            Self::File(_) => assert!(std::path::Path::new(location).exists()),
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::quiesce(location),
        }
    }
}

/// Opens a store by its location.
pub(crate) fn open(location: &str) -> Arc<dyn Store> {
    #[cfg(feature = "postgres")]
    if location.contains('@') {
        return postgres::open(location);
    }
    Arc::new(tgscan_store::FileStore::open(location).unwrap_or_else(|error| panic!("{error}")))
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::{Arc, OnceLock};

    use tgscan_core::store::Store;
    use tgscan_store::PostgresStore;
    use tokio::runtime::{Builder, Runtime};

    fn runtime() -> &'static Runtime {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
        // Also from within another runtime, where blocking on one is not allowed.
        futures_executor::block_on(runtime().spawn(work)).unwrap()
    }

    pub(super) fn open(location: &str) -> Arc<dyn Store> {
        let (schema, url) = location.split_once('@').unwrap();
        let (schema, url) = (schema.to_owned(), url.to_owned());
        Arc::new(run(async move { PostgresStore::connect_to_schema(&url, &schema).await }).unwrap())
    }

    /// The server goes on with what it has received before it notices that the process is gone, and frees its lock.
    pub(super) fn quiesce(location: &str) {
        let (schema, url) = location.split_once('@').unwrap();
        let (schema, url) = (schema.to_owned(), url.to_owned());
        run(async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let driving = tokio::spawn(connection);
            client.batch_execute(&format!("SET search_path TO {schema}")).await.unwrap();
            let owners = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
                AND classid::bigint = (lock_class()::bigint & 4294967295)";
            while client.query_one(owners, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
            drop(client);
            driving.await.unwrap().unwrap();
        });
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("file"),
            #[cfg(feature = "postgres")]
            Self::Postgres => f.write_str("PostgreSQL"),
        }
    }
}
