//! The rows that a store knows after its last transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tgscan_core::store::{AccountRow, Call, CallId, Changes, Loaded, Needs, OwnerId, QuestionRow};

use super::{hash, millis, signed, unsigned};

/// How long the server's time is known after a transaction, because clocks differ in speed.
const CLOCK: Duration = Duration::from_secs(60);
/// The largest difference between the known and the server's time, in milliseconds. It changes the times of claims,
/// settlements and limits; comparisons and uncertain attempts use the server's time.
const DIFFERENCE: i64 = 1000;

/// A version of an account's row.
pub(super) struct Version {
    /// The transaction that wrote it.
    pub(super) writer: String,
    /// The server's time when it was loaded or written.
    pub(super) at: i64,
    /// A time in this process that is not later than `at`.
    pub(super) since: Instant,
}

/// The account and its calls in flight of this store, as of the store's last transaction. The next transaction on the
/// account then needs no load. Its write checks that nothing has changed since.
pub(super) struct Known {
    /// The connection to the server that wrote the rows. After a failover, another server may repeat the transaction's number.
    pub(super) connection: u64,
    pub(super) version: Version,
    row: AccountRow,
    calls: BTreeMap<CallId, Call>,
    /// The questions of these calls.
    questions: BTreeMap<String, QuestionRow>,
    /// Whether the last question was new, so that the next one probably is.
    expects_new: bool,
}

/// The assumptions of a transaction without a load.
pub(super) struct Assumed {
    /// The transaction that wrote the account's row.
    pub(super) writer: String,
    pub(super) owner: i64,
    /// The least remaining time of the owner's lease, in milliseconds.
    pub(super) lease: i64,
    /// The keys of new questions.
    pub(super) keys: Vec<Vec<u8>>,
    /// The server's time.
    pub(super) from: i64,
    pub(super) until: i64,
}

impl Known {
    /// Returns the known rows after a transaction that wrote `changes`. `earlier` are those before it; `are_new` is
    /// whether its questions were new.
    pub(super) fn after(
        connection: u64,
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
        let expects_new = are_new.unwrap_or(expects_new);
        Some(Self { connection, version, row: changes.account?, calls, questions, expects_new })
    }

    /// Returns the needed rows, and the assumptions under which they are complete: unknown questions are new. `None` if
    /// a load is necessary.
    pub(super) fn load(&self, needs: &Needs, owner: OwnerId, lease: i64) -> Option<(Loaded, Assumed)> {
        let elapsed = self.version.since.elapsed();
        let may_be_new = self.expects_new || needs.questions.is_empty();
        if elapsed > CLOCK
            || needs.exact_time
            || needs.unresolved
            || !needs.journal.is_empty()
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
        let assumed = Assumed {
            writer: self.version.writer.clone(),
            owner: signed(owner),
            lease,
            keys: needs.questions.iter().map(|key| hash(key)).collect(),
            from: now.saturating_sub(DIFFERENCE),
            until: now.saturating_add(DIFFERENCE),
        };
        Some((loaded, assumed))
    }
}
