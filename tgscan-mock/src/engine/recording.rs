//! What was sent to the mock, without keys, and never more than a bounded number.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::account::KeyState;
use super::expect::Seen;
use super::fault::Fault;

/// How many requests are kept: enough for any test, and little memory in a server that runs for long.
const CAPACITY: usize = 1000;

/// Which kind of key a request was sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsed {
    /// None, several, an unknown or a revoked one.
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

/// A request that the mock received. The key itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The API method, if the path was known.
    pub method: Option<&'static str>,
    /// Whether the path was that of a test method.
    pub is_test: bool,
    /// The path.
    pub path: String,
    /// The headers, without the API key.
    pub headers: HeaderMap,
    /// The form, such as `query=some_username`; empty if it was refused before it was read, or cannot be read.
    pub form: String,
    /// The kind of key.
    pub key: KeyUsed,
    /// HTTP status of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// Credits that it took.
    pub charged: u64,
    /// The fault that it met.
    pub fault: Option<Fault>,
}

impl RecordedRequest {
    pub(super) fn begin(request: &Request<Bytes>) -> Self {
        Self {
            method: None,
            is_test: false,
            path: request.uri().path().to_owned(),
            headers: {
                let mut headers = request.headers().clone();
                headers.remove("api-key");
                headers
            },
            form: String::new(),
            key: KeyUsed::None,
            status: None,
            charged: 0,
            fault: None,
        }
    }
}

#[derive(Default)]
pub(super) struct Recording {
    kept: VecDeque<RecordedRequest>,
    dropped: u64,
}

impl Recording {
    pub(super) fn push(&mut self, request: RecordedRequest) {
        if self.kept.len() == CAPACITY {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(request);
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.kept.iter().cloned().collect()
    }

    /// What the requests asked for.
    pub(super) fn seen(&self) -> impl Iterator<Item = Seen> {
        let seen = |kept: &RecordedRequest| Seen {
            method: kept.method,
            is_test: kept.is_test,
            form: kept.form.clone(),
        };
        self.kept.iter().map(seen)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
