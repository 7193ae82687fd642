//! The reasons for which the service refuses calls.

use http::StatusCode;

use crate::error::ApiError;

/// The reason for which the service answered with an error envelope.
///
/// Determined by a classifier ([`Api::with_refusals`](crate::Api::with_refusals)), or else by the HTTP status if it is a 4xx. The
/// documentation states neither the statuses nor the texts of failures, and the service probably sends them with status 200.
///
/// A refused call counts as not processed and free, except for [`Other`](Self::Other) with a status that is not a 4xx.
/// Assumption: the service refuses a call before it processes it. The documentation does not state whether failed calls
/// are charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The API key is missing, unknown, removed, or of the wrong kind. Further calls with it fail too.
    InvalidKey,
    /// The balance is zero, or does not cover the call. Buy credits first.
    NoCredits,
    /// The service does not accept the query.
    BadQuery,
    /// Too many requests in a short time; the call can succeed later.
    TooManyRequests,
    /// The service cannot answer now; the call can succeed later.
    Unavailable,
    /// Any other reason.
    Other,
}

/// Returns why the service refused a call, or `None` to use the HTTP status.
pub type Classifier = fn(&ApiError) -> Option<Refusal>;

/// A reason that a text states with a subject and its problem.
struct Reason {
    refusal: Refusal,
    subjects: &'static [&'static str],
    problems: &'static [&'static str],
}

const REASONS: [Reason; 3] = [
    Reason {
        refusal: Refusal::InvalidKey,
        subjects: &["api key", "apikey", "token"],
        problems: &["invalid", "wrong", "unknown", "missing", "required", "expired", "revoked", "not found"],
    },
    Reason {
        refusal: Refusal::NoCredits,
        subjects: &["credit", "credits", "balance", "funds"],
        problems: &["not enough", "insufficient", "no", "zero", "empty", "exhausted", "run out"],
    },
    Reason {
        refusal: Refusal::BadQuery,
        subjects: &["query", "username", "usernames", "argument", "arguments"],
        problems: &["invalid", "wrong", "missing", "required", "empty", "too long", "too many"],
    },
];

const TOO_MANY_REQUESTS: [&str; 3] = ["too many requests", "rate limit", "slow down"];
const UNAVAILABLE: [&str; 4] = ["maintenance", "overloaded", "temporarily unavailable", "try again later"];

/// Problems that must be adjacent to the subject. Counterexample: "no groups found, balance 20".
const AMBIGUOUS: [&str; 3] = ["no", "zero", "empty"];
/// The maximum number of other words between a subject and its problem.
const MAX_DISTANCE: usize = 2;
/// Words of texts that may be about a processed call: "no credits were charged".
const CHARGES: [&str; 9] =
    ["charged", "billed", "debited", "deducted", "withdrawn", "consumed", "spent", "refunded", "cost"];
/// Words that are ignored.
const FILLERS: &str =
    "a an the is are was were be been has have you your this of on more any left remaining in";

impl Refusal {
    /// Classifies the text of an error envelope. Returns `None` if the text matches no reason or more than one.
    ///
    /// The default classifier also requires the same class without the query, because a query can be such a word
    /// (`maintenance`). This function does not know the query: remove it from the text first.
    ///
    /// Assumption: the service uses common wordings, such as "invalid API key", "not enough credits", "rate limit", "query is
    /// required" or "try again later". Matches whole words, ignores case, and returns `None` for ambiguous texts.
    ///
    /// ```
    /// use tgscan_core::Refusal;
    ///
    /// assert_eq!(Refusal::from_message("Insufficient balance."), Some(Refusal::NoCredits));
    /// assert_eq!(Refusal::from_message("No credits were charged."), None);
    /// ```
    pub fn from_message(message: &str) -> Option<Self> {
        let lower = message.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<&str> =
            words.filter(|word| !FILLERS.split(' ').any(|filler| filler == *word)).collect();
        let has = |phrase: &&str| positions(&words, phrase).next().is_some();
        if CHARGES.iter().any(has) {
            return None;
        }
        let mut found = None;
        let by_phrase = [
            (Self::TooManyRequests, TOO_MANY_REQUESTS.iter().any(has)),
            (Self::Unavailable, UNAVAILABLE.iter().any(has)),
        ];
        let by_reason = REASONS.iter().map(|reason| (reason.refusal, reason.is_given_by(&words)));
        for (refusal, fits) in by_phrase.into_iter().chain(by_reason) {
            if fits && found.replace(refusal).is_some() {
                return None;
            }
        }
        found
    }

    /// Classifies an error envelope by its HTTP status, as the RFCs define it.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::InvalidKey,
            StatusCode::PAYMENT_REQUIRED => Self::NoCredits,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Self::BadQuery,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            _ => Self::Other,
        }
    }
}

impl Reason {
    fn is_given_by(&self, words: &[&str]) -> bool {
        let pairs = self
            .subjects
            .iter()
            .flat_map(|subject| self.problems.iter().map(move |problem| (subject, problem)));
        pairs.into_iter().any(|(subject, problem)| {
            let max = if AMBIGUOUS.contains(problem) { 0 } else { MAX_DISTANCE };
            positions(words, problem).filter(|at| *at == 0 || words[at - 1] != "not").any(|problem_at| {
                positions(words, subject).any(|subject_at| {
                    let (first, length, second) = if subject_at < problem_at {
                        (subject_at, subject.split(' ').count(), problem_at)
                    } else {
                        (problem_at, problem.split(' ').count(), subject_at)
                    };
                    second.saturating_sub(first + length) <= max
                })
            })
        })
    }
}

/// Returns the positions of a phrase in the words of a text.
fn positions(words: &[&str], phrase: &str) -> impl Iterator<Item = usize> {
    (0..words.len()).filter(move |at| {
        let mut words = words[*at..].iter();
        phrase.split(' ').all(|word| words.next().is_some_and(|next| *next == word))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies_common_texts() {
        use Refusal::{BadQuery, InvalidKey, NoCredits, TooManyRequests, Unavailable};
        for (refusal, texts) in [
            (
                InvalidKey,
                &[
                    "Invalid API key",
                    "wrong Api-Key",
                    "api_key not found",
                    "Unknown token.",
                    "Missing `Api-Key` header",
                    "API KEY REQUIRED",
                    "Your API key has expired",
                    "the apikey was revoked",
                    "The API key provided in the header is invalid",
                ][..],
            ),
            (
                NoCredits,
                &[
                    "Not enough credits",
                    "insufficient funds",
                    "Insufficient balance: 0",
                    "You have no credits left",
                    "no more credits",
                    "zero balance",
                    "Your balance is zero",
                    "Balance is empty!",
                    "credits exhausted",
                    "You have run out of credits",
                    "Not enough credits on your balance",
                ],
            ),
            (TooManyRequests, &["Too many requests", "rate limit exceeded", "Slow down, please"]),
            (
                BadQuery,
                &[
                    "Invalid query",
                    "username is required",
                    "Missing argument: query",
                    "argument `query` is missing",
                    "The query is too long",
                    "too many usernames (max 10)",
                    "empty query",
                    "wrong username",
                ],
            ),
            (
                Unavailable,
                &[
                    "Maintenance",
                    "The server is overloaded",
                    "temporarily unavailable",
                    "Error, try again later.",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(Refusal::from_message(text), Some(refusal), "{text}");
            }
        }
    }

    #[test]
    fn does_not_classify_ambiguous_texts() {
        for text in [
            "",
            "error",
            "Something went wrong",
            "No credits were charged",
            "no groups found, balance 20",
            "No groups found. 1 credit charged.",
            "invalid query, 1 credit was charged",
            "zero groups; your balance is 3 credits",
            "the balance is not empty",
            "API key is not expired",
            "Invalid API key or not enough credits",
            "rate limit for this invalid token",
            "too many requests, try again later",
            "discredited source is missing",
            "tokenizer is missing",
            "no user has this username",
            "the search with this api key has been processed and the account was not found",
        ] {
            assert_eq!(Refusal::from_message(text), None, "{text}");
        }
    }
}
