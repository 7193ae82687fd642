//! Parses JSON bodies: fast in the usual case, with a second pass that locates errors.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use tgscan_types::{Envelope, ErrorResult, repair_json};

use crate::probe;

/// The reason and the position of a parse error.
///
/// Shows the JSON path, the byte offset and the expected type, never values of the answer. `reparse` also hides the
/// path, because names in it may come from the answer.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadError {
    path: String,
    /// Whether key and query were removed from the path. Otherwise, it is not printed.
    is_clean: bool,
    offset: usize,
    expected: String,
}

impl ReadError {
    /// Returns the JSON path of the problem, such as `result.groups[3].id`; empty for the document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the byte offset of the problem in the body.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Creates the error of a non-deterministic deserializer.
    pub(crate) fn unstable() -> Self {
        Self::plain("parsed only at the second attempt")
    }

    /// Creates the error of a deserializer that panicked.
    pub(crate) fn panicked() -> Self {
        Self::plain(
            "the deserializer of the answer panicked; fix it, then parse the kept body with `reparse`",
        )
    }

    fn plain(expected: &str) -> Self {
        Self { path: String::new(), is_clean: true, offset: 0, expected: expected.into() }
    }

    /// Removes key and query from the path, which can contain names from the answer.
    pub(crate) fn redact(mut self, redactor: &crate::redact::Redactor<'_>) -> Self {
        (self.path, self.is_clean) = (redactor.clean(&self.path), true);
        self
    }
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean && !self.path.is_empty() {
            write!(f, "`{}`, ", self.path)?;
        }
        write!(f, "byte {}: {}", self.offset, self.expected)
    }
}

impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadError").field(&format_args!("{self}")).finish()
    }
}

/// Checks the whole body as UTF-8, because `serde_json` parses text faster than bytes.
pub(crate) fn read_text(body: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(body).map_err(|error| ReadError {
        path: String::new(),
        is_clean: false,
        offset: error.valid_up_to(),
        expected: "not UTF-8".into(),
    })
}

/// Parses a body as any type, with the same leniency as an answer.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ReadError> {
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let repaired = repair_json(body);
    track(read_text(repaired.as_deref().unwrap_or(body))?, 0, "")
}

/// Returns whether a body is one complete JSON object.
pub(crate) fn is_object(body: &[u8]) -> bool {
    let repaired = repair_json(body);
    let body = repaired.as_deref().unwrap_or(body);
    body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Parses a body a second time, to find the path and the offset of the error. Slower than the first pass.
pub(crate) fn read_tracked<A: DeserializeOwned>(body: &[u8]) -> Result<Envelope<A>, ReadError> {
    #[derive(Deserialize)]
    struct RawResult<'a> {
        #[serde(borrow)]
        result: &'a RawValue,
    }
    let text = read_text(body)?;
    // The result alone first, because the envelope parses a `result` before `status` without tracking its path.
    if let Ok(RawResult { result }) = serde_json::from_str(text) {
        let offset = result.get().as_ptr() as usize - text.as_ptr() as usize;
        if probe::status(body) == Some(probe::Status::Error) {
            track::<ErrorResult>(result.get(), offset, "result")?;
        } else {
            track::<A>(result.get(), offset, "result")?;
        }
    }
    track(text, 0, "")
}

/// Parses text and tracks the path. The text starts at byte `base` of the body and at path `root` of its JSON.
fn track<T: DeserializeOwned>(text: &str, base: usize, root: &str) -> Result<T, ReadError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = match (root, error.path().to_string()) {
            (root, path) if path == "." => root.to_owned(),
            ("", path) => path,
            (root, path) if path.starts_with('[') => format!("{root}{path}"),
            (root, path) => format!("{root}.{path}"),
        };
        (path, error.into_inner())
    });
    let (path, error) = match read {
        Ok(value) => match json.end() {
            Ok(()) => return Ok(value),
            Err(error) => (root.to_owned(), error),
        },
        Err(error) => error,
    };
    Err(ReadError { path, is_clean: false, offset: base + offset(text, &error), expected: expected(&error) })
}

/// Converts the line and column of `serde_json` to a byte offset. Both count from 1, columns in bytes.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// Returns the message of `serde_json` without quoted values of the answer.
fn expected(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The exact suffix, because a quoted value of the answer can contain " at line " too.
    let text =
        text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())).unwrap_or(&text);
    if !error.is_data() {
        // Syntax errors and unexpected ends never quote values.
        return text.to_owned();
    }
    // "invalid type: string "…", expected i64": only the text after the last "expected" is from the schema.
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if text.starts_with("missing field `") || text.starts_with("duplicate field `") => {
            text.to_owned()
        }
        None => "the value is not allowed here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tgscan_types::{BalanceAnswer, SearchAnswer};

    use super::*;

    fn problem<A: DeserializeOwned>(body: &str) -> String {
        match read_tracked::<A>(body.as_bytes()) {
            Ok(_) => panic!("no error: {body}"),
            Err(error) => ReadError { is_clean: true, ..error }.to_string(),
        }
    }

    #[test]
    fn reports_path_offset_and_expected_type_in_either_order() {
        let wrong = r#"{"user":{"id":1},"meta":{"known_num_groups":"private","num_groups":0,"op_cost":1}}"#;
        for body in [
            format!(r#"{{"status":"ok","result":{wrong}}}"#),
            format!(r#"{{"result":{wrong},"status":"ok"}}"#),
            format!("{{\n\n \"result\":\n{wrong},\"status\":\"ok\"}}"),
        ] {
            // serde_json stops at the last byte of the invalid value: its closing quote.
            let offset = body.find("private\"").unwrap() + "private".len();
            let said = problem::<SearchAnswer>(&body);
            assert_eq!(said, format!("`result.meta.known_num_groups`, byte {offset}: expected u64"));
        }
    }

    #[test]
    fn reports_missing_fields_and_truncated_bodies() {
        for (body, says) in [
            ("", "byte 0: EOF while parsing a value"),
            ("<html>", "byte 0: expected value"),
            ("{}", "byte 1: missing field `status`"),
            (r#"{"status":"ok"}"#, "byte 14: missing field `result`"),
            (r#"{"status":"ok","result":{}}"#, "`result`, byte 25: missing field `num_credits`"),
            (
                r#"{"status":"ok","result":{"num_credits":"#,
                "`result.num_credits`, byte 38: EOF while parsing a value",
            ),
            (r#"{"status":"ok","result":["x"]}"#, "`result`, byte 24: expected an object"),
            (r#"{"status":"odd","result":{"num_credits":1}}"#, "`status`, byte 14: expected `ok` or `error`"),
            (r#"{"status":"ok","result":{"num_credits":1}}x"#, "byte 42: trailing characters"),
        ] {
            assert_eq!(problem::<BalanceAnswer>(body), says, "{body}");
        }
    }

    #[test]
    fn never_quotes_values_of_the_answer() {
        for body in [
            r#"{"status":"ok","result":{"num_credits":"private"}}"#,
            r#"{"status":"private, expected private","result":{"num_credits":1}}"#,
            r#"{"status":"ok","result":"private"}"#,
            r#"{"status":"ok","result":{"num_credits":{"private":1}}}"#,
        ] {
            assert!(!problem::<BalanceAnswer>(body).contains("private"), "{body}");
        }
        let error = read_json::<BalanceAnswer>(b"{\"num_credits\": \"private\"}").unwrap_err();
        assert_eq!((error.path(), error.offset()), ("num_credits", 24));
    }

    #[test]
    fn never_quotes_custom_errors() {
        struct Odd;
        impl<'de> Deserialize<'de> for Odd {
            fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                let text = String::deserialize(json)?;
                Err(serde::de::Error::custom(format!("{text} is odd")))
            }
        }
        let error = read_json::<Odd>(b"\"private\"").err().expect("an error");
        assert_eq!(error.to_string(), "byte 0: the value is not allowed here");
    }

    #[test]
    fn reports_the_first_byte_that_is_not_utf8() {
        let error = read_tracked::<BalanceAnswer>(b"{\"status\":\"\xff\"}").unwrap_err();
        assert_eq!(error.to_string(), "byte 11: not UTF-8");
    }
}
