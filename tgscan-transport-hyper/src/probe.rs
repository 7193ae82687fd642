//! Lets a call wait until the task of an idle connection has seen the state of its socket.
//!
//! A request that is given to an HTTP/2 connection is taken apart before the connection's task reads that the server has
//! closed it, and can then not be taken back.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A task that does not run for this long waits behind something that blocks its thread.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The call's side.
#[derive(Clone)]
pub(crate) struct ProbeSender(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// The socket's side.
pub(crate) struct ProbeReceiver(mpsc::UnboundedReceiver<oneshot::Sender<()>>);

pub(crate) fn channel() -> (ProbeSender, ProbeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (ProbeSender(sender), ProbeReceiver(receiver))
}

impl ProbeSender {
    /// Waits until all was read that had come, and returns whether the connection still stands.
    pub(crate) async fn probe(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).is_ok() && matches!(timeout(LONGEST_WAIT, answered).await, Ok(Ok(())))
    }
}

impl ProbeReceiver {
    /// Answers those that came: there is nothing more to read. The task is woken for the next.
    pub(crate) fn answer(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(answer)) = self.0.poll_recv(context) {
            // Fails if the call was dropped.
            let _ = answer.send(());
        }
    }
}
