//! A TCP stream that checks its state before a request is written.
//!
//! tokio reports the state that its I/O driver last saw. In a blocked runtime that can be long ago, and a request written then
//! may go to a server that has closed the connection; it is lost, and possibly paid for. So before a request, a read that
//! tokio reports as pending asks the operating system. hyper reads before it writes, so it then closes the connection and
//! sends nothing.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop::poll_proceed;

use crate::traffic::Traffic;

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

    /// Writes, unless the connection has ended: buffered bytes of a request must not be written after that.
    fn write(
        mut self: Pin<&mut Self>,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.traffic.has_ended() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let written = write(Pin::new(&mut self.stream));
        match &written {
            Poll::Ready(Ok(_)) => self.traffic.wrote(),
            Poll::Ready(Err(_)) => self.traffic.end(),
            Poll::Pending => {}
        }
        written
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
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(context, pieces))
    }
}
