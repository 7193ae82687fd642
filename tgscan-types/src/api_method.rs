//! The trait that every API method implements.

use serde::{Serialize, de::DeserializeOwned};

/// An API method: a request type with its path, its cost and its answer type.
///
/// The request serialises to the form fields of the HTTP body and deserialises from them. `Client::send` takes any
/// implementation, so you can implement this for your own type to call a method that this version does not know.
pub trait ApiMethod: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The `result` of a successful envelope.
    type Answer: Serialize + DeserializeOwned + Send + 'static;

    /// The method's name in this SDK: `snake_case` and stable. Used in errors, spans, fixtures and file names.
    const NAME: &'static str;

    /// Path of the live method, from the root of the host. Checked at compile time.
    const PATH: &'static str;

    /// Path of the test method, if the documentation names one ("Test Methods").
    const TEST_PATH: Option<&'static str>;

    /// Whether a call of the live method can take credits from the account's balance.
    ///
    /// Use `true` if in doubt: such a method is sent again only if the service certainly did not process it.
    const CAN_COST: bool;

    /// Returns the answer's `op_cost` in credits, or `None` if the method's answers have no such field.
    fn op_cost(answer: &Self::Answer) -> Option<u64>;

    /// Returns `false` if the answer names another query than this request.
    ///
    /// An answer that does not repeat its query counts as this request's. Call it for live methods only: test methods
    /// return random data, and the documentation does not exempt the repeated query from that.
    fn is_answered_by(&self, _answer: &Self::Answer) -> bool {
        true
    }

    /// Returns the usernames and ids, current and former, of the people in this request and its answer.
    ///
    /// A store uses them to erase a person. Groups are not people. Required, so that no implementation forgets it.
    fn people(&self, answer: Option<&Self::Answer>) -> Vec<String>;

    /// Returns the form in which requests are compared, e.g. with usernames in lower case, or `None` if that is this
    /// one.
    ///
    /// Requests with the same canonical form get the same stored answer.
    fn canonical(&self) -> Option<Self> {
        None
    }
}
