//! A connection as hyper-util holds it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::heads::Heads;

/// How much is read at a time of what may be a head.
const PIECE: usize = 8 << 10;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// TCP with or without TLS, which keeps its addresses to itself: hyper-util would copy them into every response, at
/// three allocations per call, and nothing reads them there.
///
/// Heads of HTTP/1.1 answers are looked at on their way in; HTTP/2 passes as it is.
pub(crate) struct Socket {
    stream: Stream,
    heads: Option<Heads>,
}

impl Socket {
    pub(crate) fn new(stream: Stream) -> Self {
        let heads = (!stream.connected().is_negotiated_h2()).then(Heads::default);
        Self { stream, heads }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        Pin::new(&mut self.get_mut().stream)
    }

    /// A head comes after what is written, if any of it was.
    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(1..)), Some(heads)) = (&written, &mut self.heads) {
            heads.expect();
        }
        written
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        let told = self.stream.connected();
        let kept = Connected::new().proxy(told.is_proxied());
        if told.is_negotiated_h2() { kept.negotiated_h2() } else { kept }
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, heads } = self.get_mut();
        let mut stream = Pin::new(stream);
        let Some(heads) = heads else { return stream.poll_read(context, buffer) };
        loop {
            if let Some(next) = heads.next(buffer.remaining()) {
                buffer.put_slice(&next?);
                return Poll::Ready(Ok(()));
            }
            if !heads.are_looked_at() {
                return stream.poll_read(context, buffer);
            }
            let mut space = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut space);
            ready!(stream.as_mut().poll_read(context, piece.unfilled()))?;
            heads.push(piece.filled());
            if piece.filled().is_empty() && !heads.has_some() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = Pin::new(&mut socket.stream).poll_write(context, bytes);
        socket.written(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = Pin::new(&mut socket.stream).poll_write_vectored(context, pieces);
        socket.written(written)
    }
}
