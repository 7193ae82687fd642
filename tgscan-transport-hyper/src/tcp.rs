//! A TCP stream that checks its state before a request is written.
//!
//! tokio reports the state that its I/O driver last saw. In a blocked runtime that can be long ago, and a request written then
//! may go to a server that has closed the connection; it is lost, and possibly paid for. So before a request, a read that
//! tokio reports as pending asks the operating system. hyper reads before it writes, so it then closes the connection and
//! sends nothing.

use std::io::{self, ErrorKind, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::poll_proceed;

/// The time for which a check of an HTTP/2 connection stays valid.
pub(crate) const CHECK_VALIDITY: Duration = Duration::from_millis(1);

pub(crate) struct Tcp {
    stream: TcpStream,
    traffic: Traffic,
    /// The time of the last check, for a connection on which a request can be written at any time.
    checked_at: Option<Instant>,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, traffic: Traffic::default(), checked_at: None }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Checks regularly from now on, because requests can be written at any time.
    pub(crate) fn check_before_requests(&mut self) {
        self.checked_at = Some(Instant::now());
    }

    /// Returns whether the operating system must be asked.
    fn needs_check(&self) -> bool {
        self.traffic.needs_check()
            || self.checked_at.is_some_and(|checked_at| checked_at.elapsed() >= CHECK_VALIDITY)
    }

    /// Reads directly from the socket, without tokio's I/O driver, within the task's budget.
    fn poll_read_now(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let turn = ready!(poll_proceed(context));
        let socket = SockRef::from(&self.stream);
        let count = match socket.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => 0,
            Ok(_) => (&*socket).read(buffer.initialize_unfilled())?,
            // tokio wakes the task when the socket becomes readable.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.traffic.checked();
                if let Some(checked_at) = &mut self.checked_at {
                    *checked_at = Instant::now();
                }
                return Poll::Pending;
            }
            Err(error) => return Poll::Ready(Err(error)),
        };
        turn.made_progress();
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        let mut read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.needs_check() {
            read = self.poll_read_now(context, buffer);
        }
        let Poll::Ready(result) = &read else { return Poll::Pending };
        if result.is_err() || (room > 0 && buffer.remaining() == room) {
            self.traffic.end();
        }
        read
    }
}

impl AsyncWrite for Tcp {
    /// Writes, unless the connection has ended: buffered bytes of a request must not be written after that.
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.traffic.has_ended() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match &written {
            Poll::Ready(Ok(_)) => self.traffic.wrote(),
            Poll::Ready(Err(_)) => self.traffic.end(),
            Poll::Pending => {}
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The traffic of one connection. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<State>);

#[derive(Default)]
struct State {
    /// The number of successful writes.
    writes: AtomicU64,
    has_ended: AtomicBool,
    needs_check: AtomicBool,
}

impl Traffic {
    /// Returns whether both belong to one connection.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Records a successful write.
    pub(crate) fn wrote(&self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the end of the connection: nothing is written after it.
    pub(crate) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Acquire)
    }

    /// Makes the socket check its state before it reads again, and returns the number of writes so far. Call this before the
    /// connection receives a request.
    pub(crate) fn begin_request(&self) -> u64 {
        self.0.needs_check.store(true, Ordering::Relaxed);
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Returns whether a request is coming and the socket has not been checked since.
    pub(crate) fn needs_check(&self) -> bool {
        self.0.needs_check.load(Ordering::Relaxed)
    }

    /// Records a check of the socket.
    pub(crate) fn checked(&self) {
        self.0.needs_check.store(false, Ordering::Relaxed);
    }

    /// Returns whether the connection ended without another write. One task writes and ends it, so that a call that sees the
    /// end sees all writes.
    pub(crate) fn ended_after(&self, writes: u64) -> bool {
        self.has_ended() && self.0.writes.load(Ordering::Relaxed) == writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_after_needs_the_end_and_no_further_write() {
        let traffic = Traffic::default();
        traffic.wrote();
        let before = traffic.begin_request();
        assert!(!traffic.ended_after(before));
        traffic.end();
        assert!(traffic.ended_after(before));
        traffic.wrote();
        assert!(!traffic.ended_after(before));
    }
}
