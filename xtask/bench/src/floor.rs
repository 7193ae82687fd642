//! What a user of plain serde would write.

use serde::Deserialize;
use tgscan_core::types::SearchAnswer;

/// The baseline: a derived struct around the SDK's own types.
#[derive(Debug, Deserialize)]
pub struct Plain {
    pub status: Status,
    pub result: SearchAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Error,
}

/// The same as an adjacently tagged enum, which tells errors apart.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", content = "result", rename_all = "lowercase")]
pub enum Tagged {
    Ok(SearchAnswer),
    Error { message: String },
}
