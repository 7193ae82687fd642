//! A minimal store in memory.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

use super::state::{HOUR, LOST};
use super::{Fault, fingerprint};
use crate::store::record::millis;
use crate::store::{
    AccountRow, Call, CallId, Changes, Event, JournalEntry, Loaded, Needs, OwnerId, Question, QuestionRow,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::store) struct Tables {
    pub(in crate::store) account: AccountRow,
    pub(in crate::store) calls: BTreeMap<CallId, Call>,
    pub(super) questions: BTreeMap<String, QuestionRow>,
    pub(super) answers: BTreeSet<CallId>,
    pub(super) journal: BTreeMap<u64, JournalEntry>,
}

/// Copy-on-write tables, with a cached fingerprint.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Rc<(Tables, OnceCell<u64>)>);

impl Shared {
    pub(super) fn edit(&mut self) -> &mut Tables {
        let (tables, fingerprint) = Rc::make_mut(&mut self.0);
        fingerprint.take();
        tables
    }
}

impl Deref for Shared {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.0.0
    }
}

impl Hash for Shared {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (tables, known) = &*self.0;
        known.get_or_init(|| fingerprint(tables)).hash(state);
    }
}

impl Tables {
    /// Loads rows for the only owner.
    pub(in crate::store) fn load_as(&self, needs: &Needs, owner: OwnerId) -> Loaded {
        self.load(Fault::None, needs, owner, 1, |_| true)
    }

    pub(in crate::store) fn write_all(&mut self, changes: Changes) {
        self.write(Fault::None, changes, 1);
    }

    pub(super) fn load(
        &self,
        fault: Fault,
        needs: &Needs,
        owner: OwnerId,
        now: u64,
        is_alive: impl Fn(OwnerId) -> bool,
    ) -> Loaded {
        let mut loaded = Loaded { now, owner, account: self.account.clone(), ..Loaded::default() };
        let mut ids: BTreeSet<CallId> = needs.calls.iter().copied().collect();
        for key in &needs.questions {
            if let Some(row) = self.questions.get(key) {
                ids.extend(row.blocking);
                loaded.questions.push((key.clone(), row.clone()));
            }
        }
        for call in self.calls.values() {
            if needs.unresolved && call.is_unresolved() {
                ids.insert(call.id);
            }
            if call.entry.is_in_flight() && call.owner != owner && !is_alive(call.owner) {
                loaded.lost.push(call.id);
                ids.insert(call.id);
            }
        }
        for id in ids {
            let Some(mut call) = self.calls.get(&id).cloned() else { continue };
            if let Some(key) = call.question.as_ref().map(Question::key) {
                let is_loaded = loaded.questions.iter().any(|(known, _)| *known == key);
                if let (false, Some(row)) = (is_loaded, self.questions.get(&key)) {
                    loaded.questions.push((key, row.clone()));
                }
            }
            if fault == Fault::FreesCallsOfLostOwners && loaded.lost.contains(&id) {
                loaded.account.book.pause(&mut call.entry);
            }
            loaded.calls.push(call);
        }
        for number in &needs.journal {
            loaded.journal.extend(self.journal.get(number).map(|entry| (*number, entry.clone())));
        }
        loaded
    }

    pub(super) fn write(&mut self, fault: Fault, changes: Changes, now: u64) {
        let Some(row) = changes.account else { return };
        self.account = row;
        for (key, row) in changes.questions {
            match row {
                Some(row) => drop(self.questions.insert(key, row)),
                None => drop(self.questions.remove(&key)),
            }
        }
        for (before, after) in changes.calls {
            if let Some(call) = before {
                self.calls.remove(&call.id);
                self.answers.retain(|answer| *answer != call.id || after.is_some());
            }
            self.calls.extend(after.map(|call| (call.id, call)));
        }
        for (id, answer) in changes.answers {
            if fault == Fault::KeepsOneAnswer {
                self.answers.clear();
            }
            if answer.is_some() {
                self.answers.insert(id);
            } else {
                self.answers.remove(&id);
            }
        }
        self.journal.extend(changes.journal);
        self.normalize(now);
    }

    /// Makes equivalent tables equal, since no answer expires here.
    fn normalize(&mut self, now: u64) {
        let expires_at = now + millis(HOUR);
        for call in self.calls.values_mut() {
            call.expires_at = expires_at;
            if !call.entry.is_in_flight() {
                (call.token, call.send_by, call.owner) = ((LOST, 0), 0, LOST);
                call.ended_at = Some(0);
            }
            if !call.blocks_question() {
                call.claimed_at = 0;
            }
        }
        self.questions.values_mut().for_each(|row| {
            row.answered = row.answered.map(|(call, ..)| (call, now, expires_at));
        });
        self.journal.values_mut().for_each(|entry| (entry.at, entry.event) = (now, Event::Purchased(0)));
    }

    /// Assigns the calls of an owner to the lost owner.
    pub(super) fn lose_owner(&mut self, owner: OwnerId) {
        let calls = self.calls.values_mut().filter(|call| call.owner == owner);
        calls.for_each(|call| call.owner = LOST);
    }

    /// Makes all times older.
    pub(super) fn age(&mut self, age: impl Fn(&mut u64)) {
        self.account.book.age(&age);
        let age = |time: &mut u64| {
            if *time > 0 {
                age(time);
            }
        };
        for call in self.calls.values_mut() {
            age(&mut call.claimed_at);
            age(&mut call.send_by);
        }
    }
}
