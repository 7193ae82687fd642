//! A minimal store in memory.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

use super::fingerprint;
use crate::store::{
    AccountRow, Call, CallId, Changes, JournalEntry, Loaded, Needs, OwnerId, Question, QuestionRow,
};

#[derive(Clone, Debug, Default, Hash)]
pub(in crate::store) struct Tables {
    pub(in crate::store) account: AccountRow,
    pub(in crate::store) calls: BTreeMap<CallId, Call>,
    pub(in crate::store) questions: BTreeMap<String, QuestionRow>,
    pub(in crate::store) answers: BTreeSet<CallId>,
    pub(super) journal: BTreeMap<u64, JournalEntry>,
}

/// Copy-on-write tables, with a cached fingerprint.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Rc<(Tables, OnceCell<u64>)>);

impl Shared {
    pub(super) fn edit(&mut self) -> &mut Tables {
        let (tables, known) = Rc::make_mut(&mut self.0);
        known.take();
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
    /// Loads rows for an owner. Calls in flight of owners that are neither this one nor alive are lost.
    pub(in crate::store) fn load(
        &self,
        needs: &Needs,
        owner: OwnerId,
        now: u64,
        is_alive: impl Fn(OwnerId) -> bool,
    ) -> Loaded {
        let mut loaded = Loaded { now, owner, account: self.account.clone(), ..Loaded::default() };
        let questions = needs.questions.iter().filter_map(|key| self.questions.get(key));
        let mut ids: BTreeSet<CallId> = needs.calls.iter().copied().collect();
        ids.extend(questions.filter_map(|row| row.blocking));
        for call in self.calls.values() {
            if call.entry.is_in_flight() && call.owner != owner && !is_alive(call.owner) {
                loaded.lost.push(call.id);
            }
            ids.extend((needs.unresolved && call.is_unresolved()).then_some(call.id));
        }
        ids.extend(&loaded.lost);
        loaded.calls = ids.iter().filter_map(|id| self.calls.get(id).cloned()).collect();
        let of_calls = loaded.calls.iter().filter_map(|call| call.question.as_ref().map(Question::key));
        let keys: BTreeSet<String> = of_calls.chain(needs.questions.iter().cloned()).collect();
        let row = |key: String| self.questions.get(&key).cloned().map(|row| (key, row));
        loaded.questions = keys.into_iter().filter_map(row).collect();
        let entry = |number: &u64| self.journal.get(number).map(|entry| (*number, entry.clone()));
        loaded.journal = needs.journal.iter().filter_map(entry).collect();
        loaded
    }

    pub(in crate::store) fn write(&mut self, changes: Changes) {
        let Some(row) = changes.account else { return };
        self.account = row;
        for (key, row) in changes.questions {
            self.questions.remove(&key);
            self.questions.extend(row.map(|row| (key, row)));
        }
        for (before, after) in changes.calls {
            if let (Some(removed), None) = (before, &after) {
                self.calls.remove(&removed.id);
                self.answers.remove(&removed.id);
            }
            self.calls.extend(after.map(|call| (call.id, call)));
        }
        for (id, answer) in changes.answers {
            self.answers.remove(&id);
            self.answers.extend(answer.map(|_| id));
        }
        self.journal.extend(changes.journal);
    }
}
