//! The recording as the control paths show it: requests with their answers, and the changes since an earlier moment.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::change::CurrentState;
use super::expect::expectations::Progress;
use super::sent::SentAnswer;
use super::{Mock, RecordedRequest, State, Wire};

/// The largest numbers of script steps and expectations in [`Changes`].
const MOST_LISTED: usize = 100;
/// The longest text in [`Changes`], in characters.
const MOST_TEXT: usize = 300;

/// A request with its answer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AnsweredRequest {
    #[serde(flatten)]
    request: RecordedRequest,
    /// The answer; null for requests in process.
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
    requests: Vec<RecordedRequest>,
    state: CurrentState,
    /// The next steps of the script, as in `/_mock/faults`, at most 100.
    #[schemars(with = "Vec<Map<String, Value>>")]
    script: Vec<Value>,
    /// The first expectations, at most 100.
    expectations: Vec<Progress>,
    /// Number of all expectations.
    num_expectations: usize,
    /// Descriptions of the first unexpected requests.
    unexpected: Vec<String>,
    /// Number of further unexpected requests.
    more_unexpected: u64,
}

fn shortened(request: &RecordedRequest) -> RecordedRequest {
    let mut request = request.clone();
    request.headers.clear();
    let RecordedRequest { path, form, url_query, body, refusal, .. } = &mut request;
    let optional = [url_query, body, refusal].into_iter().flatten();
    [path, form].into_iter().chain(optional).for_each(shorten);
    request
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MOST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
}

impl Mock {
    /// Adds the answer to a request.
    pub(crate) fn record_answer(&self, number: u64, wire: &Wire) {
        let settings = self.state().settings.clone();
        let answer = SentAnswer::of(wire, &settings.keys);
        self.state().recording.change(number, |entry| entry.answer = Some(answer));
    }

    /// Adds the duration of a request that ended.
    pub(crate) fn record_end(&self, number: u64, took: Duration) {
        let recording = &mut self.state().recording;
        recording.revision += 1;
        let revision = recording.revision;
        recording.change(number, |entry| (entry.request.took, entry.revision) = (Some(took), revision));
        self.engine.changed.notify_waiters();
    }

    /// Returns the changes since a revision. One in the future counts as the beginning. The cursor begins with `server`.
    pub(crate) fn changes(&self, server: u64, since: u64) -> Changes {
        let state = self.state();
        let State { recording, script, expected, .. } = &*state;
        let since = if since > recording.revision { 0 } else { since };
        let new = recording.kept.iter().filter(|entry| entry.revision > since);
        let (mut expectations, mut unexpected) =
            (expected.progress(MOST_LISTED), expected.mismatches.clone());
        unexpected.iter_mut().chain(expectations.iter_mut().map(|it| &mut it.call)).for_each(shorten);
        Changes {
            cursor: format!("{server}.{}", recording.revision),
            oldest: recording.oldest(),
            requests: new.map(|entry| shortened(&entry.request)).collect(),
            state: CurrentState::of(&state),
            script: script.first_steps(MOST_LISTED),
            expectations,
            num_expectations: expected.entries.len(),
            unexpected,
            more_unexpected: expected.more_mismatches,
        }
    }

    /// Waits until the revision differs from this one. Other changes, such as those of the balance, do not end the wait.
    pub(crate) async fn wait_for_change(&self, since: u64) {
        let changed = self.engine.changed.notified();
        if self.state().recording.revision == since {
            changed.await;
        }
    }

    /// Returns a recorded request with its answer, if the server kept it.
    pub(crate) fn answered_request(&self, number: u64) -> Option<AnsweredRequest> {
        let recording = &self.state().recording;
        let entry = recording.kept.iter().find(|entry| entry.request.number == number)?;
        Some(AnsweredRequest { request: entry.request.clone(), answer: entry.answer.clone() })
    }
}
