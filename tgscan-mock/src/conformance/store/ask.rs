//! The questions of a course, and their responses.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{InFlight, Now, Step as CallStep};
use tgscan_core::http::{Request, StatusCode};
use tgscan_core::store::{Account, CallState, Lookup, StorePolicy, StoreRefusal};
use tgscan_core::types::{Search, SearchAnswer};
use tgscan_core::{Api, Credits, Error, ErrorKind, Reserve};

use super::course::{CAPS, Course, PRICE, Sent, accounts, failed, flush};
use super::model::Answers;
use super::model::{ACCOUNTS, Expected, MAX_AGE, PEOPLE};
use super::step::Reply;
use super::{Result, Rule, check};
use crate::outcome::Wire;
use crate::{Fault, FaultKind};

/// A question: its account, the account handle, and the person.
struct Asked {
    account: usize,
    handle: Account,
    person: usize,
}

/// The state of a call when the suite must act.
enum CallResult {
    Sent(Box<(Request<Bytes>, InFlight<Search>)>),
    Ended(Box<std::result::Result<tgscan_core::Reply<SearchAnswer>, Error>>),
}

/// Drives a call until it is sent or has ended. Gives up if another call with the same question is in flight.
async fn drive(mut step: CallStep<Search>, mut time: Duration) -> CallResult {
    loop {
        step = match step {
            CallStep::Ask(asking) => {
                let answered = asking.ask().await;
                asking.answered(answered, Now::new(time, None))
            }
            CallStep::Wait(wait) if wait.error().is_some_and(|error| error.store_refusal().is_some()) => {
                wait.give_up(Now::new(time, None))
            }
            CallStep::Wait(wait) => {
                time += wait.duration();
                wait.resume(Now::new(time, None))
            }
            CallStep::Send(request, in_flight) => return CallResult::Sent(Box::new((request, in_flight))),
            CallStep::Done(result) => return CallResult::Ended(Box::new(result)),
        };
    }
}

impl Course {
    fn begin(
        &self,
        account: usize,
        handle: &Account,
        person: usize,
        answers: Answers,
        cap: u64,
    ) -> Result<CallStep<Search>> {
        let (label, service, keep_for) = ACCOUNTS[account];
        let api = Api::new(self.mocks[account].live_key())
            .with_service(service)
            .with_cap(cap, Reserve::PerCall(PRICE));
        let policy = StorePolicy::new(label, MAX_AGE, keep_for);
        let lookup = match answers {
            Answers::StoredOrNew => Lookup::StoredOrNew,
            Answers::New => Lookup::New,
            Answers::Stored => Lookup::Stored,
        };
        let query = PEOPLE[person].parse().map_err(failed)?;
        let now = Now::new(self.model.now, None);
        Ok(CallStep::begin_stored(&api, handle, &policy, lookup, Search { query }, now))
    }

    pub(super) async fn ask(
        &mut self,
        account: usize,
        person: usize,
        answers: Answers,
        cap: u64,
        reply: Reply,
    ) -> Result {
        let handle = self.accounts[account].clone();
        let totals = handle.book().await.map_err(failed)?.totals();
        let result = drive(self.begin(account, &handle, person, answers, cap)?, self.model.now).await;
        let expected = self.model.expect(account, person, answers);
        let has_room = totals.remaining(cap) >= PRICE;
        self.asked(Asked { account, handle, person }, &expected, has_room, result, reply).await
    }

    /// Checks the result of a question. If it was sent, the service processes it now.
    async fn asked(
        &mut self,
        question: Asked,
        expected: &Expected,
        has_room: bool,
        result: CallResult,
        reply: Reply,
    ) -> Result {
        let (is_right, rule, what) = match result {
            CallResult::Sent(sent) => {
                let is_right = *expected == Expected::Granted && has_room;
                let rule = match expected {
                    Expected::Granted => Rule::Cap,
                    Expected::InFlight => Rule::OneClaim,
                    Expected::Uncertain(_) => Rule::Uncertain,
                    Expected::Stored(_) => Rule::DurableAnswer,
                    Expected::NotStored => Rule::Expiry,
                };
                if is_right {
                    let (request, in_flight) = *sent;
                    return self.sent(question, &request, in_flight, reply).await;
                }
                (false, rule, "it was sent".to_owned())
            }
            CallResult::Ended(result) => match (*result, expected) {
                (Ok(reply), Expected::Stored(body)) => {
                    (reply.raw() == body, Rule::DurableAnswer, "a stored answer".to_owned())
                }
                (Ok(_), Expected::NotStored) => (false, Rule::Expiry, "a stored answer".to_owned()),
                (Ok(_), _) => {
                    let rule = if *expected == Expected::Granted { Rule::Isolation } else { Rule::Expiry };
                    (false, rule, "a stored answer".to_owned())
                }
                (Err(error), expected) => {
                    let (is_right, rule) = match (error.kind(), expected) {
                        (ErrorKind::CapReached(_), _) => {
                            (*expected == Expected::Granted && !has_room, Rule::Cap)
                        }
                        (ErrorKind::Store(refusal), expected) => match (refusal, expected) {
                            (StoreRefusal::Failed(error), _) => return Err(failed(error)),
                            (StoreRefusal::InFlight { .. }, Expected::InFlight)
                            | (StoreRefusal::NotStored, Expected::NotStored) => (true, Rule::OneClaim),
                            (StoreRefusal::Uncertain { call, .. }, Expected::Uncertain(id)) => {
                                (call == id, Rule::Uncertain)
                            }
                            (_, Expected::Stored(_)) => (false, Rule::DurableAnswer),
                            (_, Expected::Granted) => (false, Rule::Isolation),
                            _ => (false, Rule::Uncertain),
                        },
                        _ => (false, Rule::Accounting),
                    };
                    (is_right, rule, error.to_string())
                }
            },
        };
        check(is_right, rule, || format!("a question ended with: {what}; instead of {expected:?}"))
    }

    async fn sent(
        &mut self,
        question: Asked,
        request: &Request<Bytes>,
        in_flight: InFlight<Search>,
        reply: Reply,
    ) -> Result {
        let Asked { account, handle, person } = question;
        self.rule = Rule::DurableClaim;
        let last = self.model.calls.iter().filter(|call| call.account == account).map(|call| call.id).max();
        let new = self.accounts[account].calls(last.unwrap_or(0), 2).await.map_err(failed)?;
        let [call] = &new[..] else {
            return check(false, Rule::DurableClaim, || {
                "a question was sent without a new call in the store".into()
            });
        };
        check(call.state() == CallState::InFlight, Rule::DurableClaim, || format!("sent with {call:?}"))?;
        self.model.granted(account, person, call.id);
        let fault = match reply {
            Reply::Answer => None,
            Reply::TooManyRequests => Some(Fault::new(FaultKind::TooManyRequests(Some(10)))),
            Reply::Reset { is_charged: false } => Some(Fault::new(FaultKind::Reset)),
            Reply::Reset { is_charged: true } => Some(Fault::new(FaultKind::Reset).charged()),
            Reply::Refused => Some(Fault::new(FaultKind::ErrorEnvelope(StatusCode::BAD_REQUEST))),
        };
        let wire = self.process_request(account, call.id, request, fault.as_ref());
        self.sent.push(Sent { account, id: call.id, handle, in_flight, wire });
        Ok(())
    }

    /// Processes a request at the service.
    fn process_request(
        &mut self,
        account: usize,
        id: u64,
        request: &Request<Bytes>,
        fault: Option<&Fault>,
    ) -> Wire {
        let outcome = self.mocks[account].respond_with(request, fault);
        if let Some(call) = self.model.call(account, id) {
            call.cost += outcome.charged;
        }
        outcome.wire
    }

    pub(super) async fn deliver(&mut self, sent: Sent) -> Result {
        let Sent { account, id, mut in_flight, mut wire, .. } = sent;
        let now = self.model.now;
        let result = loop {
            let received = wire.into_result(usize::MAX);
            match drive(in_flight.received(received, Now::new(now, None)), now).await {
                CallResult::Ended(result) => break *result,
                CallResult::Sent(sent) => {
                    let (request, again) = *sent;
                    wire = self.process_request(account, id, &request, None);
                    in_flight = again;
                }
            }
        };
        let (state, body) = match &result {
            Ok(reply) => (Some(CallState::Answered), Some(reply.raw().clone())),
            Err(error) => match error.credits() {
                Credits::NotCharged => (None, None),
                Credits::Charged(_) => (Some(CallState::Unanswered), None),
                Credits::Uncertain => (Some(CallState::Uncertain), None),
            },
        };
        self.rule = if state == Some(CallState::Answered) { Rule::DurableAnswer } else { Rule::Uncertain };
        self.model.ended(account, id, state, body);
        Ok(())
    }

    pub(super) async fn ask_twice(&mut self, account: usize, person: usize) -> Result {
        let (handle, mut other) = (self.accounts[account].clone(), accounts(&self.process));
        let other = other.swap_remove(account);
        let totals = handle.book().await.map_err(failed)?.totals();
        let expected = self.model.expect(account, person, Answers::StoredOrNew);
        let has_room = totals.remaining(CAPS[1]) >= PRICE;
        let first = self.begin(account, &handle, person, Answers::StoredOrNew, CAPS[1])?;
        let second = self.begin(account, &other, person, Answers::StoredOrNew, CAPS[1])?;
        let (first, second) = join(drive(first, self.model.now), drive(second, self.model.now)).await;
        let ((first, first_handle), (second, second_handle)) = if matches!(first, CallResult::Sent(..)) {
            ((first, handle), (second, other))
        } else {
            ((second, other), (first, handle))
        };
        self.asked(
            Asked { account, handle: first_handle, person },
            &expected,
            has_room,
            first,
            Reply::Answer,
        )
        .await?;
        let expected = if expected == Expected::Granted { Expected::InFlight } else { expected };
        self.asked(
            Asked { account, handle: second_handle, person },
            &expected,
            has_room,
            second,
            Reply::Answer,
        )
        .await
    }

    pub(super) async fn drop_asking(&mut self, account: usize, person: usize) -> Result {
        let expected = self.model.expect(account, person, Answers::New);
        let handle = self.accounts[account].clone();
        let CallStep::Ask(asking) = self.begin(account, &handle, person, Answers::New, CAPS[1])? else {
            return Ok(());
        };
        let answered = {
            let mut asked = Box::pin(asking.ask());
            poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await
        };
        if let Poll::Ready(answered) = answered {
            // The store answered immediately, so nothing was dropped.
            let now = self.model.now;
            let result = drive(asking.answered(answered, Now::new(now, None)), now).await;
            return self
                .asked(Asked { account, handle, person }, &expected, true, result, Reply::Answer)
                .await;
        }
        self.rule = Rule::Release;
        flush(&handle).await
    }
}
