//! A connection as hyper holds it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::client::TlsStream;

use crate::frames::Frames;
use crate::heads::Heads;
use crate::limits::LONGEST;

/// How much is read at a time of what is looked at.
const PIECE: usize = 8 << 10;

/// A request on its way must not meet the server's closing.
const EARLY: Duration = Duration::from_secs(1);

/// TCP with or without TLS. What comes in is looked at on its way to hyper, so that answers with an odd head or a wrong
/// length are not lost.
pub(crate) struct Socket {
    stream: Stream,
    incoming: Incoming,
    /// Runs out shortly before the server closes the idle connection, where it says when it does.
    lapse: Option<Pin<Box<Sleep>>>,
}

enum Incoming {
    Http1(Heads),
    Http2(Frames),
}

enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

/// Evaluates an expression with the stream, pinned, whichever of the two it is.
macro_rules! with {
    ($stream:expr, $name:ident => $call:expr) => {
        match &mut $stream {
            Stream::Plain(stream) => {
                let $name = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $name = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl Socket {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        let (stream, incoming) = (Stream::Plain(TokioIo::new(stream)), Incoming::Http1(Heads::default()));
        Self { stream, incoming, lapse: None }
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        let incoming = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Incoming::Http2(Frames::default()),
            _ => Incoming::Http1(Heads::default()),
        };
        Self { stream: Stream::Tls(Box::new(TokioIo::new(stream))), incoming, lapse: None }
    }

    /// Whether the server chose HTTP/2.
    #[cfg(feature = "http2")]
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.incoming, Incoming::Http2(_))
    }

    /// A head comes after what is written, if any of it was.
    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(1..)), Incoming::Http1(heads)) = (&written, &mut self.incoming) {
            heads.expect();
            self.lapse = None;
        }
        written
    }
}

impl Incoming {
    /// Whether what comes next is to be looked at.
    fn is_looked_at(&self) -> bool {
        match self {
            Self::Http1(heads) => heads.are_looked_at(),
            Self::Http2(_) => true,
        }
    }

    /// Says how long the server keeps the connection from now on, if it told and the answer ends here.
    fn push(&mut self, bytes: &[u8]) -> Option<Duration> {
        match self {
            Self::Http1(heads) => {
                heads.push(bytes);
                heads.kept()
            }
            Self::Http2(frames) => {
                frames.push(bytes);
                None
            }
        }
    }

    /// What hyper gets next, up to a size; nothing if more has to come first.
    fn next(&mut self, room: usize) -> Option<io::Result<BytesMut>> {
        match self {
            Self::Http1(heads) => heads.next(room),
            Self::Http2(frames) => frames.next(room).map(Ok),
        }
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, incoming, lapse } = self.get_mut();
        let mut has_ended = false;
        loop {
            if let Some(next) = incoming.next(buffer.remaining()) {
                buffer.put_slice(&next?);
                return Poll::Ready(Ok(()));
            }
            if has_ended {
                return Poll::Ready(Ok(()));
            }
            if !incoming.is_looked_at() {
                let read = with!(*stream, it => it.poll_read(context, buffer));
                return match lapse {
                    // As if the server had closed it: a request that comes at this moment is never sent.
                    Some(lapse) if read.is_pending() => lapse.as_mut().poll(context).map(Ok),
                    _ => read,
                };
            }
            let mut space = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut space);
            ready!(with!(*stream, it => it.poll_read(context, piece.unfilled())))?;
            if let Incoming::Http1(heads) = incoming {
                if piece.filled().len() <= buffer.remaining() && heads.pass(piece.filled()) {
                    buffer.put_slice(piece.filled());
                    return Poll::Ready(Ok(()));
                }
            }
            has_ended = piece.filled().is_empty();
            if let Some(kept) = incoming.push(piece.filled()) {
                *lapse = Some(Box::pin(sleep(kept.saturating_sub(EARLY).max(kept / 2).min(LONGEST))));
            }
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = with!(socket.stream, it => it.poll_write(context, bytes));
        socket.written(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.get_mut().stream, it => it.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self.get_mut().stream, it => it.poll_shutdown(context))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.get_mut();
        let written = with!(socket.stream, it => it.poll_write_vectored(context, pieces));
        socket.written(written)
    }
}
