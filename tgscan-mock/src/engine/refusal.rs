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
    /// The cause, if a [`Manner`](super::Manner) can have another response to it.
    pub(super) cause: Option<Cause>,
}

/// A cause of refusals that `tgscan probe` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    MissingKey,
    WrongKey,
    TestKeyForBalance,
    TestKeyForLiveMethod,
    HttpMethod,
    TextContentType,
    JsonBody,
    MissingQuery,
    InvalidQuery,
    TooManyUsernames,
    AtSign,
    ExtraArgument,
    UnknownPath,
    TrailingSlash,
}

impl Cause {
    /// Returns the name of the probe.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::WrongKey => "wrong_key",
            Self::TestKeyForBalance => "balance",
            Self::TestKeyForLiveMethod => "live_check",
            Self::HttpMethod => "get",
            Self::TextContentType => "text_content_type",
            Self::JsonBody => "json_body",
            Self::MissingQuery => "missing_query",
            Self::InvalidQuery => "invalid_query",
            Self::TooManyUsernames => "too_many_usernames",
            Self::AtSign => "at_sign",
            Self::ExtraArgument => "extra_argument",
            Self::UnknownPath => "unknown_path",
            Self::TrailingSlash => "trailing_slash",
        }
    }
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), cause: None }
    }

    pub(super) fn because(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
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
