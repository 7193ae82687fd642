//! Connections and the lease of an open store.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
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
use super::load::LOAD;
use super::target::Target;
use super::write::{REMOVE, WRITE};
use super::{account_bytes, millis, signed, unsigned};

/// The number of leases after which an unused connection is closed.
const UNUSED_LEASES: u32 = 4;
/// The statements of a transaction, which its connections prepare.
pub(super) const STATEMENTS: [&str; 3] = [LOAD, WRITE, REMOVE];

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
    pub(super) accounts: Mutex<HashMap<AccountName, AccountState>>,
}

/// The state of an account in an open store.
#[derive(Default)]
pub(super) struct AccountState {
    /// The number of the account, if it is known.
    pub(super) number: Option<i32>,
    pub(super) known: Option<Known>,
    /// How many more transactions load the account, because another store changes it too.
    pub(super) contended: u32,
    /// The start of a write whose outcome is unknown.
    pub(super) in_doubt: Option<Instant>,
}

impl Shared {
    /// Reads or changes the state of an account.
    pub(super) fn with_state<T>(
        &self,
        account: &AccountName,
        change: impl FnOnce(&mut AccountState) -> T,
    ) -> T {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        change(accounts.entry(account.clone()).or_default())
    }

    /// Forgets the numbers of all accounts.
    fn forget_numbers(&self) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        accounts.values_mut().for_each(|state| state.number = None);
    }

    pub(super) async fn reader(&self) -> Result<Arc<Connection>, StoreError> {
        let mut reader = self.reader.lock().await;
        match &*reader {
            Some(client) if !client.is_closed() => Ok(client.clone()),
            _ => {
                // This may be another server, after a failover, or a restored database.
                self.forget_numbers();
                // Its statements are prepared at first use, because their order does not matter.
                let client = Arc::new(self.target.connect(&[]).await?);
                *reader = Some(client.clone());
                Ok(client)
            }
        }
    }

    /// Returns a connection for a transaction on an account, if possible the one with its known rows.
    pub(super) async fn client(&self, account: &AccountName) -> Result<Connection, StoreError> {
        let last = self.with_state(account, |state| state.known.as_ref().map(|known| known.connection));
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|client| !client.is_closed());
            let at = idle.iter().position(|client| Some(client.number) == last);
            at.map(|at| idle.swap_remove(at)).or_else(|| idle.pop())
        };
        match idle {
            Some(client) => Ok(client),
            None => self.target.connect(&STATEMENTS).await,
        }
    }

    pub(super) fn put_back(&self, mut client: Connection) {
        client.used = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// Closes connections that were not used for a while, except one for the next call.
    fn close_unused(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.sort_by_key(|client| client.used);
        let is_unused = |client: &&Connection| client.used.elapsed() > self.lease * UNUSED_LEASES;
        let unused = idle.iter().rev().skip(1).filter(is_unused).count();
        idle.drain(..unused);
    }

    /// Returns the number of an account. Creates its row if it is missing.
    pub(super) async fn ensure(&self, client: &Connection, account: &AccountName) -> Result<i32, Failure> {
        if let Some(number) = self.with_state(account, |state| state.number) {
            return Ok(number);
        }
        let name = [(Box::new(account_bytes(account)) as _, Type::BYTEA)];
        let find = async || -> Result<Option<i32>, Error> {
            let found = client.query("SELECT {account}", &name).await?;
            Ok(found.first().and_then(|row| row.get(0)))
        };
        let mut number = find().await?;
        // Only if it is missing, because each insertion uses up a number, even without a row.
        if number.is_none() {
            let insert = "INSERT INTO {schema}.accounts (name) VALUES ($1) ON CONFLICT DO NOTHING";
            client.query(insert, &name).await?;
            number = find().await?;
        }
        self.with_state(account, |state| state.number = number);
        number.ok_or(Failure::NoAccount)
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
        let (id, lease) = (signed(self.owner()), millis(self.lease));
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

/// Becomes a new owner. Its number is random, because the sequence of a restored database or a promoted standby may return the
/// number of an owner that it lacks and that is alive.
///
/// Removes up to 1,000 owners whose lease expired more than a day ago and that have no call in flight. The clock may have
/// been ahead, so a call in flight may still be valid; without its owner, it would be lost.
pub(super) async fn new_owner(client: &Connection, lease: Duration) -> Result<OwnerId, Error> {
    let lease = millis(lease);
    let insert = format!(
        "WITH removed AS (
            DELETE FROM {{schema}}.owners WHERE id = ANY (ARRAY(
                SELECT id FROM {{schema}}.owners WHERE lease_until < {{now}} - 86400000
                    AND NOT EXISTS (SELECT FROM {{schema}}.calls WHERE owner = owners.id)
                LIMIT 1000 FOR UPDATE SKIP LOCKED
            ))
        )
        INSERT INTO {{schema}}.owners (id, lease_until)
        VALUES (1 + floor(random() * (1::bigint << 48))::bigint, {{now}} + {lease}) RETURNING id"
    );
    Ok(unsigned(client.change(&insert).await?.unwrap_or_default()))
}

/// Renews the lease as long as the store is open.
pub(super) async fn renew_lease(shared: Weak<Shared>) {
    loop {
        let Some(store) = shared.upgrade() else { return };
        let pause = store.lease / 3;
        // A failed renewal is tried again, and a store without a lease writes nothing.
        let _ = timeout(pause, store.renew()).await;
        store.close_unused();
        drop(store);
        tokio::time::sleep(pause).await;
    }
}
