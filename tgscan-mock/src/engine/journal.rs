//! The answers and durations of a server's requests, and the changes since an earlier moment.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::change::CurrentState;
use super::exchange::{Exchange, SentAnswer, lists, shortened};
use super::expect::Progress;
use super::recording::{Entry, Recording};
use super::step::{fault_json, method_schema};
use super::{KeyUsed, Mock, State, Wire};

/// The largest size of all kept answers in bytes. Answers are removed before their requests.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The largest numbers of script steps and expectations in [`Changes`].
const MOST_LISTED: usize = 100;
/// The longest text in [`Changes`], in characters.
const MOST_TEXT: usize = 300;

/// A received request.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub(crate) struct ShownRequest {
    /// The number of the request, counted from the start of the mock.
    number: u64,
    /// API method; null for an unknown path.
    #[schemars(schema_with = "method_schema")]
    method: Option<&'static str>,
    /// Whether the path belongs to a test method.
    is_test: bool,
    path: String,
    /// The part of the URL after `?`.
    url_query: Option<String>,
    /// Values by name, without the API key.
    headers: BTreeMap<String, Vec<String>>,
    /// The form as the SDK writes it; empty if it is invalid.
    form: String,
    /// The body, without API keys, if it is not the form as the SDK writes it.
    body: Option<String>,
    /// Kind of the key; null for a missing or unknown one.
    #[schemars(extend("enum" = ["live", "test", null]))]
    key: Option<&'static str>,
    /// HTTP status of the response, if there was one.
    status: Option<u16>,
    /// Credits that the request cost.
    charged: u64,
    /// The fault that was applied, as in `/_mock/faults`.
    fault: Option<Map<String, Value>>,
    /// Reason of the mock for refusing the request.
    refusal: Option<String>,
    /// Time at which the request was read, in milliseconds since 1970.
    received_ms: Option<u64>,
    /// Milliseconds until the answer was sent or given up; null while it is in flight, and for requests in process.
    took_ms: Option<f64>,
}

/// A request with its answer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AnsweredRequest {
    #[serde(flatten)]
    request: ShownRequest,
    /// HTTP method; null for requests in process.
    http_method: Option<&'static str>,
    /// The answer; null if it is no longer kept, and for requests in process.
    answer: Option<SentAnswer>,
}

/// The changes since an earlier read. Texts are cut after 300 characters.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Changes {
    /// The value of `after` for the next read.
    cursor: String,
    /// The number of the oldest request that is kept, or of the next one.
    oldest: u64,
    /// The requests that came or ended, oldest first.
    requests: Vec<ShownRequest>,
    state: CurrentState,
    /// The next steps of the script, as in `/_mock/faults`, at most 100.
    script: Vec<Map<String, Value>>,
    /// The first expectations, at most 100.
    expectations: Vec<Progress>,
    /// Number of all expectations.
    num_expectations: usize,
    /// Descriptions of the first unexpected requests.
    unexpected: Vec<String>,
    /// Number of further unexpected requests.
    more_unexpected: u64,
}

impl ShownRequest {
    fn of(number: u64, entry: &Entry, most_text: usize) -> Self {
        let Entry { request, exchange } = entry;
        let text = |text: &String| shortened(text, most_text);
        Self {
            number,
            method: request.method,
            is_test: request.is_test,
            path: text(&request.path),
            url_query: request.url_query.as_ref().map(text),
            headers: lists(&request.headers, most_text),
            form: text(&request.form),
            body: exchange.body.as_ref().map(text),
            key: match request.key {
                KeyUsed::None => None,
                KeyUsed::Live => Some("live"),
                KeyUsed::Test => Some("test"),
            },
            status: request.status.map(|status| status.as_u16()),
            charged: request.charged,
            fault: request.fault.as_ref().map(fault_json),
            refusal: request.refusal.as_ref().map(text),
            received_ms: request.received.map(since_1970),
            took_ms: exchange.took.map(|took| took.as_secs_f64() * 1000.0),
        }
    }
}

/// Returns the milliseconds since 1970.
pub(crate) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Mock {
    /// Adds the answer to a request.
    pub(crate) fn record_answer(
        &self,
        number: u64,
        http_method: &'static str,
        request: &Request<Bytes>,
        wire: &Wire,
    ) {
        let answer = SentAnswer::of(wire);
        let settings = self.engine.settings();
        let recording = &mut self.state().recording;
        // A reset may have removed the request.
        let Some(Entry { request: record, exchange }) = recording.entry(number) else { return };
        if record.form.as_bytes() != request.body() {
            // A client that sends its key in the wrong place must not find it here.
            let body = String::from_utf8_lossy(request.body()).into_owned();
            exchange.body =
                Some(settings.keys.iter().fold(body, |body, (key, _)| body.replace(key, "(an API key)")));
        }
        (exchange.http_method, exchange.answer) = (Some(http_method), Some(answer));
        recording.remove_answers();
    }

    /// Adds the duration of a request that ended.
    pub(crate) fn record_end(&self, number: u64, took: Duration) {
        let waiting = {
            let mut state = self.state();
            let revision = state.recording.revision + 1;
            let Some(Entry { exchange, .. }) = state.recording.entry(number) else { return };
            (exchange.took, exchange.revision) = (Some(took), revision);
            state.recording.revision = revision;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns all recorded requests, oldest first.
    pub(crate) fn shown_requests(&self) -> Vec<ShownRequest> {
        self.state().recording.shown(0, usize::MAX).collect()
    }

    /// Returns the changes since a revision. One in the future counts as the beginning. The cursor begins with `server`.
    pub(crate) fn changes(&self, server: u64, since: u64) -> Changes {
        let current = self.current_state();
        let State { recording, script, expected, .. } = &*self.state();
        let since = if since > recording.revision { 0 } else { since };
        let (unexpected, more_unexpected) = expected.unexpected();
        Changes {
            cursor: format!("{server}.{}", recording.revision),
            oldest: recording.oldest_number(),
            requests: recording.shown(since, MOST_TEXT).collect(),
            state: current,
            script: script.first_steps(MOST_LISTED),
            expectations: expected.progress(MOST_LISTED, |call| shortened(call, MOST_TEXT)),
            num_expectations: expected.len(),
            unexpected: unexpected.iter().map(|text| shortened(text, MOST_TEXT)).collect(),
            more_unexpected,
        }
    }

    /// Waits until the revision differs from this one. Other changes, such as those of the balance, do not end the wait.
    pub(crate) async fn wait_for_change(&self, since: u64) {
        poll_fn(|context| {
            let full = {
                let mut state = self.state();
                if state.recording.revision != since {
                    return Poll::Ready(());
                }
                state.wait(context)
            };
            full.into_iter().for_each(Waker::wake);
            Poll::Pending
        })
        .await;
    }

    /// Returns a recorded request with its answer, if the server kept it.
    pub(crate) fn answered_request(&self, number: u64) -> Option<AnsweredRequest> {
        let recording = &mut self.state().recording;
        let entry = recording.entry(number)?;
        let Exchange { http_method, ref answer, .. } = entry.exchange;
        let request = ShownRequest::of(number, entry, usize::MAX);
        Some(AnsweredRequest { request, http_method, answer: answer.clone() })
    }
}

impl Recording {
    /// Returns the request with this number, if it is kept.
    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = usize::try_from(number.checked_sub(self.oldest_number())?).ok()?;
        self.kept.get_mut(index)
    }

    /// Returns the requests that came or ended after a revision, with texts of at most this number of characters.
    fn shown(&self, since: u64, most_text: usize) -> impl Iterator<Item = ShownRequest> {
        let new = (self.oldest_number()..)
            .zip(&self.kept)
            .filter(move |(_, entry)| entry.exchange.revision > since);
        new.map(move |(number, entry)| ShownRequest::of(number, entry, most_text))
    }

    /// Removes the oldest answers until the size of all is within the limit. The newest answer stays.
    fn remove_answers(&mut self) {
        let mut bytes: usize = self.kept.iter().map(|entry| entry.exchange.size()).sum();
        let older = self.kept.len().saturating_sub(1);
        for Entry { exchange, .. } in self.kept.iter_mut().take(older) {
            if bytes <= MOST_BYTES {
                break;
            }
            bytes -= exchange.size();
            (exchange.answer, exchange.body) = (None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::engine::exchange::MOST_BODY;

    fn request(query: &str) -> Request<Bytes> {
        Request::post("https://api.tgdev.io/tgscan/v1/search")
            .body(Bytes::from(format!("query={query}")))
            .unwrap()
    }

    fn kept(mock: &Mock) -> (usize, usize, usize) {
        let state = mock.state();
        let exchanges = state.recording.kept.iter().map(|entry| &entry.exchange);
        let answers = exchanges.clone().filter(|exchange| exchange.answer.is_some()).count();
        (state.recording.kept.len(), answers, exchanges.map(Exchange::size).sum())
    }

    #[test]
    fn answers_are_limited_in_size_and_removed_with_their_requests() {
        let mock = Mock::new();
        let large = Wire::Whole(Response::new(Bytes::from(vec![b'x'; 2 * MOST_BODY])));
        for _ in 0..500 {
            let number = mock.respond(&request("alice")).number;
            mock.record_answer(number, "POST", &request("alice"), &large);
            assert!(kept(&mock).2 <= MOST_BYTES);
        }
        let (requests, answers, _) = kept(&mock);
        assert!(requests == 500 && answers >= MOST_BYTES / MOST_BODY / 2, "{answers}");
        let newest = mock.answered_request(500).unwrap().answer;
        assert_eq!(newest.map(|answer| (answer.kept_bytes, answer.bytes)), Some((MOST_BODY, 2 * MOST_BODY)));
        assert!(mock.answered_request(1).is_some_and(|oldest| oldest.answer.is_none()));
        for _ in 0..1000 {
            mock.respond(&request("alice"));
        }
        let number = mock.respond(&request("alice")).number;
        mock.record_answer(number, "POST", &request("alice"), &Wire::Refused);
        assert_eq!(kept(&mock), (1000, 1, 0));
        // The end of a request that was removed changes nothing.
        let before = mock.changes(0, 0).cursor;
        mock.record_end(1, Duration::ZERO);
        assert_eq!(mock.changes(0, 0).cursor, before);
    }
}
