//! Validated values. They are checked when they are created, so an existing value is valid.
//!
//! `FromStr` accepts input as people type and paste it. `Deserialize` accepts only the exact wire form, since servers
//! (and the mock) read requests with it.

mod group_query;
mod invalid;
mod pasted;
mod user_id;
mod user_query;
mod username;

pub use group_query::GroupQuery;
pub use invalid::InvalidQuery;
pub use user_id::UserId;
pub use user_query::UserQuery;
pub use username::Username;
pub(crate) use username::link;

/// Implements `Deserialize` through a function that reads the exact wire form from text.
macro_rules! deserialize_from_wire {
    ($name:ident) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::from_wire(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
use deserialize_from_wire;

/// Implements `TryFrom` for text through `FromStr`.
macro_rules! try_from_text {
    ($name:ident) => {
        impl TryFrom<&str> for $name {
            type Error = InvalidQuery;

            fn try_from(text: &str) -> Result<Self, InvalidQuery> {
                text.parse()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidQuery;

            fn try_from(text: String) -> Result<Self, InvalidQuery> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $name {
            type Error = InvalidQuery;

            fn try_from(text: &String) -> Result<Self, InvalidQuery> {
                text.parse()
            }
        }
    };
}
use try_from_text;
