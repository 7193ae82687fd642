//! The report of unmet expectations.

use std::fmt;

use super::expectations::{Entry, describe, plural};
use crate::RecordedRequest;
use crate::engine::State;

/// A report of unmet expectations: for each, the criterion that failed and the nearest request; then the seed and the
/// command that runs the test again.
///
/// `Debug` is the same as `Display`, because a failing `unwrap` prints it. It shows queries, unlike the SDK's errors:
/// they come from the test, and a mismatch is unreadable without them.
#[derive(Clone, PartialEq, Eq)]
pub struct UnmetExpectations(String);

impl std::error::Error for UnmetExpectations {}

impl fmt::Display for UnmetExpectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UnmetExpectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reports the unmet expectations, unexpected requests and unused steps; with the number of a clone, its own expectations
/// and no steps, since other handles may still use them.
pub(crate) fn report(state: &State, only: Option<u64>) -> Result<(), UnmetExpectations> {
    let State { expected, recording, script, settings, .. } = state;
    let requests = || recording.kept.iter().map(|entry| &entry.request);
    let is_own = |entry: &&Entry| only.is_none_or(|only| entry.verifier == only);
    let unmet = expected.entries.iter().filter(is_own).filter(|entry| !entry.is_met());
    let unmet = unmet.map(|entry| missing(entry, requests()));
    let left = (only.is_none() && script.left() > 0).then(|| {
        let steps = plural(script.left(), "script step");
        format!("{steps} unused; remove unneeded steps with `clear_script`")
    });
    let lines: Vec<String> = unmet.chain(expected.mismatches.iter().cloned()).chain(left).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = vec!["the mock's expectations were not met:".to_owned()];
    text.extend(lines.iter().map(|line| format!("- {line}")));
    if expected.more_mismatches > 0 {
        text.push(format!("- and {}", plural(expected.more_mismatches, "more unexpected request")));
    }
    let seed = settings.world.seed;
    text.push(format!("seed: {seed}, as in `Mock::builder().seed({seed})`"));
    text.extend(expected.test.clone().or_else(current_test).as_deref().and_then(rerun));
    Err(UnmetExpectations(text.join("\n")))
}

/// Returns the line with the command that runs only this test. Cargo sets the package.
fn rerun(test: &str) -> Option<String> {
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    Some(format!("to run the test again: cargo test -p {package} -- --exact {test}"))
}

/// Returns the name of the current test, if it is known: Rust's test harness names the thread of each test after it.
/// The names of a runtime's threads are not Rust paths.
pub(crate) fn current_test() -> Option<String> {
    let is_in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let thread = std::thread::current();
    Some(thread.name().filter(|name| *name != "main" && name.chars().all(is_in_path))?.to_owned())
}

fn missing<'a>(entry: &Entry, requests: impl Iterator<Item = &'a RecordedRequest>) -> String {
    let mut count = plural(entry.calls, "time");
    if entry.refused > 0 {
        count = format!("{count}, {} of them refused", entry.refused);
    }
    let (expected, expected_count) = (&entry.expected, entry.expected_count());
    let place = entry.place.map_or_else(String::new, |place| format!(" (expected at {place})"));
    let line = format!("{expected} is expected {expected_count}, and was called {count}");
    // Only those that do not match; the others were counted.
    let others = requests.filter_map(|request| entry.differs(request).map(|differs| (request, differs)));
    match others.max_by_key(|(request, _)| entry.similarity(request)) {
        Some((request, differs)) => {
            format!("{line}; {differs}: the nearest request was {}{place}", describe(request))
        }
        None => format!("{line}; there was no other request{place}"),
    }
}
