//! The bytes of a body up to a cap.

use bytes::{Bytes, BytesMut};

/// The body so far. Memory grows with what arrives and not with what a `Content-Length` announces.
pub(super) struct Kept {
    cap: usize,
    /// The first piece, which for most answers is all and then need not be copied.
    bytes: Bytes,
    more: BytesMut,
}

impl Kept {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, bytes: Bytes::new(), more: BytesMut::new() }
    }

    /// Adds a piece; `false` if only its beginning fits.
    pub(super) fn push(&mut self, mut data: Bytes) -> bool {
        let room = self.cap - self.len();
        let fits = data.len() <= room;
        data.truncate(room);
        if self.len() == 0 {
            self.bytes = data;
        } else {
            if self.more.is_empty() {
                self.more = BytesMut::from(std::mem::take(&mut self.bytes));
            }
            self.more.extend_from_slice(&data);
        }
        fits
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.more.len()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.more.is_empty() { self.bytes } else { self.more.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_exactly_the_cap() {
        for pieces in [&["abcdef"][..], &["ab", "cdef"], &["a", "", "b", "c", "d", "ef"], &["abcd", "ef"]] {
            let mut kept = Kept::new(4);
            assert!(!pieces.iter().all(|piece| kept.push(Bytes::from_static(piece.as_bytes()))));
            assert_eq!(kept.into_bytes(), "abcd", "{pieces:?}");
        }
        let mut kept = Kept::new(4);
        assert!(kept.push(Bytes::from_static(b"abcd")) && kept.push(Bytes::new()));
        assert_eq!(kept.into_bytes(), "abcd");
    }
}
