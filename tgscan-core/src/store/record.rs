//! The rows of a store.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{AccountRow, Question, StoreError};
use crate::account::{CLOCK_SLACK, Entry, JointResolution};
use crate::{Credits, Outcome};

/// A row of a table, which a store keeps as JSON.
pub trait Row: Serialize + DeserializeOwned {
    /// Serialises the row.
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("derived types without maps always serialise")
    }

    /// Parses a stored row. Use [`Call::from_bytes`] for a call, whose id is not part of its row.
    ///
    /// # Errors
    /// If the bytes are damaged.
    fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes)
            .map_err(|_| StoreError::new("a row of the store is damaged; restore it from a backup"))
    }
}

impl Row for AccountRow {}
impl Row for Call {}
impl Row for QuestionRow {}
impl Row for JournalEntry {}

/// The id of a call, unique in its account and ascending in the order of claims.
pub type CallId = u64;

/// The unique id of an owner of claims: an open store.
pub type OwnerId = u64;

/// The row of a claimed call, stored in the form of [`Row::to_bytes`].
///
/// Times are milliseconds since 1970 by the store's clock.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Call {
    /// The id of the call; not part of [`Row::to_bytes`].
    #[serde(skip)]
    pub id: CallId,
    /// The call's entry in the account's book.
    #[serde(rename = "e")]
    pub entry: Entry,
    /// The question; `None` after it expired or was erased, and for a charged call of a free method.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
    /// The owner of the claim.
    #[serde(rename = "o")]
    pub owner: OwnerId,
    /// Identifies the claim if its transaction runs twice.
    #[serde(rename = "t")]
    pub(crate) token: (OwnerId, u64),
    /// The time of the claim.
    #[serde(rename = "c")]
    pub claimed_at: u64,
    /// The latest start of an attempt without a renewal.
    #[serde(rename = "s")]
    pub(crate) send_by: u64,
    /// How long question and answer are kept after the end of the call, in milliseconds.
    #[serde(rename = "k")]
    pub(crate) keep_for: u64,
    /// The time at which question and answer expire.
    #[serde(rename = "x")]
    pub expires_at: u64,
    /// The time of the settlement, or of the loss of the owner; `None` while the call is in flight.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    /// Whether the response answers the question.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_answered: bool,
    /// Whether the call was resolved by a comparison or by hand, so that its question may be asked again.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_resolved: bool,
    /// The people that question and answer name: usernames in lower case, and ids.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

/// The state of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallState {
    /// The call has not ended.
    InFlight,
    /// The call was answered.
    Answered,
    /// The call ended without an answer, and may have been charged. It blocks its question.
    Uncertain,
    /// The call was charged but not answered. It blocks its question until it is resolved by hand.
    Unanswered,
    /// The call ended without an answer, and its cost was resolved by a comparison or by hand.
    Resolved,
}

impl Call {
    pub(crate) fn new(id: CallId, owner: OwnerId, token: (OwnerId, u64), now: u64) -> Self {
        Self {
            id,
            entry: Entry::default(),
            question: None,
            owner,
            token,
            claimed_at: now,
            send_by: now,
            keep_for: 0,
            expires_at: now,
            ended_at: None,
            is_answered: false,
            is_resolved: false,
            people: Vec::new(),
        }
    }

    /// Returns the state of the call.
    pub fn state(&self) -> CallState {
        if self.entry.is_in_flight() {
            CallState::InFlight
        } else if self.is_answered {
            CallState::Answered
        } else if self.is_resolved {
            CallState::Resolved
        } else if self.entry.is_uncertain() {
            CallState::Uncertain
        } else {
            CallState::Unanswered
        }
    }

    /// Returns whether the call prevents its question from being asked again.
    pub fn blocks_question(&self) -> bool {
        matches!(self.state(), CallState::InFlight | CallState::Uncertain | CallState::Unanswered)
    }

    /// Returns whether the call ended and may have been charged, or was charged but not answered. A store keeps an
    /// index of these calls.
    pub fn is_unresolved(&self) -> bool {
        self.entry.is_uncertain() || self.state() == CallState::Unanswered
    }

    /// Returns when question and answer are due for removal, in milliseconds since 1970; `None` if they are removed, or
    /// while the call blocks its question. A store keeps an index of this time.
    pub fn due_at(&self) -> Option<u64> {
        (self.question.is_some() && !self.blocks_question()).then_some(self.expires_at)
    }

    /// Returns the time of the claim.
    pub fn claimed_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.claimed_at))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Parses a stored call.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub fn from_bytes(id: CallId, bytes: &[u8]) -> Result<Self, StoreError> {
        let row = Row::from_bytes(bytes).map_err(|_| damaged(id))?;
        Ok(Self { id, ..row })
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("state", &self.state())
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// The row of a question, by the question's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuestionRow {
    /// The call that blocks the question, or the last one that did.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub blocking: Option<CallId>,
    /// The latest answered call, the time of its answer, and the time at which the answer expires, both in milliseconds
    /// since 1970.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<(CallId, u64, u64)>,
    /// The calls that blocked the question before [`blocking`](Self::blocking), which replaced them as a policy allowed. Those
    /// that are still uncertain block the question again when the later ones no longer do.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) earlier: Vec<CallId>,
}

impl QuestionRow {
    /// Removes a call that no longer blocks the question.
    pub(crate) fn unblock(&mut self, call: CallId) {
        self.earlier.retain(|earlier| *earlier != call);
        if self.blocking == Some(call) {
            self.blocking = self.earlier.pop();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocking.is_none() && self.answered.is_none()
    }

    /// Returns the age of the latest answer, if it may be used. Ignores an answer from the future, which a wrong clock
    /// stored.
    pub(crate) fn age(&self, now: u64) -> Option<Duration> {
        let (_, at, expires_at) = self.answered?;
        (at <= now.saturating_add(CLOCK_SLACK) && now < expires_at)
            .then(|| Duration::from_millis(now.saturating_sub(at)))
    }
}

/// A stored response.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, exactly as received.
    pub body: Bytes,
    /// The cost of the answer.
    pub credits: Credits,
    /// The time at which it was stored, in milliseconds since 1970.
    pub at: u64,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .field("credits", &self.credits)
            .field("at", &self.at)
            .finish()
    }
}

/// An entry of an account's journal, which records all changes to its book except those by calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The time, in milliseconds since 1970.
    pub at: u64,
    /// The change.
    pub event: Event,
    /// The calls that a comparison resolved together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joint: Option<JointResolution>,
}

/// A change of a book.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A comparison with the balance.
    Compared {
        /// The balance, in credits.
        balance: i64,
        /// The result of the comparison.
        outcome: Outcome,
    },
    /// A purchase of this number of credits.
    Purchased(u64),
    /// A call was resolved or corrected by hand.
    Resolved {
        /// The call.
        call: CallId,
        /// The credits that were booked as charged before.
        was: u64,
        /// The new cost, in credits.
        is: u64,
    },
    /// The price of an API method was replaced by hand.
    Priced {
        /// The API method.
        method: String,
        /// The old price.
        was: Option<u64>,
        /// The new price.
        is: Option<u64>,
    },
}

impl JournalEntry {
    /// Returns the total cost of the calls that a comparison resolved together; 0 if the cost of each is known.
    pub fn shared_credits(&self) -> u64 {
        self.joint.as_ref().map_or(0, JointResolution::credits)
    }
}

/// The calls of one API method on one day, and their cost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BillRow {
    /// The day on which the calls were claimed (in UTC), as `YYYY-MM-DD`.
    pub date: String,
    /// The API method; empty for the total cost of calls that a comparison resolved together.
    pub method: String,
    /// The number of calls, except those that ended as not charged; 0 if `method` is empty.
    pub calls: u64,
    /// The credits that were certainly charged.
    pub charged: u64,
}

/// Returns the date of a time in milliseconds since 1970.
pub(crate) fn date(time: u64) -> String {
    let (year, month, day) = tgscan_types::civil_of_day(time / (24 * 60 * 60 * 1000));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The result of erasing a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// The number of removed questions: those about the person, and those whose answers name the person.
    pub questions: u64,
    /// The number of removed answers.
    pub answers: u64,
}

/// Returns the error of operations on a call whose row is damaged.
pub(crate) fn damaged(call: CallId) -> StoreError {
    StoreError::new(format!("the row of call {call} is damaged; restore it from a backup"))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
