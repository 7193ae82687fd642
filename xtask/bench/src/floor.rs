//! What a user of plain serde would write.

use serde::Deserialize;
use tgscan_core::types::SearchAnswer;

/// The floor: a plain derived struct around the same types.
#[derive(Debug, Deserialize)]
pub struct Plain {
    /// `ok` or `error`.
    pub status: Status,
    /// The data.
    pub result: SearchAnswer,
}

/// Whether the call was successful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was.
    Ok,
    /// It was not.
    Error,
}

/// The same as an adjacently tagged enum, which tells failures apart.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
pub enum Tagged {
    /// The data.
    Ok(SearchAnswer),
    /// What went wrong.
    Error {
        /// In the service's words.
        message: String,
    },
}
