#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

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

pub use api_method::ApiMethod;
#[doc(hidden)]
pub use date::civil_of_day;
pub use date::unix_millis;
pub use debug::{Reveal, Revealed};
pub use envelope::{Envelope, ErrorResult};
pub use methods::*;
pub use repair::repair_json;
pub use values::{GroupQuery, InvalidQuery, UserId, UserQuery, Username};
