//! A successful answer, with everything that came with it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use crate::Credits;
use crate::error::{ReadError, read_json};
use crate::store::StoreError;

/// A successful call: the answer, what it cost, and the raw response.
///
/// `Debug` shows sizes and costs, never the answer's data.
///
/// The response may share memory with the buffer that its transport read it into, which is larger. Where many are kept
/// for long, keep their [`answer`](Self::answer)s. Cloning copies the answer, and shares the response's body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply<A> {
    /// The answer.
    pub answer: A,
    /// What the attempt that brought this answer cost. Earlier ones took nothing, unless
    /// [`RetryPolicy::resend_uncertain`](crate::RetryPolicy::resend_uncertain) is on: then a free answer after an
    /// uncertain attempt is [`Credits::Uncertain`], and a charged one may have been paid for twice.
    pub credits: Credits,
    /// How often the request was passed to the transport.
    pub attempts: u32,
    is_mismatched: bool,
    // Boxed, because a reply is moved, and small without it.
    storage: Option<Box<Storage>>,
    response: Response<Bytes>,
}

/// What a store has to do with a reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Storage {
    /// The answer is new, and the store has it now.
    Stored,
    /// The answer is new, and the store failed to keep it: **asked again, it may be paid for again.** The store has the
    /// call as uncertain.
    NotStored(StoreError),
    /// The answer came from the store and cost nothing.
    Cached {
        /// How old it is.
        age: Duration,
        /// What it cost when it was new.
        credits: Credits,
    },
}

impl<A> Reply<A> {
    pub(crate) fn new(answer: A, credits: Credits, is_mismatched: bool, response: Response<Bytes>) -> Self {
        Self { answer, credits, attempts: 1, is_mismatched, storage: None, response }
    }

    /// Returns whether the answer echoes another query than the one that was sent: it may be **somebody else's data**,
    /// as behind a gateway that sends answers twice or mixes them up. Do not store it under this query. Its cost is
    /// that of the answer that came.
    ///
    /// Compared without regard to case, a leading `@` and order; an answer without an echo, and one of a test method,
    /// whose data are random, is never mismatched. Assumption: the service echoes the query as it was sent, as the name
    /// `search_query` says.
    pub fn is_mismatched(&self) -> bool {
        self.is_mismatched
    }

    /// Returns what the client's [`Store`](crate::store::Store) has to do with this reply; `None` without a store, and for
    /// calls that do not go through it: free ones, and answers to another question.
    pub fn storage(&self) -> Option<&Storage> {
        self.storage.as_deref()
    }

    /// The reply as one that comes from the store: nothing was sent or charged.
    pub(crate) fn into_stored(mut self, storage: Storage) -> Self {
        self.credits = Credits::NotCharged;
        self.attempts = 0;
        self.stored(storage)
    }

    pub(crate) fn stored(mut self, storage: Storage) -> Self {
        self.storage = Some(Box::new(storage));
        self
    }

    /// Returns status, HTTP version, headers and raw body, exactly as received. One from the store has no headers.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// Returns the raw body.
    pub fn raw(&self) -> &Bytes {
        self.response.body()
    }

    /// Reads the whole body again as another type, such as one with fields that this version does not know.
    ///
    /// # Errors
    /// If the body does not fit that type.
    pub fn reparse<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        read_json(self.raw())
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.response.status())
            .field("bytes", &self.raw().len())
            .field("credits", &self.credits)
            .field("attempts", &self.attempts)
            .field("is_mismatched", &self.is_mismatched)
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}
