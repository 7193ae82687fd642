//! Time for the suite, on a thread, because the transport under test may run on any runtime.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Returns after this long.
pub(super) async fn pause(duration: Duration) {
    let (over, wait) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("conformance clock".into()).spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "this thread is the clock")]
        std::thread::sleep(duration);
        // Nobody waits any more if the call ended first.
        let _ = over.send(());
    });
    if spawned.is_ok() {
        let _ = wait.await;
    }
}

/// The future's output, or `None` if it does not end within this time.
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

/// Whether the condition comes true within this time. It is looked at every few milliseconds: it is about what the
/// other end of a socket sees, of which nothing here is told.
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
