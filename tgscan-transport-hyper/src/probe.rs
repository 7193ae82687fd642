//! Lets a call wait until the task of an idle HTTP/2 connection has checked its socket.
//!
//! hyper's HTTP/2 connection takes a request apart before its task reads that the server has closed the connection.
//! After that, it cannot return the request.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A task that does not run for this long has a blocked thread.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The end of the call.
#[derive(Clone)]
pub(crate) struct ProbeSender(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// The end of the socket.
pub(crate) struct ProbeReceiver(mpsc::UnboundedReceiver<oneshot::Sender<()>>);

pub(crate) fn channel() -> (ProbeSender, ProbeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (ProbeSender(sender), ProbeReceiver(receiver))
}

impl ProbeSender {
    /// Waits until the task has read all received bytes, and returns whether the connection is still open.
    pub(crate) async fn probe(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).is_ok() && matches!(timeout(LONGEST_WAIT, answered).await, Ok(Ok(())))
    }
}

impl ProbeReceiver {
    /// Answers all pending probes, because there is nothing more to read. The next probe wakes the task.
    pub(crate) fn answer(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(answer)) = self.0.poll_recv(context) {
            // An error means that the call was dropped.
            let _ = answer.send(());
        }
    }
}
