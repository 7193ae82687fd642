#![doc = include_str!("../README.md")]
//!
//! # Adding an API method
//!
//! 1. One new file in `src/methods/`, named as the method's `NAME` and in the order of the files beside it, with a request
//!    type of the same name in upper camel case; its `mod` line in `src/methods/mod.rs`, its `pub use` line here, and
//!    its line in [`visit_all`].
//! 2. Its fixtures in `fixtures/<name>/`: `answer.json`, the documented answer in its envelope; `live.http` and, if it
//!    has a test twin, `test.http`, the bytes of the request, with CRLF and with the keys that the fixtures beside them have.
//! 3. In `tgscan-mock`: one strategy file in `src/data/` and its `mod` line, one line in `src/engine/route.rs`, and one in
//!    `src/openapi/mod.rs`.
//! 4. `cargo xtask docs` for the generated tables, a line in the changelog, and a line for each new public type in the
//!    test that walks them for secrets, which names those that are missing (`tgscan-core/tests/it/secrets.rs`).
//!
//! Nothing changes in the code of `tgscan-core` or of the transports. What is left out fails the build or a test.

mod api_method;
mod envelope;
mod lenient;
mod methods;
mod opaque;
#[cfg(feature = "schema")]
mod schema;
mod values;

pub use api_method::{ApiMethod, MethodInfo, MethodVisitor, infos, visit_all};
pub use envelope::{Envelope, ErrorResult};
pub use methods::balance::{Balance, BalanceAnswer};
pub use methods::search::{
    IdEntry, Search, SearchAnswer, SearchGroup, SearchMeta, SearchUser, UsernameEntry,
};
pub use methods::similar_groups::{SimilarGroup, SimilarGroups, SimilarGroupsAnswer, SimilarGroupsMeta};
pub use methods::user_check::{UserCheck, UserCheckAnswer, UserCheckMeta, UserCheckUser};
pub use values::{GroupQuery, InvalidQuery, UserId, UserQuery, Username};
