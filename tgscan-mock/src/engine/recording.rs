//! The record of received requests, without keys and limited in size.

use std::collections::VecDeque;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::account::KeyState;
use super::check::API_KEY;
#[cfg(feature = "server")]
use super::exchange::Exchange;
use super::expect::Target;
use super::fault::Fault;

/// The largest number of recorded requests.
const CAPACITY: usize = 1000;
/// The largest size of the recorded requests in bytes, since a request can be large.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The kind of key in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsed {
    /// No key, several keys, or an unknown or revoked one.
    None,
    /// A live key.
    Live,
    /// A test key.
    Test,
}

impl From<KeyState> for KeyUsed {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Live => Self::Live,
            KeyState::Test => Self::Test,
            KeyState::Revoked => Self::None,
        }
    }
}

/// A request that the mock received. It does not contain the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The API method, if the path belongs to one.
    pub method: Option<&'static str>,
    /// Whether the path belongs to a test method.
    pub is_test: bool,
    /// The path.
    pub path: String,
    /// The part of the URL after the `?`, which the SDK leaves empty.
    pub url_query: Option<String>,
    /// The headers, without the API key.
    pub headers: HeaderMap,
    /// The form, such as `query=some_username`; empty if the path is unknown or the form is invalid.
    pub form: String,
    /// The kind of key.
    pub key: KeyUsed,
    /// HTTP status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// Credits that the request cost.
    pub charged: u64,
    /// The fault that was applied.
    pub fault: Option<Fault>,
    /// The reason that the mock refused the request.
    pub refusal: Option<String>,
    /// When the mock's server had read the request; `None` in process.
    pub received: Option<SystemTime>,
    /// Whether the body was exactly this form, as the SDK writes it.
    pub(crate) is_exact: bool,
}

impl RecordedRequest {
    /// Creates a record with only the headers set.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self {
            method: None,
            is_test: false,
            path: String::new(),
            url_query: None,
            headers: without_key(headers),
            form: String::new(),
            key: KeyUsed::None,
            status: None,
            charged: 0,
            fault: None,
            refusal: None,
            received: None,
            is_exact: false,
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target { method: self.method, is_test: self.is_test, form: &self.form }
    }

    /// Returns the size of its large parts in bytes.
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let texts = [&self.url_query, &self.refusal].into_iter().flatten().map(String::len).sum::<usize>();
        self.path.len() + self.form.len() + headers + texts
    }
}

/// A recorded request.
pub(super) struct Entry {
    pub(super) request: RecordedRequest,
    #[cfg(feature = "server")]
    pub(super) exchange: Exchange,
}

#[derive(Default)]
pub(super) struct Recording {
    pub(super) kept: VecDeque<Entry>,
    bytes: usize,
    pub(super) dropped: u64,
    /// The number of requests before the last reset.
    before: u64,
    /// Counts the requests and their ends. Never reset.
    #[cfg(feature = "server")]
    pub(super) revision: u64,
}

impl Recording {
    /// Returns an empty recording whose requests continue the numbers of this one.
    pub(super) fn restarted(&self) -> Self {
        Self {
            before: self.next_number() - 1,
            #[cfg(feature = "server")]
            revision: self.revision,
            ..Self::default()
        }
    }

    /// Returns the number of the next request, counted from 1.
    fn next_number(&self) -> u64 {
        self.oldest_number() + self.kept.len() as u64
    }

    /// Returns the number of the oldest kept request, or of the next one without any.
    pub(super) fn oldest_number(&self) -> u64 {
        1 + self.before + self.dropped
    }

    /// Adds a request. Returns its number.
    pub(super) fn push(&mut self, request: RecordedRequest) -> u64 {
        let number = self.next_number();
        self.bytes += request.size();
        self.kept.push_back(Entry {
            request,
            #[cfg(feature = "server")]
            exchange: Exchange::begun(&mut self.revision),
        });
        // The latest request stays, whatever its size.
        while self.kept.len() > CAPACITY || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.request.size();
            self.dropped += 1;
        }
        number
    }
}

/// Copies headers without the API key. A clone would keep the connection's read buffer alive, which contains the key.
fn without_key(headers: &HeaderMap) -> HeaderMap {
    let copy = |(name, value): (&HeaderName, &HeaderValue)| {
        let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        copy.set_sensitive(value.is_sensitive());
        Some((HeaderName::from_bytes(name.as_str().as_bytes()).ok()?, copy))
    };
    headers.iter().filter(|(name, _)| **name != API_KEY).filter_map(copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_headers_without_the_key() {
        let mut sent = HeaderMap::new();
        let mut secret = HeaderValue::from_static("hidden");
        secret.set_sensitive(true);
        sent.insert("authorization", secret);
        for (name, value) in
            [("x-a", "1"), ("api-key", "k"), ("x-a", ""), ("accept", "a:/b"), ("api-key", "l")]
        {
            sent.append(name, HeaderValue::from_static(value));
        }
        sent.insert("x-b", HeaderValue::from_bytes(b"\xff").unwrap());
        let copy = without_key(&sent);
        sent.remove("api-key");
        assert_eq!(copy, sent);
        assert!(copy["authorization"].is_sensitive() && !copy["accept"].is_sensitive());
    }
}
