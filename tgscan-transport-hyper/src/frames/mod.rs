//! HTTP/2 frames on their way to h2, which refuses an answer whose head has a header that HTTP/2 forbids, and ends the
//! connection with all its answers if a header's name has a capital letter. The service may have been paid for them. So heads
//! are decoded here and encoded again in a form that h2 accepts: without forbidden and invalid headers, and without the
//! length of the body, which is compared with the body when its stream has ended.
//!
//! All other frames pass unchanged. After a head that cannot be decoded, all frames do.

mod fields;
mod hpack;
mod huffman;

use bytes::{Buf, BytesMut};

use self::fields::Fields;
pub(crate) use self::fields::restore_length;
use self::hpack::Decoder;

/// How large the headers of an answer may be for h2, as RFC 9113 (6.5.2) counts: about what hyper takes over HTTP/1.1. Its
/// default of 16 KiB is less than a gateway adds that repeats a policy or a trace in every answer.
pub(crate) const MAX_HEADER_LIST: u32 = 400 << 10;

/// RFC 9113, 4.1.
const HEADER: usize = 9;
/// The most that h2 takes in a frame, as no other size is announced.
const LARGEST_FRAME: usize = 16 << 10;
/// A larger head is not looked at, and h2 gives it up.
const LARGEST_HEAD: usize = 1 << 20;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// What comes in on one connection.
#[derive(Default)]
pub(crate) struct Frames {
    /// The header of the next frame, as far as it is there.
    header: [u8; HEADER],
    there: usize,
    /// How much of the current frame is still to come.
    payload: usize,
    /// The frames of a head whose end is still to come.
    head: BytesMut,
    decoder: Decoder,
    /// A head could not be read.
    is_lost: bool,
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
                self.current().extend_from_slice(payload);
                self.payload -= payload.len();
                bytes = rest;
            } else {
                let (header, rest) = bytes.split_at(bytes.len().min(HEADER - self.there));
                self.header[self.there..][..header.len()].copy_from_slice(header);
                self.there += header.len();
                bytes = rest;
                if self.there < HEADER {
                    return;
                }
                self.there = 0;
                self.begin();
            }
            let ends_head = self.payload == 0 && self.header[4] & END_HEADERS != 0;
            if ends_head && !self.head.is_empty() {
                self.end_head();
            }
        }
    }

    /// Where the current frame goes.
    fn current(&mut self) -> &mut BytesMut {
        if self.head.is_empty() { &mut self.ready } else { &mut self.head }
    }

    /// A frame's header is there.
    fn begin(&mut self) {
        let [high, middle, low, kind, ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_head = match kind {
            HEADERS => self.head.is_empty() && !self.is_lost,
            CONTINUATION => !self.head.is_empty(),
            _ => false,
        };
        if is_head && self.head.len() + self.payload <= LARGEST_HEAD {
            self.head.extend_from_slice(&self.header);
            return;
        }
        // Nothing else may come within a head.
        if is_head || !self.head.is_empty() {
            self.lose();
        }
        self.ready.extend_from_slice(&self.header);
    }

    /// Hands everything on as it is, from the current head on.
    fn lose(&mut self) {
        self.is_lost = true;
        self.ready.extend_from_slice(&std::mem::take(&mut self.head));
    }

    /// All frames of a head are there.
    fn end_head(&mut self) {
        let mut fields = Fields::default();
        let is_read = block(&self.head)
            .and_then(|block| self.decoder.decode(&block, |name, value| fields.add(name, value)));
        if is_read.is_none() {
            self.lose();
            return;
        }
        let head = std::mem::take(&mut self.head);
        let (flags, stream) = (head[4], &head[5..HEADER]);
        let block = fields.into_block();
        let mut rest = block.as_slice();
        let mut kind = HEADERS;
        loop {
            let (payload, behind) = rest.split_at(rest.len().min(LARGEST_FRAME));
            rest = behind;
            let ends = if rest.is_empty() { END_HEADERS } else { 0 };
            let flags = if kind == HEADERS { flags & END_STREAM | ends } else { ends };
            let [_, high, middle, low] = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
            self.ready.extend_from_slice(&[high, middle, low, kind, flags]);
            self.ready.extend_from_slice(stream);
            self.ready.extend_from_slice(payload);
            if rest.is_empty() {
                return;
            }
            kind = CONTINUATION;
        }
    }
}

/// The header block in the frames of a head (RFC 9113, 6.2 and 6.10).
fn block(mut frames: &[u8]) -> Option<Vec<u8>> {
    let mut block = Vec::with_capacity(frames.len());
    while let Some((header, rest)) = frames.split_first_chunk::<HEADER>() {
        let [high, middle, low, kind, flags, ..] = *header;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let (mut payload, behind) = rest.split_at_checked(length)?;
        if kind == HEADERS {
            if flags & PADDED != 0 {
                let (padding, rest) = payload.split_first()?;
                payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
            }
            if flags & PRIORITY != 0 {
                payload = payload.get(5..)?;
            }
        }
        block.extend_from_slice(payload);
        frames = behind;
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: u8 = 0;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// What h2 gets if the wire comes in pieces of this size.
    fn through(wire: &[u8], size: usize) -> Vec<u8> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for piece in wire.chunks(size) {
            frames.push(piece);
            while let Some(bytes) = frames.next(7) {
                out.extend_from_slice(&bytes);
            }
        }
        out
    }

    fn literal(name: &str, value: &str) -> Vec<u8> {
        let mut block = Vec::new();
        hpack::encode(name.as_bytes(), value.as_bytes(), &mut block);
        block
    }

    #[test]
    fn heads_are_put_right_and_all_else_passes_however_it_is_cut() {
        // `:status: 200` and `connection: close`, the latter for later heads as well (RFC 7541, 6.2.1).
        let first = [&[0x88, 0x40, 10][..], b"connection", &[5], b"close"].concat();
        let [begin, end] = [&first[..4], &first[4..]];
        let settings = frame(4, 1, 0, &[]);
        let data = frame(DATA, END_STREAM, 1, b"abc");
        let wire = [
            settings.clone(),
            frame(HEADERS, PADDED, 1, &[&[2], begin, &[0, 0]].concat()),
            frame(CONTINUATION, END_HEADERS, 1, end),
            data.clone(),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0x88, 0xbe]),
        ]
        .concat();
        let status = literal(":status", "200");
        let good = [
            settings,
            frame(HEADERS, END_HEADERS, 1, &status),
            data,
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &status),
        ]
        .concat();
        for size in [1, 2, 5, 8, 9, 10, 1000] {
            assert_eq!(through(&wire, size), good, "{size}");
        }
    }

    #[test]
    fn head_over_the_size_of_a_frame_goes_on_in_the_next() {
        let long = literal("x-long", &"v".repeat(2 * LARGEST_FRAME));
        let wire = [
            frame(HEADERS, END_STREAM, 1, &[0x88]),
            frame(CONTINUATION, 0, 1, &long[..LARGEST_FRAME]),
            frame(CONTINUATION, END_HEADERS, 1, &long[LARGEST_FRAME..]),
        ]
        .concat();
        let block = [literal(":status", "200"), long].concat();
        let good = [
            frame(HEADERS, END_STREAM, 1, &block[..LARGEST_FRAME]),
            frame(CONTINUATION, 0, 1, &block[LARGEST_FRAME..2 * LARGEST_FRAME]),
            frame(CONTINUATION, END_HEADERS, 1, &block[2 * LARGEST_FRAME..]),
        ]
        .concat();
        assert!(through(&wire, 1000) == good);
    }

    #[test]
    fn everything_passes_after_a_head_that_cannot_be_decoded() {
        let good = frame(HEADERS, END_HEADERS, 3, &[0x88]);
        for odd in [
            // No HPACK; padding beyond the frame; no room for a priority; another frame within the head.
            frame(HEADERS, END_HEADERS, 1, &[0x80]),
            frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x88]),
            frame(HEADERS, END_HEADERS | PADDED, 1, &[]),
            frame(HEADERS, END_HEADERS | PRIORITY, 1, &[0x88]),
            [frame(HEADERS, 0, 1, &[0x88]), frame(DATA, 0, 1, b"abc")].concat(),
            [frame(HEADERS, 0, 1, &[0x88]), frame(HEADERS, END_HEADERS, 1, &[0x88])].concat(),
            frame(CONTINUATION, END_HEADERS, 1, &[0x88]),
        ] {
            let wire = [odd.clone(), good.clone()].concat();
            let is_lost = odd[3] == HEADERS;
            let expected = if is_lost { wire.clone() } else { [odd, through(&good, 100)].concat() };
            for size in [1, 4, 100] {
                assert_eq!(through(&wire, size), expected, "{wire:?} {size}");
            }
        }
        // Larger than any head.
        let part = frame(CONTINUATION, 0, 1, &[0; LARGEST_FRAME]);
        let wire = [frame(HEADERS, 0, 1, &[0x88]), part.repeat(LARGEST_HEAD / LARGEST_FRAME), good].concat();
        assert!(through(&wire, 10_000) == wire);
    }

    #[test]
    fn random_frames_never_panic_however_they_are_cut() {
        let mut seed = 1_u64;
        let mut random = move |below: u64| {
            // Knuth's.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut byte = move |below: u64| u8::try_from(random(below)).unwrap();
        for _ in 0..2_000 {
            let mut wire = Vec::new();
            for _ in 0..8 {
                let kind = [HEADERS, HEADERS, CONTINUATION, DATA, byte(12)][usize::from(byte(5))];
                let flags = [END_HEADERS, END_HEADERS, 0, byte(255)][usize::from(byte(4))];
                let payload: Vec<_> = (0..byte(40)).map(|_| byte(256)).collect();
                wire.extend(frame(kind, flags, 1, &payload));
            }
            assert_eq!(through(&wire, 1), through(&wire, 1000), "{wire:?}");
        }
    }
}
