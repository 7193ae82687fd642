//! The kinds of stores.

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

    /// How a process opens the store with this name.
    pub(crate) fn location(&self, name: &str) -> String {
        match self {
            Self::File(directory) => directory.path().join(name).display().to_string(),
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("{name}@{}", crate::server::server().url()),
        }
    }

    /// Restarts the server of the store, if it has one, while processes use it.
    pub(crate) fn restart(&self) {
        match self {
            Self::File(_) => {}
            #[cfg(feature = "postgres")]
            Self::Postgres => crate::server::server().restart(),
        }
    }

    /// Waits until nothing of a dead process runs any more, and lets its lease pass.
    pub(crate) fn end_processes(&self, location: &str) {
        match self {
            // The file is closed with its process.
            Self::File(_) => assert!(std::path::Path::new(location).exists()),
            #[cfg(feature = "postgres")]
            Self::Postgres => postgres::lose_owners(location),
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
pub(crate) mod postgres {
    use std::sync::{Arc, OnceLock};
    use std::time::{Duration, Instant};

    use tgscan_core::store::Store;
    use tgscan_store::PostgresStore;
    use tokio::runtime::{Builder, Runtime};

    /// Longer than a server takes to restart.
    const RESTART: Duration = Duration::from_secs(30);
    /// Short, but long enough for a server on a busy machine to answer: the limit is two thirds of it.
    const LEASE: Duration = Duration::from_secs(2);

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
        Arc::new(run(async move {
            let began = Instant::now();
            loop {
                match PostgresStore::connect_with(&url, &schema, LEASE).await {
                    Ok(store) => return store,
                    // The server restarts, or a test cuts connections.
                    Err(_) if began.elapsed() < RESTART => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }))
    }

    /// Runs statements in the schema of a location. Returns the first column of the last one's first row.
    pub(crate) fn execute(location: &str, sql: &str) -> String {
        let (schema, url) = location.split_once('@').unwrap();
        let (schema, url, sql) = (schema.to_owned(), url.to_owned(), sql.to_owned());
        run(async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let driving = tokio::spawn(connection);
            client.batch_execute(&format!("SET search_path TO {schema}")).await.unwrap();
            let mut first = String::new();
            for message in client.simple_query(&sql).await.unwrap() {
                if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                    row.get(0).unwrap_or_default().clone_into(&mut first);
                }
            }
            drop(client);
            driving.await.unwrap().unwrap();
            first
        })
    }

    /// The server continues with the statements that it has received, and notices later that the process is gone.
    pub(super) fn lose_owners(location: &str) {
        while connections(location) > 0 {}
        execute(location, "UPDATE owners SET lease_until = 0");
    }

    /// How many connections stores have.
    fn connections(location: &str) -> u64 {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tgscan-store'";
        execute(location, count).parse().unwrap()
    }

    /// Waits until every lease that is not renewed has passed.
    pub(crate) fn wait_for_leases(location: &str) {
        execute(location, &format!("SELECT pg_sleep({})", LEASE.as_secs_f64() * 1.1));
    }

    /// Cuts the connections of all stores.
    pub(crate) fn cut(location: &str) {
        execute(
            location,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tgscan-store'",
        );
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
