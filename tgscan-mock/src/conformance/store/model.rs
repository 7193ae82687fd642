//! What a store should say, written down apart from any store.

use tgscan_core::store::CallState;

use super::step::{Cap, Ending, MaxAge};

/// The questions: account, live or test, method, person, and after how many minutes they expire.
pub(super) const QUESTIONS: [(usize, bool, &str, usize, i64); 6] = [
    (0, true, "search", 0, 60_000),
    (0, true, "search", 1, 150),
    (1, true, "search", 0, 60_000),
    (0, false, "search", 0, 60_000),
    (0, true, "another_method", 0, 60_000),
    (1, true, "another_method", 1, 150),
];
pub(super) const ACCOUNTS: [&str; 2] = ["first", "second"];
pub(super) const PEOPLE: [&str; 2] = ["alice_1", "bob_1"];
/// The credits of a cap.
pub(super) const CAP: u64 = 12;

/// A call as it should be on record.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) question: usize,
    /// When it was claimed, in minutes.
    at: i64,
    pub(super) state: CallState,
    pub(super) charged: u64,
    /// What the service really took, or takes.
    truth: u64,
    /// When it was answered. Its answer is [`body`].
    pub(super) answered: Option<i64>,
    pub(super) is_forgotten: bool,
}

/// What a claim should say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Granted,
    Stored(u64),
    InFlight,
    Uncertain(u64, Option<u64>),
    Cap,
    NotStored,
}

#[derive(Default)]
pub(super) struct Account {
    /// The balance of the last comparison is known.
    has_baseline: bool,
    /// Bought since, and not recorded.
    unrecorded: u64,
    /// Bought in all.
    pub(super) bought: u64,
    stranded_up_to: u64,
    prices: Vec<(&'static str, u64)>,
}

#[derive(Default)]
pub(super) struct Model {
    now: i64,
    pub(super) calls: Vec<Call>,
    pub(super) accounts: [Account; 2],
    last: u64,
}

/// The answer of a call.
pub(super) fn body(id: u64, question: usize) -> String {
    let person = PEOPLE[QUESTIONS[question].3];
    format!(
        r#"{{"status":"ok","result":{{"user":{{"id":1{id},"username":"{person}"}},"meta":{{"known_num_groups":0,"num_groups":0,"op_cost":2}}}}}} "#
    )
}

impl Call {
    pub(super) fn account(&self) -> usize {
        QUESTIONS[self.question].0
    }

    fn method(&self) -> &'static str {
        QUESTIONS[self.question].2
    }

    fn expires(&self) -> i64 {
        self.at + QUESTIONS[self.question].4
    }

    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self.state, CallState::Uncertain | CallState::AnsweredUncertain)
    }

    /// Whether it keeps its question taken.
    fn is_standing(&self) -> bool {
        matches!(self.state, CallState::InFlight | CallState::Uncertain | CallState::Unanswered)
    }

    /// Its cost is known now.
    fn end(&mut self) {
        let is_answered = self.state == CallState::AnsweredUncertain;
        self.state = if is_answered { CallState::Answered } else { CallState::Settled };
    }

    /// Whether a store lists it as one that is to be settled.
    pub(super) fn is_listed(&self) -> bool {
        self.is_uncertain() || self.state == CallState::Unanswered
    }
}

impl Model {
    pub(super) fn claim(
        &self,
        question: usize,
        max_age: MaxAge,
        stored_only: bool,
        cap: Cap,
        pays_again: bool,
    ) -> Expected {
        let of_question =
            || self.calls.iter().rev().filter(|call| call.question == question && !call.is_forgotten);
        let oldest = match max_age {
            MaxAge::None => None,
            MaxAge::NinetyMinutes => Some(90),
            MaxAge::Any => Some(i64::MAX),
        };
        let fits = |call: &&Call| match (call.answered, oldest) {
            (Some(at), Some(oldest)) => (self.now - at).max(0) <= oldest && self.now < call.expires(),
            _ => false,
        };
        if let Some(call) = of_question().find(fits) {
            return Expected::Stored(call.id);
        }
        if stored_only {
            return Expected::NotStored;
        }
        if let Some(call) = of_question().find(|call| call.is_standing()) {
            let is_old = (self.now - call.at).max(0) >= 90;
            match call.state {
                CallState::InFlight => return Expected::InFlight,
                CallState::Uncertain if !(pays_again && is_old) => return Expected::Uncertain(call.id, None),
                CallState::Unanswered if !(pays_again && is_old) => {
                    return Expected::Uncertain(call.id, Some(call.charged));
                }
                _ => {}
            }
        }
        let (account, _, method, ..) = QUESTIONS[question];
        if cap == Cap::None || self.has_room(account, method, cap) {
            Expected::Granted
        } else {
            Expected::Cap
        }
    }

    fn price(&self, account: usize, method: &str) -> Option<u64> {
        self.accounts[account].prices.iter().find(|(name, _)| *name == method).map(|(_, price)| *price)
    }

    fn has_room(&self, account: usize, method: &str, cap: Cap) -> bool {
        let set_aside = |method: &str| match (cap, self.price(account, method)) {
            (Cap::TwoPerCall, price) => Some(price.unwrap_or(0).max(2)),
            (_, price) => price,
        };
        let mut committed = self.charged(account);
        for call in self.calls.iter().filter(|call| call.account() == account) {
            if call.state == CallState::InFlight || call.is_uncertain() {
                match set_aside(call.method()) {
                    Some(price) => committed += price,
                    None => return false,
                }
            }
        }
        CAP.saturating_sub(committed) >= set_aside(method).unwrap_or(1)
    }

    pub(super) fn charged(&self, account: usize) -> u64 {
        self.calls.iter().filter(|call| call.account() == account).map(|call| call.charged).sum()
    }

    /// What the service took from an account.
    pub(super) fn truth(&self, account: usize) -> u64 {
        self.calls.iter().filter(|call| call.account() == account).map(|call| call.truth).sum()
    }

    pub(super) fn granted(&mut self, id: u64, question: usize) {
        self.last = id;
        self.calls.push(Call {
            id,
            question,
            at: self.now,
            state: CallState::InFlight,
            charged: 0,
            truth: 2 * (id % 2),
            answered: None,
            is_forgotten: false,
        });
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    fn raise_price(&mut self, account: usize, method: &'static str, credits: u64) {
        let prices = &mut self.accounts[account].prices;
        match prices.iter_mut().find(|(name, _)| *name == method) {
            Some((_, price)) => *price = (*price).max(credits),
            None => prices.push((method, credits)),
        }
    }

    /// How a call can end, as the service sees it: with what it costs.
    pub(super) fn credits(&self, id: u64, ending: Ending) -> (Ending, u64) {
        let truth = self.calls.iter().find(|call| call.id == id).map_or(0, |call| call.truth);
        match ending {
            Ending::NotCharged if truth > 0 => (Ending::Uncertain, truth),
            Ending::Charged if truth == 0 => (Ending::Uncertain, truth),
            other => (other, truth),
        }
    }

    pub(super) fn settle(&mut self, id: u64, ending: Ending) {
        let (ending, truth) = self.credits(id, ending);
        let now = self.now;
        let Some(at) = self.calls.iter().position(|call| call.id == id) else { return };
        let call = &mut self.calls[at];
        let is_answer = matches!(ending, Ending::Answered | Ending::AnsweredUncertain);
        match call.state {
            CallState::InFlight | CallState::Uncertain => {}
            CallState::Settled if is_answer && call.answered.is_none() && !call.is_forgotten => {
                call.answered = Some(now);
                return;
            }
            _ => return,
        }
        call.state = match ending {
            Ending::NotCharged => {
                self.calls.remove(at);
                return;
            }
            Ending::Answered => CallState::Answered,
            Ending::AnsweredUncertain => CallState::AnsweredUncertain,
            Ending::Charged => CallState::Unanswered,
            Ending::Uncertain => CallState::Uncertain,
        };
        let is_known = matches!(ending, Ending::Answered | Ending::Charged);
        if is_known {
            call.charged = truth;
        }
        if is_answer && !call.is_forgotten {
            call.answered = Some(now);
        }
        let (account, method) = (call.account(), call.method());
        if is_known && truth > 0 {
            self.raise_price(account, method, truth);
        }
    }

    pub(super) fn crash(&mut self) {
        for call in &mut self.calls {
            if call.state == CallState::InFlight {
                call.state = CallState::Uncertain;
            }
        }
    }

    pub(super) fn advance(&mut self, hours: i64) {
        self.now += hours * 60;
    }

    /// Forgets what is over; returns how many.
    pub(super) fn expire(&mut self) -> u64 {
        let now = self.now;
        let over = self
            .calls
            .iter_mut()
            .filter(|call| now >= call.expires() && !call.is_standing() && !call.is_forgotten);
        over.map(|call| (call.is_forgotten, call.answered) = (true, None)).count() as u64
    }

    /// Forgets a person; returns how many questions and answers.
    pub(super) fn erase(&mut self, person: usize) -> (u64, u64) {
        let mut erased = (0, 0);
        for call in &mut self.calls {
            if QUESTIONS[call.question].3 == person && !call.is_forgotten {
                erased.0 += 1;
                erased.1 += u64::from(call.answered.is_some());
                (call.is_forgotten, call.answered) = (true, None);
            }
        }
        erased
    }

    /// Settles a call by hand, at what it really cost. Returns that.
    pub(super) fn resolve(&mut self, id: u64) -> u64 {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return 0 };
        let cost = call.truth;
        if call.state == CallState::Unanswered {
            call.state = CallState::Settled;
            return cost;
        }
        call.charged = cost;
        call.end();
        let (account, method) = (call.account(), call.method());
        if cost > 0 {
            self.raise_price(account, method, cost);
        }
        cost
    }

    pub(super) fn top_up(&mut self, account: usize, credits: u64, is_recorded: bool) {
        let account = &mut self.accounts[account];
        account.bought += credits;
        if !is_recorded {
            account.unrecorded += credits;
        }
    }

    /// Compares with the balance; returns what should come of it, in a word and a number.
    pub(super) fn reconcile(&mut self, account: usize) -> (&'static str, u64) {
        let is_busy =
            self.calls.iter().any(|call| call.account() == account && call.state == CallState::InFlight);
        if is_busy {
            return ("in flight", 0);
        }
        let last = self.last;
        let state = &mut self.accounts[account];
        if !state.has_baseline {
            (state.has_baseline, state.unrecorded, state.stranded_up_to) = (true, 0, last);
            return ("baseline", 0);
        }
        if state.unrecorded > 0 {
            return ("topped up", 0);
        }
        let stranded_up_to = state.stranded_up_to;
        let mut open: Vec<&mut Call> = self
            .calls
            .iter_mut()
            .filter(|call| call.account() == account && call.is_uncertain() && call.id > stranded_up_to)
            .collect();
        if open.is_empty() {
            return ("agrees", 0);
        }
        let spent: u64 = open.iter().map(|call| call.truth).sum();
        let (count, method) = (open.len(), open[0].method());
        for (index, call) in open.iter_mut().enumerate() {
            call.charged = if index + 1 == count { spent } else { 0 };
            // What was settled together is right in all, and so is its truth from now on.
            call.truth = call.charged;
            call.end();
        }
        if count == 1 && spent > 0 {
            self.raise_price(account, method, spent);
        }
        ("settled", spent)
    }
}
