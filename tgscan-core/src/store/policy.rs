//! The options of a client's store.

use std::time::Duration;

/// The minimum time that answers are kept, so that concurrent callers of a question get its answer.
const MIN_KEEP_FOR: Duration = Duration::from_secs(60);

/// The options of a client's store: the account, the maximum age of answers, and how long they are kept.
///
/// ```
/// use std::time::Duration;
/// use tgscan_core::store::StorePolicy;
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// let policy = StorePolicy::new("main", 7 * DAY, 30 * DAY);
/// ```
#[derive(Clone, Debug)]
pub struct StorePolicy {
    pub(crate) account: String,
    pub(crate) max_age: Duration,
    pub(crate) keep_for: Duration,
    pub(crate) pay_again_after: Option<Duration>,
}

/// The answers that a call accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// A stored answer if it is recent enough, or else a new answer.
    #[default]
    StoredOrNew,
    /// A new answer, even if one is stored. If a call with the same question is in flight, its answer counts as new.
    New,
    /// A stored answer if it is recent enough, or else [`StoreRefusal::NotStored`](super::StoreRefusal::NotStored).
    Stored,
}

impl StorePolicy {
    /// Creates a policy.
    ///
    /// `account` is a label for the account whose credits are spent; use a different label for each account in a store.
    /// `max_age` is the maximum age of stored answers that calls accept. `keep_for` is how long questions and answers
    /// are kept after the end of a call; the minimum is one minute.
    pub fn new(account: impl Into<String>, max_age: Duration, keep_for: Duration) -> Self {
        Self { account: account.into(), max_age, keep_for: keep_for.max(MIN_KEEP_FOR), pay_again_after: None }
    }

    /// Allows sending a question again if the earlier call that blocks it has ended and was claimed at least `age` ago.
    /// This applies to uncertain calls, and to calls that were charged but not answered. **This may pay twice.**
    /// Default: never.
    #[must_use]
    pub fn pay_again_after(mut self, age: Duration) -> Self {
        self.pay_again_after = Some(age);
        self
    }

    /// Returns the account's label.
    pub fn account(&self) -> &str {
        &self.account
    }
}
