//! A request body that can be withdrawn, which shows whether the request was sent.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The sender's side, which withdraws the body if the client has not taken it.
pub(crate) struct Withdrawal {
    slot: Slot,
}

/// The client's side, which returns the body once.
pub(crate) struct SlotBody {
    slot: Slot,
    len: u64,
    is_given: bool,
}

/// The body, which only one side can take. A flag for "was read" would not suffice: the client's task could begin to
/// read on another thread right after the flag was checked.
type Slot = Arc<Mutex<Option<Bytes>>>;

pub(crate) fn withdrawable(body: Bytes) -> (SlotBody, Withdrawal) {
    let len = u64::try_from(body.len()).unwrap_or(u64::MAX);
    // An empty body cannot be withdrawn, since the head is already a complete request.
    let slot = Arc::new(Mutex::new(Some(body).filter(|body| !body.is_empty())));
    (SlotBody { slot: Arc::clone(&slot), len, is_given: false }, Withdrawal { slot })
}

impl Withdrawal {
    /// Returns whether the service certainly does not have, and will not get, the complete request.
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
        // An error rather than the end of the body, which a lenient server could take for a complete request.
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
    fn an_empty_body_cannot_be_withdrawn() {
        let (body, withdrawal) = withdrawable(Bytes::new());
        assert!(body.is_end_stream() && !withdrawal.succeeds());
    }
}
