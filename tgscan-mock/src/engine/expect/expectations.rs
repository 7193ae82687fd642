//! The expectations of a mock and their calls so far.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::{Action, Expected};
use crate::RecordedRequest;

/// The maximum number of mismatches to store with their text; others are only counted.
const MOST_MISMATCHES: usize = 20;

/// Describes a request, for example live `search` with `query=alice`.
pub(super) fn describe(request: &RecordedRequest) -> String {
    let kind = if request.is_test { "test" } else { "live" };
    let method = request.method.map_or("an unknown path".into(), |method| format!("{kind} `{method}`"));
    match &*request.form {
        "" if request.body.is_some() => format!("{method} with an unreadable form"),
        "" => format!("{method} without arguments"),
        form => format!("{method} with `{}`", readable(form)),
    }
}

/// Formats a form for display, without its escapes.
pub(super) fn readable(form: &str) -> String {
    let pairs = form_urlencoded::parse(form.as_bytes()).map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// An expectation and its calls so far.
pub(crate) struct Entry {
    pub(super) expected: Expected,
    /// The requests that matched.
    pub(super) calls: u64,
    /// The matching requests that were refused and used no step of the sequence.
    pub(super) refused: u64,
    /// The place in the test; `None` for expectations of the control paths.
    pub(super) place: Option<&'static Location<'static>>,
    /// The number of the clone that verifies it; others are verified by the built handle.
    pub(super) verifier: u64,
    /// Whether a later expectation in order has begun.
    is_over: bool,
}

impl Entry {
    pub(super) fn is_met(&self) -> bool {
        self.counted() >= self.expected.bounds().0
    }

    /// Returns the number of calls that count for the minimum and the sequence. A refused one met no answer or fault of
    /// the sequence.
    fn counted(&self) -> u64 {
        self.calls - self.refused
    }

    /// Returns whether the maximum allows another call. One that was set limits the refused calls too.
    fn has_room(&self) -> bool {
        let calls = if self.expected.times.is_some() { self.calls } else { self.counted() };
        calls < self.expected.bounds().1
    }

    /// Returns the action for the next call, or `None` after the end of the sequence.
    fn action(&self) -> Option<&Action> {
        self.expected.action(self.counted())
    }

    /// Returns the criterion that a request fails, or `None` if it matches.
    pub(super) fn differs(&self, request: &RecordedRequest) -> Option<&'static str> {
        match &self.expected.form {
            _ if request.method != Some(self.expected.method) => Some("the API method differs"),
            Some(form) if *form != request.form => Some("the query differs"),
            _ => None,
        }
    }

    /// Returns how similar a request is, to find the nearest one.
    pub(super) fn similarity(&self, request: &RecordedRequest) -> (bool, usize) {
        let same = |form: &String| form.bytes().zip(request.form.bytes()).take_while(|(a, b)| a == b).count();
        let form = self.expected.form.as_ref().map_or(usize::MAX, same);
        (request.method == Some(self.expected.method), form)
    }
}

/// The progress of an expectation.
#[cfg(feature = "server")]
#[derive(serde::Serialize, schemars::JsonSchema)]
pub(crate) struct Progress {
    /// The expected call.
    pub(in crate::engine) call: String,
    /// The expected number of calls, such as `2 times`.
    expected: String,
    /// Number of requests that matched.
    calls: u64,
    /// How many of them were refused and used no step.
    refused: u64,
    /// Whether there were enough calls.
    is_met: bool,
}

#[derive(Default)]
pub(crate) struct Expectations {
    pub(in crate::engine) entries: Vec<Entry>,
    /// Descriptions of unexpected requests.
    pub(in crate::engine) mismatches: Vec<String>,
    pub(in crate::engine) more_mismatches: u64,
    /// Whether they were verified, so that dropping a handle does not repeat it.
    pub(crate) is_verified: bool,
    /// The test that added the first of them, if it is known.
    pub(in crate::engine) test: Option<String>,
}

impl Expectations {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether dropping a handle verifies them. A client of the control paths asks for the report.
    pub(crate) fn is_verified_by_drop(&self) -> bool {
        self.entries.iter().any(|entry| entry.place.is_some())
    }

    pub(crate) fn are_met(&self) -> bool {
        self.entries.iter().all(Entry::is_met)
    }

    pub(crate) fn push(
        &mut self,
        expected: Expected,
        place: Option<&'static Location<'static>>,
        verifier: u64,
    ) {
        self.entries.push(Entry { expected, calls: 0, refused: 0, place, verifier, is_over: false });
        self.is_verified = false;
    }

    /// Returns the progress of the first expectations, at most this number.
    #[cfg(feature = "server")]
    pub(crate) fn progress(&self, most: usize) -> Vec<Progress> {
        let progress = |entry: &Entry| Progress {
            call: entry.expected.to_string(),
            expected: entry.expected_count(),
            calls: entry.calls,
            refused: entry.refused,
            is_met: entry.is_met(),
        };
        self.entries.iter().take(most).map(progress).collect()
    }

    /// Finds the first expectation that matches a request and accepts another call. Returns its index, its action, and
    /// its latency, if it has one. [`count`](Self::count) then counts the call.
    ///
    /// # Errors
    /// If no expectation matches: the mismatch, for the client's error message and for
    /// [`add_mismatch`](Self::add_mismatch).
    pub(crate) fn match_request(
        &self,
        request: &RecordedRequest,
    ) -> Result<(usize, Action, Option<Duration>), String> {
        let mut refusal = None;
        for index in 0..self.entries.len() {
            match self.try_match(index, request) {
                Ok(action) => return Ok((index, action.clone(), self.entries[index].expected.latency)),
                // The last of several matches is the most useful: it was still open.
                Err(Some(why)) => refusal = Some(why),
                Err(None) => {}
            }
        }
        let why = refusal.unwrap_or_else(|| self.nearest(request));
        Err(format!("unexpected request: {}; {why}", describe(request)))
    }

    /// Stores a mismatch for the report.
    pub(crate) fn add_mismatch(&mut self, mismatch: String) {
        self.is_verified = false;
        if self.mismatches.len() < MOST_MISMATCHES {
            self.mismatches.push(mismatch);
        } else {
            self.more_mismatches += 1;
        }
    }

    /// Returns the action for a request, `Some` reason if the expectation matches but accepts no more calls, or `None`
    /// if it does not match.
    fn try_match(&self, index: usize, request: &RecordedRequest) -> Result<&Action, Option<String>> {
        let entry = &self.entries[index];
        if entry.differs(request).is_some() {
            return Err(None);
        }
        let expected = &entry.expected;
        if entry.is_over {
            return Err(Some(format!("out of order: {expected} must come first")));
        }
        let waiting = |other: &&Entry| other.expected.is_ordered && !other.is_met();
        if let Some(first) = self.entries[..index].iter().find(waiting).filter(|_| expected.is_ordered) {
            return Err(Some(format!("out of order: {} comes first", first.expected)));
        }
        match entry.action() {
            Some(action) if entry.has_room() => Ok(action),
            None => {
                let steps = plural(expected.sequence.len(), "step");
                Err(Some(format!("the sequence of {expected} ended after {steps}")))
            }
            _ => Err(Some(format!("the count differs: {expected} is expected {}", entry.expected_count()))),
        }
    }

    /// Counts a call that matched. A refused call uses no step of the sequence, unless the step allows a refusal.
    pub(crate) fn count(&mut self, index: usize, is_refused: bool) {
        let (earlier, later) = self.entries.split_at_mut(index);
        let entry = &mut later[0];
        if is_refused && !matches!(entry.action(), Some(Action::Usual)) {
            entry.refused += 1;
        }
        entry.calls += 1;
        if entry.expected.is_ordered {
            earlier
                .iter_mut()
                .filter(|entry| entry.expected.is_ordered)
                .for_each(|entry| entry.is_over = true);
        }
        self.is_verified = false;
    }

    fn nearest(&self, request: &RecordedRequest) -> String {
        let nearest = self.entries.iter().max_by_key(|entry| entry.similarity(request));
        nearest.map_or_else(String::new, |entry| {
            let differs = entry.differs(request).unwrap_or_default();
            format!("{differs}: the nearest expectation is {}", entry.expected)
        })
    }
}

/// Displays, for example, `search` with `query=alice`.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        match self.form.as_deref() {
            None => write!(f, "`{}` with any query", self.method),
            Some("") => write!(f, "`{}` without arguments", self.method),
            Some(form) => write!(f, "`{}` with `{}`", self.method, readable(form)),
        }
    }
}

impl Entry {
    /// Formats the expected number of calls.
    pub(super) fn expected_count(&self) -> String {
        match self.expected.bounds() {
            (_, 0) => "never".into(),
            (least, u64::MAX) => format!("{} or more", plural(least, "time")),
            (least, most) if least == most => plural(least, "time"),
            (0, most) => format!("{} or fewer", plural(most, "time")),
            (least, most) => format!("{least} to {}", plural(most, "time")),
        }
    }
}

pub(crate) fn plural(count: impl fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let s = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{s}")
}
