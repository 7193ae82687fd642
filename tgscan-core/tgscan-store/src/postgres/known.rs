//! The rows that a store knows after its last transaction on an account.

use std::collections::BTreeMap;
use std::time::Duration;

use tgscan_core::store::{AccountRow, Call, CallId, Changes, Loaded, Needs, OwnerId, QuestionRow};

use super::conditions::{Assumed, Unchanged, Version};
use super::{hash, millis, unsigned};

/// How long the server's time is known after a transaction, because clocks differ in speed.
const CLOCK: Duration = Duration::from_secs(60);
/// The largest difference between the known and the server's time, in milliseconds. It changes the times of claims,
/// settlements and limits; comparisons and uncertain attempts use the server's time.
const DIFFERENCE: i64 = 1000;

/// The account and its calls in flight of this store, as of the store's last transaction. The next transaction on the
/// account then needs no load. Its write checks that nothing has changed since.
pub(super) struct Known {
    version: Version,
    row: AccountRow,
    calls: BTreeMap<CallId, Call>,
    /// The questions of these calls.
    questions: BTreeMap<String, QuestionRow>,
    /// Whether the last question was new, so that the next one probably is.
    expects_new: bool,
}

impl Known {
    /// Returns the known rows after a transaction that wrote `changes`. `earlier` are those before it; `are_new` is
    /// whether its questions were new.
    pub(super) fn after(
        changes: Changes,
        version: Version,
        earlier: Option<Self>,
        are_new: Option<bool>,
    ) -> Option<Self> {
        let (mut calls, mut questions, expects_new) = match earlier {
            Some(known) => (known.calls, known.questions, known.expects_new),
            None => (BTreeMap::new(), BTreeMap::new(), true),
        };
        for (before, after) in changes.calls {
            if let Some(call) = after.filter(|call| call.entry.is_in_flight()) {
                calls.insert(call.id, call);
            } else if let Some(ended) = before {
                calls.remove(&ended.id);
                questions.remove(&ended.question.map(|question| question.key()).unwrap_or_default());
            }
        }
        for (key, row) in changes.questions {
            // An erased question is removed while its call is in flight.
            match row.filter(|row| row.blocking.is_some_and(|id| calls.contains_key(&id))) {
                Some(row) => questions.insert(key, row),
                None => questions.remove(&key),
            };
        }
        Some(Self {
            version,
            row: changes.account?,
            calls,
            questions,
            expects_new: are_new.unwrap_or(expects_new),
        })
    }

    /// Returns the needed rows, and the conditions under which they are complete: unknown questions must be new. `None`
    /// if a load is necessary.
    pub(super) fn load(&self, needs: &Needs, owner: OwnerId, lease: i64) -> Option<(Loaded, Assumed)> {
        let elapsed = self.version.since.elapsed();
        let may_be_new = self.expects_new || needs.questions.is_empty();
        if elapsed > CLOCK
            || needs.exact_time
            || !may_be_new
            || needs.questions.iter().any(|key| self.questions.contains_key(key))
        {
            return None;
        }
        let now = self.version.at.saturating_add(millis(elapsed));
        let mut loaded = Loaded { now: unsigned(now), owner, account: self.row.clone(), ..Loaded::default() };
        for id in &needs.calls {
            let call = self.calls.get(id)?;
            if let Some(question) = &call.question {
                let key = question.key();
                let row = self.questions.get(&key)?.clone();
                loaded.questions.push((key, row));
            }
            loaded.calls.push(call.clone());
        }
        let keys = needs.questions.iter().map(|key| hash(key)).collect();
        Some((loaded, Assumed { owner, lease, keys, now }))
    }

    /// Returns the conditions of a write of changes to the loaded rows.
    pub(super) fn unchanged(&self, assumed: Assumed) -> Unchanged<'_> {
        Unchanged {
            writer: &self.version.writer,
            from: assumed.now.saturating_sub(DIFFERENCE),
            until: assumed.now.saturating_add(DIFFERENCE),
            assumed: Some(assumed),
        }
    }

    /// Returns whether the version is the one after the store's last transaction.
    pub(super) fn is_of(&self, version: &Version) -> bool {
        self.version.writer == version.writer
    }
}
