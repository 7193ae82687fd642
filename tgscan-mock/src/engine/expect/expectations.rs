//! The expectations of a mock and their calls so far.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::{Action, Expected};

/// The maximum number of mismatches to store with their text; others are only counted.
const MOST_MISMATCHES: usize = 20;

/// The parts of a request that expectations match.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The API method, if the path belongs to one.
    pub(crate) method: Option<&'static str>,
    /// Whether it is the path of the test method.
    pub(crate) is_test: bool,
    /// The form as the SDK writes it; empty if it is invalid.
    pub(crate) form: &'a str,
}

/// Displays, for example, live `search` with `query=alice`.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Some(method) => write!(f, "{} `{method}`", kind(self.is_test))?,
            None => f.write_str("an unknown path")?,
        }
        match self.form {
            "" => f.write_str(" with an unreadable form"),
            form => write!(f, " with `{}`", readable(form)),
        }
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
    /// The matching requests that were refused and returned their step of the sequence.
    pub(super) refused: u64,
    /// Steps that were returned and not taken again.
    returned: BTreeSet<u64>,
    /// The caller of `Mock::expect`.
    pub(super) place: &'static Location<'static>,
    /// Whether a later expectation in order has begun.
    is_over: bool,
}

impl Entry {
    pub(super) fn is_met(&self) -> bool {
        self.counted() >= self.expected.bounds().0
    }

    /// Returns the number of calls that count. If only a sequence limits the calls, refused ones do not.
    fn counted(&self) -> u64 {
        let counts_steps = self.expected.times.is_none() && !self.expected.sequence.is_empty();
        if counts_steps { self.calls - self.refused } else { self.calls }
    }

    /// Returns the step of the sequence for the next call, counted from 0.
    fn step(&self) -> u64 {
        self.returned.first().copied().unwrap_or(self.calls - self.refused)
    }

    /// Returns the criterion that a request fails, or `None` if it matches.
    pub(super) fn differs(&self, target: &Target<'_>) -> Option<&'static str> {
        match &self.expected.form {
            _ if target.method != Some(self.expected.method) => Some("the API method differs"),
            _ if self.expected.is_test.is_some_and(|is_test| is_test != target.is_test) => {
                Some(if target.is_test { "it is the test method" } else { "it is the live method" })
            }
            Some(form) if *form != target.form => Some("the query differs"),
            _ => None,
        }
    }

    /// Returns how similar a request is, to find the nearest one.
    pub(super) fn similarity(&self, target: &Target<'_>) -> (bool, bool, usize) {
        let same = |form: &String| form.bytes().zip(target.form.bytes()).take_while(|(a, b)| a == b).count();
        let form = self.expected.form.as_ref().map_or(usize::MAX, same);
        let is_same_kind = self.expected.is_test.is_none_or(|is_test| is_test == target.is_test);
        (target.method == Some(self.expected.method), is_same_kind, form)
    }
}

/// The progress of an expectation.
#[cfg(feature = "server")]
#[derive(serde::Serialize, schemars::JsonSchema)]
pub(crate) struct Progress {
    /// The expected call.
    call: String,
    /// The expected number of calls, such as `2 times`.
    expected: String,
    /// Number of requests that matched.
    calls: u64,
    /// How many of them were refused and returned their step.
    refused: u64,
    /// Whether there were enough calls.
    is_met: bool,
}

/// A request that matched: its expectation and its step of the sequence.
pub(crate) struct Match {
    entry: usize,
    step: u64,
}

/// All expectations of a mock.
#[derive(Default)]
pub(crate) struct Expectations {
    pub(super) entries: Vec<Entry>,
    /// Descriptions of unexpected requests.
    pub(super) mismatches: Vec<String>,
    pub(super) more_mismatches: u64,
    /// Whether they were verified, so that dropping a handle does not repeat it.
    pub(crate) is_verified: bool,
    /// Whether dropping a handle verifies them.
    pub(crate) is_verified_by_drop: bool,
}

impl Expectations {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, expected: Expected, place: &'static Location<'static>) {
        let (refused, returned) = (0, BTreeSet::new());
        self.entries.push(Entry { expected, calls: 0, refused, returned, place, is_over: false });
        self.is_verified = false;
    }

    /// Returns whether every expectation is met and every request was expected.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.mismatches.is_empty() && self.entries.iter().all(Entry::is_met)
    }

    /// Returns the progress of the first expectations, at most this number.
    #[cfg(feature = "server")]
    pub(crate) fn progress(&self, most: usize, shortened: impl Fn(&str) -> String) -> Vec<Progress> {
        let progress = |entry: &Entry| Progress {
            call: shortened(&entry.expected.to_string()),
            expected: entry.expected_count(),
            calls: entry.calls,
            refused: entry.refused,
            is_met: entry.is_met(),
        };
        self.entries.iter().take(most).map(progress).collect()
    }

    /// Returns the number of expectations.
    #[cfg(feature = "server")]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the descriptions of the first unexpected requests, and the number of the others.
    #[cfg(feature = "server")]
    pub(crate) fn unexpected(&self) -> (&[String], u64) {
        (&self.mismatches, self.more_mismatches)
    }

    /// Returns whether an expectation matches a request and accepts another call.
    pub(crate) fn accepts(&self, target: &Target<'_>) -> bool {
        (0..self.entries.len()).any(|index| self.try_match(index, target).is_ok())
    }

    /// Finds the first expectation that matches a request and accepts another call. Returns the action, and the latency
    /// if the expectation has one.
    ///
    /// # Errors
    /// If no expectation matches: the mismatch, for the client's error message. It is stored for the report too.
    pub(crate) fn match_request(
        &mut self,
        target: &Target<'_>,
    ) -> Result<(Match, Action, Option<Duration>), String> {
        let mut refusal = None;
        for index in 0..self.entries.len() {
            match self.try_match(index, target) {
                Ok(action) => {
                    let matched = self.begin(index);
                    return Ok((matched, action, self.entries[index].expected.latency));
                }
                // The last of several matches is the most useful: it was still open.
                Err(Some(why)) => refusal = Some(why),
                Err(None) => {}
            }
        }
        let why = refusal.unwrap_or_else(|| self.nearest(target));
        let mismatch = format!("unexpected request: {target}; {why}");
        self.is_verified = false;
        if self.mismatches.len() < MOST_MISMATCHES {
            self.mismatches.push(mismatch.clone());
        } else {
            self.more_mismatches += 1;
        }
        Err(mismatch)
    }

    /// Returns the action for a request, `Some` reason if the expectation matches but accepts no more calls, or `None`
    /// if it does not match.
    fn try_match(&self, index: usize, target: &Target<'_>) -> Result<Action, Option<String>> {
        let entry = &self.entries[index];
        if entry.differs(target).is_some() {
            return Err(None);
        }
        let expected = &entry.expected;
        let (_, most) = expected.bounds();
        if entry.is_over {
            return Err(Some(format!("the order differs: {expected} must come before")));
        }
        let waiting = |other: &&Entry| other.expected.is_ordered && !other.is_met();
        if let Some(first) = self.entries[..index].iter().find(waiting).filter(|_| expected.is_ordered) {
            return Err(Some(format!("the order differs: {} comes first", first.expected)));
        }
        let sequence = expected.sequence.len();
        match expected.action(entry.step()) {
            Some(action) if entry.counted() < most => Ok(action),
            _ if sequence > 0 && expected.rest.is_none() && entry.step() >= sequence as u64 => {
                Err(Some(format!("the sequence of {expected} ended after {}", plural(sequence, "step"))))
            }
            _ => Err(Some(format!("the count differs: {expected} is expected {}", entry.expected_count()))),
        }
    }

    fn begin(&mut self, index: usize) -> Match {
        let entry = &mut self.entries[index];
        let step = entry.step();
        entry.returned.remove(&step);
        entry.calls += 1;
        self.is_verified = false;
        if self.entries[index].expected.is_ordered {
            let earlier = self.entries[..index].iter_mut().filter(|entry| entry.expected.is_ordered);
            earlier.for_each(|entry| entry.is_over = true);
        }
        Match { entry: index, step }
    }

    /// Returns the step of a refused call, so that the next call gets it, unless the step allows a refusal.
    pub(crate) fn give_back(&mut self, Match { entry, step }: Match) {
        // The expectations may have been removed in the meantime.
        let Some(entry) = self.entries.get_mut(entry).filter(|entry| entry.calls > entry.refused) else {
            return;
        };
        if !matches!(entry.expected.action(step), Some(Action::Usual)) {
            entry.returned.insert(step);
            entry.refused += 1;
        }
    }

    fn nearest(&self, target: &Target<'_>) -> String {
        let nearest = self.entries.iter().max_by_key(|entry| entry.similarity(target));
        nearest.map_or_else(String::new, |entry| {
            let differs = entry.differs(target).unwrap_or_default();
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
        if let Some(is_test) = self.is_test {
            write!(f, "{} ", kind(is_test))?;
        }
        match self.form.as_deref() {
            None => write!(f, "`{}` with any query", self.method),
            Some("") => write!(f, "`{}` without arguments", self.method),
            Some(form) => write!(f, "`{}` with `{}`", self.method, readable(form)),
        }
    }
}

fn kind(is_test: bool) -> &'static str {
    if is_test { "test" } else { "live" }
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

#[cfg(test)]
mod tests {
    use tgscan_core::types::Search;

    use super::*;
    use crate::{Expect, FaultKind};

    #[test]
    fn returned_steps_keep_their_order() {
        let target = Target { method: Some("search"), is_test: false, form: "query=alice" };
        for is_reversed in [false, true] {
            let mut expectations = Expectations::default();
            let expect = (0..3).fold(Expect::<Search>::any(), |it, at| it.then_fault(FaultKind::CutJson(at)));
            expectations.push(expect.into_expected(), Location::caller());
            let mut first_two: Vec<Match> =
                (0..2).map(|_| expectations.match_request(&target).unwrap().0).collect();
            if is_reversed {
                first_two.reverse();
            }
            for matched in first_two {
                expectations.give_back(matched);
            }
            for at in 0..3 {
                assert!(!expectations.is_satisfied());
                let (_, action, _) = expectations.match_request(&target).unwrap();
                assert!(matches!(action, Action::Fault(fault) if fault == FaultKind::CutJson(at).into()));
            }
            assert!(expectations.is_satisfied());
            assert!(expectations.match_request(&target).err().unwrap().contains("ended after 3 steps"));
        }
    }
}
