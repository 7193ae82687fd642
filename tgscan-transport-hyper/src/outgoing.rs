//! The request body, and the fact on which every "never sent" rests.
//!
//! A connection that takes the body may send it. Until one does, the service cannot have received the whole request. hyper
//! reports this when a request fails, but not when a request waits, such as for an HTTP/2 stream, and times out. So body and
//! call share a slot with the bytes, and the first to take them wins: the connection to send them, or the call when it fails.
//! If the call wins, the connection gets an error instead of the bytes, so "never sent" stays true.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, SizeHint};
use tgscan_core::transport::SendBy;

/// The body of a request. Small, because hyper moves it a dozen times; holding the bytes inline takes more instructions.
pub(crate) struct Outgoing {
    slot: Slot,
    /// The number of bytes still to send: all or none.
    rest: usize,
    send_by: Option<SendBy>,
}

/// The bytes, until the first of body and call takes them.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Mutex<Option<Bytes>>>);

impl Slot {
    fn take(&self) -> Option<Bytes> {
        // No code panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Determines after a failed call whether the request may have been sent.
pub(crate) struct Handover {
    /// The slot of the body; `None` for an empty body, which hyper does not poll.
    body: Option<Slot>,
    /// Whether a connection has the request. Decides for requests without a body.
    is_given: AtomicBool,
}

impl Outgoing {
    pub(crate) fn wrap(request: Request<Bytes>) -> (Request<Self>, Handover) {
        let send_by = request.extensions().get::<SendBy>().cloned();
        let request = request.map(|body| {
            let rest = body.len();
            Self { slot: Slot(Arc::new(Mutex::new(Some(body)))), rest, send_by }
        });
        let Self { slot, rest, .. } = request.body();
        let body = (*rest > 0).then(|| slot.clone());
        (request, Handover { body, is_given: AtomicBool::new(false) })
    }
}

impl Handover {
    /// Records that a connection receives the request and may write it at any time.
    pub(crate) fn give(&self) {
        self.is_given.store(true, Relaxed);
    }

    /// Records that the connection returned the request unwritten.
    pub(crate) fn take_back(&self) {
        self.is_given.store(false, Relaxed);
    }

    /// Returns whether the service neither has received the whole request nor ever will.
    ///
    /// Call this only when the future that sends the request is not polled any more.
    pub(crate) fn never_sent(&self) -> bool {
        match &self.body {
            Some(slot) => slot.take().is_some(),
            None => !self.is_given.load(Relaxed),
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
        if self.send_by.as_ref().is_some_and(SendBy::has_passed) {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        Poll::Ready(Some(self.slot.take().map(Frame::data).ok_or(Withdrawn)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest as u64)
    }
}

/// The call has already failed as "never sent", or its `send_by` has passed.
#[derive(Debug)]
pub(crate) struct Withdrawn;

impl std::error::Error for Withdrawn {}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call ended or expired before its body was sent")
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
            Poll::Pending => panic!("pending"),
        }
    }

    #[test]
    fn taken_body_is_maybe_sent() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        let mut body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
        assert_eq!(take(&mut body), Some(Ok(Bytes::from_static(b"query=a"))));
        assert!(body.is_end_stream() && take(&mut body).is_none());
        assert!(!handover.never_sent());
    }

    #[test]
    fn body_of_a_failed_call_cannot_be_taken() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        assert!(handover.never_sent());
        assert_eq!(take(&mut request.into_body()), Some(Err(())));
    }

    #[test]
    fn expired_body_cannot_be_taken() {
        let mut request = Request::new(Bytes::from_static(b"query=a"));
        request.extensions_mut().insert(SendBy::new(|| true));
        let (request, handover) = Outgoing::wrap(request);
        assert_eq!(take(&mut request.into_body()), Some(Err(())));
        assert!(handover.never_sent());
    }

    #[test]
    fn empty_body_is_maybe_sent_while_a_connection_has_the_request() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::new()));
        assert!(request.body().is_end_stream() && handover.never_sent());
        handover.give();
        assert!(!handover.never_sent());
        handover.take_back();
        assert!(handover.never_sent());
    }
}
