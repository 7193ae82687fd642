//! What a store keeps, as tables: the logic works on them, whatever they are made of.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tgscan_core::Credits;
use tgscan_core::store::{AccountBook, BillRow, CallId, CallState, Question, StoredAnswer, StoredCall};

/// One claimed call. Short names on disk, where there are many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(rename = "a")]
    pub(crate) account: String,
    #[serde(rename = "l")]
    pub(crate) is_live: bool,
    #[serde(rename = "m")]
    pub(crate) method: String,
    /// The form; `None` once it expired or was erased.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<String>,
    /// In milliseconds since 1970.
    #[serde(rename = "t")]
    pub(crate) claimed_at: u64,
    #[serde(rename = "e")]
    pub(crate) expires_at: u64,
    #[serde(rename = "s")]
    pub(crate) state: State,
    #[serde(rename = "c")]
    pub(crate) charged: u64,
    /// The call before this one with the same question.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<CallId>,
}

/// [`CallState`], in a form that is written to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    InFlight,
    Answered,
    AnsweredUncertain,
    Uncertain,
    Unanswered,
    Settled,
}

/// What came back.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    /// As its row says, which then need not be read.
    pub(crate) expires_at: u64,
    pub(crate) credits: Credits,
    pub(crate) body: Bytes,
}

/// What finding a stored answer reads.
pub(crate) trait Reads {
    type Error;

    /// The last call with a question, by [`Question::key`].
    fn holder(&mut self, key: &[u8]) -> Result<Option<CallId>, Self::Error>;
    fn row(&mut self, call: CallId) -> Result<Option<Row>, Self::Error>;
    fn answer(&mut self, call: CallId) -> Result<Option<Answer>, Self::Error>;
}

/// The tables of a store, within one transaction: all that is changed becomes durable together, or not at all.
pub(crate) trait Tables: Reads {
    /// Returns an id above all earlier ones, which is never used again.
    fn next_id(&mut self) -> Result<CallId, Self::Error>;

    fn set_holder(&mut self, key: &[u8], call: Option<CallId>) -> Result<(), Self::Error>;

    fn set_row(&mut self, call: CallId, row: Option<&Row>) -> Result<(), Self::Error>;
    /// Up to `limit` rows above `after`, ascending.
    fn rows(&mut self, after: CallId, limit: usize) -> Result<Vec<(CallId, Row)>, Self::Error>;

    fn set_answer(&mut self, call: CallId, answer: Option<&Answer>) -> Result<(), Self::Error>;

    /// The calls that are neither answered at a known cost nor settled, ascending.
    fn open(&mut self) -> Result<Vec<CallId>, Self::Error>;
    fn set_open(&mut self, call: CallId, is_open: bool) -> Result<(), Self::Error>;

    /// Up to `limit` calls whose time was over at `now`, the earliest first.
    fn expired(&mut self, now: u64, limit: usize) -> Result<Vec<(u64, CallId)>, Self::Error>;
    fn set_expiry(&mut self, at: u64, call: CallId, is_due: bool) -> Result<(), Self::Error>;

    fn book(&mut self, account: &str) -> Result<AccountBook, Self::Error>;
    fn set_book(&mut self, account: &str, book: &AccountBook) -> Result<(), Self::Error>;

    /// Adds to a row of the bill, which goes when it has no calls.
    fn add_to_bill(
        &mut self,
        account: &str,
        day: i64,
        method: &str,
        calls: i64,
        charged: i64,
    ) -> Result<(), Self::Error>;
    fn bill(&mut self) -> Result<Vec<BillRow>, Self::Error>;
}

impl Row {
    pub(crate) fn question(&self) -> Option<Question> {
        let form = self.form.as_ref()?;
        Some(Question::new(&self.account, self.is_live, &self.method, form))
    }

    pub(crate) fn day(&self) -> i64 {
        i64::try_from(self.claimed_at / (24 * 60 * 60 * 1000)).unwrap_or(i64::MAX)
    }

    /// The call as callers see it, without its answer.
    pub(crate) fn call(&self, id: CallId) -> StoredCall {
        let claimed_at = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.claimed_at))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let mut call =
            StoredCall::new(id, &self.account, &self.method, claimed_at, self.state.into(), self.charged);
        call.question = self.question();
        call
    }
}

impl Answer {
    pub(crate) fn stored(self, now: u64) -> StoredAnswer {
        let age = Duration::from_millis(now.saturating_sub(self.at));
        StoredAnswer::new(self.status, self.body, self.credits, age)
    }
}

impl State {
    /// Whether something about the call is still to come.
    pub(crate) fn is_open(self) -> bool {
        !matches!(self, Self::Answered | Self::Settled)
    }

    /// Whether the call keeps its question taken as long as it has no answer.
    pub(crate) fn is_standing(self) -> bool {
        self == Self::InFlight || self.is_unanswered()
    }

    /// Whether the call ended without an answer, and keeps its question taken.
    pub(crate) fn is_unanswered(self) -> bool {
        matches!(self, Self::Uncertain | Self::Unanswered)
    }
}

impl From<State> for CallState {
    fn from(state: State) -> Self {
        match state {
            State::InFlight => Self::InFlight,
            State::Answered => Self::Answered,
            State::AnsweredUncertain => Self::AnsweredUncertain,
            State::Uncertain => Self::Uncertain,
            State::Unanswered => Self::Unanswered,
            State::Settled => Self::Settled,
        }
    }
}

impl From<CallState> for State {
    fn from(state: CallState) -> Self {
        match state {
            CallState::InFlight => Self::InFlight,
            CallState::Answered => Self::Answered,
            CallState::AnsweredUncertain => Self::AnsweredUncertain,
            CallState::Unanswered => Self::Unanswered,
            CallState::Settled => Self::Settled,
            // What is not known here may have been charged.
            _ => Self::Uncertain,
        }
    }
}
