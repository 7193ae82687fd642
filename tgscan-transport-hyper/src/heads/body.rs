//! Finds the end of a body, if the server announced an idle limit that starts there.

/// The rest of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunked),
}

/// The position in a chunked body (RFC 9112, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// The line with the size of a chunk, and whether its digits have ended.
    Size(u64, bool),
    Data(u64),
    /// The line break after the data.
    AfterData,
    /// The trailers, and whether the line is empty so far.
    Trailer(bool),
    End,
}

impl Body {
    pub(super) const CHUNKED: Self = Self::Chunked(Chunked::Size(0, false));

    pub(super) fn has_ended(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked::End))
    }

    /// Returns the rest after these bytes, or `None` if they are invalid.
    pub(super) fn after(self, mut bytes: &[u8]) -> Option<Self> {
        match self {
            Self::Length(rest) => rest.checked_sub(bytes.len() as u64).map(Self::Length),
            Self::Chunked(mut state) => {
                while let Some((first, rest)) = bytes.split_first() {
                    if let Chunked::Data(size) = state {
                        let received = size.min(bytes.len() as u64);
                        bytes = &bytes[usize::try_from(received).ok()?..];
                        state = if size == received {
                            Chunked::AfterData
                        } else {
                            Chunked::Data(size - received)
                        };
                    } else {
                        state = state.after(*first)?;
                        bytes = rest;
                    }
                }
                Some(Self::Chunked(state))
            }
        }
    }
}

impl Chunked {
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size(0, _), b'\n') => Self::Trailer(true),
            (Self::Size(size, _), b'\n') => Self::Data(size),
            (Self::Size(size, false), _) => match char::from(byte).to_digit(16) {
                Some(digit) => Self::Size(size.checked_mul(16)? + u64::from(digit), false),
                None => Self::Size(size, true),
            },
            (Self::AfterData, b'\n') => Self::Size(0, false),
            (Self::Trailer(true), b'\n') => Self::End,
            (Self::Trailer(_), b'\n') => Self::Trailer(true),
            (Self::AfterData | Self::Trailer(_), b'\r') | (Self::Size(_, true) | Self::Data(_), _) => self,
            (Self::Trailer(_), _) => Self::Trailer(false),
            (Self::AfterData | Self::End, _) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_for_any_piece_size() {
        for (body, wire) in [
            (Body::Length(6), "abcdef"),
            (Body::CHUNKED, "3\r\nabc\r\n00A;x=1\r\n0123456789\r\n0\r\n\r\n"),
            (Body::CHUNKED, "3\nabc\n0 \r\nx-trailer: 1\r\ny: 2\r\n\r\n"),
        ] {
            for size in [1, 2, 3, 100] {
                let mut now = body;
                let pieces: Vec<_> = wire.as_bytes().chunks(size).collect();
                for piece in pieces {
                    assert!(!now.has_ended(), "{wire}");
                    now = now.after(piece).unwrap();
                }
                assert!(now.has_ended(), "{wire} {size}");
                assert_eq!(now.after(b"x"), None);
            }
        }
        assert!(Body::Length(0).has_ended());
        assert_eq!(Body::CHUNKED.after(b"1\r\nabc"), None);
        assert_eq!(Body::CHUNKED.after(b"fffffffffffffffff\r\n"), None);
    }
}
