//! The questions of a course, and their responses.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{InFlight, Now, Step as CallStep};
use tgscan_core::http::Request;
use tgscan_core::store::{Account, CallState, StorePolicy, StoreRefusal};
use tgscan_core::types::{Search, SearchAnswer};
use tgscan_core::{Api, Credits, Error, ErrorKind, Reserve};

use super::course::{Course, PRICE, Sent, accounts, failed, flush};
use super::model::{ACCOUNTS, MAX_AGE, Outcome, PEOPLE, Question};
use super::{Result, Rule, check};
use crate::Fault;
use crate::outcome::Wire;

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
    fn begin(&self, question: Question, handle: &Account) -> Result<CallStep<Search>> {
        let Question { account, person, lookup, cap } = question;
        let (label, service, keep_for) = ACCOUNTS[account];
        let api = Api::new(self.mocks[account].live_key())
            .with_service(service)
            .with_cap(cap, Reserve::PerCall(PRICE));
        let policy = StorePolicy::new(label, MAX_AGE, keep_for);
        let query = PEOPLE[person].parse().map_err(failed)?;
        let now = Now::new(self.model.now, None);
        Ok(CallStep::begin_stored(&api, handle, &policy, lookup, Search { query }, now))
    }

    async fn expect(&self, question: Question) -> Result<Outcome> {
        let Question { account, person, lookup, cap } = question;
        let totals = self.accounts[account].book().await.map_err(failed)?.totals();
        Ok(self.model.expect(account, person, lookup, totals.remaining(cap) >= PRICE))
    }

    pub(super) async fn ask(&mut self, question: Question, fault: Option<Fault>) -> Result {
        let handle = self.accounts[question.account].clone();
        let expected = self.expect(question).await?;
        let result = drive(self.begin(question, &handle)?, self.model.now).await;
        self.asked(question, handle, &expected, result, fault.as_ref()).await
    }

    /// Checks the result of a question. If it was sent, the service processes it now.
    async fn asked(
        &mut self,
        question: Question,
        handle: Account,
        expected: &Outcome,
        result: CallResult,
        fault: Option<&Fault>,
    ) -> Result {
        let found = match &result {
            CallResult::Sent(_) => Outcome::Sent,
            CallResult::Ended(result) => match &**result {
                Ok(reply) => Outcome::Stored(reply.raw().clone()),
                Err(error) => match error.kind() {
                    ErrorKind::CapReached(_) => Outcome::CapReached,
                    ErrorKind::Store(StoreRefusal::InFlight { .. }) => Outcome::InFlight,
                    ErrorKind::Store(StoreRefusal::Uncertain { call, .. }) => Outcome::Uncertain(*call),
                    ErrorKind::Store(StoreRefusal::NotStored) => Outcome::NotStored,
                    _ => return Err(failed(error)),
                },
            },
        };
        check(found == *expected, expected.rule(&found), || {
            format!("a question ended with {found:?} instead of {expected:?}")
        })?;
        match result {
            CallResult::Sent(sent) => self.sent(question, handle, *sent, fault).await,
            CallResult::Ended(_) => Ok(()),
        }
    }

    async fn sent(
        &mut self,
        Question { account, person, .. }: Question,
        handle: Account,
        (request, in_flight): (Request<Bytes>, InFlight<Search>),
        fault: Option<&Fault>,
    ) -> Result {
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
        let wire = self.process_request(account, call.id, &request, fault);
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

    pub(super) async fn ask_twice(&mut self, question: Question) -> Result {
        let other = accounts(&self.process).swap_remove(question.account);
        let handles = [self.accounts[question.account].clone(), other];
        let expected = self.expect(question).await?;
        let [first, second] = [self.begin(question, &handles[0])?, self.begin(question, &handles[1])?];
        let (first, second) = join(drive(first, self.model.now), drive(second, self.model.now)).await;
        let [handle, other] = handles;
        let mut results = [(handle, first), (other, second)];
        // The one that was sent comes first.
        results.sort_by_key(|(_, result)| !matches!(result, CallResult::Sent(_)));
        for (number, (handle, result)) in results.into_iter().enumerate() {
            let is_claimed = number == 1 && expected == Outcome::Sent;
            let expected = if is_claimed { &Outcome::InFlight } else { &expected };
            self.asked(question, handle, expected, result, None).await?;
        }
        Ok(())
    }

    pub(super) async fn drop_asking(&mut self, question: Question) -> Result {
        let expected = self.expect(question).await?;
        let handle = self.accounts[question.account].clone();
        let CallStep::Ask(asking) = self.begin(question, &handle)? else { return Ok(()) };
        let answered = {
            let mut asked = Box::pin(asking.ask());
            poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await
        };
        if let Poll::Ready(answered) = answered {
            // The store answered immediately, so nothing was dropped.
            let now = self.model.now;
            let result = drive(asking.answered(answered, Now::new(now, None)), now).await;
            return self.asked(question, handle, &expected, result, None).await;
        }
        self.rule = Rule::Release;
        flush(&handle).await
    }
}
