//! What requests pass on their way out: whether the run has been stopped, and whether the service asks for a pause.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response, StatusCode, header::RETRY_AFTER};
use tgscan_core::transport::Delivery;
use tgscan_core::{Transport, TransportError, async_trait};
use tokio::sync::watch;
use tokio::time::Instant;

/// The pause after a 429 without a `Retry-After`.
const USUAL: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);

/// Controls a [`Gate`].
#[derive(Clone, Default)]
pub(crate) struct Control {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    is_stopped: bool,
    /// When the next call may begin.
    paused_until: Option<Instant>,
}

impl Control {
    /// Sends nothing from now on. Requests in flight continue.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.is_stopped = true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.borrow().is_stopped
    }

    /// Returns how long no call begins, if the service asks for a pause.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let left = self.state.borrow().paused_until?.checked_duration_since(Instant::now())?;
        (!left.is_zero()).then_some(left)
    }

    /// Waits until nothing is sent any more and the request of a caller is not in flight.
    pub(crate) async fn stopped_and_idle(&self, request: &InFlight) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| state.is_stopped).await;
        let _ = request.0.subscribe().wait_for(|is_sent| !is_sent).await;
    }

    /// Waits until the pause is over, or nothing is sent any more.
    pub(crate) async fn wait(&self) {
        let mut state = self.state.subscribe();
        loop {
            let State { is_stopped, paused_until } = *state.borrow_and_update();
            match paused_until.filter(|until| !is_stopped && *until > Instant::now()) {
                None => return,
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    _ = state.changed() => {}
                },
            }
        }
    }

    fn pause_after(&self, response: &Response<Bytes>) {
        let seconds =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let until = Instant::now() + seconds.map_or(USUAL, Duration::from_secs).min(LONGEST);
        self.state.send_modify(|state| state.paused_until = state.paused_until.max(Some(until)));
    }
}

/// Whether a caller's request may have been sent: put it into the request's extensions.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<watch::Sender<bool>>);

impl InFlight {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

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
    transport: T,
    control: Control,
}

impl<T> Gate<T> {
    pub(crate) fn new(transport: T, control: Control) -> Self {
        Self { transport, control }
    }
}

#[async_trait]
impl<T: Transport> Transport for Gate<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let in_flight = request.extensions().get::<InFlight>().cloned();
        let note = |is_sent| in_flight.iter().for_each(|in_flight| _ = in_flight.0.send_replace(is_sent));
        // Before it looks whether the run was stopped: who stops it looks at this afterwards.
        note(true);
        if self.control.is_stopped() {
            note(false);
            return Err(TransportError::never_sent("the run was stopped").with_trusted_text());
        }
        let response = self.transport.send(request).await;
        match &response {
            Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS => {
                self.control.pause_after(response);
                note(false);
            }
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
