//! Expectations that were not met, in words.

use std::fmt;

use super::book::{Book, Entry, Seen, plural};

/// Expectations that were not met: which, by which criterion, the nearest request, and how to run it again.
///
/// `Debug` is the same text as `Display`, because that is what a failing `unwrap` prints. It shows queries, unlike the
/// SDK's own errors: a test made them up, and a mismatch without them says nothing.
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

/// What was not met, after these requests.
pub(crate) fn report(
    book: &Book,
    requests: &[Seen<'_>],
    script_left: usize,
    seed: u64,
) -> Result<(), UnmetExpectations> {
    let unmet = book.entries.iter().filter(|entry| !entry.is_met()).map(|entry| missing(entry, requests));
    let left = (script_left > 0).then(|| {
        let steps = plural(u64::try_from(script_left).unwrap_or(u64::MAX), "script step");
        format!("{steps} met no request; `clear_script` removes what is not needed")
    });
    let lines: Vec<String> = unmet.chain(book.mismatches.iter().cloned()).chain(left).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let mut text = vec!["the mock's expectations were not met:".to_owned()];
    text.extend(lines.iter().map(|line| format!("- {line}")));
    if book.more_mismatches > 0 {
        text.push(format!("- and {}", plural(book.more_mismatches, "more unexpected request")));
    }
    text.push(format!("seed: {seed}, as in `Mock::builder().seed({seed})`"));
    let rerun = book.rerun.clone().or_else(rerun);
    text.extend(rerun.map(|line| format!("to run it again: {line}")));
    Err(UnmetExpectations(text.join("\n")))
}

fn missing(entry: &Entry, requests: &[Seen<'_>]) -> String {
    let mut count = plural(entry.calls, "time");
    if entry.refused > 0 {
        count = format!("{count}, {} of them refused", entry.refused);
    }
    let (expected, wanted, place) = (&entry.expected, entry.wanted(), entry.place);
    let line = format!("{expected} is expected {wanted}, and was called {count}");
    // Of those that fail it; the ones that match were counted already.
    let others = requests.iter().filter_map(|seen| entry.differs(seen).map(|differs| (seen, differs)));
    match others.max_by_key(|(seen, _)| entry.likeness(seen)) {
        Some((seen, differs)) => {
            format!("{line}; {differs}: the nearest request was {seen} (expected at {place})")
        }
        None => format!("{line}; there was no other request (expected at {place})"),
    }
}

/// The command that runs this test alone. Rust's test harness names each test's thread after it, and cargo tells a
/// test its package.
pub(super) fn rerun() -> Option<String> {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main" && !name.starts_with("tgscan-mock"))?;
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    Some(format!("cargo test -p {package} -- --exact {test}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tests_own_thread_says_how_to_run_it_again() {
        let on = |name: &str| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread.spawn(rerun).unwrap().join().unwrap()
        };
        assert_eq!(on("main"), None);
        assert_eq!(on("tgscan-mock-server"), None);
        assert_eq!(on("a::test").unwrap(), "cargo test -p tgscan-mock -- --exact a::test");
    }
}
