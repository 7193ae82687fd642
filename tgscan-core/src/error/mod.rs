//! The errors of calls, grouped by their origin. [`Error`] is the error of a call.

mod answer;
pub(crate) mod call;
mod read;

pub use answer::{ApiError, InvalidResponse};
pub(crate) use call::{Error, ErrorKind};
pub use read::ReadError;

pub use crate::api_key::InvalidApiKey;
pub use crate::base_url::InvalidBaseUrl;
pub use crate::refusal::Classifier;
pub(crate) use read::{is_object, read_json, read_text, read_tracked};
