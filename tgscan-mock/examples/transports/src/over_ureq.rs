//! A transport over ureq, which blocks, on tokio's threads for that.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Transport, TransportError, async_trait};
use tgscan_example_blocking::Sender;
use tokio::task::spawn_blocking;

use crate::Settings;

/// How many connections are kept open between calls.
const MAX_IDLE: usize = 8;

/// A transport over ureq: HTTP/1.1, on the threads that tokio keeps for blocking code.
///
/// Each call has a sender, and so a connection, to itself. That is what lets it end its request when its future is
/// dropped: a thread that blocks cannot be stopped, but ureq can shut an agent's connection down under it.
#[derive(Clone)]
pub struct UreqTransport {
    settings: Settings,
    idle: Arc<Mutex<Vec<Sender>>>,
}

impl UreqTransport {
    /// A transport with connections of its own.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ureq::Error> {
        let first = Sender::new(settings)?;
        Ok(Self { settings: settings.clone(), idle: Arc::new(Mutex::new(vec![first])) })
    }

    fn sender(&self) -> Result<Sender, TransportError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The latest one first, whose connection is the most likely to be still open.
        idle.map_or_else(|| Sender::new(&self.settings).map_err(TransportError::never_sent), Ok)
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
    }
}

#[async_trait]
impl Transport for UreqTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let sender = self.sender()?;
        let mut guard = ShutDown(Some(sender.clone()));
        let result = spawn_blocking(move || sender.send(request)).await;
        if let Some(sender) = guard.0.take() {
            self.keep(sender);
        }
        // The thread panicked, or the runtime is shutting down; the request may have left before.
        result.unwrap_or_else(|error| Err(TransportError::new(error)))
    }
}

/// Ends a request whose future was dropped: the one that the thread waits for, and the one that it has yet to begin.
struct ShutDown(Option<Sender>);

impl Drop for ShutDown {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.shut_down();
        }
    }
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqTransport").field("settings", &self.settings).finish_non_exhaustive()
    }
}
