//! Why the service refused a call, and whether that can have cost anything.

use http::StatusCode;

use crate::error::ApiError;

/// Why the service answered with an error envelope.
///
/// Found by a classifier ([`Api::with_refusals`](crate::Api::with_refusals)), else by the HTTP status. The documentation
/// names no statuses or texts for failures, and the service probably sends them under 200, so a classifier of your own
/// is what tells them apart once you have seen its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The API key is missing, unknown, removed, or of the wrong kind. Every further call ends the same way.
    InvalidKey,
    /// The balance is empty, or does not cover the call. Buy credits before you go on.
    NoCredits,
    /// The query is not one that the service takes.
    BadQuery,
    /// Too many requests in a short time; the call can succeed later.
    TooManyRequests,
    /// The service cannot answer now; the call can succeed later.
    Unavailable,
    /// Anything else.
    Other,
}

/// Tells refusals apart by what the service said; `None` leaves it to the HTTP status.
pub type Classifier = fn(&ApiError) -> Option<Refusal>;

impl Refusal {
    /// Returns whether a call that was refused so can have cost credits.
    ///
    /// Assumption: a refusal for the key, the balance, the query or the number of requests comes before the look-up, and
    /// so costs nothing. The documentation does not say whether failed calls are charged; for all other refusals it is
    /// therefore left open, as long as no `op_cost` says it.
    pub fn can_have_cost(self) -> bool {
        match self {
            Self::InvalidKey | Self::NoCredits | Self::BadQuery | Self::TooManyRequests => false,
            Self::Unavailable | Self::Other => true,
        }
    }

    /// Classifies by the texts of `tgscan-mock`, the default classifier: the service's own texts are not known.
    pub fn from_mock_message(error: &ApiError) -> Option<Self> {
        const TEXTS: [(&str, Refusal); 11] = [
            ("unknown API key", Refusal::InvalidKey),
            ("this API key was removed", Refusal::InvalidKey),
            ("there must be one `Api-Key` header", Refusal::InvalidKey),
            ("this is a test method, and the API key is a live one", Refusal::InvalidKey),
            ("this is a live method, and the API key is a test one", Refusal::InvalidKey),
            ("not enough credits: the balance is ", Refusal::NoCredits),
            ("the argument is not allowed: ", Refusal::BadQuery),
            ("the argument `", Refusal::BadQuery),
            ("the required argument `", Refusal::BadQuery),
            ("unknown argument `", Refusal::BadQuery),
            ("the form body is not UTF-8", Refusal::BadQuery),
        ];
        let text = error.message();
        TEXTS.iter().find(|(start, _)| text.starts_with(start)).map(|(_, refusal)| *refusal)
    }

    /// What an error envelope means by its HTTP status, as the RFCs define them.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::InvalidKey,
            StatusCode::PAYMENT_REQUIRED => Self::NoCredits,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Self::BadQuery,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InvalidKey => "invalid API key",
            Self::NoCredits => "no credits",
            Self::BadQuery => "bad query",
            Self::TooManyRequests => "too many requests",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        })
    }
}
