//! Pauses all jobs when the service says that there are too many requests.

use std::time::Duration;

use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response, StatusCode, header::RETRY_AFTER};
use tgscan_core::{Transport, TransportError, async_trait};
use tokio::time::Instant;

/// The pause after a 429 without a `Retry-After`.
const USUAL: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(1);

/// A transport that sends nothing for a while after a 429, whichever call met it.
pub(crate) struct Paced<T> {
    transport: T,
    until: tokio::sync::watch::Sender<Instant>,
}

impl<T> Paced<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, until: tokio::sync::watch::Sender::new(Instant::now()) }
    }

    async fn wait(&self) {
        loop {
            let until = *self.until.borrow();
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn pause(&self, response: &Response<Bytes>) {
        let seconds =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let pause = seconds.map_or(USUAL, Duration::from_secs).min(LONGEST);
        let until = Instant::now() + pause;
        self.until.send_if_modified(|current| {
            let is_later = until > *current;
            if is_later {
                *current = until;
            }
            is_later
        });
    }
}

#[async_trait]
impl<T: Transport> Transport for Paced<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.wait().await;
        let response = self.transport.send(request).await;
        if let Ok(response) = &response
            && response.status() == StatusCode::TOO_MANY_REQUESTS
        {
            self.pause(response);
        }
        response
    }

    fn discard_connections(&self) {
        self.transport.discard_connections();
    }
}
