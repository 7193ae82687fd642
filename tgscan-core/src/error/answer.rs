//! Errors of complete responses. Each keeps the whole response.

use std::fmt;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;

use super::ReadError;
use crate::panics::catch;
use crate::redact::Redactor;
use crate::refusal::{Classifier, Refusal};

/// The maximum length of a message that is classified by its text, in bytes.
const MAX_CLASSIFIED: usize = 16 * 1024;

/// The service's error envelope ("Result of Failed API Request" in its documentation).
pub struct ApiError {
    message: String,
    /// The message without key and query, for printing.
    clean: String,
    refusal: Refusal,
    response: Response<Bytes>,
}

impl ApiError {
    pub(crate) fn new(
        message: String,
        response: Response<Bytes>,
        redactor: &Redactor<'_>,
        classifier: Option<Classifier>,
    ) -> Self {
        let clean = redactor.clean(&message);
        let refusal = Refusal::of_status(response.status());
        let mut error = Self { message, clean, refusal, response };
        let by_text = match classifier {
            // The caller's code. If it panics, the status decides.
            Some(classifier) => catch(|| classifier(&error)).flatten(),
            None => classify(&error.message, redactor),
        };
        error.refusal = by_text.unwrap_or(error.refusal);
        error
    }

    /// Returns why the service refused the call: the classifier of [`Api::with_refusals`](crate::Api::with_refusals)
    /// decides, or else the HTTP status.
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Returns the service's message, exactly as received. It may contain the query; `Display` removes it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the whole response.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }
}

/// Classifies a message by its text, unless the words of the query in it change the class: a query can be a word such as
/// `maintenance` or `charged_up`.
fn classify(message: &str, redactor: &Redactor<'_>) -> Option<Refusal> {
    // Removing the query from a huge text takes long, and a refusal is short.
    if message.len() > MAX_CLASSIFIED {
        return None;
    }
    let refusal = Refusal::from_message(message)?;
    let other = redactor.without_secrets(message);
    (other == message || Refusal::from_message(&other) == Some(refusal)).then_some(refusal)
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = if self.clean.is_empty() { "no message" } else { &self.clean };
        write!(f, "the service refused (HTTP {}): {message}", self.response.status().as_u16())
    }
}

/// A complete response that is not the service's envelope, or not the answer that its envelope announces.
pub struct InvalidResponse {
    /// Describes the response without key and query, for printing.
    description: String,
    problem: ReadError,
    response: Response<Bytes>,
}

impl InvalidResponse {
    /// Creates the error of a response that is not an envelope, such as a gateway's HTML page.
    pub(crate) fn unexpected(problem: ReadError, response: Response<Bytes>, redactor: &Redactor<'_>) -> Self {
        let content_type = response.headers().get(CONTENT_TYPE).map_or("no content type".into(), |value| {
            redactor.clean(&String::from_utf8_lossy(value.as_bytes()))
        });
        let (status, bytes) = (response.status().as_u16(), response.body().len());
        let description =
            format!("the response is not from the API (HTTP {status}, {content_type}, {bytes} bytes)");
        Self { description, problem, response }
    }

    /// Creates the error of a successful envelope whose `result` does not match the schema. Never retried, because it may
    /// have been paid for.
    pub(crate) fn undecodable(problem: ReadError, response: Response<Bytes>) -> Self {
        let (status, bytes) = (response.status().as_u16(), response.body().len());
        let description = format!(
            "the service reports success, but its answer does not match the schema (HTTP {status}, {bytes} bytes kept)"
        );
        Self { description, problem, response }
    }

    /// Returns why parsing failed, with JSON path and byte offset.
    pub fn problem(&self) -> &ReadError {
        &self.problem
    }

    /// Returns the whole response.
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.description, self.problem)
    }
}

// Uses `Display`, because a derived `Debug` would print the body.
macro_rules! debug_as_display {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&format_args!("{self}")).finish()
            }
        }
    )+};
}
debug_as_display!(ApiError, InvalidResponse);
