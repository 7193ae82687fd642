//! Repairs HTTP/2 heads before h2 reads them.
//!
//! h2 rejects an answer with a header that HTTP/2 forbids, and ends the connection with all its answers if the name of a header
//! has a capital letter. These answers may have been paid for. So heads are decoded here and encoded in a form that h2 accepts:
//! without forbidden and invalid headers, and without `content-length`, which is compared with the body after its stream has
//! ended.
//!
//! h2 reads no incomplete frame. So each received part of a DATA frame becomes a frame, and none is lost if the connection ends.
//! Padding counts for flow control, so the first part has all of it. h2 also ends a connection with many small or empty DATA
//! frames. So small ones that arrive together and follow each other on one stream become one, and empty ones are dropped. This
//! holds only without padding: the padding of all parts would have to fit in one frame. Padded frames, and small ones of streams
//! that alternate, keep their number.
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
    /// Whether each received part of the current frame becomes a frame.
    is_split: bool,
    /// The size of the padding at the end of a split frame; `None` until its length is received.
    padding: Option<u8>,
    /// Whether the next part has the padding.
    is_first_padded: bool,
    /// The position of the last DATA frame in `ready`.
    last_data: Option<usize>,
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
        self.last_data = None;
        self.ready.has_remaining().then(|| self.ready.split_to(size))
    }

    /// Takes received bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let (payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
                self.payload -= payload.len();
                bytes = rest;
                if self.is_split {
                    self.push_data(payload);
                } else {
                    self.current().extend_from_slice(payload);
                }
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

    /// Writes a part of a DATA frame as a frame, and drops its padding (RFC 9113, 6.1).
    fn push_data(&mut self, part: &[u8]) {
        let (padding, part) = match (self.padding, part) {
            (Some(padding), part) => (padding, part),
            (None, [padding, rest @ ..]) if usize::from(*padding) < rest.len() + self.payload => {
                self.is_first_padded = true;
                (*padding, rest)
            }
            // Invalid, or without data.
            _ => {
                self.is_split = false;
                self.ready.extend_from_slice(&self.header);
                self.ready.extend_from_slice(part);
                return;
            }
        };
        self.padding = Some(padding);
        let size = usize::from(padding);
        let data = &part[..part.len().min((part.len() + self.payload).saturating_sub(size))];
        if data.is_empty() {
            return;
        }
        let is_padded = std::mem::take(&mut self.is_first_padded);
        let mut header = self.header;
        if self.payload > size {
            header[4] &= !END_STREAM;
        }
        if !is_padded {
            header[4] &= !PADDED;
            if self.extend_last(&header, data) {
                return;
            }
        }
        set_length(&mut header, data.len() + if is_padded { 1 + size } else { 0 });
        self.last_data = Some(self.ready.len());
        self.ready.extend_from_slice(&header);
        if is_padded {
            self.ready.extend_from_slice(&[padding]);
        }
        self.ready.extend_from_slice(data);
        if is_padded {
            self.ready.resize(self.ready.len() + size, 0);
        }
    }

    /// Adds data to the last frame in `ready`, if that is an unpadded DATA frame of the same stream with room.
    fn extend_last(&mut self, header: &[u8; HEADER], data: &[u8]) -> bool {
        let last = self.last_data.and_then(|at| self.ready.get_mut(at..)?.split_first_chunk_mut::<HEADER>());
        let Some((last, behind)) = last else { return false };
        let length = behind.len() + data.len();
        if length_of(last) != behind.len() || length > MAX_FRAME || last[4] != 0 || last[5..] != header[5..] {
            return false;
        }
        last[4] = header[4];
        set_length(last, length);
        self.ready.extend_from_slice(data);
        true
    }

    /// Returns the destination of the current frame.
    fn current(&mut self) -> &mut BytesMut {
        if self.head.is_empty() { &mut self.ready } else { &mut self.head }
    }

    /// Handles a complete frame header.
    fn begin(&mut self) {
        let kind = self.header[3];
        self.payload = length_of(&self.header);
        let is_head = match kind {
            HEADERS => self.head.is_empty() && !self.is_passing,
            CONTINUATION => !self.head.is_empty(),
            _ => false,
        };
        if is_head && self.head.len() + self.payload <= MAX_HEAD {
            self.head.extend_from_slice(&self.header);
            self.is_split = false;
            return;
        }
        // Other frames within a head are invalid.
        if is_head || !self.head.is_empty() {
            self.pass_through();
        }
        self.is_split = kind == DATA && self.payload > 0;
        self.padding = (self.header[4] & PADDED == 0).then_some(0);
        self.is_first_padded = false;
        let is_empty = kind == DATA && self.payload == 0 && self.header[4] & (END_STREAM | PADDED) == 0;
        if !self.is_split && !is_empty {
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
            let mut header = [0, 0, 0, kind, flags, 0, 0, 0, 0];
            set_length(&mut header, payload.len());
            header[5..].copy_from_slice(stream);
            self.ready.extend_from_slice(&header);
            self.ready.extend_from_slice(payload);
            if rest.is_empty() {
                return;
            }
            kind = CONTINUATION;
        }
    }
}

fn length_of(header: &[u8; HEADER]) -> usize {
    let [high, middle, low, ..] = header.map(usize::from);
    high << 16 | middle << 8 | low
}

fn set_length(header: &mut [u8; HEADER], length: usize) {
    [_, header[0], header[1], header[2]] = u32::try_from(length).unwrap_or_default().to_be_bytes();
}

/// Extracts the header block from the frames of a head (RFC 9113, 6.2 and 6.10).
fn block(mut frames: &[u8]) -> Option<Vec<u8>> {
    let mut block = Vec::with_capacity(frames.len());
    while let Some((header, rest)) = frames.split_first_chunk::<HEADER>() {
        let [.., kind, flags, _, _, _, _] = *header;
        let (mut payload, behind) = rest.split_at_checked(length_of(header))?;
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
mod tests;
