//! Drives a call: what comes before it, its attempts, and its end.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use super::watch::Watch;
use super::{limits, too_late};
use crate::call::{Backoff, Prepared, Step, refused};
use crate::panics::{CatchPanic, catch};
use crate::{Client, Credits, Error, Reply, Transport, TransportError};

/// What `async_trait` makes of [`Transport::send`].
type Sending<'a> = Boxed<'a, Result<Response<Bytes>, TransportError>>;

/// A future that is small to keep and to move.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a call begins.
pub(crate) enum Beginning {
    /// At its beginning: with the client's deadline, its store, and room under the cap.
    Whole,
    /// At the first attempt; the last one ends by this deadline.
    Attempts(Option<Duration>),
}

/// Is told what a call would cost if it were dropped now.
pub(crate) trait CostIfDropped {
    fn set(&mut self, credits: Credits);
}

impl CostIfDropped for () {
    fn set(&mut self, _: Credits) {}
}

impl<T: CostIfDropped> CostIfDropped for &mut T {
    fn set(&mut self, credits: Credits) {
        (**self).set(credits);
    }
}

/// The outcome of a request whose transport panicked.
fn panicked() -> TransportError {
    TransportError::new("the transport panicked").with_trusted_text()
}

impl Client {
    /// Settles what is uncertain if the cap would refuse the call because of it. Whatever comes of it, the call itself
    /// says whether there is room.
    pub(crate) fn make_room<M: ApiMethod>(&self, until: Option<Duration>) -> Boxed<'_, ()> {
        let settled = async {
            let ledger = self.ledger();
            if !ledger.has_baseline() {
                let _ = self.reconcile().await;
            }
            let is_blocked = ledger.refusal(M::NAME).is_some_and(|refused| refused.would_fit_if_settled());
            if is_blocked && ledger.claim_reconcile() {
                let is_settled = self.reconcile().await.is_ok_and(|seen| seen.outcome.is_conclusive());
                if !is_settled {
                    ledger.unclaim_reconcile();
                }
            }
        };
        Box::pin(async move { self.before(until, settled).await.unwrap_or_default() })
    }

    /// Drives one call to its end, and tells `cost` what it would cost if it were dropped. An invalid query ends it
    /// at once.
    pub(crate) async fn call<M: ApiMethod>(
        &self,
        method: Result<M, Error>,
        mut cost: impl CostIfDropped,
        beginning: Beginning,
    ) -> Result<Reply<M::Answer>, Error> {
        let method = method?;
        let until = match beginning {
            Beginning::Attempts(until) => until,
            Beginning::Whole => {
                let until = self.until();
                if self.shared.stored.is_some() && self.shared.api.can_cost::<M>() {
                    return self.send_stored(method, until).await;
                }
                if self.shared.reconciles_itself && self.shared.api.can_cost::<M>() {
                    self.make_room::<M>(until).await;
                }
                until
            }
        };
        let began = self.now();
        // What few callers ask for is boxed: a call's future is moved, and is small without it.
        let mut watch = self.watch::<M>(began);
        let mut step = if self.is_over(until) {
            Step::Done(Err(too_late::<M>()))
        } else if self.shared.waits_for_room {
            let prepared = Prepared::new(&self.shared.api, method, began);
            Box::pin(self.begin(prepared, until, refused::<M>)).await
        } else {
            Step::begin(&self.shared.api, method, began)
        };
        let result = loop {
            // Moved into a scope of its own: a step is large, and the future would keep it while it waits.
            let (sending, sent) = {
                let step = step;
                match step {
                    Step::Send(request, sent) => {
                        cost.set(Credits::Uncertain);
                        if let Some(watch) = &mut watch {
                            watch.sent();
                        }
                        (self.sending(request), sent)
                    }
                    // Neither a call nor an attempt begins with one.
                    Step::Backoff(wait) => break Err(wait.give_up()),
                    Step::Done(result) => break result,
                }
            };
            let sending = CatchPanic::new(sending);
            let response = if until.is_none() {
                sending.await
            } else {
                let sent = Box::pin(self.before(until, sending)).await;
                sent.unwrap_or_else(|| Some(Err(limits::passed())))
            };
            let response = response.unwrap_or_else(|| Err(panicked()));
            let next_attempt = {
                let received = sent.received_at(response, || self.now_or(began), || self.date());
                if let Some(watch) = &mut watch {
                    watch.received(&received);
                }
                if let Step::Done(result) = &received {
                    self.ended(result, watch.take());
                }
                match received {
                    Step::Backoff(wait) => {
                        cost.set(wait.error().credits());
                        Box::pin(self.next_attempt(wait, until))
                    }
                    Step::Done(result) => return result,
                    Step::Send(request, sent) => {
                        step = Step::Send(request, sent);
                        continue;
                    }
                }
            };
            step = next_attempt.await;
        };
        self.ended(&result, watch);
        result
    }

    /// Waits, and sends again if there is time and room; or ends the call with the error that it has.
    async fn next_attempt<M: ApiMethod>(&self, wait: Backoff<M>, until: Option<Duration>) -> Step<M> {
        let timer = &self.shared.timer;
        if until.is_some_and(|until| timer.now().saturating_add(wait.duration()) >= until) {
            return Step::Done(Err(wait.give_up()));
        }
        timer.sleep(wait.duration()).await;
        let (prepared, error) = wait.prepare();
        // Why the call failed says more than that the cap leaves no room for another attempt.
        self.begin(prepared, until, |_| error).await
    }

    /// What is to be done when a call has ended.
    fn ended<A>(&self, result: &Result<Reply<A>, Error>, watch: Option<Box<Watch<'_>>>) {
        if result.as_ref().is_ok_and(Reply::is_mismatched) {
            // Answers on that connection may all be one too late; which one it was is not known here.
            catch(|| self.shared.transport.discard_connections());
        }
        if let Some(watch) = watch {
            watch.finished(result);
        }
    }

    /// What [`Transport::send`] makes of the request.
    // Inlined, because a request is large to be handed on.
    #[inline]
    fn sending(&self, mut request: Request<Bytes>) -> Sending<'_> {
        if !self.shared.extensions.is_empty() {
            request.extensions_mut().extend(self.shared.extensions.clone());
        }
        // Not by way of the `Arc`, which is a transport too and puts the future into a second box.
        Transport::send(&*self.shared.transport, request)
    }
}
