//! The state machine of a call for custom drivers, without I/O, clock or randomness, and the [`Observer`] of calls.

mod advance;
mod attempt;
pub(crate) mod clock;
mod ledger;
pub(crate) mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod observe;
mod store;

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

pub(crate) use advance::{Call, Next, Options, too_late};
pub(crate) use clock::Clock;
pub use clock::Now;
use machine::Action;
#[cfg(feature = "metrics")]
pub use metrics::MetricsObserver;
pub use observe::{Attempt, AttemptSummary, CallSummary, Observer};
pub(crate) use store::{Confirmation, InStore};

use crate::store::{Account, Answered, Lookup, Request as StoreRequest, StorePolicy, ask};
use crate::sync::Mutex;
use crate::{Api, Error, Reply, TransportError};

/// The next step of a call.
///
/// Each step is consumed to get the next, so a call cannot be driven in the wrong order.
///
/// [`blocking::call`](crate::blocking::call) drives a call on a thread, and [`Client`](crate::Client) asynchronously.
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation per attempt")]
pub enum Step<M: ApiMethod> {
    /// Ask the account in the store with [`Asking::ask`], then report with [`Asking::answered`].
    Ask(Asking<M>),
    /// Send this request once and immediately, then report the outcome with [`InFlight::received`]. If something delays
    /// sending, check [`InFlight::is_late`] first. The body is the query: do not print it.
    Send(Request<Bytes>, InFlight<M>),
    /// Wait for [`Wait::duration`], then continue with [`Wait::resume`].
    Wait(Wait<M>),
    /// The call has finished.
    Done(Result<Reply<M::Answer>, Error>),
}

/// A request in flight.
///
/// If it is dropped, the attempt of a call that can cost credits is uncertain.
#[must_use = "report the outcome with `received`"]
pub struct InFlight<M: ApiMethod> {
    call: Call<M>,
}

/// A request to the account in the store.
#[must_use = "send it with `ask`, then report with `answered`"]
pub struct Asking<M: ApiMethod> {
    call: Call<M>,
    action: Action,
    /// Taken when [`ask`](Self::ask) is polled. If it is dropped before, a settlement is written.
    request: Arc<Mutex<Option<(Account, StoreRequest)>>>,
}

/// A wait, for example before the next attempt or for another call to end.
#[must_use = "continue with `resume`, or end the call with `give_up`"]
pub struct Wait<M: ApiMethod> {
    call: Call<M>,
    duration: Duration,
    /// The end of the wait.
    until: Duration,
}

impl<M: ApiMethod> Step<M> {
    /// Starts a call without a store. Returns [`Done`](Self::Done) if a limit refuses the call.
    pub fn begin(api: &Api, method: M, now: Now) -> Self {
        Self::begin_with(api, method, Options::default(), now)
    }

    /// Starts a call through an account in a store.
    pub fn begin_stored(
        api: &Api,
        account: &Account,
        policy: &StorePolicy,
        lookup: Lookup,
        method: M,
        now: Now,
    ) -> Self {
        let store = InStore { account: account.clone(), policy: policy.clone(), lookup };
        Self::begin_with(api, method, Options { store: Some(store), ..Options::default() }, now)
    }

    fn begin_with(api: &Api, method: M, options: Options, now: Now) -> Self {
        let mut call = Call::new(api, method, options, now.time());
        let next = call.begin(&now);
        Self::after(call, next, now)
    }

    fn after(mut call: Call<M>, next: Next, now: Now) -> Self {
        match next {
            Next::Ask(action) => {
                let request = Arc::new(Mutex::new(call.store_request(action, &now)));
                Self::Ask(Asking { call, action, request })
            }
            Next::Send => {
                let mut request = call.request();
                call.attempt().map(|attempt| request.extensions_mut().insert(attempt));
                Self::Send(request, InFlight { call })
            }
            Next::Wait(duration) => {
                let until = call.now(&now).time.saturating_add(duration);
                Self::Wait(Wait { call, duration, until })
            }
            Next::Done => Self::Done(call.end()),
        }
    }
}

impl<M: ApiMethod> InFlight<M> {
    /// Reports the outcome of the request.
    ///
    /// Compares a `Retry-After` date with the response's `Date`, or else with the date of `now`.
    pub fn received(mut self, response: Result<Response<Bytes>, TransportError>, now: Now) -> Step<M> {
        let mut result = self.call.parse(Some(response));
        if self.call.settle_reply(&mut result, &now) {
            return Step::Done(result);
        }
        let next = self.call.received(result, &now);
        Step::after(self.call, next, now)
    }

    /// Returns whether it is too late to begin to write the request, because its claim in the store may have expired.
    ///
    /// Check this directly before writing, for example after waiting for a connection. If it returns `true`, do not
    /// write the request, and report [`TransportError::never_sent`] to [`received`](Self::received). Always `false`
    /// without a store.
    pub fn is_late(&self, now: Now) -> bool {
        self.confirmation().is_some_and(|confirmation| confirmation.has_passed(&now))
    }

    pub(crate) fn confirmation(&self) -> Option<Confirmation> {
        self.call.confirmation()
    }
}

impl<M: ApiMethod> Asking<M> {
    /// Asks the account, once. The returned future does not borrow from `self`.
    pub fn ask(&self) -> impl Future<Output = Answered> + Send + use<M> {
        let request = self.request.clone();
        async move {
            let request = request.lock().unwrap_or_else(PoisonError::into_inner).take();
            ask(request).await
        }
    }

    /// Reports the result of [`ask`](Self::ask).
    pub fn answered(mut self, answered: Answered, now: Now) -> Step<M> {
        let next = self.call.answered(self.action, answered, &now);
        Step::after(self.call, next, now)
    }
}

impl<M: ApiMethod> Wait<M> {
    /// Returns the duration of the wait.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the error with which [`give_up`](Self::give_up) ends the call; `None` if nothing has failed yet:
    /// then it ends with a timeout.
    pub fn error(&self) -> Option<&Error> {
        self.call.last.as_ref()
    }

    /// Continues after the wait.
    pub fn resume(mut self, now: Now) -> Step<M> {
        let next = self.call.waited(self.until, &now);
        Step::after(self.call, next, now)
    }

    /// Ends the call instead of waiting.
    pub fn give_up(mut self, now: Now) -> Step<M> {
        let next = self.call.give_up(&now);
        Step::after(self.call, next, now)
    }
}

impl<M: ApiMethod> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(asking) => f.debug_tuple("Ask").field(asking).finish(),
            // Without the request, whose body is the query.
            Self::Send(_, sent) => f.debug_tuple("Send").field(sent).finish(),
            Self::Wait(wait) => f.debug_tuple("Wait").field(wait).finish(),
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
        }
    }
}

macro_rules! debug_as_call {
    ($($name:ident),+) => {$(
        impl<M: ApiMethod> fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.call).finish()
            }
        }
    )+};
}
debug_as_call!(InFlight, Asking, Wait);
