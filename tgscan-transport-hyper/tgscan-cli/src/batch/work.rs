//! The jobs: each takes the next account until the list ends or the batch stops.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tgscan_core::http::StatusCode;
use tgscan_core::store::{Lookup, StoreRefusal};
use tgscan_core::types::UserQuery;
use tgscan_core::{Client, Credits, Error, ErrorKind, Refusal, Reply, Storage};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::input::Account;
use super::method::Question;
use crate::gate::{Control, InFlight};
use crate::limit::{Limit, Verdict};

/// The maximum number of attempts for a question while the service answers 429.
const PATIENCE: u32 = 20;

pub(crate) struct Found<A> {
    /// `None` if the free check knew nothing, so that it was not searched.
    pub(crate) reply: Option<Reply<A>>,
}

impl<A> Found<A> {
    /// Returns its known cost in credits.
    pub(crate) fn credits(&self) -> u64 {
        self.reply.as_ref().map_or(0, |reply| reply.credits.charged())
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| matches!(reply.storage(), Some(Storage::Cached { .. })))
    }

    /// Returns whether it answers another question.
    pub(crate) fn is_mismatched(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_mismatched)
    }
}

/// An account that is done.
pub(crate) struct Ending<A> {
    pub(crate) account: Account,
    /// `None` if `--max-credits` leaves no room for it.
    pub(crate) result: Option<Result<Found<A>, Error>>,
    /// Its position in the list.
    pub(crate) number: usize,
    /// Held until the account is written, to limit the number of answers that wait for an earlier one.
    pub(crate) _window: OwnedSemaphorePermit,
}

/// Which answers are accepted.
pub(crate) struct Policy {
    /// Whether to skip accounts about which the free check knows nothing.
    pub(crate) checks_first: bool,
    pub(crate) lookup: Lookup,
    /// The client for `--refresh`: it returns stored answers of any age, and sends nothing.
    pub(crate) refresh: Option<Client>,
    /// The maximum number of answers that wait to be written.
    pub(crate) window: usize,
}

/// Shared by the jobs.
pub(crate) struct Work {
    client: Client,
    accounts: Vec<Account>,
    policy: Policy,
    next: AtomicUsize,
    control: Control,
    limit: Mutex<Limit>,
    /// Notified when a call has ended, which may leave room under the limit.
    ended: Notify,
    window: Arc<Semaphore>,
}

impl Work {
    pub(crate) fn new(
        client: Client,
        accounts: Vec<Account>,
        policy: Policy,
        control: Control,
        limit: Limit,
    ) -> Self {
        let (next, limit) = (AtomicUsize::new(0), Mutex::new(limit));
        let window = Arc::new(Semaphore::new(policy.window));
        Self { client, accounts, policy, next, control, limit, ended: Notify::new(), window }
    }

    /// Runs one job. A call that is not in flight when the batch stops is dropped without a result: it costs nothing.
    pub(crate) async fn run<M: Question>(self: Arc<Self>, endings: mpsc::Sender<Ending<M::Answer>>) {
        let request = InFlight::default();
        let client = self.client.clone().with_lookup(self.policy.lookup).with_extension(request.clone());
        let stored = self.client.clone().with_lookup(Lookup::Stored);
        while !self.control.is_stopped() {
            request.reset();
            let permit = tokio::select! {
                permit = self.window.clone().acquire_owned() => permit,
                () = self.control.stopped_and_idle(&request) => return,
            };
            // The semaphore is never closed.
            let Ok(permit) = permit else { return };
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(account) = self.accounts.get(number) else { return };
            let result = tokio::select! {
                biased;
                result = self.look_up::<M>(&client, &stored, &account.query) => result,
                () = self.control.stopped_and_idle(&request) => return,
            };
            let ending = Ending { account: account.clone(), result, number, _window: permit };
            if endings.send(ending).await.is_err() {
                return;
            }
        }
    }

    /// Looks up an account. Returns `None` if the limit leaves no room.
    async fn look_up<M: Question>(
        &self,
        client: &Client,
        stored: &Client,
        query: &UserQuery,
    ) -> Option<Result<Found<M::Answer>, Error>> {
        // Never `None`: the list has only accounts that the method accepts.
        let method = M::about(query)?;
        let mut fresh = None;
        if let Some(refresh) = &self.policy.refresh {
            match unchanged(client, refresh, query).await {
                Ok(Some(true)) => {
                    let result = refresh.send(method).await;
                    return Some(result.map(|reply| Found { reply: Some(reply) }));
                }
                Ok(Some(false)) => fresh = Some(client.clone().with_lookup(Lookup::New)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        } else if self.limit().is_limited()
            && self.policy.lookup == Lookup::StoredOrNew
            && client.account().is_some()
        {
            // Stored answers need no room.
            if let Ok(reply) = stored.send(M::about(query)?).await {
                return Some(Ok(Found { reply: Some(reply) }));
            }
        }
        if self.policy.checks_first {
            match client.user_check(query).await {
                Ok(reply) if reply.answer.nothing_known() => return Some(Ok(Found { reply: None })),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        Some(
            self.send::<M>(fresh.as_ref().unwrap_or(client), query)
                .await?
                .map(|reply| Found { reply: Some(reply) }),
        )
    }

    /// Sends the question, and repeats it after a 429. Returns `None` if the limit leaves no room.
    async fn send<M: Question>(
        &self,
        client: &Client,
        query: &UserQuery,
    ) -> Option<Result<Reply<M::Answer>, Error>> {
        for _ in 1..PATIENCE {
            let result = self.send_once::<M>(client, query).await?;
            let is_early = result.as_ref().is_err_and(|error| {
                error.credits() == Credits::NotCharged
                    && error.status() == Some(StatusCode::TOO_MANY_REQUESTS)
            });
            if !is_early {
                return Some(result);
            }
        }
        self.send_once::<M>(client, query).await
    }

    async fn send_once<M: Question>(
        &self,
        client: &Client,
        query: &UserQuery,
    ) -> Option<Result<Reply<M::Answer>, Error>> {
        let mut room = if client.api().can_cost::<M>() { Some(self.room().await?) } else { None };
        let result = client.send(M::about(query)?).await;
        if let Some(room) = &mut room {
            room.credits = match &result {
                Ok(reply) => reply.credits,
                Err(error) => error.credits(),
            };
        }
        Some(result)
    }

    /// Waits until another search fits the limit. Returns `None` if none can.
    async fn room(&self) -> Option<Room<'_>> {
        loop {
            // Subscribed before the limit is checked, so that no notification is missed.
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let verdict = self.limit().begin();
            match verdict {
                Verdict::Go => return Some(Room { work: self, credits: Credits::NotCharged }),
                Verdict::Wait => ended.await,
                Verdict::Refused => return None,
            }
        }
    }

    fn limit(&self) -> MutexGuard<'_, Limit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether the free check knows as many groups as the stored answer, or `None` without a stored answer.
pub(crate) async fn unchanged(
    client: &Client,
    stored: &Client,
    query: &UserQuery,
) -> Result<Option<bool>, Error> {
    let answer = match stored.search(query).await {
        Ok(reply) => reply.answer,
        Err(error) if matches!(error.store_refusal(), Some(StoreRefusal::NotStored)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = client.user_check(query).await?.answer.meta.known_num_groups;
    Ok(Some(now == answer.meta.known_num_groups))
}

/// Room for one call under the limit, released on drop.
struct Room<'a> {
    work: &'a Work,
    credits: Credits,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.work.limit().end(self.credits);
        self.work.ended.notify_waiters();
    }
}

/// Returns whether every further call would fail the same way.
pub(crate) fn is_final(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Store(StoreRefusal::Failed(_)) => true,
        ErrorKind::Api(refused) => matches!(refused.refusal(), Refusal::InvalidKey | Refusal::NoCredits),
        _ => false,
    }
}
