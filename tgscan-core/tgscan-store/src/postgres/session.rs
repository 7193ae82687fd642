//! Connections, transactions and the lease of an open store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tgscan_core::store::{AccountName, Decide, Needs, OwnerId, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::error::{Failure, explain, may_repeat};
use super::target::Target;
use super::transaction::{STATEMENTS, load, write};
use super::{account_bytes, number_of, too_slow, unsigned};

/// How often a transaction is repeated at most.
const REPEATS: u32 = 5;

/// An open store.
pub(super) struct Shared {
    pub(super) target: Target,
    pub(super) runtime: Handle,
    /// Ends the thread when it is dropped.
    pub(super) _stop: oneshot::Sender<()>,
    pub(super) lease: Duration,
    pub(super) owner: AtomicU64,
    pub(super) renewing: AsyncMutex<()>,
    /// Idle connections for transactions.
    pub(super) idle: Mutex<Vec<Connection>>,
    /// The connection for reads.
    pub(super) reader: AsyncMutex<Option<Arc<Connection>>>,
    /// The numbers of accounts.
    pub(super) accounts: Mutex<HashMap<AccountName, i32>>,
}

impl Shared {
    pub(super) fn accounts(&self) -> MutexGuard<'_, HashMap<AccountName, i32>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn reader(&self) -> Result<Arc<Connection>, StoreError> {
        let mut reader = self.reader.lock().await;
        match &*reader {
            Some(client) if !client.is_closed() => Ok(client.clone()),
            _ => {
                // Its statements are prepared at first use, because their order does not matter.
                let client = Arc::new(self.target.connect(&[]).await?);
                *reader = Some(client.clone());
                Ok(client)
            }
        }
    }

    /// Returns a connection for a transaction.
    async fn client(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(client) if !client.is_closed() => Ok(client),
            _ => self.target.connect(&STATEMENTS).await,
        }
    }

    fn put_back(&self, client: Connection) {
        if !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }

    /// Returns the number of an account. Creates its row if it is missing.
    async fn ensure(&self, client: &Connection, account: &AccountName) -> Result<i32, Failure> {
        if let Some(number) = self.accounts().get(account) {
            return Ok(*number);
        }
        let name = account_bytes(account);
        let insert = "INSERT INTO {schema}.accounts (name) VALUES ($1) ON CONFLICT DO NOTHING";
        client.query(insert, &[(&name, Type::BYTEA)]).await?;
        let select = "SELECT number FROM {schema}.accounts WHERE name = $1";
        let found = client.query(select, &[(&name, Type::BYTEA)]).await?;
        let gone = || Failure::Store(StoreError::new("the account's row was removed"));
        let number = found.first().ok_or_else(gone)?.get(0);
        self.accounts().insert(account.clone(), number);
        Ok(number)
    }

    /// Runs a transaction. Repeats it after a transient failure before its commit.
    pub(super) async fn transact(
        &self,
        account: &AccountName,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<(), StoreError> {
        let running = async {
            let mut repeats = 0;
            loop {
                let client = self.client().await?;
                let failure = match self.attempt(&client, account, needs, decide).await {
                    Ok(()) => {
                        self.put_back(client);
                        return Ok(());
                    }
                    Err(failure) => failure,
                };
                // The connection is dropped, which ends its transaction.
                drop(client);
                repeats += 1;
                match failure {
                    Failure::Lease if repeats <= REPEATS => self.renew().await?,
                    Failure::Lease => {
                        return Err(StoreError::new("the store's lease cannot be renewed in time"));
                    }
                    Failure::Database(error) if may_repeat(&error) && repeats <= REPEATS => {}
                    Failure::Database(error) => return Err(self.explain(&error)),
                    Failure::InDoubt(error) => return Err(self.explain(&error).in_doubt()),
                    Failure::Store(error) => return Err(error),
                }
            }
        };
        timeout(self.target.limit, running).await.unwrap_or_else(|_| Err(too_slow(&self.target).in_doubt()))
    }

    async fn attempt(
        &self,
        client: &Connection,
        account: &AccountName,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<(), Failure> {
        let number = self.ensure(client, account).await?;
        let (loaded, lease_left) = load(client, number, self.owner(), needs).await?;
        // The confirmation of a claim must not outlast the lease.
        if lease_left < i64::try_from(self.fence().as_millis()).unwrap_or(i64::MAX) {
            return Err(Failure::Lease);
        }
        let changes = decide(loaded);
        write(client, number, &changes).await
    }

    fn owner(&self) -> OwnerId {
        self.owner.load(Ordering::Acquire)
    }

    pub(super) fn fence(&self) -> Duration {
        (self.lease / 3).min(Duration::from_secs(5))
    }

    /// Renews the lease. If it has expired, becomes a new owner.
    pub(super) async fn renew(&self) -> Result<(), StoreError> {
        // One at a time, so that concurrent renewals create one new owner.
        let _renewing = self.renewing.lock().await;
        let (id, lease) = (number_of(self.owner()), millis(self.lease));
        let update = format!(
            "UPDATE {{schema}}.owners SET lease_until = {{now}} + {lease} WHERE id = {id} AND lease_until >= {{now}} RETURNING id"
        );
        let client = self.reader().await?;
        let renewed = client.change(&update).await.map_err(|error| self.explain(&error))?;
        if renewed.is_none() {
            let owner = new_owner(&client, self.lease).await;
            self.owner.store(owner.map_err(|error| self.explain(&error))?, Ordering::Release);
        }
        Ok(())
    }

    pub(super) fn explain(&self, error: &Error) -> StoreError {
        explain(&self.target.name(), error)
    }
}

/// Becomes a new owner.
pub(super) async fn new_owner(client: &Connection, lease: Duration) -> Result<OwnerId, Error> {
    let lease = millis(lease);
    let insert =
        format!("INSERT INTO {{schema}}.owners (lease_until) VALUES ({{now}} + {lease}) RETURNING id");
    Ok(unsigned(client.change(&insert).await?.unwrap_or_default()))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Renews the lease as long as the store is open.
pub(super) async fn renew_lease(shared: Weak<Shared>) {
    loop {
        let Some(store) = shared.upgrade() else { return };
        let pause = store.lease / 3;
        // A failed renewal is tried again, and a store without a lease writes nothing.
        let _ = timeout(pause, store.renew()).await;
        drop(store);
        tokio::time::sleep(pause).await;
    }
}
