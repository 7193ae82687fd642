//! Response bodies that can stop before their end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::service::InFlight;
use crate::engine::End;

/// Bytes per piece of a slow body, so that a small answer takes tens of pieces.
const SLOW_PIECE: usize = 32;
const SLOW_PAUSE: Duration = Duration::from_millis(1);
/// The pause between two bytes that trickle, well below any limit on pauses.
const TRICKLE_PAUSE: Duration = Duration::from_millis(50);

/// A body that announces its length, and sends all of it, less, or bytes without an end.
pub(super) struct MockBody {
    whole: u64,
    left: Bytes,
    piece: usize,
    end: Option<End>,
    /// The bytes that trickle: the rest of the body, then `filler` repeatedly.
    rest: Bytes,
    filler: &'static [u8],
    /// Counts the request as in flight until its body is sent or dropped.
    _in_flight: InFlight,
    /// The pause between two pieces, in which earlier pieces reach the socket.
    pause: Option<Pin<Box<Sleep>>>,
}

impl MockBody {
    pub(super) fn whole(body: Bytes, in_flight: InFlight) -> Self {
        Self {
            whole: u64::try_from(body.len()).unwrap_or(u64::MAX),
            piece: body.len(),
            left: body,
            end: None,
            rest: Bytes::new(),
            filler: &[],
            _in_flight: in_flight,
            pause: None,
        }
    }

    pub(super) fn slow(body: Bytes, in_flight: InFlight) -> Self {
        Self { piece: SLOW_PIECE, ..Self::whole(body, in_flight) }
    }

    /// Sends a part of the body. `filler` adds no content after the body, however often it is repeated.
    pub(super) fn partial(
        mut body: Bytes,
        in_flight: InFlight,
        at: usize,
        end: End,
        filler: &'static [u8],
    ) -> Self {
        let whole = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let rest = body.split_off(at.min(body.len()));
        let mut partial = Self { whole, end: Some(end), rest, filler, ..Self::whole(body, in_flight) };
        // Sends the head first, since the body may be empty.
        partial.pause_for(SLOW_PAUSE);
        partial
    }

    fn pause_for(&mut self, pause: Duration) {
        self.pause = Some(Box::pin(sleep(pause)));
    }
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = self.pause.as_mut() {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if !self.left.is_empty() {
            let piece = self.piece.min(self.left.len());
            let piece = self.left.split_to(piece);
            if self.end.is_some() || !self.left.is_empty() {
                // hyper flushes while the body is pending, so the sent bytes are on the wire before the pause ends.
                self.pause_for(SLOW_PAUSE);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.end {
            None => Poll::Ready(None),
            Some(End::Stall) => Poll::Pending,
            Some(End::Trickle) => {
                if self.rest.is_empty() {
                    self.rest = Bytes::from_static(self.filler);
                }
                let byte = self.rest.split_to(1);
                self.pause_for(TRICKLE_PAUSE);
                Poll::Ready(Some(Ok(Frame::data(byte))))
            }
            Some(End::Reset | End::Close) => {
                Poll::Ready(Some(Err(io::Error::other("a fault of the mock cut the body"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.end.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.end == Some(End::Trickle) {
            return SizeHint::default();
        }
        // hyper writes it as `content-length`, so the client sees that bytes are missing.
        SizeHint::with_exact(self.whole)
    }
}
