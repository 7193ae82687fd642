//! The connections of one origin.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::idle::{Idle, Sweeper};
use super::open::{ConnectError, Opener, connect_error};
use crate::connect::Refused;
use crate::runtime::NO_RUNTIME;

/// The connections to a host, for the calls of one runtime.
///
/// Over HTTP/1.1, each call without an idle connection opens one, and uses the first available: the new one, or one that
/// another call returned. If the server may speak HTTP/2, all calls wait for one connection.
pub(crate) struct Pool {
    opener: Arc<Opener>,
    runtime: Id,
    uri: Uri,
    /// The `host` header of its requests.
    pub(super) host: HeaderValue,
    may_speak_http2: bool,
    state: Mutex<State>,
    /// Held by the call that opens a connection for all.
    turn: tokio::sync::Mutex<()>,
    /// Notified when a connection becomes idle.
    returned: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) idle: Idle,
    /// The server did not choose HTTP/2.
    speaks_http1: bool,
    is_discarded: bool,
    /// The number of connections for all calls that failed to open, and the last error.
    failures: u64,
    error: Option<ConnectError>,
}

impl Pool {
    /// Creates a pool, or returns `None` if the authority is not a valid host.
    pub(super) fn new(
        opener: Arc<Opener>,
        runtime: Id,
        scheme: &Scheme,
        authority: &Authority,
    ) -> Option<Self> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(scheme.clone());
        uri.authority = Some(authority.clone());
        uri.path_and_query = Some(PathAndQuery::from_static("/"));
        let is_https = *scheme == Scheme::HTTPS;
        let default_port = if is_https { 443 } else { 80 };
        let host = match authority.port_u16().filter(|port| *port != default_port) {
            Some(port) => HeaderValue::try_from(format!("{}:{port}", authority.host())),
            None => HeaderValue::from_str(authority.host()),
        };
        Some(Self {
            // Without idle connections, no call finds one to share.
            may_speak_http2: is_https && opener.settings.offers_http2 && opener.settings.max_idle > 0,
            opener,
            runtime,
            uri: Uri::from_parts(uri).ok()?,
            host: host.ok()?,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            returned: Notify::new(),
        })
    }

    /// Returns the scheme and authority as a URI.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        // No code panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task if the current runtime is that of the pool.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let here = Handle::try_current().ok().filter(|here| here.id() == self.runtime)?;
        Some(here.spawn(task))
    }

    /// Returns whether the next connection may be HTTP/2, which all waiting calls can share.
    fn opens_one_at_a_time(&self) -> bool {
        self.may_speak_http2 && !self.locked().speaks_http1
    }

    /// Takes an idle connection that is known to be open without waiting.
    pub(super) fn take_known(&self) -> Option<Box<Connection>> {
        let connection = self.locked().idle.take()?;
        (!connection.is_old() && !connection.is_closed() && connection.is_known()).then_some(connection)
    }

    /// Returns a connection for one request, and whether it was idle: an idle one that is still open, else the next one that
    /// is opened or returned.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<(Box<Connection>, bool), ConnectError> {
        let mut has_ended = false;
        loop {
            let idle = self.locked().idle.take();
            let (connection, is_idle) = match idle {
                Some(connection) => (connection, true),
                None => self.next().await?,
            };
            let is_old = is_idle && connection.is_old();
            if !is_old && !connection.is_closed() && (connection.is_known() || connection.probe().await) {
                return Ok((connection, is_idle));
            }
            self.locked().idle.remove(&connection);
            // A new connection can end by chance. A server that ends the next one too accepts none.
            if !is_idle && std::mem::replace(&mut has_ended, true) {
                return Err(connect_error("the server ended new connections before a request could begin"));
            }
        }
    }

    /// Returns the next connection that is opened or returned, and whether it was idle.
    async fn next(self: &Arc<Self>) -> Result<(Box<Connection>, bool), ConnectError> {
        let mut turn = None;
        if self.opens_one_at_a_time() {
            let failures = self.locked().failures;
            turn = Some(self.turn.lock().await);
            let mut state = self.locked();
            if let Some(connection) = state.idle.take() {
                return Ok((connection, true));
            }
            if let Some(error) = state.error.clone().filter(|_| state.failures != failures) {
                return Err(error);
            }
        }
        let turn = turn.filter(|_| self.opens_one_at_a_time());
        let pool = Arc::clone(self);
        let opening = self.spawn(async move { pool.opener.open(pool.uri.clone()).await });
        let mut opening = Opening(Some(opening.ok_or_else(|| connect_error(Refused(NO_RUNTIME)))?));
        let opened = loop {
            let mut returned = pin!(self.returned.notified());
            let opened = poll_fn(|context| match opening.poll(context) {
                Poll::Ready(opened) => Poll::Ready(Some(opened)),
                Poll::Pending => returned.as_mut().poll(context).map(|()| None),
            });
            if let Some(opened) = opened.await {
                break opened;
            }
            let idle = self.locked().idle.take();
            if let Some(connection) = idle {
                opening.keep(self);
                return Ok((connection, true));
            }
        };
        match opened {
            Ok(connection) => {
                self.locked().speaks_http1 = !connection.is_shared();
                connection.share().into_iter().for_each(|shared| self.put(shared));
                Ok((connection, false))
            }
            Err(error) => {
                if turn.is_some() {
                    let mut state = self.locked();
                    state.failures += 1;
                    state.error = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// Adds a connection to the idle ones.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let mut state = self.locked();
        if !state.is_discarded {
            if let Some(at) = state.idle.put(connection, self.opener.settings.max_idle) {
                let task = self.spawn(sweep(Arc::downgrade(self), at));
                state.idle.sweeper = task.map(|task| Sweeper(task.abort_handle()));
            }
            drop(state);
            self.returned.notify_one();
        }
    }

    /// Adds an HTTP/1.1 connection to the idle ones when it is ready. A shared one is there already, unless it has ended.
    pub(super) fn put_when_ready(self: &Arc<Self>, mut connection: Box<Connection>) {
        if connection.is_shared() || connection.is_closed() {
            return;
        }
        if connection.is_ready() {
            return self.put(connection);
        }
        // The connection's task has not processed the end of the answer yet.
        let pool = Arc::clone(self);
        self.spawn(async move {
            if connection.ready().await {
                pool.put(connection);
            }
        });
    }

    /// Limits the time for a connection to `connect_timeout`.
    pub(super) async fn within_limit<T>(
        &self,
        connecting: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        self.opener.connector.within_limit(connecting).await.map_err(connect_error)?
    }

    /// Closes idle connections, and keeps no connection from now on.
    pub(super) fn discard(&self) {
        let mut state = self.locked();
        state.is_discarded = true;
        state.idle = Idle::default();
    }
}

/// Closes expired connections until none is left.
async fn sweep(pool: Weak<Pool>, mut at: Instant) {
    loop {
        sleep_until(at).await;
        let Some(pool) = pool.upgrade() else { return };
        let Some(next) = pool.locked().idle.sweep() else { return };
        at = next;
    }
}

/// A connection that is being opened. Aborted on drop.
struct Opening(Option<JoinHandle<Result<Box<Connection>, ConnectError>>>);

impl Opening {
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<Box<Connection>, ConnectError>> {
        let Some(task) = &mut self.0 else { return Poll::Pending };
        Pin::new(task).poll(context).map(|ended| {
            ended.unwrap_or_else(|_| Err(connect_error("the task that opened the connection was stopped")))
        })
    }

    /// Continues, for other calls.
    fn keep(mut self, pool: &Arc<Pool>) {
        if let Some(opening) = self.0.take() {
            let owner = Arc::clone(pool);
            pool.spawn(async move {
                if let Ok(Ok(connection)) = opening.await {
                    owner.put(connection);
                }
            });
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(opening) = &self.0 {
            opening.abort();
        }
    }
}
