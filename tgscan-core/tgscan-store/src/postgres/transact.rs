//! Runs a transaction on an account.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use tgscan_core::store::{AccountName, Changes, Decide, Loaded, Needs, StoreError};
use tokio::time::timeout;

use super::columns::Columns;
use super::conditions::Version;
use super::connection::{Connection, idle_limit};
use super::error::{Failure, may_repeat};
use super::known::Known;
use super::load::{Snapshot, load_locked, load_unlocked};
use super::session::Shared;
use super::write::{write_locked, write_unlocked};
use super::{millis, too_slow};

/// How often a transaction is repeated at most.
const REPEATS: u32 = 5;
/// The number of transactions that lock an account after another store changed it at the same time.
const LOCKED: u32 = 64;

impl Shared {
    /// Runs a transaction. Repeats it after a transient failure before its commit, and once after a commit in doubt.
    pub(super) async fn transact(
        &self,
        account: &AccountName,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<(), StoreError> {
        let mut is_in_doubt = false;
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
                    // If the commit took effect, the repeated decision changes nothing. A comparison would report less.
                    Failure::InDoubt(_) if is_simple(needs) && !is_in_doubt => is_in_doubt = true,
                    Failure::InDoubt(error) => return Err(self.explain(&error).in_doubt()),
                    Failure::Store(error) => return Err(error),
                }
            }
        };
        let done = timeout(self.target.limit, running).await;
        let done = done.unwrap_or_else(|_| Err(too_slow(&self.target).in_doubt()));
        done.map_err(|error| if is_in_doubt { error.in_doubt() } else { error })
    }

    async fn attempt(
        &self,
        client: &Connection,
        account: &AccountName,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<(), Failure> {
        let number = self.ensure(client, account).await?;
        // The fastest way first. Only the last way locks the account, and works if other stores change it
        // concurrently, or if an earlier write is in doubt.
        let mut known = self.known().remove(&number);
        let doubt = self.in_doubt().get(&number).copied();
        if client.is_direct()
            && doubt.is_none()
            && is_simple(needs)
            && !self.is_contended(number)
            && (self.attempt_known(client, number, &mut known, needs, decide).await?
                || self.attempt_unlocked(client, number, &mut known, needs, decide).await?)
        {
            return Ok(());
        }
        let snapshot = load_locked(client, number, self.owner(), needs).await?;
        self.check_lease(&snapshot)?;
        let known = known.filter(|known| known.is_of(&snapshot.version));
        let are_new = are_new(needs, &snapshot.loaded);
        // A write in doubt may still wait for a lock. Its condition fails after any other write of the row.
        let unchanged = doubt.map(|_| snapshot.loaded.account.clone());
        let mut changes = decide(snapshot.loaded);
        changes.account = changes.account.or(unchanged);
        let version = self.outcome(number, write_locked(client, number, &changes)).await?;
        if let Some(since) = doubt {
            self.end_doubt(number, since);
        }
        self.remember(number, changes, version.filter(|_| client.is_direct()), known, are_new);
        Ok(())
    }

    /// Runs a transaction in one round trip, on rows that are known. Returns whether that succeeded.
    async fn attempt_known(
        &self,
        client: &Connection,
        number: i32,
        known: &mut Option<Known>,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<bool, Failure> {
        let (owner, lease) = (self.owner(), millis(self.fence()));
        let Some((known_rows, (loaded, assumed))) =
            known.as_ref().and_then(|known| Some((known, known.load(needs, owner, lease)?)))
        else {
            return Ok(false);
        };
        let changes = decide(loaded);
        let columns = Columns::new(&changes)?;
        // Without changes, the known rows would not be checked.
        let Some(row) = changes.account.as_ref().filter(|_| columns.fit_one_statement()) else {
            return Ok(false);
        };
        let unchanged = known_rows.unchanged(assumed);
        let writing = write_unlocked(client, number, &unchanged, row, &columns);
        let version = self.outcome(number, writing).await?;
        let (known, is_written) = (known.take(), version.is_some());
        self.remember(number, changes, version, known, None);
        Ok(is_written)
    }

    /// Runs a transaction in two round trips, without a lock. Returns whether that succeeded.
    async fn attempt_unlocked(
        &self,
        client: &Connection,
        number: i32,
        known: &mut Option<Known>,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<bool, Failure> {
        let Some(snapshot) = load_unlocked(client, number, self.owner(), needs).await? else {
            return Ok(false);
        };
        self.check_lease(&snapshot)?;
        let Snapshot { loaded, version: loaded_version, .. } = snapshot;
        *known = known.take().filter(|known| known.is_of(&loaded_version));
        let are_new = are_new(needs, &loaded);
        let changes = decide(loaded);
        let Some(row) = &changes.account else {
            // The known rows are still those of the last transaction.
            self.known().extend(known.take().map(|known| (number, known)));
            return Ok(true);
        };
        let columns = Columns::new(&changes)?;
        if !columns.fit_one_statement() {
            return Ok(false);
        }
        let unchanged = loaded_version.unchanged(self.idle_limit());
        let writing = write_unlocked(client, number, &unchanged, row, &columns);
        let version = self.outcome(number, writing).await?;
        let is_written = version.is_some();
        if !is_written {
            self.contended().insert(number, LOCKED);
        }
        self.remember(number, changes, version, known.take(), are_new);
        Ok(is_written)
    }

    /// Waits for the outcome of a write. The account is in doubt if this fails in doubt or is dropped.
    async fn outcome<T>(
        &self,
        number: i32,
        writing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut sent = Sent(Some((self, number)));
        let outcome = writing.await;
        if !matches!(outcome, Err(Failure::InDoubt(_))) {
            sent.0 = None;
        }
        outcome
    }

    /// Ends the doubt about an account, unless another write was left in doubt since.
    fn end_doubt(&self, number: i32, since: Instant) {
        let mut in_doubt = self.in_doubt();
        if in_doubt.get(&number) == Some(&since) {
            in_doubt.remove(&number);
        }
    }

    fn in_doubt(&self) -> MutexGuard<'_, HashMap<i32, Instant>> {
        self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the rows that are known after a transaction, if it has written a version.
    fn remember(
        &self,
        number: i32,
        changes: Changes,
        version: Option<Version>,
        earlier: Option<Known>,
        are_new: Option<bool>,
    ) {
        let known = version.and_then(|version| Known::after(changes, version, earlier, are_new));
        self.known().extend(known.map(|known| (number, known)));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<i32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time between load and write after which nothing is written, in milliseconds.
    fn idle_limit(&self) -> i64 {
        millis(idle_limit(self.target.limit))
    }

    /// Returns whether a transaction on the account locks it.
    fn is_contended(&self, number: i32) -> bool {
        let mut contended = self.contended();
        let Some(left) = contended.get_mut(&number) else { return false };
        *left -= 1;
        if *left == 0 {
            contended.remove(&number);
        }
        true
    }

    fn contended(&self) -> MutexGuard<'_, HashMap<i32, u32>> {
        self.contended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the confirmation of a claim does not outlast the lease.
    fn check_lease(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        let fence = i64::try_from(self.fence().as_millis()).unwrap_or(i64::MAX);
        if snapshot.lease_left < fence { Err(Failure::Lease) } else { Ok(()) }
    }
}

/// A write that was sent to an account. Its outcome is unknown if this is dropped.
struct Sent<'a>(Option<(&'a Shared, i32)>);

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if let Some((shared, number)) = self.0 {
            shared.in_doubt().insert(number, Instant::now());
        }
    }
}

/// Returns whether only given questions and calls are needed.
fn is_simple(needs: &Needs) -> bool {
    !needs.unresolved && needs.journal.is_empty()
}

/// Returns whether all needed questions are new, or `None` without a question.
fn are_new(needs: &Needs, loaded: &Loaded) -> Option<bool> {
    // Core sorts the needed questions.
    let is_needed = |key: &String| needs.questions.binary_search(key).is_ok();
    (!needs.questions.is_empty()).then(|| !loaded.questions.iter().any(|(key, _)| is_needed(key)))
}
