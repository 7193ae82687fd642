//! What every API method has in common.

use serde::{Serialize, de::DeserializeOwned};

use crate::visit_all;

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
}

/// Called once per API method by [`visit_all`], with the method's type.
pub trait MethodVisitor {
    /// Visits the API method `M`.
    fn visit<M: ApiMethod>(&mut self);
}

/// The constants of an [`ApiMethod`] as a value, for tables and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodInfo {
    /// [`ApiMethod::NAME`].
    pub name: &'static str,
    /// [`ApiMethod::PATH`].
    pub path: &'static str,
    /// [`ApiMethod::TEST_PATH`].
    pub test_path: Option<&'static str>,
    /// [`ApiMethod::CAN_COST`].
    pub can_cost: bool,
}

impl MethodInfo {
    /// The constants of `M`.
    pub const fn of<M: ApiMethod>() -> Self {
        Self { name: M::NAME, path: M::PATH, test_path: M::TEST_PATH, can_cost: M::CAN_COST }
    }
}

/// Every documented API method, in the documentation's order.
pub fn infos() -> Vec<MethodInfo> {
    struct Collect(Vec<MethodInfo>);
    impl MethodVisitor for Collect {
        fn visit<M: ApiMethod>(&mut self) {
            self.0.push(MethodInfo::of::<M>());
        }
    }
    let mut all = Collect(Vec::new());
    visit_all(&mut all);
    all.0
}
