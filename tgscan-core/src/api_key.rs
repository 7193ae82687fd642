//! The API key, live or test.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// The kind of an API key: live or test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Calls live API methods, which can cost credits.
    Live,
    /// Calls the test methods, which answer with random data and are free ("Test Methods" in the service's
    /// documentation).
    Test,
}

/// The API key of an account ("API Authentication" in the service's documentation).
///
/// A live key calls the live methods, a test key the test methods, so key and URL always match. `Debug` hides the
/// value, the header is marked sensitive, and the memory is cleared when the last clone is dropped.
///
/// ```
/// use tgscan_core::{ApiKey, KeyKind};
///
/// let key = ApiKey::live("0123456789abcdef0123456789abcdef")?;
/// assert_eq!(key.kind(), KeyKind::Live);
/// assert_eq!(format!("{key:?}"), "ApiKey(Live, <secret>)");
/// assert_eq!(ApiKey::test("").unwrap_err().to_string(), "the API key is empty; use the key from your account page");
/// # Ok::<(), tgscan_core::error::InvalidApiKey>(())
/// ```
#[derive(Clone)]
pub struct ApiKey {
    kind: KeyKind,
    header: HeaderValue,
}

/// The key's bytes, shared by all clones of the header value and cleared after the last.
struct Secret(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ApiKey {
    /// Creates a key for the live API methods.
    ///
    /// # Errors
    /// If the key is empty, or contains characters other than visible ASCII. The service documents no stricter format.
    pub fn live(key: impl Into<String>) -> Result<Self, InvalidApiKey> {
        Self::new(KeyKind::Live, key.into())
    }

    /// Creates a key for the test methods.
    ///
    /// # Errors
    /// As [`live`](Self::live).
    pub fn test(key: impl Into<String>) -> Result<Self, InvalidApiKey> {
        Self::new(KeyKind::Test, key.into())
    }

    fn new(kind: KeyKind, key: String) -> Result<Self, InvalidApiKey> {
        let secret = Secret(Zeroizing::new(key.into_bytes()));
        if secret.0.is_empty() {
            return Err(InvalidApiKey { byte: None });
        }
        if let Some(index) = secret.0.iter().position(|b| !b.is_ascii_graphic()) {
            return Err(InvalidApiKey { byte: Some((index + 1, describe(secret.0[index]))) });
        }
        // `Bytes::from_owner` and `from_maybe_shared` do not copy, so no copy stays uncleared.
        let mut header = HeaderValue::from_maybe_shared(Bytes::from_owner(secret))
            .map_err(|_| InvalidApiKey { byte: Some((1, "not visible ASCII")) })?;
        header.set_sensitive(true);
        Ok(Self { kind, header })
    }

    /// Returns whether this is a live or a test key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the path to which requests of a method with this key go.
    #[inline]
    pub(crate) fn path(&self, live: &'static str, test: Option<&'static str>) -> &'static str {
        match test {
            Some(test) if self.kind == KeyKind::Test => test,
            _ => live,
        }
    }

    /// Returns the value of the `Api-Key` header, marked sensitive.
    #[inline]
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Returns the secret, to remove it from texts.
    pub(crate) fn reveal(&self) -> &str {
        self.header.to_str().unwrap_or_default()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({:?}, <secret>)", self.kind)
    }
}

fn describe(byte: u8) -> &'static str {
    match byte {
        b' ' | b'\t' => "a space",
        b'\n' | b'\r' => "a line break",
        0x80.. => "not ASCII",
        _ => "a control character",
    }
}

/// An invalid API key. The text never contains the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidApiKey {
    /// The position of the invalid byte, counted from 1, and its description; `None` if the key is empty.
    byte: Option<(usize, &'static str)>,
}

impl std::error::Error for InvalidApiKey {}

impl fmt::Display for InvalidApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.byte {
            None => f.write_str("the API key is empty; use the key from your account page"),
            Some((position, what)) => write!(
                f,
                "byte {position} of the API key is {what}; a key consists of visible ASCII characters \
                 (check for a line break or space at its end)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_invalid_keys() {
        for (wrong, says) in [
            ("", "is empty"),
            ("abc\n", "byte 4 of the API key is a line break"),
            ("a\rb", "a line break"),
            (" abc", "byte 1 of the API key is a space"),
            ("a\u{7f}", "a control character"),
            ("ключ", "not ASCII"),
        ] {
            let error = ApiKey::live(wrong).expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
            assert!(wrong.is_empty() || !error.contains(wrong), "the error contains the key: {error}");
        }
        assert_eq!(ApiKey::test("!~").unwrap().reveal(), "!~");
    }

    #[test]
    fn header_is_sensitive_and_shared() {
        let key = ApiKey::test("secret").unwrap();
        assert!(key.header().is_sensitive());
        assert_eq!(key.header().as_bytes().as_ptr(), key.clone().header().as_bytes().as_ptr());
        assert_eq!(format!("{:?} {key:?}", key.header()), "Sensitive ApiKey(Test, <secret>)");
    }
}
