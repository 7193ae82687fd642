//! The expectations of a mock, and how far each has come.

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
            None => f.write_str("a path that is no method's")?,
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
    pub(super) calls: u64,
    /// Where the test made it.
    pub(super) place: &'static Location<'static>,
    /// A later one in order has begun.
    is_over: bool,
}

impl Entry {
    pub(super) fn is_met(&self) -> bool {
        self.calls >= self.expected.bounds().0
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

/// All expectations of a mock.
#[derive(Default)]
pub(crate) struct Book {
    pub(super) entries: Vec<Entry>,
    /// What nobody expected, in words.
    pub(super) mismatches: Vec<String>,
    pub(super) more_mismatches: u64,
    /// Somebody looked, so that dropping the mock does not say it again.
    pub(crate) is_verified: bool,
    /// How to run the test again that made them.
    pub(super) rerun: Option<String>,
}

impl Book {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, expected: Expected, place: &'static Location<'static>) {
        self.entries.push(Entry { expected, calls: 0, place, is_over: false });
        self.is_verified = false;
        self.rerun = self.rerun.take().or_else(super::report::rerun);
    }

    /// Whether nothing is missing, and nothing came that was not expected.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.mismatches.is_empty() && self.entries.iter().all(Entry::is_met)
    }

    /// What a request gets, and how long that takes if it was told: by the first expectation that matches and wants it.
    ///
    /// # Errors
    /// If no expectation wants it: what was wrong, for the client to read; it is kept for the report too.
    pub(crate) fn take(&mut self, seen: &Seen<'_>) -> Result<(Act, Option<Duration>), String> {
        let mut refusal = None;
        for index in 0..self.entries.len() {
            match self.wants(index, seen) {
                Ok(act) => {
                    self.begin(index);
                    return Ok((act, self.entries[index].expected.latency));
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
        match expected.act(entry.calls) {
            Some(act) if entry.calls < most => Ok(act),
            _ if sequence > 0 && expected.rest.is_none() && entry.calls >= sequence as u64 => Err(Some(
                format!("the script of {expected} has run out: all {} are used", plural(sequence, "step")),
            )),
            _ => Err(Some(format!("the count differs: {expected} is expected {}", entry.wanted()))),
        }
    }

    fn begin(&mut self, index: usize) {
        self.entries[index].calls += 1;
        self.is_verified = false;
        if self.entries[index].expected.is_ordered {
            let earlier = self.entries[..index].iter_mut().filter(|entry| entry.expected.is_ordered);
            earlier.for_each(|entry| entry.is_over = true);
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

pub(super) fn plural(count: impl fmt::Display, what: &str) -> String {
    let count = count.to_string();
    let s = if count == "1" { "" } else { "s" };
    format!("{count} {what}{s}")
}
