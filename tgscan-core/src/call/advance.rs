//! A call: reports events to its machine, and performs the machine's actions up to the next one that needs a driver.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tgscan_types::ApiMethod;

use super::clock::Clock;
use super::machine::{Action, Machine, Moment, TimeLimits};
use super::store::{InStore, Stored};
use super::{Attempt, Observer};
use crate::account::Reservation;
use crate::error::{Error, ErrorKind};
use crate::pace::Turn;
use crate::panics::Contained;
use crate::store::CallId;
use crate::transport::TransportErrorKind;
use crate::{Api, Credits, Reply, TransportError};

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

/// The next step of a call, without the call and its result, which are large and stay where they are.
#[derive(Clone, Copy)]
pub(crate) enum Next {
    Ask(Action),
    Send,
    Wait(Duration),
    /// [`Call::end`] returns the result.
    Done,
}

/// A call between two steps.
pub(crate) struct Call<M: ApiMethod> {
    pub(super) api: Api,
    pub(super) method: Contained<M>,
    pub(crate) machine: Machine,
    /// The reservation of a call without a store that can cost credits. If it is dropped with an attempt in flight, the
    /// attempt is uncertain.
    pub(super) reservation: Option<Reservation>,
    pub(super) stored: Option<Box<Stored<M>>>,
    /// The error with which the call ends if it ends now.
    pub(crate) last: Option<Error>,
    pub(crate) began: Duration,
    /// The call waited until this time, even if its driver waited without its clock.
    not_before: Duration,
    /// The number of the call, which gives each call a different jitter.
    pub(super) number: u64,
    pub(super) waits_at_cap: bool,
    pub(super) reconciles: bool,
    /// Whether a comparison with the balance could make room.
    pub(crate) wants_balance: bool,
    pub(super) observer: Option<Arc<dyn Observer>>,
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
            not_before: Duration::ZERO,
            number: api.count_call(),
            waits_at_cap,
            reconciles,
            wants_balance: false,
            observer,
            turn: None,
        }
    }

    /// Begins the call. Like all functions that return the next step, this reads the clock only if necessary.
    #[inline]
    pub(crate) fn begin(&mut self, clock: &impl Clock) -> Next {
        if let Some(stored) = &mut self.stored {
            stored.asked = clock.now();
        }
        let is_late = self.machine.deadline().is_some_and(|deadline| clock.time() >= deadline);
        let action = self.machine.begin(is_late);
        self.step(action, clock)
    }

    /// Reports the end of a wait that was to end at this time.
    pub(crate) fn waited(&mut self, until: Duration, clock: &impl Clock) -> Next {
        if self.machine.is_backing_off() {
            self.not_before = until;
        }
        let action = self.machine.waited(self.now(clock));
        self.step(action, clock)
    }

    /// Ends the call instead of waiting.
    pub(crate) fn give_up(&mut self, clock: &impl Clock) -> Next {
        let action = self.machine.give_up();
        self.step(action, clock)
    }

    /// Performs the machine's actions, up to the next one that needs a driver.
    #[inline]
    pub(super) fn step(&mut self, mut action: Action, clock: &impl Clock) -> Next {
        loop {
            action = match action {
                Action::Send => {
                    let Some(action) = self.postponed(clock) else {
                        self.note_cost(1);
                        return Next::Send;
                    };
                    action
                }
                Action::Wait(duration) => return Next::Wait(duration),
                Action::Finish => return Next::Done,
                action if self.concerns_store(action) => return Next::Ask(action),
                // Without a store, the ledger answers.
                Action::Claim => self.admit(clock),
                Action::Renew => self.renew(clock),
                Action::Pause => {
                    self.reservation.iter_mut().for_each(Reservation::pause);
                    self.machine.paused(true)
                }
                Action::Settle => {
                    self.settle_in_ledger(clock);
                    self.machine.settled()
                }
                Action::Lookup(_) => self.machine.give_up(),
            }
        }
    }

    /// Returns the action to perform instead if the attempt has to wait for its turn.
    #[inline]
    fn postponed(&mut self, clock: &impl Clock) -> Option<Action> {
        if self.api.pace().is_limiting() { self.wait_for_turn(clock) } else { None }
    }

    #[cold]
    fn wait_for_turn(&mut self, clock: &impl Clock) -> Option<Action> {
        let now = self.now(clock);
        let wait = self.api.pace().begin(&mut self.turn, clock.origin(), now.time)?;
        let action = self.machine.postponed(wait, now);
        if action == Action::Settle && self.machine.attempts == 1 {
            self.last = Some(not_in_time::<M>(if self.machine.deadline().is_some() {
                "the deadline of the call passes before the service's pause or the rate limit allows an attempt"
            } else {
                "`max_elapsed` of the call passes before the service's pause or the rate limit allows an attempt"
            }));
        }
        Some(action)
    }

    /// Builds the request of the current attempt, without extensions.
    #[inline]
    pub(crate) fn request(&self) -> Request<Bytes> {
        self.api.request(self.method.get())
    }

    /// Returns the extension of the current attempt's request, if the transport wants it.
    #[inline]
    pub(crate) fn attempt(&self) -> Option<Attempt> {
        let attempt = Attempt { method: M::NAME, number: self.machine.attempts };
        self.api.marks_attempts().then_some(attempt)
    }

    /// Ends the call without sending the attempt.
    pub(crate) fn cancel(&mut self) {
        self.note_cost(0);
        self.reservation.iter_mut().for_each(Reservation::pause);
    }

    /// Returns the time, with the date only if it is needed: reading the date is the slowest part of a call in the ledger.
    pub(super) fn now(&self, clock: &impl Clock) -> Moment {
        let needs_date = self.stored.is_some() || self.api.limits().needs_date();
        let now = if needs_date { clock.now() } else { Moment { time: clock.time(), date: None } };
        Moment { time: now.time.max(self.not_before), ..now }
    }

    /// Returns the result of a call that has ended, and releases its claim.
    #[cold]
    pub(crate) fn end(&mut self) -> Result<Reply<M::Answer>, Error> {
        self.reservation = None;
        let (call, reply) = self.stored.take().map_or((None, None), |stored| (stored.call, stored.reply));
        if let Some(reply) = reply {
            return Ok(reply);
        }
        // Without an error, a time limit passed before the first attempt.
        let error = self.last.take().unwrap_or_else(|| {
            if self.machine.deadline().is_some() {
                return too_late::<M>();
            }
            not_in_time::<M>("`max_elapsed` of the call passed before the store confirmed its claim")
        });
        Err(match call {
            Some(call) => error.with_call(call),
            None => error,
        })
    }

    pub(super) fn refuse(&mut self, kind: ErrorKind) {
        self.last = Some(Error::new(M::NAME, kind, Credits::NotCharged, 0));
    }
}

// What drivers ask of a call.
impl<M: ApiMethod> Call<M> {
    /// Returns the responses of the attempts so far that may have been charged.
    pub(crate) fn received_responses(&self) -> Vec<Response<Bytes>> {
        let reply = self.stored.as_ref().and_then(|stored| stored.reply.as_ref());
        let earlier = self.last.as_ref().map_or_else(Vec::new, Error::paid_responses);
        reply.map(|reply| reply.response().clone()).into_iter().chain(earlier).collect()
    }

    /// Returns the number of the claimed call in the store.
    pub(crate) fn id(&self) -> Option<CallId> {
        self.stored.as_ref()?.call
    }

    /// Returns the known cost after the last attempt.
    pub(crate) fn credits(&self) -> Option<Credits> {
        let reply = self.stored.as_ref().and_then(|stored| stored.reply.as_ref());
        reply.map(|reply| reply.credits).or_else(|| Some(self.last.as_ref()?.credits()))
    }

    /// Wakes a task when a call ends in this process, which may end the wait early. Returns the number of such events.
    pub(crate) fn watch(&self, waker: &Waker) -> u64 {
        match &self.stored {
            None => self.api.ledger().watch(waker),
            Some(stored) => stored.place.account.writer().watch(waker),
        }
    }
}

/// Returns the error of a call whose deadline passed before it was sent.
pub(crate) fn too_late<M: ApiMethod>() -> Error {
    not_in_time::<M>("the deadline of the call passed before it was sent")
}

fn not_in_time<M: ApiMethod>(text: &'static str) -> Error {
    let error = TransportError::never_sent(text).with_kind(TransportErrorKind::Timeout).with_trusted_text();
    Error::new(M::NAME, ErrorKind::Transport(error), Credits::NotCharged, 0)
}

// Shows no query.
impl<M: ApiMethod> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &M::NAME)
            .field("machine", &self.machine)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
