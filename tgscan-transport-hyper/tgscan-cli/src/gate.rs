//! Refuses requests after the run was stopped.

use std::sync::Arc;

use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response, StatusCode};
use tgscan_core::transport::Delivery;
use tgscan_core::{Transport, TransportError, async_trait};
use tokio::sync::watch;

/// Controls a [`Gate`].
#[derive(Clone, Default)]
pub(crate) struct Control {
    is_stopped: Arc<watch::Sender<bool>>,
}

impl Control {
    /// Sends nothing from now on. Requests in flight continue.
    pub(crate) fn stop(&self) {
        self.is_stopped.send_replace(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.is_stopped.borrow()
    }

    /// Waits until nothing is sent any more and the request of a caller is not in flight.
    pub(crate) async fn stopped_and_idle(&self, request: &InFlight) {
        // The sender lives as long as `self`.
        let _ = self.is_stopped.subscribe().wait_for(|is_stopped| *is_stopped).await;
        let _ = request.0.subscribe().wait_for(|is_sent| !is_sent).await;
    }
}

/// Records whether a caller's request may have been sent. Insert it into the extensions of the request.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<watch::Sender<bool>>);

impl InFlight {
    /// Begins another call.
    pub(crate) fn reset(&self) {
        self.0.send_replace(false);
    }

    pub(crate) fn is_sent(&self) -> bool {
        *self.0.borrow()
    }
}

/// A transport behind a [`Control`].
pub(crate) struct Gate<T> {
    pub(crate) transport: T,
    pub(crate) control: Control,
}

#[async_trait]
impl<T: Transport> Transport for Gate<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let in_flight = request.extensions().get::<InFlight>().cloned();
        let note = |is_sent| in_flight.iter().for_each(|in_flight| _ = in_flight.0.send_replace(is_sent));
        // Recorded before the check, because the task that stops the run reads this afterwards.
        note(true);
        if self.control.is_stopped() {
            note(false);
            return Err(TransportError::never_sent("the run was stopped").with_trusted_text());
        }
        let response = self.transport.send(request).await;
        match &response {
            Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => note(false),
            Err(error) if error.delivery() == Delivery::NeverSent => note(false),
            // Until the caller has the answer.
            _ => {}
        }
        response
    }

    fn discard_connections(&self) {
        self.transport.discard_connections();
    }
}
