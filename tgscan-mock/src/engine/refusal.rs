//! Why a request is refused, in words that say what would be right.

use http::StatusCode;
use tgscan_core::types::{Envelope, ErrorResult};

/// An error envelope to be, with the HTTP status that fits its cause.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn no_credits(credits: i64, why: &str) -> Self {
        let message = format!("not enough credits: the balance is {credits}, and {why}");
        Self::new(StatusCode::PAYMENT_REQUIRED, message)
    }

    /// The body: an error envelope.
    pub(crate) fn envelope(self) -> String {
        serde_json::to_string(&Envelope::<()>::Error(ErrorResult::new(self.message)))
            .expect("a text always serialises")
    }
}
