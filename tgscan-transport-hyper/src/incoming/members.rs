//! The members of a gzip body, one after the other.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzDecoder;

use super::kept::Kept;

/// How a member begins (RFC 1952, 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Expands members. What comes behind the last one and is none, such as zeros up to the size of a block, is passed over,
/// as gzip itself does: the answer is complete without it.
pub(super) struct Members {
    decoder: GzDecoder<Expanded>,
    next: Next,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Member,
    /// Either another member or padding.
    Behind,
    /// The same, after the first byte of a member.
    BehindAndBegun,
    Padding,
}

impl Members {
    pub(super) fn new(cap: usize) -> Self {
        let expanded = Expanded { kept: Kept::new(cap), is_over: false };
        Self { decoder: GzDecoder::new(expanded), next: Next::Member }
    }

    pub(super) fn push(&mut self, mut data: &[u8]) -> io::Result<()> {
        while let Some(first) = data.first() {
            match self.next {
                Next::Padding => return Ok(()),
                Next::Behind if *first == MAGIC[0] => {
                    self.next = Next::BehindAndBegun;
                    data = &data[1..];
                }
                Next::BehindAndBegun if *first == MAGIC[1] => {
                    let expanded = std::mem::replace(self.decoder.get_mut(), Expanded::nothing());
                    self.decoder = GzDecoder::new(expanded);
                    self.decoder.write_all(&MAGIC)?;
                    self.next = Next::Member;
                    data = &data[1..];
                }
                Next::Behind | Next::BehindAndBegun => self.next = Next::Padding,
                Next::Member => match self.decoder.write(data)? {
                    0 => {
                        self.decoder.try_finish()?;
                        self.next = Next::Behind;
                    }
                    taken => data = &data[taken..],
                },
            }
        }
        // Flushed, so that what is kept of a body that breaks off is all that can be read of it.
        if self.next == Next::Member { self.decoder.flush() } else { Ok(()) }
    }

    /// Whether the body is complete, when no more comes.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.next != Next::Member {
            return Ok(());
        }
        self.decoder.try_finish().map_err(|error| {
            // The decoder says the same of a check sum that is cut and of one that is wrong, but takes no more bytes
            // after the latter. What it expands from this one is thrown away.
            let expanded = std::mem::replace(self.decoder.get_mut(), Expanded::nothing());
            let is_whole = matches!(self.decoder.write(&[0]), Ok(0));
            *self.decoder.get_mut() = expanded;
            if is_whole { error } else { io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early") }
        })
    }

    /// Whether there is more than the cap.
    pub(super) fn is_over(&self) -> bool {
        self.decoder.get_ref().is_over
    }

    /// Takes what was expanded.
    pub(super) fn expanded(&mut self) -> Kept {
        std::mem::replace(self.decoder.get_mut(), Expanded::nothing()).kept
    }
}

/// The expanded bytes, up to the cap.
struct Expanded {
    kept: Kept,
    is_over: bool,
}

impl Expanded {
    fn nothing() -> Self {
        Self { kept: Kept::new(0), is_over: false }
    }
}

impl Write for Expanded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Again at the end of the decoder, which tries to get rid of what it still has.
        if self.is_over || !self.kept.push(Bytes::copy_from_slice(data)) {
            self.is_over = true;
            return Err(io::Error::other("over the cap"));
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
