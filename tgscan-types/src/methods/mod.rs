//! One file per API method, each in this order: the method and its documentation, the request type, the answer types,
//! the [`ApiMethod`](crate::ApiMethod) impl, tests.

mod balance;
mod search;
mod similar_groups;
mod user_check;

pub use balance::{Balance, BalanceAnswer};
pub use search::{IdEntry, Search, SearchAnswer, SearchGroup, SearchMeta, SearchUser, UsernameEntry};
pub use similar_groups::{SimilarGroup, SimilarGroups, SimilarGroupsAnswer, SimilarGroupsMeta};
pub use user_check::{UserCheck, UserCheckAnswer, UserCheckMeta, UserCheckUser};
