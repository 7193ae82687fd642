//! Makes calls without a runtime: on the caller's thread, over any blocking HTTP client.
//!
//! ```
//! use tgscan_core::{Api, ApiKey, TransportError, blocking, bytes::Bytes, http, types::Balance};
//!
//! fn send(request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
//!     // Your HTTP client. The body is the query: do not print the request.
//!     # Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
//! }
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! assert_eq!(blocking::call(&api, Balance {}, send)?.answer.num_credits, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use crate::call::{Now, Step};
use crate::store::next_token;
use crate::transport::SendBy;
use crate::{Api, Error, Reply, TransportError};

/// Makes a call, with retries. Backoffs sleep on this thread.
///
/// `send` sends one request; see [`Transport`](crate::Transport) for the rules on its errors.
///
/// # Errors
/// As [`Client::send`](crate::Client::send).
pub fn call<M: ApiMethod>(
    api: &Api,
    method: M,
    send: impl FnMut(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
) -> Result<Reply<M::Answer>, Error> {
    drive(|now| Step::begin(api, method, now), send)
}

/// Drives a call that `begin` starts, for example with [`Step::begin_stored`]. Waits and requests block this thread.
///
/// # Errors
/// As [`Client::send`](crate::Client::send).
pub fn drive<M: ApiMethod>(
    begin: impl FnOnce(Now) -> Step<M>,
    mut send: impl FnMut(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
) -> Result<Reply<M::Answer>, Error> {
    let mut step = begin(now());
    loop {
        step = match step {
            Step::Send(mut request, in_flight) => {
                if let Some(confirmation) = in_flight.confirmation() {
                    request.extensions_mut().insert(SendBy::new(move || confirmation.has_passed(&now())));
                }
                in_flight.received(send(request), now())
            }
            Step::Ask(asking) => {
                let answered = block_on(asking.ask());
                asking.answered(answered, now())
            }
            Step::Wait(wait) => {
                sleep(wait.duration());
                wait.resume(now())
            }
            Step::Done(result) => return result,
        };
    }
}

/// Returns the time by a clock that all calls share, because pauses and the rate limit also apply to later calls.
fn now() -> Now {
    static START: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), next_token()));
    let (start, origin) = *START;
    Now { time: start.elapsed(), date: Some(SystemTime::now()), origin }
}

#[expect(clippy::disallowed_methods, reason = "this module blocks the caller's thread by design")]
fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits for a store's future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
