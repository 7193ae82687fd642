//! One head, put right where hyper could not read it.

use std::borrow::Cow;

/// How many headers hyper is told to take. Its default of 100 is less than some chains of gateways add.
pub(crate) const MAX_HEADERS: usize = 2048;

/// `content-length`, `connection` and what hyper may count otherwise than this does.
const SPARE: usize = 8;

/// A head that hyper can read, if it can be made so.
pub(super) struct Head<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Another one comes after it.
    pub(super) is_interim: bool,
}

/// Looks at a head. `is_cut` says that it has no end; then it gets one, and a body that ends with the connection.
pub(super) fn repair(bytes: &[u8], is_cut: bool) -> Head<'_> {
    let mut lines = lines(bytes);
    let first = lines.next().unwrap_or_default();
    let Some(status) = StatusLine::read(first) else {
        return Head { bytes: Cow::Borrowed(bytes), is_interim: false };
    };
    // 101 is the last that comes in HTTP.
    let is_interim = status.code[0] == b'1' && status.code != *b"101";
    let mut fields = Fields::default();
    for line in lines.take_while(|line| is_cut || !line.is_empty()) {
        fields.add(line);
    }
    if is_cut {
        // Its last line may not be whole.
        fields.others.pop();
    }
    let needs_http_1_1 = status.minor == b'0' && fields.is_coded();
    let is_good = status.is_good && fields.is_good() && !needs_http_1_1 && !is_cut;
    if is_good {
        return Head { bytes: Cow::Borrowed(bytes), is_interim };
    }

    let mut good = Vec::with_capacity(bytes.len() + 32);
    good.extend_from_slice(b"HTTP/1.");
    good.push(if needs_http_1_1 { b'1' } else { status.minor });
    good.push(b' ');
    good.extend_from_slice(&status.code);
    good.push(b' ');
    good.extend_from_slice(status.reason);
    good.extend_from_slice(b"\r\n");
    if !is_cut {
        fields.write_framing(&mut good);
    }
    if needs_http_1_1 {
        // As HTTP/1.0 means it, and nobody knows what such a server makes of a second request.
        good.extend_from_slice(b"connection: close\r\n");
    }
    for line in fields.others.iter().take(MAX_HEADERS - SPARE) {
        good.extend_from_slice(line);
        good.extend_from_slice(b"\r\n");
    }
    good.extend_from_slice(b"\r\n");
    Head { bytes: Cow::Owned(good), is_interim }
}

/// The lines without their ends, the last of which may be missing.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Neither NUL nor a lone line break nor anything else that a terminal would obey.
fn is_text(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

struct StatusLine<'a> {
    /// Of the version.
    minor: u8,
    code: [u8; 3],
    reason: &'a [u8],
    /// As it should be.
    is_good: bool,
}

impl<'a> StatusLine<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
        let after = rest.trim_ascii_start();
        let (code, reason) = after.split_first_chunk::<3>()?;
        let is_code = code.iter().all(u8::is_ascii_digit) && (b'1'..).contains(&code[0]);
        if !matches!(minor, b'0' | b'1') || rest.len() == after.len() || !is_code {
            return None;
        }
        let is_good = rest.len() == after.len() + 1
            && rest[0] == b' '
            && (reason.is_empty() || reason[0] == b' ')
            && is_text(reason);
        let reason = if is_text(reason) { reason.trim_ascii() } else { b"" };
        // A code of four digits is none.
        (!reason.first().is_some_and(u8::is_ascii_digit) || is_good).then_some(Self {
            minor: *minor,
            code: *code,
            reason,
            is_good,
        })
    }
}

#[derive(Default)]
struct Fields<'a> {
    lengths: Vec<Cow<'a, [u8]>>,
    codings: Vec<Cow<'a, [u8]>>,
    others: Vec<Cow<'a, [u8]>>,
    /// What the last line was, for one that goes on with it.
    last: Last,
    /// Some line cannot stay as it is.
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
    fn add(&mut self, line: &'a [u8]) {
        if !is_text(line) {
            (self.last, self.is_odd) = (Last::Dropped, true);
            return;
        }
        if line.first().is_some_and(|first| matches!(first, b' ' | b'\t')) {
            self.is_odd = true;
            let goes_on = match self.last {
                Last::Dropped => None,
                Last::Length => self.lengths.last_mut(),
                Last::Coding => self.codings.last_mut(),
                Last::Other => self.others.last_mut(),
            };
            if let Some(before) = goes_on {
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
            self.others.push(Cow::Borrowed(line));
            self.last = Last::Other;
        }
    }

    fn is_coded(&self) -> bool {
        self.codings.iter().any(|value| !value.eq_ignore_ascii_case(b"identity"))
    }

    /// The length that all lines agree on.
    fn length(&self) -> Option<u64> {
        let mut all = self.lengths.iter().flat_map(|value| value.split(|byte| *byte == b','));
        let number = |text: &[u8]| {
            let text = text.trim_ascii();
            let digits = text.iter().all(u8::is_ascii_digit);
            // hyper has a meaning of its own for the two greatest.
            let number = std::str::from_utf8(text).ok()?.parse::<u64>().ok()?;
            (digits && number <= u64::MAX - 2).then_some(number)
        };
        let first = number(all.next()?)?;
        all.all(|text| number(text) == Some(first)).then_some(first)
    }

    fn is_good(&self) -> bool {
        let is_length_good = match &self.lengths[..] {
            [] => true,
            [_] => self.length().is_some(),
            _ => false,
        };
        let is_identity = !self.codings.is_empty() && !self.is_coded();
        !self.is_odd && is_length_good && !is_identity && self.others.len() <= MAX_HEADERS - SPARE
    }

    /// How the body ends: with its coding, else after a length, else with the connection.
    fn write_framing(&self, good: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(head: &str) -> String {
        String::from_utf8(repair(head.as_bytes(), false).bytes.into_owned()).unwrap()
    }

    #[test]
    fn good_heads_are_not_copied() {
        for head in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n\r\n",
            "HTTP/1.1 200\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.0 404 Not Found\nx:\n\n",
            "HTTP/1.1 2000 OK\r\nx\0y\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
        ] {
            assert!(matches!(repair(head.as_bytes(), false).bytes, Cow::Borrowed(_)), "{head}");
        }
    }

    #[test]
    fn keeps_one_way_to_tell_where_the_body_ends() {
        for (fields, good) in [
            ("content-length: 3\r\nContent-Length : 3\r\n", "content-length: 3\r\n"),
            ("content-length: 3, 3\r\nx\0\r\n", "content-length: 3\r\n"),
            ("content-length: 3\r\n 4\r\n", ""),
            ("content-length: 3, 4\r\n", ""),
            ("content-length: +3\r\nx: y\r\n", "x: y\r\n"),
            ("content-length: 3\r\ntransfer-encoding: identity\r\n", "content-length: 3\r\n"),
            ("content-length: a\r\ntransfer-encoding: chunked\r\nx\0\r\n", "transfer-encoding: chunked\r\n"),
            ("x: a\r\n\tb\r\n", "x: a b\r\n"),
        ] {
            assert_eq!(
                repaired(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")),
                format!("HTTP/1.1 200 OK\r\n{good}\r\n")
            );
        }
    }

    #[test]
    fn a_head_with_too_many_headers_keeps_its_length() {
        let many = "x: y\r\n".repeat(MAX_HEADERS);
        let good = repaired(&format!("HTTP/1.1 200 OK\r\n{many}content-length: 3\r\n\r\n"));
        assert!(good.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx: y\r\n"));
        assert_eq!(good.matches("x: y").count(), MAX_HEADERS - SPARE);
    }

    #[test]
    fn odd_status_lines_keep_their_code() {
        for (odd, good) in [
            ("HTTP/1.1  200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1\t200 OK", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 200 O\0K", "HTTP/1.1 200 "),
            ("HTTP/1.1 200 \r", "HTTP/1.1 200 "),
        ] {
            assert_eq!(repaired(&format!("{odd}\r\n\r\n")), format!("{good}\r\n\r\n"));
        }
    }
}
