//! Drives calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use super::waits::deadline_passed;
use super::watch::Watch;
use crate::call::{Clock, InFlight, Observer, Options, Step, Wait, too_late};
use crate::panics::{CatchPanic, catch};
use crate::store::{Sender, slot};
use crate::transport::SendBy;
use crate::{Client, Credits, Error, ErrorKind, Reply, Transport, TransportError};

/// The future of [`Transport::send`].
type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// The channel to the caller of a call that runs in a separate task.
type Caller<M> = Sender<Result<Reply<<M as ApiMethod>::Answer>, Error>>;

impl Client {
    /// Makes a call, in a separate task if it should outlive its caller. Fails immediately if the query is invalid.
    pub(super) async fn call<M: ApiMethod>(
        &self,
        method: Result<M, Error>,
    ) -> Result<Reply<M::Answer>, Error> {
        let method = method?;
        let running = self.shared.calls.begin::<M>()?;
        let can_cost = self.shared.api.can_cost::<M>();
        let deadline = self.shared.deadline.map(|deadline| self.now().saturating_add(deadline));
        if self.shared.reconciles && can_cost && !self.shared.has_balance.load(Ordering::Relaxed) {
            Box::pin(self.before(deadline, self.take_baseline())).await;
        }
        if can_cost && self.shared.spawn.is_some() && (self.shared.place.is_some() || deadline.is_some()) {
            return Box::pin(self.call_in_task(method, deadline, running)).await;
        }
        self.run(method, deadline).await
    }

    /// Claims a call, runs it in a separate task, and waits for it until the deadline.
    async fn call_in_task<M: ApiMethod>(
        &self,
        method: M,
        deadline: Option<Duration>,
        running: super::Running,
    ) -> Result<Reply<M::Answer>, Error> {
        let began = self.now();
        let watch = self.watch::<M>(began);
        let step = self.begin(method, deadline, began);
        // Stored answers and refused calls need no task.
        let claimed = self.before(deadline, self.claim(step, began, deadline)).await;
        let mut first = match claimed.unwrap_or_else(|| Step::Done(Err(too_late::<M>()))) {
            Step::Done(result) => return ended(watch, result),
            step => Unsent(Some(step)),
        };
        let (sender, receiver) = slot(|_| {});
        let is_sent = Arc::new(AtomicBool::new(false));
        let (client, sent) = (self.clone(), is_sent.clone());
        let task = Box::pin(async move {
            let is_late = deadline.is_some_and(|deadline| client.now_or(deadline) >= deadline);
            let step = if is_late { None } else { first.0.take() };
            sent.store(step.is_some(), Ordering::Relaxed);
            drop(first);
            let step = step.unwrap_or_else(|| Step::Done(Err(too_late::<M>())));
            let first = First::Claimed(Box::new(Claimed { step, began, watch }));
            let result = client.drive(first, deadline, Some(&sender)).await;
            sender.send(result);
            drop(running);
        });
        if let Some(spawn) = &self.shared.spawn {
            catch(|| spawn(task));
        }
        let sent = || is_sent.load(Ordering::Relaxed);
        let (error, credits) = match self.before(deadline, receiver).await {
            Some(Some(result)) => return result,
            Some(None) if sent() => {
                (TransportError::new("the runtime dropped the call's task"), Credits::Uncertain)
            }
            Some(None) => {
                (TransportError::never_sent("the runtime dropped the call's task"), Credits::NotCharged)
            }
            None if sent() => (deadline_passed(), Credits::Uncertain),
            None => return Err(too_late::<M>()),
        };
        Err(Error::new(M::NAME, ErrorKind::Transport(error.with_trusted_text()), credits, u32::from(sent())))
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
    fn begin<M: ApiMethod>(&self, method: M, deadline: Option<Duration>, began: Duration) -> Step<M> {
        let options = Options {
            store: self.shared.place.clone(),
            deadline,
            waits_at_cap: self.shared.waits_at_cap,
            reconciles: self.shared.reconciles,
            observer: self.observer_of_limits(),
        };
        Step::begin_with(&self.shared.api, method, options, &ClientClock(self, began))
    }

    /// Drives a call until it is claimed or has ended.
    async fn claim<M: ApiMethod>(
        &self,
        mut step: Step<M>,
        began: Duration,
        deadline: Option<Duration>,
    ) -> Step<M> {
        loop {
            step = match step {
                Step::Ask(_) | Step::Wait(_) => self.wait_or_ask(step, began, deadline, None).await,
                step => return step,
            };
        }
    }

    /// Drives a call to its end. `caller` is the waiting caller of a separate task.
    async fn drive<M: ApiMethod>(
        &self,
        first: First<M>,
        deadline: Option<Duration>,
        caller: Option<&Caller<M>>,
    ) -> Result<Reply<M::Answer>, Error> {
        let (began, mut watch, mut step);
        match first {
            First::Method(method) => {
                began = self.now();
                watch = self.watch::<M>(began);
                step = self.begin(method, deadline, began);
            }
            First::Claimed(claimed) => Claimed { step, began, watch } = *claimed,
        }
        let result = loop {
            // Moved into an inner scope: a step is large, and the future would keep it while it waits.
            let (sending, sent) = {
                let current = step;
                match current {
                    Step::Send(request, sent) => {
                        if let Some(watch) = &mut watch {
                            watch.sent();
                        }
                        (CatchPanic::new(self.sending(request, &sent)), sent)
                    }
                    Step::Done(result) => break result,
                    other => {
                        step = Box::pin(self.wait_or_ask(other, began, deadline, caller)).await;
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
            let response = response.unwrap_or_else(|| Err(panicked()));
            step = {
                // In an inner scope too, so that the future does not keep the clock.
                let received = sent.received_at(response, &ClientClock(self, began));
                if let Some(watch) = &mut watch {
                    watch.received(&received);
                }
                received
            };
        };
        if result.as_ref().is_ok_and(Reply::is_mismatched) {
            // All answers on that connection may be off by one. The connection is not known here, so all are discarded.
            catch(|| self.shared.transport.discard_connections());
        }
        ended(watch, result)
    }

    /// Returns the observer if there are limits to report.
    fn observer_of_limits(&self) -> Option<Arc<dyn Observer>> {
        let observer = self.shared.observer.as_ref()?;
        (!self.shared.api.limits().is_empty()).then(|| observer.clone())
    }

    /// Performs a step that asks the store or waits.
    async fn wait_or_ask<M: ApiMethod>(
        &self,
        step: Step<M>,
        began: Duration,
        deadline: Option<Duration>,
        caller: Option<&Caller<M>>,
    ) -> Step<M> {
        let clock = ClientClock(self, began);
        match step {
            Step::Ask(asking) => {
                // A separate task continues after the deadline.
                let until = deadline.filter(|_| caller.is_none());
                match self.before(until, asking.ask()).await {
                    Some(answered) => asking.answered_at(answered, &clock),
                    None => asking.too_late(&clock),
                }
            }
            Step::Wait(wait) if wait.wants_balance() => {
                self.before(deadline, self.reconcile_once()).await;
                wait.resume_at(&clock)
            }
            Step::Wait(wait) => {
                let Some(wait) = self.pause(wait, caller).await else {
                    return Step::Done(Err(too_late::<M>()));
                };
                if caller.is_some_and(Sender::is_closed) {
                    return wait.give_up_at(&clock);
                }
                wait.resume_at(&clock)
            }
            other => other,
        }
    }

    /// Waits for the duration, until a call ends that may end the wait, or until the caller is dropped.
    fn pause<M: ApiMethod>(
        &self,
        wait: Wait<M>,
        caller: Option<&Caller<M>>,
    ) -> impl Future<Output = Option<Wait<M>>> {
        let mut sleep = CatchPanic::new(self.shared.timer.sleep(wait.duration()));
        // A backoff does not end early.
        let changes = (!wait.is_backoff()).then(|| wait.watch(Waker::noop()));
        let mut wait = Some(wait);
        poll_fn(move |context| {
            let is_gone = caller.is_some_and(|caller| caller.poll_closed(context.waker()).is_ready());
            let is_woken = changes.is_some()
                && wait.as_ref().is_some_and(|wait| Some(wait.watch(context.waker())) != changes);
            if is_gone || is_woken || Pin::new(&mut sleep).poll(context).is_ready() {
                return Poll::Ready(wait.take());
            }
            Poll::Pending
        })
    }

    /// Returns the future of [`Transport::send`].
    // Inlined, because a request is expensive to move.
    #[inline]
    fn sending<M: ApiMethod>(&self, mut request: Request<Bytes>, sent: &InFlight<M>) -> Sending<'_> {
        if !self.shared.extensions.is_empty() {
            request.extensions_mut().extend(self.shared.extensions.clone());
        }
        if let Some((confirmed, fence)) = sent.send_by() {
            let client = self.clone();
            let is_late = move || ClientClock(&client, Duration::MAX).now().since(confirmed) > fence;
            request.extensions_mut().insert(SendBy::new(is_late));
        }
        // Bypasses the `impl Transport` of `Arc`, which boxes the future a second time.
        Transport::send(&*self.shared.transport, request)
    }
}

/// Reports the end of a call to its observer.
fn ended<T>(watch: Option<Box<Watch>>, result: Result<Reply<T>, Error>) -> Result<Reply<T>, Error> {
    if let Some(watch) = watch {
        watch.finished(&result);
    }
    result
}

/// The start of driving a call. Boxed parts keep the future of a call small.
enum First<M: ApiMethod> {
    Method(M),
    Claimed(Box<Claimed<M>>),
}

/// A claimed call.
struct Claimed<M: ApiMethod> {
    step: Step<M>,
    began: Duration,
    watch: Option<Box<Watch>>,
}

/// The first attempt of a task. Cancelled if the task is dropped before it runs.
struct Unsent<M: ApiMethod>(Option<Step<M>>);

impl<M: ApiMethod> Drop for Unsent<M> {
    fn drop(&mut self) {
        if let Some(Step::Send(_, attempt)) = self.0.take() {
            attempt.cancel();
        }
    }
}

/// Returns the error of a request whose transport panicked.
fn panicked() -> TransportError {
    TransportError::new("the transport panicked").with_trusted_text()
}

/// The clock of a client. If the timer panics, the time is the start of the call, so that no answer is lost.
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
