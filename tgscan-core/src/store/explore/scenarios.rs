//! The scenarios: the possible events of each exploration.

use super::state::DAY;
use crate::account::{Budget, Limits, Period, Reserve};

/// A caller in a process, which asks one question once.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    pub(super) process: usize,
    pub(super) question: usize,
    /// Whether it has a budget.
    pub(super) has_budget: bool,
    /// Whether it pays again for a question that has been uncertain for
    /// [`PAY_AGAIN_AFTER`](super::state::PAY_AGAIN_AFTER).
    pub(super) pays_again: bool,
}

/// How an attempt may end for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Answered, and charged.
    Answered,
    /// Charged, without an answer to the question.
    Unanswered,
    /// Refused and not processed; the call ends.
    Refused,
    /// Not processed; sent again after this many seconds.
    Delayed(u64),
    /// No response; the call ends.
    Lost,
    /// No response; sent again after a second, as the caller allows.
    Resent,
}

/// A kind of event whose number is limited. The kinds from `Crash` on are incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Kind {
    Pass,
    /// An attempt waits 10 s for its turn.
    Postponement,
    Crash,
    /// A caller is dropped.
    Drop,
    /// A transaction fails or loses its reply.
    Failure,
    Comparison,
    Purchase,
    /// A call is resolved by hand.
    Resolution,
}

/// The possible events, and how often they occur.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) callers: &'static [Caller],
    pub(super) cap: Option<u64>,
    /// The cost of each call, in credits.
    pub(super) price: u64,
    /// Whether the price is learned from the first answer.
    pub(super) is_unpriced: bool,
    /// The limit of the budget per day.
    pub(super) budget: u64,
    /// The time of the first event.
    pub(super) start: u64,
    pub(super) ends: &'static [End],
    pub(super) max_attempts: u32,
    /// The possible lapses of time in milliseconds, and whether the first process is suspended meanwhile.
    pub(super) passes: &'static [(u64, bool)],
    /// Whether other events can happen between a transaction and its reply.
    pub(super) has_slow_replies: bool,
    /// Whether a comparison precedes all calls.
    pub(super) has_baseline: bool,
    /// The maximum numbers of events.
    pub(super) at_most: &'static [(Kind, u8)],
    /// The maximum number of incidents in total.
    pub(super) incidents: u8,
    /// The maximum number of visited states. If there are more, those after few events are visited.
    pub(super) max_states: usize,
}

impl Scenario {
    pub(super) fn limits(&self, caller: &Caller) -> Limits {
        let reserve = if self.is_unpriced { Reserve::OneAtATime } else { Reserve::PerCall(self.price) };
        let budget = Budget::new(BUDGET, self.budget, Period::Day, reserve);
        let budgets = if caller.has_budget { vec![budget] } else { Vec::new() };
        Limits { cap: self.cap.map(|cap| (cap, reserve)), budgets }
    }
}

pub(super) const BUDGET: &str = "team";
const MIDNIGHT_OF_SOME_DAY: u64 = 20_000 * DAY;

const fn caller(process: usize, question: usize) -> Caller {
    Caller { process, question, has_budget: false, pays_again: false }
}

const fn with_budget(caller: Caller) -> Caller {
    Caller { has_budget: true, ..caller }
}

const fn paying_again(caller: Caller) -> Caller {
    Caller { pays_again: true, ..caller }
}

const BASE: Scenario = Scenario {
    name: "",
    callers: &[],
    cap: None,
    price: 1,
    is_unpriced: false,
    budget: 0,
    start: MIDNIGHT_OF_SOME_DAY + DAY / 2,
    ends: &[End::Answered, End::Refused, End::Lost],
    max_attempts: 3,
    passes: &[],
    has_slow_replies: false,
    has_baseline: false,
    at_most: &[],
    incidents: u8::MAX,
    max_states: usize::MAX,
};

/// A process is suspended in a backoff, in an attempt, or before the reply to its claim, and another one asks the question.
pub(super) const SUSPENDED: Scenario = Scenario {
    name: "suspended",
    callers: &[caller(0, 0), caller(1, 0)],
    ends: &[End::Answered, End::Refused, End::Lost, End::Delayed(10)],
    passes: &[(6_000, true), (16_000, true)],
    has_slow_replies: true,
    at_most: &[(Kind::Pass, 2)],
    ..BASE
};

/// A process compares, while calls of both processes are lost, suspended and charged late.
pub(super) const COMPARED: Scenario = Scenario {
    name: "compared",
    callers: &[caller(0, 0), caller(1, 1)],
    ends: &[End::Answered, End::Lost],
    passes: &[(16_000, true), (61_000, false)],
    has_baseline: true,
    at_most: &[(Kind::Pass, 2), (Kind::Comparison, 1)],
    ..BASE
};

/// Two processes share a budget over midnight.
pub(super) const MIDNIGHT: Scenario = Scenario {
    name: "midnight",
    callers: &[with_budget(caller(0, 0)), with_budget(caller(0, 1)), with_budget(caller(1, 1))],
    budget: 1,
    start: MIDNIGHT_OF_SOME_DAY - 3_000,
    ends: &[End::Answered, End::Lost, End::Delayed(1)],
    max_attempts: 2,
    passes: &[(3_000, false)],
    at_most: &[(Kind::Pass, 2)],
    ..BASE
};

/// Transactions fail or lose their reply.
pub(super) const IN_DOUBT: Scenario = Scenario {
    name: "in doubt",
    callers: &[caller(0, 0), caller(1, 0)],
    cap: Some(1),
    ends: &[End::Answered, End::Refused, End::Lost, End::Delayed(10)],
    max_attempts: 2,
    passes: &[(16_000, true)],
    at_most: &[(Kind::Pass, 1), (Kind::Failure, 2), (Kind::Drop, 1)],
    ..BASE
};

/// Credits are bought before, during and after comparisons.
pub(super) const PURCHASE: Scenario = Scenario {
    name: "purchase",
    callers: &[caller(0, 0)],
    ends: &[End::Answered, End::Lost],
    passes: &[(61_000, false)],
    at_most: &[
        (Kind::Pass, 1),
        (Kind::Comparison, 2),
        (Kind::Purchase, 1),
        (Kind::Failure, 1),
        (Kind::Crash, 1),
    ],
    ..BASE
};

/// The price of the method is unknown, and callers pay again after a minute.
pub(super) const UNPRICED: Scenario = Scenario {
    name: "unpriced",
    callers: &[paying_again(caller(0, 0)), paying_again(caller(1, 0)), caller(1, 1)],
    cap: Some(5),
    price: 2,
    is_unpriced: true,
    ends: &[End::Answered, End::Refused, End::Lost, End::Resent],
    max_attempts: 2,
    passes: &[(61_000, false)],
    at_most: &[(Kind::Pass, 2)],
    ..BASE
};

/// Calls are resolved by hand and by a comparison, and settled later.
pub(super) const RESOLVED: Scenario = Scenario {
    name: "resolved",
    callers: &[caller(0, 0), caller(0, 1)],
    ends: &[End::Answered, End::Unanswered, End::Lost],
    max_attempts: 2,
    passes: &[(61_000, true)],
    has_baseline: true,
    at_most: &[(Kind::Pass, 1), (Kind::Comparison, 1), (Kind::Resolution, 2)],
    ..BASE
};

/// Callers that share a small cap wait in backoffs, are dropped, and crash.
pub(super) const CAP: Scenario = Scenario {
    name: "cap",
    callers: &[caller(0, 0), caller(0, 1), caller(1, 1)],
    cap: Some(1),
    ends: &[End::Answered, End::Refused, End::Lost, End::Delayed(10)],
    max_attempts: 2,
    passes: &[(16_000, false)],
    at_most: &[(Kind::Pass, 1), (Kind::Crash, 1), (Kind::Drop, 1)],
    ..BASE
};

/// Attempts wait for their turn, while processes are suspended, crash, and drop their callers.
pub(super) const POSTPONED: Scenario = Scenario {
    name: "postponed",
    callers: &[caller(0, 0), caller(1, 0), caller(1, 1)],
    ends: &[End::Answered, End::Lost, End::Delayed(10)],
    passes: &[(16_000, true), (16_000, false)],
    at_most: &[(Kind::Pass, 1), (Kind::Postponement, 2), (Kind::Crash, 1), (Kind::Drop, 1)],
    ..CAP
};

/// A process pays again for an uncertain question, and another one with the same question does not.
pub(super) const REPLACED: Scenario = Scenario {
    name: "replaced",
    callers: &[paying_again(caller(0, 0)), paying_again(caller(0, 0)), caller(1, 0)],
    ends: &[End::Answered, End::Lost, End::Delayed(10)],
    max_attempts: 2,
    passes: &[(61_000, false)],
    at_most: &[(Kind::Pass, 1), (Kind::Crash, 1), (Kind::Drop, 1)],
    ..BASE
};

/// All events together: two processes, two questions, three attempts.
pub(super) const ALL: Scenario = Scenario {
    name: "all",
    callers: &[caller(0, 0), paying_again(caller(1, 0)), caller(1, 1)],
    cap: Some(2),
    ends: &[End::Answered, End::Lost, End::Delayed(10)],
    passes: &[(16_000, true), (61_000, false)],
    has_baseline: true,
    incidents: 3,
    max_states: 500_000,
    at_most: &[
        (Kind::Pass, 2),
        (Kind::Crash, 1),
        (Kind::Drop, 1),
        (Kind::Failure, 1),
        (Kind::Comparison, 1),
        (Kind::Purchase, 1),
        (Kind::Resolution, 1),
    ],
    ..BASE
};

pub(super) const SCENARIOS: [&Scenario; 11] = [
    &ALL, &SUSPENDED, &COMPARED, &MIDNIGHT, &IN_DOUBT, &PURCHASE, &UNPRICED, &RESOLVED, &CAP, &POSTPONED,
    &REPLACED,
];
