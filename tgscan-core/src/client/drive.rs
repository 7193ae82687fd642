//! Drives calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use tgscan_types::ApiMethod;

use super::caller::Caller;
use super::waits::deadline_passed;
use super::watch::Watch;
use crate::call::clock::millis;
use crate::call::machine::Action;
use crate::call::{Call, Clock, Next, Observer, Options};
use crate::panics::{CatchPanic, catch};
use crate::store;
use crate::transport::SendBy;
use crate::{Client, Error, Reply, Transport, TransportError};

/// The future of [`Transport::send`].
type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// The time after which the store's book is read again.
const CHARGES_INTERVAL: Duration = Duration::from_secs(60);

/// How the driving of a call starts.
pub(super) enum First<M: ApiMethod> {
    /// A call of the user.
    Called(Result<M, Error>),
    /// A call of the client itself, without a deadline.
    Internal(M),
    /// A claimed call. Boxed, to keep the future of a call small.
    Claimed(Box<Claimed<M>>),
}

/// A claimed call.
pub(super) struct Claimed<M: ApiMethod> {
    pub(super) call: Call<M>,
    pub(super) watch: Option<Box<Watch>>,
}

impl Client {
    /// Drives a call to its end, in a separate task if it should outlive its caller. `caller` is the waiting caller of
    /// a call that runs in such a task.
    // One `async fn`, because each nested one moves the answer twice more.
    pub(super) async fn drive<M: ApiMethod>(
        &self,
        first: First<M>,
        caller: Option<&Caller<M>>,
    ) -> Result<Reply<M::Answer>, Error> {
        let is_claimed = matches!(first, First::Claimed(_));
        let (_running, mut watch);
        let mut call = match first {
            First::Called(method) => {
                let method = method?;
                let running = self.shared.calls.begin::<M>()?;
                let deadline = self.shared.deadline.map(|deadline| self.now().saturating_add(deadline));
                if self.reads_charges::<M>() || self.needs_baseline::<M>() {
                    CatchPanic::new(|| Box::pin(self.prepare::<M>(deadline))).await;
                }
                if self.runs_in_task::<M>() {
                    return self.call_in_task(method, deadline, running).await;
                }
                _running = running;
                let began = self.now();
                watch = self.watch::<M>(began);
                self.begin(method, deadline, began)
            }
            First::Internal(method) => {
                let began = self.now();
                watch = self.watch::<M>(began);
                self.begin(method, None, began)
            }
            First::Claimed(claimed) => {
                watch = claimed.watch;
                claimed.call
            }
        };
        let mut next = if is_claimed { Next::Send } else { call.begin(&ClientClock(self, call.began)) };
        loop {
            let response = match next {
                Next::Send => {
                    if let Some(watch) = &mut watch {
                        watch.sent();
                    }
                    if let Some(caller) = caller {
                        caller.progress.sent(&call);
                    }
                    let sending = self.sending(&call);
                    match call.machine.deadline() {
                        // Only the caller's wait ends at the deadline. An attempt in a separate task continues.
                        Some(_) if caller.is_none() => {
                            let sent = Box::pin(self.before(call.machine.deadline(), sending)).await;
                            sent.unwrap_or_else(|| Some(Err(deadline_passed())))
                        }
                        _ => sending.await,
                    }
                }
                Next::Ask(_) | Next::Wait(_) => {
                    next = Box::pin(self.wait_or_ask(&mut call, next, caller)).await;
                    continue;
                }
                Next::Done => {
                    let result = call.end();
                    self.ended(watch, &result);
                    return result;
                }
            };
            let clock = ClientClock(self, call.began);
            // Declared after the waits, because the future would keep it: it is large.
            let mut result = call.parse(response);
            if call.settle_reply(&mut result, &clock) {
                if let (Some(caller), Ok(reply)) = (caller, &result) {
                    caller.progress.received(vec![reply.response().clone()], Next::Done);
                }
                if let Some(watch) = &mut watch {
                    watch.received(&call, Next::Done, result.as_ref().ok());
                }
                self.ended(watch, &result);
                return result;
            }
            next = call.received(result, &clock);
            if let Some(caller) = caller {
                caller.progress.received(call.received_responses(), next);
            }
            if let Some(watch) = &mut watch {
                watch.received(&call, next, None);
            }
        }
    }

    /// Returns whether other processes may have recorded a charge of `M` that this one does not know.
    fn reads_charges<M: ApiMethod>(&self) -> bool {
        self.shared.place.is_some() && self.shared.api.is_free_until_charged::<M>()
    }

    /// Notes the charges that other processes recorded: reads the store's book at most once per [`CHARGES_INTERVAL`]. Ignores
    /// failures, because a free call does not need the store.
    async fn note_charges_of_others(&self) {
        let Some(account) = self.account() else { return };
        let (now, due) = (self.now(), &self.shared.charges_due);
        if millis(now) < due.load(Ordering::Relaxed) {
            return;
        }
        due.store(millis(now.saturating_add(CHARGES_INTERVAL)), Ordering::Relaxed);
        if let Ok(book) = account.book().await {
            for (method, price) in book.prices() {
                self.shared.api.note_charge(method, price);
            }
        }
    }

    /// Prepares the book for a call.
    async fn prepare<M: ApiMethod>(&self, deadline: Option<Duration>) {
        if self.reads_charges::<M>() {
            self.before(deadline, self.note_charges_of_others()).await;
        }
        if self.needs_baseline::<M>() {
            self.before(deadline, self.take_baseline()).await;
        }
    }

    fn needs_baseline<M: ApiMethod>(&self) -> bool {
        self.shared.reconciles && self.shared.api.can_cost::<M>() && !self.has_baseline()
    }

    fn runs_in_task<M: ApiMethod>(&self) -> bool {
        let has_reason = self.shared.place.is_some() || self.shared.deadline.is_some();
        has_reason && self.shared.spawn.is_some() && self.shared.api.can_cost::<M>()
    }

    #[inline]
    pub(super) fn begin<M: ApiMethod>(
        &self,
        method: M,
        deadline: Option<Duration>,
        began: Duration,
    ) -> Call<M> {
        let options = Options {
            store: self.shared.place.clone(),
            deadline,
            waits_at_cap: self.shared.waits_at_cap,
            reconciles: self.shared.reconciles,
            observer: self.observer_of_limits(),
        };
        Call::new(&self.shared.api, method, options, began)
    }

    /// Drives a call until it is claimed or has ended.
    pub(super) async fn claim<M: ApiMethod>(&self, call: &mut Call<M>) -> Next {
        let mut next = call.begin(&ClientClock(self, call.began));
        while let Next::Ask(_) | Next::Wait(_) = next {
            next = Box::pin(self.wait_or_ask(call, next, None)).await;
        }
        next
    }

    /// Returns the observer if there are limits to report.
    fn observer_of_limits(&self) -> Option<Arc<dyn Observer>> {
        let observer = self.shared.observer.as_ref()?;
        (!self.shared.api.limits().is_empty()).then(|| observer.clone())
    }

    /// Performs a step that asks the store or waits. Returns the next step.
    async fn wait_or_ask<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        next: Next,
        caller: Option<&Caller<M>>,
    ) -> Next {
        let clock = ClientClock(self, call.began);
        match next {
            Next::Ask(action) => {
                // A separate task continues after the deadline. But a caller who still waits then gets a received answer,
                // although it is not stored yet.
                let is_limited = |caller: &Caller<M>| action == Action::Settle && !caller.sender.is_closed();
                let until = call.machine.deadline().filter(|_| caller.is_none_or(is_limited));
                let asking = store::ask(call.store_request(action, &clock));
                match self.before(until, asking).await {
                    Some(answered) => call.answered(action, answered, &clock),
                    None => call.not_answered(action, &clock),
                }
            }
            Next::Wait(_) if call.wants_balance => {
                let comparison = CatchPanic::new(|| Box::pin(self.reconcile_once()));
                self.before(call.machine.deadline(), comparison).await;
                call.waited(Duration::ZERO, &clock)
            }
            Next::Wait(duration) => {
                let until = clock.time().saturating_add(duration);
                self.pause(call, duration, caller).await;
                let is_gone = caller.is_some_and(|caller| caller.sender.is_closed());
                if is_gone { call.give_up(&clock) } else { call.waited(until, &clock) }
            }
            Next::Send | Next::Done => next,
        }
    }

    /// Waits for the duration. Ends early if the caller is dropped or, except in a backoff, if another call ends.
    fn pause<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        duration: Duration,
        caller: Option<&Caller<M>>,
    ) -> impl Future<Output = ()> {
        let mut sleep = CatchPanic::new(|| self.shared.timer.sleep(duration));
        let mut has_yielded = false;
        // The end of another call does not end a backoff.
        let changes = (!call.machine.is_backing_off()).then(|| call.watch(Waker::noop()));
        poll_fn(move |context| {
            let is_gone = caller.is_some_and(|caller| caller.sender.poll_closed(context.waker()).is_ready());
            let is_woken = changes.is_some() && Some(call.watch(context.waker())) != changes;
            let slept = Pin::new(&mut sleep).poll(context);
            // After a panic of the timer, other tasks run before the wait ends.
            let is_panicked = slept == Poll::Ready(None) && !std::mem::replace(&mut has_yielded, true);
            if is_panicked {
                context.waker().wake_by_ref();
            }
            if is_gone || is_woken || (slept.is_ready() && !is_panicked) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
    }

    /// Sends the request of a call.
    // Inlined, because a request is expensive to move.
    #[inline]
    fn sending<M: ApiMethod>(&self, call: &Call<M>) -> CatchPanic<Sending<'_>> {
        CatchPanic::new(|| {
            let mut request = call.request();
            let (attempt, confirmation) = (call.attempt(), call.confirmation());
            if attempt.is_some() || confirmation.is_some() || !self.shared.extensions.is_empty() {
                let extensions = request.extensions_mut();
                attempt.map(|attempt| extensions.insert(attempt));
                extensions.extend(self.shared.extensions.clone());
                if let Some(confirmation) = confirmation {
                    let client = self.clone();
                    let is_late = move || confirmation.has_passed(&ClientClock(&client, Duration::MAX));
                    extensions.insert(SendBy::new(is_late));
                }
            }
            // Bypasses the `impl Transport` of `Arc`, which boxes the future a second time.
            Transport::send(&*self.shared.transport, request)
        })
    }

    /// Reports the end of a call to its observer, and a mismatched answer to the transport.
    pub(super) fn ended<T>(&self, watch: Option<Box<Watch>>, result: &Result<Reply<T>, Error>) {
        if result.as_ref().is_ok_and(Reply::is_mismatched) {
            // All later answers on that connection may be mismatched. It is not known here, so all connections are
            // discarded.
            catch(|| self.shared.transport.discard_connections());
        }
        if let Some(watch) = watch {
            watch.finished(result);
        }
    }
}

/// The clock of a client. If the timer panics, this returns the given time, so that no answer is lost.
pub(super) struct ClientClock<'a>(pub(super) &'a Client, pub(super) Duration);

impl Clock for ClientClock<'_> {
    fn time(&self) -> Duration {
        self.0.now_or(self.1)
    }

    fn date(&self) -> Option<SystemTime> {
        catch(|| self.0.shared.timer.date()).unwrap_or_default()
    }

    fn origin(&self) -> u64 {
        self.0.shared.timer_origin
    }
}
