//! The expectations of a mock, and how far each has come.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::{Act, Expected};

/// How many mismatches are kept with their words; the rest is only counted.
const KEPT: usize = 20;

/// What a request is matched by.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The API method, if the path is one's.
    pub(crate) method: Option<&'static str>,
    /// Whether it is the path of the test method.
    pub(crate) is_test: bool,
    /// The form as the SDK writes it; empty if it cannot be read.
    pub(crate) form: &'a str,
}

/// As a person would name it: live `search` with `query=alice`.
impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Some(method) => write!(f, "{} `{method}`", twin(self.is_test))?,
            None => f.write_str("an unknown path")?,
        }
        match self.form {
            "" => f.write_str(" without a form that can be read"),
            form => write!(f, " with `{}`", readable(form)),
        }
    }
}

/// A form as a person would write it: the SDK's has no other escapes in it but that of the comma, and of what no username
/// has.
pub(super) fn readable(form: &str) -> String {
    let pairs = form_urlencoded::parse(form.as_bytes()).map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// One expectation and its calls so far.
pub(crate) struct Entry {
    pub(super) expected: Expected,
    /// The requests that it took.
    pub(super) calls: u64,
    /// Those of them that were refused, and gave back their step of the sequence.
    pub(super) refused: u64,
    /// Steps that were given back and not taken again.
    returned: BTreeSet<u64>,
    /// Where the test made it.
    pub(super) place: &'static Location<'static>,
    /// A later one in order has begun.
    is_over: bool,
}

impl Entry {
    pub(super) fn is_met(&self) -> bool {
        self.counted() >= self.expected.bounds().0
    }

    /// The calls that count: where the steps of a sequence are the only count, those that used one.
    fn counted(&self) -> u64 {
        let counts_steps = self.expected.times.is_none() && !self.expected.sequence.is_empty();
        if counts_steps { self.calls - self.refused } else { self.calls }
    }

    /// The step of the sequence that the next call gets, counted from 0.
    fn step(&self) -> u64 {
        self.returned.first().copied().unwrap_or(self.calls - self.refused)
    }

    /// Which criterion a request fails; `None` if it matches.
    pub(super) fn differs(&self, seen: &Seen<'_>) -> Option<&'static str> {
        match &self.expected.form {
            _ if seen.method != Some(self.expected.method) => Some("the API method differs"),
            _ if self.expected.is_test.is_some_and(|is_test| is_test != seen.is_test) => {
                Some(if seen.is_test { "it is the test method" } else { "it is the live method" })
            }
            Some(form) if *form != seen.form => Some("the query differs"),
            _ => None,
        }
    }

    /// How alike they are, for the nearest one.
    pub(super) fn likeness(&self, seen: &Seen<'_>) -> (bool, bool, usize) {
        let same = |form: &String| form.bytes().zip(seen.form.bytes()).take_while(|(a, b)| a == b).count();
        let form = self.expected.form.as_ref().map_or(usize::MAX, same);
        let is_twin = self.expected.is_test.is_none_or(|is_test| is_test == seen.is_test);
        (seen.method == Some(self.expected.method), is_twin, form)
    }
}

/// A request that an expectation took: which one, and which step of its sequence.
pub(crate) struct Call {
    entry: usize,
    step: u64,
}

/// All expectations of a mock.
#[derive(Default)]
pub(crate) struct Book {
    pub(super) entries: Vec<Entry>,
    /// What nobody expected, in words.
    pub(super) mismatches: Vec<String>,
    pub(super) more_mismatches: u64,
    /// The verdict was asked for, so that dropping a handle does not repeat it.
    pub(crate) is_verified: bool,
    /// Whether dropping a handle verifies them.
    pub(crate) is_verified_by_drop: bool,
    /// How to run the test again that made them.
    pub(super) rerun: Option<String>,
}

impl Book {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, expected: Expected, place: &'static Location<'static>) {
        let (refused, returned) = (0, BTreeSet::new());
        self.entries.push(Entry { expected, calls: 0, refused, returned, place, is_over: false });
        self.is_verified = false;
        self.rerun = self.rerun.take().or_else(super::report::rerun);
    }

    /// Whether nothing is missing, and nothing came that was not expected.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.mismatches.is_empty() && self.entries.iter().all(Entry::is_met)
    }

    /// Which call a request is, what it gets, and how long that takes if it was told: by the first expectation that
    /// matches and wants it.
    ///
    /// # Errors
    /// If no expectation wants it: what was wrong, for the client to read; it is kept for the report too.
    pub(crate) fn take(&mut self, seen: &Seen<'_>) -> Result<(Call, Act, Option<Duration>), String> {
        let mut refusal = None;
        for index in 0..self.entries.len() {
            match self.wants(index, seen) {
                Ok(act) => {
                    let call = self.begin(index);
                    return Ok((call, act, self.entries[index].expected.latency));
                }
                // Of several that match, the last says most: it is the one that was still open.
                Err(Some(why)) => refusal = Some(why),
                Err(None) => {}
            }
        }
        let why = refusal.unwrap_or_else(|| self.nearest(seen));
        let mismatch = format!("unexpected request: {seen}; {why}");
        self.is_verified = false;
        if self.mismatches.len() < KEPT {
            self.mismatches.push(mismatch.clone());
        } else {
            self.more_mismatches += 1;
        }
        Err(mismatch)
    }

    /// What the expectation gives this request, or why it does not take one that matches it.
    fn wants(&self, index: usize, seen: &Seen<'_>) -> Result<Act, Option<String>> {
        let entry = &self.entries[index];
        if entry.differs(seen).is_some() {
            return Err(None);
        }
        let expected = &entry.expected;
        let (_, most) = expected.bounds();
        if entry.is_over {
            return Err(Some(format!("the order differs: {expected} had its turn before")));
        }
        let waiting = |other: &&Entry| other.expected.is_ordered && !other.is_met();
        if let Some(first) = self.entries[..index].iter().find(waiting).filter(|_| expected.is_ordered) {
            return Err(Some(format!("the order differs: {} comes first", first.expected)));
        }
        let sequence = expected.sequence.len();
        match expected.act(entry.step()) {
            Some(act) if entry.counted() < most => Ok(act),
            _ if sequence > 0 && expected.rest.is_none() && entry.step() >= sequence as u64 => {
                Err(Some(format!("the sequence of {expected} ended after {}", plural(sequence, "step"))))
            }
            _ => Err(Some(format!("the count differs: {expected} is expected {}", entry.wanted()))),
        }
    }

    fn begin(&mut self, index: usize) -> Call {
        let entry = &mut self.entries[index];
        let step = entry.step();
        entry.returned.remove(&step);
        entry.calls += 1;
        self.is_verified = false;
        if self.entries[index].expected.is_ordered {
            let earlier = self.entries[..index].iter_mut().filter(|entry| entry.expected.is_ordered);
            earlier.for_each(|entry| entry.is_over = true);
        }
        Call { entry: index, step }
    }

    /// Leaves the step of a call that was refused to the next one, unless a refusal is what the step may give.
    pub(crate) fn give_back(&mut self, Call { entry, step }: Call) {
        // The expectations may have been removed meanwhile.
        let Some(entry) = self.entries.get_mut(entry).filter(|entry| entry.calls > entry.refused) else {
            return;
        };
        if !matches!(entry.expected.act(step), Some(Act::Usual)) {
            entry.returned.insert(step);
            entry.refused += 1;
        }
    }

    fn nearest(&self, seen: &Seen<'_>) -> String {
        let nearest = self.entries.iter().max_by_key(|entry| entry.likeness(seen));
        nearest.map_or_else(String::new, |entry| {
            let differs = entry.differs(seen).unwrap_or_default();
            format!("{differs}: the nearest expectation is {}", entry.expected)
        })
    }
}

/// As a person would name it: `search` with `query=alice`.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        if let Some(is_test) = self.is_test {
            write!(f, "{} ", twin(is_test))?;
        }
        match self.form.as_deref() {
            None => write!(f, "`{}` with any query", self.method),
            Some("") => write!(f, "`{}` without arguments", self.method),
            Some(form) => write!(f, "`{}` with `{}`", self.method, readable(form)),
        }
    }
}

fn twin(is_test: bool) -> &'static str {
    if is_test { "test" } else { "live" }
}

impl Entry {
    /// How often it is expected, in words.
    pub(super) fn wanted(&self) -> String {
        match self.expected.bounds() {
            (_, 0) => "never".into(),
            (least, u64::MAX) => format!("{} or more", plural(least, "time")),
            (least, most) if least == most => plural(least, "time"),
            (0, most) => format!("{} or fewer", plural(most, "time")),
            (least, most) => format!("{least} to {}", plural(most, "time")),
        }
    }
}

pub(crate) fn plural(count: impl fmt::Display, what: &str) -> String {
    let count = count.to_string();
    let s = if count == "1" { "" } else { "s" };
    format!("{count} {what}{s}")
}

#[cfg(test)]
mod tests {
    use tgscan_core::types::Search;

    use super::*;
    use crate::{Expect, FaultKind};

    #[test]
    fn steps_given_back_in_any_order_keep_their_own() {
        let seen = Seen { method: Some("search"), is_test: false, form: "query=alice" };
        for is_reversed in [false, true] {
            let mut book = Book::default();
            let expect = (0..3).fold(Expect::<Search>::any(), |it, at| it.then_fault(FaultKind::CutJson(at)));
            book.push(expect.into_expected(), Location::caller());
            let mut first_two: Vec<Call> = (0..2).map(|_| book.take(&seen).unwrap().0).collect();
            if is_reversed {
                first_two.reverse();
            }
            for call in first_two {
                book.give_back(call);
            }
            for at in 0..3 {
                assert!(!book.is_satisfied());
                let (_, act, _) = book.take(&seen).unwrap();
                assert!(matches!(act, Act::Fault(fault) if fault == FaultKind::CutJson(at).into()));
            }
            assert!(book.is_satisfied());
            assert!(book.take(&seen).err().unwrap().contains("ended after 3 steps"));
        }
    }
}
