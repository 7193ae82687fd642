//! The state machine of a call for custom drivers, without I/O, clock or randomness, and the [`Observer`] of calls.

mod advance;
mod asking;
mod attempt;
mod clock;
pub(crate) mod machine;
#[cfg(feature = "metrics")]
mod metrics;
mod observe;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tgscan_types::ApiMethod;

pub(crate) use clock::Clock;
pub use clock::Now;
pub(crate) use machine::{Action, Moment};
use machine::{Machine, TimeLimits};
#[cfg(feature = "metrics")]
pub use metrics::MetricsObserver;
pub use observe::{Attempt, AttemptSummary, CallSummary, Observer};

use crate::account::Reservation;
use crate::error::{Error, ErrorKind};
use crate::pace::Turn;
use crate::panics::Contained;
use crate::store::{self, Account, ClaimGuard, Lookup, Request as StoreRequest, StorePolicy};
use crate::transport::TransportErrorKind;
use crate::{Api, Credits, Reply, TransportError};

/// The next step of a call.
///
/// Each step is consumed to get the next, so a call cannot be driven in the wrong order.
///
/// [`blocking::call`](crate::blocking::call) drives a call on a thread, and [`Client`](crate::Client) asynchronously.
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

/// The next step of a call, without the call, which is large and stays where it is.
pub(crate) enum Next<M: ApiMethod> {
    Ask(Action, StoreRequest),
    Send(Request<Bytes>),
    Wait(Duration),
    Done(Result<Reply<M::Answer>, Error>),
}

/// The options of a call.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) store: Option<InStore>,
    /// The end of the caller's wait.
    pub(crate) deadline: Option<Duration>,
    pub(crate) waits_at_cap: bool,
    /// Whether the driver can compare the book with the balance to make room.
    pub(crate) reconciles: bool,
    /// Notified of budgets that are nearly or completely used.
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// The account of a call in a store, with the call's options for it.
#[derive(Clone, Debug)]
pub(crate) struct InStore {
    pub(crate) account: Account,
    pub(crate) policy: StorePolicy,
    pub(crate) lookup: Lookup,
}

impl<M: ApiMethod> Step<M> {
    /// Starts a call without a store. Returns [`Done`](Self::Done) if a limit refuses the call.
    #[inline]
    pub fn begin(api: &Api, method: M, now: Now) -> Self {
        Self::begin_with(api, method, Options::default(), &now)
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
        Self::begin_with(api, method, Options { store: Some(store), ..Options::default() }, &now)
    }

    fn begin_with(api: &Api, method: M, options: Options, clock: &impl Clock) -> Self {
        let mut call = Call::new(api, method, options, clock.time());
        let next = call.begin(clock);
        Self::of(call, next, clock)
    }

    fn of(call: Call<M>, next: Next<M>, clock: &impl Clock) -> Self {
        match next {
            Next::Ask(action, request) => Self::Ask(Asking { call, action, request }),
            Next::Send(request) => Self::Send(request, InFlight { call }),
            Next::Wait(duration) => {
                let until = clock.time().saturating_add(duration);
                Self::Wait(Wait { call, duration, until })
            }
            Next::Done(result) => Self::Done(result),
        }
    }
}

/// A call between two steps.
pub(crate) struct Call<M: ApiMethod> {
    api: Api,
    method: Contained<M>,
    machine: Machine,
    /// The reservation of a call without a store that can cost credits. If it is dropped with an attempt in flight, the
    /// attempt is uncertain.
    reservation: Option<Reservation>,
    stored: Option<Box<Stored<M>>>,
    /// The error with which the call ends if it ends now.
    last: Option<Error>,
    began: Duration,
    /// The number of the call, which gives each call a different jitter.
    number: u64,
    waits_at_cap: bool,
    reconciles: bool,
    /// Whether a comparison with the balance could make room.
    wants_balance: bool,
    observer: Option<Arc<dyn Observer>>,
    /// Set while the call waits for its turn.
    turn: Option<Turn>,
}

impl<M: ApiMethod> Call<M> {
    #[inline]
    pub(crate) fn new(api: &Api, method: M, options: Options, began: Duration) -> Self {
        let Options { store, deadline, waits_at_cap, reconciles, observer } = options;
        let limits = TimeLimits {
            fence: store.as_ref().map(|store| store.account.store().fence()),
            wait_until: began.saturating_add(api.retry().max_elapsed),
            deadline,
        };
        Self {
            api: api.clone(),
            method: Contained::new(method),
            machine: Machine::new(limits, api.can_cost::<M>()),
            reservation: None,
            stored: store.map(|place| Box::new(Stored::new(place))),
            last: None,
            began,
            number: api.count_call(),
            waits_at_cap,
            reconciles,
            wants_balance: false,
            observer,
            turn: None,
        }
    }

    /// Returns the first step.
    #[inline]
    pub(crate) fn begin(&mut self, clock: &impl Clock) -> Next<M> {
        self.step(self.machine.begin(), clock)
    }
}

/// The additional state of a call with a store.
struct Stored<M: ApiMethod> {
    place: InStore,
    token: u64,
    /// The claimed call.
    call: Option<store::CallId>,
    /// The claim. If it is dropped unsettled, the call is settled with the cost known at that time.
    claim: Option<ClaimGuard>,
    /// The time of the last request to the store.
    asked: Moment,
    reply: Option<Reply<M::Answer>>,
}

impl<M: ApiMethod> Stored<M> {
    fn new(place: InStore) -> Self {
        let token = store::next_token();
        Self { place, token, call: None, claim: None, asked: Moment::default(), reply: None }
    }
}

/// A request in flight.
///
/// If it is dropped, the attempt of a call that can cost credits is uncertain.
#[must_use = "report the outcome with `received`"]
pub struct InFlight<M: ApiMethod> {
    call: Call<M>,
}

/// A request to the account in the store.
///
/// If this is the settlement of a call, and is dropped before [`ask`](Self::ask) has been polled, the answer is lost
/// and the call stays in flight until its store is closed.
#[must_use = "send it with `ask`, then report with `answered`"]
pub struct Asking<M: ApiMethod> {
    call: Call<M>,
    action: Action,
    request: StoreRequest,
}

/// A wait, for example before the next attempt or for another call to end.
#[must_use = "continue with `resume`, or end the call with `give_up`"]
pub struct Wait<M: ApiMethod> {
    call: Call<M>,
    duration: Duration,
    /// The end of the wait.
    until: Duration,
}

/// Returns the error of a call whose deadline passed before it was sent.
pub(crate) fn too_late<M: ApiMethod>() -> Error {
    not_in_time::<M>("the deadline of the call passed before it was sent")
}

fn not_in_time<M: ApiMethod>(text: &'static str) -> Error {
    let error = TransportError::never_sent(text).with_kind(TransportErrorKind::Timeout).with_trusted_text();
    Error::new(M::NAME, ErrorKind::Transport(error), Credits::NotCharged, 0)
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

impl<M: ApiMethod> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &M::NAME)
            .field("machine", &self.machine)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

// Delegates to the call, which shows no query.
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
