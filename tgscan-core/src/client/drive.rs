//! Drives calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use super::caller::Caller;
use super::waits::deadline_passed;
use super::watch::Watch;
use crate::call::{Call, Clock, Next, Observer, Options};
use crate::panics::{CatchPanic, catch};
use crate::transport::SendBy;
use crate::{Client, Error, Reply, Transport, TransportError};

/// The future of [`Transport::send`].
type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

impl Client {
    /// Makes a call, in a separate task if it should outlive its caller. Fails immediately if the query is invalid.
    pub(super) async fn call<M: ApiMethod>(
        &self,
        method: Result<M, Error>,
    ) -> Result<Reply<M::Answer>, Error> {
        let method = method?;
        let running = self.shared.calls.begin::<M>()?;
        let deadline = self.shared.deadline.map(|deadline| self.now().saturating_add(deadline));
        if self.reads_charges::<M>() || self.needs_baseline::<M>() {
            Box::pin(self.prepare::<M>(deadline)).await;
        }
        let can_cost = self.shared.api.can_cost::<M>();
        if can_cost && self.shared.spawn.is_some() && (self.shared.place.is_some() || deadline.is_some()) {
            return Box::pin(self.call_in_task(method, deadline, running)).await;
        }
        self.run(method, deadline).await
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

    /// Runs a call to its end.
    pub(super) fn run<M: ApiMethod>(
        &self,
        method: M,
        deadline: Option<Duration>,
    ) -> impl Future<Output = Result<Reply<M::Answer>, Error>> {
        self.drive(First::Method(method), deadline, None)
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
    pub(super) async fn claim<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        mut next: Next<M>,
        began: Duration,
        deadline: Option<Duration>,
    ) -> Next<M> {
        loop {
            next = match next {
                Next::Ask(..) | Next::Wait(_) => {
                    Box::pin(self.wait_or_ask(call, next, began, deadline, None)).await
                }
                next => return next,
            };
        }
    }

    /// Drives a call to its end. `caller` is the waiting caller of a separate task.
    pub(super) async fn drive<M: ApiMethod>(
        &self,
        first: First<M>,
        deadline: Option<Duration>,
        caller: Option<&Caller<M>>,
    ) -> Result<Reply<M::Answer>, Error> {
        let (began, mut watch);
        let result = {
            let (mut call, mut event);
            match first {
                First::Method(method) => {
                    began = self.now();
                    watch = self.watch::<M>(began);
                    call = self.begin(method, deadline, began);
                    event = Event::Begun;
                }
                First::Claimed(claimed) => {
                    let next;
                    Claimed { call, next, began, watch } = *claimed;
                    event = Event::Waited(Box::new(next));
                }
            }
            loop {
                let sending = {
                    // In an inner scope, because `next` is large and the future would keep it while it waits.
                    let next = self.next(&mut call, event, began, &mut watch);
                    match next {
                        Next::Send(request) => {
                            if let Some(watch) = &mut watch {
                                watch.sent();
                            }
                            if let Some(caller) = caller {
                                caller.progress.sent(&call);
                            }
                            CatchPanic::new(self.sending(request, &call))
                        }
                        Next::Done(result) => break result,
                        other => {
                            let waiting = self.wait_or_ask(&mut call, other, began, deadline, caller);
                            event = Event::Waited(Box::new(Box::pin(waiting).await));
                            continue;
                        }
                    }
                };
                let response = match caller {
                    // Only the caller's wait ends at the deadline. The attempt continues.
                    Some(_) => sending.await,
                    None if deadline.is_none() => sending.await,
                    None => {
                        let sent = Box::pin(self.before(deadline, sending)).await;
                        sent.unwrap_or_else(|| Some(Err(deadline_passed())))
                    }
                };
                event = Event::Received(response.unwrap_or_else(|| Err(panicked())));
            }
        };
        if result.as_ref().is_ok_and(Reply::is_mismatched) {
            // All later answers on that connection may be mismatched. It is not known here, so all connections are
            // discarded.
            catch(|| self.shared.transport.discard_connections());
        }
        ended(watch, &result);
        result
    }

    /// Reports an event to a call, and returns the next step.
    #[inline]
    fn next<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        event: Event<M>,
        began: Duration,
        watch: &mut Option<Box<Watch>>,
    ) -> Next<M> {
        match event {
            Event::Begun => call.begin(&ClientClock(self, began)),
            Event::Waited(next) => *next,
            Event::Received(response) => {
                let next = call.received(response, &ClientClock(self, began));
                if let Some(watch) = watch {
                    watch.received(call, &next);
                }
                next
            }
        }
    }

    /// Returns the observer if there are limits to report.
    fn observer_of_limits(&self) -> Option<Arc<dyn Observer>> {
        let observer = self.shared.observer.as_ref()?;
        (!self.shared.api.limits().is_empty()).then(|| observer.clone())
    }

    /// Performs a step that asks the store or waits.
    async fn wait_or_ask<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        next: Next<M>,
        began: Duration,
        deadline: Option<Duration>,
        caller: Option<&Caller<M>>,
    ) -> Next<M> {
        let clock = ClientClock(self, began);
        match next {
            Next::Ask(action, request) => {
                // A separate task continues after the deadline.
                let until = deadline.filter(|_| caller.is_none());
                let asking = call.ask_account(request);
                match self.before(until, asking).await {
                    Some(answered) => call.asked(action, answered, &clock),
                    None => call.too_late(action, &clock),
                }
            }
            Next::Wait(_) if call.wants_balance() => {
                self.before(deadline, Box::pin(self.reconcile_once())).await;
                call.resume(Duration::ZERO, &clock)
            }
            Next::Wait(duration) => {
                let until = clock.time().saturating_add(duration);
                self.pause(call, duration, caller).await;
                if caller.is_some_and(|caller| caller.sender.is_closed()) {
                    return call.give_up(&clock);
                }
                call.resume(until, &clock)
            }
            other => other,
        }
    }

    /// Waits for the duration. Ends early if the caller is dropped or, except in a backoff, if another call ends.
    fn pause<M: ApiMethod>(
        &self,
        call: &mut Call<M>,
        duration: Duration,
        caller: Option<&Caller<M>>,
    ) -> impl Future<Output = ()> {
        let mut sleep = CatchPanic::new(self.shared.timer.sleep(duration));
        // The end of another call does not end a backoff.
        let changes = (!call.is_backoff()).then(|| call.watch(Waker::noop()));
        poll_fn(move |context| {
            let is_gone = caller.is_some_and(|caller| caller.sender.poll_closed(context.waker()).is_ready());
            let is_woken = changes.is_some() && Some(call.watch(context.waker())) != changes;
            if is_gone || is_woken || Pin::new(&mut sleep).poll(context).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
    }

    /// Returns the future of [`Transport::send`].
    // Inlined, because a request is expensive to move.
    #[inline]
    fn sending<M: ApiMethod>(&self, mut request: Request<Bytes>, call: &Call<M>) -> Sending<'_> {
        if !self.shared.extensions.is_empty() {
            request.extensions_mut().extend(self.shared.extensions.clone());
        }
        if let Some((confirmed, fence)) = call.send_by() {
            let client = self.clone();
            let is_late = move || ClientClock(&client, Duration::MAX).now().since(confirmed) > fence;
            request.extensions_mut().insert(SendBy::new(is_late));
        }
        // Bypasses the `impl Transport` of `Arc`, which boxes the future a second time.
        Transport::send(&*self.shared.transport, request)
    }
}

/// Reports the end of a call to its observer.
pub(super) fn ended<T>(watch: Option<Box<Watch>>, result: &Result<Reply<T>, Error>) {
    if let Some(watch) = watch {
        watch.finished(result);
    }
}

/// An event of a call.
enum Event<M: ApiMethod> {
    Begun,
    /// A wait or a request to the store has ended.
    Waited(Box<Next<M>>),
    Received(Result<Response<Bytes>, TransportError>),
}

/// How the driving of a call starts. A claimed call is boxed, to keep the future of a call small.
pub(super) enum First<M: ApiMethod> {
    Method(M),
    Claimed(Box<Claimed<M>>),
}

/// A claimed call.
pub(super) struct Claimed<M: ApiMethod> {
    pub(super) call: Call<M>,
    pub(super) next: Next<M>,
    pub(super) began: Duration,
    pub(super) watch: Option<Box<Watch>>,
}

/// Returns the error of a request whose transport panicked.
fn panicked() -> TransportError {
    TransportError::new("the transport panicked").with_trusted_text()
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
