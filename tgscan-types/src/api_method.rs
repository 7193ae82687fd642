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

    /// Path of the live method, without scheme and host, such as `/tgscan/v1/search`. Checked at compile time.
    const PATH: &'static str;

    /// Path of the test method, or `None` if the method has no test method. Source: "Test Methods".
    const TEST_PATH: Option<&'static str>;

    /// Whether a call of the live method can take credits from the account's balance.
    ///
    /// If in doubt, use `true`: a request is then sent again only if the service certainly did not process the earlier
    /// one.
    const CAN_COST: bool;

    /// Returns the answer's `op_cost` in credits, or `None` if the method's answers have no such field.
    fn op_cost(answer: &Self::Answer) -> Option<u64>;

    /// Returns whether the answer belongs to this request: `false` if it repeats a different query.
    ///
    /// An answer that repeats no query belongs to it. Call this only for answers of live methods: test methods return
    /// random data, and the documentation does not say whether the repeated query is random too.
    fn is_answered_by(&self, _answer: &Self::Answer) -> bool {
        true
    }

    /// Returns the usernames and ids, current and former, of the people in this request and its answer.
    ///
    /// A store uses them to erase a person. Leave out groups. There is no default, so that no implementation forgets
    /// it.
    fn people(&self, answer: Option<&Self::Answer>) -> Vec<String>;

    /// Returns the request in canonical form, e.g. with usernames in lower case, or `None` if it already is in this
    /// form.
    ///
    /// Requests with the same canonical form get the same stored answer.
    fn canonical(&self) -> Option<Self> {
        None
    }
}
