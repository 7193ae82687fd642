//! The asynchronous client with a store.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tgscan_types::{ApiMethod, Balance};

use super::{
    CallId, Claim, ClaimStep, GrantedCall, Lookup, PendingClaim, Settlement, Store, StoreError, StorePolicy,
    StoreReconciliation, StoreRefusal, wait_before,
};
use crate::client::{Beginning, Boxed, CostIfDropped, too_late};
use crate::ledger::ReconcileOutcome;
use crate::panics::{self, CatchPanic, catch};
use crate::{Client, Credits, Error, ErrorKind, Reply, TransportError};

/// A future that runs on its own.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A client's store and how it uses it.
#[derive(Clone)]
pub(crate) struct Stored {
    store: Arc<dyn Store>,
    policy: StorePolicy,
    lookup: Lookup,
    has_baseline: Arc<AtomicBool>,
}

impl Client {
    /// Sends calls that can cost credits through a store: a question is not paid for twice, and no paid answer is lost,
    /// whatever dies when. See [`store`](crate::store).
    ///
    /// Answers up to the policy's `max_age` come from the store and cost nothing; [`Reply::storage`] tells. A question
    /// that is in flight elsewhere is waited for. A call whose store fails is not sent.
    ///
    /// Also makes [`with_auto_reconcile`](Self::with_auto_reconcile) settle what is uncertain in the store.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>, policy: StorePolicy) -> Self {
        let (lookup, has_baseline) = (Lookup::default(), Arc::default());
        Arc::make_mut(&mut self.shared).stored = Some(Stored { store, policy, lookup, has_baseline });
        self
    }

    /// Returns the client's store, if it has one.
    pub fn store(&self) -> Option<&Arc<dyn Store>> {
        self.shared.stored.as_ref().map(|stored| &stored.store)
    }

    /// Sets which answers calls accept. A clone can have its own, which is how a single call asks for a new answer, or
    /// for a stored one only. Without a store it has no effect.
    #[must_use]
    pub fn with_lookup(mut self, lookup: Lookup) -> Self {
        if let Some(stored) = &mut Arc::make_mut(&mut self.shared).stored {
            stored.lookup = lookup;
        }
        self
    }

    /// Sets how paid calls with a store run on their own, e.g. `|task| drop(tokio::spawn(task))`: such a call goes on
    /// and is stored when its caller is gone. Without it, a call whose future is dropped in flight becomes uncertain.
    /// A client from `tgscan-transport-hyper` has it.
    #[must_use]
    pub fn with_spawn(mut self, spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).spawn = Some(Arc::new(spawn));
        self
    }

    /// Asks for the balance (free), compares the account in the store with it, and settles what was uncertain if it can,
    /// for everyone who shares the store.
    ///
    /// Waits as [`reconcile`](Self::reconcile) does until no late charge can come. Nothing is concluded while calls are in
    /// flight. The first comparison only remembers the balance, so make it before spending; record purchases with
    /// [`Store::record_top_up`].
    ///
    /// # Errors
    /// If the client has no store, the store fails, or the balance could not be read.
    pub async fn reconcile_store(&self) -> Result<StoreReconciliation, Error> {
        let Some(Stored { store, policy, .. }) = &self.shared.stored else {
            return Err(failed::<Balance>(StoreError::new(
                "the client has no store; give it one with `with_store`",
            )));
        };
        let account = policy.account();
        let mut start = store.start_reconcile(account).await.map_err(failed::<Balance>)?;
        let is_early = |age: &Duration| *age < self.shared.late_charge;
        if let Some(age) = start.last_uncertain.filter(is_early) {
            self.shared.timer.sleep(self.shared.late_charge.saturating_sub(age)).await;
            start = store.start_reconcile(account).await.map_err(failed::<Balance>)?;
        }
        let nothing = if start.in_flight > 0 {
            Some(ReconcileOutcome::CallsInFlight)
        } else {
            start.last_uncertain.filter(is_early).map(|_| ReconcileOutcome::TooEarly)
        };
        if let Some(outcome) = nothing {
            let book = store.book(account).await.map_err(failed::<Balance>)?;
            return Ok(StoreReconciliation::inconclusive(&book, outcome));
        }
        let balance = self.call(Ok(Balance {}), (), Beginning::Attempts(None)).await?.answer.num_credits;
        store.finish_reconcile(account, start, balance).await.map_err(failed::<Balance>)
    }

    /// Sends a paid call through the store.
    pub(crate) fn send_stored<M: ApiMethod>(
        &self,
        method: M,
        until: Option<Duration>,
    ) -> Boxed<'_, Result<Reply<M::Answer>, Error>> {
        Box::pin(async move {
            let Some(stored) = &self.shared.stored else {
                return self.call(Ok(method), (), Beginning::Attempts(until)).await;
            };
            let _ = self.before(until, self.see_balance(stored)).await;
            let began = self.now();
            let (mut may_settle, mut waits) = (self.shared.reconciles_itself, 0);
            let mut pending =
                PendingClaim::new(&self.shared.api, &stored.policy, stored.lookup, method, began);
            let result = loop {
                let request = pending.request(self.now());
                // Dropped, a claim gives back what it may have been granted.
                let Some(claim) = self.before(until, stored.store.claim(&request)).await else {
                    break Err(too_late::<M>());
                };
                if let Ok(Claim::CapReached(refused)) = &claim {
                    if std::mem::take(&mut may_settle) && refused.would_fit_if_settled() {
                        let seen = self.before(until, self.reconcile_store()).await;
                        if seen.is_some_and(|seen| seen.is_ok_and(|seen| seen.outcome.is_conclusive())) {
                            continue;
                        }
                    }
                    if self.shared.waits_for_room
                        && refused.is_transient()
                        && self.pause(wait_before(waits), until).await
                    {
                        waits += 1;
                        continue;
                    }
                }
                match pending.claimed(claim) {
                    ClaimStep::Granted(granted) => return self.fly(stored, granted, until).await,
                    ClaimStep::Backoff(duration, waiting) => {
                        if !self.pause(duration, until).await {
                            break Err(waiting.give_up());
                        }
                        pending = waiting.resume();
                    }
                    ClaimStep::Done(result) => break result,
                }
            };
            self.tell::<M>(began, &result);
            result
        })
    }

    /// Waits, if the deadline allows it.
    async fn pause(&self, duration: Duration, until: Option<Duration>) -> bool {
        let timer = &self.shared.timer;
        let is_in_time = until.is_none_or(|until| timer.now().saturating_add(duration) < until);
        if is_in_time {
            timer.sleep(duration).await;
        }
        is_in_time
    }

    /// Takes a first balance before anything is spent, so that what becomes uncertain can be settled.
    async fn see_balance(&self, stored: &Stored) {
        if !self.shared.reconciles_itself || stored.has_baseline.load(Ordering::Relaxed) {
            return;
        }
        let book = stored.store.book(stored.policy.account()).await;
        let is_known = match book {
            Ok(book) if book.baseline.is_some() => true,
            Ok(_) => self.reconcile_store().await.is_ok_and(|seen| seen.outcome.is_conclusive()),
            // The claim says so.
            Err(_) => false,
        };
        stored.has_baseline.store(is_known, Ordering::Relaxed);
    }

    /// Runs a granted call: on its own, if there is a way.
    async fn fly<M: ApiMethod>(
        &self,
        stored: &Stored,
        granted: GrantedCall<M>,
        until: Option<Duration>,
    ) -> Result<Reply<M::Answer>, Error> {
        let flight = Flight {
            store: stored.store.clone(),
            call: granted.call(),
            ending: Some(Settlement::NotCharged),
        };
        let Some(spawn) = &self.shared.spawn else { return self.finish_flight(flight, granted, until).await };
        let slot = Slot::default();
        let (client, sender) = (self.clone(), Sender(slot.clone()));
        spawn(Box::pin(async move {
            let result = client.finish_flight(flight, granted, until).await;
            sender.send(result);
        }));
        slot.wait().await.unwrap_or_else(|| {
            let error =
                TransportError::new("the runtime ended the task of the call, which the store has on record");
            let kind = ErrorKind::Transport(error.with_trusted_text());
            Err(Error::new(M::NAME, kind, Credits::Uncertain, 1))
        })
    }

    async fn finish_flight<M: ApiMethod>(
        &self,
        mut flight: Flight,
        granted: GrantedCall<M>,
        until: Option<Duration>,
    ) -> Result<Reply<M::Answer>, Error> {
        if self.shared.reconciles_itself {
            self.make_room::<M>(until).await;
        }
        let (method, running) = granted.into_parts();
        let result = self.call(Ok(method), &mut flight, Beginning::Attempts(until)).await;
        let (call, settlement, settling) = running.finished(result);
        flight.ending = Some(settlement.clone());
        // The store is the caller's code: its panic must not cost the answer.
        let settled = match catch(|| flight.store.settle(call, settlement)) {
            Some(settling) => CatchPanic::new(settling).await,
            None => None,
        };
        let settled = settled.unwrap_or_else(|| Err(StoreError::new("the store panicked")));
        if settled.is_ok() {
            flight.ending = None;
        }
        settling.settled(settled)
    }
}

fn failed<M: ApiMethod>(error: StoreError) -> Error {
    Error::new(M::NAME, ErrorKind::Store(StoreRefusal::Failed(error)), Credits::NotCharged, 0)
}

/// A granted call. Dropped before it is settled, it is abandoned with what is known then.
struct Flight {
    store: Arc<dyn Store>,
    call: CallId,
    ending: Option<Settlement>,
}

impl CostIfDropped for Flight {
    fn set(&mut self, credits: Credits) {
        self.ending = Some(Settlement::without_answer(credits));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            catch(|| self.store.abandon(self.call, ending));
        }
    }
}

/// Where a task of its own leaves its result for the caller.
struct Slot<T>(Arc<Mutex<SlotState<T>>>);

struct SlotState<T> {
    result: Option<T>,
    is_over: bool,
    waker: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SlotState { result: None, is_over: false, waker: None })))
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Slot<T> {
    /// The result; `None` if the task was dropped.
    async fn wait(&self) -> Option<T> {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.is_over {
                return Poll::Ready(state.result.take());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

struct Sender<T>(Slot<T>);

impl<T> Sender<T> {
    fn send(self, result: T) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).result = Some(result);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            panics::wake(waker);
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("policy", &self.policy)
            .field("lookup", &self.lookup)
            .finish_non_exhaustive()
    }
}
