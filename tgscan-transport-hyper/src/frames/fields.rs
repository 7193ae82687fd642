//! The fields of a header block, without those that make h2 reset the stream or end the connection.

use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue};

use super::MAX_HEADER_LIST;
use super::hpack::{encode, size_of_field};
use crate::restore::{IN_ITS_PLACE, LENGTH, Once, STATUS};

/// The maximum total size of the fields other than status and length. Fields beyond it are dropped.
const MAX_OTHERS: usize = MAX_HEADER_LIST as usize - 1024;

#[derive(Default)]
pub(super) struct Fields {
    status: Once<[u8; 3]>,
    length: Once<u64>,
    /// The other valid fields, encoded.
    others: Vec<u8>,
    /// The size of all other fields (RFC 9113, 6.5.2).
    size: usize,
}

impl Fields {
    /// Adds a field unless it is invalid or forbidden (RFC 9113, 8.2 and 8.3).
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        if name == b":status" {
            let is_status = |code: &[u8; 3]| code[0] != b'0' && code.iter().all(u8::is_ascii_digit);
            self.status.add(value.try_into().ok().filter(is_status));
            return;
        }
        if name.eq_ignore_ascii_case(CONTENT_LENGTH.as_ref()) {
            self.length.add_length(value);
            return;
        }
        self.size += size_of_field(name, value);
        if self.size > MAX_OTHERS {
            return;
        }
        // Also converts to lower case.
        let Ok(name) = HeaderName::from_bytes(name) else { return };
        let is_connection_specific = matches!(
            name.as_str(),
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "te"
                | "transfer-encoding"
                | "upgrade"
                | LENGTH
                | STATUS
        );
        if !is_connection_specific && HeaderValue::from_bytes(value).is_ok() {
            encode(name.as_ref(), value, &mut self.others);
        }
    }

    /// Returns a block that h2 accepts. Without a clear status, h2 rejects this stream and no other.
    pub(super) fn into_block(self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.others.len() + 64);
        if let Some(code) = self.status.agreed() {
            // HTTP/2 has no 101 (RFC 9113, 8.6). h2 would take the frames of its body for an error of the connection.
            let is_101 = code == *b"101";
            encode(b":status", if is_101 { &IN_ITS_PLACE } else { &code }, &mut block);
            if is_101 {
                encode(STATUS.as_bytes(), &code, &mut block);
            }
        }
        if let Some(length) = self.length.agreed() {
            encode(LENGTH.as_bytes(), length.to_string().as_bytes(), &mut block);
        }
        block.extend_from_slice(&self.others);
        block
    }
}
