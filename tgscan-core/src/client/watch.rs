//! Tells the observer, if there is one, what becomes of a call.

use std::time::Duration;

use tgscan_types::ApiMethod;

use crate::call::{AttemptSummary, CallSummary, Observer, Step};
use crate::panics::catch;
use crate::{Client, Credits, Error, Reply};

/// A call that is being watched. Dropped before it has finished, the call was.
pub(super) struct Watch<'a> {
    observer: &'a dyn Observer,
    client: &'a Client,
    method: &'static str,
    can_cost: bool,
    began: Duration,
    /// When the last attempt began.
    sent: Duration,
    attempts: u32,
    /// What the call costs if it is dropped now.
    credits: Credits,
    is_finished: bool,
}

impl Client {
    /// Watches a call, if there is an observer.
    pub(super) fn watch<M: ApiMethod>(&self, began: Duration) -> Option<Box<Watch<'_>>> {
        let observer = self.shared.observer.as_deref()?;
        Some(Box::new(Watch {
            observer,
            client: self,
            method: M::NAME,
            can_cost: self.shared.api.can_cost::<M>(),
            began,
            sent: began,
            attempts: 0,
            credits: Credits::NotCharged,
            is_finished: false,
        }))
    }

    /// Tells the observer how a call ended that was not sent.
    pub(crate) fn tell<M: ApiMethod>(&self, began: Duration, result: &Result<Reply<M::Answer>, Error>) {
        if let Some(watch) = self.watch::<M>(began) {
            watch.finished(result);
        }
    }
}

impl Watch<'_> {
    pub(super) fn sent(&mut self) {
        self.attempts += 1;
        self.sent = self.client.now_or(self.sent);
        if self.can_cost {
            self.credits = Credits::Uncertain;
        }
    }

    pub(super) fn received<M: ApiMethod>(&mut self, step: &Step<M>) {
        let (credits, error, backoff) = match step {
            Step::Send(..) => return,
            Step::Backoff(backoff) => {
                (backoff.error().credits(), Some(backoff.error()), Some(backoff.duration()))
            }
            Step::Done(Ok(reply)) => (reply.credits, None, None),
            Step::Done(Err(error)) => (error.credits(), Some(error), None),
        };
        self.credits = credits;
        let duration = self.since(self.sent);
        let attempt =
            AttemptSummary { method: self.method, number: self.attempts, duration, credits, error, backoff };
        quietly(|| self.observer.attempt_finished(&attempt));
    }

    pub(super) fn finished<A>(mut self, result: &Result<Reply<A>, Error>) {
        self.is_finished = true;
        let (attempts, credits) = match result {
            Ok(reply) => (reply.attempts, reply.credits),
            Err(error) => (error.attempts(), error.credits()),
        };
        let (duration, error) = (self.since(self.began), result.as_ref().err());
        let call = CallSummary { method: self.method, attempts, duration, credits, error };
        quietly(|| self.observer.call_finished(&call));
    }

    fn since(&self, earlier: Duration) -> Duration {
        self.client.now_or(earlier).saturating_sub(earlier)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let duration = self.since(self.began);
        let (method, attempts, credits) = (self.method, self.attempts, self.credits);
        let call = CallSummary { method, attempts, duration, credits, error: None };
        quietly(|| self.observer.call_dropped(&call));
    }
}

/// The observer is the caller's code: its panic must not cost the answer. The panic hook has told of it.
fn quietly(tell: impl FnOnce()) {
    catch(tell);
}
