//! What was sent to the mock, without keys, and never more than a bounded number.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::account::KeyState;
use super::check::API_KEY;
use super::expect::Seen;
use super::fault::Fault;

/// How many requests are kept: enough for any test, and little memory in a server that runs for long.
const CAPACITY: usize = 1000;
/// How many bytes of them: a request can be large.
const MOST_BYTES: usize = 16 * 1024 * 1024;

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
    /// What stands in the URL after the `?`, where the SDK writes nothing.
    pub url_query: Option<String>,
    /// The headers, without the API key.
    pub headers: HeaderMap,
    /// The form, such as `query=some_username`; empty if the path is no method's, or if it cannot be read.
    pub form: String,
    /// The kind of key.
    pub key: KeyUsed,
    /// HTTP status of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// Credits that it took.
    pub charged: u64,
    /// The fault that it met.
    pub fault: Option<Fault>,
    /// Why the mock refused it, if it did.
    pub refusal: Option<String>,
    /// When the mock's server had read it; nothing for a request in process.
    pub received: Option<SystemTime>,
    /// Whether its body was this form to the byte: as the SDK writes it.
    pub(crate) is_exact: bool,
}

#[derive(Default)]
pub(super) struct Recording {
    kept: VecDeque<Record>,
    bytes: usize,
    dropped: u64,
}

/// A request as it is kept: small, because each one is.
pub(super) struct Record {
    pub(super) method: Option<&'static str>,
    pub(super) is_test: bool,
    pub(super) path: Cow<'static, str>,
    pub(super) url_query: Option<String>,
    headers: Headers,
    pub(super) form: String,
    pub(super) key: KeyUsed,
    pub(super) status: Option<StatusCode>,
    pub(super) charged: u64,
    pub(super) fault: Option<Fault>,
    pub(super) refusal: Option<String>,
    pub(super) received: Option<SystemTime>,
    pub(super) is_exact: bool,
}

impl Record {
    /// A request with these headers, of which nothing else is known yet.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self {
            method: None,
            is_test: false,
            path: Cow::Borrowed(""),
            url_query: None,
            headers: Headers::of(headers),
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

    pub(super) fn seen(&self) -> Seen<'_> {
        Seen { method: self.method, is_test: self.is_test, form: &self.form }
    }

    /// What it holds that can be large, in bytes.
    fn size(&self) -> usize {
        let url_query = self.url_query.as_ref().map_or(0, String::len);
        let refusal = self.refusal.as_ref().map_or(0, String::len);
        self.path.len() + url_query + self.headers.0.len() + self.form.len() + refusal
    }

    fn to_request(&self) -> RecordedRequest {
        RecordedRequest {
            method: self.method,
            is_test: self.is_test,
            path: self.path.clone().into_owned(),
            url_query: self.url_query.clone(),
            headers: self.headers.to_map(),
            form: self.form.clone(),
            key: self.key,
            status: self.status,
            charged: self.charged,
            fault: self.fault.clone(),
            refusal: self.refusal.clone(),
            received: self.received,
            is_exact: self.is_exact,
        }
    }
}

impl Recording {
    pub(super) fn push(&mut self, record: Record) {
        self.bytes += record.size();
        self.kept.push_back(record);
        // The last one stays, whatever its size.
        while self.kept.len() > CAPACITY || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.kept.iter().map(Record::to_request).collect()
    }

    /// What the requests asked for.
    pub(super) fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        self.kept.iter().map(Record::seen)
    }

    #[cfg(feature = "server")]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Headers in a piece of memory of their own, without the API key. Those of a request hold on to all that was read from
/// its connection at once: kilobytes, with the key among them.
///
/// A line for each: [`SENSITIVE`] or [`OPEN`], the name, `:`, the value. Neither name nor value can have a line's end in
/// it, nor a name a colon.
struct Headers(Vec<u8>);

const SENSITIVE: u8 = b'*';
const OPEN: u8 = b' ';

impl Headers {
    fn of(map: &HeaderMap) -> Self {
        let kept = || map.iter().filter(|(name, _)| **name != API_KEY);
        let size = kept().map(|(name, value)| name.as_str().len() + value.len() + 3).sum();
        let mut lines = Vec::with_capacity(size);
        for (name, value) in kept() {
            lines.push(if value.is_sensitive() { SENSITIVE } else { OPEN });
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Self(lines)
    }

    fn to_map(&self) -> HeaderMap {
        let read = |line: &[u8]| {
            let (kind, line) = line.split_first()?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let mut value = HeaderValue::from_bytes(&line[colon + 1..]).ok()?;
            value.set_sensitive(*kind == SENSITIVE);
            Some((name, value))
        };
        let mut map = HeaderMap::new();
        for line in self.0.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let (name, value) = read(line).expect("it was a header before");
            map.append(name, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_but_for_the_key() {
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
        let kept = Headers::of(&sent);
        assert!(!kept.0.contains(&b'k') && !kept.0.contains(&b'l'));
        assert_eq!(kept.0.capacity(), kept.0.len(), "a thousand of them are kept");
        sent.remove("api-key");
        assert_eq!(kept.to_map(), sent);
        assert!(kept.to_map()["authorization"].is_sensitive() && !kept.to_map()["accept"].is_sensitive());
    }
}
