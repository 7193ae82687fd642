//! The documented API methods, for code that handles each of them: tables, servers, tests.

use crate::{ApiMethod, Balance, Search, SimilarGroups, UserCheck};

/// Calls `visitor` with each documented API method, in the documentation's order.
///
/// Add one line here for a new API method. The tests and the README's table use this registry.
pub fn visit_all(visitor: &mut impl MethodVisitor) {
    visitor.visit::<Search>();
    visitor.visit::<Balance>();
    visitor.visit::<SimilarGroups>();
    visitor.visit::<UserCheck>();
}

/// A generic callback for [`visit_all`], which calls it once for each API method.
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
    /// Returns the constants of `M`.
    pub const fn of<M: ApiMethod>() -> Self {
        Self { name: M::NAME, path: M::PATH, test_path: M::TEST_PATH, can_cost: M::CAN_COST }
    }
}

/// Returns every documented API method, in the documentation's order.
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
