//! TCP whose state is known when it matters.
//!
//! tokio reports what its I/O driver saw when it last ran. In a runtime that was busy with something else that can be long
//! ago, and a request written then goes to a server that has closed the connection: it is lost, and possibly paid for. So
//! where tokio has nothing to report and a request comes next, the system is asked. hyper reads before it writes, so that it
//! then closes the connection and sends nothing.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

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
    fn is_unknown(&mut self) -> bool {
        let gets_request = self.traffic.gets_request();
        let Some(asked) = &mut self.asked else { return gets_request };
        let now = Instant::now();
        let is_unknown = gets_request || now.duration_since(*asked) >= MOMENT;
        if is_unknown {
            *asked = now;
        }
        is_unknown
    }

    /// Reads what is there, without tokio.
    fn read_now(&self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.stream);
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            // The end.
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => {
                let count = (&*socket).read(buffer.initialize_unfilled())?;
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            // tokio wakes the task when something comes.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
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
        let filled = buffer.filled().len();
        let mut read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.is_unknown() {
            read = self.read_now(buffer);
        }
        let Poll::Ready(result) = &read else { return Poll::Pending };
        if result.is_err() || buffer.filled().len() == filled {
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
