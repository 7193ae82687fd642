//! Collects the bytes of a body up to a cap.

use bytes::{Bytes, BytesMut};

/// The received part of a body. Memory grows with the received bytes, whatever `content-length` announces.
pub(super) struct Buffer {
    cap: usize,
    /// The first piece. Most answers have only one, which is then not copied.
    bytes: Bytes,
    more: BytesMut,
}

impl Buffer {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, bytes: Bytes::new(), more: BytesMut::new() }
    }

    /// Adds a piece. Returns `false` if only its beginning fits.
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
