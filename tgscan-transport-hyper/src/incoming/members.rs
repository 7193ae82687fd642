//! Decodes the members of a gzip body.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;

use super::buffer::Buffer;

/// The first bytes of a member (RFC 1952, 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Expands the members of a body. Ignores other bytes after the last member, such as padding, as gzip itself does.
pub(super) struct MemberDecoder {
    decoder: GzDecoder<Expanded>,
    next: Next,
}

/// The meaning of the next byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Member,
    /// The first byte of a member, or padding.
    AfterMember,
    /// The second byte of a member, or padding.
    MaybeMember,
    Padding,
}

impl MemberDecoder {
    pub(super) fn new(cap: usize) -> Self {
        let expanded = Expanded { buffer: Buffer::new(cap), is_over_cap: false };
        Self { decoder: GzDecoder::new(expanded), next: Next::Member }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) -> io::Result<()> {
        while let Some(first) = data.first() {
            match self.next {
                Next::Padding => return Ok(()),
                Next::AfterMember if *first == MAGIC[0] => {
                    self.next = Next::MaybeMember;
                    data = &data[1..];
                }
                Next::MaybeMember if *first == MAGIC[1] => {
                    let expanded = std::mem::replace(self.decoder.get_mut(), Expanded::empty());
                    self.decoder = GzDecoder::new(expanded);
                    self.decoder.write_all(&MAGIC)?;
                    self.next = Next::Member;
                    data = &data[1..];
                }
                Next::AfterMember | Next::MaybeMember => self.next = Next::Padding,
                Next::Member => match self.decoder.write(data)? {
                    0 => {
                        self.decoder.try_finish()?;
                        self.next = Next::AfterMember;
                    }
                    taken => data = &data[taken..],
                },
            }
        }
        // Flushes, so that everything readable is kept if the body breaks off.
        if self.next == Next::Member { self.decoder.flush() } else { Ok(()) }
    }

    /// Checks after the last byte that the body is complete.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.next != Next::Member {
            return Ok(());
        }
        self.decoder.try_finish().map_err(|error| {
            // The decoder reports a truncated and a wrong checksum alike, but accepts no more bytes after a wrong one. The
            // output of this test byte is discarded.
            let expanded = std::mem::replace(self.decoder.get_mut(), Expanded::empty());
            let is_whole = matches!(self.decoder.write(&[0]), Ok(0));
            *self.decoder.get_mut() = expanded;
            if is_whole { error } else { io::Error::new(io::ErrorKind::UnexpectedEof, "it is truncated") }
        })
    }

    /// Returns whether the expanded body exceeds the cap.
    pub(super) fn is_over_cap(&self) -> bool {
        self.decoder.get_ref().is_over_cap
    }

    /// Takes the expanded bytes.
    pub(super) fn expanded(&mut self) -> Buffer {
        std::mem::replace(self.decoder.get_mut(), Expanded::empty()).buffer
    }
}

/// The expanded bytes, up to the cap.
struct Expanded {
    buffer: Buffer,
    is_over_cap: bool,
}

impl Expanded {
    fn empty() -> Self {
        Self { buffer: Buffer::new(0), is_over_cap: false }
    }
}

impl Write for Expanded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Also checked on drop, when the decoder writes its remaining output.
        if self.is_over_cap || !self.buffer.push(Bytes::copy_from_slice(data)) {
            self.is_over_cap = true;
            return Err(io::Error::other("over the cap"));
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
