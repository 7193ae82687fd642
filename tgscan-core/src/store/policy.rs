//! How a client uses its store.

use std::time::Duration;

use super::{ClaimRequest, Question, StoreCap};

/// How a client uses its store: whose account pays, how old answers may be, how long they are kept, and a cap.
///
/// ```
/// use std::time::Duration;
/// use tgscan_core::{Reserve, store::StorePolicy};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// let policy = StorePolicy::new("main", 7 * DAY, 30 * DAY).with_cap(500, Reserve::PerCall(2));
/// ```
#[derive(Clone, Debug)]
pub struct StorePolicy {
    account: String,
    max_age: Duration,
    keep_for: Duration,
    cap: Option<StoreCap>,
    pay_again_after: Option<Duration>,
}

/// Which answers a call accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// A stored one that is young enough, else a new one.
    #[default]
    StoredOrNew,
    /// A new one, also if one is stored. A call with the same question that is in flight already is joined.
    New,
    /// A stored one that is young enough, else [`StoreRefusal::NotStored`](super::StoreRefusal::NotStored).
    Stored,
}

impl StorePolicy {
    /// Creates a policy without a cap.
    ///
    /// `account` labels the account whose credits are spent, so that accounts in one store never mix: give the same
    /// label wherever the same account is used. `max_age` is how old a stored answer may be to be used; `keep_for` how
    /// long questions and answers are kept at all.
    pub fn new(account: impl Into<String>, max_age: Duration, keep_for: Duration) -> Self {
        Self { account: account.into(), max_age, keep_for, cap: None, pay_again_after: None }
    }

    /// Refuses calls that could pass `credits`, counted over everyone who shares this account in the store, since the
    /// store was created. Holds as [`Ledger::with_cap`](crate::Ledger::with_cap) says, across processes and restarts.
    #[must_use]
    pub fn with_cap(mut self, credits: u64, reserve: crate::Reserve) -> Self {
        self.cap = Some(StoreCap { credits, reserve });
        self
    }

    /// Sends a question again whose earlier call has been uncertain for at least `age`: **it may be paid for twice**.
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

    /// A request for a question, by a caller who has waited this long for an answer of somebody else's call.
    pub(super) fn request(
        &self,
        question: Question,
        lookup: Lookup,
        waited: Option<Duration>,
    ) -> ClaimRequest {
        let max_age = self.max_age.min(self.keep_for);
        ClaimRequest {
            question,
            max_age: match lookup {
                Lookup::StoredOrNew | Lookup::Stored => Some(waited.unwrap_or_default().max(max_age)),
                // What came while it was waited for is new.
                Lookup::New => waited,
            },
            keep_for: self.keep_for,
            stored_only: lookup == Lookup::Stored,
            cap: self.cap,
            pay_again_after: self.pay_again_after,
        }
    }
}
