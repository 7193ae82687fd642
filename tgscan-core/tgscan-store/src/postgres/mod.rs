//! A store in PostgreSQL, for any number of processes and machines.

mod connection;
mod direct;
mod error;
mod known;
mod load;
mod select;
mod session;
mod setup;
mod target;
mod transact;
mod version;
mod write;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use tgscan_core::store::{AccountName, Decide, Found, Needs, Selection, Store, StoreError, Task};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tokio_postgres::Row;

use connection::Parameter;
use select::{found, statement};
use session::{Shared, renew_lease};
use target::Target;

/// The time limit of connecting, of a transaction and of a read.
const LIMIT: Duration = Duration::from_secs(10);
/// The default lease: how long a store that stops responding keeps its calls in flight.
const LEASE: Duration = Duration::from_secs(15);

/// The shortest and the longest lease. Other stores consider a lease of more than an hour expired, because it was set while
/// the server's clock was ahead. Half of that leaves room for a clock that is set back.
const LEASES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * 60);

/// A store in `PostgreSQL`, for any number of processes and machines that share an account.
///
/// Concurrent claims and settlements of an account in one process share a transaction. A transaction is one round trip
/// if no other store has changed the account since the last one. Each open store is an owner with
/// a lease of 15 s, which a thread of the store renews. If the process crashes, or is disconnected or suspended for
/// longer than that, its calls in flight become uncertain for all processes. All times are by the server's clock.
///
/// Poolers are detected when connecting. Behind one, statements are not prepared and do not depend on the session, so
/// transaction poolers work. Each operation on the server is limited to 10 s, or to two thirds of the lease if that is
/// shorter.
///
/// Needs `PostgreSQL` 11 or newer. Creating missing tables needs the privilege to create a schema, or tables in an
/// existing one.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

impl PostgresStore {
    /// Connects to `postgres://user:password@host/database`, and creates missing tables in the schema `tgscan`.
    ///
    /// Uses TLS, and verifies the certificate and its name, unless the address is on this machine or the URL has
    /// `sslmode=disable`. `sslrootcert` names a file with certificate authorities to trust instead of Mozilla's.
    ///
    /// # Errors
    /// If the connection string is invalid, the server cannot be reached, refuses the connection, or is read-only, or
    /// the tables have another version. No error shows the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, "tgscan", LEASE).await
    }

    /// Like [`connect`](Self::connect), with another schema for the tables and another lease, of 1 s to 30 min.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), if the name of the schema is not 1 to 63 characters of `a-z`, `0-9` and `_`,
    /// or starts with a digit, and if the lease is shorter or longer.
    pub async fn connect_with(url: &str, schema: &str, lease: Duration) -> Result<Self, StoreError> {
        if !LEASES.contains(&lease) {
            return Err(StoreError::new(format!(
                "the lease is {} s; use 1 s to 1800 s (30 min)",
                lease.as_secs_f64()
            )));
        }
        let target = Target::parse(url, schema, LIMIT.min(lease * 2 / 3))?;
        let (runtime, stop) = start_runtime()?;
        let opening = target.clone();
        let opened = runtime.spawn(async move { opening.open(lease).await }).await;
        let (client, owner) = opened.unwrap_or_else(|_| Err(ended()))?;
        let shared = Arc::new(Shared {
            target,
            runtime: runtime.clone(),
            _stop: stop,
            lease,
            owner: AtomicU64::new(owner),
            renewing: AsyncMutex::new(()),
            idle: Mutex::new(vec![client]),
            reader: AsyncMutex::new(None),
            accounts: Mutex::default(),
        });
        runtime.spawn(renew_lease(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Runs work on the store's thread, so that any runtime of the caller works.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.shared.runtime.spawn(work).await;
        done.unwrap_or_else(|_| Err(ended()))
    }

    /// Reads rows outside of transactions.
    async fn select(&self, sql: &'static str, parameters: Vec<Parameter>) -> Result<Vec<Row>, StoreError> {
        let shared = self.shared.clone();
        self.run(async move {
            let reading = async {
                let mut is_repeated = false;
                loop {
                    let client = shared.reader().await?;
                    match client.query(sql, &parameters).await {
                        Ok(rows) => return Ok(rows),
                        Err(error) => {
                            shared.reader.lock().await.take_if(|reader| Arc::ptr_eq(reader, &client));
                            if is_repeated || !error::may_repeat(&error) {
                                return Err(shared.explain(&error));
                            }
                            is_repeated = true;
                        }
                    }
                }
            };
            let rows = timeout(shared.target.limit, reading).await;
            rows.unwrap_or_else(|_| Err(too_slow(&shared.target)))
        })
        .await
    }
}

/// Starts a thread with a runtime. Both run until the sender is dropped.
fn start_runtime() -> Result<(Handle, oneshot::Sender<()>), StoreError> {
    let failed = |error| StoreError::new("cannot start the store's thread").with_source(error);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    thread::Builder::new()
        .name("tgscan-store".into())
        .spawn(move || {
            let _ = runtime.block_on(stopped);
            // Tasks that still run, such as settlements, no longer have a store.
            runtime.shutdown_timeout(Duration::from_secs(1));
        })
        .map_err(failed)?;
    Ok((handle, stop))
}

#[async_trait]
impl Store for PostgresStore {
    async fn transact(
        &self,
        account: &AccountName,
        needs: Needs,
        mut decide: Decide,
    ) -> Result<(), StoreError> {
        let (shared, account) = (self.shared.clone(), account.clone());
        self.run(async move { shared.transact(&account, &needs, &mut decide).await }).await
    }

    async fn read(&self, account: &AccountName, rows: Selection) -> Result<Found, StoreError> {
        let has_one_row = matches!(rows, Selection::Account | Selection::Question(_));
        let (sql, parameters) = statement(account, rows);
        let rows = self.select(sql, parameters).await?;
        if has_one_row && rows.is_empty() {
            return Err(StoreError::new("the store's tables have no version; restore them from a backup"));
        }
        found(&rows)
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let rows = self.select("SELECT name FROM {schema}.accounts ORDER BY name", Vec::new()).await?;
        let name = |row: &Row| {
            let name: Result<(String, String), _> = serde_json::from_slice(row.get(0));
            let (label, service) = name.map_err(|_| StoreError::new("the name of an account is damaged"))?;
            Ok(AccountName::new(label, service))
        };
        rows.iter().map(name).collect()
    }

    async fn compact(&self) -> Result<(), StoreError> {
        // The server removes old versions of rows when it vacuums; see the page on retention.
        Ok(())
    }

    fn spawn(&self, task: Task) {
        self.shared.runtime.spawn(task);
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn fence(&self) -> Duration {
        self.shared.fence()
    }
}

/// Returns the name of an account as stored in the database.
fn account_bytes(account: &AccountName) -> Vec<u8> {
    serde_json::to_vec(&(&account.label, &account.service)).unwrap_or_default()
}

/// Converts a number for the database. A number that is too large matches no row.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// Returns the key of a question in the database: a hash, so that long questions fit into an index.
fn hash(key: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref().to_vec()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn too_slow(target: &Target) -> StoreError {
    StoreError::new(format!("{} did not answer within {} ms", target.name(), target.limit.as_millis()))
}

fn ended() -> StoreError {
    StoreError::new("the store's thread has ended")
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("server", &self.shared.target.name()).finish_non_exhaustive()
    }
}
