//! Connections and the lease of an open store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tgscan_core::store::{AccountName, OwnerId, StoreError};
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

use super::connection::Connection;
use super::error::{Failure, explain};
use super::known::Known;
use super::statements::STATEMENTS;
use super::target::Target;
use super::{account_bytes, millis, number_of, unsigned};

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
    /// Accounts that other stores change too, and how many more transactions lock them.
    pub(super) contended: Mutex<HashMap<i32, u32>>,
    /// The known rows of accounts.
    pub(super) known: Mutex<HashMap<i32, Known>>,
    /// Accounts with a write whose outcome is unknown, and when that was noticed.
    pub(super) in_doubt: Mutex<HashMap<i32, Instant>>,
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
    pub(super) async fn client(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(client) if !client.is_closed() => Ok(client),
            _ => {
                // This may be another server, after a failover.
                self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.target.connect(&STATEMENTS).await
            }
        }
    }

    pub(super) fn put_back(&self, client: Connection) {
        if !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
    }

    /// Returns the number of an account. Creates its row if it is missing.
    pub(super) async fn ensure(&self, client: &Connection, account: &AccountName) -> Result<i32, Failure> {
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

    pub(super) fn owner(&self) -> OwnerId {
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
