//! TCP whose state is known when it matters.
//!
//! tokio reports what its I/O driver saw when it last ran. In a runtime that was busy with something else that can be long
//! ago, and a request written then goes to a server that has closed the connection: it is lost, and possibly paid for. So
//! where tokio has nothing to report and a request comes next, the system is asked. hyper reads before it writes, so that it
//! then closes the connection and sends nothing.

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

/// The state of an HTTP/2 connection is known if the system was asked within this time.
pub(crate) const MOMENT: Duration = Duration::from_millis(1);

pub(crate) struct Tcp {
    stream: TcpStream,
    traffic: Traffic,
    /// When the system was last asked, for a connection on which a request can be written at any time.
    asked: Option<Instant>,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, traffic: Traffic::default(), asked: None }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// From now on requests can be written at any time.
    pub(crate) fn share(&mut self) {
        self.asked = Some(Instant::now());
    }

    /// Returns whether the system is to be asked.
    fn is_unknown(&self) -> bool {
        self.traffic.gets_request() || self.asked.is_some_and(|asked| asked.elapsed() >= MOMENT)
    }

    /// Reads what is there, without tokio's I/O driver, as often as tokio allows a task at a time.
    fn poll_read_now(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let turn = ready!(poll_proceed(context));
        let socket = SockRef::from(&self.stream);
        let count = match socket.peek(&mut [MaybeUninit::uninit()]) {
            // The end.
            Ok(0) => 0,
            Ok(_) => (&*socket).read(buffer.initialize_unfilled())?,
            // tokio wakes the task when something comes.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                self.traffic.looked();
                if let Some(asked) = &mut self.asked {
                    *asked = Instant::now();
                }
                return Poll::Pending;
            }
            Err(error) => return Poll::Ready(Err(error)),
        };
        turn.made_progress();
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }

    /// Writes, unless the connection has ended: what waits in a buffer above must then not be written any more.
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
        if read.is_pending() && self.is_unknown() {
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
