//! The answer and the duration of a request, which only the server knows.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::Wire;

/// The largest part of an answer that is kept, in bytes.
pub(super) const MOST_BODY: usize = 64 * 1024;
/// The part of a recorded request that only the server knows.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) http_method: Option<&'static str>,
    /// The body of the request, if it is not the recorded form.
    pub(super) body: Option<String>,
    pub(super) answer: Option<SentAnswer>,
    pub(super) took: Option<Duration>,
    /// The revision of the recording when the request came or ended.
    pub(super) revision: u64,
}

/// An answer as the server sent it.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct SentAnswer {
    /// HTTP status, if there was one.
    pub(super) status: Option<u16>,
    /// Values by name.
    pub(super) headers: BTreeMap<String, Vec<String>>,
    /// The body, or its first 64 KiB, before compression.
    pub(super) body: String,
    /// Number of bytes of the body that are kept.
    pub(super) kept_bytes: usize,
    /// Number of bytes of the whole body.
    pub(super) bytes: usize,
    /// Number of bytes of the body that were sent before a fault; null for the whole body.
    pub(super) cut_at: Option<usize>,
    /// How a fault ended the connection.
    #[schemars(extend("enum" = ["reset", "close", "stall", "trickle", null]))]
    pub(super) end: Option<&'static str>,
}

impl Exchange {
    pub(super) fn begun(revision: &mut u64) -> Self {
        *revision += 1;
        Self { revision: *revision, ..Self::default() }
    }

    /// Returns the size of its large parts in bytes.
    pub(super) fn size(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |answer| answer.body.len());
        answer + self.body.as_ref().map_or(0, String::len)
    }
}

impl SentAnswer {
    pub(super) fn of(wire: &Wire) -> Self {
        let (response, cut) = match wire {
            Wire::Whole(response) | Wire::Slow(response) => (Some(response), None),
            Wire::Partial(response, at, end) => (Some(response), Some((*at, end.name()))),
            Wire::Nothing(end) => (None, Some((0, end.name()))),
            Wire::Refused => (None, Some((0, "reset"))),
        };
        let whole: &[u8] = response.map_or(&[], |response| response.body());
        let kept = &whole[..whole.len().min(MOST_BODY)];
        Self {
            status: response.map(|response| response.status().as_u16()),
            headers: response.map(|response| lists(response.headers(), usize::MAX)).unwrap_or_default(),
            body: String::from_utf8_lossy(kept).into_owned(),
            kept_bytes: kept.len(),
            bytes: whole.len(),
            cut_at: cut.map(|(at, _)| at),
            end: cut.map(|(_, end)| end),
        }
    }
}

pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Converts headers to lists of values by name.
pub(super) fn lists(headers: &HeaderMap, most_text: usize) -> BTreeMap<String, Vec<String>> {
    let text = |value: &http::HeaderValue| shortened(&String::from_utf8_lossy(value.as_bytes()), most_text);
    let values = |name| headers.get_all(name).iter().map(text).collect();
    headers.keys().map(|name| (name.to_string(), values(name))).collect()
}
