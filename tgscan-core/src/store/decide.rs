//! The rules of operations on an account, as pure functions over loaded rows.

use std::collections::{BTreeMap, BTreeSet};

use super::operation::{Claim, Done, Operation, Settlement};
use super::record::{damaged as damaged_call, millis};
use super::transaction::{AccountRow, Changes, Loaded};
use super::{Answer, Call, CallId, Event, JournalEntry, OwnerId, QuestionRow, StoreError};
use crate::account::{CLOCK_SLACK, Cost, JointResolution};

/// The number of tokens that an account remembers, to book each operation once.
pub(crate) const TOKENS: usize = 16;

/// Runs operations in order. Returns their outcomes and the changes to write. A refused operation changes no amount.
///
/// `writer` distinguishes the tokens of processes.
pub(crate) fn decide(operations: &[Operation], loaded: Loaded, writer: OwnerId) -> (Vec<Done>, Changes) {
    let mut work = Work::new(loaded, writer);
    work.lose_owners();
    let done = operations.iter().map(|operation| work.run(operation)).collect();
    (done, work.changes())
}

/// The state of an account after the operations so far.
pub(super) struct Work {
    pub(super) loaded: Loaded,
    writer: OwnerId,
    pub(super) row: AccountRow,
    pub(super) questions: BTreeMap<String, QuestionRow>,
    pub(super) calls: BTreeMap<CallId, Call>,
    pub(super) answers: BTreeMap<CallId, Option<Answer>>,
    journal: BTreeMap<u64, JournalEntry>,
    /// Entries of the journal to write.
    written: BTreeSet<u64>,
}

impl Work {
    fn new(mut loaded: Loaded, writer: OwnerId) -> Self {
        // A store may load a row twice. The second copy must not look like a removed row.
        loaded.questions.sort_by(|(one, _), (other, _)| one.cmp(other));
        loaded.questions.dedup_by(|(one, _), (other, _)| one == other);
        loaded.calls.sort_by_key(|call| call.id);
        loaded.calls.dedup_by_key(|call| call.id);
        let mut row = loaded.account.clone();
        row.clock = row.clock.max(loaded.now);
        let questions = loaded.questions.iter().cloned().collect();
        let calls = loaded.calls.iter().map(|call| (call.id, call.clone())).collect();
        let journal = loaded.journal.iter().cloned().collect();
        Self {
            writer,
            row,
            questions,
            calls,
            journal,
            answers: BTreeMap::new(),
            written: BTreeSet::new(),
            loaded,
        }
    }

    /// Returns the differences from the loaded rows.
    fn changes(mut self) -> Changes {
        let mut changes = Changes::default();
        for (key, before) in &self.loaded.questions {
            let after = self.questions.remove(key).unwrap_or_default();
            if after != *before {
                changes.questions.push((key.clone(), (!after.is_empty()).then_some(after)));
            }
        }
        // A damaged row stays: it may block its question.
        let damaged = &self.loaded.damaged_questions;
        let new = self.questions.into_iter().filter(|(key, row)| !row.is_empty() && !damaged.contains(key));
        changes.questions.extend(new.map(|(key, row)| (key, Some(row))));
        for before in std::mem::take(&mut self.loaded.calls) {
            let after = self.calls.remove(&before.id);
            if after.as_ref() != Some(&before) {
                changes.calls.push((Some(before), after));
            }
        }
        changes.calls.extend(self.calls.into_values().map(|call| (None, Some(call))));
        changes.answers = self.answers.into_iter().collect();
        let mut journal = self.journal;
        changes.journal =
            self.written.into_iter().filter_map(|at| Some((at, journal.remove(&at)?))).collect();
        let clock_alone = AccountRow { clock: self.row.clock, ..self.loaded.account.clone() };
        let is_changed = self.row != clock_alone
            || !changes.calls.is_empty()
            || !changes.questions.is_empty()
            || !changes.answers.is_empty();
        changes.account = is_changed.then_some(self.row);
        changes
    }

    /// Marks calls of lost owners as uncertain. Removes those that were certainly free.
    fn lose_owners(&mut self) {
        let now = self.loaded.now;
        let mut damaged = Vec::new();
        for id in std::mem::take(&mut self.loaded.lost) {
            if self.row.damaged.contains(&id) {
                continue;
            }
            let Some(call) = self.calls.get_mut(&id) else {
                damaged.extend(self.loaded.damaged_calls.contains(&id).then_some(id));
                continue;
            };
            if !call.entry.is_in_flight() {
                continue;
            }
            // The latest time at which an attempt may have begun.
            let at = call.send_by.clamp(now, now.saturating_add(CLOCK_SLACK));
            call.ended_at = Some(now);
            if self.row.book.lose_owner(&mut call.entry, Some(at)) {
                self.remove(id);
            }
        }
        damaged.dedup();
        if !damaged.is_empty() && self.row.book.lose_last(damaged.len(), now.saturating_add(CLOCK_SLACK)) {
            self.row.damaged.extend(damaged);
        }
    }

    fn run(&mut self, operation: &Operation) -> Done {
        let now = self.loaded.now;
        if let Some(damaged) = operation.call().filter(|call| self.loaded.damaged_calls.contains(call)) {
            return Done::Damaged(damaged_call(damaged));
        }
        match operation {
            Operation::Claim(claim) => self.claim(claim),
            Operation::Renew { call, uncertain, limits, fence, token } => {
                let Some(mut call) = self.owned(*call, *token) else { return Done::Lost };
                let book = &mut self.row.book;
                if book.blocks_attempts(now) {
                    return Done::ComparisonRunning;
                }
                if let Err(refused) = book.renew(&mut call.entry, *uncertain, limits) {
                    return Done::CapReached(refused);
                }
                call.send_by = now.saturating_add(millis(*fence));
                self.calls.insert(call.id, call);
                Done::Booked
            }
            Operation::Pause { call, token } => {
                let Some(mut call) = self.owned(*call, *token) else { return Done::Lost };
                self.row.book.pause(&mut call.entry);
                self.calls.insert(call.id, call);
                Done::Booked
            }
            Operation::Settle { call, settlement } => self.settle(*call, settlement),
            Operation::Charge { method, cost, began, token } => {
                if self.record_token(*token) {
                    let entry = self.row.book.charge((*method).into(), *cost, *began, now);
                    let call =
                        Call { entry, is_answered: true, ended_at: Some(now), ..self.new_call(*token) };
                    self.calls.insert(call.id, call);
                }
                Done::Booked
            }
            Operation::StartComparison { token, late_charge } => {
                Done::Started(self.row.book.start_comparison(self.unique(*token), *late_charge, now))
            }
            Operation::FinishComparison { comparison, balance } => {
                let mut open: Vec<&mut Call> =
                    self.calls.values_mut().filter(|call| call.entry.is_comparable()).collect();
                let mut entries: Vec<_> = open.iter_mut().map(|call| &mut call.entry).collect();
                let number = self.row.last_journal + 1;
                let (report, joint) =
                    self.row.book.finish_comparison(*comparison, *balance, now, number, &mut entries);
                for call in open {
                    call.is_resolved |= call.entry.comparison() == Some(number);
                }
                if report.outcome.is_conclusive() {
                    let event = Event::Compared { balance: *balance, outcome: report.outcome };
                    self.write_journal(event, joint);
                }
                Done::Compared(report)
            }
            Operation::EndComparison { token } => {
                self.row.book.end_comparison(self.unique(*token));
                Done::Booked
            }
            Operation::Purchase { credits, token } => {
                if self.record_token(*token) {
                    self.row.book.purchase(*credits);
                    self.write_journal(Event::Purchased(*credits), None);
                }
                Done::Booked
            }
            Operation::Resolve { call, credits } => self.resolve(*call, *credits),
            Operation::SetPrice { method, price } => {
                let was = self.row.book.set_price(method, *price);
                if was != *price {
                    self.write_journal(Event::Priced { method: method.clone(), was, is: *price }, None);
                }
                Done::Changed(was)
            }
            Operation::Remove { calls, is_erasing } => self.remove_all(calls, *is_erasing),
            Operation::LimitExpiry { calls, keep_for, is_last } => {
                self.limit_expiry(calls, *keep_for, *is_last)
            }
        }
    }

    fn claim(&mut self, claim: &Claim) -> Done {
        let now = self.loaded.now;
        let key = claim.question.key();
        if self.loaded.damaged_questions.contains(&key) {
            return Done::Damaged(StoreError::new(
                "the row of the question is damaged; restore it from a backup",
            ));
        }
        let row = self.questions.get(&key).cloned().unwrap_or_default();
        let blocking = row.blocking.and_then(|id| self.calls.get(&id));
        let is_ours =
            |call: &&Call| call.token == (self.writer, claim.token) && !call.is_answered && !call.is_resolved;
        if let Some(call) = blocking.filter(is_ours) {
            // Granted earlier by a commit in doubt. Nothing was sent, so the caller releases this claim, even if the
            // question has been answered or the owner was lost in the meantime.
            return Done::Granted(call.id);
        }
        let joined = claim.joined.and_then(|id| self.calls.get(&id));
        // A database that was restored may have another call with the same id.
        let has_joined =
            joined.is_some_and(|call| call.is_answered && call.question.as_ref() == Some(&*claim.question));
        let age = row.age(now);
        if has_joined || claim.max_age.is_some_and(|max_age| age.is_some_and(|age| age <= max_age)) {
            return Done::Answered;
        }
        if claim.stored_only {
            return Done::NotStored;
        }
        // It may have been paid for.
        if let Some(call) = row.blocking.filter(|call| self.loaded.damaged_calls.contains(call)) {
            return Done::Damaged(damaged_call(call));
        }
        let mut replaced = None;
        if let Some(call) = blocking.filter(|call| call.question.is_some() && call.blocks_question()) {
            replaced = Some(call.id);
            let age = std::time::Duration::from_millis(now.saturating_sub(call.claimed_at));
            if call.entry.is_in_flight() {
                return Done::InFlight { call: call.id, age };
            }
            if claim.pay_again_after.is_none_or(|least| age < least) {
                let charged = (!call.entry.is_uncertain()).then(|| call.entry.charged());
                return Done::Blocked { call: call.id, age, charged };
            }
        } else if let Some(ended) = row.blocking {
            let mut before = self.loaded.questions.iter().filter(|(loaded, _)| *loaded == key);
            if before.all(|(_, before)| before.blocking != row.blocking) {
                // An operation of this transaction has changed the row, and the call is not loaded.
                return Done::Again;
            }
            let row = self.questions.entry(key.clone()).or_default();
            row.unblock(ended);
            if row.blocking.is_some() {
                return Done::Again;
            }
        }
        if self.row.book.blocks_attempts(now) {
            return Done::ComparisonRunning;
        }
        let method = claim.question.method.clone();
        let entry = match self.row.book.admit(method.into(), &claim.limits, Some(now)) {
            Ok(entry) => entry,
            Err(refused) => return Done::CapReached(refused),
        };
        let keep_for = millis(claim.keep_for);
        let call = Call {
            entry,
            question: Some((*claim.question).clone()),
            send_by: now.saturating_add(millis(claim.fence)),
            keep_for,
            expires_at: now.saturating_add(keep_for),
            people: claim.people.clone(),
            ..self.new_call(claim.token)
        };
        let id = call.id;
        self.row.keep_for = self.row.keep_for.max(keep_for);
        self.calls.insert(id, call);
        let row = self.questions.entry(key).or_default();
        row.earlier.extend(replaced);
        row.blocking = Some(id);
        Done::Granted(id)
    }

    fn settle(&mut self, id: CallId, settlement: &Settlement) -> Done {
        let now = self.loaded.now;
        let Settlement { cost, is_answered, received, people, observed, token } = settlement;
        let is_free = *cost == Cost::NONE && !is_answered;
        let Some(mut call) = self.claimed(id, *token).cloned() else {
            // A removed call was settled as free.
            return if is_free { Done::Booked } else { Done::Lost };
        };
        let mut joint = match self.joint(&call) {
            Ok(joint) => joint,
            Err(number) => return Done::NeedsJournal(number),
        };
        let raised =
            self.row.book.settle_with_warnings(&mut call.entry, observed.as_deref(), |book, entry| {
                book.settle(entry, *cost, joint.as_mut(), Some(now));
            });
        self.put_joint(&call, joint);
        let (has_question, is_resolved) = (call.question.is_some(), call.is_resolved);
        call.is_answered |= is_answered;
        call.ended_at = Some(now);
        call.expires_at = now.saturating_add(call.keep_for);
        if let (true, Some((status, body, credits))) = (has_question, received) {
            let answer = Answer { status: *status, body: body.clone(), credits: *credits, at: now };
            self.answers.insert(id, Some(answer));
            call.people.extend(
                people.iter().filter(|name| !call.people.contains(name)).cloned().collect::<Vec<_>>(),
            );
        }
        if let (true, Some(question)) = (*is_answered, &call.question) {
            let row = self.questions.entry(question.key()).or_default();
            row.answered = Some((id, now, call.expires_at));
            row.unblock(id);
        }
        self.calls.insert(id, call);
        if is_free && !is_resolved {
            self.remove(id);
        }
        Done::Settled { raised, is_erased: received.is_some() && !has_question }
    }

    fn resolve(&mut self, id: CallId, credits: u64) -> Done {
        let Some(mut call) = self.calls.get(&id).filter(|call| !call.entry.is_in_flight()).cloned() else {
            return Done::Lost;
        };
        let mut joint = match self.joint(&call) {
            Ok(joint) => joint,
            Err(number) => return Done::NeedsJournal(number),
        };
        let was = call.entry.charged();
        self.row.book.resolve(&mut call.entry, credits, joint.as_mut());
        self.put_joint(&call, joint);
        call.is_resolved |= !call.is_answered;
        if self.calls.get(&id) != Some(&call) {
            self.write_journal(Event::Resolved { call: id, was, is: credits }, None);
        }
        self.calls.insert(id, call);
        Done::Changed(Some(was))
    }

    /// Returns the joint resolution of a call, or as an error the number of its journal entry if that is not loaded.
    fn joint(&self, call: &Call) -> Result<Option<JointResolution>, u64> {
        let Some(number) = call.entry.comparison() else { return Ok(None) };
        self.journal.get(&number).map(|entry| entry.joint.clone()).ok_or(number)
    }

    fn put_joint(&mut self, call: &Call, joint: Option<JointResolution>) {
        let Some(number) = call.entry.comparison() else { return };
        if let Some(entry) = self.journal.get_mut(&number).filter(|entry| entry.joint != joint) {
            entry.joint = joint;
            self.written.insert(number);
        }
    }

    /// Returns the call of a claim with this token.
    fn claimed(&self, id: CallId, token: u64) -> Option<&Call> {
        self.calls.get(&id).filter(|call| call.token == (self.writer, token))
    }

    /// Returns a copy of the call of a claim that this owner holds.
    fn owned(&self, id: CallId, token: u64) -> Option<Call> {
        let call = self.claimed(id, token)?;
        (call.entry.is_in_flight() && call.owner == self.loaded.owner).then(|| call.clone())
    }

    fn new_call(&mut self, token: u64) -> Call {
        self.row.last_call += 1;
        Call::new(self.row.last_call, self.loaded.owner, (self.writer, token), self.loaded.now)
    }

    /// Returns a token that differs among processes. Tokens of a process are small numbers.
    fn unique(&self, token: u64) -> u64 {
        self.writer.rotate_left(32) ^ token
    }

    /// Records the token of an operation. Returns whether it is new, so that the operation is booked once.
    fn record_token(&mut self, token: u64) -> bool {
        let token = (self.writer, token);
        if self.row.tokens.contains(&token) {
            return false;
        }
        self.row.tokens.push(token);
        let excess = self.row.tokens.len().saturating_sub(TOKENS);
        self.row.tokens.drain(..excess);
        true
    }

    fn write_journal(&mut self, event: Event, joint: Option<JointResolution>) {
        self.row.last_journal += 1;
        let number = self.row.last_journal;
        self.journal.insert(number, JournalEntry { at: self.loaded.now, event, joint });
        self.written.insert(number);
    }
}
