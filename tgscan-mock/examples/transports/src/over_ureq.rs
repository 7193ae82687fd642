//! A transport over ureq, which blocks, on tokio's blocking threads.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use tgscan_core::{Transport, TransportError, async_trait};
use tgscan_example_blocking::send;
use tokio::task::spawn_blocking;
use ureq::Agent;

use crate::Settings;

/// The maximum number of idle agents, each with its connection.
const MAX_IDLE: usize = 8;

/// A transport over ureq (HTTP/1.1), on tokio's blocking threads.
///
/// Concurrent calls use separate agents and connections, so that dropping a call's future can end its request: a
/// blocked thread cannot be stopped, but the agent's connection can be shut down. Later calls reuse idle agents.
#[derive(Clone)]
pub struct UreqTransport {
    settings: Settings,
    idle: Arc<Mutex<Vec<Agent>>>,
}

impl UreqTransport {
    /// Creates a transport with its own connections.
    ///
    /// # Errors
    /// If the certificate authorities cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, ureq::Error> {
        let first = settings.agent()?;
        Ok(Self { settings: settings.clone(), idle: Arc::new(Mutex::new(vec![first])) })
    }

    fn agent(&self) -> Result<Agent, TransportError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The last used connection is the most likely to be open.
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
        // The thread panicked or the runtime is shutting down; the request may have left.
        result.unwrap_or_else(|error| Err(TransportError::new(error)))
    }
}

/// Ends the request of a dropped future, whether it is running or has not begun.
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
