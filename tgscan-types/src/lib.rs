//! Schemas of the [TgScan API](https://tgdev.io/tgscan/api): what can be asked, and what is answered.
//!
//! This crate does no I/O and holds no logic beyond validation. `tgscan-core` builds HTTP requests from these
//! types and reads answers into them; `tgscan-mock` does the reverse with the very same types.
//!
//! ```
//! use tgscan_types::{Search, SearchAnswer, Envelope, UserQuery};
//!
//! // A query is checked once, here, before anything is sent. What people paste is accepted.
//! let request = Search { query: "@some_username".parse()? };
//! assert_eq!(request.query, "some_username".parse::<UserQuery>()?);
//!
//! // A wrong one says what is wrong and what would be right.
//! let error = "some username".parse::<UserQuery>().unwrap_err();
//! assert!(error.to_string().contains("letters, digits and underscores"));
//!
//! // An answer reads from the documented JSON and writes back to it.
//! let body = r#"{"status":"ok","result":{"user":{"id":7,"username":null,"first_name":"A","last_name":null},
//!     "meta":{"search_query":"7","known_num_groups":0,"num_groups":0,"op_cost":1}}}"#;
//! let Envelope::Ok(answer) = serde_json::from_str::<Envelope<SearchAnswer>>(body)? else { panic!() };
//! assert_eq!(answer.user.id, 7);
//! assert!(answer.groups.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading is tolerant, writing is exact
//!
//! A paid answer must not be lost because one field surprises the reader, and a reader must not make up values:
//!
//! | in the answer | is read as |
//! |---|---|
//! | an unknown field | ignored |
//! | a missing or null list | an empty list |
//! | a missing or null text that the documentation promises | an empty text |
//! | a missing or null text that the documentation allows to be null | `None` |
//! | `id_history[].id` as number or as text | `i64` |
//! | a missing, null or mistyped object, number or truth value | an error |
//!
//! What is written is exactly the documented form.
//!
//! # Privacy
//!
//! Queries and answers are personal data. No `Debug` or `Display` of any type here prints a query, a name or an id:
//! `Debug` shows counts and costs. To look at an answer, ask for it: serialise it.
//!
//! # Adding an API method
//!
//! 1. One new file in `src/methods/`, named as the method's `NAME` and in the order of the files beside it, with a request
//!    type of the same name in upper camel case; and its lines in the registry, `src/methods/mod.rs`.
//! 2. Its fixtures in `fixtures/<name>/`: `answer.json`, the documented answer in its envelope; `live.http` and, if it
//!    has a test twin, `test.http`, the bytes of the request, with CRLF and with the keys that the fixtures beside them have.
//! 3. In `tgscan-mock`: one strategy file in `src/data/` with its `mod` line, and one line in `src/engine/route.rs`.
//! 4. `cargo xtask docs` for the README's table and the OpenAPI document, and a line in the changelog.
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

pub use api_method::{ApiMethod, MethodInfo, MethodVisitor, infos};
pub use envelope::{Envelope, ErrorResult};
pub use methods::*;
pub use values::{GroupQuery, InvalidQuery, UserId, UserQuery, Username};
