//! The error of a call.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tgscan_types::InvalidQuery;

use super::{ApiError, InvalidResponse, ReadError, read_json};
use crate::{
    Credits, Refusal, TransportError,
    account::CapReached,
    store::{CallId, StoreRefusal},
    transport::Delivery,
};

/// A failed call: its cause, its cost, and the received response.
///
/// Cheap to clone.
///
/// `Debug` and `Display` show neither the API key, nor the query, nor the body.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    method: &'static str,
    kind: Arc<ErrorKind>,
    credits: Credits,
    attempts: u32,
    call: Option<CallId>,
    /// The responses of earlier attempts that may have been charged.
    earlier: Vec<Response<Bytes>>,
    /// Whether the last attempt certainly was free, although the call is uncertain.
    is_last_free: bool,
}

/// The cause of a failed call.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The query is invalid; nothing was sent. The text describes valid queries.
    InvalidQuery(InvalidQuery),
    /// A cap or a budget refused the call before anything was sent.
    CapReached(CapReached),
    /// The client's store refused the call or a further attempt.
    Store(StoreRefusal),
    /// The transport failed before the response was complete.
    Transport(TransportError),
    /// The service answered with an error envelope.
    Api(ApiError),
    /// The response is not the service's envelope, for example an error page of a gateway or proxy.
    UnexpectedResponse(InvalidResponse),
    /// The service reports success, but the answer does not match the schema. The answer may have been paid for and is kept.
    Decode(InvalidResponse),
}

impl Error {
    pub(crate) fn new(method: &'static str, kind: ErrorKind, credits: Credits, attempts: u32) -> Self {
        let call = match &kind {
            ErrorKind::Store(StoreRefusal::InFlight { call, .. } | StoreRefusal::Uncertain { call, .. }) => {
                Some(*call)
            }
            _ => None,
        };
        let (kind, earlier, is_last_free) = (Arc::new(kind), Vec::new(), false);
        Self { inner: Arc::new(Inner { method, kind, credits, attempts, call, earlier, is_last_free }) }
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        Arc::make_mut(&mut self.inner).attempts = attempts;
        self
    }

    pub(crate) fn with_credits(mut self, credits: Credits) -> Self {
        Arc::make_mut(&mut self.inner).credits = credits;
        self
    }

    pub(crate) fn with_call(mut self, call: CallId) -> Self {
        // An observer may hold a clone.
        Arc::make_mut(&mut self.inner).call.get_or_insert(call);
        self
    }

    /// Makes a free error uncertain, because an earlier attempt is.
    pub(crate) fn of_uncertain_call(mut self) -> Self {
        if self.inner.credits == Credits::NotCharged {
            let inner = Arc::make_mut(&mut self.inner);
            (inner.credits, inner.is_last_free) = (Credits::Uncertain, true);
        }
        self
    }

    /// Returns the responses of all attempts so far that have a body and may have been charged.
    pub(crate) fn paid_responses(&self) -> Vec<Response<Bytes>> {
        let is_free = self.inner.is_last_free || self.inner.credits == Credits::NotCharged;
        let last = self.last_response().filter(|response| !is_free && !response.body().is_empty());
        self.inner.earlier.iter().chain(last).cloned().collect()
    }

    /// Keeps the responses of earlier attempts.
    pub(crate) fn with_earlier(mut self, earlier: Vec<Response<Bytes>>) -> Self {
        if !earlier.is_empty() {
            Arc::make_mut(&mut self.inner).earlier = earlier;
        }
        self
    }

    /// Returns the API method's name.
    pub fn method(&self) -> &'static str {
        self.inner.method
    }

    /// Returns the cause with its details.
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// Returns the cost of the last attempt, as far as it is known. By default, earlier attempts were free.
    ///
    /// With [`RetryPolicy::resend_uncertain`](crate::RetryPolicy), an earlier attempt can be uncertain. Then this
    /// returns [`Credits::Uncertain`] if the last attempt was free; if it was charged, the call may have been paid
    /// for twice.
    pub fn credits(&self) -> Credits {
        self.inner.credits
    }

    /// Returns the number of requests passed to the transport; 0 if the call was refused before the first.
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// Returns the id of the failed call in the client's store, or else of the other call that blocks its question.
    /// `None` without a store, and if there is no such call.
    pub fn call(&self) -> Option<CallId> {
        self.inner.call
    }

    /// Returns whether a time limit passed.
    pub fn is_timeout(&self) -> bool {
        matches!(&*self.inner.kind, ErrorKind::Transport(error) if error.is_timeout())
    }

    /// Returns whether the service answered with an error envelope.
    pub fn is_api(&self) -> bool {
        matches!(*self.inner.kind, ErrorKind::Api(_))
    }

    /// Returns whether a successful answer did not match the schema.
    pub fn is_decode(&self) -> bool {
        matches!(*self.inner.kind, ErrorKind::Decode(_))
    }

    /// Returns whether a cap or a budget refused the call before anything was sent.
    pub fn is_cap_reached(&self) -> bool {
        matches!(*self.inner.kind, ErrorKind::CapReached(_))
    }

    /// Returns why the client's store refused the call, or a further attempt of it.
    pub fn store_refusal(&self) -> Option<&StoreRefusal> {
        match &*self.inner.kind {
            ErrorKind::Store(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Returns whether the request was delivered, if the transport failed.
    pub fn delivery(&self) -> Option<Delivery> {
        match &*self.inner.kind {
            ErrorKind::Transport(error) => Some(error.delivery()),
            _ => None,
        }
    }

    /// Returns why the service refused the call, if it answered with an error envelope.
    pub fn refusal(&self) -> Option<Refusal> {
        match &*self.inner.kind {
            ErrorKind::Api(error) => Some(error.refusal()),
            _ => None,
        }
    }

    /// Returns the HTTP status of the complete or partial response; `None` if no response started.
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(Response::status)
    }

    /// Returns the service's message, if it answered with an error envelope. The message may contain the query.
    pub fn message(&self) -> Option<&str> {
        match &*self.inner.kind {
            ErrorKind::Api(error) => Some(error.message()),
            _ => None,
        }
    }

    /// Returns the complete or partial response: status, headers, and the received bytes of the body. `None` if no
    /// response started.
    ///
    /// If the last attempt received no response, this is the last of the [earlier ones](Self::earlier_responses).
    pub fn response(&self) -> Option<&Response<Bytes>> {
        self.last_response().or(self.inner.earlier.last())
    }

    /// Returns the responses of earlier attempts of the call that have a body and may have been charged, in the order of
    /// the attempts. Always empty without [`RetryPolicy::resend_uncertain`](crate::RetryPolicy).
    pub fn earlier_responses(&self) -> &[Response<Bytes>] {
        &self.inner.earlier
    }

    /// Returns the response of the last attempt.
    fn last_response(&self) -> Option<&Response<Bytes>> {
        match &*self.inner.kind {
            ErrorKind::InvalidQuery(_) | ErrorKind::CapReached(_) | ErrorKind::Store(_) => None,
            ErrorKind::Transport(error) => error.partial(),
            ErrorKind::Api(error) => Some(error.response()),
            ErrorKind::UnexpectedResponse(error) | ErrorKind::Decode(error) => Some(error.response()),
        }
    }

    /// Parses the received body again as another type, for example an [`Envelope`](crate::types::Envelope) of a more lenient
    /// type, or any JSON value.
    ///
    /// # Errors
    /// If nothing was received, or the body does not match that type either.
    pub fn reparse<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        read_json(self.response().map_or(&[], |response| response.body()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.inner.method)?;
        match &*self.inner.kind {
            ErrorKind::InvalidQuery(error) => error.fmt(f)?,
            ErrorKind::CapReached(error) => error.fmt(f)?,
            ErrorKind::Store(refusal) => refusal.fmt(f)?,
            ErrorKind::Transport(error) => error.fmt(f)?,
            ErrorKind::Api(error) => error.fmt(f)?,
            ErrorKind::UnexpectedResponse(error) | ErrorKind::Decode(error) => error.fmt(f)?,
        }
        write!(f, " [{}", self.inner.credits)?;
        if self.inner.attempts > 1 {
            write!(f, ", {} attempts", self.inner.attempts)?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("method", &self.inner.method)
            .field("kind", &self.inner.kind)
            .field("credits", &self.inner.credits)
            .field("attempts", &self.inner.attempts)
            .finish()
    }
}

impl std::error::Error for Error {
    /// Returns the cause. Omits the cause of a transport error if its text may quote the request; see
    /// [`TransportError::with_trusted_text`].
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.inner.kind {
            ErrorKind::InvalidQuery(error) => Some(error),
            ErrorKind::CapReached(error) => Some(error),
            ErrorKind::Store(refusal) => Some(refusal),
            ErrorKind::Transport(error) => error.source(),
            ErrorKind::Api(_) | ErrorKind::UnexpectedResponse(_) | ErrorKind::Decode(_) => None,
        }
    }
}
