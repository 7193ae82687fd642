//! The record of received requests, without keys and limited in size.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
#[cfg(feature = "server")]
use schemars::JsonSchema;
use serde::Serialize;

use super::account::KeyKind;
use super::fault::Fault;
#[cfg(feature = "server")]
use super::redact::Headers;
use super::redact::{without_key, write_headers};
#[cfg(feature = "server")]
use super::sent::SentAnswer;
#[cfg(feature = "server")]
use super::step::method_schema;

const CAPACITY: usize = 1000;
/// The largest size of the recorded requests and their answers in bytes, since they can be large.
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A request that the mock received. It does not contain the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "server", derive(JsonSchema), schemars(rename = "Request"))]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The number of the request, counted from 1. A reset does not change the count.
    pub number: u64,
    /// HTTP method, or `?` for an unusual one, which could be a query or a key in the wrong place.
    pub http_method: &'static str,
    /// API method, if the path belongs to one.
    #[cfg_attr(feature = "server", schemars(schema_with = "method_schema"))]
    pub method: Option<&'static str>,
    /// Whether the path belongs to a test method.
    pub is_test: bool,
    /// The path.
    pub path: String,
    /// The part of the URL after the `?`, which the SDK leaves empty.
    pub url_query: Option<String>,
    /// The headers, without the API key. The control path `changes` leaves them out.
    #[serde(serialize_with = "write_headers")]
    #[cfg_attr(feature = "server", schemars(with = "Headers"))]
    pub headers: HeaderMap,
    /// The form as the SDK writes it, such as `query=some_username`; empty if the path is unknown or the form is invalid.
    pub form: String,
    /// The body, without API keys, if it is not exactly the form as the SDK writes it.
    pub body: Option<String>,
    /// The kind of key; `None` without a key, and for several keys or an unknown one.
    pub key: Option<KeyKind>,
    /// HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// Credits that the request cost.
    pub charged: u64,
    /// The fault that was applied, as in the control path `faults`.
    #[cfg_attr(feature = "server", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub fault: Option<Fault>,
    /// The reason that the mock refused the request.
    pub refusal: Option<String>,
    /// When the mock's server had read the request; `None` in process. In JSON, milliseconds since 1970.
    #[serde(rename = "received_ms", serialize_with = "write_time")]
    #[cfg_attr(feature = "server", schemars(with = "Option<u64>"))]
    pub received: Option<SystemTime>,
    /// The time until the answer was sent or given up; `None` while it is in flight, and in process.
    #[serde(rename = "took_ms", serialize_with = "write_duration")]
    #[cfg_attr(feature = "server", schemars(with = "Option<f64>"))]
    pub took: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn write_time<S: serde::Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(since_1970).serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn write_duration<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64() * 1000.0).serialize(serializer)
}

/// Returns the milliseconds since 1970.
pub(crate) fn since_1970(time: SystemTime) -> u64 {
    super::fault::milliseconds(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

impl RecordedRequest {
    /// Creates a record with only the HTTP method and the headers set.
    pub(super) fn new(http_method: &'static str, headers: &HeaderMap, keys: &[(String, KeyKind)]) -> Self {
        Self {
            number: 0,
            http_method,
            method: None,
            is_test: false,
            path: String::new(),
            url_query: None,
            headers: without_key(headers, keys),
            form: String::new(),
            body: None,
            key: None,
            status: None,
            charged: 0,
            fault: None,
            refusal: None,
            received: None,
            took: None,
        }
    }
}

pub(super) struct Entry {
    pub(super) request: RecordedRequest,
    #[cfg(feature = "server")]
    pub(super) answer: Option<SentAnswer>,
    /// The revision of the recording when the request came or ended.
    #[cfg(feature = "server")]
    pub(super) revision: u64,
}

impl Entry {
    /// Returns the size of its large parts in bytes.
    fn size(&self) -> usize {
        let RecordedRequest { path, url_query, headers, form, body, refusal, .. } = &self.request;
        let headers: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let texts: usize = [url_query, body, refusal].into_iter().flatten().map(String::len).sum();
        #[cfg(feature = "server")]
        let texts = texts + self.answer.as_ref().map_or(0, |answer| answer.body.len());
        path.len() + form.len() + headers + texts
    }
}

#[derive(Default)]
pub(super) struct Recording {
    pub(super) kept: VecDeque<Entry>,
    bytes: usize,
    pub(super) dropped: u64,
    /// The number of the latest request, which a reset keeps.
    latest: u64,
    /// Counts the requests and their ends. Never reset.
    #[cfg(feature = "server")]
    pub(super) revision: u64,
}

impl Recording {
    /// Returns an empty recording whose requests continue the numbers of this one.
    pub(super) fn restarted(&self) -> Self {
        Self {
            latest: self.latest,
            #[cfg(feature = "server")]
            revision: self.revision,
            ..Self::default()
        }
    }

    /// Returns the number of the oldest kept request, or of the next one without any.
    #[cfg(feature = "server")]
    pub(super) fn oldest(&self) -> u64 {
        self.kept.front().map_or(self.latest + 1, |entry| entry.request.number)
    }

    /// Adds a request. Returns its number.
    pub(super) fn push(&mut self, mut request: RecordedRequest) -> u64 {
        self.latest += 1;
        request.number = self.latest;
        #[cfg(feature = "server")]
        {
            self.revision += 1;
        }
        let entry = Entry {
            request,
            #[cfg(feature = "server")]
            answer: None,
            #[cfg(feature = "server")]
            revision: self.revision,
        };
        self.bytes += entry.size();
        self.kept.push_back(entry);
        self.limit();
        self.latest
    }

    /// Changes an entry, if it is kept.
    #[cfg(feature = "server")]
    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        let index = number.checked_sub(self.oldest()).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.kept.get_mut(index)) else { return };
        self.bytes -= entry.size();
        change(entry);
        self.bytes += entry.size();
        self.limit();
    }

    /// Removes the oldest requests above the limits. The latest one stays, whatever its size.
    fn limit(&mut self) {
        while self.kept.len() > CAPACITY || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
    }
}
