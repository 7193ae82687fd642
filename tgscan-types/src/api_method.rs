//! What every API method has in common.

use serde::{Serialize, de::DeserializeOwned};

/// An API method: a request type that knows where it goes, what it can cost and what answers it.
///
/// The request serialises to the form fields of the HTTP body, and reads back from them. Implement it for a type of
/// your own to call a method that this version does not know: `Client::send` takes any implementation.
pub trait ApiMethod: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the service answers: the `result` of a successful envelope.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// The method's name in this SDK: `snake_case`, stable, used in errors, spans, fixtures and file names.
    const NAME: &'static str;

    /// Path of the live method, from the root of the host. Checked when the program is compiled.
    const PATH: &'static str;

    /// Path of its test method, where the documentation names one ("Test Methods").
    const TEST_PATH: Option<&'static str>;

    /// Whether a call of the live method can take credits from the account's balance.
    ///
    /// If in doubt, say `true`: such a method is never sent twice unless it certainly was not processed.
    const CAN_COST: bool;

    /// The credits that this answer says it cost, in `op_cost`; `None` where the method's answers have no such field.
    fn op_cost(answer: &Self::Answer) -> Option<u64>;

    /// Whether this answer belongs to this request, as far as it tells: `false` if it names another query.
    ///
    /// An answer without an echo of its query counts as this request's. Ask it of live methods only: test methods answer
    /// random data, and the documentation does not say that the echo is excepted.
    fn is_answered_by(&self, _answer: &Self::Answer) -> bool {
        true
    }

    /// Returns the same question in the form in which questions are compared, e.g. with usernames in lower case; `None`
    /// if that is this one. Two requests with the same canonical form get the same stored answer.
    fn canonical(&self) -> Option<Self> {
        None
    }
}
