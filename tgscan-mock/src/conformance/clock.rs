//! Time for the suite, on a thread, since the transport under test can run on any runtime.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub(super) async fn pause(duration: Duration) {
    let (over, wait) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("conformance clock".into()).spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "this thread is the clock")]
        std::thread::sleep(duration);
        // The call ended first, and the receiver was dropped.
        let _ = over.send(());
    });
    if spawned.is_ok() {
        let _ = wait.await;
    }
}

/// Returns the future's output, or `None` if it does not complete within the limit.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut over) = (pin!(future), pin!(pause(limit)));
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        over.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Polls until the condition is true or the limit has passed. It polls because no event reports the state at the other
/// end of a socket.
pub(super) async fn until(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > limit {
            return false;
        }
        pause(Duration::from_millis(5)).await;
    }
    true
}
