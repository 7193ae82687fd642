//! Requests of a call to its account, and the settlement of dropped calls.

use std::time::Duration;

use tgscan_types::ApiMethod;

use super::operation::{Claim, Done, Operation, Settlement};
use super::people;
use super::{Account, Answer, CallId, Found, Selection, StoreError};
use crate::account::Cost;
use crate::panics::{CatchPanic, catch};

/// A request of a call to its account.
#[derive(Debug)]
pub(crate) enum Request {
    /// Looks up whether another call has ended.
    Lookup(CallId),
    /// Reads the store's clock.
    Time,
    Perform(Operation),
    /// Writes an operation that must not be lost.
    Write(Unwritten),
}

/// The reply of an account. Pass it to [`Asking::answered`](crate::call::Asking::answered).
#[derive(Debug)]
pub struct Answered(pub(crate) Result<AccountReply, StoreError>);

#[derive(Debug)]
pub(crate) enum AccountReply {
    /// Whether the other call has ended.
    Ended(bool),
    /// The time, in milliseconds since 1970.
    Time(u64),
    /// A stored answer with its call and age.
    Stored(CallId, Answer, Duration),
    /// A claimed call, and its settlement as not charged, which is written if the reply is dropped.
    Granted(CallId, Unwritten),
    Done(Done),
}

/// Sends a request to an account. Converts panics of the store, which may be the caller's code, into errors.
pub(crate) async fn ask(request: Option<(Account, Request)>) -> Answered {
    let Some((account, request)) = request else {
        return Answered(Err(StoreError::new("the account was already asked")));
    };
    let reply = Box::pin(async move {
        match request {
            Request::Lookup(call) => {
                let found = account.call(call).await?;
                Ok(AccountReply::Ended(found.is_none_or(|(call, _)| !call.entry.is_in_flight())))
            }
            Request::Time => Ok(AccountReply::Time(account.read(Selection::Account).await?.now)),
            Request::Perform(Operation::Claim(claim)) => perform_claim(&account, claim).await,
            Request::Perform(operation) => account.perform(operation).await.map(AccountReply::Done),
            Request::Write(unwritten) => account.perform(unwritten.disarm()).await.map(AccountReply::Done),
        }
    });
    Answered(CatchPanic::new(|| reply).await.unwrap_or_else(|| Err(StoreError::new("the store panicked"))))
}

async fn perform_claim(account: &Account, mut claim: Claim) -> Result<AccountReply, StoreError> {
    let question = Selection::Question(claim.question.key());
    let stored = async || account.read(question.clone()).await;
    let recent = async |max_age: Duration| {
        let Found { question, answer, now, .. } = stored().await?;
        let age = question.age(now).filter(|age| *age <= max_age);
        let found = age.zip(question.answered).zip(answer);
        Ok(found.map(|((age, (call, ..)), answer)| AccountReply::Stored(call, answer, age)))
    };
    // A stored answer needs no transaction.
    let max_age = claim.max_age.filter(|_| claim.joined.is_none());
    let is_expected = claim.stored_only || !account.writer().expects_new_question();
    if let (Some(max_age), true) = (max_age, is_expected) {
        if let Some(reply) = recent(max_age).await? {
            account.writer().note_question(false);
            return Ok(reply);
        }
    }
    loop {
        let done = match (account.perform(Operation::Claim(claim.clone())).await, max_age) {
            (Ok(done), _) => done,
            (Err(error), Some(max_age)) if !is_expected => {
                // A store that cannot write may still have the answer.
                account.writer().note_question(false);
                let found: Result<_, StoreError> = recent(max_age).await;
                return found.ok().flatten().ok_or(error);
            }
            (Err(error), _) => return Err(error),
        };
        account.writer().note_question(!matches!(done, Done::Answered));
        match done {
            Done::Answered => {}
            Done::Granted(call) => {
                let settlement = Settlement::without_response(Cost::NONE, claim.token);
                let settle = Unwritten::new(account, Operation::Settle { call, settlement });
                return Ok(AccountReply::Granted(call, settle));
            }
            done => return Ok(AccountReply::Done(done)),
        }
        let Found { question, answer, now, .. } = stored().await?;
        if let (Some((call, ..)), Some(answer)) = (question.answered, answer) {
            let age = Duration::from_millis(now.saturating_sub(answer.at));
            return Ok(AccountReply::Stored(call, answer, age));
        }
        // The answer expired in the meantime.
        (claim.max_age, claim.joined) = (None, None);
    }
}

/// An operation that must not be lost. If this is dropped, the operation is written.
#[derive(Debug)]
pub(crate) struct Unwritten {
    account: Option<Account>,
    pub(crate) operation: Operation,
}

impl Unwritten {
    pub(crate) fn new(account: &Account, operation: Operation) -> Self {
        Self { account: Some(account.clone()), operation }
    }

    pub(crate) fn settlement(&mut self) -> Option<&mut Settlement> {
        match &mut self.operation {
            Operation::Settle { settlement, .. } => Some(settlement),
            _ => None,
        }
    }

    /// Returns the operation instead of writing it.
    pub(crate) fn disarm(mut self) -> Operation {
        self.account = None;
        self.take()
    }

    fn take(&mut self) -> Operation {
        std::mem::replace(&mut self.operation, Operation::EndComparison { token: 0 })
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            let operation = self.take();
            catch(|| account.writer().submit_alone(operation));
        }
    }
}

/// Returns the people named by a question and its answer.
pub(crate) fn people_of<M: ApiMethod>(method: &M, answer: Option<&M::Answer>) -> Vec<String> {
    let people = catch(|| method.people(answer)).unwrap_or_default();
    let mut people: Vec<_> = people.iter().filter_map(|name| people::fold(name)).collect();
    people.sort_unstable();
    people.dedup();
    people
}
