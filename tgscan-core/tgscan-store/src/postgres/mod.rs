//! A store in PostgreSQL, for any number of processes and machines.

mod connection;
mod direct;
mod error;
mod known;
mod load;
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
use tgscan_core::store::{
    AccountName, Call, CallId, Decide, Found, Index, JournalEntry, Needs, Row as _, RowKey, Store,
    StoreError, Task,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use connection::Parameter;
use load::found;
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

    /// Reads rows outside of transactions. The first parameter is the name of the account.
    async fn select<T: Send + 'static>(
        &self,
        account: &AccountName,
        sql: &'static str,
        mut parameters: Vec<Parameter>,
        map: impl Fn(&Row) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        parameters.insert(0, (Box::new(account_bytes(account)), Type::BYTEA));
        self.read_all(sql, parameters, map).await
    }

    async fn read_all<T: Send + 'static>(
        &self,
        sql: &'static str,
        parameters: Vec<Parameter>,
        map: impl Fn(&Row) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
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
            rows.unwrap_or_else(|_| Err(too_slow(&shared.target)))?.iter().map(map).collect()
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

    async fn read(&self, account: &AccountName, row: RowKey) -> Result<Found, StoreError> {
        let found = match row {
            RowKey::Question(key) => {
                let select = "SELECT {now}, NULL::bytea AS account, q.row AS question, NULL::bigint AS id,
                        NULL::bytea AS call, a.answer FROM {schema}.meta
                    LEFT JOIN {schema}.questions q ON q.account = {account} AND q.key = $2
                    LEFT JOIN {schema}.answers a ON a.account = q.account AND a.id = q.answered";
                self.select(account, select, vec![(Box::new(hash(&key)), Type::BYTEA)], found).await?
            }
            RowKey::Call(call) => {
                let select = "SELECT {now}, NULL::bytea AS account, NULL::bytea AS question, c.id,
                        c.row AS call, a.answer FROM {schema}.meta
                    LEFT JOIN {schema}.calls c ON c.account = {account} AND c.id = $2
                    LEFT JOIN {schema}.answers a ON a.account = c.account AND a.id = c.id";
                self.select(account, select, vec![(Box::new(signed(call)), Type::INT8)], found).await?
            }
            _ => {
                let select = "SELECT {now}, a.row AS account, NULL::bytea AS question, NULL::bigint AS id,
                        NULL::bytea AS call, NULL::bytea AS answer FROM {schema}.meta
                    LEFT JOIN {schema}.accounts a ON a.name = $1";
                self.select(account, select, Vec::new(), found).await?
            }
        };
        found.into_iter().next().ok_or_else(ended)
    }

    async fn calls(
        &self,
        account: &AccountName,
        after: CallId,
        limit: usize,
    ) -> Result<Vec<Call>, StoreError> {
        let select =
            "SELECT id, row FROM {schema}.calls WHERE account = {account} AND id > $2 ORDER BY id LIMIT $3";
        let parameters: Vec<Parameter> =
            vec![(Box::new(signed(after)), Type::INT8), (Box::new(count(limit)), Type::INT8)];
        self.select(account, select, parameters, |row| Call::from_bytes(unsigned(row.get(0)), row.get(1)))
            .await
    }

    async fn find(
        &self,
        account: &AccountName,
        index: Index,
        limit: usize,
    ) -> Result<Vec<CallId>, StoreError> {
        let mut parameters: Vec<Parameter> = vec![(Box::new(count(limit)), Type::INT8)];
        let select = match index {
            Index::Due => {
                "SELECT id FROM {schema}.calls WHERE account = {account} AND due_at <= (SELECT {now}) ORDER BY due_at, id LIMIT $2"
            }
            Index::Unresolved => {
                "SELECT id FROM {schema}.calls WHERE account = {account} AND is_unresolved ORDER BY id LIMIT $2"
            }
            Index::People(people) => {
                let people: Vec<Vec<u8>> = people.into_iter().map(String::into_bytes).collect();
                parameters.push((Box::new(people), Type::BYTEA_ARRAY));
                "SELECT DISTINCT id FROM {schema}.people WHERE account = {account} AND person = ANY ($3) ORDER BY id LIMIT $2"
            }
            Index::Question(key) => {
                parameters.push((Box::new(hash(&key)), Type::BYTEA));
                "SELECT id FROM {schema}.calls WHERE account = {account} AND key = $3 AND is_answered ORDER BY id DESC LIMIT $2"
            }
            _ => return Ok(Vec::new()),
        };
        self.select(account, select, parameters, |row| Ok(unsigned(row.get(0)))).await
    }

    async fn journal(
        &self,
        account: &AccountName,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        let select = "SELECT number, row FROM {schema}.journal WHERE account = {account} AND number > $2 ORDER BY number LIMIT $3";
        let parameters: Vec<Parameter> =
            vec![(Box::new(signed(after)), Type::INT8), (Box::new(count(limit)), Type::INT8)];
        let entry = |row: &Row| Ok((unsigned(row.get(0)), JournalEntry::from_bytes(row.get(1))?));
        self.select(account, select, parameters, entry).await
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        let select = "SELECT name FROM {schema}.accounts ORDER BY name";
        self.read_all(select, Vec::new(), |row| {
            let name: Result<(String, String), _> = serde_json::from_slice(row.get(0));
            let (label, service) = name.map_err(|_| StoreError::new("the name of an account is damaged"))?;
            Ok(AccountName::new(label, service))
        })
        .await
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

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
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
