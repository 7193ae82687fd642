//! The operations on an account in a store, and their outcomes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::{CallId, Erased, Needs, Question, StoreError};
use crate::Credits;
use crate::account::{BudgetUse, CapReached, Comparison, ComparisonStart, Cost, Limits, Reconciliation};

/// A change of an account. Operations of concurrent callers share a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Claims a question before it is sent.
    Claim(Claim),
    /// Confirms a claim before another attempt. `uncertain` is the number of uncertain attempts so far.
    Renew { call: CallId, uncertain: u32, limits: Arc<Limits>, fence: Duration, token: u64 },
    /// Records that no attempt of a call is in flight. The claim is renewed before the next attempt.
    Pause { call: CallId, token: u64 },
    /// Books the settlement of a call.
    Settle { call: CallId, settlement: Settlement },
    /// Books a charge for a call of a free method that began at this time, or earlier.
    Charge { method: &'static str, cost: Cost, began: u64, token: u64 },
    /// Starts a comparison, if no attempt is running.
    StartComparison { token: u64, late_charge: Duration },
    /// Compares with a balance.
    FinishComparison { comparison: Comparison, balance: i64 },
    /// Ends a comparison without a balance.
    EndComparison { token: u64 },
    /// Records a purchase.
    Purchase { credits: u64, token: u64 },
    /// Resolves or corrects a call by hand.
    Resolve { call: CallId, credits: u64 },
    /// Replaces the price of a method by hand.
    SetPrice { method: String, price: Option<u64> },
    /// Removes expired questions and answers; with `is_erasing`, those of all given calls.
    Remove { calls: Vec<CallId>, is_erasing: bool },
    /// Limits the time until calls expire to `keep_for` milliseconds. `is_last` marks the account's last calls.
    LimitExpiry { calls: Vec<CallId>, keep_for: u64, is_last: bool },
}

impl Operation {
    /// Returns the call that the operation changes.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            Self::Renew { call, .. }
            | Self::Pause { call, .. }
            | Self::Settle { call, .. }
            | Self::Resolve { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// Returns the token of a claim; otherwise 0.
    pub(crate) fn token(&self) -> u64 {
        if let Self::Claim(claim) = self { claim.token } else { 0 }
    }

    pub(crate) fn is_claim(&self) -> bool {
        matches!(self, Self::Claim(_))
    }

    /// Returns whether the operation depends on the time of uncertain attempts, or of a comparison.
    fn needs_exact_time(&self) -> bool {
        match self {
            Self::StartComparison { .. } | Self::FinishComparison { .. } | Self::Charge { .. } => true,
            Self::Settle { settlement: Settlement { cost, .. }, .. } => cost.uncertain > 0,
            _ => false,
        }
    }

    /// Returns the length of the response that the operation stores, in bytes.
    pub(crate) fn response_length(&self) -> usize {
        match self {
            Self::Settle { settlement: Settlement { received: Some((_, body, _)), .. }, .. } => body.len(),
            _ => 0,
        }
    }

    /// Returns whether the operation is repeated after a failure, so that no cost is lost. A repeated claim is released.
    pub(crate) fn must_be_written(&self, is_in_doubt: bool) -> bool {
        match self {
            Self::Settle { .. } | Self::Charge { .. } | Self::EndComparison { .. } => true,
            Self::Claim(_) | Self::Purchase { .. } => is_in_doubt,
            _ => false,
        }
    }
}

/// A request to send a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) question: Arc<Question>,
    /// The people named by the question.
    pub(crate) people: Vec<String>,
    pub(crate) limits: Arc<Limits>,
    /// The maximum age of a stored answer; `None` accepts no stored answer.
    pub(crate) max_age: Option<Duration>,
    /// Whether to accept only a stored answer.
    pub(crate) stored_only: bool,
    /// How long question and answer are kept after the end of the call.
    pub(crate) keep_for: Duration,
    /// The age from which a call that ended without an answer no longer blocks its question.
    pub(crate) pay_again_after: Option<Duration>,
    /// A call whose answer is accepted at any age, because the caller waited for it.
    pub(crate) joined: Option<CallId>,
    /// How long the confirmation of the claim is valid.
    pub(crate) fence: Duration,
    /// Identifies the claim if its transaction runs twice, and in later operations: a database that was restored may have
    /// another call with the same id.
    pub(crate) token: u64,
}

#[cfg(test)]
impl Claim {
    /// Creates the claim of a search, without limits.
    pub(crate) fn of(form: &str, token: u64) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            question: Arc::new(Question::new(true, "search", form)),
            people: Vec::new(),
            limits: Arc::default(),
            max_age: Some(HOUR),
            stored_only: false,
            keep_for: HOUR,
            pay_again_after: None,
            joined: None,
            fence: Duration::from_secs(5),
            token,
        }
    }
}

/// The settlement of a call.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Settlement {
    pub(crate) cost: Cost,
    /// Whether the response answers the question.
    pub(crate) is_answered: bool,
    /// The response: status, body, and its cost.
    pub(crate) received: Option<(u16, Bytes, Credits)>,
    /// The people named by the response.
    pub(crate) people: Vec<String>,
    /// The limits of the call, if its caller observes their use.
    pub(crate) observed: Option<Arc<Limits>>,
    /// The token of the claim.
    pub(crate) token: u64,
}

impl Settlement {
    /// Creates the settlement of a call without a response.
    pub(crate) fn without_response(cost: Cost, token: u64) -> Self {
        Self { cost, is_answered: false, received: None, people: Vec::new(), observed: None, token }
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement")
            .field("cost", &self.cost)
            .field("is_answered", &self.is_answered)
            .field("bytes", &self.received.as_ref().map(|(_, body, _)| body.len()))
            .finish_non_exhaustive()
    }
}

/// The outcome of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    /// The operation is booked.
    Booked,
    /// The settlement is booked.
    Settled {
        /// The limits whose use it raised to 80% or more.
        raised: Vec<BudgetUse>,
        /// Whether the response was not stored, because the question was erased or has expired.
        is_erased: bool,
    },
    /// The question may be sent.
    Granted(CallId),
    /// The question has an acceptable stored answer.
    Answered,
    /// Another call with the same question is in flight.
    InFlight { call: CallId, age: Duration },
    /// An earlier call with the same question was not answered, and was or may have been charged.
    Blocked { call: CallId, age: Duration, charged: Option<u64> },
    /// A comparison delays new attempts.
    ComparisonRunning,
    /// A limit is reached.
    CapReached(CapReached),
    /// Only a stored answer is accepted, but there is no recent one.
    NotStored,
    /// The call does not exist, or its owner lost it.
    Lost,
    /// The result of starting a comparison.
    Started(ComparisonStart),
    /// The result of a comparison.
    Compared(Reconciliation),
    /// The cost of a call or the price of a method before a change by hand.
    Changed(Option<u64>),
    /// The number of removed questions and answers.
    Removed(Erased),
    /// The operation depends on rows that are not loaded. Run it again in the next transaction.
    Again,
    /// The operation also needs this entry of the journal.
    NeedsJournal(u64),
    /// A row of the operation is damaged.
    Damaged(StoreError),
}

/// Returns a token that is unique in this process.
pub(crate) fn next_token() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// Returns the rows that operations need.
pub(crate) fn needs(operations: &[Operation], journal: Vec<u64>) -> Needs {
    let mut needs = Needs { journal, ..Needs::default() };
    for operation in operations {
        needs.exact_time |= operation.needs_exact_time();
        match operation {
            Operation::Claim(claim) => {
                needs.questions.push(claim.question.key());
                needs.calls.extend(claim.joined);
            }
            Operation::Remove { calls, .. } | Operation::LimitExpiry { calls, .. } => {
                needs.calls.extend(calls);
            }
            Operation::FinishComparison { .. } => needs.unresolved = true,
            _ => needs.calls.extend(operation.call()),
        }
    }
    needs.questions.sort_unstable();
    needs.questions.dedup();
    needs.calls.sort_unstable();
    needs.calls.dedup();
    needs
}
