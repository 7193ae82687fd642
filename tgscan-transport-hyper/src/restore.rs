//! The parts of a head that hyper must not see: it would drop or reject the body. Other headers carry them. Those that the
//! server sends are dropped.

use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode, Version};

/// Carries `content-length` over HTTP/2: h2 rejects a body of another length.
pub(crate) const LENGTH: &str = "x-tgscan-content-length";

/// Carries a status with [no body](has_no_body) that has one anyway.
pub(crate) const STATUS: &str = "x-tgscan-status";

/// The status in its place: an uncommon one, because looking for [`STATUS`] in each answer would be slow.
pub(crate) const IN_ITS_PLACE: [u8; 3] = *b"299";

/// Returns whether a status has no body (RFC 9110, 15.2.2, 15.3.5 and 15.4.5).
pub(crate) fn has_no_body(code: [u8; 3]) -> bool {
    matches!(&code, b"101" | b"204" | b"304")
}

/// Restores the status and `content-length`. Returns the length that [`LENGTH`] carried, or `None` for a status without a body.
pub(crate) fn restore<B>(response: &mut Response<B>) -> Option<u64> {
    if response.status().as_str().as_bytes() == IN_ITS_PLACE {
        let code = response.headers_mut().remove(STATUS);
        if let Some(status) = code.and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok()) {
            *response.status_mut() = status;
        }
    }
    if response.version() != Version::HTTP_2 {
        return None;
    }
    let length = response.headers_mut().remove(LENGTH)?;
    let mut number = Once::default();
    number.add_length(length.as_bytes());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    number.agreed().filter(|_| has_body)
}

/// The common value of all fields with one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Once<T> {
    #[default]
    Missing,
    Agreed(T),
    /// The values differ, or one is invalid.
    Unclear,
}

impl<T: Copy + PartialEq> Once<T> {
    pub(crate) fn add(&mut self, value: Option<T>) {
        *self = match (*self, value) {
            (Self::Missing, Some(value)) => Self::Agreed(value),
            (Self::Agreed(before), Some(value)) if before == value => Self::Agreed(value),
            _ => Self::Unclear,
        };
    }

    pub(crate) fn agreed(self) -> Option<T> {
        if let Self::Agreed(value) = self { Some(value) } else { None }
    }
}

impl Once<u64> {
    /// Adds a value of `content-length`, which may be a list.
    pub(crate) fn add_length(&mut self, value: &[u8]) {
        for number in value.split(|byte| *byte == b',') {
            let number = number.trim_ascii();
            let digits = std::str::from_utf8(number).ok().filter(|_| number.iter().all(u8::is_ascii_digit));
            // hyper reserves the two greatest values.
            self.add(digits.and_then(|digits| digits.parse().ok()).filter(|length| *length <= u64::MAX - 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_only_on_equal_valid_lengths() {
        for (values, length) in [
            (&["3"][..], Some(3)),
            (&["3, 3", " 03"], Some(3)),
            (&["3", "4"], None),
            (&["3,"], None),
            (&["+3"], None),
            (&[""], None),
            (&[], None),
            (&["18446744073709551613"], Some(u64::MAX - 2)),
            (&["18446744073709551614"], None),
        ] {
            let mut lengths = Once::Missing;
            for value in values {
                lengths.add_length(value.as_bytes());
            }
            assert_eq!(lengths.agreed(), length, "{values:?}");
        }
    }
}
