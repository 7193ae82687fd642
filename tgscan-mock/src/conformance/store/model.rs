//! The expected state of the store.

use std::time::Duration;

use tgscan_core::bytes::Bytes;
use tgscan_core::store::{CallId, CallState, Lookup};

use super::Rule;

/// The accounts: label, service, and the time for which answers are kept.
pub(super) const ACCOUNTS: [(&str, &str, Duration); 3] = [
    ("main", "mock", Duration::from_secs(150 * 60)),
    ("main", "another service", Duration::from_secs(1000 * 3600)),
    ("another", "mock", Duration::from_secs(150 * 60)),
];
pub(super) const PEOPLE: [&str; 2] = ["alice_1", "bob_1"];
pub(super) const MAX_AGE: Duration = Duration::from_secs(90 * 60);

/// The expected state of a call.
pub(super) struct Call {
    pub(super) account: usize,
    pub(super) id: CallId,
    pub(super) person: usize,
    pub(super) state: CallState,
    /// The credits that the service charged.
    pub(super) cost: u64,
    /// The answer, and the time at which it was received.
    pub(super) answer: Option<(Bytes, Duration)>,
    expires_at: Duration,
    /// Whether it was uncertain at the first comparison, so that no comparison can resolve it.
    is_before_baseline: bool,
    /// Whether question and answer were removed.
    pub(super) is_removed: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) account: usize,
    pub(super) person: usize,
    pub(super) lookup: Lookup,
    pub(super) cap: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent,
    Stored(Bytes),
    InFlight,
    Uncertain(CallId),
    NotStored,
    CapReached,
}

impl Outcome {
    /// Returns the rule that is broken if another outcome than this one is found.
    pub(super) fn rule(&self, found: &Self) -> Rule {
        match (self, found) {
            (Self::CapReached, _) | (Self::Sent, Self::CapReached) => Rule::Cap,
            (Self::Sent, _) => Rule::Isolation,
            (Self::Stored(_), _) => Rule::DurableAnswer,
            (_, Self::Stored(_)) | (Self::NotStored, _) => Rule::Expiry,
            (Self::InFlight, _) => Rule::OneClaim,
            (Self::Uncertain(_), _) => Rule::Uncertain,
        }
    }
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) now: Duration,
    pub(super) calls: Vec<Call>,
    /// Entries in the journal of each account.
    pub(super) journal: [usize; ACCOUNTS.len()],
    pub(super) has_baseline: [bool; ACCOUNTS.len()],
}

impl Call {
    fn blocks_question(&self) -> bool {
        matches!(self.state, CallState::InFlight | CallState::Uncertain | CallState::Unanswered)
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        !self.blocks_question() && now >= self.expires_at
    }
}

impl Model {
    /// Returns the expected result of a question. `has_room` is whether the caps allow another call.
    pub(super) fn expect(&self, account: usize, person: usize, lookup: Lookup, has_room: bool) -> Outcome {
        let is_same = |call: &&Call| (call.account, call.person) == (account, person) && !call.is_removed;
        let latest = || self.calls.iter().rev().filter(is_same);
        let is_young = |at: Duration| {
            let age = self.now.saturating_sub(at);
            age <= MAX_AGE && age < ACCOUNTS[account].2
        };
        let stored = latest().find_map(|call| call.answer.as_ref()).filter(|(_, at)| is_young(*at));
        match (latest().find(|call| call.blocks_question()), stored) {
            (_, Some((body, _))) if lookup != Lookup::New => Outcome::Stored(body.clone()),
            _ if lookup == Lookup::Stored => Outcome::NotStored,
            (Some(call), _) if call.state == CallState::InFlight => Outcome::InFlight,
            (Some(call), _) => Outcome::Uncertain(call.id),
            (None, _) if has_room => Outcome::Sent,
            (None, _) => Outcome::CapReached,
        }
    }

    pub(super) fn granted(&mut self, account: usize, person: usize, id: CallId) {
        let expires_at = self.now + ACCOUNTS[account].2;
        self.calls.push(Call {
            account,
            id,
            person,
            state: CallState::InFlight,
            cost: 0,
            answer: None,
            expires_at,
            is_before_baseline: false,
            is_removed: false,
        });
    }

    pub(super) fn call(&mut self, account: usize, id: CallId) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| (call.account, call.id) == (account, id))
    }

    /// Records the end of a call. A `state` of `None` means that it was free.
    pub(super) fn ended(
        &mut self,
        account: usize,
        id: CallId,
        state: Option<CallState>,
        body: Option<Bytes>,
    ) {
        let Some(state) = state else {
            return self.calls.retain(|call| (call.account, call.id) != (account, id));
        };
        let now = self.now;
        let Some(call) = self.call(account, id) else { return };
        call.state = state;
        call.expires_at = now + ACCOUNTS[account].2;
        call.answer = body.filter(|_| !call.is_removed).map(|body| (body, now));
    }

    /// Marks the calls in flight as uncertain.
    pub(super) fn crash(&mut self) {
        let in_flight = self.calls.iter_mut().filter(|call| call.state == CallState::InFlight);
        in_flight.for_each(|call| call.state = CallState::Uncertain);
    }

    /// Records a comparison, which resolves the uncertain calls since the baseline.
    pub(super) fn compared(&mut self, account: usize) {
        let is_first = !std::mem::replace(&mut self.has_baseline[account], true);
        self.journal[account] += 1;
        let uncertain = |call: &&mut Call| call.account == account && call.state == CallState::Uncertain;
        for call in self.calls.iter_mut().filter(uncertain) {
            if is_first {
                call.is_before_baseline = true;
            } else if !call.is_before_baseline {
                call.state = CallState::Resolved;
            }
        }
    }

    /// Removes the questions and answers of matching calls. Returns the number of these calls.
    pub(super) fn remove(&mut self, matches: impl Fn(&Call) -> bool) -> u64 {
        let meant = self.calls.iter_mut().filter(|call| matches(call) && !call.is_removed);
        meant.map(|call| (call.is_removed, call.answer) = (true, None)).count() as u64
    }
}
