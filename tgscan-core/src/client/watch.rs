//! Reports calls to the observer.

use std::sync::Arc;
use std::time::Duration;

use tgscan_types::ApiMethod;

use crate::call::{AttemptSummary, Call, CallSummary, Next, Observer};
use crate::panics::catch;
use crate::{Client, Credits, Error, Reply};

/// A watched call. If it is dropped unfinished, it reports the call as dropped.
pub(super) struct Watch {
    observer: Arc<dyn Observer>,
    client: Client,
    method: &'static str,
    can_cost: bool,
    began: Duration,
    /// The start of the last attempt.
    sent: Duration,
    attempts: u32,
    /// The cost of the call if it is dropped now.
    credits: Credits,
    is_finished: bool,
}

impl Client {
    /// Watches a call, if there is an observer.
    pub(super) fn watch<M: ApiMethod>(&self, began: Duration) -> Option<Box<Watch>> {
        let observer = self.shared.observer.clone()?;
        Some(Box::new(Watch {
            observer,
            client: self.clone(),
            method: M::NAME,
            can_cost: self.shared.api.can_cost::<M>(),
            began,
            sent: began,
            attempts: 0,
            credits: Credits::NotCharged,
            is_finished: false,
        }))
    }
}

impl Watch {
    pub(super) fn sent(&mut self) {
        self.attempts += 1;
        self.sent = self.client.now_or(self.sent);
        if self.can_cost {
            self.credits = Credits::Uncertain;
        }
    }

    pub(super) fn received<M: ApiMethod>(
        &mut self,
        call: &Call<M>,
        next: Next,
        reply: Option<&Reply<M::Answer>>,
    ) {
        let backoff = match next {
            Next::Send => return,
            Next::Wait(duration) => Some(duration),
            Next::Ask(_) => call.machine.pause(),
            Next::Done => None,
        };
        let credits = reply.map(|reply| reply.credits).or_else(|| call.credits());
        let credits = credits.unwrap_or(Credits::NotCharged);
        self.credits = credits;
        let (duration, error) = (self.since(self.sent), call.last.as_ref());
        let attempt =
            AttemptSummary { method: self.method, number: self.attempts, duration, credits, error, backoff };
        catch(|| self.observer.attempt_finished(&attempt));
    }

    pub(super) fn finished<A>(mut self, result: &Result<Reply<A>, Error>) {
        self.is_finished = true;
        let (attempts, credits) = match result {
            Ok(reply) => (reply.attempts, reply.credits),
            Err(error) => (error.attempts(), error.credits()),
        };
        let (duration, error) = (self.since(self.began), result.as_ref().err());
        let storage = result.as_ref().ok().and_then(Reply::storage);
        let call = CallSummary { method: self.method, attempts, duration, credits, storage, error };
        catch(|| self.observer.call_finished(&call));
    }

    fn since(&self, earlier: Duration) -> Duration {
        self.client.now_or(earlier).saturating_sub(earlier)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let duration = self.since(self.began);
        let (method, attempts, credits) = (self.method, self.attempts, self.credits);
        let call = CallSummary { method, attempts, duration, credits, storage: None, error: None };
        catch(|| self.observer.call_dropped(&call));
    }
}
