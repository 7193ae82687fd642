//! The request's body, and the one fact on which all claims about delivery rest.
//!
//! A connection that takes the body may send it; until one does, the service cannot have got the whole request.
//! Body and call share one slot with the bytes, and the first of them to come takes them out: the connection to send them,
//! the call when it fails. If the call was first, the connection finds nothing and gets an error, so that "never sent"
//! stays true even if the connection reaches for the bytes in that very moment.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

/// The body of a request as hyper takes it. Small, because hyper moves it a dozen times.
pub(crate) struct Outgoing {
    slot: Slot,
    /// How much is still to be given out: all or nothing.
    rest: usize,
}

/// Whoever takes the bytes first has them.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Slot {
    fn take(&self) -> Option<Bytes> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells, once a call failed, whether any part of it that matters was sent.
pub(crate) enum Handover {
    /// What counts is who took the body.
    Body(Slot),
    /// hyper does not take an empty body, so what counts is whether the request was given to a connection at all.
    Empty(CaptureConnection),
}

impl Outgoing {
    pub(crate) fn wrap(request: Request<Bytes>) -> (Request<Self>, Handover) {
        let mut request = request.map(|body| {
            let rest = body.len();
            Self { slot: Slot(Arc::new(Mutex::new(Some(body)))), rest }
        });
        let handover = if request.body().rest == 0 {
            Handover::Empty(capture_connection(&mut request))
        } else {
            Handover::Body(request.body().slot.clone())
        };
        (request, handover)
    }
}

impl Handover {
    /// Whether the service cannot have got the whole request, now and in future.
    ///
    /// Ask only after the future that hyper-util returned has ended or was dropped. `returned` says that hyper gave the
    /// request back unsent.
    pub(crate) fn never_sent(&self, returned: bool) -> bool {
        match self {
            Self::Body(slot) => slot.take().is_some(),
            Self::Empty(connection) => returned || connection.connection_metadata().is_none(),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        if self.rest == 0 {
            return Poll::Ready(None);
        }
        self.rest = 0;
        Poll::Ready(Some(self.slot.take().map(Frame::data).ok_or(Withdrawn)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest as u64)
    }
}

/// The call has failed already and said "never sent".
#[derive(Debug)]
pub(crate) struct Withdrawn;

impl std::error::Error for Withdrawn {}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call ended before its body was sent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(body: &mut Outgoing) -> Option<Result<Bytes, ()>> {
        match Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(frame) => {
                frame.map(|frame| frame.map(|frame| frame.into_data().unwrap()).map_err(|_| ()))
            }
            Poll::Pending => panic!("the bytes are there"),
        }
    }

    #[test]
    fn a_body_that_was_taken_is_perhaps_sent() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        let mut body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
        assert_eq!(take(&mut body), Some(Ok(Bytes::from_static(b"query=a"))));
        assert!(body.is_end_stream() && take(&mut body).is_none());
        assert!(!handover.never_sent(false) && !handover.never_sent(true));
    }

    #[test]
    fn a_body_whose_call_has_failed_is_never_given_out() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        assert!(handover.never_sent(false));
        assert_eq!(take(&mut request.into_body()), Some(Err(())));
    }

    #[test]
    fn an_empty_body_is_never_sent_without_a_connection_or_if_hyper_returned_it() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::new()));
        assert!(request.body().is_end_stream());
        assert!(handover.never_sent(false) && handover.never_sent(true));
    }
}
