//! The socket of a connection, as hyper reads and writes it.

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
use crate::limits::MAX_TIMEOUT;
#[cfg(feature = "http2")]
use crate::probe::{self, ProbeReceiver, ProbeSender};
use crate::since::Since;
use crate::tcp::Tcp;
use crate::traffic::Traffic;

/// The maximum number of inspected bytes per read.
const CHUNK_SIZE: usize = 8 << 10;

/// The margin before the server's idle limit, so that a request does not cross the server's close on the wire.
const CLOSE_MARGIN: Duration = Duration::from_secs(1);

/// TCP with or without TLS. Repairs received heads before hyper reads them, so that no answer with a malformed head or a
/// wrong length is lost.
pub(crate) struct Socket {
    stream: Stream,
    incoming: Incoming,
    /// Expires shortly before the idle limit that the server announced, if any.
    idle_timer: Option<IdleTimer>,
    traffic: Traffic,
    #[cfg(feature = "http2")]
    probes: Option<ProbeReceiver>,
}

/// A timer on both clocks.
struct IdleTimer {
    since: Since,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
}

impl IdleTimer {
    fn new(limit: Duration) -> Self {
        let since = Since::now();
        Self { since, limit, timer: Box::pin(sleep_until(since.monotonic() + limit)) }
    }

    /// Compares the clocks too, because the timer fires only after the runtime has processed its timers.
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

/// Evaluates an expression with the pinned stream of either kind.
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
            stream.get_mut().0.check_before_requests();
        }
        let traffic = stream.get_ref().0.traffic().clone();
        Self::new(Stream::Tls(Box::new(TokioIo::new(stream))), traffic, incoming)
    }

    fn new(stream: Stream, traffic: Traffic, incoming: Incoming) -> Self {
        Self {
            stream,
            incoming,
            idle_timer: None,
            traffic,
            #[cfg(feature = "http2")]
            probes: None,
        }
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Returns a sender that lets calls wait until the connection's task has read all received bytes.
    #[cfg(feature = "http2")]
    pub(crate) fn prober(&mut self) -> ProbeSender {
        let (sender, receiver) = probe::channel();
        self.probes = Some(receiver);
        sender
    }

    /// Returns whether the server chose HTTP/2.
    #[cfg(feature = "http2")]
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.incoming, Incoming::Http2(_))
    }

    /// Expects a head after a successful write.
    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(1..)), Incoming::Http1(heads)) = (&written, &mut self.incoming) {
            heads.expect_head();
            self.idle_timer = None;
        }
        written
    }
}

impl Incoming {
    /// Returns whether the next bytes must be inspected.
    fn needs_inspection(&self) -> bool {
        match self {
            Self::Http1(heads) => heads.need_inspection(),
            Self::Http2(_) => true,
        }
    }

    /// Takes received bytes. Returns the idle limit that the server announced if they end the answer.
    fn push(&mut self, bytes: &[u8]) -> Option<Duration> {
        match self {
            Self::Http1(heads) => {
                heads.push(bytes);
                heads.take_keep_alive()
            }
            Self::Http2(frames) => {
                frames.push(bytes);
                None
            }
        }
    }

    /// Returns the next bytes for hyper, at most `room`; `None` if more must be received first.
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
        let Self { stream, incoming, idle_timer, traffic, .. } = self;
        let mut has_ended = false;
        loop {
            if let Some(next) = incoming.next(buffer.remaining()) {
                buffer.put_slice(&next?);
                return Poll::Ready(Ok(()));
            }
            if has_ended {
                return Poll::Ready(Ok(()));
            }
            if !incoming.needs_inspection() {
                let read = with!(*stream, it => it.poll_read(context, buffer));
                return match idle_timer {
                    // Reports the end of the stream, as if the server had closed it: a concurrent request is never sent.
                    Some(idle_timer) if read.is_pending() => idle_timer.poll(context).map(Ok),
                    _ => read,
                };
            }
            let mut space = [MaybeUninit::uninit(); CHUNK_SIZE];
            let mut chunk = ReadBuf::uninit(&mut space);
            let read = ready!(with!(*stream, it => it.poll_read(context, chunk.unfilled())));
            if read.is_err() || chunk.filled().is_empty() {
                traffic.end();
            }
            read?;
            if let Incoming::Http1(heads) = incoming {
                if chunk.filled().len() <= buffer.remaining() && heads.pass(chunk.filled()) {
                    buffer.put_slice(chunk.filled());
                    return Poll::Ready(Ok(()));
                }
            }
            has_ended = chunk.filled().is_empty();
            if let Some(keep_alive) = incoming.push(chunk.filled()) {
                *idle_timer = Some(IdleTimer::new(
                    keep_alive.saturating_sub(CLOSE_MARGIN).max(keep_alive / 2).min(MAX_TIMEOUT),
                ));
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
