//! Repairs HTTP/2 heads before h2 reads them.
//!
//! h2 rejects an answer with a header that HTTP/2 forbids, and ends the connection with all its answers if the name of a header
//! has a capital letter. These answers may have been paid for. So heads are decoded here and encoded in a form that h2 accepts:
//! without forbidden and invalid headers, and without `content-length`, which is compared with the body after its stream has
//! ended.
//!
//! h2 reads no incomplete frame. So each received part of a DATA frame becomes a frame, and none is lost if the connection ends.
//!
//! All other frames pass unchanged. After an undecodable head, all heads do.

mod fields;
mod hpack;
mod huffman;

use bytes::{Buf, BytesMut};

use self::fields::Fields;
use self::hpack::Decoder;

/// The maximum size of an answer's headers for h2 (RFC 9113, 6.5.2), close to hyper's limit over HTTP/1.1. Some gateways
/// repeat a policy or a trace in every answer and exceed the default of 16 KiB.
pub(crate) const MAX_HEADER_LIST: u32 = 400 << 10;

/// The size of a frame header (RFC 9113, 4.1).
const HEADER: usize = 9;
/// The maximum payload of a frame: the default, as h2 announces no other.
const MAX_FRAME: usize = 16 << 10;
/// The maximum size of an inspected head. h2 rejects larger ones.
const MAX_HEAD: usize = 1 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// The received frames of one connection.
#[derive(Default)]
pub(crate) struct Frames {
    /// The header of the next frame; `filled` bytes of it are received.
    header: [u8; HEADER],
    filled: usize,
    /// The remaining bytes of the current frame.
    payload: usize,
    /// The frames of an incomplete head.
    head: BytesMut,
    decoder: Decoder,
    /// A head was undecodable, so all heads pass unchanged.
    is_passing: bool,
    /// The bytes that h2 has not read yet.
    ready: BytesMut,
}

impl Frames {
    /// Returns the next bytes for h2, at most `room`.
    pub(crate) fn next(&mut self, room: usize) -> Option<BytesMut> {
        let size = room.min(self.ready.len());
        self.ready.has_remaining().then(|| self.ready.split_to(size))
    }

    /// Takes received bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
                self.payload -= payload.len();
                bytes = rest;
                if self.is_split() {
                    self.write_header(payload.len());
                }
                self.current().extend_from_slice(payload);
            } else {
                let (header, rest) = bytes.split_at(bytes.len().min(HEADER - self.filled));
                self.header[self.filled..][..header.len()].copy_from_slice(header);
                self.filled += header.len();
                bytes = rest;
                if self.filled < HEADER {
                    return;
                }
                self.filled = 0;
                self.begin();
            }
            let ends_head = self.payload == 0 && self.header[4] & END_HEADERS != 0;
            if ends_head && !self.head.is_empty() {
                self.end_head();
            }
        }
    }

    /// Returns whether each received part of the current frame becomes a frame. Padding counts for flow control, so a padded
    /// frame passes unchanged.
    fn is_split(&self) -> bool {
        self.header[3] == DATA && self.header[4] & PADDED == 0 && self.head.is_empty()
    }

    /// Writes the header of a frame for the next `length` bytes of the current one.
    fn write_header(&mut self, length: usize) {
        let mut header = self.header;
        [_, header[0], header[1], header[2]] = u32::try_from(length).unwrap_or_default().to_be_bytes();
        if self.payload > 0 {
            header[4] &= !END_STREAM;
        }
        self.ready.extend_from_slice(&header);
    }

    /// Returns the destination of the current frame.
    fn current(&mut self) -> &mut BytesMut {
        if self.head.is_empty() { &mut self.ready } else { &mut self.head }
    }

    /// Handles a complete frame header.
    fn begin(&mut self) {
        let [high, middle, low, kind, ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_head = match kind {
            HEADERS => self.head.is_empty() && !self.is_passing,
            CONTINUATION => !self.head.is_empty(),
            _ => false,
        };
        if is_head && self.head.len() + self.payload <= MAX_HEAD {
            self.head.extend_from_slice(&self.header);
            return;
        }
        // Other frames within a head are invalid.
        if is_head || !self.head.is_empty() {
            self.pass_through();
        }
        if self.payload == 0 || !self.is_split() {
            self.ready.extend_from_slice(&self.header);
        }
    }

    /// Passes all heads unchanged, starting with the current head.
    fn pass_through(&mut self) {
        self.is_passing = true;
        self.ready.extend_from_slice(&std::mem::take(&mut self.head));
    }

    /// Handles a complete head.
    fn end_head(&mut self) {
        let mut fields = Fields::default();
        let is_read = block(&self.head)
            .and_then(|block| self.decoder.decode(&block, |name, value| fields.add(name, value)));
        if is_read.is_none() {
            self.pass_through();
            return;
        }
        let head = std::mem::take(&mut self.head);
        let (flags, stream) = (head[4], &head[5..HEADER]);
        let block = fields.into_block();
        let mut rest = block.as_slice();
        let mut kind = HEADERS;
        loop {
            let (payload, behind) = rest.split_at(rest.len().min(MAX_FRAME));
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

/// Extracts the header block from the frames of a head (RFC 9113, 6.2 and 6.10).
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

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[high, middle, low, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// Returns the bytes that h2 receives if the wire arrives in pieces of this size, with consecutive DATA frames joined.
    fn through(wire: &[u8], size: usize) -> Vec<u8> {
        joined(&unjoined(wire, size))
    }

    fn unjoined(wire: &[u8], size: usize) -> Vec<u8> {
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

    fn joined(mut wire: &[u8]) -> Vec<u8> {
        let mut frames: Vec<(u8, u8, u8, Vec<u8>)> = Vec::new();
        while let [0, middle, low, kind, flags, 0, 0, 0, stream, rest @ ..] = wire {
            let (payload, rest) = rest.split_at(usize::from(*middle) << 8 | usize::from(*low));
            wire = rest;
            match frames.last_mut() {
                Some((DATA, last, same, data))
                    if *kind == DATA
                        && same == stream
                        && (*last | flags) & PADDED == 0
                        && *last & END_STREAM == 0 =>
                {
                    *last = *flags;
                    data.extend_from_slice(payload);
                }
                _ => frames.push((*kind, *flags, *stream, payload.to_vec())),
            }
        }
        assert!(wire.is_empty(), "{wire:?}");
        frames
            .iter()
            .flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload))
            .collect()
    }

    #[test]
    fn received_parts_of_a_data_frame_become_frames() {
        let wire = [frame(DATA, END_STREAM, 1, b"abcde"), frame(DATA, END_STREAM, 3, b"")].concat();
        let good =
            [frame(DATA, 0, 1, b"ab"), frame(DATA, END_STREAM, 1, b"cde"), frame(DATA, END_STREAM, 3, b"")];
        assert_eq!(unjoined(&wire, HEADER + 2), good.concat());
        let padded = frame(DATA, PADDED, 1, &[1, b'a', 0]);
        assert_eq!(unjoined(&padded, HEADER + 1), padded);
    }

    fn literal(name: &str, value: &str) -> Vec<u8> {
        let mut block = Vec::new();
        hpack::encode(name.as_bytes(), value.as_bytes(), &mut block);
        block
    }

    #[test]
    fn repairs_heads_and_passes_other_frames_for_any_piece_size() {
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
    fn large_head_continues_in_the_next_frame() {
        let long = literal("x-long", &"v".repeat(2 * MAX_FRAME));
        let wire = [
            frame(HEADERS, END_STREAM, 1, &[0x88]),
            frame(CONTINUATION, 0, 1, &long[..MAX_FRAME]),
            frame(CONTINUATION, END_HEADERS, 1, &long[MAX_FRAME..]),
        ]
        .concat();
        let block = [literal(":status", "200"), long].concat();
        let good = [
            frame(HEADERS, END_STREAM, 1, &block[..MAX_FRAME]),
            frame(CONTINUATION, 0, 1, &block[MAX_FRAME..2 * MAX_FRAME]),
            frame(CONTINUATION, END_HEADERS, 1, &block[2 * MAX_FRAME..]),
        ]
        .concat();
        assert!(through(&wire, 1000) == good);
    }

    #[test]
    fn passes_everything_after_an_undecodable_head() {
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
            let is_passing = odd[3] == HEADERS;
            let expected = if is_passing { wire.clone() } else { [odd, through(&good, 100)].concat() };
            for size in [1, 4, 100] {
                assert_eq!(through(&wire, size), expected, "{wire:?} {size}");
            }
        }
        // Larger than `MAX_HEAD`.
        let part = frame(CONTINUATION, 0, 1, &[0; MAX_FRAME]);
        let wire = [frame(HEADERS, 0, 1, &[0x88]), part.repeat(MAX_HEAD / MAX_FRAME), good].concat();
        assert!(through(&wire, 10_000) == wire);
    }

    #[test]
    fn random_frames_never_panic_for_any_piece_size() {
        let mut seed = 1_u64;
        let mut random = move |below: u64| {
            // Knuth's linear congruential generator.
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
