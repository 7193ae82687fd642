//! A request's body that can be taken back, which decides whether the request was sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The sender's end: takes the body back if the client has not taken it.
pub(crate) struct Withdrawal {
    slot: Slot,
}

/// The client's end: gives out the body, once.
pub(crate) struct SlotBody {
    slot: Slot,
    len: u64,
    is_given: bool,
}

/// One of both ends takes the bytes. A flag that says "was read" would not do: the client's task could begin to read
/// on another thread right after the flag was looked at.
type Slot = Arc<Mutex<Option<Bytes>>>;

pub(crate) fn withdrawable(body: Bytes) -> (SlotBody, Withdrawal) {
    let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
    // Without a body, the head alone is a complete request, so there is nothing to take back.
    let slot = Arc::new(Mutex::new(Some(body).filter(|body| !body.is_empty())));
    (SlotBody { slot: Arc::clone(&slot), len, is_given: false }, Withdrawal { slot })
}

impl Withdrawal {
    /// Whether the service certainly does not have, and will not get, the whole request.
    pub(crate) fn succeeds(&self) -> bool {
        take(&self.slot).is_some()
    }
}

fn take(slot: &Slot) -> Option<Bytes> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Body for SlotBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_given || self.is_end_stream() {
            return Poll::Ready(None);
        }
        self.is_given = true;
        let bytes = take(&self.slot);
        // An error and not an early end, which a lenient server could take for the whole request.
        Poll::Ready(Some(bytes.map(Frame::data).ok_or_else(|| io::Error::other("the request was withdrawn"))))
    }

    fn is_end_stream(&self) -> bool {
        self.len == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_is_sent_or_withdrawn_and_never_both() {
        let (body, withdrawal) = withdrawable(Bytes::from_static(b"query=a"));
        assert!(withdrawal.succeeds());
        assert!(body.collect().await.is_err());

        let (body, withdrawal) = withdrawable(Bytes::from_static(b"query=a"));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "query=a");
        assert!(!withdrawal.succeeds());
    }

    #[test]
    fn of_an_empty_body_nothing_is_known() {
        let (body, withdrawal) = withdrawable(Bytes::new());
        assert!(body.is_end_stream() && !withdrawal.succeeds());
    }
}
