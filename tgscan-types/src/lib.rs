#![doc = include_str!("../README.md")]
//!
//! # Adding an API method
//!
//! 1. One new file in `src/methods/`, named as the method's `NAME` and in the order of the files beside it, with a request
//!    type of the same name in upper camel case; and its lines in the registry, `src/methods/mod.rs`.
//! 2. Its fixtures in `fixtures/<name>/`: `answer.json`, the documented answer in its envelope; `live.http` and, if it
//!    has a test twin, `test.http`, the request as `tgscan-core` builds it (`content-length` only of an empty body), with
//!    CRLF and with the keys that the fixtures beside them have.
//! 3. In `tgscan-mock`: one strategy file in `src/data/` with its `mod` line, and one line in `src/engine/route.rs`.
//! 4. `cargo xtask docs` for the README's table and the OpenAPI document, `cargo test --package xtask --test api` for the lists of what the
//!    crates offer, and a line in the changelog.
//!
//! Nothing changes in the code of `tgscan-core` or of the transports. What is left out fails the build or a test.

mod api_method;
mod date;
mod debug;
mod envelope;
mod lenient;
mod methods;
mod object;
mod parts;
pub mod registry;
mod repair;
#[cfg(feature = "schema")]
mod schema;
mod values;
mod views;

pub use api_method::ApiMethod;
pub use date::unix_millis;
pub use debug::{Reveal, Revealed};
pub use envelope::{Envelope, ErrorResult};
pub use methods::*;
pub use repair::repair_json;
pub use values::{GroupQuery, InvalidQuery, UserId, UserQuery, Username};
