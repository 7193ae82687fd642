//! The states of callers, attempts, processes and the service, and the names of the promises.

use std::time::Duration;

use crate::account::{Comparison, Cost};
use crate::call::machine::{Action, Claimed, Machine, Moment, Renewed};
use crate::store::{CallId, Operation, OwnerId, Settlement};

pub(super) const FENCE: Duration = Duration::from_secs(5);
/// The time after the start of an attempt during which the service may charge it.
pub(super) const LATE_CHARGE: u64 = 60_000;
pub(super) const PAY_AGAIN_AFTER: Duration = Duration::from_secs(60);
pub(super) const FORMS: [&str; 2] = ["query=a", "query=b"];

#[derive(Clone, Debug, Default, Hash)]
pub(super) enum Phase {
    #[default]
    New,
    /// Ready to perform an action.
    Ready(Machine, Action),
    /// The reply to a transaction, requested at this moment, has not arrived.
    ReplyPending(Machine, StoreReply, Moment),
    /// Waits for the response.
    AttemptRunning(Machine),
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StoreReply {
    Claimed(Claimed),
    Renewed(Renewed),
    LookedUp(bool),
    Paused(bool),
    Settled,
}

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct CallerState {
    pub(super) phase: Phase,
    pub(super) call: Option<CallId>,
    /// The start of its wait.
    pub(super) since: u64,
    /// Whether its last attempt was answered.
    pub(super) is_answered: bool,
    /// Whether its call replaced an uncertain one, so that it may pay again.
    pub(super) replaces: bool,
}

impl CallerState {
    pub(super) fn end(&mut self) -> Self {
        std::mem::replace(self, Self { phase: Phase::Ended, ..Self::default() })
    }

    /// Ends the caller, if it has begun.
    pub(super) fn crash(&mut self) {
        if !matches!(self.phase, Phase::New) {
            self.end();
        }
    }
}

pub(super) const LEASE: u64 = 15_000;
pub(super) const DAY: u64 = 24 * 60 * 60 * 1000;
/// The process that compares, and records purchases.
pub(super) const COMPARER: usize = 1;
/// The credits of a purchase.
pub(super) const BOUGHT: u64 = 5;
pub(super) const COMPARISON: u64 = 1 << 41;

#[derive(Clone, Debug, Hash)]
pub(super) struct Process {
    pub(super) owner: OwnerId,
    pub(super) lease_until: u64,
    /// The time of the monotonic clock, which stops while the process is suspended.
    pub(super) uptime: Duration,
    /// Operations that are written without a caller.
    pub(super) unwritten: Vec<Operation>,
}

/// The progress of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Comparing {
    /// Whether it waits until no attempt runs.
    pub(super) is_waiting: bool,
    pub(super) started: Option<Comparison>,
    pub(super) balance: Option<i64>,
}

/// An attempt that the service may have received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Attempt {
    pub(super) call: CallId,
    pub(super) question: usize,
    pub(super) sent_at: u64,
    /// Whether its call may pay for a question that was paid for.
    pub(super) replaces: bool,
    pub(super) is_charged: bool,
    /// Whether it may still be charged.
    pub(super) is_open: bool,
    /// The caller that waits for its response.
    pub(super) caller: Option<usize>,
}

/// The actual cost of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ActualCost {
    pub(super) call: CallId,
    /// The day on which it was claimed, if it has a budget.
    pub(super) day: Option<u64>,
    pub(super) credits: u64,
}

/// The actual charges and purchases, which the rules cannot see.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Truth {
    pub(super) calls: Vec<ActualCost>,
    /// How often each question was paid for.
    pub(super) paid: [u64; 2],
    /// How often each question may be paid for.
    pub(super) allowed: [u64; 2],
    /// Whether the answer to each question was reported as stored.
    pub(super) is_stored: [bool; 2],
    pub(super) bought: u64,
    /// Bought, but not recorded.
    pub(super) unrecorded: u64,
    /// Whether the balance read by a comparison includes unrecorded credits.
    pub(super) unrecorded_is_seen: bool,
    /// Whether a comparison has resolved several calls together, so that budgets are charged for calls of other budgets.
    pub(super) is_joint: bool,
}

impl Truth {
    /// Returns the credits that the account lost.
    pub(super) fn spent(&self) -> u64 {
        self.calls.iter().map(|call| call.credits).sum()
    }

    /// Returns the cost of the calls with a budget that were claimed on a day.
    pub(super) fn spent_on(&self, day: u64) -> u64 {
        self.calls.iter().filter(|call| call.day == Some(day)).map(|call| call.credits).sum()
    }
}

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    Done,
    /// Nothing is written.
    Failed,
    /// The reply is lost. The value is whether the changes are written.
    InDoubt(bool),
}

/// The transaction failed or is in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed;

/// A promise of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// A question is paid for once, unless paying again is allowed.
    PaidOnce,
    /// charged ≤ lost ≤ charged + uncertain.
    Accounted,
    /// The cap and the budget hold.
    CapHolds,
    /// An answer that was reported as stored exists.
    AnswerStored,
    /// After all calls have ended, every call can be resolved and every question can be asked again.
    NoPermanentLock,
}

/// A broken promise, and the details.
#[derive(Debug)]
pub(super) struct BrokenPromise(pub(super) Promise, pub(super) String);

pub(super) type Checked = Result<(), BrokenPromise>;

pub(super) fn settle(call: CallId, cost: Cost, token: u64) -> Operation {
    Operation::Settle { call, settlement: Settlement::without_response(cost, token) }
}
