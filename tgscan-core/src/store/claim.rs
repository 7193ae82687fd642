//! What is asked of a store, and what it answers.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{Question, StoreCap, StoreCapReached};
use crate::Credits;

/// Names one claimed call. Never used again, and ascending in the order of claims.
pub type CallId = u64;

/// Asks to send a question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The question.
    pub question: Question,
    /// How old a stored answer may be at most; `None` accepts none.
    pub max_age: Option<Duration>,
    /// How long the question and its answer may be kept from now on.
    pub keep_for: Duration,
    /// Whether to return a stored answer or nothing: such a request is never granted.
    pub stored_only: bool,
    /// The cap for all who share the account in this store.
    pub cap: Option<StoreCap>,
    /// Grants a question whose earlier call has been uncertain for at least this long, which **may pay twice**. `None`
    /// never does.
    pub pay_again_after: Option<Duration>,
}

impl ClaimRequest {
    /// Creates a request that accepts any stored answer and has no cap.
    pub fn new(question: Question, keep_for: Duration) -> Self {
        Self {
            question,
            max_age: Some(Duration::MAX),
            keep_for,
            stored_only: false,
            cap: None,
            pay_again_after: None,
        }
    }
}

/// What a store says to a [`ClaimRequest`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Claim {
    /// The question may be sent, by whoever asked. The call must be settled or abandoned.
    Granted(CallId),
    /// The answer is known; nothing is sent.
    Stored(StoredAnswer),
    /// Another call with this question is in flight. Wait, then ask again.
    InFlight {
        /// How long it has been.
        age: Duration,
    },
    /// An earlier call with this question may have been charged, and brought no answer. Nothing is sent.
    Uncertain {
        /// That call.
        call: CallId,
        /// How long ago it was claimed.
        age: Duration,
        /// What it cost, if that is known.
        charged: Option<u64>,
    },
    /// The cap leaves no room.
    CapReached(StoreCapReached),
    /// Only a stored answer was asked for, and there is none.
    NotStored,
}

/// An answer that was paid for earlier.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, byte for byte as it came.
    pub body: Bytes,
    /// What it cost then.
    pub credits: Credits,
    /// How long ago it was stored.
    pub age: Duration,
}

impl StoredAnswer {
    /// Creates an answer from its parts.
    pub fn new(status: u16, body: Bytes, credits: Credits, age: Duration) -> Self {
        Self { status, body, credits, age }
    }
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .field("credits", &self.credits)
            .field("age", &self.age)
            .finish()
    }
}

/// How a claimed call ended.
#[derive(Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It was answered: keep the response. That includes answers that do not fit the schema.
    Answered {
        /// HTTP status.
        status: u16,
        /// The body, byte for byte as it came.
        body: Bytes,
        /// What it cost.
        credits: Credits,
    },
    /// It certainly cost nothing and brought no answer: the claim is gone, and the question free.
    NotCharged,
    /// It brought no answer, and may have been charged: the question stays taken. The credits, if they are known.
    Unanswered(Option<u64>),
}

impl Settlement {
    /// How a call without an answer ended, by its cost.
    pub fn without_answer(credits: Credits) -> Self {
        match credits {
            Credits::NotCharged => Self::NotCharged,
            Credits::Charged(credits) => Self::Unanswered(Some(credits)),
            Credits::Uncertain => Self::Unanswered(None),
        }
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, body, credits } => f
                .debug_struct("Answered")
                .field("status", status)
                .field("bytes", &body.len())
                .field("credits", credits)
                .finish(),
            Self::NotCharged => f.write_str("NotCharged"),
            Self::Unanswered(credits) => f.debug_tuple("Unanswered").field(credits).finish(),
        }
    }
}
