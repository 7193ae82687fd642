//! What a user of plain serde would write.

use serde::Deserialize;
use tgscan_core::types::SearchAnswer;

/// The baseline: a derived struct around the SDK's own types.
#[derive(Debug, Deserialize)]
pub struct Plain {
    /// `ok` or `error`.
    pub status: Status,
    /// The data.
    pub result: SearchAnswer,
}

/// Whether the call succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It did.
    Ok,
    /// It did not.
    Error,
}

/// The same as an adjacently tagged enum, which tells errors apart.
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
