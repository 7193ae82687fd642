//! Connections that nobody uses, until they have been idle for too long.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::open::Settings;
use super::origin::Pool;
use crate::outgoing::Outgoing;

/// The open connections that the next call can have.
#[derive(Default)]
pub(super) struct Idle {
    /// The latest last, so that in quiet times the others age.
    http1: Vec<IdleHttp1>,
    #[cfg(feature = "http2")]
    http2: Option<(http2::SendRequest<Outgoing>, Instant)>,
    /// Closes those that are idle for too long.
    sweeper: Option<Sweeper>,
}

/// An HTTP/1.1 connection that can take a request.
struct IdleHttp1 {
    sender: SendRequest<Outgoing>,
    /// It was never used.
    is_new: bool,
    since: Instant,
}

/// A task that ends with what it looks after.
struct Sweeper(AbortHandle);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Idle {
    /// Takes the HTTP/1.1 connection that was used last, or the last that was never used.
    pub(super) fn take_http1(&mut self, must_be_new: bool) -> Option<SendRequest<Outgoing>> {
        if must_be_new {
            let at = self.http1.iter().rposition(|idle| idle.is_new && idle.sender.is_ready())?;
            return Some(self.http1.remove(at).sender);
        }
        while let Some(idle) = self.http1.pop() {
            if idle.sender.is_ready() {
                return Some(idle.sender);
            }
        }
        None
    }

    pub(super) fn put_http1(&mut self, sender: SendRequest<Outgoing>, is_new: bool, settings: &Settings) {
        if self.http1.len() < settings.max_idle {
            self.http1.push(IdleHttp1 { sender, is_new, since: Instant::now() });
        }
    }

    /// A handle on the HTTP/2 connection, which stays.
    #[cfg(feature = "http2")]
    pub(super) fn share_http2(&mut self) -> Option<http2::SendRequest<Outgoing>> {
        let (sender, since) = self.http2.as_mut()?;
        if sender.is_closed() {
            self.http2 = None;
            return None;
        }
        *since = Instant::now();
        Some(sender.clone())
    }

    #[cfg(feature = "http2")]
    pub(super) fn put_http2(&mut self, sender: http2::SendRequest<Outgoing>, settings: &Settings) {
        if settings.max_idle > 0 {
            self.http2 = Some((sender, Instant::now()));
        }
    }

    pub(super) fn clear(&mut self) {
        self.http1.clear();
        #[cfg(feature = "http2")]
        {
            self.http2 = None;
        }
        self.sweeper = None;
    }

    /// Closes those that have been idle for this long, and says when to look again; `None` if none is left.
    fn sweep(&mut self, timeout: Duration) -> Option<Instant> {
        let now = Instant::now();
        let is_kept = |since: &Instant| *since + timeout > now;
        self.http1.retain(|idle| is_kept(&idle.since) && !idle.sender.is_closed());
        let next = self.http1.iter().map(|idle| idle.since).min();
        #[cfg(feature = "http2")]
        let next = {
            // Who uses it has a handle of its own.
            self.http2.take_if(|(sender, since)| !is_kept(since) || sender.is_closed());
            next.into_iter().chain(self.http2.as_ref().map(|(_, since)| *since)).min()
        };
        next.map(|since| since + timeout)
    }
}

impl Pool {
    /// Sees to it that connections that are idle for too long are closed, also if no call ever comes again.
    pub(super) fn look_after(self: &Arc<Self>, idle: &mut Idle) {
        if idle.sweeper.is_none() {
            let sweeping = sweeping(Arc::downgrade(self), self.settings().idle_timeout);
            idle.sweeper = self.spawn(sweeping).map(Sweeper);
        }
    }
}

async fn sweeping(pool: Weak<Pool>, timeout: Duration) {
    let mut next = Instant::now() + timeout;
    loop {
        sleep_until(next).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.locked();
        let Some(at) = state.idle.sweep(timeout) else {
            state.idle.sweeper = None;
            return;
        };
        next = at;
    }
}
