//! One file per API method, each in the same order: what the method does and where it is documented, the request
//! type, the answer types, the [`ApiMethod`](crate::ApiMethod) impl, tests.

pub(crate) mod balance;
pub(crate) mod search;
pub(crate) mod similar_groups;
pub(crate) mod user_check;
