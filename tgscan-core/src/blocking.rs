//! Calls for code without a runtime: on the caller's thread, over any blocking HTTP client.
//!
//! ```
//! use tgscan_core::{Api, ApiKey, TransportError, blocking, bytes::Bytes, http, types::Balance};
//!
//! fn send(request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
//!     // Your HTTP client. The body holds the query: do not print the request.
//!     # Ok(http::Response::new(Bytes::from_static(br#"{"status":"ok","result":{"num_credits":5}}"#)))
//! }
//!
//! let api = Api::new(ApiKey::live("0123456789abcdef")?);
//! assert_eq!(blocking::call(&api, Balance {}, send)?.answer.num_credits, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use crate::call::Step;
use crate::panics::catch;
use crate::store::{ClaimStep, Lookup, PendingClaim, Settlement, Store, StoreError, StorePolicy};
use crate::{Api, Credits, Error, Reply, TransportError};

/// Makes a call, and sends it again where the retry policy says so. Backoffs sleep on this thread.
///
/// `send` sends one request; see [`Transport`](crate::Transport) for what its errors must say.
///
/// # Errors
/// As [`Client::send`](crate::Client::send).
pub fn call<M: ApiMethod>(
    api: &Api,
    method: M,
    mut send: impl FnMut(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
) -> Result<Reply<M::Answer>, Error> {
    let clock = Instant::now();
    drive(Step::begin(api, method, Duration::ZERO), &clock, &mut send, |_| {})
}

/// As [`call`], through a store: see [`Client::with_store`](crate::Client::with_store).
///
/// # Errors
/// As [`Client::send`](crate::Client::send).
pub fn call_stored<M: ApiMethod>(
    api: &Api,
    store: &dyn Store,
    policy: &StorePolicy,
    lookup: Lookup,
    method: M,
    mut send: impl FnMut(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
) -> Result<Reply<M::Answer>, Error> {
    let clock = Instant::now();
    if !api.can_cost::<M>() {
        return drive(Step::begin(api, method, Duration::ZERO), &clock, &mut send, |_| {});
    }
    let mut pending = PendingClaim::new(api, policy, lookup, method, Duration::ZERO);
    let granted = loop {
        let claim = block_on(store.claim(&pending.request(clock.elapsed())));
        match pending.claimed(claim) {
            ClaimStep::Granted(granted) => break granted,
            ClaimStep::Backoff(duration, waiting) => {
                sleep(duration);
                pending = waiting.resume();
            }
            ClaimStep::Done(result) => return result,
        }
    };
    // A panic in `send` leaves the call as what it was then.
    let mut claimed = Claimed { store, call: granted.call(), ending: Some(Settlement::NotCharged) };
    let (step, running) = granted.begin(clock.elapsed());
    let result =
        drive(step, &clock, &mut send, |credits| claimed.ending = Some(Settlement::without_answer(credits)));
    let (call, settlement, settling) = running.finished(result);
    claimed.ending = Some(settlement.clone());
    let settled = catch(|| block_on(store.settle(call, settlement)));
    let settled = settled.unwrap_or_else(|| Err(StoreError::new("the store panicked")));
    if settled.is_ok() {
        claimed.ending = None;
    }
    settling.settled(settled)
}

/// Drives a call to its end. `cost` is told what it would cost if it ended by a panic.
fn drive<M: ApiMethod>(
    mut step: Step<M>,
    clock: &Instant,
    send: &mut impl FnMut(Request<Bytes>) -> Result<Response<Bytes>, TransportError>,
    mut cost: impl FnMut(Credits),
) -> Result<Reply<M::Answer>, Error> {
    loop {
        step = match step {
            Step::Send(request, in_flight) => {
                cost(Credits::Uncertain);
                in_flight.received_on(send(request), clock.elapsed(), SystemTime::now())
            }
            Step::Backoff(backoff) => {
                cost(backoff.error().credits());
                sleep(backoff.duration());
                backoff.resume()
            }
            Step::Done(result) => return result,
        };
    }
}

/// A granted call, abandoned with what is known then if it is dropped before it is settled.
struct Claimed<'a> {
    store: &'a dyn Store,
    call: u64,
    ending: Option<Settlement>,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if let Some(ending) = self.ending.take() {
            catch(|| self.store.abandon(self.call, ending));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "pausing the caller's thread is what this module is for")]
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
