//! The request's body, and the one fact on which all claims about delivery rest.
//!
//! A connection that takes the body may send it; until one does, the service cannot have got the whole request. hyper says
//! whether one did if it fails. But a request can also wait, such as for a stream of HTTP/2, and time can be up
//! meanwhile. So body and call share one slot with the bytes, and the first of them to come takes them out: the connection
//! to send them, the call when it fails. If the call was first, the connection finds nothing and gets an error, so that
//! "never sent" stays true even if the connection reaches for the bytes in that very moment.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, SizeHint};

/// The body of a request as hyper takes it. Small, because hyper moves it a dozen times: with the bytes themselves in it
/// a call would take more instructions than the slot costs.
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
pub(crate) struct Handover {
    /// Who took the body; hyper does not take an empty one.
    body: Option<Slot>,
    /// Whether a connection has the request, which is what counts without a body.
    is_given: AtomicBool,
}

impl Outgoing {
    pub(crate) fn wrap(request: Request<Bytes>) -> (Request<Self>, Handover) {
        let request = request.map(|body| {
            let rest = body.len();
            Self { slot: Slot(Arc::new(Mutex::new(Some(body)))), rest }
        });
        let Self { slot, rest } = request.body();
        let body = (*rest > 0).then(|| slot.clone());
        (request, Handover { body, is_given: AtomicBool::new(false) })
    }
}

impl Handover {
    /// A connection gets the request, and may write it at any time.
    pub(crate) fn give(&self) {
        self.is_given.store(true, Relaxed);
    }

    /// The connection handed the request back, of which it wrote nothing.
    pub(crate) fn take_back(&self) {
        self.is_given.store(false, Relaxed);
    }

    /// Whether the service cannot have got the whole request, now and in future.
    ///
    /// Ask only when nobody will poll the future any more that sends the request.
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
    fn body_that_was_taken_is_perhaps_sent() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        let mut body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
        assert_eq!(take(&mut body), Some(Ok(Bytes::from_static(b"query=a"))));
        assert!(body.is_end_stream() && take(&mut body).is_none());
        assert!(!handover.never_sent());
    }

    #[test]
    fn body_whose_call_has_failed_is_never_given_out() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::from_static(b"query=a")));
        assert!(handover.never_sent());
        assert_eq!(take(&mut request.into_body()), Some(Err(())));
    }

    #[test]
    fn empty_body_is_perhaps_sent_while_a_connection_has_the_request() {
        let (request, handover) = Outgoing::wrap(Request::new(Bytes::new()));
        assert!(request.body().is_end_stream() && handover.never_sent());
        handover.give();
        assert!(!handover.never_sent());
        handover.take_back();
        assert!(handover.never_sent());
    }
}
