//! Calls that run in separate tasks, and continue if their callers are dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tgscan_types::ApiMethod;

use super::Running;
use super::caller::{Caller, Progress};
use super::drive::{Claimed, First};
use super::waits::deadline_passed;
use super::watch::Watch;
use crate::call::{Next, too_late};
use crate::panics::catch;
use crate::store::slot;
use crate::{Client, Credits, Error, ErrorKind, Reply, TransportError};

/// How long a caller waits after the deadline for a task whose last attempt has ended.
const GRACE: Duration = Duration::from_secs(1);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Client {
    /// Claims a call, runs it in a separate task, and waits for it until the deadline.
    // The explicit type breaks a cycle: the task drives a call too.
    pub(super) fn call_in_task<M: ApiMethod>(
        &self,
        method: M,
        deadline: Option<Duration>,
        running: Running,
    ) -> BoxFuture<'_, Result<Reply<M::Answer>, Error>> {
        Box::pin(async move {
            let began = self.now();
            let watch = self.watch::<M>(began);
            let mut call = self.begin(method, deadline, began);
            // Stored answers and refused calls need no task.
            let next = self.before(deadline, self.claim(&mut call)).await;
            if !matches!(next, Some(Next::Send)) {
                let result = if next.is_some() { call.end() } else { Err(too_late::<M>()) };
                drop(call);
                self.ended(watch, &result);
                return result;
            }
            let id = call.id();
            let (sender, mut receiver) = slot(|_| {});
            let progress = Arc::new(Progress::default());
            let caller = Caller { sender, progress: progress.clone() };
            let mut first = Unsent(Some(Box::new(Claimed { call, watch })));
            let client = self.clone();
            let task = Box::pin(async move {
                let is_late = deadline.is_some_and(|deadline| client.now_or(deadline) >= deadline);
                if is_late || !caller.progress.start() {
                    let result = Err(too_late::<M>());
                    client.ended(first.cancel(), &result);
                    caller.sender.send(result);
                } else if let Some(claimed) = first.0.take() {
                    let result = client.drive(First::Claimed(claimed), Some(&caller)).await;
                    caller.sender.send(result);
                }
                drop(running);
            });
            if let Some(spawn) = &self.shared.spawn {
                catch(|| spawn(task));
            }
            let mut ended = self.before(deadline, &mut receiver).await;
            if ended.is_none() && progress.is_ending() {
                // The task ends at the deadline too, unless its runtime does not run it.
                let until = deadline.map(|deadline| deadline.saturating_add(GRACE));
                ended = self.before(until, receiver).await;
            }
            if let Some(Some(result)) = ended {
                return result;
            }
            // If the task has not sent anything yet, this keeps it from sending.
            let sent = progress.give_up();
            let dropped = "the runtime dropped the call's task";
            let (error, credits) = match (ended.is_some(), sent) {
                (false, 0) => return Err(too_late::<M>()),
                (false, _) => (deadline_passed(), Credits::Uncertain),
                (true, 0) => (TransportError::never_sent(dropped), Credits::NotCharged),
                (true, _) => (TransportError::new(dropped), Credits::Uncertain),
            };
            let error = Error::new(M::NAME, ErrorKind::Transport(error.with_trusted_text()), credits, sent)
                .with_earlier(progress.take_responses());
            Err(match id {
                Some(id) => error.with_call(id),
                None => error,
            })
        })
    }
}

/// The claimed call of a task that has not run yet. Cancelled if the task is dropped before it runs.
struct Unsent<M: ApiMethod>(Option<Box<Claimed<M>>>);

impl<M: ApiMethod> Unsent<M> {
    /// Ends the call without sending its request. Returns its watch.
    fn cancel(&mut self) -> Option<Box<Watch>> {
        let mut claimed = self.0.take()?;
        claimed.call.cancel();
        claimed.watch
    }
}

impl<M: ApiMethod> Drop for Unsent<M> {
    fn drop(&mut self) {
        self.cancel();
    }
}
