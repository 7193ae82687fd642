//! Records of requests and answers without keys.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::account::KeyKind;
use super::check::API_KEY;

/// The replacement of an API key in the wrong place.
pub(crate) const REDACTED: &str = "(an API key)";

/// The length from which a key is not taken for a word of a header's name.
const SHORTEST_IN_NAME: usize = 8;

/// The form of headers in JSON.
#[cfg(feature = "server")]
pub(super) type Headers = std::collections::BTreeMap<String, Vec<String>>;

pub(super) fn write_headers<S: serde::Serializer>(
    headers: &HeaderMap,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let values = |name| headers.get_all(name).iter().map(text).collect::<Vec<_>>();
    serializer.collect_map(headers.keys().map(|name| (name.as_str(), values(name))))
}

/// Copies headers without the API key, redacted. A clone would keep the connection's read buffer alive, which contains the key.
pub(super) fn without_key(headers: &HeaderMap, keys: &[(String, KeyKind)]) -> HeaderMap {
    let copy = |(name, value): (&HeaderName, &HeaderValue)| {
        let mut copy = HeaderValue::from_bytes(&redact_bytes(value.as_bytes(), value.len(), keys)).ok()?;
        copy.set_sensitive(value.is_sensitive());
        Some((HeaderName::from_bytes(name.as_str().as_bytes()).ok()?, copy))
    };
    let has_key = |name: &HeaderName| *name == API_KEY || keys.iter().any(|(key, _)| is_in_name(name, key));
    headers.iter().filter(|(name, _)| !has_key(name)).filter_map(copy).collect()
}

/// Returns whether the name of a header contains a key, also a percent-encoded one. Names are in lower case. A short key
/// must be the whole name, since it can be a word of a usual one.
fn is_in_name(name: &HeaderName, key: &str) -> bool {
    let mut name = name.as_str().as_bytes();
    let mut decoded = Vec::new();
    while let Some((byte, rest)) = first(name) {
        decoded.push(byte);
        name = rest;
    }
    let key = key.as_bytes();
    decoded.eq_ignore_ascii_case(key)
        || key.len() >= SHORTEST_IN_NAME
            && decoded.windows(key.len()).any(|part| part.eq_ignore_ascii_case(key))
}

pub(super) fn redact(text: &str, keys: &[(String, KeyKind)]) -> String {
    String::from_utf8_lossy(&redact_bytes(text.as_bytes(), text.len(), keys)).into_owned()
}

/// Copies the first `most` bytes of a text, and replaces each API key that begins in them, also a percent-encoded one, unless
/// it is only a part of a word.
pub(super) fn redact_bytes(text: &[u8], most: usize, keys: &[(String, KeyKind)]) -> Vec<u8> {
    let longest = keys.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let near = String::from_utf8_lossy(&text[..text.len().min(most + longest)]);
    if !near.contains('%') && !keys.iter().any(|(key, _)| near.contains(&**key)) {
        return text[..most].to_vec();
    }
    let mut redacted = Vec::with_capacity(most);
    let mut at = 0;
    while at < most {
        let (before, rest) = text.split_at(at);
        let escape = before.len().checked_sub(3).and_then(|start| escaped(&before[start..]));
        let is_in_word = escape.or(before.last().copied()).is_some_and(|byte| byte.is_ascii_alphanumeric());
        let found =
            keys.iter().filter(|_| !is_in_word).filter_map(|(key, _)| after_key(rest, key.as_bytes()));
        // The longest key, which another one may be a part of.
        if let Some(after) = found.min_by_key(|after| after.len()) {
            redacted.extend_from_slice(REDACTED.as_bytes());
            at = text.len() - after.len();
        } else {
            redacted.push(text[at]);
            at += 1;
        }
    }
    redacted
}

/// Returns the text after a key, or `None` if the text does not begin with the key as a whole word.
fn after_key<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let decoded = || {
        key.iter()
            .try_fold(text, |text, byte| first(text).filter(|(first, _)| first == byte).map(|(_, rest)| rest))
    };
    let after = text.strip_prefix(key).or_else(decoded)?;
    let is_in_word = first(after).is_some_and(|(byte, _)| byte.is_ascii_alphanumeric());
    (!is_in_word).then_some(after)
}

/// Splits off the first byte, decoded.
fn first(text: &[u8]) -> Option<(u8, &[u8])> {
    let escape = text.split_at_checked(3).and_then(|(escape, rest)| Some((escaped(escape)?, rest)));
    escape.or_else(|| text.split_first().map(|(byte, rest)| (*byte, rest)))
}

/// Decodes a percent-encoded byte.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low] = *text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}
