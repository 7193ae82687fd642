#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]
//!
//! # Adding an API method
//!
//! 1. A new file `src/methods/<name>.rs`, where `<name>` is the method's `NAME`, in the order of the files beside it;
//!    the request type has the same name in upper camel case. Add its lines to the registry, `src/methods/mod.rs`.
//! 2. Fixtures in `fixtures/<name>/`: `answer.json`, the documented answer in its envelope; `live.http` and, if there
//!    is a test method, `test.http`, the request as `tgscan-core` builds it (`content-length` only if the body is
//!    empty), with CRLF and the keys of the other fixtures.
//! 3. In `tgscan-mock`: a strategy in `src/data/<name>.rs` with its `mod` line, and a line in `src/engine/route.rs`.
//! 4. `cargo xtask docs` for the README's table and the OpenAPI document, `cargo test --package xtask --test api` for
//!    the public API, and a line in the changelog.
//!
//! The code of `tgscan-core` and of the transports stays the same. A missing part fails the build or a test.

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
#[doc(hidden)]
pub use date::civil_of_day;
pub use date::unix_millis;
pub use debug::{Reveal, Revealed};
pub use envelope::{Envelope, ErrorResult};
pub use methods::*;
pub use repair::repair_json;
pub use values::{GroupQuery, InvalidQuery, UserId, UserQuery, Username};
