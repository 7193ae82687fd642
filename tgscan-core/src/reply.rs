//! A successful call and its response.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use crate::Credits;
use crate::error::{ReadError, read_json};
use crate::store::{CallId, StoreError};

/// A successful call: the answer, its cost, and the raw response.
///
/// `Debug` shows sizes and costs, never the answer's data.
///
/// Cloning copies the answer and shares the response's body. The body may keep a larger read buffer of the transport
/// alive: to keep many replies for a long time, keep only their [`answer`](Self::answer)s.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply<A> {
    /// The answer.
    pub answer: A,
    /// The cost of the attempt that was answered. By default, earlier attempts were free.
    ///
    /// With [`RetryPolicy::resend_uncertain`](crate::RetryPolicy), an earlier attempt can be uncertain. Then this is
    /// [`Credits::Uncertain`] if the answer was free; if it was charged, it may have been paid for twice.
    pub credits: Credits,
    /// The number of requests passed to the transport.
    pub attempts: u32,
    is_mismatched: bool,
    // Boxed to keep replies small, since they are moved often.
    stored: Option<Box<Stored>>,
    response: Response<Bytes>,
}

#[derive(Clone, Debug)]
struct Stored {
    call: CallId,
    storage: Option<Storage>,
}

/// How the store was involved in a reply.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Storage {
    /// The answer is new and stored.
    Stored,
    /// The answer is new and not stored yet. The store keeps trying; if the process ends first, the call is uncertain.
    NotStored(StoreError),
    /// The answer came from the store and cost nothing.
    Cached {
        /// The answer's age.
        age: Duration,
        /// The answer's cost when it was new.
        credits: Credits,
    },
}

impl<A> Reply<A> {
    pub(crate) fn new(answer: A, credits: Credits, is_mismatched: bool, response: Response<Bytes>) -> Self {
        Self { answer, credits, attempts: 1, is_mismatched, stored: None, response }
    }

    /// Returns whether the answer echoes a different query than the one sent. It may be **another person's data**, for
    /// example behind a gateway that repeats or swaps answers: do not store it under this query. The reply's cost is
    /// that of the received answer.
    ///
    /// The comparison ignores case, a leading `@` and the order of usernames. Answers without an echo, and answers of
    /// test methods, whose data is random, are never mismatched. Assumption: the service echoes the query as sent, as
    /// the name `search_query` suggests.
    pub fn is_mismatched(&self) -> bool {
        self.is_mismatched
    }

    /// Returns how the client's [`Store`](crate::store::Store) was involved; `None` without a store, for free calls, and for
    /// mismatched answers.
    pub fn storage(&self) -> Option<&Storage> {
        self.stored.as_ref()?.storage.as_ref()
    }

    /// Returns the call in the client's store that paid for the answer; `None` without a store, and for free calls.
    pub fn call(&self) -> Option<CallId> {
        Some(self.stored.as_ref()?.call)
    }

    /// Converts the reply to one from the store: nothing was sent or charged.
    pub(crate) fn into_stored(mut self, call: CallId, storage: Storage) -> Self {
        self.credits = Credits::NotCharged;
        self.attempts = 0;
        self.set_stored(call, Some(storage));
        self
    }

    pub(crate) fn set_stored(&mut self, call: CallId, storage: Option<Storage>) {
        self.stored = Some(Box::new(Stored { call, storage }));
    }

    /// Returns status, HTTP version, headers and raw body, exactly as received. A stored response has no headers.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// Returns the raw body.
    pub fn raw(&self) -> &Bytes {
        self.response.body()
    }

    /// Parses the body again as another type, such as one with fields unknown to this version.
    ///
    /// # Errors
    /// If the body does not match that type.
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
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}
