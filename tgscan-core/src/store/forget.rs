//! Removes questions and answers from an account.

use super::CallId;
use super::decide::Work;

impl Work {
    /// Removes a free call.
    pub(super) fn remove(&mut self, id: CallId) {
        self.forget(id);
        self.calls.remove(&id);
    }

    /// Removes question and answer of a call, but keeps its cost. Returns whether it was answered.
    pub(super) fn forget(&mut self, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        // A call without an answer may have the response of its last attempt.
        let (is_answered, has_response) = (call.is_answered, call.ended_at.is_some());
        call.people.clear();
        if let Some(question) = call.question.take() {
            let row = self.questions.entry(question.key()).or_default();
            row.unblock(call);
            row.answered = row.answered.filter(|(answered, ..)| *answered != id);
        }
        if has_response {
            self.answers.insert(id, None);
        }
        is_answered
    }

    /// Limits the expiry of a call to `keep_for` milliseconds after its end, or after now if a wrong clock recorded a later end.
    pub(super) fn recheck(&mut self, id: CallId, keep_for: u64) {
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
