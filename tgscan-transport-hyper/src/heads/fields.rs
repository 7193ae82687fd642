//! The lines of a head, with the framing headers separated.

use std::borrow::Cow;
use std::time::Duration;

use super::body::Body;
use crate::length::agreed;

/// The maximum number of lines other than framing headers. hyper accepts 100 in all; this leaves room for lines that it counts
/// differently. A greater limit in hyper would allocate in every call.
pub(super) const MAX_LINES: usize = 92;

#[derive(Default)]
pub(super) struct Fields<'a> {
    lengths: Vec<Cow<'a, [u8]>>,
    codings: Vec<Cow<'a, [u8]>>,
    pub(super) others: Vec<Cow<'a, [u8]>>,
    pub(super) keep_alive: Option<Duration>,
    /// The kind of the last line, for continuation lines.
    last: Last,
    /// Whether a line needs repair.
    is_odd: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Dropped,
    Length,
    Coding,
    Other,
}

impl<'a> Fields<'a> {
    pub(super) fn add(&mut self, line: &'a [u8]) {
        if !is_text(line) {
            (self.last, self.is_odd) = (Last::Dropped, true);
            return;
        }
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            self.is_odd = true;
            let continued = match self.last {
                Last::Dropped => None,
                Last::Length => self.lengths.last_mut(),
                Last::Coding => self.codings.last_mut(),
                Last::Other => self.others.last_mut(),
            };
            if let Some(before) = continued {
                // RFC 9112, 5.2.
                let before = before.to_mut();
                before.push(b' ');
                before.extend_from_slice(line.trim_ascii());
            }
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            (self.last, self.is_odd) = (Last::Dropped, true);
            return;
        };
        let (name, value) = (line[..colon].trim_ascii_end(), Cow::Borrowed(line[colon + 1..].trim_ascii()));
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths.push(value);
            self.last = Last::Length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.codings.push(value);
            self.last = Last::Coding;
        } else {
            if name.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = timeout(&value).or(self.keep_alive);
            }
            self.others.push(Cow::Borrowed(line));
            self.last = Last::Other;
        }
    }

    pub(super) fn is_coded(&self) -> bool {
        self.codings.iter().any(|value| !value.eq_ignore_ascii_case(b"identity"))
    }

    /// Returns the length if all lines agree on one.
    fn length(&self) -> Option<u64> {
        agreed(self.lengths.iter().map(|value| &**value))
    }

    pub(super) fn is_good(&self) -> bool {
        let is_length_good = match &self.lengths[..] {
            [] => true,
            [_] => self.length().is_some(),
            _ => false,
        };
        let is_identity = !self.codings.is_empty() && !self.is_coded();
        !self.is_odd && is_length_good && !is_identity && self.others.len() <= MAX_LINES
    }

    /// Returns the body that follows, if its end can be determined.
    pub(super) fn body(&self, code: [u8; 3]) -> Option<Body> {
        if code == *b"204" || code == *b"304" {
            Some(Body::Length(0))
        } else if self.is_coded() {
            let last = self.codings.last()?;
            last.to_ascii_lowercase().ends_with(b"chunked").then_some(Body::CHUNKED)
        } else {
            self.length().map(Body::Length)
        }
    }

    /// Writes the framing headers: the transfer coding, else the length, else none.
    pub(super) fn write_framing(&self, good: &mut Vec<u8>) {
        if self.is_coded() {
            for value in self.codings.iter().filter(|value| !value.eq_ignore_ascii_case(b"identity")) {
                good.extend_from_slice(b"transfer-encoding: ");
                good.extend_from_slice(value);
                good.extend_from_slice(b"\r\n");
            }
        } else if let Some(length) = self.length() {
            good.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
    }
}

/// Parses the timeout in `timeout=5, max=100` (RFC 2068, 19.7.1.1).
fn timeout(value: &[u8]) -> Option<Duration> {
    let mut parameters = std::str::from_utf8(value).ok()?.split([',', ';', ' ']);
    let (_, seconds) = parameters
        .find_map(|it| it.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("timeout")))?;
    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
}

/// Returns whether a line has no control characters other than tabs.
pub(super) fn is_text(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}
