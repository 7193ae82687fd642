//! Removes questions and answers from an account.

use super::decide::Work;
use super::operation::Done;
use super::record::damaged;
use super::{Call, CallId, Erased, Question};

impl Work {
    /// Removes a free call.
    pub(super) fn remove(&mut self, id: CallId) {
        self.forget(id);
        self.calls.remove(&id);
    }

    /// Removes questions and answers of calls: all, or those that are due.
    pub(super) fn remove_all(&mut self, calls: &[CallId], is_erasing: bool) -> Done {
        let now = self.loaded.now;
        let is_damaged = |call: &Call| {
            let key = call.question.as_ref().map(Question::key);
            key.is_some_and(|key| self.loaded.damaged_questions.contains(&key))
        };
        let calls = calls.iter().filter_map(|id| self.calls.get(id)).filter(|call| call.question.is_some());
        let (kept, calls): (Vec<_>, Vec<_>) = calls.partition(|call| is_damaged(call));
        if let (true, Some(call)) = (is_erasing, kept.first()) {
            return Done::Damaged(damaged(call.id));
        }
        let is_due = |call: &&Call| is_erasing || call.due_at().is_some_and(|due| due <= now);
        let ids: Vec<CallId> = calls.into_iter().filter(is_due).map(|call| call.id).collect();
        let answers = ids.iter().filter(|id| self.forget(**id)).count() as u64;
        let removed = Erased { questions: ids.len() as u64, answers };
        Done::Removed(removed)
    }

    /// Removes question and answer of a call, but keeps its cost. Returns whether it was answered.
    pub(super) fn forget(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        // A call without an answer may have the response of its last attempt.
        let (is_answered, has_response) = (call.is_answered, call.ended_at.is_some());
        call.people.clear();
        if let Some(question) = call.question.take() {
            let row = self.questions.entry(question.key()).or_default();
            row.unblock(id);
            row.answered = row.answered.filter(|(answered, ..)| *answered != id);
        }
        if has_response {
            self.answers.insert(id, None);
        }
        is_answered
    }

    /// Limits the expiry of calls. `is_last` marks the account's last calls.
    pub(super) fn limit_expiry(&mut self, calls: &[CallId], keep_for: u64, is_last: bool) -> Done {
        for id in calls {
            self.recheck(*id, keep_for);
        }
        if is_last {
            (self.row.keep_for, self.row.clock) = (keep_for, self.loaded.now);
        }
        Done::Booked
    }

    /// Limits the expiry of a call to `keep_for` milliseconds after its end, or after now if a wrong clock recorded a later end.
    fn recheck(&mut self, id: CallId, keep_for: u64) {
        let now = self.loaded.now;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let base = call.ended_at.unwrap_or(call.claimed_at).min(now);
        call.keep_for = call.keep_for.min(keep_for);
        call.expires_at = call.expires_at.min(base.saturating_add(call.keep_for));
        let expires_at = call.expires_at;
        if let Some(row) = call.question.as_ref().and_then(|question| self.questions.get_mut(&question.key()))
        {
            row.answered = row.answered.map(|(answered, at, expires)| {
                (answered, at, if answered == id { expires_at } else { expires })
            });
        }
    }
}
