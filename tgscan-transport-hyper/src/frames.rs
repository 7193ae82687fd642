//! HTTP/2 frames on their way to h2, which throws the last frame of a body away if the body is shorter than its
//! `content-length` says. Most answers are one frame, and then nothing of them is left. So the end of the stream gets a
//! frame of its own, which can be refused without loss.

use bytes::{Buf, BytesMut};

/// RFC 9113, 4.1.
const HEADER: usize = 9;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;

/// What comes in on one connection.
#[derive(Default)]
pub(crate) struct Frames {
    /// The header of the next frame, as far as it is there.
    header: [u8; HEADER],
    there: usize,
    /// How much of the current frame is still to come.
    payload: usize,
    /// What comes behind the current frame.
    end: Option<[u8; HEADER]>,
    /// Not yet taken by h2.
    ready: BytesMut,
}

impl Frames {
    /// What h2 gets next, up to a size.
    pub(crate) fn next(&mut self, room: usize) -> Option<BytesMut> {
        let size = room.min(self.ready.len());
        self.ready.has_remaining().then(|| self.ready.split_to(size))
    }

    /// Takes what came.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
                self.ready.extend_from_slice(payload);
                self.payload -= payload.len();
                bytes = rest;
            } else {
                let (header, rest) = bytes.split_at(bytes.len().min(HEADER - self.there));
                self.header[self.there..][..header.len()].copy_from_slice(header);
                self.there += header.len();
                bytes = rest;
                if self.there == HEADER {
                    self.there = 0;
                    self.begin();
                }
            }
            if self.payload == 0 {
                self.ready.extend(self.end.take().into_iter().flatten());
            }
        }
    }

    /// A frame's header is there.
    fn begin(&mut self) {
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if kind == DATA && flags & END_STREAM != 0 && self.payload > 0 {
            self.header[4] = flags & !END_STREAM;
            let [a, b, c, d] = stream;
            self.end = Some([0, 0, 0, DATA, END_STREAM, a, b, c, d]);
        }
        self.ready.extend_from_slice(&self.header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_body_gets_a_frame_of_its_own() {
        let wire = [
            &[0, 0, 2, 1, 5, 0, 0, 0, 1, 7, 7][..],
            &[0, 0, 3, DATA, 0, 0, 0, 0, 1, 1, 2, 3],
            &[0, 0, 2, DATA, 9, 0, 0, 1, 1, 4, 5],
            &[0, 0, 0, DATA, END_STREAM, 0, 0, 0, 3],
            &[0, 0, 0, 4, 1, 0, 0, 0, 0],
        ]
        .concat();
        let split = [
            &wire[..23],
            &[0, 0, 2, DATA, 8, 0, 0, 1, 1, 4, 5],
            &[0, 0, 0, DATA, END_STREAM, 0, 0, 1, 1],
            &wire[34..],
        ]
        .concat();
        for size in [1, 2, 5, 100] {
            let mut frames = Frames::default();
            let mut out = Vec::new();
            for piece in wire.chunks(size) {
                frames.push(piece);
                while let Some(bytes) = frames.next(4) {
                    out.extend_from_slice(&bytes);
                }
            }
            assert_eq!(out, split, "{size}");
        }
    }
}
