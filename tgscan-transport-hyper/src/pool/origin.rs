//! The connections of one origin, and the calls that wait for one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::connection::Connection;
use super::idle::Idle;
use super::open::{ConnectError, Opener, Settings};
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
}

#[derive(Default)]
pub(super) struct State {
    pub(super) idle: Idle,
    /// The calls that wait for a connection, oldest first.
    waiting: VecDeque<Waiter>,
    /// The numbers of the connections that are being opened.
    opening: Vec<u64>,
    last_number: u64,
    /// The server did not choose HTTP/2.
    speaks_http1: bool,
    is_discarded: bool,
}

struct Waiter {
    number: u64,
    connection: oneshot::Sender<Result<Box<Connection>, ConnectError>>,
}

impl State {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Ends the opening of a connection. Returns whether it was being opened.
    fn remove_opening(&mut self, number: u64) -> bool {
        let at = self.opening.iter().position(|opening| *opening == number);
        at.map(|at| self.opening.swap_remove(at)).is_some()
    }
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
            may_speak_http2: is_https && opener.settings.offers_http2,
            opener,
            runtime,
            uri: Uri::from_parts(uri).ok()?,
            host: host.ok()?,
            state: Mutex::default(),
        })
    }

    /// Returns the scheme and authority as a URI.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.opener.settings
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, State> {
        // No code panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns a task if the current runtime is that of the pool.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let here = Handle::try_current().ok().filter(|here| here.id() == self.runtime)?;
        Some(here.spawn(task).abort_handle())
    }

    /// Returns whether the next connection may be HTTP/2, which all waiting calls can share.
    fn opens_one_at_a_time(&self, state: &State) -> bool {
        self.may_speak_http2 && !state.speaks_http1
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
            let (connection, is_idle) = match self.take() {
                Ok(connection) => (connection, true),
                Err(waiting) => (waiting.connection().await?, false),
            };
            let is_old = is_idle && connection.is_old();
            if !is_old && !connection.is_closed() && (connection.is_known() || connection.probe().await) {
                self.locked().idle.renew(&connection);
                return Ok((connection, is_idle));
            }
            self.locked().idle.remove(&connection);
            // A new connection can end by chance. A server that ends the next one too accepts none.
            if !is_idle && std::mem::replace(&mut has_ended, true) {
                return Err(ConnectError::new(
                    "the server ended new connections before a request could begin",
                ));
            }
        }
    }

    fn take(self: &Arc<Self>) -> Result<Box<Connection>, Waiting> {
        let mut state = self.locked();
        if let Some(connection) = state.idle.take() {
            return Ok(connection);
        }
        let number = state.number();
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(Waiter { number, connection: sender });
        let is_opened = self.opens_one_at_a_time(&state) && !state.opening.is_empty();
        let opening = if is_opened { None } else { self.open(&mut state, number) };
        Err(Waiting { pool: Arc::clone(self), number, receiver, opening })
    }

    /// Opens a connection in a separate task.
    fn open(self: &Arc<Self>, state: &mut State, number: u64) -> Option<AbortHandle> {
        let pool = Arc::clone(self);
        let task = self.spawn(async move {
            // Created inside the task: a runtime that ends drops the task immediately, while this pool is locked.
            let opening = Opening { pool, number };
            let pool = &opening.pool;
            let opened = pool.opener.open(pool.uri.clone()).await;
            let mut state = pool.locked();
            if !state.remove_opening(number) {
                return;
            }
            match opened {
                Ok(connection) => {
                    state.speaks_http1 = !connection.is_shared();
                    pool.give(&mut state, connection);
                    pool.open_for_waiting(&mut state);
                }
                Err(error) => pool.fail(&mut state, number, &error),
            }
        });
        if task.is_some() {
            state.opening.push(number);
        } else {
            self.fail(state, number, &ConnectError::new(Refused(NO_RUNTIME)));
        }
        task
    }

    /// Opens a connection for each waiting call, or one for all if it may be shared.
    fn open_for_waiting(self: &Arc<Self>, state: &mut State) {
        let most = if self.opens_one_at_a_time(state) { 1 } else { usize::MAX };
        while state.opening.len() < state.waiting.len().min(most) {
            let number = state.number();
            if self.open(state, number).is_none() {
                return;
            }
        }
    }

    /// Reports an error of opening to the calls that waited for the connection.
    fn fail(&self, state: &mut State, number: u64, error: &ConnectError) {
        if self.opens_one_at_a_time(state) {
            for waiter in state.waiting.drain(..) {
                // An error means that the call was dropped.
                let _ = waiter.connection.send(Err(error.clone()));
            }
            return;
        }
        // The call that it was opened for, or if that has another connection, the oldest.
        let at = state.waiting.iter().position(|waiter| waiter.number == number).unwrap_or(0);
        if state.opening.len() < state.waiting.len() {
            if let Some(waiter) = state.waiting.remove(at) {
                let _ = waiter.connection.send(Err(error.clone()));
            }
        }
    }

    /// Returns a connection to the pool: to a waiting call, else to the idle ones.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let mut state = self.locked();
        if !state.is_discarded && self.settings().max_idle > 0 {
            self.give(&mut state, connection);
        }
    }

    fn give(self: &Arc<Self>, state: &mut State, mut connection: Box<Connection>) {
        while let Some(waiter) = state.waiting.pop_front() {
            let shared = connection.share();
            match (waiter.connection.send(Ok(connection)), shared) {
                (Err(Ok(back)), _) => connection = back,
                (_, Some(shared)) => connection = shared,
                _ => return,
            }
        }
        if !state.is_discarded {
            let expiry = connection.expiry();
            state.idle.put(connection, self.settings());
            self.sweep_at(&mut state.idle, expiry);
        }
    }

    /// Closes idle connections, and keeps no connection from now on.
    pub(super) fn discard(&self) {
        let mut state = self.locked();
        state.is_discarded = true;
        state.idle.clear();
    }
}

/// A connection that is being opened. Reports an error to the waiting calls if its task is dropped.
struct Opening {
    pool: Arc<Pool>,
    number: u64,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = self.pool.locked();
        if state.remove_opening(self.number) {
            let error = ConnectError::new("the task that opened the connection was stopped");
            self.pool.fail(&mut state, self.number, &error);
        }
    }
}

/// A call that waits for a connection.
pub(super) struct Waiting {
    pool: Arc<Pool>,
    number: u64,
    receiver: oneshot::Receiver<Result<Box<Connection>, ConnectError>>,
    /// The connection that is being opened for it.
    opening: Option<AbortHandle>,
}

impl Waiting {
    pub(super) async fn connection(mut self) -> Result<Box<Connection>, ConnectError> {
        let connection = (&mut self.receiver).await;
        // Keeps the opening for other calls.
        self.opening = None;
        connection.unwrap_or_else(|_| Err(ConnectError::new(Refused(NO_RUNTIME))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(Ok(connection)) = self.receiver.try_recv() {
            self.pool.put(connection);
            return;
        }
        let mut state = self.pool.locked();
        state.waiting.retain(|waiter| waiter.number != self.number);
        // The call was dropped, so its opening is aborted.
        if let Some(opening) = self.opening.take() {
            opening.abort();
            state.remove_opening(self.number);
            self.pool.open_for_waiting(&mut state);
        }
    }
}
