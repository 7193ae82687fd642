//! Runs a transaction on an account.

use std::time::Instant;

use tgscan_core::store::{AccountName, Decide, Loaded, Needs};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{Failure, may_repeat};
use super::known::Known;
use super::load::load;
use super::session::Shared;
use super::write::{write_assumed, write_locked};
use super::{millis, too_slow};

/// How often a transaction is repeated at most.
const REPEATS: u32 = 5;
/// The number of transactions that load an account after another store changed it.
const CONTENDED: u32 = 64;

impl Shared {
    /// Runs a transaction. Repeats it after a transient failure before its commit, and once after a commit in doubt.
    pub(super) async fn transact(
        &self,
        account: &AccountName,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<(), tgscan_core::store::StoreError> {
        let mut is_in_doubt = false;
        // If the commit took effect, the repeated decision changes nothing. A comparison would report less.
        let may_repeat_in_doubt = !needs.unresolved && needs.journal.is_empty();
        let running = async {
            let mut repeats = 0;
            loop {
                let client = self.client(account).await?;
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
                    Failure::NoAccount if repeats <= REPEATS => {
                        self.with_state(account, |state| state.number = None);
                    }
                    Failure::Database(error) if may_repeat(&error) && repeats <= REPEATS => {}
                    Failure::InDoubt(_) if may_repeat_in_doubt && !is_in_doubt => is_in_doubt = true,
                    failure => return Err(failure.explain(&self.target.name())),
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
        let (known, is_contended, in_doubt) = self.with_state(account, |state| {
            let is_contended = state.contended > 0;
            state.contended = state.contended.saturating_sub(1);
            (state.known.take(), is_contended, state.in_doubt)
        });
        let mut known = known.filter(|known| known.connection == client.number);
        if !is_contended
            && in_doubt.is_none()
            && self.attempt_known(client, account, number, &mut known, needs, decide).await?
        {
            return Ok(());
        }
        // Locks the account. This works if other stores change it concurrently, or if an earlier write is in doubt.
        let snapshot = load(client, (number, account), self.owner(), needs).await?;
        // The confirmation of a claim must not outlast the lease.
        if snapshot.lease_left < millis(self.fence()) {
            return Err(Failure::Lease);
        }
        let is_changed = known.as_ref().is_some_and(|known| known.version.writer != snapshot.version.writer);
        let earlier = known.filter(|_| !is_changed);
        let are_new = are_new(needs, &snapshot.loaded);
        // A write in doubt may still wait for a lock. It fails after any other write of the row.
        let unchanged = in_doubt.map(|_| snapshot.loaded.account.clone());
        let mut changes = decide(snapshot.loaded);
        changes.account = changes.account.or(unchanged);
        let version = write_locked(client, number, &changes).await?;
        let known = match version {
            Some(version) if client.is_direct() => {
                Known::after(client.number, changes, version, earlier, are_new)
            }
            Some(_) => None,
            None => earlier,
        };
        self.with_state(account, |state| {
            state.known = known;
            if is_changed {
                state.contended = CONTENDED;
            }
            // Unless another write was left in doubt since.
            if state.in_doubt == in_doubt {
                state.in_doubt = None;
            }
        });
        Ok(())
    }

    /// Runs a transaction in one round trip and without a lock, on rows that are known. Returns whether that succeeded.
    async fn attempt_known(
        &self,
        client: &Connection,
        account: &AccountName,
        number: i32,
        known: &mut Option<Known>,
        needs: &Needs,
        decide: &mut Decide,
    ) -> Result<bool, Failure> {
        let load = |known: &Known| known.load(needs, self.owner(), millis(self.fence()));
        let Some((loaded, assumed)) = known.as_ref().and_then(load) else { return Ok(false) };
        let changes = decide(loaded);
        // Without changes, the known rows would not be checked.
        let Some(row) = &changes.account else { return Ok(false) };
        // In doubt until there is an outcome, because this may be dropped.
        let since = Some(Instant::now());
        self.with_state(account, |state| state.in_doubt = since);
        let written = write_assumed(client, number, row, &changes, assumed).await;
        if !matches!(written, Err(Failure::InDoubt(_))) {
            self.with_state(account, |state| {
                state.in_doubt = state.in_doubt.filter(|other| Some(*other) != since);
            });
        }
        let Some(version) = written? else { return Ok(false) };
        let after = Known::after(client.number, changes, version, known.take(), None);
        self.with_state(account, |state| state.known = after);
        Ok(true)
    }
}

/// Returns whether all needed questions are new, or `None` without a question.
fn are_new(needs: &Needs, loaded: &Loaded) -> Option<bool> {
    // Core sorts the needed questions.
    let is_needed = |key: &String| needs.questions.binary_search(key).is_ok();
    (!needs.questions.is_empty()).then(|| !loaded.questions.iter().any(|(key, _)| is_needed(key)))
}
