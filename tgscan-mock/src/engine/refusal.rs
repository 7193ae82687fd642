//! The reason for refusing a request.

use http::StatusCode;
use tgscan_core::types::{Envelope, ErrorResult};

/// The reason for refusing a request: the message of an error envelope, and the HTTP status for its cause.
///
/// The message uses common words for the cause, so that a client can distinguish an invalid key, missing credits and an
/// invalid query. Names from the request do not change that.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// The request of `tgscan probe` with the same cause, to which a [`Manner`](super::Manner) can have another response.
    pub(super) probe: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), probe: None }
    }

    /// Sets the request of `tgscan probe` with the same cause.
    pub(super) fn like_probe(mut self, name: &'static str) -> Self {
        self.probe = Some(name);
        self
    }

    pub(crate) fn no_credits(credits: i64, why: &str) -> Self {
        let message = format!("not enough credits: the balance is {credits}, and {why}");
        Self::new(StatusCode::PAYMENT_REQUIRED, message)
    }

    /// Returns the body, an error envelope.
    pub(crate) fn envelope(self) -> String {
        serde_json::to_string(&Envelope::<()>::Error(ErrorResult::new(self.message)))
            .expect("a text always serialises")
    }
}
