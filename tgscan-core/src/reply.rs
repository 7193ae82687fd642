//! A successful answer, with everything that came with it.

use std::fmt;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;

use crate::Credits;
use crate::error::{ReadError, read_json};

/// A method's answer, what it cost, and the response it was read from.
///
/// `Debug` shows sizes and costs, never the answer's data.
///
/// The response may share memory with the buffer that its transport read it into, which is larger. Where many are kept
/// for long, keep their [`answer`](Self::answer)s.
#[non_exhaustive]
pub struct Reply<A> {
    /// The answer.
    pub answer: A,
    /// What the attempt that brought this answer cost. Earlier ones took nothing, unless
    /// [`RetryPolicy::resend_uncertain`](crate::RetryPolicy::resend_uncertain) is on.
    pub credits: Credits,
    /// How many times the request was given to the transport.
    pub attempts: u32,
    response: Response<Bytes>,
}

impl<A> Reply<A> {
    pub(crate) fn new(answer: A, credits: Credits, response: Response<Bytes>) -> Self {
        Self { answer, credits, attempts: 1, response }
    }

    /// Status, HTTP version, headers and raw body, exactly as received.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }

    /// The raw body.
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
            .finish_non_exhaustive()
    }
}
