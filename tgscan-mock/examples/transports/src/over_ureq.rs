//! A transport over ureq, which blocks, on tokio's threads for that.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Transport, TransportError, async_trait};
use tgscan_example_blocking::send;
use tokio::task::spawn_blocking;
use ureq::Agent;

use crate::Settings;

/// How many connections are kept open between calls.
const MAX_IDLE: usize = 8;

/// A transport over ureq: HTTP/1.1, on the threads that tokio keeps for blocking code.
///
/// Each call has an agent, and so a connection, to itself. That is what lets it end its request when its future is
/// dropped: a thread that blocks cannot be stopped, but ureq can shut an agent's connection down under it.
#[derive(Clone)]
pub struct UreqTransport {
    settings: Settings,
    idle: Arc<Mutex<Vec<Agent>>>,
}

impl UreqTransport {
    /// A transport with connections of its own.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ureq::Error> {
        let first = settings.agent()?;
        Ok(Self { settings: settings.clone(), idle: Arc::new(Mutex::new(vec![first])) })
    }

    fn agent(&self) -> Result<Agent, TransportError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The latest one first, whose connection is the most likely to be still open.
        idle.map_or_else(|| self.settings.agent().map_err(TransportError::never_sent), Ok)
    }

    fn keep(&self, agent: Agent) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(agent);
        }
    }
}

#[async_trait]
impl Transport for UreqTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let agent = self.agent()?;
        let mut guard = ShutDown(Some(agent.clone()));
        let limit = self.settings.max_body_size;
        let result = spawn_blocking(move || send(&agent, limit, request)).await;
        if let Some(agent) = guard.0.take() {
            self.keep(agent);
        }
        // The thread panicked, or the runtime is shutting down; the request may have left before.
        result.unwrap_or_else(|error| Err(TransportError::new(error)))
    }
}

/// Ends a request whose future was dropped: the one that the thread waits for, and the one that it has yet to begin.
struct ShutDown(Option<Agent>);

impl Drop for ShutDown {
    fn drop(&mut self) {
        if let Some(agent) = self.0.take() {
            agent.shutdown();
        }
    }
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqTransport").field("settings", &self.settings).finish_non_exhaustive()
    }
}
