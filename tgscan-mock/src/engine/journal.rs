//! The answers and durations of a server's requests, and the changes since an earlier moment.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::expect::Progress;
use super::{End, Mock, NextStep, RecordedRequest, State, Wire};

/// The largest part of an answer that is kept, in bytes.
const MOST_BODY: usize = 64 * 1024;
/// The largest size of all kept answers in bytes. Answers are removed before their requests.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The largest number of tasks that wait for changes.
const MOST_WAITING: usize = 100;
/// The largest numbers of script steps and expectations in [`Changes`].
const MOST_LISTED: usize = 100;

/// The answers and durations of requests, by number.
#[derive(Default)]
pub(super) struct Journal {
    entries: BTreeMap<u64, Entry>,
    /// The size of the kept answers.
    bytes: usize,
    /// The number of requests that ended.
    ended: u64,
}

#[derive(Default)]
struct Entry {
    answer: Option<Sent>,
    took: Option<Duration>,
    /// The value of [`Journal::ended`] at the end of the request.
    ended: u64,
}

/// An answer as the server sent it, before compression.
#[derive(Clone)]
pub(crate) struct Sent {
    /// The HTTP method of the request.
    pub(crate) http_method: &'static str,
    /// The body of the request, if it is not the recorded form.
    pub(crate) request_body: Option<String>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    /// The body, or its first part.
    pub(crate) body: Bytes,
    /// The size of the whole body.
    pub(crate) size: usize,
    /// If a fault stopped the body: the number of bytes that were sent, and how it ended.
    pub(crate) cut: Option<(usize, End)>,
}

impl Sent {
    fn of(http_method: &'static str, wire: &Wire) -> Self {
        let (response, cut) = match wire {
            Wire::Whole(response) | Wire::Slow(response) => (response, None),
            Wire::Partial(response, at, end) => (response, Some((*at, *end))),
            Wire::Nothing(end) => return Self::nothing(http_method, *end),
            Wire::Refused => return Self::nothing(http_method, End::Reset),
        };
        let whole = response.body();
        // A slice would keep the whole body in memory.
        let body =
            if whole.len() > MOST_BODY { Bytes::copy_from_slice(&whole[..MOST_BODY]) } else { whole.clone() };
        let (status, headers) = (Some(response.status()), response.headers().clone());
        Self { http_method, request_body: None, status, headers, body, size: whole.len(), cut }
    }

    fn nothing(http_method: &'static str, end: End) -> Self {
        Self {
            http_method,
            request_body: None,
            status: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            size: 0,
            cut: Some((0, end)),
        }
    }

    /// Returns the size of its large parts in bytes.
    fn bytes(&self) -> usize {
        self.body.len() + self.request_body.as_ref().map_or(0, String::len)
    }
}

/// A recorded request with its number, and its duration if it ended.
pub(crate) struct Recorded {
    pub(crate) number: u64,
    pub(crate) request: RecordedRequest,
    /// The body, if it is not the recorded form.
    pub(crate) body: Option<String>,
    pub(crate) took: Option<Duration>,
}

/// A moment in the history of a mock. Its requests and their ends are counted, and neither count is ever reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of the next request.
    pub(crate) next: u64,
    /// The number of requests that ended.
    pub(crate) ended: u64,
}

/// The changes since a [`Position`], and the lists that are short enough to return whole.
pub(crate) struct Changes {
    pub(crate) position: Position,
    /// The number of the oldest kept request.
    pub(crate) oldest: u64,
    /// The requests that came or ended.
    pub(crate) requests: Vec<Recorded>,
    pub(crate) script: Vec<NextStep>,
    pub(crate) expectations: Vec<Progress>,
    pub(crate) num_expectations: usize,
    /// Descriptions of unexpected requests, and the number of further ones.
    pub(crate) unexpected: (Vec<String>, u64),
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
        let mut answer = Sent::of(http_method, wire);
        let settings = self.engine.settings();
        let mut state = self.state();
        let State { recording, journal, .. } = &mut *state;
        journal.remove_before(recording.oldest_number());
        // A reset may have removed the request.
        let Some(record) = recording.request(number) else { return };
        if record.form.as_bytes() != request.body() {
            // A client that sends its key in the wrong place must not find it here.
            let body = String::from_utf8_lossy(request.body()).into_owned();
            answer.request_body =
                Some(settings.keys.iter().fold(body, |body, (key, _)| body.replace(key, "(an API key)")));
        }
        journal.add(number, answer);
    }

    /// Adds the duration of a request that ended.
    pub(crate) fn record_end(&self, number: u64, took: Duration) {
        let waiting = {
            let mut state = self.state();
            state.journal.end(number, took);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns the changes since a position. A position in the future counts as the beginning.
    pub(crate) fn changes(&self, since: Position) -> Changes {
        let state = self.state();
        let State { recording, journal, script, expected, .. } = &*state;
        let position = position(&state);
        let is_known = since.next <= position.next && since.ended <= position.ended;
        let since = if is_known { since } else { Position::default() };
        let ended = |number| journal.entries.get(&number).map_or(0, |entry| entry.ended);
        let is_new = |number| number >= since.next || ended(number) > since.ended;
        let requests = recording.numbered().filter(|(number, _)| is_new(*number));
        let requests = requests.map(|(number, request)| journal.recorded(number, request));
        let (unexpected, more) = expected.unexpected();
        Changes {
            position,
            oldest: recording.oldest_number(),
            requests: requests.collect(),
            script: script.first_steps(MOST_LISTED),
            expectations: expected.progress(MOST_LISTED),
            num_expectations: expected.len(),
            unexpected: (unexpected.to_vec(), more),
        }
    }

    /// Waits until the position differs from this one. Other changes, such as those of the balance, do not end the wait.
    pub(crate) async fn wait_for_change(&self, since: Position) {
        poll_fn(|context| {
            let full = {
                let mut state = self.state();
                if position(&state) != since {
                    return Poll::Ready(());
                }
                // Those of tasks that stopped waiting would stay until the next request.
                let full = if state.waiting.len() < MOST_WAITING {
                    Vec::new()
                } else {
                    std::mem::take(&mut state.waiting)
                };
                if !state.waiting.iter().any(|waiting| waiting.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                full
            };
            full.into_iter().for_each(Waker::wake);
            Poll::Pending
        })
        .await;
    }

    /// Returns a recorded request with its answer, if the server kept it.
    pub(crate) fn recorded_request(&self, number: u64) -> Option<(Recorded, Option<Sent>)> {
        let state = self.state();
        let recorded = state.journal.recorded(number, state.recording.request(number)?);
        Some((recorded, state.journal.entries.get(&number).and_then(|entry| entry.answer.clone())))
    }
}

fn position(state: &State) -> Position {
    Position { next: state.recording.next_number(), ended: state.journal.ended }
}

impl Journal {
    fn recorded(&self, number: u64, request: &RecordedRequest) -> Recorded {
        let entry = self.entries.get(&number);
        let answer = entry.and_then(|entry| entry.answer.as_ref());
        Recorded {
            number,
            request: request.clone(),
            body: answer.and_then(|answer| answer.request_body.clone()),
            took: entry.and_then(|entry| entry.took),
        }
    }

    fn add(&mut self, number: u64, answer: Sent) {
        self.bytes += answer.bytes();
        self.entries.insert(number, Entry { answer: Some(answer), ..Entry::default() });
        if self.bytes > MOST_BYTES {
            let answers = self.entries.range_mut(..number).filter_map(|(_, entry)| entry.answer.take());
            // To half, so that the search for the oldest answer is rare.
            for answer in answers {
                self.bytes -= answer.bytes();
                if self.bytes <= MOST_BYTES / 2 {
                    break;
                }
            }
        }
    }

    fn end(&mut self, number: u64, took: Duration) {
        if let Some(entry) = self.entries.get_mut(&number) {
            self.ended += 1;
            (entry.took, entry.ended) = (Some(took), self.ended);
        }
    }

    /// Removes the entries of requests that are no longer recorded.
    fn remove_before(&mut self, oldest: u64) {
        while let Some(entry) = self.entries.first_entry().filter(|entry| *entry.key() < oldest) {
            self.bytes -= entry.remove().answer.map_or(0, |answer| answer.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn request(query: &str) -> Request<Bytes> {
        Request::post("https://api.tgdev.io/tgscan/v1/search")
            .body(Bytes::from(format!("query={query}")))
            .unwrap()
    }

    fn kept(mock: &Mock) -> (usize, usize, usize) {
        let state = mock.state();
        let entries = &state.journal.entries;
        let bodies = entries.values().filter_map(|entry| entry.answer.as_ref()).map(Sent::bytes);
        assert_eq!(bodies.clone().sum::<usize>(), state.journal.bytes);
        (entries.len(), bodies.clone().count(), bodies.sum())
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
        let (entries, answers, _) = kept(&mock);
        assert!(entries == 500 && answers >= MOST_BYTES / MOST_BODY / 2, "{answers}");
        let (_, newest) = mock.recorded_request(500).unwrap();
        assert_eq!(newest.map(|answer| (answer.body.len(), answer.size)), Some((MOST_BODY, 2 * MOST_BODY)));
        assert!(mock.recorded_request(1).is_some_and(|(_, oldest)| oldest.is_none()));
        for _ in 0..1000 {
            mock.respond(&request("alice"));
        }
        let number = mock.respond(&request("alice")).number;
        mock.record_answer(number, "POST", &request("alice"), &Wire::Refused);
        assert_eq!(kept(&mock), (1, 1, 0));
        // The end of a request that was removed changes nothing.
        let before = mock.changes(Position::default()).position;
        mock.record_end(1, Duration::ZERO);
        assert_eq!(mock.changes(before).position, before);
    }
}
