//! Reads a response's body, within its cap and the deadline, and keeps what came whatever happens.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::Response;
use hyper::body::{Body, Incoming};
use tgscan_core::{TransportError, TransportErrorKind as Kind};
use tokio::time::timeout_at;

use crate::failure;
use crate::limits::Running;

pub(crate) async fn read(
    response: Response<Incoming>,
    running: &Running,
) -> Result<Response<Bytes>, TransportError> {
    let (head, mut body) = response.into_parts();
    let cap = running.body_cap();
    let mut kept = Kept { cap, bytes: Bytes::new(), more: BytesMut::new() };
    let (kind, source) = loop {
        let piece = running.piece();
        match timeout_at(piece.at, poll_fn(|context| Pin::new(&mut body).poll_frame(context))).await {
            Ok(Some(Ok(frame))) => {
                // Trailers are no part of the answer.
                if let Ok(data) = frame.into_data()
                    && !kept.push(data)
                {
                    let why = format!("the body is larger than `body_cap` ({cap} bytes)");
                    break (Kind::BodyTooLarge, why.into());
                }
            }
            Ok(None) => return Ok(Response::from_parts(head, kept.into_bytes())),
            Ok(Some(Err(error))) => break failure::in_body(error),
            Err(_) => break (Kind::Timeout, format!("{piece} within the body").into()),
        }
    };
    let partial = Response::from_parts(head, kept.into_bytes());
    Err(TransportError::answer_began(partial, source).with_kind(kind))
}

/// The body so far. Memory grows with what arrives and not with what a `Content-Length` announces.
struct Kept {
    cap: usize,
    /// The first piece, which for most answers is all and then need not be copied.
    bytes: Bytes,
    more: BytesMut,
}

impl Kept {
    /// Adds a piece; `false` if only its beginning fits.
    fn push(&mut self, mut data: Bytes) -> bool {
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

    fn len(&self) -> usize {
        self.bytes.len() + self.more.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.more.is_empty() { self.bytes } else { self.more.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_exactly_the_cap() {
        for pieces in [&["abcdef"][..], &["ab", "cdef"], &["a", "", "b", "c", "d", "ef"], &["abcd", "ef"]] {
            let mut kept = Kept { cap: 4, bytes: Bytes::new(), more: BytesMut::new() };
            assert!(!pieces.iter().all(|piece| kept.push(Bytes::from_static(piece.as_bytes()))));
            assert_eq!(kept.into_bytes(), "abcd", "{pieces:?}");
        }
        let mut kept = Kept { cap: 4, bytes: Bytes::new(), more: BytesMut::new() };
        assert!(kept.push(Bytes::from_static(b"abcd")) && kept.push(Bytes::new()));
        assert_eq!(kept.into_bytes(), "abcd");
    }
}
