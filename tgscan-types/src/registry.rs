//! The list of documented API methods, for code that does something for each of them: tables, servers, tests.

use crate::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};

/// Shows every documented API method to `visitor`, in the documentation's order.
///
/// A new API method is one line here. Tests, the README's table and the house rules all walk this registry.
pub fn visit_all(visitor: &mut impl MethodVisitor) {
    visitor.visit::<Search>();
    visitor.visit::<Balance>();
    visitor.visit::<SimilarGroups>();
    visitor.visit::<UserCheck>();
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
