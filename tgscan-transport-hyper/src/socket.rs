//! A connection as hyper holds it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::time::{Sleep, sleep_until};
use tokio_rustls::client::TlsStream;

use crate::frames::Frames;
use crate::heads::Heads;
use crate::limits::LONGEST;
#[cfg(feature = "http2")]
use crate::probe::{self, ProbeReceiver, ProbeSender};
use crate::since::Since;
use crate::tcp::Tcp;
use crate::traffic::Traffic;

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
    lapse: Option<Lapse>,
    traffic: Traffic,
    #[cfg(feature = "http2")]
    probes: Option<ProbeReceiver>,
}

/// The end of a time.
struct Lapse {
    since: Since,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Lapse {
    fn new(limit: Duration) -> Self {
        let since = Since::now();
        Self { since, limit, timer: Box::pin(sleep_until(since.monotonic() + limit)) }
    }

    /// Looks at the clocks as well: the timer follows when the runtime has looked at them.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.since.has_passed(self.limit) { Poll::Ready(()) } else { self.timer.as_mut().poll(context) }
    }
}

enum Incoming {
    Http1(Heads),
    Http2(Frames),
}

enum Stream {
    Plain(TokioIo<Tcp>),
    Tls(Box<TokioIo<TlsStream<Tcp>>>),
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
    pub(crate) fn plain(stream: Tcp) -> Self {
        let traffic = stream.traffic().clone();
        Self::new(Stream::Plain(TokioIo::new(stream)), traffic, Incoming::Http1(Heads::default()))
    }

    pub(crate) fn tls(mut stream: TlsStream<Tcp>) -> Self {
        let incoming = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Incoming::Http2(Frames::default()),
            _ => Incoming::Http1(Heads::default()),
        };
        if let Incoming::Http2(_) = incoming {
            stream.get_mut().0.share();
        }
        let traffic = stream.get_ref().0.traffic().clone();
        Self::new(Stream::Tls(Box::new(TokioIo::new(stream))), traffic, incoming)
    }

    fn new(stream: Stream, traffic: Traffic, incoming: Incoming) -> Self {
        Self {
            stream,
            incoming,
            lapse: None,
            traffic,
            #[cfg(feature = "http2")]
            probes: None,
        }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Lets calls wait until the connection's task has read all that came.
    #[cfg(feature = "http2")]
    pub(crate) fn prober(&mut self) -> ProbeSender {
        let (sender, receiver) = probe::channel();
        self.probes = Some(receiver);
        sender
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

impl Socket {
    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, incoming, lapse, traffic, .. } = self;
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
                    Some(lapse) if read.is_pending() => lapse.poll(context).map(Ok),
                    _ => read,
                };
            }
            let mut space = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut space);
            let read = ready!(with!(*stream, it => it.poll_read(context, piece.unfilled())));
            if read.is_err() || piece.filled().is_empty() {
                traffic.end();
            }
            read?;
            if let Incoming::Http1(heads) = incoming {
                if piece.filled().len() <= buffer.remaining() && heads.pass(piece.filled()) {
                    buffer.put_slice(piece.filled());
                    return Poll::Ready(Ok(()));
                }
            }
            has_ended = piece.filled().is_empty();
            if let Some(kept) = incoming.push(piece.filled()) {
                *lapse = Some(Lapse::new(kept.saturating_sub(EARLY).max(kept / 2).min(LONGEST)));
            }
        }
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = self.get_mut();
        let read = socket.poll_incoming(context, buffer);
        #[cfg(feature = "http2")]
        if let (Poll::Pending, Some(probes)) = (&read, &mut socket.probes) {
            probes.answer(context);
        }
        read
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
