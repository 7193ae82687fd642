//! The registry, and one file per API method, each in the same order: what the method does and where it is documented,
//! the request type, the answer types, the [`ApiMethod`](crate::ApiMethod) impl, tests.

mod balance;
mod search;
mod similar_groups;
mod user_check;

pub use balance::{Balance, BalanceAnswer};
pub use search::{IdEntry, Search, SearchAnswer, SearchGroup, SearchMeta, SearchUser, UsernameEntry};
pub use similar_groups::{SimilarGroup, SimilarGroups, SimilarGroupsAnswer, SimilarGroupsMeta};
pub use user_check::{UserCheck, UserCheckAnswer, UserCheckMeta, UserCheckUser};

use crate::MethodVisitor;

/// The registry: shows every documented API method to `visitor`, in the documentation's order.
///
/// A new API method is one line here. Tests, the README's table and the house rules all walk this registry.
pub fn visit_all(visitor: &mut impl MethodVisitor) {
    visitor.visit::<Search>();
    visitor.visit::<Balance>();
    visitor.visit::<SimilarGroups>();
    visitor.visit::<UserCheck>();
}
