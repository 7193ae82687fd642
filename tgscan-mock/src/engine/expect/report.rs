//! The report of unmet expectations.

use std::fmt;

use super::expectations::{Entry, Expectations, Target, plural};

/// A report of unmet expectations: for each, the criterion that failed and the nearest request; then the seed.
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

/// Reports the unmet expectations after these requests.
pub(crate) fn report(
    expectations: &Expectations,
    requests: &[Target<'_>],
    script_left: usize,
    seed: u64,
) -> Result<(), UnmetExpectations> {
    let unmet =
        expectations.entries.iter().filter(|entry| !entry.is_met()).map(|entry| missing(entry, requests));
    let left = (script_left > 0).then(|| {
        let steps = plural(u64::try_from(script_left).unwrap_or(u64::MAX), "script step");
        format!("{steps} unused; remove unneeded steps with `clear_script`")
    });
    let lines: Vec<String> = unmet.chain(expectations.mismatches.iter().cloned()).chain(left).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = vec!["the mock's expectations were not met:".to_owned()];
    text.extend(lines.iter().map(|line| format!("- {line}")));
    if expectations.more_mismatches > 0 {
        text.push(format!("- and {}", plural(expectations.more_mismatches, "more unexpected request")));
    }
    text.push(format!("seed: {seed}, as in `Mock::builder().seed({seed})`"));
    Err(UnmetExpectations(text.join("\n")))
}

fn missing(entry: &Entry, requests: &[Target<'_>]) -> String {
    let mut count = plural(entry.calls, "time");
    if entry.refused > 0 {
        count = format!("{count}, {} of them refused", entry.refused);
    }
    let (expected, expected_count, place) = (&entry.expected, entry.expected_count(), entry.place);
    let line = format!("{expected} is expected {expected_count}, and was called {count}");
    // Only those that do not match; the others were counted.
    let others = requests.iter().filter_map(|target| entry.differs(target).map(|differs| (target, differs)));
    match others.max_by_key(|(target, _)| entry.similarity(target)) {
        Some((target, differs)) => {
            format!("{line}; {differs}: the nearest request was {target} (expected at {place})")
        }
        None => format!("{line}; there was no other request (expected at {place})"),
    }
}
