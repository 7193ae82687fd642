//! The jobs: each takes the next account until there is none, or the batch stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tgscan_core::store::StoreRefusal;
use tgscan_core::types::{SearchAnswer, UserQuery};
use tgscan_core::{Client, Error, ErrorKind, Refusal, Reply, Storage};
use tokio::sync::{Notify, mpsc};

use super::input::Account;

/// What was found about an account.
pub(crate) struct Found {
    /// `None` if the free check knew nothing, so that it was not searched.
    pub(crate) reply: Option<Reply<SearchAnswer>>,
}

impl Found {
    /// What it cost, as far as that is known.
    pub(crate) fn credits(&self) -> u64 {
        self.reply.as_ref().map_or(0, |reply| reply.credits.charged())
    }

    /// Whether it came from the store.
    pub(crate) fn is_stored(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| matches!(reply.storage(), Some(Storage::Cached { .. })))
    }
}

/// An account that is done.
pub(crate) struct Ending {
    pub(crate) account: Account,
    pub(crate) result: Result<Found, Error>,
}

/// What the jobs share.
pub(crate) struct Work {
    client: Client,
    accounts: Vec<Account>,
    checks_first: bool,
    next: AtomicUsize,
    stop: Arc<AtomicBool>,
    /// Told when a call has ended, which may leave room under the limit.
    ended: Notify,
}

impl Work {
    pub(crate) fn new(
        client: Client,
        accounts: Vec<Account>,
        checks_first: bool,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { client, accounts, checks_first, next: AtomicUsize::new(0), stop, ended: Notify::new() }
    }

    /// Does one job.
    pub(crate) async fn run(self: Arc<Self>, endings: mpsc::Sender<Ending>) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(account) = self.accounts.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            let result = self.look_up(&account.query).await;
            self.ended.notify_waiters();
            if endings.send(Ending { account: account.clone(), result }).await.is_err() {
                return;
            }
        }
    }

    async fn look_up(&self, query: &UserQuery) -> Result<Found, Error> {
        if self.checks_first && self.client.user_check(query).await?.answer.nothing_known() {
            return Ok(Found { reply: None });
        }
        loop {
            // Listened to before the call, so that no end is missed.
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            match self.client.search(query).await {
                Ok(reply) => return Ok(Found { reply: Some(reply) }),
                Err(error) if is_full(&error) && !self.stop.load(Ordering::Relaxed) => ended.await,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the limit leaves no room only as long as others are in flight.
fn is_full(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::CapReached(reached) if reached.is_transient())
}

/// Whether every further call would end the same way.
pub(crate) fn is_final(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::CapReached(reached) => !reached.is_transient(),
        ErrorKind::Store(StoreRefusal::Failed(_) | StoreRefusal::CapReached(_)) => true,
        ErrorKind::Api(refused) => matches!(refused.refusal(), Refusal::InvalidKey | Refusal::NoCredits),
        _ => false,
    }
}
