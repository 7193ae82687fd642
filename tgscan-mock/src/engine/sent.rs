//! Answers as the server sent them.

use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::Wire;
use super::account::KeyKind;
use super::redact::{Headers, redact_bytes, without_key, write_headers};

/// The largest part of an answer that is kept, in bytes.
const MOST_BODY: usize = 64 * 1024;

/// An answer as the server sent it.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct SentAnswer {
    /// HTTP status, if there was one.
    status: Option<u16>,
    /// Values by name, without API keys.
    #[serde(serialize_with = "write_headers")]
    #[schemars(with = "Headers")]
    headers: HeaderMap,
    /// The body, or its first 64 KiB, before compression and without API keys.
    pub(super) body: String,
    /// Number of bytes of the body that are kept.
    kept_bytes: usize,
    /// Number of bytes of the whole body.
    bytes: usize,
    /// Number of bytes of the body that were sent before a fault; null for the whole body.
    cut_at: Option<usize>,
    /// How a fault ended the connection.
    #[schemars(extend("enum" = ["reset", "close", "stall", "trickle", null]))]
    end: Option<&'static str>,
}

impl SentAnswer {
    pub(super) fn of(wire: &Wire, keys: &[(String, KeyKind)]) -> Self {
        let (response, cut) = match wire {
            Wire::Whole(response) | Wire::Slow(response) => (Some(response), None),
            Wire::Partial(response, at, end) => (Some(response), Some((*at, end.name()))),
            Wire::Nothing(end) => (None, Some((0, end.name()))),
            Wire::Refused => (None, Some((0, "reset"))),
        };
        let whole: &[u8] = response.map_or(&[], |response| response.body());
        let kept_bytes = whole.len().min(MOST_BODY);
        // An answer repeats its query, which can be a key in the wrong place.
        let body = redact_bytes(whole, kept_bytes, keys);
        Self {
            status: response.map(|response| response.status().as_u16()),
            headers: response.map(|response| without_key(response.headers(), keys)).unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
            kept_bytes,
            bytes: whole.len(),
            cut_at: cut.map(|(at, _)| at),
            end: cut.map(|(_, end)| end),
        }
    }
}
